"""NumPy versions of the table's functions that NumPy and SciPy lack, or have with more than 2 units in the last place.

They are written for float64: results in float32 are those of float64, rounded (arithmetic.py). What is `extended` is computed in the processor's
long double: 64 bits of mantissa on most, elsewhere float64 once more.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

LN2 = np.log(np.longdouble(2))
_erf, _erfc = np.vectorize(math.erf, otypes=[float]), np.vectorize(math.erfc, otypes=[float])


def extended(f: Callable[..., Any]) -> Callable[..., Any]:
    """f in long double, rounded to float64."""
    @functools.wraps(f)
    def rounded(*args: Any) -> Any:
        return np.asarray(f(*(np.asarray(a, np.longdouble) for a in args))).astype(np.float64)
    return rounded


@extended
def cos(x: Any) -> Any:
    """NumPy's own, which in float64 loses digits next to a zero."""
    return np.cos(x)


def softplus(x: Any) -> Any:
    """log(1 + exp(x))"""
    return np.logaddexp(x, np.zeros_like(x))


@extended
def logaddexp(a: Any, b: Any) -> Any:
    """log(exp(a) + exp(b))"""
    return np.logaddexp(a, b)


def log1mexp(x: Any) -> Any:
    """log(1 - exp(-x)) (Maechler, Accurately computing log(1 - exp(-|a|)), 2012)."""
    return np.where(x < np.asarray(np.log(2), np.asarray(x).dtype), np.log(-np.expm1(-x)), np.log1p(-np.exp(-x)))


def erf(x: Any) -> Any:
    """The C library's: SciPy's has up to 3 units in the last place."""
    return _erf(x)


def erfc(x: Any) -> Any:
    """The C library's."""
    return _erfc(x)


def erfcx(x: Any) -> Any:
    """exp(x^2) erfc(x): for x < 0 as 2 exp(x^2) - erfcx(-x), with an h near x whose square is exact."""
    x = np.asarray(x)
    y = np.clip(x, -30, 0)
    h = y.astype(np.float32).astype(np.float64)
    left = 2 * (np.exp(h * h) * np.exp((y - h) * (y + h))) - special.erfcx(-y)
    return np.where(np.abs(x) < 1, np.exp(np.square(np.clip(x, -1, 1))) * _erfc(x), np.where(x < 0, left, special.erfcx(x)))


def logerfc(x: Any) -> Any:
    """log(erfc(x)): log1p(-erf(x)), or through exp(x^2) erfc(x) where erfc is small."""
    return np.where(x < 0.5, np.log1p(-_erf(x)), np.where(x < 20, np.log(_erfc(np.minimum(x, 20))), np.log(special.erfcx(x)) - np.square(x)))


@extended
def _stirling(x: Any) -> Any:
    """log |gamma(x)| for -6 < x: Stirling's series at y = x + 16, less the logarithm of the product between."""
    y, steps = x + 16, np.abs(np.prod([x + k for k in range(16)], axis=0))
    series = sum(b / (2 * m * (2 * m - 1) * y**(2 * m - 1)) for m, b in enumerate(special.bernoulli(24)[2::2], 1))
    return (y - 0.5) * np.log(y) - y + np.log(8 * np.arctan(np.ones_like(y))) / 2 + series - np.log(steps)


@extended
def _beside_two(d: Any) -> Any:
    """log gamma(2 + d) = (1 - Euler's gamma) d + sum over k > 1 of (zeta(k) - 1) (-d)^k/k"""
    return (1 - np.euler_gamma) * d + sum(special.zetac(k) * (-d)**k / k for k in range(2, 30))


def lgamma(x: Any) -> Any:
    """log |gamma(x)|; SciPy's gammaln and loggamma lose their digits near the zeros 1 and 2."""
    x = np.asarray(x)
    one, two, middle = np.abs(x - 1) < 0.1, np.abs(x - 2) < 0.1, (x > -6) & (x < 1e6)
    d = np.where(two, x - 2, np.where(one, x - 1, 0))
    elsewhere = np.where(middle, _stirling(np.where(middle, x, 3)), special.gammaln(np.where(np.isinf(x), np.inf, x)))
    return np.where(one | two, _beside_two(d) - np.where(one, np.log1p(d), 0), elsewhere)


@extended
def sigmoid(x: Any) -> Any:
    """1/(1 + exp(-x)); SciPy's expit is 0 where exp(-x) overflows and the value is subnormal."""
    e = np.exp(-np.abs(x))
    return np.where(np.less(x, 0), e, np.ones_like(e)) / (1 + e)


def polygamma(k: Any, x: Any) -> Any:
    """The k-th derivative of digamma, by reflection for x <= 0, where SciPy's loops as often as |x| is large:
    (-1)^k polygamma(k, 1 - x) - polygamma(k, x) is the k-th derivative of pi cot(pi x), a polynomial in c = cot(pi x) since c' = -pi (1 + c^2).
    """
    k, given = int(k), np.asarray(x)
    x = given.astype(np.float64)
    p = np.polynomial.Polynomial([0.0, np.pi])
    for _ in range(k):
        p = p.deriv() * np.polynomial.Polynomial([-np.pi, 0.0, -np.pi])
    positive, whole = x > 0, x == np.rint(x)
    value = special.polygamma(k, np.where(positive, x, 1 - x))
    reflected = (-1)**k * value - p(1 / np.tan(np.pi * (x - np.rint(x))))
    near = np.abs(x) < 1e-30
    reflected = np.where(near, (-1.0)**(k + 1) * math.factorial(k) / np.where(near, x, 1)**(k + 1), reflected)
    outside = np.where(whole & np.isfinite(x), np.inf if k % 2 else np.nan, reflected)
    return np.where(positive | np.isnan(x), value, outside).astype(given.dtype if given.dtype.kind == "f" else np.float64)


def relu(x: Any) -> Any:
    """max(x, 0), NaN kept."""
    return np.maximum(x, np.zeros_like(x))


@extended
def sech(x: Any) -> Any:
    """1 / cosh(x), without overflow."""
    e = np.exp(-np.abs(x))
    return 2 * e / (1 + e * e)


@extended
def logcosh(x: Any) -> Any:
    """log(cosh(x)), without overflow, and with its digits near 0."""
    size = np.abs(x)
    s = np.sinh(np.minimum(size, 1) / 2)
    return np.where(size < 1, np.log1p(2 * s * s), size - LN2 + np.log1p(np.exp(-2 * size)))


def excess(x: Any, m: Any) -> Any:
    """x - m, and 0 where they are equal, infinite too."""
    return np.where(x == m, np.zeros_like(x), x - m)


def apart(e: Any, c: Any) -> Any:
    """e, and 0 where c holds."""
    return np.where(c, np.zeros_like(e), e)


def log_total(m: Any, r: Any, k: Any) -> Any:
    """m + log(k + r)"""
    return m + np.log1p(r + (k - np.ones_like(r)))


def inverse_total(r: Any, k: Any) -> Any:
    """1 / (k + r), and 0 for an empty sum."""
    z = r + k
    return np.where(z == 0, np.zeros_like(z), 1 / z)


def times_log(x: Any, l: Any) -> Any:
    """x*l, and 0 where x is 0 and l is not NaN."""
    return np.where((x == 0) & (l == l), np.zeros_like(l), x * l)


def times_exp(x: Any, u: Any) -> Any:
    """x*exp(u), and 0 where x is 0 and u is not NaN."""
    return times_log(x, np.exp(u))


def exp_sum(x: Any, y: Any) -> Any:
    """exp(x + y), with what the sum rounds away."""
    s = x + y
    t = s - x
    lost = np.where(np.isfinite(s), (x - (s - t)) + (y - t), np.zeros_like(s))
    e = np.exp(s)
    return np.where(e < np.inf, e + e * lost, e)


@extended
def exp_affine(a: Any, b: Any, c: Any) -> Any:
    """exp(a + b*c), with what the sum and the product round away."""
    return np.exp(a + b * c)


@extended
def exp_difference(x: Any, y: Any) -> Any:
    """exp(x) - exp(y), from the greater of the two."""
    d = excess(x, y)
    value = np.where(d > 0, -np.exp(x) * np.expm1(-d), np.exp(y) * np.expm1(np.minimum(d, np.zeros_like(d))))
    return np.where((d == 0) & (x < np.inf), 0, value)


def _lost(x: Any, y: Any, p: Any) -> Any:
    """x*y - p for p = x*y rounded (Dekker, 1971)."""
    (h, l), (g, m) = ((t - (t - v), v - (t - (t - v))) for v, t in ((x, x * 134217729.0), (y, y * 134217729.0)))
    return ((h * g - p) + h * m + l * g) + l * m


def _log_of(e: Any, p: Any, *lows: Any) -> Any:
    """log((p + lows) 2^e), p not far from 1, so that p - 1 and the lows have exact sums where those are small."""
    v = np.ldexp(p, e)
    rest = [np.where(np.isfinite(low), np.ldexp(low, e), 0) for low in lows]
    near = np.abs(v - 1) < 0.5
    value = np.where(near, np.log1p(functools.reduce(np.add, rest, np.where(near, v - 1, 0))), np.log(v) + np.where(v == 0, 0, rest[0] / v))
    return np.where((np.abs(e) < 1000) | (p == 0) | ~np.isfinite(p), value, np.log(p) + e * np.log(2.0))


def log_ratio(x: Any, y: Any) -> Any:
    """log(x / y), without overflow of the quotient, and with its digits near 1."""
    (m, k), (n, j) = np.frexp(x), np.frexp(y)
    q = m / n
    p = q * n
    return _log_of(k - j, q, ((m - p) - _lost(q, n, p)) / n)


def log_product(x: Any, y: Any) -> Any:
    """log(x*y), without overflow of the product, and with its digits near 1."""
    (m, k), (n, j) = np.frexp(x), np.frexp(y)
    return _log_of(k + j, m * n, _lost(m, n, m * n))


def log_product3(x: Any, y: Any, z: Any) -> Any:
    """log(x*y*z), without overflow of the product, and with its digits near 1."""
    (m, k), (n, j), (o, i) = np.frexp(x), np.frexp(y), np.frexp(z)
    a = m * n
    low = _lost(m, n, a)
    return _log_of(k + j + i, a * o, _lost(a, o, a * o), low * o, _lost(low, o, low * o))


def log1p_square(x: Any) -> Any:
    """log(1 + x**2), without overflow of the square."""
    size = np.abs(x)
    return np.where(size < 2.0**60, np.log1p(np.square(size)), 2 * np.log(size))


def binade(x: Any) -> Any:
    """The power of two just below |x|, clamped as the kernels have it; 1 for infinities and NaN."""
    x = np.abs(np.asarray(x))
    bias = 127 if x.dtype == np.float32 else 1023
    span = bias - bias // 16
    exponent = np.clip(np.frexp(np.where(np.isfinite(x), x, 1))[1] - 1, -span, span)
    exponent = np.where(x == 0, -span, exponent)
    return np.ldexp(np.ones_like(x), exponent)


@extended
def over_hypot(a: Any, b: Any) -> Any:
    """a / hypot(a, b), and 0 at the origin."""
    h = np.hypot(a, b)
    return np.where(h == 0, np.zeros_like(h), a / h)


def over_squares(a: Any, b: Any) -> Any:
    """a / (a^2 + b^2), and 0 at the origin."""
    h = np.hypot(a, b)
    scale = np.where(np.isinf(h), 0.5, np.where(h < 1e-290, 2.0**100, 1.0))
    h = np.hypot(a * scale, b * scale)
    value = np.where(np.isinf(h), np.zeros_like(h), a / h / h * scale * scale)
    return np.where(np.isnan(a + b) & ~(np.isinf(a) & np.isinf(b)), a + b, np.where(h == 0, np.zeros_like(h), value))


def at_kink(condition: Any, line: Any, value: Any) -> Any:
    """The value: what is chosen at a kink is a matter of derivatives."""
    return value
