"""The router of a model with what follows it, as one kernel, on numpy arrays."""

import numpy as np
import routefuse

router = routefuse.models.deepseek_v3(eplb="static", padding="minus_one", shared="constant", logits="f32")
print(router)

rng = np.random.default_rng(0)
tokens = 6
made = router(
    logits=rng.standard_normal((tokens, 256), dtype=np.float32),
    bias=np.zeros(256, np.float32),
    map=rng.permutation(256).astype(np.int32),
    n=tokens - 1,  # the last row is padding
)
print(made.ids_out.shape, made.ids_out[-1])
assert (made.ids_out[-1] == -1).all() and made.ids_out.shape == (tokens, 9)
