"""A kernel as an op of torch, within a model that torch.compile takes as a whole."""

import routefuse
import torch


def select(logits: torch.Tensor):
    weights, ids = logits.softmax(-1).topk(4, dim=-1)
    return weights / weights.sum(-1, keepdim=True), ids.int()


op = routefuse.torch.capture(select, torch.empty(16, 32)).as_op("routefuse_examples::select")
print(op)


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = torch.nn.Linear(64, 32, bias=False)

    def forward(self, hidden):
        weights, ids = op(self.gate(hidden))
        return weights * 2, ids + 1


layer = Layer().eval().requires_grad_(False)
compiled = torch.compile(
    layer, backend="aot_eager", fullgraph=True, dynamic=True
)  # or Inductor, which needs a C++ compiler
for tokens in (16, 3):
    hidden = torch.randn(tokens, 64)
    for made, expected in zip(compiled(hidden), layer(hidden)):
        torch.testing.assert_close(made, expected)
print("the same in a compiled model")
