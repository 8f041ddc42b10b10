"""The functions that kernels call, against mpmath: units in the last place over each domain, and IEEE's special values; the tables of
coefficients against mpmath's own fits."""

from __future__ import annotations

import functools
import importlib
import math

import mpmath
import numpy as np
import pytest
from numba import float32, float64, njit

from graphc.codegen.mathlib import coefficients

PRECISIONS = ("float32", "float64")
INF, NAN = math.inf, math.nan

# a function, its value in mpmath, an interval that holds all that happens, the greatest error in units in the last place
FUNCTIONS = {
    "exp": (mpmath.exp, (-750, 715), 0.9),
    "expm1": (mpmath.expm1, (-40, 715), 1.4),
    "log": (mpmath.log, (0, INF), 1.0),
    "log1p": (mpmath.log1p, (-1, INF), 1.0),
    "tanh": (mpmath.tanh, (-40, 40), 1.4),
    "erf": (mpmath.erf, (-8, 8), 1.2),
    "sigmoid": (lambda x: 1 / (1 + mpmath.exp(-x)), (-80, 40), 3.0),
    "log1mexp": (lambda x: mpmath.log(-mpmath.expm1(-x)) if x < 1 else mpmath.log1p(-mpmath.exp(-x)), (0, 760), 1.0),
    "erfc": (mpmath.erfc, (-7, 28.5), 1.0),
    "erfcx": (lambda x: mpmath.exp(x * x) * mpmath.erfc(x), (-27, 1e6), 1.5),
    "logerfc": (lambda x: mpmath.log1p(-mpmath.erf(x)) if x < 1 else mpmath.log(mpmath.erfc(x)), (-30, 1e6), 2.0),
    "softplus": (lambda x: mpmath.log1p(mpmath.exp(x)), (-80, 40), 2.5),
    "logsigmoid": (lambda x: -mpmath.log1p(mpmath.exp(-x)), (-40, 80), 2.5),
}

SPECIAL = {
    "exp": [(INF, INF), (-INF, 0.0), (0.0, 1.0), (-0.0, 1.0), (1e4, INF), (-1e4, 0.0)],
    "expm1": [(INF, INF), (-INF, -1.0), (0.0, 0.0), (-0.0, -0.0), (1e4, INF), (-1e4, -1.0)],
    "log": [(INF, INF), (-INF, NAN), (0.0, -INF), (-0.0, -INF), (1.0, 0.0), (-1.0, NAN), (-1e-40, NAN)],
    "log1p": [(INF, INF), (-INF, NAN), (0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (-1.5, NAN), (-1e30, NAN)],
    "tanh": [(INF, 1.0), (-INF, -1.0), (0.0, 0.0), (-0.0, -0.0), (1e30, 1.0), (-1e30, -1.0)],
    "erf": [(INF, 1.0), (-INF, -1.0), (0.0, 0.0), (-0.0, -0.0), (1e30, 1.0), (-1e30, -1.0)],
    "log1mexp": [(INF, 0.0), (-INF, NAN), (0.0, -INF), (-0.0, -INF), (-1e-30, NAN), (1e4, 0.0)],
    "erfc": [(INF, 0.0), (-INF, 2.0), (0.0, 1.0), (-0.0, 1.0), (1e4, 0.0), (-1e4, 2.0)],
    "erfcx": [(INF, 0.0), (-INF, INF), (0.0, 1.0), (-0.0, 1.0), (-1e4, INF)],
    "logerfc": [(INF, -INF), (-INF, math.log(2)), (0.0, 0.0), (-0.0, 0.0), (-1e4, math.log(2))],
    "sigmoid": [(INF, 1.0), (-INF, 0.0), (0.0, 0.5), (-0.0, 0.5), (1e4, 1.0), (-1e4, 0.0)],
    "softplus": [(INF, INF), (-INF, 0.0), (1e4, 1e4), (-1e4, 0.0)],
    "logsigmoid": [(INF, 0.0), (-INF, -INF), (1e4, 0.0), (-1e4, -1e4)],
}


def over(function, *arrays):
    """The function in a loop, as kernels call it: compiled for whole vectors, with sums that may be reordered."""
    @njit(error_model="numpy", fastmath={"reassoc", "contract"})
    def one(a, out):
        for i in range(a.shape[0]):
            out[i] = function(a[i])

    @njit(error_model="numpy", fastmath={"reassoc", "contract"})
    def two(a, b, out):
        for i in range(a.shape[0]):
            out[i] = function(a[i], b[i])

    out = np.empty_like(arrays[0])
    (one if len(arrays) == 1 else two)(*arrays, out)
    return out


def samples(dtype, low, high):
    """Bits at random, the interval, small numbers, and both neighbours of each power of 2 and of sqrt(2), where branches of the method meet."""
    rng = np.random.default_rng(7)
    limits = np.finfo(dtype)
    bits = rng.integers(0, np.iinfo(f"uint{limits.bits}").max, 1000, dtype=f"uint{limits.bits}").view(dtype)
    least = limits.minexp - limits.nmant
    powers = np.ldexp(1.0, np.unique(np.concatenate([np.arange(least, limits.maxexp, 9), np.arange(-30, 30), [least, limits.maxexp - 1]])))
    corners = np.concatenate([powers, powers * math.sqrt(0.5), [1 / 3, 0.5 * math.log(2), 1.5 * math.log(2), 3.0]]).astype(dtype)
    corners = np.concatenate([corners, np.nextafter(corners, dtype(0)), np.nextafter(corners, dtype(INF))])
    small = 10.0**rng.uniform(-9, 0, 500)
    values = np.concatenate([rng.uniform(low, min(high, 1e3), 1500), rng.uniform(-3, 3, 1500), small, -small, 1 + rng.uniform(-0.5, 0.5, 500)]).astype(dtype)
    every = np.concatenate([bits, corners, -corners, values])
    return every[np.isfinite(every) & (every > low) & (every < high)]


def worst(computed, x, reference):
    """The greatest error in units in the last place of the exact value."""
    limits = np.finfo(x.dtype)
    largest, least, error = float(limits.max), limits.minexp - limits.nmant, 0.0
    with mpmath.workdps(40):
        for value, at in zip(computed.tolist(), x.tolist(), strict=True):
            exact = reference(mpmath.mpf(at))
            if abs(exact) > largest:
                assert abs(value) >= np.nextafter(limits.max, x.dtype.type(0)), (at, value)
                continue
            unit = mpmath.ldexp(1, max(mpmath.frexp(exact)[1] - 1 - limits.nmant, least))
            assert math.isfinite(value) or abs(exact) > largest * (1 - 2.0**-limits.nmant), (at, value)
            error = max(error, float(abs(value - exact) / unit)) if math.isfinite(value) else error
    return error


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors_are_at_most_so_many_units_in_the_last_place(name, precision):
    reference, (low, high), bound = FUNCTIONS[name]
    function = getattr(importlib.import_module(f"graphc.codegen.mathlib.{precision}"), name)
    x = samples(np.dtype(precision).type, low, high)
    assert len(x) > 3000
    assert worst(over(function, x), x, reference) <= bound


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", SPECIAL)
def test_special_values_are_those_of_ieee(name, precision):
    function = getattr(importlib.import_module(f"graphc.codegen.mathlib.{precision}"), name)
    x, expected = np.array([*SPECIAL[name], (NAN, NAN)]).T.astype(precision)
    x = np.tile(x, 16)                                                     # long enough for whole vectors and a rest
    expected = np.tile(expected, 16)
    value = over(function, x)
    np.testing.assert_array_equal(value, expected)
    signed = ~np.isnan(expected) & (name in ("expm1", "log1p", "tanh", "erf"))
    np.testing.assert_array_equal(np.signbit(value[signed]), np.signbit(expected[signed]))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_functions_of_two_arguments(precision):
    m = importlib.import_module(f"graphc.codegen.mathlib.{precision}")
    values = np.array([0.0, -0.0, 1.0, -1.0, 0.3, 40.0, -40.0, 1e4, -1e4, 1e-30, INF, -INF, NAN], precision)
    a, b = (v.ravel() for v in np.meshgrid(values, values))
    tolerance = 4 * float(np.finfo(precision).eps)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(over(m.logaddexp, a, b), np.logaddexp(a, b), tolerance)
    xlogy = pytest.importorskip("scipy.special").xlogy
    np.testing.assert_allclose(over(m.xlogy, a, b), xlogy(a, b), tolerance)


def test_a_wider_argument_is_rounded_first():
    m = importlib.import_module("graphc.codegen.mathlib.float32")
    x = np.random.default_rng(1).uniform(0.1, 5, 301)
    for name in FUNCTIONS:
        np.testing.assert_allclose(over(getattr(m, name), x), over(getattr(m, name), x.astype(np.float32)), 3e-7, err_msg=name)


def _log(z):
    return 2 * mpmath.hyp2f1(1, 1.5, 2.5, z) / 3


def _exp(r):
    return mpmath.hyp1f1(1, 3, r) / 2


def _tanh(z):
    x = mpmath.sqrt(z)
    return (mpmath.tanh(x) / x - 1) / z


def _logcosh(z):
    x = mpmath.sqrt(z)
    return (mpmath.log(mpmath.cosh(x)) / z - mpmath.mpf(1) / 2) / z


def _log_pair(z):
    return 4 * mpmath.hyp2f1(1, 2.5, 3.5, z) / 10


def _arctan(z):
    return -mpmath.hyp2f1(1, 1.5, 2.5, -z) / 3


def _cbrt(f):
    return (1 + f)**(-mpmath.mpf(1) / 3)


def _digamma(d):
    zero = mpmath.findroot(lambda x: mpmath.psi(0, x), 1.4616321449683622)
    return mpmath.psi(0, zero + d) / d


def _erf_near(z):
    x = mpmath.sqrt(z)
    return mpmath.erf(x) / x - 1


def _erfcx(t):
    if 1 - t < 1e-30:
        return 2 / mpmath.sqrt(mpmath.pi) - mpmath.mpf(5) / 4
    x = 3 * (1 + t) / (1 - t)
    scaled = mpmath.exp(x**2) * mpmath.erfc(x) if x < 1e4 else (1 - 1 / (2 * x**2) + 3 / (4 * x**4)) / (x * mpmath.sqrt(mpmath.pi))
    return (1 + 2 * x) * scaled - mpmath.mpf(5) / 4


def _erf_far(w):
    x = 3 * (1 + w) / (1 - w)
    return mpmath.exp(x**2) * mpmath.erfc(x)


def _arcsin(z):
    x = mpmath.sqrt(z)
    return (mpmath.asin(x) / x - 1) / z if z > 1e-25 else mpmath.mpf(1) / 6


def _lgamma(t):
    x = t + mpmath.mpf(3) / 2
    near = abs(abs(t) - mpmath.mpf(1) / 2) < 1e-25
    return mpmath.psi(0, x) / (2 * t) if near else mpmath.loggamma(x) / ((t + mpmath.mpf(1) / 2) * (t - mpmath.mpf(1) / 2))


@pytest.mark.parametrize("real", (float32, float64), ids=str)
@pytest.mark.parametrize(("table", "function"), [("EXP", _exp), ("LOG", _log), ("LOG_PAIR", _log_pair), ("ARCTAN", _arctan), ("ARCSIN", _arcsin), ("CBRT", _cbrt), ("TANH", _tanh), ("LOGCOSH", _logcosh), ("ERF_NEAR", _erf_near), ("ERF_FAR", _erf_far), ("ERFCX", _erfcx)])
def test_coefficients_are_those_of_the_interpolant_at_chebyshev_nodes(table, function, real):
    end = coefficients.ERF_END[real]
    with mpmath.workdps(50):
        interval = {"EXP": [-mpmath.log(2) / 2, mpmath.log(2) / 2], **dict.fromkeys(("LOG", "LOG_PAIR"), [0, ((mpmath.sqrt(2) - 1) / (mpmath.sqrt(2) + 1))**2]),
                    "CBRT": [1 / mpmath.sqrt(2) - 1, mpmath.sqrt(2) - 1], "ERFCX": [-1, 1], "ARCSIN": [0, mpmath.mpf(1) / 4],
                    "ERF_FAR": [-mpmath.mpf(1) / 2, (mpmath.mpf(end) - 3) / (end + 3)]}.get(table, [0, 1])
        stored = getattr(coefficients, table)[real]
        fit = mpmath.chebyfit(function, interval, len(stored))
        np.testing.assert_allclose(stored, [float(c) for c in reversed(fit)], 1e-8 if real is float32 else 1e-15)


def test_coefficients_of_float64_alone():
    with mpmath.workdps(50):
        quarter = mpmath.mpf(1) / 4
        fit = mpmath.chebyfit(_digamma, [-quarter, quarter], len(coefficients.DIGAMMA_NEAR))
        np.testing.assert_allclose(coefficients.DIGAMMA_NEAR, [float(c) for c in reversed(fit)], 1e-14)
        fit = mpmath.chebyfit(_lgamma, [-3 * quarter, 3 * quarter], len(coefficients.LGAMMA_NEAR))
        np.testing.assert_allclose(coefficients.LGAMMA_NEAR, [float(c) for c in reversed(fit)], 1e-14)
        assert sum(map(mpmath.mpf, coefficients.DIGAMMA_ZERO)) == pytest.approx(mpmath.findroot(lambda x: mpmath.psi(0, x), 1.4616), abs=1e-32)


@functools.cache
def _polygamma():
    polygamma = importlib.import_module("graphc.codegen.mathlib.float64").polygamma

    @njit(error_model="numpy")
    def over_points(k, x, out):
        for i in range(x.size):
            out[i] = polygamma(k, x[i])
    return over_points


@pytest.mark.parametrize("k", range(6))
def test_derivatives_of_digamma_on_both_sides_of_zero(k):
    over_points = _polygamma()
    x = np.array([1e-5, 0.02, 0.3, 1.7, 14.9, 40.0, 1e6, -1e-20, -0.3, -0.7, -1 - 1e-10, -2.6, -17.2, -1e6 - 0.25])
    found = np.empty_like(x)
    over_points(k, x, found)
    with mpmath.workdps(30):
        np.testing.assert_allclose(found, [float(mpmath.psi(k, mpmath.mpf(a))) for a in x], rtol=5e-14)
    special = np.array([np.nan, np.inf, -np.inf, -3.0])
    over_points(k, special, special)
    np.testing.assert_array_equal(special, [np.nan, np.inf if k == 0 else 0.0, np.nan, np.inf if k % 2 else np.nan])
