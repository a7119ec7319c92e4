"""Engines' own routing functions: where each is, and arguments for it. Their code is not here."""

from __future__ import annotations

import dataclasses
import types
import typing

import torch

E, K = 64, 8
BF16 = torch.bfloat16
# Which rows tie, and which sums cancel, is the same in every run.
torch.manual_seed(1)
Args = tuple[typing.Any, ...]


@dataclasses.dataclass
class Function:
    """A function of an engine, with arguments."""

    file: str
    #: "function", or "Class.method", whose `self` is among the arguments.
    name: str
    #: Arguments for so many rows.
    make: typing.Callable[[int], Args]
    #: Arguments by keyword that are the same in every call.
    static: dict[str, typing.Any] = dataclasses.field(default_factory=dict)
    #: Names of its module that it is given: what is of other platforms, and objects of the engine.
    given: dict[str, typing.Any] = dataclasses.field(default_factory=dict)
    #: Names that come out of other files of the engine.
    elsewhere: dict[str, str] = dataclasses.field(default_factory=dict)
    #: Makes of the function one whose arguments are tensors, where its own are objects that hold tensors.
    around: typing.Callable[[typing.Any], typing.Any] | None = None
    #: What is particular about these arguments.
    what: str = ""
    #: It draws random numbers, and is compared by shapes alone.
    random: bool = False
    #: By how much floats may differ whose sum cancels.
    absolute: float = 1e-6

    @property
    def label(self) -> str:
        return f"{self.file.split('/')[0]}.{self.name}" + (f" ({self.what})" if self.what else "")


def floats(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape).to(dtype)


def ids(rows: int, k: int = K, dtype: torch.dtype = torch.int32, experts: int = E) -> torch.Tensor:
    return torch.rand(rows, experts).argsort(-1)[:, :k].to(dtype)


def table(extent: int, most: int, dtype: torch.dtype = torch.int32) -> torch.Tensor:
    return torch.randint(0, most, (extent,), dtype=dtype)


SGL = "sglang/srt/layers"
TOPK = f"{SGL}/moe/topk.py"
MOE = f"{SGL}/moe/moe_runner/triton_utils/fused_moe.py"
INDEXER = f"{SGL}/attention/dsa/dsa_indexer.py"
DISPATCH = "sglang/srt/eplb/expert_location_dispatch.py"
VMOE = "vllm/model_executor/layers/fused_moe"
BIAS_ROUTER = f"{VMOE}/router/fused_topk_bias_router.py"
VMODELS = "vllm/model_executor/models"

CONFIG = types.SimpleNamespace(routed_scaling_factor=2.5)
PLATFORM = {
    "envs": types.SimpleNamespace(VLLM_USE_FUSED_MOE_GROUPED_TOPK=False, VLLM_BATCH_INVARIANT=False),
    "vllm_is_batch_invariant": lambda: False,
    "current_platform": types.SimpleNamespace(is_cuda=lambda: False, is_xpu=lambda: False, is_rocm=lambda: False),
    # The one of its ways that is written in torch.
    "rocm_aiter_ops": types.SimpleNamespace(is_fused_moe_enabled=lambda: True),
    "_aiter_get_num_expert_group": lambda experts: 1,
    "_aiter_can_use_biased_grouped_topk": lambda experts, topk: False,
}
PARALLEL = {
    "get_parallel": lambda: types.SimpleNamespace(moe_ep_size=4, moe_ep_rank=1),
    "fused_shared_expert_weight": lambda **_: 0.4,
    "is_routed_scaling_factor_fused_in_topk": lambda _: False,
}


def logits(dtype: torch.dtype = torch.float32, bias: bool = False) -> typing.Callable[[int], Args]:
    """Hidden states, logits and, where it is asked for, a bias."""
    return lambda t: (floats(t, 32), floats(t, E, dtype=dtype), *([floats(E)] if bias else []))


@dataclasses.dataclass
class Placement:
    """Where experts are, as sglang's own class of that has it."""

    ep_dispatch_algorithm: str
    partial_logical_to_rank_dispatch_physical_map: torch.Tensor | None = None
    partial_logical_to_all_physical_map: torch.Tensor | None = None
    partial_logical_to_all_physical_map_num_valid: torch.Tensor | None = None
    num_physical_experts: int = 80
    rank_invariant: bool = False


def replicated(by_row: bool) -> typing.Callable[[int], Args]:
    def make(t: int) -> Args:
        replicas, count = torch.randint(0, 80, (E, 4), dtype=torch.int32), torch.randint(1, 5, (E,), dtype=torch.int32)
        info = Placement("dynamic", None, replicas, count, rank_invariant=by_row)
        return ids(t), info, torch.tensor(t // 2)

    return make


POST = {"topk_ids_logical_to_physical": DISPATCH}


def with_self(**fields: typing.Any) -> typing.Any:
    """The object of a method, as far as the method asks for it."""
    return types.SimpleNamespace(**fields)


def recorded(function: typing.Any) -> typing.Any:
    def record(ids: typing.Any, data: typing.Any) -> None:
        function(with_self(_data=data, _expert_location_metadata=with_self(num_physical_experts=80)), 1, ids)

    return record


def hashed(function: typing.Any, shared: int) -> typing.Any:
    def route(router_logits: typing.Any, tokens: typing.Any, to_expert: typing.Any) -> typing.Any:
        gate = with_self(
            score_func="sqrtsoftplus",
            topk=K + shared,
            num_experts=E,
            num_shared_topk_slots=shared,
            tid2eid=to_expert,
            routed_scaling_factor=1.5,
        )
        return function(gate, router_logits, tokens)

    return route


def substituted(function: typing.Any) -> typing.Any:
    def route(
        hidden: typing.Any, weights: typing.Any, ids: typing.Any, routes: typing.Any, values: typing.Any
    ) -> typing.Any:
        return function(
            with_self(num_logical_experts=E, expert_substitution_routes=routes, values=values), hidden, weights, ids
        )

    return route


def simulated(function: typing.Any) -> typing.Any:
    return lambda hidden: function(with_self(distribution="uniform"), hidden.shape[0], E, K, hidden.device, torch.int32)


GROUPS = dict(topk=K, renormalize=True, num_expert_group=8, topk_group=4)
GATES = with_self(n_heads=16, softmax_scale=0.125, _weights_proj_bf16_in_fp32_out=torch.Tensor.float)

FUNCTIONS = [
    # sglang: selections.
    Function(TOPK, "grouped_topk_gpu", logits(), GROUPS),
    Function(TOPK, "grouped_topk_gpu", logits(BF16), GROUPS, what="bf16"),
    Function(
        TOPK,
        "grouped_topk_gpu",
        logits(),
        GROUPS | dict(num_fused_shared_experts=1, routed_scaling_factor=2.5),
        what="shared",
    ),
    Function(
        TOPK, "grouped_topk_gpu", logits(), GROUPS | dict(renormalize=False, scoring_func="sigmoid"), what="sigmoid"
    ),
    Function(
        TOPK,
        "kimi_k2_biased_topk_impl",
        logits(bias=True),
        dict(topk=K, renormalize=True, routed_scaling_factor=2.8, apply_routed_scaling_factor_on_output=True),
    ),
    Function(TOPK, "kimi_k2_biased_topk_impl", logits(BF16, bias=True), dict(topk=K, renormalize=True), what="bf16"),
    Function(TOPK, "biased_topk_impl", logits(bias=True), dict(topk=K, renormalize=True), what="sigmoid"),
    Function(
        TOPK,
        "biased_topk_impl",
        logits(bias=True),
        dict(
            topk=K,
            renormalize=True,
            scoring_func="sqrtsoftplus",
            routed_scaling_factor=1.5,
            apply_routed_scaling_factor_on_output=True,
        ),
        what="sqrtsoftplus",
    ),
    Function(
        TOPK,
        "biased_topk_impl",
        logits(bias=True),
        dict(topk=K, renormalize=True, num_fused_shared_experts=1, routed_scaling_factor=2.5),
        what="shared",
    ),
    Function(TOPK, "biased_grouped_topk_impl", logits(bias=True), GROUPS),
    Function(
        TOPK,
        "biased_grouped_topk_impl",
        logits(bias=True),
        GROUPS | dict(routed_scaling_factor=2.5, apply_routed_scaling_factor_on_output=True),
        what="scaled",
    ),
    Function(
        TOPK,
        "biased_grouped_topk_impl",
        logits(bias=True),
        GROUPS | dict(num_fused_shared_experts=1, routed_scaling_factor=2.5),
        what="shared",
    ),
    Function(TOPK, "fused_topk_torch_native", logits(), dict(topk=K, renormalize=True), what="softmax"),
    Function(
        TOPK,
        "fused_topk_torch_native",
        logits(),
        dict(topk=K, renormalize=True, correction_bias=floats(E), scoring_func="sigmoid"),
        what="sigmoid, bias",
    ),
    Function(TOPK, "fused_topk_softmax_torch_raw_logits", logits(), dict(topk=K, renormalize=True)),
    Function(
        f"{SGL}/moe/hash_topk.py",
        "HashTopK._forward_torch",
        lambda t: (floats(t, E), table(t, 1000, torch.int64), torch.randint(0, E, (1000, K), dtype=torch.int32)),
        given={"_RENORMALIZE_SUM_EPSILON": 1e-20},
        around=lambda f: hashed(f, 0),
    ),
    Function(
        f"{SGL}/moe/hash_topk.py",
        "HashTopK._forward_torch",
        lambda t: (floats(t, E), table(t, 1000, torch.int64), torch.randint(0, E, (1000, K), dtype=torch.int32)),
        given={"_RENORMALIZE_SUM_EPSILON": 1e-20},
        around=lambda f: hashed(f, 1),
        what="shared",
    ),
    Function(
        "sglang/srt/models/afmoe.py",
        "AfmoeMoE._custom_routing_function",
        logits(),
        dict(topk=K, renormalize=True, score_func="sigmoid", expert_bias=floats(E)),
    ),
    Function(
        "sglang/srt/models/llama4.py",
        "Llama4MoE.custom_routing_function",
        logits(BF16),
        dict(topk=1, renormalize=False),
        elsewhere={"fast_topk": "sglang/srt/utils/common.py"},
    ),
    # sglang: what follows a selection.
    Function(
        TOPK,
        "_biased_grouped_topk_postprocess",
        lambda t: (ids(t), Placement("static", table(E, 80)), torch.tensor(t // 2)),
        elsewhere=POST,
        what="static",
    ),
    Function(
        TOPK,
        "_biased_grouped_topk_postprocess",
        lambda t: (ids(t), Placement("static", table(E, 80, torch.int64)), torch.tensor(t // 2)),
        elsewhere=POST,
        what="static, i64 map",
    ),
    Function(
        TOPK,
        "_biased_grouped_topk_postprocess",
        replicated(by_row=False),
        elsewhere=POST,
        random=True,
        what="dynamic",
    ),
    Function(
        TOPK,
        "_biased_grouped_topk_postprocess",
        replicated(by_row=True),
        elsewhere=POST,
        what="dynamic, by row",
    ),
    Function(
        TOPK,
        "_biased_grouped_topk_postprocess",
        lambda t: (ids(t), None, torch.tensor(t // 2)),
        elsewhere=POST,
        what="no map",
    ),
    Function(TOPK, "_mask_topk_ids_padded_region", lambda t: (ids(t), torch.tensor(t // 2))),
    Function(TOPK, "_zero_topk_weights_padded_region", lambda t: (floats(t, K), torch.tensor(t // 2))),
    Function(
        TOPK, "remap_topk_for_per_rank_shared_slots", lambda t: (ids(t), floats(t, K), 1, E, CONFIG), given=PARALLEL
    ),
    Function(
        f"{SGL}/moe/waterfill.py",
        "expand_topk_with_shared_expert",
        lambda t: (ids(t), floats(t, K), E, 4, 1, 0.4),
        given={"LOCAL_SHARED_MARKER": -1},
    ),
    Function(f"{SGL}/moe/kt_ep_wrapper.py", "mask_cpu_expert_ids", lambda t: (ids(t), 48)),
    Function(
        "sglang/srt/eplb/expert_distribution.py",
        "_SelectExpertsSinglePassGatherer.on_select_experts",
        lambda t: (ids(t), torch.zeros(4, 80, dtype=torch.int32)),
        around=recorded,
    ),
    Function("sglang/kernels/ops/moe/muse_spark_routing.py", "pack_topk_ids_native", lambda t: (ids(t), floats(t, K))),
    Function("sglang/kernels/ops/lora/moe/virtual_experts.py", "_align_block_size_torch", lambda t: (ids(t), 16, E)),
    # sglang: gates, activations, embeddings.
    Function(MOE, "moe_sum_reduce_torch_compile", lambda t: (floats(t, K, 48), torch.zeros(t, 48), 2.5), absolute=1e-5),
    Function(MOE, "_swiglu_silu_clamp_mul", lambda t: (floats(t, 64, dtype=BF16), 7.0)),
    Function(MOE, "swiglu_gpt_oss_sigmoid_alpha", lambda t: (floats(t, 64), 1.702, 7.0)),
    Function(MOE, "swiglu_no_interleaved_with_alpha_and_limit", lambda t: (floats(t, 64), 1.702, 7.0)),
    Function(INDEXER, "Indexer._scale_head_gates", lambda t: (GATES, floats(t, 16), floats(t, 16, 1))),
    Function(
        INDEXER,
        "Indexer._scale_head_gates",
        lambda t: (GATES, floats(t, 16, dtype=BF16), floats(t, 16, 1, dtype=BF16)),
        what="bf16",
    ),
    Function(INDEXER, "Indexer._apply_q_scale_and_softmax_scale", lambda t: (GATES, floats(t, 16), floats(t, 16, 1))),
    Function(
        INDEXER,
        "Indexer._get_logits_head_gate",
        lambda t: (GATES, floats(t, 16, dtype=BF16), floats(t, 16, 1)),
        what="behind its product",
    ),
    Function(
        f"{SGL}/vocab_parallel_embedding.py",
        "get_masked_input_and_mask",
        lambda t: (table(t, 1000, torch.int64), 100, 400, 8, 900, 950),
    ),
    Function(
        f"{SGL}/rotary_embedding/utils.py",
        "apply_rotary_emb",
        lambda t: (floats(t, 4, 16), floats(t, 8), floats(t, 8), True),
        what="halves",
    ),
    Function(
        f"{SGL}/rotary_embedding/utils.py",
        "apply_rotary_emb",
        lambda t: (floats(t, 4, 16), floats(t, 8), floats(t, 8), False),
        what="pairs",
    ),
    # vLLM.
    Function(f"{VMOE}/router/grouped_topk_router.py", "grouped_topk", logits(), GROUPS, PLATFORM, what="softmax"),
    Function(
        f"{VMOE}/router/grouped_topk_router.py",
        "grouped_topk",
        logits(),
        GROUPS | dict(scoring_func="sigmoid", routed_scaling_factor=2.5, e_score_correction_bias=floats(E)),
        PLATFORM,
        what="sigmoid, bias",
    ),
    Function(
        f"{VMOE}/router/grouped_topk_router.py",
        "grouped_topk",
        logits(BF16),
        GROUPS | dict(scoring_func="sigmoid", routed_scaling_factor=2.5, e_score_correction_bias=floats(E)),
        PLATFORM,
        what="sigmoid, bias, bf16",
    ),
    Function(
        f"{VMODELS}/llama4.py",
        "Llama4MoE.custom_routing_function",
        logits(BF16),
        dict(topk=1, renormalize=False),
        elsewhere={"fast_topk": f"{VMODELS}/utils.py"},
    ),
    Function(f"{VMODELS}/cohere2_moe.py", "token_choice_with_bias", logits(), dict(topk=K, renormalize=True)),
    Function(f"{VMODELS}/gemma4.py", "gemma4_routing_function_torch", lambda t: (floats(t, E), K, floats(E).abs())),
    Function(f"{VMODELS}/phimoe.py", "sparsemixer", lambda t: (floats(t, 16), 0.01)),
    Function(
        f"{VMODELS}/interns1_pro.py",
        "InternS1ProMoeSparseMoeBlock._custom_routing_function",
        lambda t: (
            with_self(
                n_groups=8,
                get_group_offsets=lambda n, size, device: (torch.arange(n, device=device) * size).view(1, -1, 1),
            ),
            floats(t, 32),
            floats(t, E),
        ),
        dict(topk=K, renormalize=True),
    ),
    Function(
        BIAS_ROUTER,
        "fused_topk_bias",
        logits(),
        dict(
            scoring_func="sigmoid",
            e_score_correction_bias=floats(E),
            topk=K,
            renormalize=True,
            routed_scaling_factor=2.5,
        ),
        PLATFORM,
        what="sigmoid",
    ),
    Function(
        BIAS_ROUTER,
        "fused_topk_bias",
        lambda t: (
            floats(t, 32),
            floats(t, E),
            "sigmoid",
            None,
            K,
            True,
            None,
            table(t, 1000, torch.int64),
            torch.randint(0, E, (1000, K)),
            2.5,
        ),
        given=PLATFORM,
        what="by token",
    ),
    Function(
        BIAS_ROUTER,
        "fused_topk_bias",
        lambda t: (
            floats(t, 32),
            floats(t, E),
            "sigmoid",
            floats(E),
            K,
            True,
            None,
            table(t, 1000, torch.int64),
            None,
            2.5,
            floats(E),
            500,
        ),
        given=PLATFORM,
        what="bias of images",
    ),
    Function(
        f"{VMOE}/router/routing_simulator_router.py",
        "DistributionBasedRouting._sample_expert_ids",
        lambda t: (floats(t, 32),),
        around=simulated,
        random=True,
    ),
    Function(
        f"{VMOE}/expert_substitution.py",
        "ConstantExpertSubstitution.transform_routes",
        lambda t: (floats(t, 32), floats(t, K), ids(t), table(E, E) - 4, floats(4, 32)),
        around=substituted,
    ),
    Function(f"{VMOE}/utils.py", "_swiglu_limit_torch", lambda t: (torch.zeros(t, 32), floats(t, 64), 7.0)),
    Function(
        "vllm/model_executor/layers/vocab_parallel_embedding.py",
        "get_masked_input_and_mask",
        lambda t: (table(t, 1000, torch.int64), 100, 400, 8, 900, 950),
    ),
    Function(
        "vllm/model_executor/layers/rotary_embedding/common.py",
        "ApplyRotaryEmb.forward_static",
        lambda t: (floats(t, 4, 16), floats(t, 8), floats(t, 8)),
        what="halves",
    ),
]
