r"""log |gamma|, digamma and trigamma of float32, computed in float64 without branches and calls, so that loops over them vectorise.

    log gamma(w) = S(w + 8) - log P(w),   psi(w) = log z - 1/(2z) - ... - P'(w)/P(w),  z = w + 8,   P(w) = w (w + 1) ... (w + 7),  for w < 8
    S(z) = (z - 1/2) log z - z + log(2 pi)/2 + sum of B_2m/(2m (2m-1) z^(2m-1))                      (Abramowitz and Stegun, 6.1.41, 6.3.18)
    psi'(w) = 1/z + 1/(2z^2) + ... + (P'(w)/P(w))^2 - P''(w)/P(w)                                   (6.4.12)
    for x < 1/2:  log |gamma(x)| = log(pi/|sin(pi x)|) - log gamma(1 - x),   psi(x) = psi(1 - x) - pi cot(pi x),
                  psi'(x) = (pi/sin(pi x))^2 - psi'(1 - x)

They have an absolute error of some 10^-15, which is nothing beside 2^-24 of what they are at any float32 but near the zeros 1, 2 and 1.4616..., where
a polynomial is multiplied by the distance from the zero: log gamma(w) = (w - 1)(w - 2) R(w).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import float32, float64

from graphc.codegen.mathlib.coefficients import DIGAMMA_NEAR, DIGAMMA_ZERO, LGAMMA_NEAR
from graphc.codegen.mathlib.formats import contracted, polynomial, select
from graphc.codegen.mathlib.intrinsics import llvm
from graphc.codegen.mathlib.logarithm import logarithm

__all__ = ["gamma_functions_of_single_precision"]

# B_2m/(2m (2m - 1)), B_2m/(2m) and B_2m
STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360]
LOGARITHMIC = [1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760]
ALGEBRAIC = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730]
SINE = [(-1)**k * math.pi**(2 * k + 1) / math.factorial(2 * k + 1) for k in range(11)]
COSINE = [(-1)**k * math.pi**(2 * k) / math.factorial(2 * k) for k in range(11)]
FAR = 8.0


def gamma_functions_of_single_precision(of_any_order: Callable[..., Any]) -> tuple[Callable[..., Any], ...]:
    """lgamma, digamma and polygamma, which is that `of_any_order` but for the orders 0 and 1."""
    log, rint = logarithm(float64), llvm(float64, "rint", 1)
    stirling, logarithmic, algebraic = (polynomial(float64, c) for c in (STIRLING, LOGARITHMIC, ALGEBRAIC))
    sine, cosine, near_zeros = (polynomial(float64, c) for c in (SINE, COSINE, LGAMMA_NEAR))
    (root, root_low), near = DIGAMMA_ZERO, polynomial(float64, DIGAMMA_NEAR)
    half_log_two_pi, pi, inf, nan = math.log(2 * math.pi) / 2, math.pi, math.inf, math.nan

    @contracted
    def product(w):                                                        # P(w) and its derivatives; each of a, b, c, d has the slope 2w + 7
        a, b, c, d = w * (w + 7.0), (w + 1.0) * (w + 6.0), (w + 2.0) * (w + 5.0), (w + 3.0) * (w + 4.0)
        ab, cd, slope = a * b, c * d, 2.0 * w + 7.0
        first = (a + b) * cd + (c + d) * ab
        return ab * cd, slope * first, 2.0 * first + 2.0 * slope * slope * (ab + cd + (a + b) * (c + d))

    @contracted
    def argument(x):                                                       # whether x < 1/2; w and z; whether they are the same; 1/z
        left = x < 0.5
        w = select(left, 1.0 - x, x)
        far = w >= FAR
        z = select(far, w, w + FAR)
        return left, w, z, far, 1.0 / z

    @contracted
    def lgamma(given):                                                     # type: ignore[no-untyped-def]
        x = float64(given)
        left, w, z, far, inverse = argument(x)
        near = abs(w - 1.5) < 0.75
        whole = (z - 0.5) * log(z) - z + half_log_two_pi + inverse * stirling(inverse * inverse)
        value = select(near, (w - 1.0) * (w - 2.0) * near_zeros(w - 1.5) + 0.0, whole)         # no -0
        p, _, _ = product(w)
        p = select(near | far, 1.0, p)
        r = x - rint(x)
        sin = r * sine(r * r)
        rest = log(select(left, pi * p / abs(sin), p))
        value = select(left, rest - value, value - rest)
        return float32(select(abs(x) < inf, value, select(x == x, inf, x)))

    @contracted
    def digamma(given):                                                    # type: ignore[no-untyped-def]
        x = float64(given)
        left, w, z, far, inverse = argument(x)
        square = inverse * inverse
        p, slope, _ = product(w)
        value = log(z) - 0.5 * inverse - square * logarithmic(square) - select(far, 0.0, slope / p)
        r = select(x == 0.0, x, x - rint(x))                               # the sign of 0
        z = r * r
        turned = pi * cosine(z) / (r * sine(z))
        turned = select((r == 0.0) & (x != 0.0), nan, turned)              # at a pole
        value = value - select(left, turned, 0.0)
        from_zero = (x - root) - root_low
        value = select(abs(from_zero) < 0.25, from_zero * near(from_zero), value)
        return float32(select(x < inf, value, x))

    @contracted
    def trigamma(given):                                                   # type: ignore[no-untyped-def]
        x = float64(given)
        left, w, z, far, inverse = argument(x)
        square = inverse * inverse
        p, slope, second = product(w)
        ratio = slope / p
        value = inverse + 0.5 * square + inverse * (square * algebraic(square)) + select(far, 0.0, ratio * ratio - second / p)
        r = x - rint(x)
        turned = pi / (r * sine(r * r))
        value = select(left, turned * turned - value, value)
        return float32(select(abs(x) < inf, value, select(x > 0.0, 0.0, nan)))

    @contracted
    def polygamma(k, x):                                                   # type: ignore[no-untyped-def]
        return trigamma(x) if k == 1 else digamma(x) if k == 0 else of_any_order(k, x)

    return lgamma, digamma, polygamma
