"""NumPy versions of the table's functions that NumPy and SciPy lack."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special


def softplus(x: Any) -> Any:
    """log(1 + exp(x))"""
    return np.logaddexp(x, np.zeros_like(x))


def log1mexp(x: Any) -> Any:
    """log(1 - exp(-x)) (Maechler, Accurately computing log(1 - exp(-|a|)), 2012)."""
    return np.where(x < np.asarray(np.log(2), np.asarray(x).dtype), np.log(-np.expm1(-x)), np.log1p(-np.exp(-x)))


def erfc(x: Any) -> Any:
    """SciPy's erfc, but for x > 2, where that loses digits, and is 0 early: exp(-h^2) exp(h^2 - x^2) erfcx(x) with an h whose square is exact."""
    x = np.asarray(x)
    y = np.clip(x, 0, 40)
    h = y.astype(np.float32).astype(np.float64)
    half = np.exp(-h * h / 2)
    return np.where(x > 2, (half * np.exp((h - y) * (h + y)) * special.erfcx(y) * half).astype(x.dtype), special.erfc(x))


def logerfc(x: Any) -> Any:
    """log(erfc(x)): log1p(-erf(x)), or through exp(x^2) erfc(x) where erfc is small."""
    return np.where(x < 0.5, np.log1p(-special.erf(x)), np.log(special.erfcx(x)) - np.square(x))


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
    outside = np.where(whole | np.isinf(x), np.inf if k % 2 else np.nan, reflected)
    return np.where(positive | np.isnan(x), value, outside).astype(given.dtype if given.dtype.kind == "f" else np.float64)


def relu(x: Any) -> Any:
    """max(x, 0), NaN kept."""
    return np.maximum(x, np.zeros_like(x))


def sech(x: Any) -> Any:
    """1 / cosh(x), without overflow."""
    e = np.exp(-np.abs(x))
    return 2 * e / (1 + e * e)


def logcosh(x: Any) -> Any:
    """log(cosh(x)), without overflow, and with its digits near 0."""
    size = np.abs(x)
    e = np.expm1(np.minimum(size, 1))
    return np.where(size < 1, np.log1p(e * e / (2 * (1 + e))), size - size.dtype.type(np.log(2)) + np.log1p(np.exp(-2 * size)))


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


def exp_sum(x: Any, y: Any) -> Any:
    """exp(x + y), with what the sum rounds away."""
    s = x + y
    t = s - x
    lost = np.where(np.isfinite(s), (x - (s - t)) + (y - t), np.zeros_like(s))
    e = np.exp(s)
    return np.where(e < np.inf, e + e * lost, e)


def exp_difference(x: Any, y: Any) -> Any:
    """exp(x) - exp(y), from the greater of the two."""
    d = excess(x, y)
    return np.where(d > 0, -np.exp(x) * np.expm1(-d), np.exp(y) * np.expm1(np.minimum(d, np.zeros_like(d))))


def _log_of(value: Any, apart: Any) -> Any:
    """log(value), or `apart` where the value has left the format's normal range; NaN where it is negative."""
    info = np.finfo(np.asarray(value).dtype)
    fits = (value > 4 * info.tiny) & (value < info.max / 4)
    return np.where(fits, np.log(np.where(fits, value, 1)), np.where(value < 0, np.full_like(value, np.nan), apart))


def log_ratio(x: Any, y: Any) -> Any:
    """log(x / y), without overflow of the quotient."""
    return _log_of(x / y, np.log(np.abs(x)) - np.log(np.abs(y)))


def log_product(x: Any, y: Any) -> Any:
    """log(x*y), without overflow of the product."""
    return _log_of(x * y, np.log(np.abs(x)) + np.log(np.abs(y)))


def log_product3(x: Any, y: Any, z: Any) -> Any:
    """log(x*y*z), without overflow of the product."""
    signs = np.sign(x) * np.sign(y) * np.sign(z)
    apart = np.where(signs < 0, np.full_like(signs, np.nan), np.log(np.abs(x)) + np.log(np.abs(y)) + np.log(np.abs(z)))
    p, q = x * y * z, y * z
    info = np.finfo(np.asarray(p).dtype)
    partial = (np.abs(q) > 4 * info.tiny) & (np.abs(q) < info.max / 4)
    return np.where(partial, _log_of(x * q, apart), apart)


def log1p_square(x: Any) -> Any:
    """log(1 + x**2), without overflow of the square."""
    size = np.abs(x)
    inverse = 1 / np.maximum(size, 1)
    return np.where(size < 1, np.log1p(np.minimum(size, 1)**2), 2 * np.log(np.maximum(size, 1)) + np.log1p(inverse * inverse))


def binade(x: Any) -> Any:
    """The power of two just below |x|, clamped as the kernels have it; 1 for infinities and NaN."""
    x = np.abs(np.asarray(x))
    bias = 127 if x.dtype == np.float32 else 1023
    span = bias - bias // 16
    exponent = np.clip(np.frexp(np.where(np.isfinite(x), x, 1))[1] - 1, -span, span)
    exponent = np.where(x == 0, -span, exponent)
    return np.ldexp(np.ones_like(x), exponent)


def over_hypot(a: Any, b: Any) -> Any:
    """a / hypot(a, b), and 0 at the origin."""
    h = np.hypot(a, b)
    return np.where(h == 0, np.zeros_like(h), np.where(np.isinf(h) & np.isfinite(a) & np.isfinite(b), (a / 2) / np.hypot(a / 2, b / 2), a / h))


def at_kink(condition: Any, line: Any, value: Any) -> Any:
    """The value: what is chosen at a kink is a matter of derivatives."""
    return value
