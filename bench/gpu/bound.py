"""Routers and alignments by hand in CUDA, built on the spot: how fast a launch can be.

`bound/router_exact.cu` gives the interpreter's bits on bf16 logits, `bound/router_approximate.cu` takes the card's approximate
exponential, and `bound/align.cu` lays items out by expert. Each knows a few numbers only, in templates. Without nvcc there is none.

    bound.py --build FOLDER     builds all of them; whoever has BOUNDS=FOLDER in its environment loads them from there
"""

import atexit
import ctypes
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import torch

HERE = pathlib.Path(__file__).parent / "bound"

# Every file with what is defined for it, the longest first.
ALL = [("router_approximate",), ("router_exact",), ("align", "ONLY=0"),
       *(("align", f"ONLY={experts}", f"PART={part}") for experts in (256, 384, 512) for part in (1, 2))]


@functools.cache
def folder():
    """Where files are built: the folder of BOUNDS, or one that is removed in the end."""
    if "BOUNDS" in os.environ:
        chosen = pathlib.Path(os.environ["BOUNDS"])
        chosen.mkdir(parents=True, exist_ok=True)
        return chosen
    made = tempfile.mkdtemp(prefix="routefuse-bound-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return pathlib.Path(made)


@functools.cache
def begin(name, *defines):
    """Begins to build a file of kernels for the card, beside whatever else is done: the build, or none where it was done before,
    and the file. None where there is no nvcc."""
    major, minor = torch.cuda.get_device_capability()
    built = folder() / ("-".join((name, *defines, f"sm_{major}{minor}")).replace("=", "") + ".so")
    if built.exists():
        return None, built
    nvcc = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if not nvcc:
        return None
    command = [nvcc, "-O3", "-std=c++17", f"-arch=sm_{major}{minor}", "-shared", "-Xcompiler", "-fPIC",
               *(f"-D{define}" for define in defines), str(HERE / f"{name}.cu"), "-o", str(built) + ".part"]
    process = subprocess.Popen(command)
    atexit.register(lambda: process.poll() is None and process.kill())
    return process, built


@functools.cache
def built_file(name, *defines):
    """The file, when it is built; None where there is no nvcc, or it fails. Then its own complaint is printed."""
    building = begin(name, *defines)
    if building is None:
        return None
    process, built = building
    if process is not None:
        if process.wait() != 0:
            return None
        # Only what is whole has the name that is looked for.
        os.replace(str(built) + ".part", built)
    return built


@functools.cache
def library(name, *defines):
    """A file of kernels, built for the card; None where there is none, and then there is no such peer."""
    built = built_file(name, *defines)
    return built and ctypes.CDLL(str(built))


class Arguments(ctypes.Structure):
    """`RouteArgs` of bound/abi.h."""

    _fields_ = [(name, ctypes.c_void_p) for name in
                ("x", "bias", "w", "ids", "map", "valid", "shared_w", "packed")]
    _fields_ += [(name, ctypes.c_long) for name in ("T", "E", "G", "TG", "K")]
    _fields_ += [("scale", ctypes.c_float), ("softmax", ctypes.c_int), ("bf16", ctypes.c_int), ("pdl", ctypes.c_int),
                 ("stream", ctypes.c_void_p)]


class Bound:
    """One file of kernels; `variants` are its schedules, of which a router has some."""

    def __init__(self, name, variants):
        self.variants, self.library = variants, library(name)

    def calls(self, router, inputs):
        """A call for each schedule that has this router, with outputs of its own."""
        # What follows a router is known with a shared expert only.
        if not self.library or ("table" in inputs and "shared" not in inputs):
            return
        logits, rows = inputs["logits"], inputs["logits"].shape[0]
        width = router.k + (inputs.get("shared") is not None)
        ids = torch.empty((rows, width), dtype=torch.int32, device="cuda")
        weights, packed = torch.empty((rows, width), device="cuda"), torch.empty_like(ids)
        pointer = lambda x: None if x is None else x.data_ptr()
        arguments = Arguments(
            x=pointer(logits), bias=pointer(inputs.get("bias")), w=pointer(weights), ids=pointer(ids),
            map=pointer(inputs.get("table")), valid=pointer(inputs.get("valid")), shared_w=pointer(inputs.get("shared")),
            packed=pointer(packed), T=rows, E=router.experts, G=router.groups, TG=router.keep, K=router.k, scale=router.factor,
            softmax=router.score == "softmax", bf16=1)

        def call(variant):
            def go():
                arguments.stream = torch.cuda.current_stream().cuda_stream
                self.library.variant(variant)
                error = self.library.route(ctypes.byref(arguments))
                if error:
                    raise RuntimeError(f"launch failed with {error}")
                return ids, weights
            return go

        for variant in self.variants:
            self.library.variant(variant)
            arguments.stream = torch.cuda.current_stream().cuda_stream
            # Not 0 where the file has no such schedule of this router.
            if self.library.route(ctypes.byref(arguments)) == 0:
                yield call(variant)


def main():
    if len(sys.argv) != 3 or sys.argv[1] != "--build":
        sys.exit("bound.py --build FOLDER")
    os.environ["BOUNDS"] = sys.argv[2]
    start = time.perf_counter()
    if not all([begin(*of) for of in ALL]):
        sys.exit("bound.py: there is no nvcc, which comes with CUDA; name its folder in PATH")
    failed = 0
    for of in ALL:
        built = built_file(*of)
        failed += built is None
        print(f"{' '.join(of)}: {'fails' if built is None else 'built'}, {time.perf_counter() - start:.0f} s", flush=True)
    print(f"{len(ALL)} files of kernels, {failed} failures")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
