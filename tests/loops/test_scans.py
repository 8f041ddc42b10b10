"""Scans: sums over what came before, whose terms depend on both indices, in one pass: against mpmath, torch, scipy and the interpreter. What a kernel is
compiled from runs as plain Python where many formulas are tried."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.test_plain import run
from scipy.special import logsumexp

import graphc as gc

N, B = 13, 5
x, w, v, a = gc.param("x", "n"), gc.tensor("w", "n"), gc.tensor("v", "n"), gc.tensor("a", "n")
X = gc.param("X", "b n")
g = gc.scalar("g")
i, j, k = gc.indices("i j k")


def log_cumsum_exp(t, axis=0):
    return gc.log(gc.cumsum(gc.exp(t), axis=axis))


def recurrence(a, x):
    """y[i] = a[i] y[i - 1] + x[i] as the sum that it is."""
    between = gc.Prod(gc.where((k > j) & (k <= i), a[k], 1), k)
    return gc.array(gc.Sum(gc.where(j <= i, between * x[j] * w[i], 0), j), (i,))


rng = np.random.default_rng(3)
VALUES = {
    "near": rng.normal(size=N),
    "far": rng.choice([-1e4, 1e4], size=N) + rng.normal(size=N),
    "growing": np.sort(rng.normal(size=N)) * 40,
    "falling": -np.sort(rng.normal(size=N)) * 40,
    "ties": rng.integers(0, 3, N).astype(float),
    "masked": np.where(rng.random(N) < 0.5, -np.inf, 100 * rng.normal(size=N)),
    "masked at first": np.where(np.arange(N) < 4, -np.inf, -700 - rng.normal(size=N)),
}
WAYS = {
    "forward": (gc.sum(w * log_cumsum_exp(x)), lambda t: t),
    "from the end": (gc.sum(w * gc.log(gc.cumsum(gc.exp(x)[::-1])[::-1])), lambda t: t[::-1]),
    "flipped before": (gc.sum(w * log_cumsum_exp(x[::-1])[::-1]), lambda t: t[::-1]),
    "by indices": (gc.sum(w * gc.log(gc.array(gc.Sum(gc.where(i >= j, gc.exp(x[j]) * (1 + 0 * w[i]), 0), j), (i,)))), lambda t: t),
}
PROGRAMS: dict = {}


def program(way):
    """Value, gradient and second derivative along v, compiled once."""
    if way not in PROGRAMS:
        L = WAYS[way][0]
        PROGRAMS[way] = gc.compile([L, gc.grad(L, x), gc.hvp(L, x, v)], wrt=())
    return PROGRAMS[way]


def exact(x_, w_, v_):
    """sum of w log cumsum exp(x), its gradient and the product of its Hessian with v, in 60 digits."""
    with mpmath.workdps(60):
        e = [mpmath.exp(t) if t > -np.inf else mpmath.mpf(0) for t in map(mpmath.mpf, x_)]
        totals = [mpmath.fsum(e[:m + 1]) for m in range(N)]
        value = mpmath.fsum(c * mpmath.log(t) for c, t in zip(w_, totals, strict=True)) if all(totals) else -mpmath.inf * mpmath.sign(w_[0])
        share = [[e[q] / totals[m] if q <= m and totals[m] else mpmath.mpf(0) for q in range(N)] for m in range(N)]
        mean = [mpmath.fsum(p * s for p, s in zip(row, map(mpmath.mpf, v_), strict=True)) for row in share]
        first = [mpmath.fsum(w_[m] * share[m][q] for m in range(N)) for q in range(N)]
        second = [mpmath.fsum(w_[m] * share[m][q] * (mpmath.mpf(v_[q]) - mean[m]) for m in range(N)) for q in range(N)]
        return float(value), np.array(first, float), np.array(second, float)


@pytest.mark.parametrize("way", ["forward", "flipped before"])
@pytest.mark.parametrize("values", VALUES)
def test_log_cumsum_exp_against_mpmath(way, values):
    x_, w_, v_ = VALUES[values], np.abs(rng.normal(size=N)), rng.normal(size=N)
    turned = WAYS[way][1]
    value, first, second = program(way)(x=x_, w=w_, v=v_)
    expected = exact(*map(turned, (x_, w_, v_)))
    np.testing.assert_allclose(value, expected[0], rtol=1e-14)
    np.testing.assert_allclose(first, turned(expected[1]), rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(second, turned(expected[2]), rtol=1e-12, atol=1e-14 * np.abs(w_).sum() * np.abs(v_).max())


@given(st.lists(st.one_of(st.floats(-1e4, 1e4), st.sampled_from([-np.inf, 0.0, 700.0])), min_size=1, max_size=40))
def test_each_element_is_the_logsumexp_of_a_prefix(values):
    f = PROGRAMS.setdefault("map", gc.compile(log_cumsum_exp(x), wrt=()))
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(f(x=values), [logsumexp(values[:m + 1]) for m in range(len(values))], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("axis", [0, 1])
def test_batches_against_torch(axis):
    torch = pytest.importorskip("torch")
    x_ = rng.normal(size=(B, N)) * 30
    L = gc.sum(log_cumsum_exp(X, axis)**2)
    value, x_bar = run(L, {"X": x_}) if axis else gc.compile([L, gc.grad(L, X)], wrt=())(X=x_)
    t = torch.tensor(x_, requires_grad=True)
    L = (torch.logcumsumexp(t, axis)**2).sum()
    L.backward()
    np.testing.assert_allclose(value, L.item(), rtol=1e-13)
    np.testing.assert_allclose(x_bar, t.grad.numpy(), rtol=1e-11, atol=1e-11)


def test_a_nan_reaches_what_comes_after_it_alone():
    x_ = rng.normal(size=N)
    x_[7] = np.nan
    f = gc.compile([log_cumsum_exp(x), gc.grad(gc.sum(gc.where(gc.array(i + 0 * w[i], (i,)) < 7, log_cumsum_exp(x), 0)), x)], wrt=())
    y, x_bar = f(x=x_, w=np.ones(N))
    assert np.isfinite(y[:7]).all() and np.isnan(y[7:]).all()
    np.testing.assert_allclose(x_bar[:7], run(gc.sum(log_cumsum_exp(x)), {"x": x_[:7]})[1], rtol=1e-13)
    assert (x_bar[7:] == 0).all()


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("risk", [lambda s: s, lambda s: s[::-1]], ids=["in order", "reversed"])
def test_cox_partial_likelihood(scale, risk):
    """The negative log likelihood of the events d: sum of d (log sum of exp(s) over who is at risk, less s)."""
    s_, d_ = scale * rng.normal(size=N), (rng.random(N) < 0.6).astype(float)
    s, d = risk(x), risk(w)
    value, x_bar = run(gc.sum(log_cumsum_exp(s) * d - s * d), {"x": s_, "w": d_})
    turned = [risk(s_), risk(d_)]
    expected = exact(*turned, np.zeros(N))
    np.testing.assert_allclose(value, expected[0] - np.sum(s_ * d_), rtol=1e-13, atol=1e-13 * scale)
    np.testing.assert_allclose(x_bar, risk(expected[1]) - d_, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_weights(scale):
    """Those at risk count a[j] times: log sum of a exp(x) is log sum of exp(x + log a)."""
    x_, w_, a_ = scale * rng.normal(size=N), rng.normal(size=N), 0.1 + rng.random(N)
    L = gc.sum(w * gc.log(gc.cumsum(a * gc.exp(x))))
    value, x_bar = run(L, {"x": x_, "w": w_, "a": a_})
    expected = exact([mpmath.mpf(t) + mpmath.log(mpmath.mpf(s)) for t, s in zip(x_, a_, strict=True)], w_, np.zeros(N))
    np.testing.assert_allclose(value, expected[0], rtol=1e-13)
    np.testing.assert_allclose(x_bar, expected[1], rtol=1e-12, atol=1e-14)
    text = gc.compile(L).explain()
    assert "n^2" not in text[text.index("== cost =="):text.index("== source ==")]


RECURRENCES = {
    "cumulative product": gc.sum(w * gc.cumprod(1 + x)),
    "cumulative product from the end": gc.sum(w * gc.cumprod((1 + x)[::-1])[::-1]),
    "logarithm of a cumulative product": gc.sum(w * gc.log(gc.cumprod(1 + x**2))),
    "cumulative products of rows": gc.sum(gc.cumprod(X, axis=1)**2),
    "cumulative products of columns": gc.sum(gc.cumprod(X, axis=0)**2),
    "linear recurrence": gc.sum(recurrence(a, x)**2),
    "moving average": gc.sum(gc.array(gc.Sum(gc.where(j <= i, g**(i - j) * x[j] * w[i], 0), j), (i,))**2),
    "discounted return": gc.sum(gc.array(gc.Sum(gc.where(j >= i, g**(j - i) * x[j] * w[i], 0), j), (i,))**2),
    "how many came before": gc.sum(gc.array(gc.Sum(gc.where(j < i, x[i]**2 + 0 * w[j], 0), j), (i,)) * w),
    "a maximum of two kinds": gc.sum(gc.sin(gc.array(gc.Max(gc.where(i >= j, x[j], gc.sin(x[i])), j), (i,)))),
    "sum of the flipped": gc.sum(w * gc.cumsum(x[::-1])**2),
}
DATA = {"x": rng.normal(size=N), "w": rng.normal(size=N), "a": rng.normal(size=N), "v": rng.normal(size=N), "X": rng.normal(size=(B, N)), "g": 0.75}
DATA["x"][[3, 8]] = -1                             # factors of 0
DATA["X"][2, 4] = 0


@pytest.mark.parametrize("name", RECURRENCES)
def test_recurrences_against_the_interpreter(name):
    L = RECURRENCES[name]
    data = {n: DATA[n] for n in gc.compile(L).inputs}
    for found, expected in zip(run(L, data), gc.evaluate([L, *gc.grad(L).values()], **data), strict=True):
        np.testing.assert_allclose(found.reshape(np.shape(expected)), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", [*WAYS, *(n for n in RECURRENCES if n != "a maximum of two kinds")])
def test_work_grows_with_the_length(name):
    """No count of operations has a square of a size in it: the value, the gradient, and of a log-sum-exp the second derivative."""
    f = program(name) if name in WAYS and name != "by indices" else gc.compile(WAYS[name][0] if name in WAYS else RECURRENCES[name])
    text = f.explain()
    cost = text[text.index("== cost =="):text.index("== source ==")]
    assert "flops" in cost and "^2" not in cost


def test_work_of_pairs_is_counted_as_such():
    """What the test above looks for is there where terms do not fade."""
    text = gc.compile(gc.sum(gc.array(gc.Sum(gc.where(j <= i, gc.sin(x[i] * x[j]), 0), j), (i,)))).explain()
    assert "n^2" in text[text.index("== cost =="):text.index("== source ==")]
