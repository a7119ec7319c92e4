"""The backend of torch.compile, for trials: a whole graph becomes a kernel."""

import torch
from routefuse.torch import backend


def mask(ids: torch.Tensor, valid: torch.Tensor):
    return torch.where((torch.arange(ids.shape[0]) >= valid)[:, None], -1, ids)


# Where the package is installed, backend="routefuse" is the same.
compiled = torch.compile(mask, backend=backend, dynamic=True)
ids = torch.zeros(5, 8, dtype=torch.int32)
assert compiled(ids, torch.tensor(3)).sum() == -2 * 8
print(compiled(ids, torch.tensor(3))[:, 0])
