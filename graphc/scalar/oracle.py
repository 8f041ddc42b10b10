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
