r"""x^p, cbrt and hypot without branches and calls, so that loops over them vectorise.

    |x| = 2^n (1 + f),  s = f/(2 + f):   log |x| = n ln 2 + 2s + (2/3) s^3 + s^5 R(s^2)  as a pair,   |x|^p = exp(p log |x|)

exp magnifies the error of its argument by up to 745, so the logarithm has 2^-65 of relative error: s, s^3 and 2/3 are pairs.
float32 may be computed in float64, where the plain logarithm and exponential have digits enough. Signs, zeros, infinities and NaN as IEEE's pow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
from numba import float32, float64

from graphc.codegen.mathlib.coefficients import CBRT, LOG_PAIR
from graphc.codegen.mathlib.exponential import exponential, exponential_pieces
from graphc.codegen.mathlib.formats import FORMATS, casts, polynomial, select, strict
from graphc.codegen.mathlib.intrinsics import llvm
from graphc.codegen.mathlib.logarithm import logarithm, logarithm_pieces
from graphc.codegen.mathlib.pairs import fast_two_sum, fused

__all__ = ["logarithm_as_pair", "power_function", "cube_root", "hypotenuse"]


def _magnitude_in_float64() -> Callable[..., Any]:
    exp, log = exponential(float64), logarithm(float64)

    @strict
    def magnitude(a, p):                                                   # type: ignore[no-untyped-def]
        return float32(exp(float64(p) * log(float64(a))))

    return magnitude


def logarithm_as_pair(real: Any) -> Callable[..., Any]:
    """log a for a >= 0 as a pair; -inf and inf at 0 and inf."""
    form = FORMATS[real]
    zero, one, two, three, inf = map(real, (0.0, 1.0, 2.0, 3.0, math.inf))
    normal, up, exponent = map(real, (2.0**(1 - form.bias), 2.0**(form.mantissa + 2), form.mantissa + 2))
    with mpmath.workprec(200):
        third, third_low = map(real, form.pair(mpmath.mpf(2) / 3))
    split, _, _ = logarithm_pieces(real)
    fma, series = fused(real), polynomial(real, LOG_PAIR[real])
    ln2, ln2_low = real(form.ln2_high), real(form.ln2_low)

    @strict
    def logarithm(a):                                                      # type: ignore[no-untyped-def]
        small = a < normal
        _, n, m = split(select(small, a * up, a))
        n = n - select(small, exponent, zero)
        f = m - one
        d, d_low = fast_two_sum(two, f)
        s = f / d
        s_low = (fma(-s, d, f) - s * d_low) / d
        z = s * s
        cube = z * s
        cube_low = fma(z, s, -cube) + s * fma(s, s, -z) + three * z * s_low
        term = cube * third
        term_low = fma(cube, third, -term) + (cube * third_low + cube_low * third) + cube * (z * series(z))
        h, low = fast_two_sum(two * s, term)
        h, lost = fast_two_sum(n * ln2, h)                                 # exact, and 0 or greater than h
        h, low = fast_two_sum(h, lost + (low + (term_low + two * s_low) + n * ln2_low))
        return select(a == zero, -inf, select(a == inf, inf, h)), low

    return logarithm


def _magnitude(real: Any) -> Callable[..., Any]:
    """a^p for a >= 0; where p log a is not a number, any."""
    one, zero, large = map(real, (1.0, 0.0, 1e4))
    logarithm, fma = logarithm_as_pair(real), fused(real)
    reduced, scaled = exponential_pieces(real)

    @strict
    def magnitude(a, p):                                                   # type: ignore[no-untyped-def]
        h, low = logarithm(a)
        y = p * h
        y_low = fma(p, h, -y) + p * low
        k, r, rest = reduced(y, select(abs(y) < large, y_low, zero))
        e, lost = fast_two_sum(one, r)
        return scaled(e + (lost + rest), k)

    return magnitude


def power_function(real: Any, alone: bool = False) -> Callable[..., Any]:
    """x**p in the precision `real`; float32 in float64, unless it is `alone`."""
    zero, one, half, inf, nan = map(real, (0.0, 1.0, 0.5, math.inf, math.nan))
    magnitude = _magnitude_in_float64() if real is float32 and not alone else _magnitude(real)
    rint, copysign = llvm(real, "rint", 1), llvm(real, "copysign", 2)

    @strict
    def power(given_x, given_p):                                           # type: ignore[no-untyped-def]
        x, p = real(given_x), real(given_p)
        whole = rint(p) == p
        odd = whole & (rint(half * p) != half * p)
        value = magnitude(abs(x), p)
        value = select(odd, copysign(value, x), value)
        value = select((x < zero) & (x > -inf) & (not whole), nan, value)
        value = select((x == x) & (p == p), value, x + p)
        return select((p == zero) | (x == one) | ((x == -one) & (abs(p) == inf)), one, value)

    return power


def cube_root(real: Any) -> Callable[..., Any]:
    r"""cbrt in the precision `real`: x = 2^(3q + j) m;  w ~ m^(-1/3) by a polynomial and one step of third order,  y = m w^2 and one correction."""
    form = FORMATS[real]
    integer = form.integer
    zero, one, inf, three, third, rounder = map(real, (0.0, 1.0, math.inf, 3.0, 1 / 3, form.rounder))
    normal, up, down, second = map(real, (2.0**(1 - form.bias), 2.0**(3 * (form.mantissa // 3 + 2)), 2.0**-(form.mantissa // 3 + 2), 2 / 9))
    double, inverse_up, inverse_down, halved = map(real, (2.0, 2**(-1 / 3), 2**(1 / 3), 0.5))
    bias, shift, zero_bits = integer(form.bias), integer(form.mantissa), integer(form.bits(form.rounder))
    split, _, _ = logarithm_pieces(real)
    as_real, as_integer = casts(real)
    fma, copysign, start = fused(real), llvm(real, "copysign", 2), polynomial(real, CBRT[real])

    @strict
    def cbrt(given):                                                       # type: ignore[no-untyped-def]
        x = real(given)
        y = abs(x)
        small = y < normal
        _, n, m = split(select(small, y * up, y))
        rounded = n * third + rounder
        q = integer(as_integer(rounded) - zero_bits)
        j = n - three * (rounded - rounder)                                # -1, 0 or 1
        w = start(m - one) * select(j > zero, inverse_up, select(j < zero, inverse_down, one))
        a = m * select(j > zero, double, select(j < zero, halved, one))
        h = one - a * w * w * w
        w = w + w * h * (third + second * h)
        root = a * w * w
        square = root * root
        left = fma(-square, root, a) - root * fma(root, root, -square)     # a - root^3
        root = (root + left * (w * w) * third) * as_real((q + bias) << shift) * select(small, down, one)
        return select((y > zero) & (y < inf), copysign(root, x), x)

    return cbrt


def hypotenuse(real: Any) -> Callable[..., Any]:
    """sqrt(a^2 + b^2) in the precision `real`: large and small arguments are scaled by a power of 2, the greater square is a pair."""
    bias, one, inf = FORMATS[real].bias, real(1), real(math.inf)
    large, small = real(2.0**(bias // 2 - 3)), real(2.0**-(bias * 2 // 5))
    down, back_down, up, back_up = (real(2.0**(bias // 5 * k)) for k in (-3, 3, 4, -4))
    fma, root = fused(real), llvm(real, "sqrt", 1)

    @strict
    def hypot(given_a, given_b):                                           # type: ignore[no-untyped-def]
        a, b = abs(real(given_a)), abs(real(given_b))
        greater, less = select(a > b, a, b), select(a > b, b, a)
        scale = select(greater > large, down, select(greater < small, up, one))
        back = select(greater > large, back_down, select(greater < small, back_up, one))
        u, v = greater * scale, less * scale
        square = u * u
        value = root(square + fma(v, v, fma(u, u, -square))) * back
        return select((a == inf) | (b == inf), inf, select((a == a) & (b == b), value, a + b))

    return hypot
