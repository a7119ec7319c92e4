"""A graph from Python, and what becomes of it."""

import numpy as np
import routefuse

b = routefuse.GraphBuilder("scale_and_mask")
T = b.dim("T")
weights, n = b.input("weights", "f32", (T, 8)), b.input("n", "i32")
scaled = weights * 2.5
b.output("weights_out", b.mask_rows(scaled, n, fill=0.0))

kernel = routefuse.compile(b)
print(kernel.text)
print(kernel.explain())

weights = np.ones((4, 8), np.float32)
print(kernel(weights, 3))

# The same memory again and again: no allocation in a loop.
out = np.empty_like(weights)
for valid in range(4):
    kernel(weights, valid, out=out)
    assert out[:valid].sum() == valid * 8 * 2.5 and not out[valid:].any()
