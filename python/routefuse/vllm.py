"""A plug-in of vLLM: functions of its routing, replaced by kernels. Off unless the environment names them (`routefuse._plugin`).

vLLM loads it by the entry point of the group `vllm.general_plugins`, in every process. Within a model that vLLM compiles the
functions are traced as they were: there, kernels go in as ops (`Kernel.as_op`).
"""

from __future__ import annotations

from ._plugin import Engine, Replaced
from ._plugin import register as _register

_MOE = "vllm.model_executor.layers.fused_moe"
VLLM = Engine(
    package="vllm",
    versions=((0, 33), (0, 34)),
    functions=(
        f"{_MOE}.router.grouped_topk_router.grouped_topk",
        f"{_MOE}.utils._swiglu_limit_torch",
        "vllm.model_executor.models.gemma4.gemma4_routing_function_torch",
        "vllm.model_executor.models.phimoe.sparsemixer",
    ),
)


def register() -> list[Replaced]:
    """Replaces what `ROUTEFUSE_REPLACE` names. Raises Error for a name that is not known."""
    return _register(VLLM)
