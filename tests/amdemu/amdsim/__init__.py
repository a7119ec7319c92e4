"""A functional emulator of AMD code objects: what each instruction does, over all resident waves at once with numpy.

It is written from AMD's public guides to the instruction sets and from LLVM's guide to the AMDGPU back end. `llvm-objdump`
decodes, so that one table of meanings serves gfx90a, gfx942 and gfx950 (64 lanes a wave), gfx103x, gfx11xx and gfx12xx (32 or
64). Every access to global memory is checked against the registered buffers, every access to LDS and scratch against its
allocation.

  h = Hsaco(path); launch(h, 'kernel', grid_in_workgroups, block, [DevBuf|int|float|bytes, ...])
"""

from hsaco import Hsaco

from .memory import _REG, DevBuf
from .operands import split_ops
from .program import STATS, h_dis, launch
from .words import EmuError

__all__ = ["STATS", "_REG", "DevBuf", "EmuError", "Hsaco", "h_dis", "launch", "split_ops"]
