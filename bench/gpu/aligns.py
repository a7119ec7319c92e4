"""Alignments that are compared: items by expert in blocks, from ids and from logits."""

import ctypes
import functools
import pathlib

import torch

import hand_aligns
from bound import library
from chains import ids, floats, logits
from hand_aligns import room
from routers import route_sigmoid

GRAPHS = pathlib.Path(__file__).parent / "graphs"


def align(ids, experts: int, block: int):
    """vLLM's `moe_align_block_size` as a PyTorch program has it: without a look at any number on the host."""
    flat = ids.flatten().long()
    items = flat.numel()
    places, blocks = room(items, experts, block)
    count = torch.zeros(experts, dtype=torch.int64, device=ids.device).scatter_add_(0, flat, torch.ones_like(flat))
    padded = (count + block - 1) // block * block
    ends = padded.cumsum(0)
    order = flat.sort(stable=True).indices
    expert = flat[order]
    place = torch.arange(items, device=ids.device) + (ends - padded - (count.cumsum(0) - count))[expert]
    sorted_ids = torch.full((places,), items, dtype=torch.int32, device=ids.device)
    sorted_ids[place] = order.to(torch.int32)
    first = torch.arange(blocks, device=ids.device) * block
    owners = torch.searchsorted(ends, first, right=True)
    owners = torch.where(first < ends[-1], owners, -1).to(torch.int32)
    return sorted_ids, owners, ends[-1:].to(torch.int32)


def digest(x):
    """Numbers that two tensors have in common only if they are equal, but for a chance in millions: rows of ascending numbers, as
    the comparison sorts each row."""
    at = torch.arange(x.numel(), device=x.device, dtype=torch.int64)
    mixed = ((x.flatten().long() + 2) * (at * 2654435761 % 1000003 + 1) % 1000003).sum() % 8388593
    bits = mixed >> torch.arange(23, device=x.device) & 1
    return (bits + 2 * torch.arange(23, device=x.device))[None]


class Align:
    """From ids: the graph of the chain of vLLM's layout."""

    extents = (1, 64, 512, 4096, 65536)

    def __init__(self, name, file, experts, k, block):
        self.name, self.file, self.experts, self.k, self.block = name, f"graphs/{file}", experts, k, block

    def path(self, examples):
        return GRAPHS / (pathlib.Path(self.file).name + ".route")

    def inputs(self, rows):
        return ids(rows, self.experts, self.k), self.experts, self.block

    function = staticmethod(align)

    def compared(self, inputs, outputs):
        return tuple(digest(x) for x in outputs)

    def by_hand(self, inputs):
        triton = [functools.partial(hand_aligns.two_launches, setting, *inputs) for setting in hand_aligns.SETTINGS]
        return {"triton": [*triton, functools.partial(hand_aligns.by_sort, *inputs)], "exact": bound_calls(*inputs)}


class RouterAndAlign:
    """From logits: the router of DeepSeek-V3, and the layout of its ids."""

    extents = (1, 64, 512, 4096, 65536)
    name, file, experts, k, block = "DeepSeek-V3 + align", "graphs/deepseek-v3-align", 256, 8, 64

    def path(self, examples):
        return GRAPHS / "deepseek-v3-align.route"

    def inputs(self, rows):
        return logits(rows, self.experts), floats(self.experts)

    def function(self, logits, bias):
        chosen, weights = route_sigmoid(logits, bias, 8, 4, self.k, 1e-20, 2.5)
        return chosen, weights, *align(chosen, self.experts, self.block)

    def compared(self, inputs, outputs):
        chosen, weights, *laid = outputs
        # Where logits tie, ids are anyone's, and so are the places of all: they are to be those of the ids that are there.
        right = all(torch.equal(a, b) for a, b in zip(align(chosen, self.experts, self.block), laid))
        return chosen, weights, torch.full((1, 1), float(right), device=chosen.device)

    def by_hand(self, inputs):
        import hand_routers

        def both(router, setting):
            chosen, weights = hand_routers.sigmoid(router, *inputs, 8, 4, self.k, 1e-20, 2.5, None)[-2:]
            return chosen, weights, *hand_aligns.two_launches(setting, chosen, self.experts, self.block)

        return {"triton": [functools.partial(both, router, setting)
                           for router in hand_routers.SETTINGS for setting in hand_aligns.SETTINGS[1:3]]}


def bound_calls(ids, experts, block):
    """The layout by hand in CUDA (`bound/align.cu`), which knows a few numbers of experts."""
    of = library("align")
    if of is None:
        return []
    items = ids.numel()
    places, blocks = room(items, experts, block)
    whole = lambda n: torch.empty(n, dtype=torch.int32, device="cuda")
    sorted_ids, owners, total = whole(places), whole(blocks), whole(1)
    # Sums of 64 groups of chunks twice, and the counts of each chunk of 256 items at least; zero at first.
    scratch = torch.zeros((128 + items // 256 + 1) * experts, dtype=torch.int32, device="cuda")
    generation = torch.zeros(2, dtype=torch.int32, device="cuda")
    pointer = lambda x: ctypes.c_void_p(x.data_ptr())

    def call():
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        error = of.align_v2_best(pointer(ids), pointer(sorted_ids), pointer(owners), pointer(total), experts, ids.shape[1], block,
                                 items, places, blocks, 0, pointer(scratch), pointer(generation), stream)
        if error:
            raise RuntimeError(f"launch failed with {error}")
        return sorted_ids, owners, total

    return [call]


ALIGNS = [
    Align("align, E = 256", "align-256", 256, 8, 64),
    Align("align, E = 512", "align-512", 512, 10, 64),
    RouterAndAlign(),
]
