"""What routefuse reads of a torch that was built for AMD's GPUs: tensors with their attributes, and the current stream.

The memory is that of the stand-in for the HIP runtime (`runtime/tests/stand_in/hip.c`), which this process can read too."""

from __future__ import annotations

import ctypes
import functools
import types

import numpy

hip = ctypes.CDLL("libamdhip64.so.7")
float32, int32, int64, bool, uint8 = (numpy.dtype(n) for n in ("float32", "int32", "int64", "bool", "uint8"))
bfloat16 = numpy.dtype("V2")
version = types.SimpleNamespace(hip="7.0")
cuda = types.SimpleNamespace(current_device=lambda: 0)
streams_asked_for: list[int] = []


def call(name, *arguments):
    status = getattr(hip, name)(*arguments)
    assert status == 0, f"{name}: {status}"


@functools.cache
def _stream(ordinal):
    """The current stream of a device."""
    made = ctypes.c_void_p()
    call("hipSetDevice", ordinal)
    call("hipStreamCreateWithFlags", ctypes.byref(made), 1)
    return made.value


def _current_raw_stream(ordinal):
    streams_asked_for.append(ordinal)
    return _stream(ordinal)


_C = types.SimpleNamespace(_cuda_getCurrentRawStream=_current_raw_stream)


class device:
    def __init__(self, name):
        self.type, _, index = name.partition(":")
        self.index = int(index) if index else None

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"


class Tensor:
    requires_grad = False

    def __init__(self, shape, dtype, where):
        self.shape, self.device = tuple(shape), device(where)
        # As torch's, dtypes are compared by what they are, and numpy makes a new one of this kind each time.
        self.dtype = bfloat16 if dtype == bfloat16 else dtype
        self.bytes = int(numpy.prod(self.shape)) * dtype.itemsize
        address = ctypes.c_void_p()
        call("hipMalloc", ctypes.byref(address), ctypes.c_size_t(max(self.bytes, 1)))
        self.address = address.value

    def stride(self):
        steps = [1]
        for extent in self.shape[:0:-1]:
            steps.insert(0, steps[0] * extent)
        return tuple(steps[: len(self.shape)])

    def data_ptr(self):
        return self.address

    def numpy(self):
        """Its elements, behind all work of the stream."""
        call("hipStreamSynchronize", ctypes.c_void_p(_stream(self.device.index)))
        raw = (ctypes.c_char * self.bytes).from_address(self.address)
        return numpy.frombuffer(raw, dtype=self.dtype).reshape(self.shape)


class nn:
    class Parameter(Tensor):
        pass


def is_grad_enabled():
    return False


def empty(shape, *, dtype, device):
    return Tensor(shape, dtype, str(device))

