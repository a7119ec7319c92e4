"""Types of words and registers, and the one error."""

from __future__ import annotations

import os

import numpy as np


u8, u16, u32, u64, i8, i16, i32, i64 = np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64
f16, f32, f64 = np.float16, np.float32, np.float64
M32 = 0xFFFFFFFF
SHARED_HI, PRIVATE_HI = 0x00010000, 0x00020000
SCRATCH_TAG = 0x5C5C5C5C
POISON = int(os.environ.get("AMDSIM_POISON", "0xA5C3E17B"), 0)  # initial content of every VGPR and SGPR, and of LDS where races are looked for


class EmuError(Exception):
    pass
