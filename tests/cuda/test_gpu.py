"""On a card: what the other modules of this folder show on the emulator and with a stand-in for CuPy. `python -m tests.cuda.gpu` runs it all.

Not yet run on any card: no machine that has built this so far had one (see docs/performance.md).
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from corpus import CORPUS
from cuda_rows import cases, kernel, launched, parts

import graphc as gc
from graphc.runtime.cuda.emulator.device import EmulatedDevice
from graphc.runtime.cuda.program import device_of

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore:reduction")]
TOLERANCE = {"float32": 3e-5, "float64": 1e-11}
EXTENTS = (1, 31, 32, 33, 256, 1000, 1024, 4100, 32000)
RNG = np.random.default_rng(23)


@pytest.fixture
def cp():
    import cupy
    return cupy


def agrees(outputs, data, dtype, **options):
    """Twice the same bits, and the interpreter's numbers."""
    f = gc.compile(outputs, target="cuda", dtype=dtype, **options)
    rounded = {n: np.asarray(a, dtype) if np.asarray(a).dtype.kind == "f" else a for n, a in data.items()}
    runs = [f(**rounded) for _ in range(4)]
    wide = {n: np.asarray(a, np.float64) if np.asarray(a).dtype.kind == "f" else a for n, a in rounded.items()}
    for k, expected in enumerate(gc.evaluate(outputs, **wide)):
        expected = np.asarray(expected)
        scale = np.abs(expected[np.isfinite(expected)]).max(initial=1e-6)
        np.testing.assert_allclose(runs[0][k], expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)
        assert all(np.asarray(run[k]).tobytes() == np.asarray(runs[0][k]).tobytes() for run in runs)


def with_gradients(L, data):
    names = [n for n, a in data.items() if np.asarray(a).dtype.kind == "f"]
    return [L, *gc.grad(gc.sum(L**2) if L.ndim else L, names)]


def classes(n, c, scale=4.0):
    return {"y": RNG.normal(size=(n, c)) * scale, "t": RNG.permutation(np.arange(n) % c)}


def cross_entropy():
    return gc.losses.cross_entropy(gc.param("y", "n c"), gc.labels("t", "n", below="c"))


# --- numbers

@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", CORPUS, ids=lambda c: c.name)
def test_formulas_of_every_kind(case, dtype):
    L = case.tensor()
    data = case.data(L)
    agrees(with_gradients(L, data), data, dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", [n for n in gc.losses.__all__ if n in ("mse", "mae", "huber", "smooth_l1", "bce_with_logits", "log_cosh", "hinge")])
def test_pointwise_losses(name, dtype):
    L = getattr(gc.losses, name)(gc.param("x", "n"), gc.tensor("y", "n"))
    for n in (1, 33, 4100, 1_000_003):
        data = {"x": RNG.normal(size=n), "y": (RNG.random(n) > 0.5).astype(float)}
        agrees([L, gc.grad(L, "x")], data, dtype)


@pytest.mark.parametrize("capture", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("c", EXTENTS)
def test_cross_entropy_at_extents(c, dtype, capture):
    L = cross_entropy()
    for n, scale in ((1, 4.0), (67, 4.0), (7, 1e4)):
        agrees([L, gc.grad(L, "y")], classes(n, c, scale), dtype, capture=capture)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_linear_layer_in_tiles(dtype):
    X, W, t = gc.tensor("X", "n d"), gc.param("W", "d c"), gc.labels("t", "n", below="c")
    L = gc.losses.cross_entropy(X @ W, t)
    n, d, c = 1031, 67, 503
    agrees([L, gc.grad(L, "W")], {"X": RNG.normal(size=(n, d)), "W": RNG.normal(size=(d, c)), "t": RNG.integers(0, c, n)}, dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("n, c", [(1, 50_001), (4, 1_000_000), (64, 65_536)])
def test_long_rows_in_pieces(n, c, dtype):
    L = cross_entropy()
    agrees([L, gc.grad(L, "y")], classes(n, c), dtype)


@pytest.mark.parametrize("size", [1000, 65_537, 3_000_001])
def test_scans_and_places(size):
    x = gc.param("x", "n")
    L = gc.sum(gc.cumsum(x)**2) / size
    agrees([L, gc.grad(L, "x"), gc.argmax(x)], {"x": RNG.normal(size=size)}, "float64")


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("n, m, d", [(1031, 1009, 3), (2048, 517, 64), (67, 1009, 16), (1031, 67, 257)])
def test_pairs_in_tiles(n, m, d, dtype):
    """Also where rows are too few or too wide for tiles."""
    X, Z, (i, j, k) = gc.param("X", "n d"), gc.param("Z", "m d"), gc.indices("i j k")
    L = gc.Sum(gc.exp(-gc.Sum((X[i, k] - Z[j, k])**2, k)), i, j)
    agrees([L, gc.grad(L, "X"), gc.grad(L, "Z")], {"X": RNG.normal(size=(n, d)) / d**0.5, "Z": RNG.normal(size=(m, d)) / d**0.5}, dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_every_row_of_the_function_table_is_what_the_emulator_computes(cp, dtype):
    """The emulator computes `.approx` instructions exactly, a card to a few units in the last place."""
    emulator, card = EmulatedDevice(), device_of(0)
    for part in parts(list(cases(dtype))):
        _, expected = launched(emulator, part, dtype)
        x = np.ones((len(part), 3, expected.shape[1]), dtype)
        for r, case in enumerate(part):
            x[r, :case.points.shape[1]] = case.points.T
        out = cp.full(expected.shape, np.nan, dtype)
        card.launch(kernel(part, dtype), 1, expected.shape[1], cp.asarray(x), out)
        np.testing.assert_allclose(out.get(), expected, rtol=8 * np.finfo(dtype).eps, atol=float(np.finfo(dtype).smallest_normal),
                                   err_msg=", ".join(c.name for c in part))


def test_maps_have_the_bits_of_the_emulator(cp):
    L = gc.losses.mse(gc.param("x", "n"), gc.tensor("y", "n"))
    data = {k: RNG.normal(size=4103).astype(np.float32) for k in "xy"}
    (on_card, on_emulator) = (gc.compile(L, target="cuda", device=d)(**data) for d in (0, "emulator"))
    assert on_card[0] == on_emulator[0] and on_card[1]["x"].tobytes() == on_emulator[1]["x"].tobytes()


# --- arrays, streams, graphs

def test_arrays_of_cupy_are_used_in_place(cp):
    f = gc.compile(cross_entropy(), target="cuda")
    data = {k: cp.asarray(a) for k, a in classes(512, 1000).items()}
    expected = f(**{k: a.get() for k, a in data.items()})
    out = {"y": cp.empty_like(data["y"])}
    for stream in (None, cp.cuda.Stream(non_blocking=True)):
        cp.cuda.Device().synchronize()
        value, grads = f(**data, out=out, stream=stream)
        cp.cuda.Device().synchronize()
        assert grads["y"] is out["y"] and isinstance(value, cp.ndarray) and value.shape == ()
        assert value.get() == expected[0] and grads["y"].get().tobytes() == expected[1]["y"].tobytes()


def test_a_steady_loop_takes_no_memory(cp):
    f = gc.compile(cross_entropy(), target="cuda")
    data = {k: cp.asarray(a) for k, a in classes(512, 1000).items()}
    out = (cp.empty((), np.float64), {"y": cp.empty_like(data["y"])})
    f(**data, out=out)
    before = cp.get_default_memory_pool().total_bytes()
    for _ in range(20):
        f(**data, out=out)
    assert cp.get_default_memory_pool().total_bytes() == before


def test_tensors_of_torch_on_its_stream(cp):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    f, data = gc.compile(cross_entropy(), target="cuda"), classes(512, 1000)
    tensors = {"y": torch.tensor(data["y"], device="cuda", requires_grad=True), "t": torch.tensor(data["t"], device="cuda")}
    with torch.cuda.stream(torch.cuda.Stream()):
        value, grads = f(**tensors)
        theirs = torch.nn.functional.cross_entropy(tensors["y"], tensors["t"])
        theirs.backward()
        torch.testing.assert_close(torch.from_dlpack(grads["y"]), tensors["y"].grad, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(torch.from_dlpack(value), theirs.detach(), rtol=1e-9, atol=1e-12)


def test_arrays_of_numba_and_jax(cp):
    from numba import cuda
    f, data = gc.compile(gc.losses.mse(gc.param("x", "n"), gc.tensor("y", "n")), target="cuda"), {k: RNG.normal(size=1009) for k in "xy"}
    expected = ((data["x"] - data["y"]) ** 2).mean()
    assert float(f(x=cuda.to_device(data["x"]), y=cp.asarray(data["y"]))[0]) == pytest.approx(expected, rel=1e-12)
    jax = pytest.importorskip("jax", reason="jax is not installed")
    if jax.default_backend() != "gpu":
        pytest.skip("this jax has no CUDA")
    narrow = {k: jax.numpy.asarray(a, "float32") for k, a in data.items()}
    assert float(f(**narrow)[0]) == pytest.approx(expected, rel=1e-5)


HALVES = pytest.mark.parametrize("kind", ["float16", "bfloat16"])


def halved(kind, data):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    return {k: a.astype(ml_dtypes.bfloat16 if kind == "bfloat16" else np.float16) if a.dtype.kind == "f" else a for k, a in data.items()}


def agrees_in_halves(cp, L, data, names, tolerance, **options):
    """Of arrays on the card: the value in float32, gradients in the dtype of their parameters."""
    f, given = gc.compile(L, wrt=names, target="cuda", **options), {k: cp.asarray(a) for k, a in data.items()}
    wide = {k: a.astype(np.float64) if a.dtype.itemsize == 2 else a for k, a in data.items()}
    expected, *gradients = gc.evaluate([L, *gc.grad(L, names)], **wide)
    for _ in range(4):
        value, grads = f(**given)
        np.testing.assert_allclose(value.get(), expected, rtol=tolerance)
        for name, exact in zip(names, gradients, strict=True):
            found = cp.asnumpy(grads[name])
            assert (value.dtype, found.dtype) == (np.float32, data[name].dtype)
            np.testing.assert_allclose(found.astype(np.float64), exact, rtol=2**-8 + tolerance, atol=6e-8 + tolerance * np.abs(exact).max())


@HALVES
@pytest.mark.parametrize("capture", [False, True])
@pytest.mark.parametrize("c", [1, 33, 256, 1000, 4100, 4104])
def test_halves_at_extents(cp, kind, capture, c):
    for n in (1, 67):
        agrees_in_halves(cp, cross_entropy(), halved(kind, classes(n, c)), ["y"], 1e-5, capture=capture)


@HALVES
def test_a_linear_layer_of_halves(cp, kind):
    """Products by gemmEx, transposed on either side, and float32 beside halves."""
    X, W, t = gc.tensor("X", "n d"), gc.param("W", "d c"), gc.labels("t", "n", below="c")
    data = halved(kind, {"X": RNG.normal(size=(1031, 67)), "W": RNG.normal(size=(67, 503)), "t": RNG.integers(0, 503, 1031)})
    agrees_in_halves(cp, gc.losses.cross_entropy(X @ W, t), data, ["W"], 2e-2)
    agrees_in_halves(cp, gc.sum((X @ W) ** 2) / 1031, {k: data[k] for k in "XW"} | {"X": RNG.normal(size=(1031, 67)).astype(np.float32)}, ["W"], 2e-2)


def test_bfloat16_tensors_of_torch(cp):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    data = classes(512, 1000)
    y, t = torch.tensor(data["y"], device="cuda", dtype=torch.bfloat16, requires_grad=True), torch.tensor(data["t"], device="cuda")
    value, grads = gc.compile(cross_entropy(), target="cuda")(y=y, t=t)
    theirs = torch.nn.functional.cross_entropy(y.float(), t)
    theirs.backward()
    torch.testing.assert_close(torch.from_dlpack(value), theirs.detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(torch.from_dlpack(grads["y"]), y.grad, rtol=2**-7, atol=1e-6)


def test_captured_calls_follow_arrays_that_move_and_stay(cp):
    f = gc.compile(gc.losses.mse(gc.param("x", "n"), gc.tensor("y", "n")), target="cuda", capture=True)
    fixed, found = cp.asarray(RNG.normal(size=1009)), []
    for _ in range(6):
        x = RNG.normal(size=1009)
        found.append((f(x=cp.asarray(x), y=fixed), x))
    for (value, grads), x in found:
        np.testing.assert_allclose(value.get(), ((x - fixed.get()) ** 2).mean(), rtol=1e-12)
        np.testing.assert_allclose(grads["x"].get(), 2 * (x - fixed.get()) / 1009, rtol=1e-12)


# --- errors, after which the process goes on

@pytest.mark.parametrize("capture", [False, True])
def test_labels_out_of_range(cp, capture):
    f, data = gc.compile(cross_entropy(), target="cuda", capture=capture), classes(67, 13)
    y, t = cp.asarray(data["y"]), cp.asarray(data["t"])
    for _ in range(3):
        expected = f(y=y, t=t)[0].get()
    t[5] = 13
    with pytest.raises(gc.BindingError, match=r"t\[5\] = 13 is not in \[0, c = 13\)"):
        f(y=y, t=t)
    t[5] = int(data["t"][5])
    assert f(y=y, t=t)[0].get() == expected


def test_out_of_memory(cp):
    i, j = gc.indices("i j")
    x = gc.param("x", "n")
    f = gc.compile(gc.array(gc.exp(x[i]) * x[j], (i, j)), target="cuda")
    with pytest.raises(gc.DeviceError, match="out of memory"):
        f(x=cp.zeros(1 << 20))
    np.testing.assert_allclose(cp.asnumpy(f(x=cp.ones(3))), np.full((3, 3), np.e), rtol=1e-14)


def test_a_saved_program_runs_without_graphc(tmp_path):
    data = {k: a.astype(np.float32) if a.dtype.kind == "f" else a for k, a in classes(67, 13).items()}
    f = gc.compile(cross_entropy(), target="cuda", dtype="float32")
    value, _ = f(**data)
    f.save(tmp_path / "saved_loss")
    np.savez(tmp_path / "data.npz", **data)
    script = ("import sys; sys.path[:0] = [sys.argv[1]]; sys.modules['graphc'] = None\n"
              "import numpy as np, saved_loss; print(repr(float(next(iter(saved_loss.call(**np.load(sys.argv[1] + '/data.npz')).values())))))")
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(float(value), rel=1e-6)


def test_the_lectures_script(capsys):
    from pathlib import Path
    text = (Path(__file__).parent.parent.parent / "examples" / "l14_autograd.py").read_text()
    changed, names = text.replace("reg_loss)", "reg_loss, target='cuda')"), {}
    assert changed != text
    exec(changed, names)
    assert names["losses"][80] == pytest.approx(2.720193, abs=1e-6)
