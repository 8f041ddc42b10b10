r"""log |gamma|, its derivative digamma and that one's derivatives, polygamma, in float64 also for float32 (but see gamma32).

    psi_k(x) = psi_k(x + n) - (-1)^k k! sum over i < n of (x + i)^-(k + 1)       (Abramowitz and Stegun, 6.4.6)
    psi_0(y) ~ log y - 1/(2y) - sum of B_2m/(2m y^2m),   |psi_k(y)| ~ (k-1)!/y^k (1 + k/(2y) + sum of B_2m (2m+k-1)!/((2m)! (k-1)!) y^-2m)

The recurrence runs from x or from -9 - k, so that terms of two signs are few, up to where 12 terms of the asymptotic series suffice. The terms
left of it are those of psi_k(1 - x - n) - psi_k(1 - x). Its sum, x + i and what the series give are pairs. digamma has a polynomial
around its positive zero. log |gamma| is the C library's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import float64, njit

from graphc.codegen.mathlib.coefficients import DIGAMMA_NEAR, DIGAMMA_ZERO
from graphc.codegen.mathlib.formats import polynomial
from graphc.codegen.mathlib.intrinsics import llvm
from graphc.codegen.mathlib.pairs import fast_two_sum, fused, two_sum
from graphc.codegen.mathlib.power import logarithm_as_pair

__all__ = ["gamma_functions"]

# Bernoulli numbers B_2, B_4, ..., B_24
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330, 854513 / 138, -236364091 / 2730)
FAR = 9.0                       # where the asymptotic series begins, for psi_0
jit = njit(error_model="numpy", inline="never", nogil=True)
fma, logarithm, _floor = fused(float64), logarithm_as_pair(float64), llvm(float64, "floor", 1)


@jit
def _power(x, x_low, n):                                                   # type: ignore[no-untyped-def]
    """(x + x_low)^n as a pair, n >= 1."""
    p, low = x, x_low
    for _ in range(n - 1):
        q = p * x
        low = low * x + (p * x_low + fma(p, x, -q))
        p = q
    return p, low


@jit
def _inverse(p, low):                                                      # type: ignore[no-untyped-def]
    """1/(p + low) as a pair."""
    t = 1.0 / p
    rest = (fma(-t, p, 1.0) - t * low) * t
    return t, rest if abs(t) < math.inf else 0.0


@jit
def _start(k, x):                                                          # type: ignore[no-untyped-def]
    """How many terms lie left of -FAR - k, and the argument after them as a pair."""
    n = _floor(-x - (FAR + k)) + 1.0 if x < -(FAR + k) else 0.0
    y, low = two_sum(x, n)
    return n, y, low


@jit
def _recurrence(k, x, x_low):                                              # type: ignore[no-untyped-def]
    """The sum over i of (x + i)^-(k + 1), and the x + n at which it ends, as pairs."""
    total, low, i, y, y_low = 0.0, 0.0, 0.0, x, x_low
    while y < FAR + k:
        p, p_low = _power(y, y_low, k + 1)
        t, t_low = _inverse(p, p_low)
        if abs(t) == math.inf:
            return t, 0.0, y, y_low
        total, lost = two_sum(total, t)
        low += lost + t_low
        i += 1.0
        y, y_low = two_sum(x, i)
        y_low += x_low
    return total, low, y, y_low


@jit
def _logarithmic(y, y_low):                                                # type: ignore[no-untyped-def]
    """digamma as a pair, by its asymptotic series."""
    h, low = logarithm(y)
    inverse = 1.0 / (y * y)
    series, term = 0.5 / y, inverse
    for m in range(12):
        series += BERNOULLI[m] / (2.0 * (m + 1)) * term
        term *= inverse
    return fast_two_sum(h, (low + y_low / y) - series)


@jit
def _algebraic(k, y, y_low):                                               # type: ignore[no-untyped-def]
    """|psi_k| as a pair, by its asymptotic series."""
    t, low = _inverse(*_power(y, y_low, k))
    factorial = math.gamma(float64(k))
    b = factorial * t
    low = factorial * low + fma(factorial, t, -b)
    inverse = 1.0 / (y * y)
    series, term, ratio = 0.5 * k / y, inverse, 0.5 * k * (k + 1.0)
    for m in range(12):
        series += BERNOULLI[m] * ratio * term
        term *= inverse
        n = 2.0 * (m + 1)
        ratio *= (n + k) * (n + k + 1.0) / ((n + 1.0) * (n + 2.0))
    return fast_two_sum(b, b * series + low)


@jit
def _sum(a, a_low, b, b_low):                                              # type: ignore[no-untyped-def]
    """Of two pairs."""
    s, lost = two_sum(a, b)
    return fast_two_sum(s, lost + (a_low + b_low))


@jit
def _digamma(x):                                                           # type: ignore[no-untyped-def]
    n, y, y_low = _start(0, x)
    total, low, end, end_low = _recurrence(0, y, y_low)
    if abs(total) == math.inf:
        return -total
    s, s_low = _sum(-total, -low, *_logarithmic(end, end_low))
    if n > 0.0:
        whole, whole_low = _logarithmic(*two_sum(1.0, -x))
        left, left_low = two_sum(1.0, -y)
        part, part_low = _logarithmic(left, left_low - y_low)
        s, s_low = _sum(s, s_low, *_sum(whole, whole_low, -part, -part_low))
    return s + s_low


@jit
def _polygamma(k, x):                                                      # type: ignore[no-untyped-def]
    """(-1)^(k+1) psi_k(x) for k >= 1."""
    n, y, y_low = _start(k, x)
    total, low, end, end_low = _recurrence(k, y, y_low)
    factorial = math.gamma(k + 1.0)
    product = factorial * total
    if abs(product) == math.inf:
        return product
    s, s_low = _sum(product, fma(factorial, total, -product) + factorial * low, *_algebraic(k, end, end_low))
    if n > 0.0:
        sign = 1.0 if k % 2 == 1 else -1.0
        whole, whole_low = _algebraic(k, *two_sum(1.0, -x))
        left, left_low = two_sum(1.0, -y)
        part, part_low = _algebraic(k, left, left_low - y_low)
        part, part_low = _sum(part, part_low, -whole, -whole_low)
        s, s_low = _sum(s, s_low, sign * part, sign * part_low)
    return s + s_low


def gamma_functions(real: Any) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """lgamma, digamma, polygamma in the precision `real`."""
    (root, root_low), near = DIGAMMA_ZERO, polynomial(float64, DIGAMMA_NEAR)

    @jit
    def lgamma(x):                                                         # type: ignore[no-untyped-def]
        return real(math.lgamma(float64(x)))

    @jit
    def digamma(x):                                                        # type: ignore[no-untyped-def]
        v = float64(x)
        from_zero = (v - root) - root_low
        if abs(from_zero) < 0.25:
            return real(from_zero * near(from_zero))
        if not v < math.inf:
            return x
        if v == 0.0:
            return real(-math.copysign(math.inf, v))
        if v < 0.0 and v == _floor(v):
            return real(math.nan)
        return real(_digamma(v))

    @jit
    def polygamma(k, x):                                                   # type: ignore[no-untyped-def]
        v = float64(x)
        sign = 1.0 if k % 2 == 1 else -1.0
        if k == 0:
            return digamma(x)
        if not abs(v) < math.inf:
            return real(sign * 0.0 if v > 0.0 else math.nan)
        if v <= 0.0 and v == _floor(v):
            return real(math.inf if k % 2 == 1 else math.nan)
        return real(sign * _polygamma(k, v))

    return lgamma, digamma, polygamma
