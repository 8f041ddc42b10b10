"""The tensor style means what NumPy means: the same expression, once over graphc and once over NumPy."""

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DimError, DtypeError, FormulaError

DIMS = {"x": "n d", "y": "n d", "u": "d", "v": "n", "W": "d c", "B": "b n d", "C": "b d c", "S": "n n", "s": "", "p": "n d", "one": "1 d", "R": "a b n d",
        "L": "5 3"}
INTS = {"k": ("n d", 9), "t": ("n", 3), "z": ("m", 5), "g": ("m n", 3)}
EXTENTS = {"n": 5, "d": 3, "c": 7, "b": 2, "m": 11, "a": 2}


def data(name):
    rng = np.random.default_rng(sum(map(ord, name)))
    if name == "q":
        return rng.random((5, 3)) < 0.5
    dims = (DIMS.get(name) if name in DIMS else INTS[name][0]).split()
    shape = tuple(int(d) if d.isdigit() else EXTENTS[d] for d in dims)
    if name in INTS:
        return rng.integers(0 if name in "tzg" else -INTS[name][1], INTS[name][1], shape)
    return rng.random(shape) + 0.1 if name == "p" else rng.normal(size=shape)


def symbol(name):
    if name == "q":
        return gc.tensor("q", "n d", dtype="bool")
    if name in INTS:
        return gc.tensor(name, INTS[name][0], dtype="int")
    return gc.tensor(name, DIMS[name])


def check(formula, rel=1e-13):
    """formula(library, **tensors) over both libraries: value, dtype and shape."""
    names = formula.__code__.co_varnames[1:formula.__code__.co_argcount]
    arrays = {n: data(n) for n in names}
    with np.errstate(all="ignore"):
        expected = np.asarray(formula(np, **arrays))
    result = formula(gc, **{n: symbol(n) for n in names})
    got = np.asarray(gc.evaluate(result, **{n: a for n, a in arrays.items() if n in inputs(result)}))
    assert got.shape == expected.shape
    assert got.dtype.kind == expected.dtype.kind, (got.dtype, expected.dtype)
    np.testing.assert_allclose(got, expected, rtol=rel, atol=1e-13)
    kinds = {"float": "f", "int": "i", "bool": "b"}
    assert kinds[result.dtype] == expected.dtype.kind


def inputs(t):
    from graphc.ir.walk import inputs_of
    return {i.name for i in inputs_of([t.node])}


def each(*formulas):
    import inspect
    import re
    ids = []
    for k, f in enumerate(formulas):
        line = inspect.getsourcelines(f)[0]
        ids.append(f"{k}-" + re.sub(r"\s+", "", " ".join(line)).split(":", 1)[-1][:40])
    return pytest.mark.parametrize("formula", formulas, ids=ids)


@each(
    lambda l, x, y: x + y,
    lambda l, x, y: x - y,
    lambda l, x, y: x * y - x / y,
    lambda l, x, u: x + u,
    lambda l, x, u: u - x,
    lambda l, x, v: x * v[:, None],
    lambda l, x, one: x - one,
    lambda l, B, x: B + x,
    lambda l, B, u: u / B,
    lambda l, R, B: R * B[None],
    lambda l, s, x: s * x - s,
    lambda l, x: 2 * x + 1,
    lambda l, x: 1 / (1 + x * x),
    lambda l, x: 3 - x,
    lambda l, x: -x**2,
    lambda l, x: (-x)**2,
    lambda l, x: 2**x,
    lambda l, x, y: x - y - x,
    lambda l, x, y: x / y / x,
    lambda l, x, y: x - (y - x),
    lambda l, x: -x,
    lambda l, x: +x,
    lambda l, x: abs(x),
    lambda l, x, y: x % y,
    lambda l, x, y: x // y,
    lambda l, x: x % 2,
    lambda l, x: x // 0.5,
    lambda l, x: 7 // x,
    lambda l, x: -7.5 % x,
    lambda l, p: p**0.5,
    lambda l, p: p**-0.5,
    lambda l, p: p**2.7,
    lambda l, p: p**-2,
    lambda l, p, x: p**x,
    lambda l, x: x**0,
    lambda l, x: x**1,
    lambda l, x: x**9,
    lambda l, x: x**-3,
    lambda l, x: 0 * x,
    lambda l, x: x / 3 + x / 7,
    lambda l, x, y: (x > y) & (x > 0),
    lambda l, x, y: (x > y) | ~(x > 0),
    lambda l, x, y: (x > y) ^ (x > 0),
    lambda l, x: x == x,
    lambda l, x, y: x != y,
    lambda l, x: 0 <= x,
    lambda l, x: 0 > x,
)
def test_operators(formula):
    check(formula)


@each(
    lambda l, k: k + 1,
    lambda l, k: k / 2,
    lambda l, k: k / (k * k + 1),
    lambda l, k: k // 2,
    lambda l, k: k // -3,
    lambda l, k: k % 3,
    lambda l, k: k % -4,
    lambda l, k: k * 0.5,
    lambda l, k: 0.5 + k,
    lambda l, k: k**2,
    lambda l, k: k**3,
    lambda l, k: k**2.0,
    lambda l, k: k * k - k,
    lambda l, k: -k,
    lambda l, k: abs(k),
    lambda l, k, x: k * x,
    lambda l, k, x: x - k,
    lambda l, k, x: k > x,
    lambda l, k: k == 3,
    lambda l, k: k < 2.5,
    lambda l, k: l.exp(k * 0.1),
    lambda l, k: l.sin(k),
    lambda l, k: l.sqrt(abs(k)),
    lambda l, k: l.maximum(k, 2),
    lambda l, k: l.maximum(k, 0.5),
    lambda l, k: l.maximum(k, 2.0),
    lambda l, k: k * 2.0,
    lambda l, k: l.clip(k, -2.0, 2.0),
    lambda l, k: l.minimum(k, k * k),
    lambda l, k: l.sign(k),
    lambda l, k: l.sum(k),
    lambda l, k: l.sum(k, axis=0) / 2,
    lambda l, k: l.prod(k % 3 + 1, axis=0),
    lambda l, k: l.mean(k),
    lambda l, k: l.max(k, axis=1),
    lambda l, k: l.min(k),
    lambda l, k: l.var(k, axis=0),
    lambda l, k: l.argmax(k, axis=0),
    lambda l, k: l.cumsum(k, axis=1),
    lambda l, k: l.where(k > 0, k, 0),
    lambda l, k: l.where(k > 0, k, 0.5),
    lambda l, k: l.where(k > 0, 1, 0),
    lambda l, k: l.where(k > 0, 1.0, 0),
    lambda l, k: l.clip(k, -2, 2),
    lambda l, k: l.clip(k, -2.5, 2),
    lambda l, k, W: k @ W,
    lambda l, k: k.T @ k,
    lambda l, q: l.sum(q),
    lambda l, q: l.sum(q, axis=0) * 2,
    lambda l, q: l.mean(q),
    lambda l, q: l.mean(q, axis=1),
    lambda l, q: q * 1.5,
    lambda l, q: q * 2,
    lambda l, q: q + q,
    lambda l, q: q * q,
    lambda l, q: 1 - q,
    lambda l, q, x: q * x,
    lambda l, q, x: x + q,
    lambda l, q, k: k + q,
    lambda l, q: ~q,
    lambda l, q: q & (q == q),
    lambda l, q: q == (~q),
    lambda l, q: l.where(q, 1, 2),
    lambda l, q, x: l.where(q, x, -x),
    lambda l, q: l.max(q, axis=0) * 1,
    lambda l, q: l.argmax(q, axis=0),
    lambda l, q: q / 2,
    lambda l, q: l.prod(q, axis=0),
    lambda l, q: l.cumsum(q, axis=0),
    lambda l, q: q > 0,
    lambda l, q: l.maximum(q, 0.5),
    lambda l, k: l.floor(k),
    lambda l, x: l.floor(x),
    lambda l, x: l.ceil(x),
    lambda l, x: l.round(x * 4),
)
def test_promotion(formula):
    check(formula)


@each(*[(lambda f: (lambda l, x: getattr(l, f)(x)))(f) for f in
        "exp expm1 sin cos tan arctan sinh cosh tanh arcsinh abs sign floor ceil square cbrt".split()],
      *[(lambda f: (lambda l, p: getattr(l, f)(p)))(f) for f in "log log1p log2 log10 sqrt".split()],
      lambda l, x: l.arcsin(l.tanh(x)), lambda l, x: l.arccos(l.tanh(x)), lambda l, x: l.arctanh(l.sin(x) / 2), lambda l, p: l.arccosh(1 + p),
      lambda l, x, y: l.maximum(x, y), lambda l, x, y: l.minimum(x, y), lambda l, x, y: l.arctan2(x, y), lambda l, x, y: l.hypot(x, y),
      lambda l, x, y: l.logaddexp(x, y), lambda l, x, p: l.power(p, x), lambda l, x: l.clip(x, -0.5, 0.7), lambda l, x: l.clip(x, None, 0.7),
      lambda l, x: l.clip(x, 0.1, None), lambda l, x, y: l.where(x > y, x, y), lambda l, x, u: l.where(u > 0, x, u), lambda l, x: l.where(x > 0, x, 0))
def test_functions(formula):
    check(formula)


AXES = [None, 0, 1, -1, -2, (0, 1), (1, 0), (-1, 0), (1,), ()]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "var", "std"])
def test_reductions(name, axis, keepdims):
    if axis == () and name in ("max", "min", "prod", "sum", "mean"):
        check(lambda l, x: getattr(l, name)(x, axis=axis, keepdims=keepdims))
    elif axis != ():
        check(lambda l, x: getattr(l, name)(x, axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("axis", [(0, 2), (1, 2), (2, 0), (-3, -1), (0, 1, 2), 1, -2], ids=str)
@pytest.mark.parametrize("name", ["sum", "mean", "max", "prod", "var"])
def test_reductions_of_three_axes(name, axis):
    check(lambda l, B: getattr(l, name)(B, axis=axis))
    check(lambda l, B: getattr(l, name)(B, axis=axis, keepdims=True))


@each(lambda l, x: l.var(x, ddof=1), lambda l, x: l.std(x, axis=0, ddof=1), lambda l, x: l.var(x, axis=1, ddof=1, keepdims=True),
      lambda l, B: l.std(B, axis=(0, 2), ddof=2), lambda l, x: l.argmax(x), lambda l, x: l.argmin(x), lambda l, x: l.argmax(x, axis=0),
      lambda l, x: l.argmin(x, axis=-1), lambda l, B: l.argmax(B, axis=1), lambda l, B: l.argmax(B), lambda l, x: l.argmax(x, axis=1, keepdims=True),
      lambda l, k: l.argmax(k * 0, axis=1), lambda l, x: l.argmax(x, keepdims=True))
def test_more_reductions(formula):
    check(formula)


@pytest.mark.parametrize("name, axis", [("n", 0), ("d", 1), (("n", "d"), None), (["d"], 1)], ids=str)
def test_axes_by_name(name, axis):
    x, x_ = symbol("x"), data("x")
    for f in ("sum", "mean", "max", "min", "prod", "var", "std"):
        np.testing.assert_allclose(gc.evaluate(getattr(gc, f)(x, axis=name), x=x_), getattr(np, f)(x_, axis=axis), rtol=1e-13)
    n, d = gc.dims("n d")
    np.testing.assert_allclose(gc.evaluate(gc.sum(x, axis=d), x=x_), x_.sum(1), rtol=1e-13)
    np.testing.assert_allclose(gc.evaluate(gc.cumsum(x, axis="d"), x=x_), x_.cumsum(1), rtol=1e-13)
    np.testing.assert_array_equal(gc.evaluate(gc.argmax(x, axis="n"), x=x_), x_.argmax(0))


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)], ids=str)
def test_logsumexp_and_softmax_agree_with_scipy(axis):
    from scipy import special
    x, x_ = symbol("x"), data("x") * 300
    np.testing.assert_allclose(gc.evaluate(gc.logsumexp(x, axis=axis), x=x_), special.logsumexp(x_, axis=axis), rtol=1e-13)
    np.testing.assert_allclose(gc.evaluate(gc.logsumexp(x, axis=axis, keepdims=True), x=x_), special.logsumexp(x_, axis=axis, keepdims=True), rtol=1e-13)
    np.testing.assert_allclose(gc.evaluate(gc.softmax(x, axis=axis), x=x_), special.softmax(x_, axis=axis), rtol=1e-13)
    np.testing.assert_allclose(gc.evaluate(gc.log_softmax(x, axis=axis), x=x_), special.log_softmax(x_, axis=axis), rtol=1e-13, atol=1e-15)        # SciPy's is 0 near 0


def test_logsumexp_of_infinities():
    x = gc.tensor("x", "n")
    for values, expected in (([-np.inf, 0.0], 0.0), ([-np.inf, -np.inf], -np.inf), ([np.inf, 1.0], np.inf), ([np.nan, 1.0], np.nan)):
        np.testing.assert_equal(gc.evaluate(gc.logsumexp(x), x=np.array(values)), expected)


@each(
    lambda l, x, W: x @ W, lambda l, x, u: x @ u, lambda l, x, v: v @ x, lambda l, u: u @ u, lambda l, B, C: B @ C, lambda l, B, W: B @ W,
    lambda l, B, u: B @ u, lambda l, B, v: v @ B, lambda l, x, C: x @ C, lambda l, R, C: R @ C, lambda l, R, W: R @ W, lambda l, x: x.T @ x,
    lambda l, B: B @ B.swapaxes(1, 2) if l is np else B @ l.swapaxes(B, 1, 2), lambda l, B, C: B[:1] @ C, lambda l, B, C: B @ C[:1],
    lambda l, R, C: R[:1] @ C, lambda l, R, C: R[:, :1] @ C, lambda l, R, u: R @ u, lambda l, B, C: B[None, :, :, :] @ C[:, None, :, :][:1],
    lambda l, x, W: -x @ W, lambda l, x, W: 2 * x @ W, lambda l, x, u: (x @ u)[:, None] * x, lambda l, x: x[:, :1] @ x[:, :1].T,
    lambda l, x, W: l.matmul(x, W), lambda l, u: l.dot(u, u), lambda l, x, W: l.dot(x, W), lambda l, x, C: l.dot(x, C), lambda l, s, x: l.dot(s, x),
    lambda l, B, u: l.dot(B, u), lambda l, B, C: l.dot(B, C), lambda l, u, v: l.outer(u, v), lambda l, S: l.trace(S), lambda l, x: l.trace(x.T @ x),
    lambda l, x, W: 3 @ W if False else x @ W @ W.T)
def test_products(formula):
    check(formula, rel=1e-12)


@pytest.mark.parametrize("text, names", [
    ("ij->ji", "x"), ("ij->", "x"), ("ij->i", "x"), ("ij->j", "x"), ("ij", "x"), ("ji", "x"), ("ii->i", "S"), ("ii", "S"), ("ii->", "S"),
    ("ij,jk->ik", "xW"), ("ij,jk", "xW"), ("ij,jk->ki", "xW"), ("ij,jk->", "xW"), ("ij,jk->j", "xW"), ("ij,jk->ijk", "xW"), ("ij,jk->i", "xW"),
    ("ij,j->i", "xu"), ("ij,i->j", "xv"), ("i,j->ij", "uv"), ("i,j->ji", "uv"), ("i,i->", "uu"), ("i,i->i", "uu"), ("i,i", "uu"),
    ("bij,bjk->bik", "BC"), ("bij,bjk->ik", "BC"), ("bij,jk->bik", "BW"), ("bij,bjk->bjk", "BC"), ("bij,bik->bjk", "BB"), ("ij,ij->", "xy"),
    ("ij,ij->ij", "xy"), ("ij,ik->jk", "xy"), ("ij,jk,lk->il", "xWW"), ("i,ij,j->", "vxu"), ("ij,j,j->i", "xuu"), ("ii,ij->j", "Sx"), ("ii,jj->", "SS"),
    ("ij,jk,ik->", "xWB"), ("abij,bjk->abik", "RC"), (",ij->ij", "sx"), ("ij,->j", "xs"), ("ab , bc -> ac", "xW")])
def test_einsum(text, names):
    names = names.replace("B", "B") if text != "ij,jk,ik->" else "xWP"
    arrays = [data(n) if n != "P" else np.arange(35.0).reshape(5, 7) for n in names]
    tensors = [symbol(n) if n != "P" else gc.tensor("P", "n c") for n in names]
    result = gc.einsum(text, *tensors)
    got = gc.evaluate(result, **{n: a for n, a in zip(names, arrays, strict=True)})
    expected = np.einsum(text, *arrays)
    assert np.shape(got) == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)], ids=str)
@pytest.mark.parametrize("order", [None, 1, 2, np.inf, -np.inf, 0, 3, 2.5, 0.5])
def test_vector_norms(order, axis, keepdims):
    x_ = data("x")
    x_[0, 0] = 0.0
    expected = np.linalg.vector_norm(x_, axis=axis, ord=2 if order is None else order, keepdims=keepdims)
    got = gc.evaluate(gc.norm(symbol("x"), axis=axis, ord=order, keepdims=keepdims), x=x_)
    assert np.shape(got) == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-13)


@each(
    lambda l, x: l.cumsum(x, axis=0), lambda l, x: l.cumsum(x, axis=-1), lambda l, x: l.cumsum(x), lambda l, u: l.cumsum(u), lambda l, x: l.cumprod(x, axis=1),
    lambda l, B: l.cumprod(B, axis=1), lambda l, x: l.cumprod(x), lambda l, x: l.cumsum(x[::-1], axis=0)[::-1])
def test_scans(formula):
    check(formula, rel=1e-12)


@each(
    lambda l, x, y: l.concatenate([x, y]), lambda l, x, y: l.concatenate([x, y], axis=1), lambda l, x, y: l.concatenate([x, 2 * y, x], axis=-1),
    lambda l, x, k: l.concatenate([x, k]), lambda l, k: l.concatenate([k, k % 2]), lambda l, x, one: l.concatenate([one, x]),
    lambda l, x: l.concatenate([x[:1], x[1:]]), lambda l, x, y: l.stack([x, y]), lambda l, x, y: l.stack([x, y, x], axis=1),
    lambda l, x, y: l.stack([x, y], axis=-1), lambda l, s: l.stack([s, 2 * s, 3.0 * s]), lambda l, x, y: l.concatenate([x, y])[2:-1],
    lambda l, u, v: l.concatenate([u, v]), lambda l, u, v: l.concatenate([u, v])[1:5], lambda l, x: l.concatenate([x]), lambda l, x, q: l.stack([q, x]))
def test_joining(formula):
    check(formula)


@each(
    lambda l, x: x.T, lambda l, B: B.T, lambda l, u: u.T, lambda l, B: l.transpose(B, (2, 0, 1)), lambda l, B: l.transpose(B, (1, 2, 0)), lambda l, B: l.transpose(B),
    lambda l, B: l.swapaxes(B, 0, 2), lambda l, B: l.swapaxes(B, -1, 1), lambda l, B: B.transpose(0, 2, 1), lambda l, x: x[:, None, :], lambda l, x: x[None, ..., None],
    lambda l, x: l.expand_dims(x, 1), lambda l, x: l.expand_dims(x, -1), lambda l, x: l.expand_dims(x, 0), lambda l, one: l.squeeze(one), lambda l, one: l.squeeze(one, 0),
    lambda l, x: l.squeeze(x[:, None, :, None]), lambda l, x: x[0], lambda l, x: x[-1], lambda l, x: x[1, 2], lambda l, x: x[-2, -1], lambda l, x: x[:, 0],
    lambda l, x: x[..., 1], lambda l, B: B[1, ..., 0], lambda l, B: B[..., 1:, :], lambda l, x: x[1:], lambda l, x: x[:-1], lambda l, x: x[1:-1], lambda l, x: x[-3:],
    lambda l, x: x[-3:-1], lambda l, x: x[::2], lambda l, x: x[1::2], lambda l, x: x[::-1], lambda l, x: x[::-2], lambda l, x: x[-2::-1], lambda l, x: x[3:1:-1],
    lambda l, x: x[:2:-1], lambda l, x: x[:, ::-1], lambda l, x: x[1:4, ::2], lambda l, x: x[:-1:3], lambda l, x: x[1:][1:], lambda l, x: x[::-1][1:], lambda l, x: x[::2][1:],
    lambda l, x: x[1:] - x[:-1], lambda l, x: x[4:1:-1][::2], lambda l, x: x[...], lambda l, x: x[:, :], lambda l, x: x[None][0], lambda l, x: x[()],
    lambda l, x: l.reshape(x[::2], -1), lambda l, x: l.reshape(x[::2], (-1, 3) if l is np else (-1, "d")),
    lambda l, x: l.reshape(l.reshape(x[::2], -1), (3, 3) if l is np else (x[::2].dims[0], "d")), lambda l, x: x.T[::-1].T, lambda l, x: x[:0], lambda l, x: l.sum(x[:0]), lambda l, x: x[2:2])
def test_views(formula):
    check(formula)


@pytest.mark.parametrize("cut", [slice(a, b, c) for a in (None, 0, 2, 9, -2, -9) for b in (None, 0, 3, 9, -1, -9) for c in (None, 2, -1, -3)], ids=str)
def test_slices_of_a_literal_extent_clip_as_pythons(cut):
    x = gc.tensor("x", 5)
    np.testing.assert_array_equal(gc.evaluate(x[cut], x=np.arange(5.0)), np.arange(5.0)[cut])


@pytest.mark.parametrize("old, new", [((5, 3), (15,)), ((15,), (5, 3)), ((6, 5), (2, 3, 5)), ((2, 3, 5), (6, 5)), ((2, 3, 5), (2, 15)), ((2, 3, 5), (30,)),
                                      ((30,), (2, 3, 5)), ((6, 5), (3, 2, 5)), ((4, 6), (8, 3)), ((4, 6), (2, 12)), ((2, 3), (1, 6)), ((2, 3), (2, 1, 3)),
                                      ((1, 6), (6,)), ((6,), (1, 6, 1)), ((2, 2, 3), (4, 3)), ((7,), (7,)), ((1,), ()), ((), (1, 1)), ((2, 3, 1, 5), (6, 5)),
                                      ((3, 4), (-1,)), ((12,), (3, -1)), ((12,), (2, -1, 3)), ((3, 4), (4, 3)), ((3, 4), (2, 6))], ids=str)
def test_reshape_of_literal_extents(old, new):
    a = np.arange(float(np.prod(old))).reshape(old)
    x = gc.tensor("x", old)
    np.testing.assert_array_equal(gc.evaluate(gc.reshape(x, new), x=a), a.reshape(new))
    if new:
        np.testing.assert_array_equal(gc.evaluate(x.reshape(*new), x=a), a.reshape(new))
    np.testing.assert_array_equal(gc.evaluate(gc.reshape(x, new).T, x=a), a.reshape(new).T)
    np.testing.assert_array_equal(gc.evaluate(gc.reshape(gc.sin(x), new), x=a), np.sin(a).reshape(new))


@pytest.mark.parametrize("dims, new, shape", [
    ("n d", "n*d", (15,)), ("n d", -1, (15,)), ("b n d", "b*n d", (10, 3)), ("b n d", "b n*d", (2, 15)), ("b n d", ("b", -1), (2, 15)), ("b n d", (-1, "d"), (10, 3)),
    ("n*d", "n d", (5, 3)), ("n*d b", "n d b", (5, 3, 2)), ("n*d", ("d", "n"), (3, 5)), ("n 6", "n 2 3", (5, 2, 3)), ("n 2 3", "n 6", (5, 6)), ("n 2 3", "n*2 3", (10, 3)),
    ("n d", "n 1 d", (5, 1, 3)), ("n d", ("n", "d", 1), (5, 3, 1)), ("n 2 d", ("n", -1), (5, 6))])
def test_reshape_of_symbolic_dims(dims, new, shape):
    x = gc.tensor("x", dims)
    size = int(np.prod(shape))
    old = tuple(eval_size(str(s)) for s in x.sizes)
    a = np.arange(float(size)).reshape(old)
    extra = {n: np.zeros(EXTENTS[n]) for n in "nd"} if "*" in dims else {}
    y = gc.reshape(x, new)
    for n in extra:
        y = y + 0 * gc.sum(gc.tensor(n + "_", n))
    np.testing.assert_array_equal(gc.evaluate(y, x=a, **{n + "_": v for n, v in extra.items()}), a.reshape(shape))


def eval_size(text):
    return int(np.prod([EXTENTS.get(p) or int(p) for p in text.split("*")]))


@pytest.mark.parametrize("shape, old", [("n d", "n d"), ("b n d", "n d"), ("n d", "d"), ("n d", "1 d"), ("n d", ""), ("b n d", "n 1"), ((5, 3), (1, 3))], ids=str)
def test_broadcast_to(shape, old):
    x = gc.tensor("x", old)
    small = tuple(EXTENTS.get(str(s)) or int(str(s)) for s in x.sizes)
    a = np.arange(float(np.prod(small))).reshape(small)
    y = gc.broadcast_to(x, shape)
    sizes = tuple(EXTENTS.get(str(s)) or int(str(s)) for s in y.sizes)
    other = gc.tensor("z", "b n d")
    got = gc.evaluate([y, gc.sum(other)], x=a, z=np.zeros((2, 5, 3)))[0]
    np.testing.assert_array_equal(got, np.broadcast_to(a, sizes))


@each(
    lambda l, x, t: x[t], lambda l, x, t: x[:, t % 3], lambda l, B, t: B[:, t], lambda l, x, z: x[z], lambda l, x, g: x[g], lambda l, B, g: B[:, g], lambda l, B, t: B[1, t],
    lambda l, x, t: x[t, t % 2], lambda l, x, g, t: x[g, t], lambda l, B, t: B[0, t, t], lambda l, x, t: x[t][:, ::-1], lambda l, x, t: x[t[::-1]], lambda l, x, t: x[t + 1],
    lambda l, x, t: x[l.where(t > 1, 0, t)], lambda l, x: x[l.arange(5) if l is np else l.arange("n")], lambda l, x, t: x[(l.arange(5) if l is np else l.arange("n")), t],
    lambda l, x, y: x[l.argmax(y, axis=0)], lambda l, x: x[[0, 2, 2]], lambda l, x: x[np.array([1, 0])], lambda l, x: x[[0, 1], [2, 2]], lambda l, x, t: x[t, None],
    lambda l, x, t: x[None, t], lambda l, B, t: B[..., t, :], lambda l, u, t, z: u[t[z]], lambda l, x, t: l.exp(x)[t] * 2, lambda l, x, t: (x * 2)[t, 1:], lambda l, B, t: B[:, t, 0])
def test_integer_tensors_as_subscripts(formula):
    check(formula)


def test_one_hot():
    t = gc.labels("t", "n", below="c")
    t_ = np.array([0, 6, 3, 3, 2])
    X = gc.tensor("X", "n c")
    zero = np.zeros((5, 7))
    np.testing.assert_array_equal(gc.evaluate(gc.one_hot(t) + X, t=t_, X=zero), np.eye(7)[t_])
    np.testing.assert_array_equal(gc.evaluate(gc.one_hot(t, 7), t=t_), np.eye(7)[t_])
    assert gc.one_hot(t).dtype == "float"
    np.testing.assert_array_equal(gc.evaluate(gc.eye("c") + gc.sum(X), X=zero), np.eye(7))


@each(
    lambda l, x: np.sum(np.log(1 + np.exp(x))), lambda l, x, y: np.where(x > y, x, 0), lambda l, x: np.linalg.norm(x), lambda l, x: np.linalg.norm(x, axis=1),
    lambda l, x: np.linalg.norm(x, 1, axis=0), lambda l, x: np.maximum(x, 0), lambda l, x: np.minimum(0.5, x), lambda l, x: np.mean(x, axis=0), lambda l, x: np.var(x, axis=0, ddof=1),
    lambda l, x: np.std(x), lambda l, x: np.max(x, axis=1, keepdims=True), lambda l, x: np.amax(x), lambda l, x, y: np.concatenate([x, y], axis=1), lambda l, x, y: np.stack([x, y]),
    lambda l, x, W: np.dot(x, W), lambda l, x, W: np.matmul(x, W), lambda l, x, W: np.einsum("ij,jk->ik", x, W), lambda l, x: np.transpose(x), lambda l, x: np.reshape(x, -1),
    lambda l, x: np.clip(x, -1, 1), lambda l, x: np.cumsum(x, axis=0), lambda l, x: np.square(x), lambda l, x: np.absolute(x), lambda l, x: np.negative(x), lambda l, x, y: np.add(x, y),
    lambda l, x, y: np.subtract(x, y), lambda l, x, y: np.greater(x, y), lambda l, x, y: np.logical_and(x > 0, y > 0), lambda l, x: np.sign(x), lambda l, x: np.float64(2.5) * x,
    lambda l, x: np.float32(0.5) + x, lambda l, x: x / np.int64(4), lambda l, x: np.argmax(x, axis=1), lambda l, x: np.prod(x), lambda l, x, u: np.outer(u, u), lambda l, S: np.trace(S),
    lambda l, x: np.expand_dims(x, 0), lambda l, x: np.squeeze(x[None]), lambda l, x: np.swapaxes(x, 0, 1), lambda l, x: np.rint(x), lambda l, x: np.round(x), lambda l, x: np.power(x, 2),
    lambda l, x: np.broadcast_to(x[None], (1, 5, 3) if isinstance(x, np.ndarray) else "1 n d"), lambda l, L: np.array([1.0, 2.0, 3.0]) * L, lambda l, L: L - np.array([[1, 2, 3]]),
    lambda l, L: L @ np.array([1.0, -1.0, 0.5]), lambda l, L: np.array([[1.0, 2.0, 3.0, 0.0, 1.0]]) @ L, lambda l, L: [1.0, 2.0, 3.0] * L, lambda l, L: L > np.array([0.0, 1.0, -1.0]),
    lambda l, x: x.sum(axis=0), lambda l, x: x.mean(), lambda l, x: x.max(axis=1), lambda l, x: x.std(axis=0, ddof=1), lambda l, x: x.reshape(-1), lambda l, x: x.cumsum(axis=1),
    lambda l, x: x.clip(0, 1), lambda l, x: x.dot(x.T), lambda l, S: S.trace(), lambda l, x: x.argmin(axis=0), lambda l, x: x.prod(), lambda l, x: x.sum(0), lambda l, x: x.mean(1),
    lambda l, x: np.sum(x, 0))
def test_numpys_own_functions(formula):
    check(formula, rel=1e-12)


# --- what does not fit ------------------------------------------------------------------------------------------------
X, Y, U = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.tensor("U", "n")


@pytest.mark.parametrize("wrong, error, words", [
    (lambda: X + Y, DimError, ["X[n, d]", "Y[n, c]", "test_numpy.py"]),
    (lambda: X + U, DimError, ["X[n, d]", "U[n]"]),
    (lambda: X @ Y, DimError, ["X[n, d]", "Y[n, c]"]),
    (lambda: X @ X, DimError, ["X[n, d]"]),
    (lambda: X @ 2, DimError, ["scalar"]),
    (lambda: gc.sum(X, axis=2), DimError, ["2 axes", "X[n, d]"]),
    (lambda: gc.sum(X, axis="c"), DimError, ["no dim c"]),
    (lambda: gc.sum(X, axis=(0, 0)), DimError, ["twice"]),
    (lambda: gc.sum(X @ X.T, axis="n"), DimError, ["more than one"]),
    (lambda: gc.sum(X, axis=1.0), DtypeError, ["1.0"]),
    (lambda: gc.where(X, 1, 0), DtypeError, ["bool"]),
    (lambda: X & Y, DtypeError, ["bool"]),
    (lambda: X[0, 0, 0], DimError, ["2 axes"]),
    (lambda: X[1.5], DtypeError, ["float"]),
    (lambda: X[X > 0], DtypeError, ["mask"]),
    (lambda: X[U], DtypeError, ["int"]),
    (lambda: gc.tensor("z", 5)[5], DimError, ["position 5"]),
    (lambda: gc.tensor("z", 5)[-6], DimError, ["position -6"]),
    (lambda: X[::0], FormulaError, ["step 0"]),
    (lambda: X[..., ...], FormulaError, ["..."]),
    (lambda: gc.reshape(X, "n"), DimError, ["elements"]),
    (lambda: gc.concatenate([X, Y]), DimError, ["differ"]),
    (lambda: gc.einsum("ij,jk->ik", X, X), DimError, ["clash"]),
    (lambda: gc.einsum(X, "ij->i"), FormulaError, ["subscripts first", "X[n, d]"]),
    (lambda: gc.einsum("ijk->i", X), DimError, ["3 letters"]),
    (lambda: gc.einsum("ij->k", X), FormulaError, ["'k'"]),
    (lambda: gc.trace(X), DimError, ["square"]),
    (lambda: gc.transpose(X, (0,)), DimError, ["2 axes"]),
    (lambda: gc.squeeze(X, 0), DimError, ["literal size 1"]),
    (lambda: bool(X), FormulaError, ["gc.where"]),
    (lambda: float(X), FormulaError, ["gc.evaluate"]),
    (lambda: list(X), FormulaError, ["index notation"]),
    (lambda: 1 in X, FormulaError, ["=="]),
    (lambda: np.asarray(X), FormulaError, ["gc.evaluate"]),
    (lambda: 0 < X < 1, FormulaError, ["chained"]),
    (lambda: X + "a", FormulaError, ["text"]),
    (lambda: X + 1j, DtypeError, ["complex"]),
    (lambda: X + np.zeros(100), FormulaError, ["gc.tensor"]),
    (lambda: gc.exp(X, Y), FormulaError, ["1 argument"]),
    (lambda: np.fft.fft(X), FormulaError, ["fft"]),
    (lambda: np.gcd(X, X), FormulaError, ["gcd"]),
    (lambda: (X > 0) - (X > 1), DtypeError, ["^"]),
    (lambda: gc.argmax(X, axis=(0, 1)), DimError, ["one axis"]),
])
def test_misuse(wrong, error, words):
    with pytest.raises(error) as caught:
        wrong()
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_what_is_computed_of_a_constant_of_floats_is_a_float():
    """The gradient of a sum, all ones, stands as a number in what uses it."""
    x = gc.param("x", "n")
    ones = gc.grad(gc.sum(x), x)
    assert gc.sum(ones).dtype == (3 * ones).dtype == "float"
    results = gc.compile({"L": gc.sum(x), "count": gc.sum(ones), "threes": 3 * ones}, wrt=())(x=np.ones(5, np.float32))
    assert results["count"].dtype == results["threes"].dtype == np.float32 and results["count"] == 5
