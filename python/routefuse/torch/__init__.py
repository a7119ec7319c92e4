"""Functions of torch as kernels.

    kernel = routefuse.torch.capture(function, *examples)    # traced once, compiled for every number of rows
    outputs = kernel(*tensors)                               # one launch on torch's current stream

    @routefuse.jit                                           # captured at the first call of each kind
    def function(...): ...

    op = kernel.as_op("routefuse::name")                     # an op, for models that torch.compile takes
    torch.compile(function, backend="routefuse")             # for trials

`docs/guides/python.md` of the repository says where torch means something else than routefuse.
"""

from __future__ import annotations

try:
    import torch as _torch
except ImportError as _missing:
    raise ImportError("routefuse.torch needs torch, 2.8 or later: pip install torch") from _missing

OLDEST = (2, 8)
if tuple(int(part) for part in _torch.__version__.split("+")[0].split(".")[:2]) < OLDEST:
    raise ImportError(f"routefuse.torch needs torch 2.8 or later, and this is {_torch.__version__}")

from ._backend import EagerWarning, backend  # noqa: E402
from ._capture import Jit, capture, jit  # noqa: E402
from ._errors import CaptureError  # noqa: E402
from ._op import Op, as_op  # noqa: E402

__all__ = ["CaptureError", "EagerWarning", "Jit", "Op", "as_op", "backend", "capture", "jit"]
