"""Routers and alignments by hand in CUDA, built on the spot: how fast a launch can be.

`bound/router_exact.cu` gives the interpreter's bits on bf16 logits, `bound/router_approximate.cu` takes the card's approximate
exponential. Both know a few routers only, each with its numbers in templates. Without nvcc there is none.
"""

import ctypes
import functools
import pathlib
import shutil
import subprocess
import tempfile

import torch

HERE = pathlib.Path(__file__).parent / "bound"


@functools.cache
def begin(name, *defines):
    """Begins to build a file of kernels for the card, beside whatever else is done; None where there is no nvcc."""
    nvcc = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if not nvcc:
        return None
    folder = tempfile.TemporaryDirectory(prefix="routefuse-bound-")
    built = pathlib.Path(folder.name) / f"{name}.so"
    major, minor = torch.cuda.get_device_capability()
    command = [nvcc, "-O3", "-std=c++17", f"-arch=sm_{major}{minor}", "-shared", "-Xcompiler", "-fPIC",
               *(f"-D{define}" for define in defines), HERE / f"{name}.cu", "-o", built]
    return subprocess.Popen(command), built, folder


@functools.cache
def library(name, *defines):
    """A file of kernels, built for the card; None where there is no nvcc, or it fails."""
    building = begin(name, *defines)
    if building is None:
        return None
    process, built, folder = building
    # Its own complaint is printed where it fails, and there is no such peer then.
    loaded = ctypes.CDLL(str(built)) if process.wait() == 0 else None
    folder.cleanup()
    return loaded


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
