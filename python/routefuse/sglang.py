"""A plug-in of sglang: functions of its routing, replaced by kernels. Off unless the environment names them (`routefuse._plugin`).

sglang loads it by the entry point of the group `sglang.srt.plugins`, in every process.
"""

from __future__ import annotations

from ._plugin import Engine, Replaced
from ._plugin import register as _register

_TOPK = "sglang.srt.layers.moe.topk"
SGLANG = Engine(
    package="sglang",
    versions=((0, 5, 23), (0, 6)),
    functions=(
        f"{_TOPK}.grouped_topk_gpu",
        f"{_TOPK}.kimi_k2_biased_topk_impl",
        f"{_TOPK}.biased_topk_impl",
        f"{_TOPK}.biased_grouped_topk_impl",
        f"{_TOPK}.fused_topk_torch_native",
        f"{_TOPK}.fused_topk_softmax_torch_raw_logits",
        f"{_TOPK}._biased_grouped_topk_postprocess",
        f"{_TOPK}.remap_topk_for_per_rank_shared_slots",
        "sglang.srt.layers.moe.waterfill.expand_topk_with_shared_expert",
        "sglang.srt.layers.moe.moe_runner.triton_utils.fused_moe.moe_sum_reduce_torch_compile",
    ),
)


def register() -> list[Replaced]:
    """Replaces what `ROUTEFUSE_REPLACE` names. Raises Error for a name that is not known."""
    return _register(SGLANG)
