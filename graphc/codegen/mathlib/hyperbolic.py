r"""Hyperbolic functions and their inverses without branches and calls, so that loops over them vectorise. With y = |x|:

    tanh(y) = y + y^3 P(y^2) for y < 1, else 1 - 2q;   sech(y)^2 = 4q (1 - q),   q = E/(1 + E), E = exp(-2y): its slope costs little beside it
    log(cosh(y)) = y^2/2 + y^4 Q(y^2) for y < 1, else (y - log 2) + log1p(exp(-2y));   sech(y) = 2 E/(1 + E^2),  E = exp(-y) as a pair
    cosh(y) = A + 1/(4A),  A = exp(y)/2 as a pair;   sinh(y) = y + y^3 S(y^2) for y < 1, else A - 1/(4A)
    artanh(y) = log1p(2y/(1 - y))/2;   arsinh(y) = log1p(y + y^2/(1 + sqrt(1 + y^2))), and log(y) + log(2) where y^2 + 1 rounds to y^2

P and Q are fitted on [0, 1], S is the Taylor series; the arguments of log1p are pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
from numba import float32

from graphc.codegen.mathlib.coefficients import LOGCOSH, TANH
from graphc.codegen.mathlib.exponential import exponential_pieces
from graphc.codegen.mathlib.formats import FORMATS, contracted, polynomial, select, strict
from graphc.codegen.mathlib.intrinsics import llvm
from graphc.codegen.mathlib.logarithms import logarithm_of_pair
from graphc.codegen.mathlib.pairs import fast_two_sum, fused, two_sum

__all__ = ["hyperbolic_tangent", "hyperbolic_secant", "logarithm_of_cosine", "hyperbolic_sine_and_cosine", "inverse_hyperbolic_sine",
           "inverse_hyperbolic_tangent"]


def hyperbolic_tangent(real: Any, exp: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """tanh and sech^2 in the precision `real`."""
    zero, one, two, four = map(real, (0.0, 1.0, 2.0, 4.0))
    near, fma = polynomial(real, TANH[real]), fused(real)

    @contracted
    def tanh(given):                                                       # type: ignore[no-untyped-def]
        x = real(given)
        size = abs(x)
        z = x * x
        e = exp(-two * size)
        far = one - two * (e * (one / (one + e)))
        value = select(size < one, x + x * z * near(z), select(x < zero, -far, far))
        return select(x == zero, x, value)                                 # the sign of 0

    @strict
    def sech_squared(given):                                               # type: ignore[no-untyped-def]
        e = exp(-two * abs(real(given)))
        d = one + e
        inverse = one / d
        q = e * inverse                                                    # and the corrections of its roundings
        lost = inverse * (fma(-q, d, e) - q * ((one - d) + e))
        return four * (q - fma(q, q, lost * (two * q - one)))

    return tanh, sech_squared


def hyperbolic_secant(real: Any) -> Callable[..., Any]:
    """1/cosh in the precision `real`."""
    zero, one, one_bit = real(0), real(1), FORMATS[real].integer(1)
    reduced, scaled = exponential_pieces(real)
    fma = fused(real)

    @strict
    def sech(given):                                                       # type: ignore[no-untyped-def]
        x = real(given)
        n, r, rest = reduced(-abs(x), zero)
        e, lost = fast_two_sum(one, r)
        e, lost = fast_two_sum(e, lost + rest)
        small = scaled(e, n)
        d, d_low = fast_two_sum(one, small * small)
        value = e / d
        value = value + (fma(-value, d, e) + (lost - value * d_low)) / d
        return select(x == x, scaled(value, n + one_bit), x)

    return sech


def logarithm_of_cosine(real: Any, exp: Callable[..., Any], log1p_of_fraction: Callable[..., Any]) -> Callable[..., Any]:
    """log(cosh) in the precision `real`."""
    zero, one, two, half = map(real, (0.0, 1.0, 2.0, 0.5))
    series = polynomial(real, LOGCOSH[real])
    with mpmath.workprec(200):
        ln2, ln2_low = map(real, FORMATS[real].pair(mpmath.log(2)))

    @strict
    def logcosh(given):                                                    # type: ignore[no-untyped-def]
        x = real(given)
        size = abs(x)
        near = size < one
        z = select(near, x * x, zero)
        far = (size - ln2) + (log1p_of_fraction(exp(-two * size)) - ln2_low)
        return select(near, half * z + z * (z * series(z)), far)

    return logcosh


def hyperbolic_sine_and_cosine(real: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """sinh and cosh in the precision `real`."""
    zero, one, quarter = map(real, (0.0, 1.0, 0.25))
    minus_one_bit = FORMATS[real].integer(-1)
    near = polynomial(real, [1 / math.factorial(2 * k + 3) for k in range(5 if real is float32 else 9)])
    reduced, scaled = exponential_pieces(real)

    @strict
    def halves(y):                                                         # exp(y)/2 as a pair, exp(-y)/2
        n, r, rest = reduced(y, zero)
        e, lost = fast_two_sum(one, r)
        e, lost = fast_two_sum(e, lost + rest)
        up = scaled(e, n + minus_one_bit)
        return up, scaled(lost, n + minus_one_bit), quarter / up

    @strict
    def cosh(given):                                                       # type: ignore[no-untyped-def]
        x = real(given)
        up, low, down = halves(abs(x))
        value, lost = fast_two_sum(up, down)
        return select(value - value == zero, value + (lost + low), value + x * x)      # infinity and NaN

    @strict
    def sinh(given):                                                       # type: ignore[no-untyped-def]
        x = real(given)
        size = abs(x)
        z = x * x
        up, low, down = halves(size)
        value, lost = fast_two_sum(up, -down)
        far = select(value - value == zero, value + (lost + low), value)
        value = select(size < one, x + x * (z * near(z)), select(x < zero, -far, far))
        return select(x == x, select(x == zero, x, value), x)              # the sign of 0; NaN

    return sinh, cosh


def inverse_hyperbolic_sine(real: Any) -> Callable[..., Any]:
    """arcsinh in the precision `real`."""
    one, large, ln2, zero, inf = map(real, (1.0, 2.0**(FORMATS[real].mantissa // 2 + 2), math.log(2), 0.0, math.inf))
    logarithm, root, copysign = logarithm_of_pair(real), llvm(real, "sqrt", 1), llvm(real, "copysign", 2)

    @strict
    def arcsinh(given):                                                    # type: ignore[no-untyped-def]
        x = real(given)
        y = abs(x)
        far = y > large
        z = select(far, zero, y * y)
        t, t_low = fast_two_sum(y, z / (one + root(one + z)))
        v, v_low = two_sum(one, t)
        value = logarithm(select(far, y, v), select(far, zero, v_low + t_low), select(far, one, t), t_low) + select(far, ln2, zero)
        return select(y < inf, copysign(select(y == zero, y, value), x), x)

    return arcsinh


def inverse_hyperbolic_tangent(real: Any) -> Callable[..., Any]:
    """arctanh in the precision `real`."""
    zero, one, half, two, inf, nan = map(real, (0.0, 1.0, 0.5, 2.0, math.inf, math.nan))
    logarithm, copysign, fma = logarithm_of_pair(real), llvm(real, "copysign", 2), fused(real)

    @strict
    def arctanh(given):                                                    # type: ignore[no-untyped-def]
        x = real(given)
        y = abs(x)
        d, d_low = fast_two_sum(one, -y)
        t = two * y / d
        t_low = (fma(-t, d, two * y) - t * d_low) / d
        v, v_low = two_sum(one, t)
        value = half * logarithm(v, v_low + t_low, t, t_low)
        value = select(y < one, select(y == zero, y, value), select(y == one, inf, nan))
        return select(x == x, copysign(value, x), x)

    return arctanh
