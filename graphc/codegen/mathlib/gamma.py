r"""lgamma, digamma and polygamma: recurrence up to an argument where the asymptotic series converges, reflection for x < 0
(Abramowitz and Stegun, 6.3.18, 6.4.11, 6.4.7); digamma has a polynomial around its positive zero. All in float64: float32 has not the digits.

    psi(1 - x) - psi(x) = pi cot(pi x),  and for its derivatives   (-1)^k psi_k(1 - x) - psi_k(x)  has the period 1
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import float64, njit

from graphc.codegen.mathlib.coefficients import DIGAMMA_NEAR, DIGAMMA_ZERO
from graphc.codegen.mathlib.formats import polynomial
from graphc.codegen.mathlib.intrinsics import llvm
from graphc.codegen.mathlib.trigonometric import sine_cosine_tangent

__all__ = ["gamma_functions"]

# Bernoulli numbers B_2, B_4, ..., B_24
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330, 854513 / 138, -236364091 / 2730)

jit = njit(error_model="numpy", inline="never", nogil=True)
_floor, _rint = llvm(float64, "floor", 1), llvm(float64, "rint", 1)
_tangent = sine_cosine_tangent(float64)[2]


@jit
def _digamma(x):                                                           # for x > 0
    shift = 0.0
    while x < 15.0:
        shift += 1.0 / x
        x += 1.0
    inverse = 1.0 / (x * x)
    total = math.log(x) - 0.5 / x
    term = inverse
    for m in range(12):
        total -= BERNOULLI[m] / (2.0 * (m + 1)) * term
        term *= inverse
    return total - shift


@jit
def _power(x, n):                                                          # x**n for a few n >= 0
    result = 1.0
    for _ in range(n):
        result *= x
    return result


@jit
def _tail(k, factorial, x):                                                # |polygamma(k, x)| for x >= 15; factorial = (k - 1)!
    inverse = 1.0 / (x * x)
    scale = 1.0 / _power(x, k)
    total = factorial * scale + 0.5 * factorial * k * scale / x
    term = factorial * k * scale * inverse                                 # k! x^-(k+2)
    ratio = (k + 1.0) / 2.0                                                # (k+1)! / (2! k!)
    for m in range(12):
        total += BERNOULLI[m] * ratio * term
        term *= inverse
        n = 2.0 * (m + 1)
        ratio *= (k + n) * (k + n + 1.0) / ((n + 1.0) * (n + 2.0))
    return total


@jit
def _polygamma(k, x):                                                      # for k >= 1 and x > 0
    factorial = 1.0
    for m in range(1, k):
        factorial *= m
    shift = 0.0
    while x < 15.0 + k:
        shift += factorial * k / _power(x, k + 1)
        x += 1.0
    return (_tail(k, factorial, x) + shift) * (1.0 if k % 2 == 1 else -1.0)


@jit
def _cotangent_derivative(k, x):                                           # d^k/dx^k of pi*cot(pi*x) for k >= 1, which has the period 1
    r = x - _rint(x)
    parity, near, far = 1.0 if k % 2 == 0 else -1.0, _polygamma(k, abs(r)), _polygamma(k, 1.0 - abs(r))
    return parity * far - near if r > 0.0 else parity * near - far


def gamma_functions(real: Any) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """lgamma, digamma, polygamma in the precision `real`."""
    zero, (digamma_zero, digamma_zero_low), near = real(0), DIGAMMA_ZERO, polynomial(float64, DIGAMMA_NEAR)

    @jit
    def lgamma(x):                                                         # log |gamma(x)|
        return real(math.lgamma(float64(x)))

    @jit
    def digamma(x):
        v = float64(x)
        from_zero = (v - digamma_zero) - digamma_zero_low
        if abs(from_zero) < 0.25:
            return real(from_zero * near(from_zero))
        if v > 0.0:
            return real(_digamma(v)) if v < math.inf else x
        if v == 0.0:
            return real(-math.copysign(math.inf, v))
        if not v > -math.inf or v == _floor(v):
            return real(math.nan)
        return real(_digamma(1.0 - v) - math.pi / _tangent(math.pi * (v - _rint(v))))

    @jit
    def polygamma(k, x):
        if k == 0:
            return digamma(x)
        v = float64(x)
        if v > 0.0:
            return real(_polygamma(k, v)) if v < math.inf else zero
        if v != v or v == -math.inf:
            return real(math.nan)
        if v == _floor(v):
            return real(math.inf) if k % 2 == 1 else real(math.nan)
        parity = 1.0 if k % 2 == 0 else -1.0
        return real(parity * _polygamma(k, 1.0 - v) - _cotangent_derivative(k, v))

    return lgamma, digamma, polygamma
