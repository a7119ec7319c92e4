"""Alignments that are compared: items by expert in blocks, from ids and from logits."""

import ctypes
import functools
import pathlib

import torch

import hand_aligns
from bound import library
from chains import floats, ids, logits, shared, table, valid
from hand_aligns import room
from routers import route_and_post

GRAPHS = pathlib.Path(__file__).parent / "graphs"


def align(ids, experts: int, block: int):
    """vLLM's `moe_align_block_size` as a PyTorch program has it: without a look at any number on the host. Ids of none have a bin
    behind the others, and a place that nobody reads."""
    flat = ids.flatten().long()
    flat = torch.where((flat >= 0) & (flat < experts), flat, experts)
    items = flat.numel()
    places, blocks = room(items, experts, block)
    all_counts = torch.zeros(experts + 1, dtype=torch.int64, device=ids.device).scatter_add_(0, flat, torch.ones_like(flat))
    count = all_counts[:experts]
    padded = (count + block - 1) // block * block
    ends = padded.cumsum(0)
    order = flat.sort(stable=True).indices
    expert = flat[order]
    shift = torch.cat((ends - padded - (count.cumsum(0) - count), count.new_zeros(1)))
    place = torch.where(expert < experts, torch.arange(items, device=ids.device) + shift[expert], places)
    sorted_ids = torch.full((places + 1,), items, dtype=torch.int32, device=ids.device)
    sorted_ids[place] = torch.where(expert < experts, order, items).to(torch.int32)
    sorted_ids = sorted_ids[:places]
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


def spread(rows, experts, k, ids_of, dtype=torch.int32):
    """Ids as `routefuse bench --ids` has them: any, all of them 0, or as Zipf's law has it."""
    if ids_of == "even":
        return ids(rows, experts, k).to(dtype)
    if ids_of == "one":
        return torch.zeros((rows, k), dtype=dtype, device="cuda")
    return ((experts + 1) ** torch.rand((rows, k), device="cuda")).to(dtype).clamp(1, experts) - 1


class Align:
    """From ids: the graph of the chain of vLLM's layout. Of ids that lie in few bins there is the same graph."""

    extents = (1, 64, 512, 4096, 65536)

    def __init__(self, experts, k, block, file, ids_of="even", settings=slice(None), compiled=True, sorts=True):
        called = {"even": "", "one": ", all in one bin", "zipf": ", Zipf"}[ids_of]
        self.name = f"align, E = {experts}, block {block}{called}"
        self.experts, self.k, self.block, self.ids_of = experts, k, block, ids_of
        self.file, self.settings, self.sorts = f"graphs/{file}", settings, sorts
        self.bounds = bounds_of(experts)
        self.plot = file if ids_of == "even" else f"{file}-{ids_of}"
        self.compiled_as = self.file if compiled else None
        # One kernel for every op is of interest once.
        self.arguments = ("--ids", ids_of, "--vs", "none" if ids_of != "even" or not compiled else "unfused")

    def path(self, examples):
        return GRAPHS / (pathlib.Path(self.file).name + ".route")

    def inputs(self, rows):
        return spread(rows, self.experts, self.k, self.ids_of), self.experts, self.block

    function = staticmethod(align)

    def compared(self, inputs, outputs):
        return tuple(digest(x) for x in outputs)

    def by_hand(self, inputs):
        triton = [functools.partial(hand_aligns.two_launches, setting, *inputs)
                  for setting in hand_aligns.SETTINGS[self.settings]]
        if self.sorts:
            triton.append(functools.partial(hand_aligns.by_sort, *inputs))
        return {"triton": triton, "exact": bound_calls(*inputs)}


class Dispatch:
    """From ids: DeepEP's dispatch layout. Tokens of each rank, items of each expert, and which ranks a token goes to."""

    extents = (1, 64, 512, 4096, 65536)
    experts, k, ranks = 256, 8, 8
    name, file, plot = "align as DeepEP's dispatch layout, E = 256, 8 ranks", "graphs/deepep-256", "deepep-256"
    bounds = [("align", "ONLY=0")]

    def path(self, examples):
        return GRAPHS / "deepep-256.route"

    def inputs(self, rows):
        return spread(rows, self.experts, self.k, "even", torch.int64), self.experts, self.ranks

    @staticmethod
    def function(ids, experts: int, ranks: int):
        flat = ids.flatten()
        per_expert = torch.zeros(experts, dtype=torch.int64, device=ids.device).scatter_add_(0, flat, torch.ones_like(flat))
        in_rank = torch.zeros((ids.shape[0], ranks), dtype=torch.bool, device=ids.device)
        in_rank = in_rank.scatter(1, ids // (experts // ranks), True)
        return in_rank.sum(0).to(torch.int32), per_expert.to(torch.int32), in_rank

    def compared(self, inputs, outputs):
        return tuple(digest(x) for x in outputs)

    def by_hand(self, inputs):
        return {"triton": [functools.partial(hand_aligns.layout, setting, *inputs) for setting in ((32, 4), (128, 4))],
                "exact": layout_calls(*inputs)}


class RouterAndAlign:
    """From logits: the router of DeepSeek-V3 with what follows it, and the layout of the ids that leave."""

    extents = (1, 64, 512, 4096, 65536)
    # The shared expert is one more.
    experts, k, block = 256, 8, 64
    name, file = "DeepSeek-V3 with post and align", "graphs/deepseek-v3-post-align"
    plot = "deepseek-v3-post-align"

    def path(self, examples):
        return GRAPHS / "deepseek-v3-post-align.route"

    def inputs(self, rows):
        return logits(rows, self.experts), floats(self.experts), valid(rows), table(self.experts), shared(rows)

    def function(self, logits, bias, rows, table, shared):
        packed, chosen, weights = route_and_post(logits, bias, rows, table, shared, 8, 4, self.k, 1e-20, 2.5)
        return packed, chosen, weights, *align(chosen, self.experts + 1, self.block)

    def compared(self, inputs, outputs):
        _, chosen, weights, *laid = outputs
        # Where logits tie, ids are anyone's, and so are the places of all: they are to be those of the ids that are there.
        right = all(torch.equal(a, b) for a, b in zip(align(chosen, self.experts + 1, self.block), laid))
        return chosen, weights, torch.full((1, 1), float(right), device=chosen.device)

    def by_hand(self, inputs):
        import hand_routers
        logits, bias, rows, table, shared = inputs

        def both(router, setting):
            left = hand_routers.sigmoid(router, logits, bias, 8, 4, self.k, 1e-20, 2.5, (rows, table, shared))
            return *left, *hand_aligns.two_launches(setting, left[1], self.experts + 1, self.block)

        # Good ones of a router by itself, for few rows and for many.
        return {"triton": [functools.partial(both, router, hand_aligns.SETTINGS[1]) for router in ((1, 1), (1, 4), (8, 4))]}


def bounds_of(experts):
    """The parts of the file of kernels by hand that are of so many experts: for up to 16,384 items, and for more."""
    return [("align", f"ONLY={experts}", f"PART={part}") for part in (1, 2)]


def bound_calls(ids, experts, block):
    """The layout by hand in CUDA (`bound/align.cu`), which knows a few numbers of experts."""
    items = ids.numel()
    of = library(*bounds_of(experts)[items > 16384])
    if of is None:
        return []
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


def layout_calls(ids, experts, ranks):
    """DeepEP's layout by hand in CUDA: one block, or blocks that add to sums, of which the last copies them out."""
    of = library("align", "ONLY=0")
    if of is None:
        return []
    rows, k = ids.shape
    per_rank, per_expert = (torch.empty(n, dtype=torch.int32, device="cuda") for n in (ranks, experts))
    in_rank = torch.empty((rows, ranks), dtype=torch.bool, device="cuda")
    sums = torch.zeros(experts + ranks + 1, dtype=torch.int32, device="cuda")
    pointer = lambda x: ctypes.c_void_p(x.data_ptr())

    def call(blocks, threads):
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        error = of.layout_v2(pointer(ids), pointer(per_rank), pointer(per_expert), pointer(in_rank), rows, k, ranks, experts, blocks,
                             threads, 0, pointer(sums), pointer(sums[experts + ranks:]), stream)
        if error:
            raise RuntimeError(f"launch failed with {error}")
        return per_rank, per_expert, in_rank

    settings = {(min(blocks, -(-rows // threads)), threads) for blocks in (1, 32, 132) for threads in (256, 512)}
    return [functools.partial(call, *setting) for setting in sorted(settings)]


# The router comes first, while nvcc builds what the others need; then in the order in which they are of interest, for a run may be
# cut short. What is compiled by torch serves all works of the same graph that follow each other.
ALIGNS = [
    RouterAndAlign(),
    Dispatch(),
    Align(256, 8, 64, "align-256"),
    Align(256, 8, 64, "align-256", ids_of="one", settings=slice(1, 3)),
    Align(256, 8, 64, "align-256", ids_of="zipf", settings=slice(1, 3)),
    Align(512, 10, 64, "align-512", settings=slice(1, 3), compiled=False, sorts=False),
    Align(384, 8, 64, "align-384", settings=slice(1, 2), compiled=False, sorts=False),
    Align(256, 8, 16, "align-256-16", settings=slice(1, 2), compiled=False, sorts=False),
    Align(256, 8, 128, "align-256-128", settings=slice(1, 2), compiled=False, sorts=False),
]
