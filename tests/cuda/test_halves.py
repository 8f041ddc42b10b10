"""Arrays in float16 and bfloat16: read where they are, computed in float32, gradients in the dtype of their parameter. By the emulator."""

from __future__ import annotations

import importlib
import re

import ml_dtypes
import numpy as np
import pytest
from cupy_standin import standing_in

import graphc as gc
from graphc.codegen.cudalib.assemble import assemble
from graphc.codegen.cudalib.kernels import converted
from graphc.runtime.cuda.emulator.device import EmulatedDevice
from graphc.runtime.cuda.program import device_of

KINDS = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16)}
halves = pytest.mark.parametrize("kind", KINDS)
pytestmark = pytest.mark.emu
RNG = np.random.default_rng(31)
Y, T = gc.param("y", "n c"), gc.labels("t", "n", below="c")
X, W, B = gc.tensor("X", "n d"), gc.param("W", "d c"), gc.param("b", "c")
LINEAR = gc.losses.cross_entropy(X @ W + B, T)


def stored(kind, **data):
    return {k: a.astype(KINDS[kind]) if a.dtype.kind == "f" else a for k, a in data.items()}


def wide(a):
    return np.asarray(a).astype(np.float64) if a.dtype.name in KINDS else np.asarray(a)


def agrees(L, data, names, tolerance=1e-6):
    """Value and gradients of the numbers that the halves are: the value in float32, a gradient in its parameter's dtype, rounded once."""
    f = gc.compile(L, wrt=names, target="cuda", device="emulator")
    value, grads = f(**data)
    expected, *gradients = gc.evaluate([L, *gc.grad(L, names)], **{k: wide(a) for k, a in data.items()})
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, expected, rtol=tolerance)
    for name, exact in zip(names, gradients, strict=True):
        found, rounding = grads[name], float(ml_dtypes.finfo(data[name].dtype).eps) / 2
        assert found.dtype == data[name].dtype
        least = float(ml_dtypes.finfo(found.dtype).smallest_subnormal)
        np.testing.assert_allclose(wide(found), exact, rtol=1.02 * rounding + tolerance, atol=least + tolerance * np.abs(exact).max())
    return f


def classes(n, c):
    return {"y": RNG.normal(size=(n, c)) * 3, "t": RNG.integers(0, c, n)}


@halves
def test_conversions_are_those_of_ml_dtypes(kind):
    """Every half there is to float32; float32 near ties, the greatest, subnormals, infinities and NaN back."""
    d, every = EmulatedDevice(), np.arange(1 << 16, dtype=np.uint16).view(KINDS[kind])
    out = d.empty(every.shape, np.float32)
    d.launch(converted, 8, 256, every, out, every.size)
    np.testing.assert_array_equal(out, every.astype(np.float32))
    with np.errstate(all="ignore"):
        near = np.concatenate([np.nextafter(out, s * np.float32(np.inf)) * f for s in (-1, 1) for f in np.float32([1, 1.0005, 1.002, 1.004])])
        back = d.empty(near.shape, KINDS[kind])
        d.launch(converted, 8, 256, near, back, near.size)
        np.testing.assert_array_equal(back.astype(np.float32), near.astype(KINDS[kind]).astype(np.float32))


@pytest.mark.parametrize("kind, n, c", [("float16", 37, 31), ("bfloat16", 5, 36), ("float16", 2, 4099), ("bfloat16", 2, 4104)])
def test_rows_of_all_lengths(kind, n, c):
    """One element at a time, by four, by eight; in registers, and part by part."""
    agrees(gc.losses.cross_entropy(Y, T), stored(kind, **classes(n, c)), ["y"])


@halves
def test_elements_beside_float32(kind):
    """Loads and stores are of 128 bits: one of eight halves, two for eight float32."""
    x, z = gc.param("x", "n"), gc.tensor("z", "n")
    for size in (1, 1009):
        data = stored(kind, x=RNG.normal(size=size)) | {"z": RNG.normal(size=size).astype(np.float32)}
        text = agrees(gc.losses.mse(x, z), data, ["x"]).ptx_for((9, 0))
    assert text.count("ld.global.v4.u32") == 1 and text.count("st.global.v4.u32") == 1 and text.count("ld.global.v4.f32") == 2
    assert ".local" not in text and not re.search(r"(mul|div|fma|ex2)\S*\.f64", text.split("// finish")[0])


@pytest.mark.ptxas
@halves
def test_half_the_bytes_are_moved_and_registers_suffice(kind):
    f, n, c = gc.compile(gc.losses.cross_entropy(Y, T), target="cuda", device="emulator"), 8, 1024
    card = device_of("emulator").card
    card.launches.clear()
    f(**stored(kind, **classes(n, c)))
    rows = next(x for x in card.launches if x.kernel == "over_n")
    assert rows.counts["sectors"] < 1.1 * 2 * n * c * 2 / 32
    launched = next(x for x in f._listing.launched(f._last, {"n": n, "c": c}) if x.name == "over_n")
    for arch in ("sm_80", "sm_100"):
        found = assemble(launched.ptx((8, 0)).text, arch)
        assert found.spills == found.stack == 0 and found.registers <= 128, arch


@halves
def test_a_loss_on_a_linear_layer(kind, monkeypatch):
    """Products of halves, added up in float32 over tiles; the cotangent is made in the dtype that the products take."""
    from graphc.codegen.cudalib import grids
    monkeypatch.setattr(grids, "TILE", 16 * 3 * 11)
    data = stored(kind, X=RNG.normal(size=(67, 5)), W=RNG.normal(size=(5, 11)), b=RNG.normal(size=11), t=RNG.integers(0, 11, 67))
    f = agrees(LINEAR, data, ["W", "b"], 8 * float(ml_dtypes.finfo(KINDS[kind]).eps) / 2)
    assert len(re.findall(rf"device\.empty\(\(rows, c\), '{kind}'\)", f.source)) == 1 and "device.empty((n, " not in f.source


@halves
def test_a_net_whose_hidden_layers_are_float32(kind):
    """A product of float32 scratch with a half rounds the scratch; one of float32 alone stays float32."""
    W2, x = gc.param("W2", "c k"), gc.tensor("x", "n d")
    L = gc.sum(gc.tanh(gc.tanh(x @ W) @ W2) ** 2)
    data = stored(kind, W2=RNG.normal(size=(11, 7)), W=RNG.normal(size=(5, 11))) | {"x": RNG.normal(size=(13, 5)).astype(np.float32)}
    agrees(L, data, ["W", "W2"], 16 * float(ml_dtypes.finfo(KINDS[kind]).eps) / 2)
    f = gc.compile(gc.sum((x @ W) ** 2) + gc.sum(B**2), target="cuda", device="emulator")
    plain = {"x": data["x"], "W": RNG.normal(size=(5, 11)).astype(np.float32)}
    _, grads = f(**plain, **stored(kind, b=RNG.normal(size=11)))
    exact = 2 * plain["x"].T.astype(float) @ (plain["x"].astype(float) @ plain["W"])
    np.testing.assert_allclose(grads["W"], exact, rtol=1e-5, atol=1e-5 * np.abs(exact).max())
    assert (grads["W"].dtype, grads["b"].dtype) == (np.float32, KINDS[kind])


def test_a_scatter_adds_up_in_float32():
    """1 + 2049 * 2^-12: in float16 the sum would stay at its first terms."""
    emb, word = gc.param("emb", "v d"), gc.labels("word", "n", below="v")
    f = gc.compile(gc.sum(emb[word] * gc.tensor("s", "n d")), target="cuda", device="emulator")
    s = np.full((2050, 3), 2.0**-12, np.float32)
    s[0] = 1
    _, grads = f(emb=np.ones((5, 3), np.float16), word=np.full(2050, 2), s=s)
    assert grads["emb"].dtype == np.float16 and grads["emb"][2].tolist() == [1.5] * 3


def test_a_gradient_beyond_the_greatest_half_is_infinite():
    x = gc.param("x", "n")
    _, grads = gc.compile(gc.sum(x**4), target="cuda", device="emulator")(x=np.float16([2, 100]))
    assert grads["x"].tolist() == [32.0, np.inf]


def test_two_halves_in_one_program():
    p, q = gc.param("p", "n d"), gc.param("q", "d c")
    data = stored("float16", p=RNG.normal(size=(13, 5))) | stored("bfloat16", q=RNG.normal(size=(5, 7)))
    agrees(gc.sum(gc.tanh(p @ q)), data, ["p", "q"], 8 * 2**-11)


def test_float64_is_not_narrowed():
    x, z = gc.param("x", "n"), gc.tensor("z", "n")
    value, grads = gc.compile(gc.losses.mse(x, z), target="cuda", device="emulator")(x=np.float16([1, 2]), z=np.array([1 / 3, 2]))
    assert value.dtype == np.float64 and grads["x"].dtype == np.float16 and abs(value - 2 / 9) < 1e-15


def test_tensors_of_torch():
    torch = pytest.importorskip("torch")
    y = torch.tensor(RNG.normal(size=(7, 16)), dtype=torch.bfloat16, requires_grad=True)
    t = torch.tensor(RNG.integers(0, 16, 7))
    value, grads = gc.compile(gc.losses.cross_entropy(Y, T), target="cuda", device="emulator")(y=y, t=t)
    expected = torch.nn.functional.cross_entropy(y.float(), t)
    expected.backward()
    np.testing.assert_allclose(value, expected.item(), rtol=1e-6)
    np.testing.assert_allclose(wide(grads["y"]), y.grad.float().numpy(), rtol=2**-7, atol=1e-9)


def test_arrays_of_jax():
    jnp = pytest.importorskip("jax.numpy")
    y = jnp.asarray(RNG.normal(size=(7, 16)), dtype=jnp.bfloat16)
    _, grads = gc.compile(gc.losses.mse(Y, gc.tensor("x", "n c")), target="cuda", device="emulator")(y=y, x=y)
    assert grads["y"].dtype == KINDS["bfloat16"] and not np.asarray(grads["y"]).astype(float).any()


# --- the CuPy side ------------------------------------------------------------------------------------------------------

@halves
@pytest.mark.parametrize("capture", [False, True])
def test_on_the_device_nothing_is_copied(kind, capture, monkeypatch):
    data = stored(kind, X=RNG.normal(size=(67, 8)), W=RNG.normal(size=(8, 16)), b=RNG.normal(size=16), t=RNG.integers(0, 16, 67))
    expected = gc.compile(LINEAR, target="cuda", device="emulator")(**data)
    with standing_in(monkeypatch) as cp:
        f, given = gc.compile(LINEAR, target="cuda", capture=capture), {k: cp.asarray(a) for k, a in data.items()}
        for _ in range(4):
            cp.log.clear()
            value, grads = f(**given)
            assert value.host == expected[0] and cp.counted("wait") == 1
            assert all(grads[k].host.tobytes() == expected[1][k].tobytes() for k in "Wb")
        assert cp.counted("send") == 0
        step = f.bind(**given)
        assert all(step()[1][k].host.tobytes() == expected[1][k].tobytes() for k in "Wb" for _ in range(3))


@halves
def test_out_takes_the_dtype_that_is_returned(kind, monkeypatch):
    with standing_in(monkeypatch) as cp:
        f, given = gc.compile(LINEAR, target="cuda"), {
            k: cp.asarray(a) for k, a in stored(kind, X=RNG.normal(size=(7, 5)), W=RNG.normal(size=(5, 3)), b=RNG.normal(size=3), t=RNG.integers(0, 3, 7)).items()}
        _, grads = f(**given)
        buffers = {k: cp.ndarray(grads[k].shape, KINDS[kind]) for k in "Wb"}
        assert f(**given, out=buffers)[1]["W"] is buffers["W"] and buffers["W"].host.tobytes() == grads["W"].host.tobytes()
        with pytest.raises(gc.BindingError, match=rf"C-contiguous {kind} array of the device of shape \(3,\), given float32"):
            f(**given, out={"b": cp.ndarray((3,), np.float32)})


@halves
def test_a_saved_program(kind, monkeypatch, tmp_path):
    data = stored(kind, X=RNG.normal(size=(67, 8)), W=RNG.normal(size=(8, 16)), b=RNG.normal(size=16), t=RNG.integers(0, 16, 67))
    f = gc.compile(LINEAR, target="cuda", device="emulator")
    expected = f(**data)
    f.save(tmp_path / f"saved_{kind}", architectures=[(9, 0)])
    monkeypatch.syspath_prepend(str(tmp_path))
    with standing_in(monkeypatch, capability=(12, 0)):
        found = importlib.import_module(f"saved_{kind}").call(**data)
        assert found["W_bar"].dtype == KINDS[kind] and found["W_bar"].host.tobytes() == expected[1]["W"].tobytes()
        assert found["b_bar"].host.tobytes() == expected[1]["b"].tobytes()
