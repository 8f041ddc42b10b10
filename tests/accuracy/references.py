"""What a function is worth: in NumPy's 80-bit arithmetic where it has the function, in mpmath for all."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

from .cases import CASES, row

LONG = np.longdouble
LN2 = np.log(LONG(2))


def _two_sum(x: Any, y: Any) -> tuple[Any, Any]:
    s = x + y
    back = s - x
    lost = (x - (s - back)) + (y - back)
    return s, np.where(np.isfinite(s), lost, 0)


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))


def _exp_sum(x: Any, y: Any) -> Any:
    s, lost = _two_sum(x, y)
    return np.exp(s) * (1 + np.where(abs(s) < 20000, lost, 0))


def _exp_difference(x: Any, y: Any) -> Any:
    high, low = np.maximum(x, y), np.minimum(x, y)
    d, lost = _two_sum(low, -high)
    value = -np.exp(high) * (np.expm1(d) + lost * np.exp(d))
    return np.where(x == y, 0 * (x == x), np.where(x > y, value, -value))


def _log_near(q: Any, excess: Any) -> Any:
    """log(q), by q - 1 where that is small."""
    return np.where(abs(excess) < 0.3, np.log1p(excess), np.log(q))


def _lost(x: Any, y: Any, total: Any) -> Any:
    """x*y - total: the greater parts have 32 bits, so that all products are exact (Dekker)."""
    def halves(v: Any) -> tuple[Any, Any]:
        t = v * LONG(2**32 + 1)
        high = t - (t - v)
        return high, v - high
    (h, l), (g, m) = halves(x), halves(y)
    return (((h * g - total) + h * m) + l * g) + l * m         # where the sum is small, each step is exact


def _exp_affine(a: Any, b: Any, c: Any) -> Any:
    """exp(a + b*c), with what product and sum round away."""
    p = b * c
    s, lost = _two_sum(a, p)
    return np.exp(s) * (1 + np.where(abs(s) < 20000, lost + _lost(b, c, p), 0))


def _logcosh(x: Any) -> Any:
    size = abs(x)
    near = 2 * np.square(np.sinh(np.minimum(size, 2) / 2))
    return np.where(size < 2, np.log1p(near), size - LN2 + np.log1p(np.exp(-2 * size)))


def _total(m: Any, r: Any, k: Any) -> Any:
    s, lost = _two_sum(k, r)
    return np.where(s == 0, -np.inf, m + np.log(s) + lost / s)


RULES: dict[str, Callable[..., Any]] = {
    **{n: getattr(np, n) for n in """exp expm1 log log1p log2 log10 sqrt cbrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh
       power hypot arctan2 maximum minimum sign floor ceil abs""".split()},
    "relu": lambda x: np.maximum(x, 0), "round": np.rint, "softplus": _softplus, "logsigmoid": lambda x: -_softplus(-x),
    "sigmoid": lambda x: np.where(x < 0, np.exp(np.minimum(x, 0)), LONG(1)) / (1 + np.exp(-abs(x))),
    "log1mexp": lambda x: np.where(x < 0.7, np.log(-np.expm1(-x)), np.log1p(-np.exp(-x))),
    "xlogy": lambda x, y: np.where((x == 0) & ~np.isnan(y), 0, x * np.log(y)), "times_log": lambda x, y: np.where((x == 0) & ~np.isnan(y), 0, x * y),
    "sech": lambda x: 1 / np.cosh(x), "sech2": lambda x: np.cosh(x)**-2, "logcosh": _logcosh, "log1p_square": lambda x: np.log1p(x * x),
    "times_exp": lambda x, u: np.where((x == 0) & ~np.isnan(u), 0, x * np.exp(u)), "excess": lambda x, m: np.where(x == m, 0, x - m), "apart": lambda e, c: np.where(c > 0, 0, e), "scaled": lambda x, b: x / b,
    "inverse_total": lambda r, k: np.where(r + k == 0, 0, 1 / (r + k)), "exp_sum": _exp_sum, "exp_affine": _exp_affine, "exp_difference": _exp_difference,
    "over_hypot": lambda a, b: np.where((a == 0) & (b == 0), 0, a / np.hypot(a, b)),
    "over_squares": lambda a, b: np.where((a == 0) & (b == 0), 0, a / np.hypot(a, b) / np.hypot(a, b)),
    "log_ratio": lambda x, y: _log_near(x / y, (x - y) / y), "log_product": lambda x, y: _log_near(x * y, _lost(x, y, 1)),
    **{f"powi{n}": functools.partial(lambda n, x: x**n, n) for n in (3, 5, 8)},
}
# What these reduce, mpmath reduces in as many bits as the exponent has: far arguments take minutes.
SLOW = dict.fromkeys(("lgamma", "digamma", "polygamma"), 300)


def _call(name: str, numbers: list[Any]) -> Any:
    case = CASES[name]
    if case.row == "powi":
        return numbers[0]**case.order
    if case.row == "polygamma":
        numbers = [mpmath.mpf(case.order), *numbers]
    if name == "apart":
        numbers = [numbers[0], numbers[1] > 0]
    rule = row(name).mpmath
    return (getattr(mpmath, rule) if isinstance(rule, str) else functools.partial(rule, mpmath))(*numbers)**case.power


def exact(name: str, arguments: tuple[float, ...]) -> Any:
    """The value in mpmath, rounded to 80 bits."""
    with mpmath.workdps(60):
        numbers = [mpmath.mpf(a) for a in arguments]
        try:
            value = _call(name, numbers)
        except (ValueError, ZeroDivisionError):
            return LONG(math.nan)
        except OverflowError:                                              # far beyond where the value is 0 or infinite
            value = _call(name, [max(min(a, mpmath.mpf(10)**6), -mpmath.mpf(10)**6) for a in numbers])
        if isinstance(value, mpmath.mpc) or mpmath.isnan(value):
            return LONG(math.nan)
        if not mpmath.isfinite(value) or value == 0:
            return LONG(float(value))
        fraction, exponent = mpmath.frexp(value)
        high = float(fraction)
        return np.ldexp(LONG(high) + LONG(float(fraction - high)), max(-20000, min(20000, int(exponent))))


@np.errstate(over="ignore")
def exactly(name: str, arguments: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.array([exact(name, p) for p in zip(*(a.tolist() for a in arguments), strict=True)], LONG)


def known(name: str, arguments: tuple[np.ndarray, ...], count: int) -> tuple[np.ndarray, ...]:
    """`count` of the arguments, where mpmath has a value in reasonable time: finite, and not 0, since it knows no -0."""
    most = SLOW.get(CASES[name].row or name, np.inf)
    at = np.flatnonzero(np.logical_and.reduce([(np.abs(a) < most) & (a != 0) for a in arguments]))
    return tuple(a[at[::max(1, len(at) // count)]] for a in arguments)
