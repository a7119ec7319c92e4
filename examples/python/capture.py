"""A function of torch as one kernel."""

import routefuse
import torch


def route(logits: torch.Tensor, bias: torch.Tensor, k: int):
    scores = logits.float().sigmoid()
    ids = (scores + bias).topk(k, dim=-1).indices
    weights = scores.gather(1, ids)
    return weights / weights.sum(-1, keepdim=True), ids.int()


# Of the examples only dtypes, shapes and strides matter; k is a constant of the kernel.
kernel = routefuse.torch.capture(route, torch.empty(16, 256, dtype=torch.bfloat16), torch.empty(256), static={"k": 8})
print(kernel)
print(kernel.explain())

for tokens in (1, 7, 1000):
    logits, bias = torch.randn(tokens, 256).bfloat16(), torch.randn(256)
    weights, ids = kernel(logits, bias)
    expected, expected_ids = route(logits, bias, 8)
    same = ids == expected_ids  # where keys tie, eager torch takes any
    torch.testing.assert_close(weights[same.all(1)], expected[same.all(1)], rtol=1e-5, atol=1e-6)

# What is no kernel says why, and where.
try:
    routefuse.torch.capture(lambda logits: logits - logits.mean(0), torch.empty(16, 256))
except routefuse.torch.CaptureError as error:
    print(error)
