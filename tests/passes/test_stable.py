"""Formulas as people write them, against SciPy, NumPy and mpmath, where they would overflow, cancel or underflow."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy import special

import graphc as gc
from graphc.frontend.tensor import Tensor
from graphc.ir.walk import inputs_of, topological
from graphc.passes.adjoint import pullback
from graphc.passes.canonical import canonicalise
from graphc.passes.prepare import prepare
from graphc.passes.rewrite import first_match
from graphc.passes.stable import STABLE

N, C, D = 7, 5, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, C, D)) * 1e4
T = RNG.integers(0, C, N)


def prepared(tensor):
    return Tensor(prepare([tensor.node])[0])


def x3():
    return gc.tensor("x", "n c d")


def literal_lse(x, **how):
    return gc.log(gc.sum(gc.exp(x), **how))


LSE = {
    "one axis": (lambda x: literal_lse(x, axis=1), lambda x: special.logsumexp(x, axis=1)),
    "by name, kept": (lambda x: literal_lse(x, axis="d", keepdims=True), lambda x: special.logsumexp(x, axis=2, keepdims=True)),
    "two axes": (lambda x: literal_lse(x, axis=(0, 2)), lambda x: special.logsumexp(x, axis=(0, 2))),
    "all axes": (lambda x: literal_lse(x), lambda x: special.logsumexp(x)),
    "one sum after another": (lambda x: gc.log(gc.sum(gc.sum(gc.exp(x), axis=2), axis=0)), lambda x: special.logsumexp(x, axis=(0, 2))),
    "scaled": (lambda x: literal_lse(-x / 3, axis=1), lambda x: special.logsumexp(-x / 3, axis=1)),
    "a product": (lambda x: literal_lse(x * x[0], axis=1), lambda x: special.logsumexp(x * x[0], axis=1)),
    "transposed": (lambda x: literal_lse(x.T, axis=0), lambda x: special.logsumexp(x.T, axis=0)),
    "a slice": (lambda x: literal_lse(x[:, 1:-1], axis=1), lambda x: special.logsumexp(x[:, 1:-1], axis=1)),
    "within a formula": (lambda x: 3 + 2 * literal_lse(x, axis=0) ** 2, lambda x: 3 + 2 * special.logsumexp(x, axis=0) ** 2),
    "shifted by the user": (lambda x: gc.max(x, 1) + gc.log(gc.sum(gc.exp(x - gc.max(x, 1, keepdims=True)), 1)),
                            lambda x: special.logsumexp(x, axis=1)),
    "one plus": (lambda x: gc.log(1 + gc.sum(gc.exp(x), axis=1)), lambda x: np.logaddexp(0, special.logsumexp(x, axis=1))),
}


@pytest.mark.parametrize("name", LSE)
def test_log_sum_exp_over_any_axes(name):
    build, reference = LSE[name]
    y = build(x3())
    np.testing.assert_allclose(gc.evaluate(prepared(y), x=X), reference(X), rtol=1e-13)
    assert np.isfinite(gc.evaluate(gc.grad(gc.sum(y), "x"), x=X)).all()


def by_index(x, labels=None):
    i, j, k = gc.indices("i j k")
    t = gc.labels("t", "n", below="c")
    z = gc.Sum(gc.exp(x[i, j, k]), j)
    return gc.array(gc.exp(x[i, t[i], k]) / z, (i, k)) if labels else gc.array(gc.exp(x[i, j, k]) / z, (i, j, k))


def by_user(x):
    e = gc.exp(x - gc.max(x, 1, keepdims=True))
    return e / gc.sum(e, 1, keepdims=True)


SOFTMAX = {
    "one axis": (lambda x: gc.exp(x) / gc.sum(gc.exp(x), axis=1, keepdims=True), lambda p: p(1)),
    "first axis": (lambda x: gc.exp(x) / gc.sum(gc.exp(x), axis=0), lambda p: p(0)),
    "two axes": (lambda x: gc.exp(x) / gc.sum(gc.exp(x), axis=(0, 2), keepdims=True), lambda p: p((0, 2))),
    "all axes": (lambda x: gc.exp(x) / gc.sum(gc.exp(x)), lambda p: p(None)),
    "index notation": (by_index, lambda p: p(1)),
    "a multiple": (lambda x: 3 * gc.exp(x) / gc.sum(gc.exp(x), axis=1, keepdims=True), lambda p: 3 * p(1)),
    "by the inverse": (lambda x: gc.exp(x) * (1 / gc.sum(gc.exp(x), axis=1, keepdims=True)), lambda p: p(1)),
    "one entry": (lambda x: gc.exp(x[:, 2]) / gc.sum(gc.exp(x), axis=1), lambda p: p(1)[:, 2]),
    "entries at labels": (lambda x: by_index(x, "t"), lambda p: p(1)[np.arange(N), T]),
    "shifted by the user": (by_user, lambda p: p(1)),
}


@pytest.mark.parametrize("name", SOFTMAX)
def test_softmax_over_any_axes(name):
    build, reference = SOFTMAX[name]
    data = {"x": X, **({"t": T} if "labels" in name else {})}
    got = gc.evaluate(prepared(build(x3())), **data)
    np.testing.assert_allclose(got, reference(lambda axis: special.softmax(X, axis=axis)), rtol=1e-12, atol=1e-300)


def fired(tensor):
    """The names of the rules that fire first at the nodes of a formula."""
    return {f[0].name for n in topological(canonicalise([tensor.node])) if (f := first_match(STABLE, n)) is not None}


def unchanged(tensor):
    return not fired(tensor)


def test_what_looks_alike_but_is_not():
    x, y, a = gc.tensor("x", "n c"), gc.tensor("y", "n c"), gc.tensor("a", "n n")
    i, j = gc.indices("i j")
    for no_softmax in (gc.exp(x) / gc.sum(gc.exp(y), axis=1, keepdims=True), gc.array(gc.exp(a[i, j]) / gc.Sum(gc.exp(a[j, i]), j), (i, j)),
                       gc.exp(x[:, 1:]) / gc.sum(gc.exp(x[:, :-1]), axis=1, keepdims=True)):
        assert fired(no_softmax) == {"one_over_sum_exp"}
    assert unchanged(gc.exp(x) / (2 + gc.exp(x)))
    assert unchanged(gc.log(0.5 + x))
    assert unchanged(2 - gc.exp(x))
    assert unchanged(gc.log(y) / x)
    assert unchanged(3 * gc.log(y))
    assert unchanged(gc.log(gc.sum(gc.exp(x) + y, axis=1)))
    assert "tanh" not in str(prepared((gc.exp(x) - gc.exp(-y)) / (gc.exp(x) + gc.exp(-x))).node.body)


def test_a_maximum_has_the_axes_that_it_depends_on():
    """m, r and k of a softmax by rows have one axis, and e is made once for both its uses."""
    x = gc.tensor("x", "n c")
    nodes = topological(prepare([(gc.exp(x) / gc.sum(gc.exp(x), axis=1, keepdims=True)).node]))
    shapes = {n.origin.hint: tuple(map(str, n.dims)) for n in nodes if getattr(n, "reduce", None)}
    assert shapes == {"m": ("n",), "r": ("n",), "k": ("n",)}
    assert sum("exp" in str(getattr(n, "body", "")) for n in nodes) == 1


def test_inner_nodes_may_have_other_readers():
    x = gc.tensor("x", "n")
    e = gc.exp(x)
    got = gc.evaluate(prepared(gc.log(gc.sum(e)) + 0 * gc.sum(x + gc.exp(-e))), x=[800.0, 1.0, 2.0])
    assert got == pytest.approx(800.0)


def test_multi_class_at_any_logit():
    """Row L8 of the lecture: the literal formula, at logits of 1e4, in value, gradient and Hessian."""
    y, t = gc.tensor("y", "n c"), gc.labels("t", "n", below="c")
    s, j = gc.indices("s j")
    L = -gc.Sum(gc.log(gc.exp(y[s, t[s]]) / gc.Sum(gc.exp(y[s, j]), j)), s) / gc.size("n")
    logits = X[:, :, 0]
    p, chosen = special.softmax(logits, axis=1), np.eye(C)[T]
    value = gc.evaluate(prepared(L), y=logits, t=T)
    assert value == pytest.approx(-np.mean(special.log_softmax(logits, axis=1)[np.arange(N), T]), rel=1e-14)
    np.testing.assert_allclose(gc.evaluate(gc.grad(L, y), y=logits, t=T), (p - chosen) / N, rtol=1e-12, atol=1e-300)
    hessian = gc.evaluate(gc.hessian(L, y), y=logits / 1e4, t=T)
    p = special.softmax(logits / 1e4, axis=1)
    expected = np.einsum("nc,nm,cd->ncmd", p, np.eye(N), np.eye(C)) - np.einsum("nc,nd,nm->ncmd", p, p, np.eye(N))
    np.testing.assert_allclose(hessian, expected / N, rtol=1e-11, atol=1e-16)
    assert np.isfinite(gc.evaluate(gc.hessian(L, y), y=logits, t=T)).all()


@pytest.mark.parametrize("label", [0.0, 1.0, 0.3])
@pytest.mark.parametrize("write", [
    lambda s, y: -gc.sum(y * gc.log(s) + (1 - y) * gc.log(1 - s)),
    lambda s, y: gc.sum(-y * gc.log(s) - gc.log(1 - s) * (1 - y)),
    lambda s, y: -gc.sum(y * gc.log(s) + (1 - y) * gc.log1p(-s)),
    lambda s, y: -gc.sum(gc.where(y > 2, 0, y * gc.log(s) + (1 - y) * gc.log(1.0 - s))),
], ids=["as taught", "signs", "log1p", "selected"])
@pytest.mark.parametrize("logistic", [lambda x: 1 / (1 + gc.exp(-x)), lambda x: gc.exp(x) / (gc.exp(x) + 1), gc.sigmoid], ids=["1/", "e/", "name"])
def test_multi_label_at_any_logit(label, write, logistic):
    """Row L9 of the lecture: the literal formula at +-1000, in value, gradient and Hessian."""
    x, y = gc.tensor("x", "n"), gc.tensor("y", "n")
    L = write(logistic(x), y)
    data = {"x": np.array([-1000.0, -750, -40, -1, 0, 1e-9, 40, 750, 1000]), "y": np.full(9, label)}
    p, q = special.expit(data["x"]), special.expit(-data["x"])
    assert gc.evaluate(prepared(L), **data) == pytest.approx(np.sum(np.logaddexp(0, data["x"]) - label * data["x"]), rel=1e-14)
    np.testing.assert_allclose(gc.evaluate(gc.grad(L, x), **data), (1 - label) * p - label * q, rtol=1e-14, atol=1e-300)
    h = gc.hessian(L, x)
    np.testing.assert_allclose(np.diag(gc.evaluate(h, **data)), p * q, rtol=1e-13, atol=1e-300)


def test_a_selection_keeps_its_guard():
    """A label to leave out is not read: what is built from a gather stays under the selection."""
    x, t = gc.tensor("x", "n c"), gc.labels("t", "n", below="c", ignore=-1)
    safe = gc.where(t >= 0, t, 0)
    L = gc.sum(gc.where(t >= 0, -gc.log(gc.softmax(x)[gc.arange("n"), safe]), 0.0))
    labels = np.where(np.arange(N) == 3, -1, T)
    keep = labels >= 0
    expected = -special.log_softmax(X[:, :, 0], axis=1)[np.arange(N)[keep], labels[keep]].sum()
    assert gc.evaluate(prepared(L), x=X[:, :, 0], t=labels) == pytest.approx(expected, rel=1e-14)


def exact_cross_entropy(scores, labels):
    """Σ log(1 + Σ_{j ≠ t} exp(x_j - x_t)), exact where a row is confident: no difference is taken."""
    rows = np.arange(len(labels))
    apart = np.where(np.arange(scores.shape[1]) == labels[:, None], -np.inf, scores - scores[rows, labels][:, None])
    return np.sum(np.log1p(np.exp(special.logsumexp(apart, axis=1))))


CONFIDENT = np.array([[50.0, -1, 0, 2, -3], [0.5, 60, -7, 1, 0], [-2.0, 0, 80, 1, 1], [0, 0, 0.5, 45, 1], [1, 2, 3, 0, 70.0], [40, 1, 1, 0, 0], [0, 0, 66, 1, 2.0]])
AT = np.argmax(CONFIDENT, axis=1)
WRITTEN = {
    "a layer with a bias": lambda x, b, t, w, k: gc.sum(gc.logsumexp(x + b, axis=1) - (x + b)[k, t]),
    "a bias written out": lambda x, b, t, w, k: gc.sum(gc.logsumexp(x + b, axis=1) - x[k, t] - b[t]),
    "three terms": lambda x, b, t, w, k: gc.losses.cross_entropy((x + b + 1.5) - b, t, reduction="sum"),
    "a product and a bias": lambda x, b, t, w, k: gc.losses.cross_entropy((2 * x + b) / 2, t, reduction="sum"),
    "under a selection": lambda x, b, t, w, k: gc.sum(gc.where(w > 0, gc.logsumexp(x + b, axis=1) - (x + b)[k, t], 0.0)),
    "ignored labels": lambda x, b, t, w, k: gc.losses.cross_entropy(x + b, t, ignore_index=-1, reduction="sum"),
    "parts summed apart": lambda x, b, t, w, k: gc.sum(gc.log(gc.sum(gc.exp(x + b), axis=1))) - gc.sum((x + b)[k, t]),
    "weights multiplied in": lambda x, b, t, w, k: gc.sum(w * gc.logsumexp(x + b, axis=1) - w * (x + b)[k, t]),
    "in bits": lambda x, b, t, w, k: -gc.sum(gc.log2(gc.softmax(x + b)[k, t])) * np.log(2),
    "a power of the odds": lambda x, b, t, w, k: gc.sum(gc.log(gc.exp(x + b)[k, t] / gc.sum(gc.exp(x + b), axis=1)) * -w),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_cross_entropy_is_exact_where_it_is_confident(name):
    """A loss of 1e-17 is not 0, nor is its gradient, whatever way the scores and the loss are put together."""
    x, b, t, w = gc.tensor("x", "n c"), gc.tensor("b", "c"), gc.labels("t", "n", below="c"), gc.tensor("w", "n")
    L = WRITTEN[name](x, b, t, w, gc.arange("n"))
    data = {"x": CONFIDENT, "b": np.zeros(C), "t": AT, "w": np.ones(N)}
    data = {k: v for k, v in data.items() if k in {i.name for i in inputs_of([L.node])}}
    scores = CONFIDENT
    wanted = exact_cross_entropy(scores, AT)
    assert 0 < wanted < 1e-14
    assert gc.evaluate(prepared(L), **data) == pytest.approx(wanted, rel=1e-12)
    slope = gc.evaluate(gc.grad(L, x), **data)[np.arange(N), AT]
    apart = [exact_cross_entropy(scores[[r]], AT[[r]]) for r in range(N)]
    np.testing.assert_allclose(slope, -np.array(apart), rtol=1e-9)


def test_logarithms_to_other_bases():
    p = gc.tensor("p", "n")
    assert gc.evaluate(prepared(-gc.sum(p * gc.log2(p))), p=[0.0, 0.5, 0.5, 1.0]) == 1.0
    x = gc.tensor("x", "n c")
    for log, base in ((gc.log2, 2), (gc.log10, 10)):
        found = gc.evaluate(prepared(log(gc.sum(gc.exp(x), axis=1))), x=X[:, :, 0])
        np.testing.assert_allclose(found, special.logsumexp(X[:, :, 0], axis=1) / np.log(base), rtol=1e-14)


def test_differences_are_taken_before_sums():
    """At logits of -1000 a rounding of log Σ exp(x) is 1e-13; the loss is right to its own last places."""
    x = gc.tensor("x", "n c")
    data = np.array([[-1000.0, -1001, -1003]])
    naive = gc.log(gc.exp(x[:, 0]) + gc.exp(x[:, 1]) + gc.exp(x[:, 2]))
    for L in (gc.logsumexp(x, axis=1) - x[:, 1], -gc.log(gc.softmax(x)[:, 1])):
        assert gc.evaluate(prepared(L), x=data)[0] == pytest.approx(-special.log_softmax(data[0] + 1000)[1], rel=1e-15)
    np.testing.assert_allclose(gc.evaluate(gc.grad(gc.sum(naive), x), x=data)[0], special.softmax(data[0]), rtol=1e-15)


def test_a_product_of_squares_neither_overflows_nor_underflows():
    x = gc.param("x", "n")
    L = gc.log(gc.prod(x**2))
    for at in ([1e200, -1e150, 2.0], [1e-200, -1e-170, 0.5]):
        value, slope = gc.evaluate([prepared(L), gc.grad(L, x)], x=np.array(at))
        np.testing.assert_allclose(value, 2 * np.sum(np.log(np.abs(at))), rtol=1e-15)
        np.testing.assert_allclose(slope, 2 / np.array(at), rtol=1e-15)


def test_logarithms_of_hyperbolic_functions_keep_their_digits_far_out():
    x = gc.param("x", "n")
    forms = {"cosh(x) + 1": (gc.log(gc.cosh(x) + 1), lambda x: 1 / (2 * np.cosh(x / 2)**2)),
             "cosh(x) - 1": (gc.log(gc.cosh(x) - 1), lambda x: -1 / (2 * np.sinh(x / 2)**2)),
             "sinh(x)": (gc.log(gc.sinh(x)), lambda x: -1 / np.sinh(x)**2)}
    for name, (form, second) in forms.items():
        L = gc.sum(form)
        slope = gc.grad(L, x)
        value, first = gc.evaluate([prepared(L), slope], x=np.array([800.0]))
        assert (value, first) == (pytest.approx(800 - np.log(2), rel=1e-15), 1), name
        at = np.array([1.0, 30.0])
        np.testing.assert_allclose(gc.evaluate([gc.grad(gc.sum(slope), x)], x=at)[0], second(at), rtol=2e-15, err_msg=name)


def test_a_logarithm_of_a_multiple_of_a_square_keeps_its_digits_near_one():
    x = gc.param("x", "n")
    at = np.array([0.57, 0.577, -0.6])
    with mpmath.workdps(40):
        wanted = [float(mpmath.log(3 * mpmath.mpf(a)**2)) for a in at]
    np.testing.assert_allclose(gc.evaluate([prepared(gc.log(3 * x**2))], x=at)[0], wanted, rtol=3e-16)


@pytest.mark.parametrize("at", [[1e-20, 3e-19, 1e-30], [0.2, 0.15, 0.1], [0.9, 0.99, 0.3], [1.0, 0.5, 0.2], [0.0, 1e-5, 0.0]])
def test_noisy_or_keeps_its_digits_where_nothing_is_likely(at):
    x = gc.param("x", "n")
    with mpmath.workdps(60):
        p = [mpmath.mpf(v) for v in at]
        likely = 1 - mpmath.fprod(1 - v for v in p)
        slopes = [mpmath.fprod(1 - v for j, v in enumerate(p) if j != i) for i in range(3)]
        for form, value, scale in ((1 - gc.prod(1 - x), likely, 1), (gc.log(1 - gc.prod(1 - x)), mpmath.log(likely), likely),
                                   (1 - (1 - x[0]) * (1 - x[1]) * (1 - x[2]), likely, 1)):
            got, slope = gc.evaluate([prepared(form), gc.grad(form, x)], x=np.array(at))
            np.testing.assert_allclose(got, float(value), rtol=4e-16)
            np.testing.assert_allclose(slope, [float(s / scale) for s in slopes], rtol=1e-15)


def test_log_of_noisy_or_where_nothing_is_possible():
    x = gc.param("x", "n")
    value, slope = gc.evaluate([prepared(gc.log(1 - gc.prod(1 - x))), gc.grad(gc.log(1 - gc.prod(1 - x)), x)], x=np.zeros(3))
    assert value == -np.inf and (slope == np.inf).all()


def test_log_odds_of_what_all_gates_let_through():
    x = gc.param("x", "n")
    for p in (gc.prod(gc.sigmoid(x)), gc.sigmoid(x[0]) * gc.sigmoid(x[1]) * gc.sigmoid(x[2])):
        for at in ([-800.0, 3, 2], [40.0, 30, 50], [-1.0, 0.5, 2]):
            with mpmath.workdps(900):
                through = mpmath.fprod(1 / (1 + mpmath.exp(-v)) for v in at)
                wanted = mpmath.log(through / (1 - through))
                slopes = [1 / (1 + mpmath.exp(v)) / (1 - through) for v in at]
            value, slope = gc.evaluate([prepared(gc.log(p / (1 - p))), gc.grad(gc.log(p / (1 - p)), x)], x=np.array(at))
            np.testing.assert_allclose(value, float(wanted), rtol=1e-15)
            np.testing.assert_allclose(slope, [float(s) for s in slopes], rtol=1e-15)


def test_log_of_one_minus_a_product_of_small_survivals():
    x = gc.param("x", "n")
    L = gc.log(1 - gc.prod(gc.exp(-gc.exp(x))))
    value, slope = gc.evaluate([prepared(L), gc.grad(L, x)], x=np.array([-40.0, -50.0]))
    np.testing.assert_allclose(value, np.logaddexp(-40, -50), rtol=1e-15)
    np.testing.assert_allclose(slope, special.softmax([-40.0, -50.0]), rtol=1e-15)


ONE_LARGE = np.array([[30.0, -3, 2, 0, 1], [0.5, 0.25, 0.5, -1, 0], [900.0, 899, -5, 3, 0], [760.0, 3, 3, 3, -80], [1.0, 40, 3, -40, -800]])


def exact_softmax(x):
    e = [[mpmath.exp(mpmath.mpf(v)) for v in row] for row in x]
    return [[v / mpmath.fsum(row) for v in row] for row in e]


OF_SUMS = {
    "of two exponentials each": lambda gc, x, z: gc.log(gc.sum(gc.exp(-x) + gc.exp(x) * gc.exp(x + z), 1)),
    "of one and an exponential": lambda gc, x, z: gc.log(gc.sum(1 + (1 + gc.exp(2 * x)), 1)),
    "of sums": lambda gc, x, z: gc.log(gc.sum(gc.exp(x - z) * (gc.exp(x) + gc.exp(z)) * gc.sum(gc.exp(x) + gc.exp(2 * z), 1, keepdims=True), 1)),
    "in a product": lambda gc, x, z: gc.log((1 + gc.sum(gc.exp(x - z), 1)) * gc.exp(-x[:, 0]) / gc.sum(gc.exp(x), 1)),
    "of some, and one": lambda gc, x, z: gc.log(1 + gc.sum(gc.where(z > 0, 0, gc.exp(x - z)), 1)),
    "beside a logistic function": lambda gc, x, z: gc.log(gc.sigmoid(x - z) + gc.sum(gc.exp(x), 1, keepdims=True) * gc.exp(-x)),
    "of three": lambda gc, x, z: gc.log(gc.exp(z[:, 0]) + gc.sum(gc.exp(x), 1) + gc.sum(gc.exp(2 * z), 1)),
    "over one": lambda gc, x, z: gc.log(gc.sum(1 + gc.exp(x[:, :1]), 1)),
}


@pytest.mark.parametrize("name", OF_SUMS)
def test_logarithm_of_a_sum_of_sums_of_exponentials(name):
    """Value and gradient to rounding of the greatest term, where each exponential overflows."""
    x, z = gc.param("x", "n d"), gc.param("z", "n d")
    L = gc.sum(OF_SUMS[name](gc, x, z))
    wrt = [p for p in (x, z) if p.node in inputs_of([L.node])]
    data = {p.name: RNG.normal(size=(C, D)) * 700 for p in wrt}
    value, grads = gc.compile(L, wrt=tuple(wrt))(**data)
    with mpmath.workdps(3000):
        want, *slopes = gc.evaluate([L, *(Tensor(s) for s in pullback([L.node], [None], [p.node for p in wrt]))], digits=3000, **data)
    np.testing.assert_allclose(value, float(want), rtol=1e-14)
    for p, slope in zip(wrt, slopes, strict=True):
        np.testing.assert_allclose(grads[p.name], np.vectorize(float)(slope), rtol=1e-12, atol=1e-15)


def test_one_minus_softmax_of_every_element():
    """Unlikelihood: the gradient of -log(1 - p) is exact where p is confident."""
    x = gc.param("x", "n d")
    p = gc.softmax(x, axis=1)
    with mpmath.workdps(900):
        wanted = exact_softmax(ONE_LARGE)
        odds = [[v / (1 - v) for v in row] for row in wanted]
        slopes = [[p_ * (mpmath.fsum(odds[i]) - o) - p_ for p_, o in zip(row, odds[i], strict=True)] for i, row in enumerate(wanted)]
        for form, value in ((1 - p, lambda v: 1 - v), (gc.log(1 - p), lambda v: mpmath.log(1 - v)), (gc.log1p(-p), lambda v: mpmath.log(1 - v))):
            np.testing.assert_allclose(gc.evaluate(prepared(form), x=ONE_LARGE), np.array([[float(value(v)) for v in row] for row in wanted]), rtol=1e-14)
        got = gc.evaluate(gc.grad(gc.sum(gc.log(1 - p)), x), x=ONE_LARGE)
        np.testing.assert_allclose(got, np.array([[float(s) for s in row] for row in slopes]), rtol=1e-12, atol=1e-15)


def test_impurity_of_confident_probabilities():
    x = gc.param("x", "n d")
    gini = 1 - gc.sum(gc.softmax(x, axis=1)**2, axis=1)
    with mpmath.workdps(900):
        wanted = [float(1 - mpmath.fsum(v**2 for v in row)) for row in exact_softmax(ONE_LARGE)]
    np.testing.assert_allclose(gc.evaluate(prepared(gini), x=ONE_LARGE), wanted, rtol=1e-14)


@pytest.mark.parametrize("order", [0.5, 2.0])
def test_renyi_divergence_of_confident_distributions(order):
    x, y = gc.param("x", "n d"), gc.param("y", "n d")
    p, q = gc.softmax(x, axis=1), gc.softmax(y, axis=1)
    form = gc.log(gc.sum(gc.sqrt(p * q) if order == 0.5 else p**2 / q, axis=1))
    a, b = special.log_softmax(ONE_LARGE, axis=1), special.log_softmax(ONE_LARGE[::-1], axis=1)
    wanted = special.logsumexp(order * a + (1 - order) * b, axis=1)
    value, slope = gc.evaluate([prepared(form), gc.grad(gc.sum(form), y)], x=ONE_LARGE, y=ONE_LARGE[::-1])
    np.testing.assert_allclose(value, wanted, rtol=1e-13, atol=1e-13)
    weights = special.softmax(order * a + (1 - order) * b, axis=1)
    np.testing.assert_allclose(slope, (1 - order) * (weights - np.exp(b)), rtol=1e-10, atol=1e-13)


def test_survival_by_hazards_that_are_nearly_nothing():
    u = gc.param("u", "n")
    at = np.array([-60.0, -700, -45])
    wanted = np.log1p(-special.expit(at))
    for form, sums in ((gc.log(gc.cumprod(1 - gc.sigmoid(u))), np.cumsum(wanted)), (gc.log(gc.prod(1 - gc.sigmoid(u))), wanted.sum())):
        np.testing.assert_allclose(gc.evaluate(prepared(form), u=at), sums, rtol=1e-15)


FAR_OUT = {
    "Weibull's distribution function": (lambda gc, x: 1 - gc.exp(-gc.exp(x)), [-90.0, -30, -1, 1], [8.194012623990515e-40, 9.357622968839737e-14, 0.3077993724446536, 0.9340119641546875]),
    "square of a sigmoid": (lambda gc, x: 1 - gc.sigmoid(x)**2, [-30.0, 1, 30, 90], [1.0, 0.465553354611477, 1.8715245937677722e-13, 1.638802524798103e-39]),
    "Burr's distribution": (lambda gc, x: gc.log(1 - (1 + gc.exp(x))**-2), [30.0, 90], [-8.756510762694881e-27, -6.714184288211594e-79]),
    "inverse root": (lambda gc, x: 1 / gc.sqrt(1 + x**2) - 1, [1e-9, 1e-3, 2.0], [-5e-19, -4.999996250003125e-07, -0.5527864045000421]),
    "interval far out": (lambda gc, x: -gc.log(gc.erf((x + 1) / 2) - gc.erf((x - 1) / 2)), [30.0, -30.0], [213.49887773809684, 213.49887773809684]),
    "logarithm of a ratio": (lambda gc, x: gc.log((x + 1) / x), [1e150, 1e20, 1e-3], [1e-150, 1e-20, 6.90875477931522]),
}


@pytest.mark.parametrize("name", FAR_OUT)
def test_what_is_nearly_nothing_or_far_out(name):
    """Values by mpmath."""
    form, at, wanted = FAR_OUT[name]
    np.testing.assert_allclose(gc.evaluate(prepared(form(gc, gc.param("x", "n"))), x=np.array(at)), wanted, rtol=1e-14)


def test_slope_of_a_root_less_one_where_its_square_overflows():
    x = gc.param("x", "n")
    slope = gc.evaluate(gc.grad(gc.sum(gc.sqrt(1 + gc.exp(x)) - 1), x), x=np.array([700.0, -40.0]))
    np.testing.assert_allclose(slope, [np.exp(350) / 2, np.exp(-40) / 2], rtol=1e-13)


POWERS = {
    "of a logistic function": lambda x: gc.sigmoid(x)**0.75,
    "of another": lambda x: (1 - gc.sigmoid(x))**2.5,
    "a root of one": lambda x: gc.sqrt(gc.sigmoid(x)),
    "a square less one": lambda x: 1 - gc.sigmoid(x)**2,
    "a logarithm beside one": lambda x: gc.log(1 + gc.sigmoid(x)),
    "of an exponential": lambda x: gc.exp(x)**0.25,
    "of a sum": lambda x: (1 + gc.exp(-x))**-0.25,
    "of a sum over a dim": lambda x: gc.sum(gc.exp(gc.stack([x, -x], axis=1)), axis=1)**0.375,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", POWERS)
def test_powers_of_exponentials_keep_their_digits(name, dtype):
    """An exponent that is a product is rounded once: exp(-0.25 * 300) would be wrong by 18 ULP."""
    x = gc.param("x", "n")
    y = POWERS[name](x)
    at = (np.random.default_rng(3).normal(size=211) * (14 if dtype == "float32" else 120)).astype(dtype)
    value, slope = gc.compile({"y": y, "slope": gc.grad(gc.sum(y), x)}, wrt=())(x=at).values()
    with mpmath.workdps(500):
        want = gc.evaluate([y, Tensor(pullback([gc.sum(y).node], [None], [x.node])[0])], digits=500, x=at.astype(float))
    for got, exact in zip((value, slope), want, strict=True):
        exact = np.vectorize(float)(exact)
        assert got.dtype == dtype
        assert (np.abs(got - exact) <= 6 * np.spacing(np.abs(exact).astype(dtype))).all()
