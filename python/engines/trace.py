"""Engines' own routing functions, as they stand in the wheels, traced and compared with themselves: a table.

    python trace.py FOLDER     (of unpacked wheels: `scripts/engines` makes it)

A function is taken out of its file with the functions and constants beside it that it names, so that nothing else of the engine has
to be importable; its decorators are left away, and flags of other platforms are off. What is traced here is the engines' code and is
not kept.
"""

from __future__ import annotations

import ast
import builtins
import copy
import pathlib
import sys
import types
import typing
from unittest.mock import MagicMock

import routefuse
import torch
from routefuse.torch import CaptureError, capture

E, K = 64, 8


def extract(file: pathlib.Path, name: str, given: dict[str, typing.Any]) -> typing.Any:
    """A function of a file. Names that it uses are those beside it, or else stand-ins that are false."""
    tree = ast.parse(file.read_text())
    beside = {n.name: n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    constants = {
        t.id: n for n in tree.body if isinstance(n, (ast.Assign, ast.AnnAssign))
        for t in (n.targets if isinstance(n, ast.Assign) else [n.target])
        if isinstance(t, ast.Name) and isinstance(n.value, ast.Constant)
    }  # fmt: skip
    off = MagicMock(name="off")
    off.__bool__.return_value = False  # type: ignore[attr-defined]
    space: dict[str, typing.Any] = {
        "torch": torch,
        "F": torch.nn.functional,
        "Optional": typing.Optional,
        "Callable": typing.Callable,
        "Any": typing.Any,
        **given,
    }
    taken: list[ast.stmt] = []
    waiting = [name]
    while waiting:
        wanted = waiting.pop()
        if wanted in given or wanted in (n.name for n in taken if isinstance(n, ast.FunctionDef)):
            continue
        node = beside.get(wanted)
        if isinstance(node, ast.FunctionDef):
            plain = copy.deepcopy(node)
            plain.decorator_list = []
            # Annotations name types of the engine.
            for argument in [*plain.args.args, *plain.args.kwonlyargs, *plain.args.posonlyargs]:
                argument.annotation = None
            plain.returns = None
            taken.append(plain)
            waiting += [n.id for n in ast.walk(plain) if isinstance(n, ast.Name)]
        elif wanted in constants:
            taken.insert(0, constants[wanted])
        elif wanted not in space and not hasattr(builtins, wanted):
            space[wanted] = False if wanted.startswith("_") else off
    module = ast.Module(body=taken, type_ignores=[])
    exec(compile(ast.fix_missing_locations(module), str(file), "exec"), space)
    return space[name]


def floats(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape).to(dtype)


def ids(rows: int, k: int = K, dtype: torch.dtype = torch.int32) -> torch.Tensor:
    return torch.rand(rows, E).argsort(-1)[:, :k].to(dtype)


TOPK = "sglang/srt/layers/moe/topk.py"
MOE = "sglang/srt/layers/moe/moe_runner/triton_utils/fused_moe.py"
VMOE = "vllm/model_executor/layers/fused_moe"
BF16 = torch.bfloat16
CONFIG = types.SimpleNamespace(routed_scaling_factor=2.5)
PLATFORM = {
    "envs": types.SimpleNamespace(VLLM_USE_FUSED_MOE_GROUPED_TOPK=False, VLLM_BATCH_INVARIANT=False),
    "vllm_is_batch_invariant": lambda: False,
    "current_platform": types.SimpleNamespace(is_cuda=lambda: False, is_xpu=lambda: False, is_rocm=lambda: False),
}
#: File, function, arguments for so many rows, arguments by keyword, names that the function is given.
CASES: list[
    tuple[str, str, typing.Callable[[int], tuple[typing.Any, ...]], dict[str, typing.Any], dict[str, typing.Any]]
] = [
    (
        TOPK,
        "grouped_topk_gpu",
        lambda t: (floats(t, 32), floats(t, E)),
        dict(topk=K, renormalize=True, num_expert_group=8, topk_group=4),
        {},
    ),
    (
        TOPK,
        "grouped_topk_gpu",
        lambda t: (floats(t, 32), floats(t, E, dtype=BF16)),
        dict(topk=K, renormalize=True, num_expert_group=8, topk_group=4),
        {},
    ),
    (
        TOPK,
        "grouped_topk_gpu",
        lambda t: (floats(t, 32), floats(t, E)),
        dict(
            topk=K,
            renormalize=True,
            num_expert_group=8,
            topk_group=4,
            num_fused_shared_experts=1,
            routed_scaling_factor=2.5,
        ),
        {},
    ),
    (
        TOPK,
        "grouped_topk_gpu",
        lambda t: (floats(t, 32), floats(t, E)),
        dict(topk=K, renormalize=False, num_expert_group=8, topk_group=4, scoring_func="sigmoid"),
        {},
    ),
    (
        TOPK,
        "kimi_k2_biased_topk_impl",
        lambda t: (floats(t, 32), floats(t, E), floats(E)),
        dict(topk=K, renormalize=True, routed_scaling_factor=2.8, apply_routed_scaling_factor_on_output=True),
        {},
    ),
    (
        TOPK,
        "kimi_k2_biased_topk_impl",
        lambda t: (floats(t, 32), floats(t, E, dtype=BF16), floats(E)),
        dict(topk=K, renormalize=True),
        {},
    ),
    (TOPK, "biased_topk_impl", lambda t: (floats(t, 32), floats(t, E), floats(E)), dict(topk=K, renormalize=True), {}),
    (
        TOPK,
        "biased_topk_impl",
        lambda t: (floats(t, 32), floats(t, E), floats(E)),
        dict(
            topk=K,
            renormalize=True,
            scoring_func="sqrtsoftplus",
            routed_scaling_factor=1.5,
            apply_routed_scaling_factor_on_output=True,
        ),
        {},
    ),
    (
        TOPK,
        "biased_topk_impl",
        lambda t: (floats(t, 32), floats(t, E), floats(E)),
        dict(topk=K, renormalize=True, num_fused_shared_experts=1, routed_scaling_factor=2.5),
        {},
    ),
    (
        TOPK,
        "biased_grouped_topk_impl",
        lambda t: (floats(t, 32), floats(t, E), floats(E)),
        dict(topk=K, renormalize=True, num_expert_group=8, topk_group=4),
        {},
    ),
    (
        TOPK,
        "biased_grouped_topk_impl",
        lambda t: (floats(t, 32), floats(t, E), floats(E)),
        dict(
            topk=K,
            renormalize=True,
            num_expert_group=8,
            topk_group=4,
            routed_scaling_factor=2.5,
            apply_routed_scaling_factor_on_output=True,
        ),
        {},
    ),
    (
        TOPK,
        "biased_grouped_topk_impl",
        lambda t: (floats(t, 32), floats(t, E), floats(E)),
        dict(
            topk=K,
            renormalize=True,
            num_expert_group=8,
            topk_group=4,
            num_fused_shared_experts=1,
            routed_scaling_factor=2.5,
        ),
        {},
    ),
    (TOPK, "fused_topk_torch_native", lambda t: (floats(t, 32), floats(t, E)), dict(topk=K, renormalize=True), {}),
    (
        TOPK,
        "fused_topk_torch_native",
        lambda t: (floats(t, 32), floats(t, E)),
        dict(topk=K, renormalize=True, correction_bias=floats(E), scoring_func="sigmoid"),
        {},
    ),
    (
        TOPK,
        "fused_topk_softmax_torch_raw_logits",
        lambda t: (floats(t, 32), floats(t, E)),
        dict(topk=K, renormalize=True),
        {},
    ),
    (TOPK, "_mask_topk_ids_padded_region", lambda t: (ids(t), torch.tensor(t // 2)), {}, {}),
    (TOPK, "_zero_topk_weights_padded_region", lambda t: (floats(t, K), torch.tensor(t // 2)), {}, {}),
    (
        TOPK,
        "remap_topk_for_per_rank_shared_slots",
        lambda t: (ids(t), floats(t, K), 1, E, CONFIG),
        {},
        {
            "get_parallel": lambda: types.SimpleNamespace(moe_ep_size=4, moe_ep_rank=1),
            "fused_shared_expert_weight": lambda **_: 0.4,
            "is_routed_scaling_factor_fused_in_topk": lambda _: False,
        },
    ),
    (MOE, "moe_sum_reduce_torch_compile", lambda t: (floats(t, K, 48), torch.zeros(t, 48), 2.5), {}, {}),
    (MOE, "_swiglu_silu_clamp_mul", lambda t: (floats(t, 64, dtype=BF16), 7.0), {}, {}),
    (MOE, "swiglu_gpt_oss_sigmoid_alpha", lambda t: (floats(t, 64), 1.702, 7.0), {}, {}),
    (MOE, "swiglu_no_interleaved_with_alpha_and_limit", lambda t: (floats(t, 64), 1.702, 7.0), {}, {}),
    (
        f"{VMOE}/router/grouped_topk_router.py",
        "grouped_topk",
        lambda t: (floats(t, 32), floats(t, E)),
        dict(topk=K, renormalize=True, num_expert_group=8, topk_group=4),
        PLATFORM,
    ),
    (
        f"{VMOE}/router/grouped_topk_router.py",
        "grouped_topk",
        lambda t: (floats(t, 32), floats(t, E)),
        dict(
            topk=K,
            renormalize=True,
            num_expert_group=8,
            topk_group=4,
            scoring_func="sigmoid",
            routed_scaling_factor=2.5,
            e_score_correction_bias=floats(E),
        ),
        PLATFORM,
    ),
    (f"{VMOE}/utils.py", "_swiglu_limit_torch", lambda t: (torch.zeros(t, 32), floats(t, 64), 7.0), {}, {}),
    (
        "vllm/model_executor/models/gemma4.py",
        "gemma4_routing_function_torch",
        lambda t: (floats(t, E), K, floats(E).abs()),
        {},
        {},
    ),
    ("vllm/model_executor/models/phimoe.py", "sparsemixer", lambda t: (floats(t, 16),), {}, {}),
]


def tensors(result: typing.Any) -> list[torch.Tensor]:
    if result is None:
        return []
    return [result] if isinstance(result, torch.Tensor) else [t for t in result if isinstance(t, torch.Tensor)]


def agree(kernel: typing.Any, function: typing.Any, make: typing.Any, static: dict[str, typing.Any]) -> str:
    """How a kernel compares with its function at several numbers of rows."""
    from routefuse._plugin import differences

    said: list[str] = []
    bound = [v for v in static.values() if isinstance(v, torch.Tensor)]
    for rows in (16, 7, 1, 2, 4096):
        args = make(rows)
        ours, theirs = copy.deepcopy(args), copy.deepcopy(args)
        made = kernel(*[a for a in ours if isinstance(a, torch.Tensor)], *bound)
        expected = function(*theirs, **static)
        said += differences(tensors(made), tensors(expected))
        said += differences(
            [a for a in ours if isinstance(a, torch.Tensor)], [a for a in theirs if isinstance(a, torch.Tensor)]
        )
    wrong = [s for s in said if "ties" not in s]
    if (
        wrong
        and any(isinstance(a, torch.Tensor) and a.dtype == BF16 for a in make(1))
        and all("ids and weights" in s for s in wrong)
    ):
        # Keys of 16 bits tie in many rows; where groups tie, other experts are chosen.
        return f"{wrong[0]}: keys of 16 bits"
    return wrong[0] if wrong else "equal, but for ties" if said else "equal"


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    engine = routefuse.Engine()
    kernels = wrong = 0
    for file, name, make, static, given in CASES:
        label = f"{file.split('/')[0]}.{name}"
        try:
            function = extract(folder / file, name, given)
            kernel = capture(function, *make(16), static=static, engine=engine)
        except CaptureError as error:
            print(f"{label:58} refused: {str(error).splitlines()[0]}")
            continue
        except (KeyError, FileNotFoundError) as error:
            print(f"{label:58} not in these versions: {error}")
            continue
        result = agree(kernel, function, make, static)
        wrong += not (result.startswith("equal") or "16 bits" in result)
        kernels += kernel.launches == 1
        before = kernel.report["before"]["launches"]
        print(f"{label:58} {kernel.launches} kernel of {before:3}   {result}")
    print(f"{kernels} of {len(CASES)} become one kernel each")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
