"""Kernels that are compiled once and shipped: a signed bundle, which a worker without the compiler loads."""

import pathlib
import tempfile

import numpy as np
import routefuse

with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    public = routefuse.generate_key(folder / "builder.key")

    # Where the model is built: a layer for the host and for two GPUs.
    engine = routefuse.Engine()
    graphs = {"remap": routefuse.chains.graph("a_remap_static"), "pack": routefuse.chains.graph("c_pack")}
    engine.bundle(folder / "model.rfb", graphs, targets=["host", "sm_90", "gfx942"], sign=folder / "builder.key")

    # Where it is served: nothing is run that is not signed with that key.
    bundle = routefuse.Bundle(folder / "model.rfb", trust=public)
    print(bundle, bundle.targets("pack"))
    pack = bundle["pack"]
    packed = pack(ids=np.arange(8, dtype=np.int32)[None], weights=np.ones((1, 8), np.float32))
    print([hex(word) for word in packed[0]])
    assert packed[0, 3] == 3 << 16 | 0x3F80
