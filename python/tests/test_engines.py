"""Engines: caches, sealing, many graphs at once, bundles, signatures."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
import routefuse

pytestmark = pytest.mark.skipif(not routefuse.has_compiler, reason="a build that only loads bundles")
numpy = pytest.importorskip("numpy")


def double(factor):
    b = routefuse.GraphBuilder(f"times{factor}")
    b.output("y", b.input("x", "f32", (b.dim(), 4)) * float(factor))
    return b


def test_equal_graphs_are_compiled_once():
    engine = routefuse.Engine()
    first, second = engine.compile(double(2)), engine.compile(double(2).text)
    assert engine.counters["compiles"] == 1
    x = numpy.ones((3, 4), numpy.float32)
    assert (first(x) == 2).all() and (second(x) == 2).all()


def test_a_cache_on_disk_is_for_the_next_engine(tmp_path):
    routefuse.Engine(cache=tmp_path).compile(double(3))
    again = routefuse.Engine(cache=str(tmp_path), cache_bytes=1 << 20)
    again.compile(double(3))
    assert again.counters["compiles"] == 0


def test_the_default_engine_is_configured(tmp_path):
    before = routefuse.engine()
    try:
        made = routefuse.configure(cache=tmp_path)
        assert routefuse.engine() is made
        routefuse.compile(double(5))
        assert made.counters["compiles"] == 1
    finally:
        routefuse._engines._default = before


def test_sealed_engines_compile_nothing():
    engine = routefuse.Engine()
    kernel = engine.compile(double(2))
    sealed = engine.seal()
    sealed.check()
    kernel(numpy.ones((1, 4), numpy.float32))
    with pytest.raises(routefuse.Error) as caught:
        engine.compile(double(7))
    assert caught.value.code == "RF0810" and sealed.refused >= 1
    with pytest.raises(routefuse.Error, match="RF0810"):
        sealed.check()


def test_many_graphs_share_the_work():
    engine = routefuse.Engine()
    told = []
    kernels = engine.compile_all([double(1 + i % 3) for i in range(58)], threads=2, progress=lambda *p: told.append(p))
    assert len(kernels) == 58 and engine.counters["compiles"] == 3
    assert {t[1] for t in told} == {3} and sorted(t[0] for t in told) == [1, 2, 3]
    assert len(routefuse.compile_all([double(2)], progress=True, engine=engine)) == 1

    # A callback that lets go of Python's lock while other threads are about to call it.
    slow = [double(20 + i) for i in range(6)]
    assert len(engine.compile_all(slow, threads=4, progress=lambda *p: time.sleep(0.01))) == 6

    def fails(done, total, kernel):
        raise KeyError(kernel)

    with pytest.raises(KeyError, match="times9"):
        engine.compile_all([double(9)], progress=fails)


def test_threads_use_one_engine():
    engine = routefuse.Engine()
    failures = []

    def work(n):
        try:
            for i in range(20):
                kernel = engine.compile(double(1 + (n + i) % 4))
                x = numpy.full((5, 4), n, numpy.float32)
                assert (kernel(x) == n * (1 + (n + i) % 4)).all()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and engine.counters["compiles"] == 4


def test_bundles_carry_kernels(tmp_path):
    engine = routefuse.Engine()
    path = tmp_path / "one.rfb"
    engine.compile(double(2)).save(path)
    kernel = routefuse.load(path, trust="anyone")
    assert (kernel(numpy.ones((2, 4), numpy.float32)) == 2).all()
    with pytest.raises(routefuse.Error, match="not its graph"):
        kernel.text  # noqa: B018
    engine.bundle(tmp_path / "two.rfb", {"a": double(2), "b": double(3).text}, targets=["host", "sm_90"])
    bundle = routefuse.Bundle(tmp_path / "two.rfb", trust="anyone")
    assert (
        bundle.names == ["a", "b"] and bundle.targets("a") == ["host", "sm_90"] and "b" in bundle and len(bundle) == 2
    )
    assert (bundle["b"](numpy.ones((2, 4), numpy.float32)) == 3).all()
    with pytest.raises(routefuse.Error, match="RF0812"):
        bundle.kernel()
    with pytest.raises(routefuse.Error, match="RF0812"):
        bundle["c"]
    with pytest.raises(routefuse.Error, match="RF0801"):
        engine.bundle(tmp_path / "x.rfb", {"a": double(2)}, targets=["sm_1"])
    # An engine with the bundle finds its kernels there.
    with_bundle = routefuse.Engine(bundles=[(path, "anyone")])
    with_bundle.compile(double(2))
    assert with_bundle.counters["compiles"] == 0


def test_a_bundle_says_whose_it_is(tmp_path):
    engine = routefuse.Engine()
    key = tmp_path / "mine.key"
    public = routefuse.generate_key(key)
    other = routefuse.generate_key(tmp_path / "other.key")
    signed, plain = tmp_path / "signed.rfb", tmp_path / "plain.rfb"
    kernel = engine.compile(double(2))
    kernel.save(signed, sign=key)
    kernel.save(plain)
    assert routefuse.load(signed, trust=public).launches == 1
    assert routefuse.load(signed, trust=[other, public]).launches == 1
    for path, trust in ((signed, other), (plain, public), (plain, None)):
        with pytest.raises(routefuse.Error) as caught:
            routefuse.load(path, trust=trust)
        assert caught.value.code == "RF0814"
    with pytest.raises(routefuse.Error, match="RF0814"):
        routefuse.Engine(bundles=[(plain, "anyone")], require_signed=public)
    with pytest.raises(routefuse.Error) as caught:
        routefuse.load(tmp_path / "none.rfb", trust="anyone")
    assert caught.value.code == "RF0701"
    plain.write_bytes(b"RFBUNDLE and nothing")
    with pytest.raises(routefuse.Error) as caught:
        routefuse.load(plain, trust="anyone")
    assert caught.value.code == "RF0811"


def test_devices_have_names(engine):
    assert engine.compile(double(2), device="cpu").device == "cpu"
    for device in ("tpu", "cuda:x", 3):
        with pytest.raises(routefuse.Error, match="RF0809"):
            engine.compile(double(2), device=device)


def test_a_missing_gpu_is_an_error(engine):
    try:
        kernel = engine.compile(double(2), device="cuda:63")
    except routefuse.Error as error:
        assert error.code == "RF0809"
    else:
        pytest.fail(f"{kernel} on a GPU that nobody has")


def test_the_package_imports_neither_torch_nor_numpy():
    program = "import sys, routefuse; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    path = [p for p in sys.path if p]
    result = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {program}"], check=False)
    assert result.returncode == 0
