"""GPUs, on stand-ins for the drivers: AMD's through a torch that was built for them, and tuning on both vendors'."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest
import routefuse

TESTS = pathlib.Path(__file__).parent
ROOT = TESTS.parents[1]
OBJDUMP = os.environ.get("LLVM_OBJDUMP", "/usr/lib/llvm-22/bin/llvm-objdump")
#: A launch takes a nanosecond for each of its threads, and a microsecond: the fewer lanes have a row, the quicker.
FEW_LANES = "1000,0,1"
pytestmark = pytest.mark.skipif(not routefuse.has_compiler, reason="a build that only loads bundles")


@pytest.fixture(scope="module")
def drivers(tmp_path_factory):
    """The stand-ins in a folder of their own."""
    folder = tmp_path_factory.mktemp("drivers")
    for source, library in [("hip.c", "libamdhip64.so.7"), ("cuda.c", "libcuda.so")]:
        flags = ["-std=gnu11", "-O1", "-shared", "-fPIC", "-pthread", "-o", folder / library]
        subprocess.run(["cc", *flags, ROOT / "runtime/tests/stand_in" / source], check=True)
    return folder


def ran(drivers, program, *, more_paths=(), **variables):
    """What a program prints that finds the stand-ins, as JSON."""
    paths = [*more_paths, TESTS.parent]
    variables |= {
        "LD_LIBRARY_PATH": str(drivers),
        "ROUTEFUSE_STAND_IN_GPUS": "gfx942:sramecc+:xnack-,gfx1100",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not pathlib.Path(OBJDUMP).exists(), reason="no llvm-objdump for the emulator of AMD code")
@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("ordinal", [0, 1])
def test_a_torch_for_amd(drivers, fuse, ordinal):
    """Its tensors are "cuda" ones; the code that is launched runs in the emulator and gives the host's bits."""
    program = f"""
        import json, numpy as np, torch, routefuse
        graph, fuse = routefuse.chains.graph("e_post_chain"), {fuse}
        engine = routefuse.Engine()
        kernel = engine.compile(graph, device=torch.device("cuda:{ordinal}"), fuse=fuse)
        T, random = 5, np.random.default_rng(1)
        inputs = [
            random.integers(0, 256, (T, 8), dtype=np.int32), random.random((T, 8), dtype=np.float32),
            random.permutation(256).astype(np.int32), np.array(T - 1, dtype=np.int32),
            np.array([[0x3F80], [0x4000], [0x3E00], [0x3F00], [0x4040]], dtype="u2").view("V2"),
        ]
        def moved(array):
            tensor = torch.empty(array.shape, dtype=array.dtype, device="cuda:{ordinal}")
            tensor.numpy()[...] = array
            return tensor
        outputs = kernel(*map(moved, inputs))
        host = engine.compile(graph)(*inputs)
        with_arrays = with_other = None
        try:
            kernel(*inputs)
        except routefuse.Error as error:
            with_arrays = str(error)
        try:
            other = engine.compile(graph, device="cuda:{1 - ordinal}")
            other(*map(moved, inputs))
        except routefuse.Error as error:
            with_other = str(error)
        print(json.dumps({{
            "device": kernel.device, "target": kernel.target, "launches": kernel.launches,
            "equal": [bool((a.numpy().view("u1") == b.view("u1")).all()) for a, b in zip(outputs, host)],
            "on": [str(o.device) for o in outputs], "streams": torch.streams_asked_for,
            "with_arrays": with_arrays, "with_other": with_other,
        }}))
    """
    emulator = {
        "ROUTEFUSE_STAND_IN_EMULATOR": str(ROOT / "tests/amdemu/serve.py"),
        "ROUTEFUSE_PYTHON": sys.executable,
        "LLVM_OBJDUMP": OBJDUMP,
    }
    said = ran(drivers, program, more_paths=[TESTS / "amd_torch"], **emulator)
    assert (said["device"], said["target"]) == (f"hip:{ordinal}", ["gfx942", "gfx1100"][ordinal])
    assert (said["launches"] == 1) == fuse
    assert said["equal"] == [True] * 3 and said["on"] == [f"cuda:{ordinal}"] * 3
    # The second is that of the launch whose tensors are elsewhere.
    assert said["streams"] == [ordinal, 1 - ordinal]
    assert "RF0611" in said["with_arrays"] and f"hip:{ordinal}" in said["with_arrays"]
    assert "RF0611" in said["with_other"]


@pytest.mark.parametrize("device", ["hip:1", "cuda:0"])
def test_tuning(drivers, tmp_path, device):
    """The clock decides; another engine with the same cache follows the answer."""
    program = f"""
        import json, routefuse
        told = []
        model = routefuse.models.graph("gpt-oss")
        def engine():
            return routefuse.Engine(cache={str(tmp_path)!r})
        def compiled():
            fresh = engine()
            fresh.compile(model, device={device!r})
            return fresh.counters["compiles"]
        before = [compiled(), compiled()]
        said = routefuse.tune(
            model, device={device!r}, rows=[64, 2048], samples=1, engine=engine(), progress=lambda *p: told.append(p))
        after = compiled()
        dry = engine().tune(model, device={device!r}, rows=[64], samples=1, keep=False, threads=1)
        print(json.dumps({{"said": said, "told": len(told), "dry": dry, "before": before, "after": after}}))
    """
    out = ran(drivers, program, ROUTEFUSE_STAND_IN_CLOCK=FEW_LANES)
    said, dry = out["said"], out["dry"]
    assert (said["device"], said["dim"], said["kernels"]) == (device, "T", 1)
    # What the cache had is not what the record asks for.
    assert out["before"][0] > 0 and out["before"][1] == 0 and out["after"] > 0
    (kernel,) = said["tuned"]
    assert not kernel["is_built_in"] and pathlib.Path(kernel["file"]).parent.is_relative_to(tmp_path)
    assert [r["extent"] for r in kernel["results"]] == [64, 2048]
    assert all(r["chosen_us"] <= r["built_in_us"] for r in kernel["results"]) and out["told"] > 2
    assert dry["tuned"][0]["file"] is None


def test_what_is_no_device(drivers):
    program = """
        import json, routefuse
        graph, said = routefuse.chains.graph("c_pack"), {}
        for name in ["hip:7", "cuda:one", "gpu:0", "hip:-1"]:
            try:
                routefuse.compile(graph, device=name)
            except routefuse.Error as error:
                said[name] = str(error)
        for name, keywords in {"cpu": {}, "hip:0": {"rows": [2, 1]}, "samples": {"samples": 0}, "limit": {"limit": -1.0}}.items():
            try:
                routefuse.tune(graph, device=name if ":" in name or name == "cpu" else "hip:0", **keywords)
            except routefuse.Error as error:
                said["tune " + name] = str(error)
        print(json.dumps(said))
    """
    said = ran(drivers, program)
    assert "RF0809" in said["hip:7"] and "sees 2" in said["hip:7"]
    for name in ["cuda:one", "gpu:0", "hip:-1"]:
        assert "RF0809" in said[name] and f'no device is called "{name}"' in said[name]
    assert "RF0809" in said["tune cpu"] and "RF0312" in said["tune hip:0"] and "RF0312" in said["tune samples"]
    assert "`limit` is no number of seconds" in said["tune limit"]
