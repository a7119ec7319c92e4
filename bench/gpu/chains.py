"""The chains that are compared, each as PyTorch would have it: what engines write by hand today."""

import torch

import hand_chains


class Chain:
    """A graph's file, the same in PyTorch, and inputs for a number of rows."""

    extents = (1, 64, 512, 4096, 65536, 1 << 20)

    def __init__(self, name, file, function, inputs, triton=None):
        self.name, self.file, self.function, self.inputs, self.triton = name, file, function, inputs, triton

    def path(self, examples):
        """The graph's file, among the examples."""
        return examples / f"{self.file}.route"

    def compared(self, inputs, outputs):
        """What two right peers have in common."""
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def by_hand(self, inputs):
        """Calls of hand-written peers by the peer's name, several where it has several settings."""
        return {"triton": [lambda: self.triton(*inputs)]} if self.triton else {}


def mask(ids, rows):
    padding = torch.arange(ids.shape[0], device=ids.device) >= rows
    return torch.where(padding.unsqueeze(1), -1, ids)


def remap(ids, table, rows):
    return mask(table[ids], rows)


def append(ids, weights, shared_weights, experts: int = 256):
    """The id of the shared expert follows those of all others."""
    shared = torch.full((ids.shape[0], 1), experts, dtype=ids.dtype, device=ids.device)
    return torch.cat((ids, shared), 1), torch.cat((weights, shared_weights.to(weights.dtype)), 1)


def pack(ids, weights):
    bits = weights.to(torch.bfloat16).view(torch.int16).to(torch.int32)
    return (ids << 16) | (bits & 0xFFFF)


def head_gate(gate, scale):
    return (gate.float() * 0.125).unsqueeze(-1) * scale * 0.088388346


def post(ids, weights, table, rows, shared_weights, factor: float, experts: int = 256):
    ids, weights = append(table[ids], weights * factor, shared_weights, experts)
    ids = mask(ids, rows)
    return pack(ids, weights), ids, weights


def ids(rows, experts=256, k=8):
    return torch.randint(0, experts, (rows, k), dtype=torch.int32, device="cuda")


def floats(*shape, dtype=torch.float32):
    return torch.rand(shape, device="cuda").to(dtype)


def table(experts=256):
    return torch.randperm(experts, device="cuda").to(torch.int32)


def valid(rows):
    return torch.tensor(rows - rows // 8, dtype=torch.int32, device="cuda")


def logits(rows, experts):
    return torch.randn((rows, experts), device="cuda").to(torch.bfloat16)


def shared(rows):
    return floats(rows, 1, dtype=torch.bfloat16)


CHAINS = [
    Chain("remap", "a_remap_static", remap, lambda t: (ids(t), table(), valid(t))),
    Chain("append", "b_append_shared", append, lambda t: (ids(t), floats(t, 8), shared(t)), triton=hand_chains.append),
    Chain("pack", "c_pack", pack, lambda t: (ids(t), floats(t, 8)), triton=hand_chains.pack),
    Chain("head gate", "d_head_gate", head_gate, lambda t: (floats(t, 64, dtype=torch.bfloat16), floats(t, 64, 1))),
    Chain("post", "e_post_chain", post, lambda t: (ids(t), floats(t, 8), table(), valid(t), shared(t), 2.5)),
]
