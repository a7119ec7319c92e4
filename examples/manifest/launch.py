"""Launches what `routefuse compile` wrote, with nothing of routefuse: all that it knows is in manifest.json.

    routefuse compile pack.route --target host,sm_90,gfx942 -o out
    python launch.py out --machine host --in ids=ids.npy --in weights=weights.npy --results results

It needs Python and numpy. `--machine cuda` takes NVIDIA's driver, `--machine hip` AMD's HIP runtime. bf16 is written as u16 in .npy
files. docs/reference/abi.md says what each field means; this program is written to be read beside it.
"""

import argparse
import ctypes
import json
import pathlib
import sys

import numpy as np

DTYPES = {"bool": "uint8", "bf16": "uint16", "f16": "float16", "f32": "float32"}


def dtype(name):
    """numpy's, of the manifest's: "i32", "u8", "bf16"."""
    return np.dtype(DTYPES.get(name) or name.replace("i", "int").replace("u", "uint"))


# Formulas: a number, or an object with one key.
def value(formula, extents, device):
    if isinstance(formula, int):
        return formula
    ((key, of),) = formula.items()
    if key == "extent":
        return extents[of]
    if key == "device":
        return device[of]()
    a, b = (value(part, extents, device) for part in of)
    match key:
        case "add":
            return a + b
        case "mul":
            return a * b
        case "ceil_div":
            return -(-a // b)
        case "min":
            return min(a, b)


class Host:
    """Memory of this process, and code that is called."""

    def __init__(self, folder):
        self.folder = folder
        self.kept = []

    def upload(self, array):
        # Aligned to 64 bytes, as a workspace and scratch memory have to be.
        room = np.zeros(array.nbytes + 64, np.uint8)
        at = -room.ctypes.data % 64
        room[at : at + array.nbytes] = np.frombuffer(array.tobytes(), np.uint8)
        self.kept.append(room)
        return room.ctypes.data + at

    def download(self, address, array):
        ctypes.memmove(array.ctypes.data, address, array.nbytes)

    def device(self, *_):
        return {}

    def launch(self, kernel, variant, slots, extents, rows):
        how = variant["launch"]
        code = ctypes.CDLL(str((self.folder / variant["file"]).resolve()))
        entry = getattr(code, variant["entry"])
        entry.restype = None
        entry.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p]
        scratch = self.upload(np.zeros(how["scratch_bytes"], np.uint8)) if how["scratch_bytes"] else None
        memory = (ctypes.c_uint64 * len(slots))(*slots)
        # In two parts, as two threads would share the rows.
        middle = rows // 2 if how["rows_in_parts"] else 0
        for begin, end in [(0, middle), (middle, rows)]:
            if begin < end:
                entry(ctypes.addressof(memory), begin, end, scratch)


class Gpu:
    """What CUDA's driver and the HIP runtime have in common."""

    def call(self, name, *args):
        status = getattr(self.library, name)(*args)
        if status != 0:
            sys.exit(f"{name}: {status}")

    def upload(self, array):
        address = ctypes.c_uint64()
        self.call(self.MALLOC, ctypes.byref(address), ctypes.c_size_t(max(array.nbytes, 1)))
        self.copy(address, array.tobytes(), array.nbytes, self.TO_DEVICE)
        return address.value

    def download(self, address, array):
        self.copy(ctypes.c_void_p(array.ctypes.data), ctypes.c_void_p(address), array.nbytes, self.TO_HOST)

    def load(self, variant):
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        # PTX is text that ends in a zero. The HIP runtime reads a code object as long as it is loaded.
        self.code = ctypes.create_string_buffer((self.folder / variant["file"]).read_bytes() + b"\0")
        self.call(self.LOAD, ctypes.byref(module), self.code)
        self.call(self.FUNCTION, ctypes.byref(function), module, variant["entry"].encode())
        return function

    def device(self, function, threads, shared):
        def multiprocessors():
            count = ctypes.c_int()
            self.call(self.ATTRIBUTE, ctypes.byref(count), self.MULTIPROCESSORS, 0)
            return count.value

        def resident_blocks():
            blocks = ctypes.c_int()
            self.call(self.OCCUPANCY, ctypes.byref(blocks), function, threads, ctypes.c_size_t(shared))
            return max(blocks.value, 1) * multiprocessors()

        return {"multiprocessors": multiprocessors, "resident_blocks": resident_blocks}

    def launch(self, kernel, variant, slots, extents, rows):
        how = variant["launch"]
        function = self.load(variant)
        shared = how["dynamic_shared_bytes"]
        if shared:
            # More than a block has anywhere. No code for AMD asks for it.
            self.call(self.FUNCTION_SET, function, self.MOST_SHARED, shared)
        device = self.device(function, how["threads"], shared)
        blocks = max(value(how["blocks"], extents, device), how["least_blocks"])
        if blocks > how["most_blocks"]:
            sys.exit(f"{kernel['name']}: {blocks} blocks are too many")
        assert not how["cooperative"], "no kernel of this form is"
        most = how["most_dependent_blocks"]
        dependent = self.dependent and most is not None and blocks <= value(most, extents, device)
        memory = (ctypes.c_uint64 * len(slots))(*slots)
        addresses = (ctypes.c_void_p * len(slots))(*[ctypes.addressof(memory) + 8 * i for i in range(len(slots))])
        self.start(function, blocks, how["threads"], shared, addresses, dependent)
        self.call(self.WAIT)
        self.launched.append((kernel["name"], variant["name"], blocks, how["threads"], dependent))


class Cuda(Gpu):
    MALLOC, LOAD, FUNCTION, WAIT = "cuMemAlloc_v2", "cuModuleLoadData", "cuModuleGetFunction", "cuCtxSynchronize"
    OCCUPANCY = "cuOccupancyMaxActiveBlocksPerMultiprocessor"
    ATTRIBUTE, MULTIPROCESSORS = "cuDeviceGetAttribute", 16
    FUNCTION_SET, MOST_SHARED = "cuFuncSetAttribute", 8
    TO_DEVICE, TO_HOST = "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2"

    class Attribute(ctypes.Structure):
        _fields_ = [("id", ctypes.c_int), ("pad", ctypes.c_int), ("value", ctypes.c_int * 16)]

    class Config(ctypes.Structure):
        _fields_ = [(name, ctypes.c_uint) for name in ("gx", "gy", "gz", "bx", "by", "bz", "shared")]
        _fields_ += [("stream", ctypes.c_void_p), ("attributes", ctypes.c_void_p), ("count", ctypes.c_uint)]

    def __init__(self, folder, dependent):
        self.folder, self.dependent, self.launched = folder, dependent, []
        self.library = ctypes.CDLL("libcuda.so.1")
        context = ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
        self.call("cuCtxSetCurrent", context)

    def copy(self, to, of, count, name):
        self.call(name, to, of, ctypes.c_size_t(count), None)
        self.call(self.WAIT)

    def start(self, function, blocks, threads, shared, addresses, dependent):
        # CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION.
        attribute = self.Attribute(6, 0, (ctypes.c_int * 16)(1))
        config = self.Config(blocks, 1, 1, threads, 1, 1, shared, None, ctypes.addressof(attribute), int(dependent))
        self.call("cuLaunchKernelEx", ctypes.byref(config), function, addresses, None)


class Hip(Gpu):
    MALLOC, LOAD, FUNCTION, WAIT = "hipMalloc", "hipModuleLoadData", "hipModuleGetFunction", "hipDeviceSynchronize"
    OCCUPANCY = "hipModuleOccupancyMaxActiveBlocksPerMultiprocessor"
    ATTRIBUTE, MULTIPROCESSORS = "hipDeviceGetAttribute", 63
    TO_DEVICE, TO_HOST = 1, 2

    def __init__(self, folder, dependent):
        self.folder, self.dependent, self.launched = folder, dependent, []
        names = ["libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6"]
        for name in names:
            try:
                self.library = ctypes.CDLL(name)
                break
            except OSError:
                continue
        else:
            sys.exit("there is no HIP runtime: " + ", ".join(names))
        self.call("hipInit", 0)
        self.call("hipSetDevice", 0)

    def copy(self, to, of, count, kind):
        self.call("hipMemcpyAsync", to, of, ctypes.c_size_t(count), kind, None)
        self.call(self.WAIT)

    def start(self, function, blocks, threads, shared, addresses, dependent):
        numbers = [ctypes.c_uint(n) for n in (blocks, 1, 1, threads, 1, 1, shared)]
        self.call("hipModuleLaunchKernel", function, *numbers, None, addresses, None)


def strides(shape):
    """In elements, of a row-major tensor without gaps."""
    return [int(np.prod(shape[dim + 1 :], dtype=np.int64)) for dim in range(len(shape))]


def run(folder, machine, target, inputs, extents, dependent=False):
    """The outputs by name. `inputs` are arrays by name; `extents` gain what these say."""
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["manifest"] == 2, "the form that this program knows"
    targets = [t for t in manifest["targets"] if t["machine"] == machine and target in (None, t["target"])]
    if not targets:
        sys.exit(f"{folder} has no code for {target or machine}")
    plan = targets[0]
    gpu = {"host": Host, "cuda": Cuda, "hip": Hip}[machine]
    gpu = gpu(folder) if machine == "host" else gpu(folder, dependent)

    # The extents are those of the inputs.
    for argument in manifest["arguments"]:
        given = inputs.get(argument["name"])
        if given is None:
            continue
        shape = argument["shape"]
        if given.dtype != dtype(argument["dtype"]) or given.ndim != len(shape):
            sys.exit(f"{argument['name']} is {given.dtype}{given.shape}, not {argument['dtype']}{shape}")
        for dim, extent in zip(shape, given.shape):
            if extents.setdefault(dim, extent) != extent if isinstance(dim, str) else dim != extent:
                sys.exit(f"{argument['name']} has the shape {given.shape}, not {shape}")

    for bound in manifest["bounds"]:
        of = extents[bound["of"]] if bound["of"] else 0
        terms = [(term["times"] * of + term["plus"]) // term["over"] for term in bound["terms"]]
        least = bound["times"] * max(min(terms), 0)
        # What the caller does not say is as small as it may be.
        if extents.setdefault(bound["symbol"], least) < least:
            sys.exit(f"{bound['symbol']} is {extents[bound['symbol']]}, and has to be {least} at least")

    # Every tensor's address, shape and strides: arguments first, an output that lies in an input after it.
    tensors, results = {}, {}
    for argument in manifest["arguments"]:
        name, alias = argument["name"], argument["alias"]
        shape = [extents[dim] if isinstance(dim, str) else dim for dim in argument["shape"]]
        if alias is not None and alias["kind"] == "in_place":
            address = tensors[alias["input"]]["address"]
        elif argument["role"] == "input":
            if name not in inputs:
                sys.exit(f"{name} is not given")
            address = gpu.upload(np.ascontiguousarray(inputs[name]))
        else:
            # An error word is 0 at first. Of the others every element is written, so anything may be there.
            filled = 0 if argument["zeroed"] else 0xA5
            count = int(np.prod(shape, dtype=np.int64)) * argument["element_bytes"]
            address = gpu.upload(np.full(count, filled, np.uint8))
        tensors[name] = {
            "address": address, "shape": shape, "strides": strides(shape), "bytes": argument["element_bytes"],
            "row_stride": argument["layout"] != "contiguous",
        }
        if argument["role"] != "input":
            results[name] = np.empty(shape, dtype(argument["dtype"]))
    space = plan["workspace"]
    base = gpu.upload(np.full(value(space["bytes"], extents, {}), 0xA5, np.uint8))
    assert base % space["align"] == 0
    for buffer in space["buffers"]:
        shape = [extents[dim] if isinstance(dim, str) else dim for dim in buffer["shape"]]
        offset = value(buffer["offset"], extents, {})
        tensors[buffer["name"]] = {
            "address": base + offset, "shape": shape, "strides": strides(shape), "bytes": buffer["element_bytes"],
            "row_stride": False,
        }

    for kernel in plan["kernels"]:
        rows = extents[kernel["rows"]] if kernel["rows"] else 1
        # Outputs of this program lie in an input only where they have to.
        if rows == 0 and not kernel["runs_without_rows"]:
            continue
        # Few rows may have a kernel that does the work of several.
        if taken := kernel["taken"]:
            extent = extents[taken["by"]]
            if extent < taken["least"] or (taken["most"] is not None and extent > taken["most"]):
                continue
        touched = [tensors[slot["tensor"]] for slot in kernel["slots"] if slot["kind"] == "pointer"]
        elements = max([rows] + [int(np.prod(t["shape"], dtype=np.int64)) for t in touched])
        low = 0
        for tensor in touched:
            low |= tensor["address"]
            if tensor["row_stride"] and tensor["shape"] and tensor["shape"][0] > 1:
                low |= tensor["strides"][0] * tensor["bytes"]

        def holds(requires):
            return (
                low % requires["align"] == 0
                and (requires["most_elements"] is None or elements <= requires["most_elements"])
                and requires["least_rows"] <= rows
                and (requires["most_rows"] is None or rows <= requires["most_rows"])
            )

        slots = []
        for slot in kernel["slots"]:
            match slot["kind"]:
                case "pointer":
                    slots.append(tensors[slot["tensor"]]["address"])
                case "stride":
                    slots.append(tensors[slot["tensor"]]["strides"][slot["dim"]])
                case "extent":
                    slots.append(extents[slot["symbol"]])
                case "value":
                    slots.append(slot["value"])
        assert 8 * len(slots) == kernel["slot_bytes"]
        # One launch, or several that follow each other: of each part the first variant that may be launched.
        fit = [v for v in kernel["variants"] if holds(v["requires"])]
        for part in sorted({v["part"] for v in fit}):
            gpu.launch(kernel, next(v for v in fit if v["part"] == part), slots, extents, rows)

    for name, result in results.items():
        gpu.download(tensors[name]["address"], result)
    for launched in getattr(gpu, "launched", []):
        print("kernel {} {}: {} blocks of {} threads{}".format(*launched[:4], ", dependent" if launched[4] else ""))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="what `compile -o` was given")
    parser.add_argument("--machine", choices=["host", "cuda", "hip"], default="host")
    parser.add_argument("--target", help="the name of one of several targets of that machine")
    parser.add_argument("--in", dest="inputs", action="append", default=[], metavar="NAME=FILE.npy")
    parser.add_argument("--dim", dest="dims", action="append", default=[], metavar="NAME=N", help="an extent that no input has; of one with a bound the least if it is not given")
    parser.add_argument("--dependent", action="store_true", help="programmatic dependent launches, on GPUs that have them")
    parser.add_argument("--results", type=pathlib.Path, metavar="FOLDER", help="where outputs go, as NAME.npy")
    args = parser.parse_args()
    inputs = {name: np.load(file) for name, file in (of.split("=", 1) for of in args.inputs)}
    extents = {name: int(n) for name, n in (of.split("=", 1) for of in args.dims)}
    results = run(args.folder, args.machine, args.target, inputs, extents, args.dependent)
    for name, result in results.items():
        print(f"{name}: {result.dtype}{list(result.shape)}")
        if args.results:
            args.results.mkdir(parents=True, exist_ok=True)
            np.save(args.results / f"{name}.npy", result)


if __name__ == "__main__":
    main()
