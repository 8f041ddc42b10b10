r"""log and log1p without branches and calls, so that loops over them vectorise.

    x = 2^k (1 + f),  sqrt(1/2) <= 1 + f < sqrt(2);   s = f/(2 + f);
    log(1 + f) = log((1 + s)/(1 - s)) = 2s + s^3 (2/3 + 2/5 s^2 + ...) = f - (f^2/2 - s (f^2/2 + R(s^2)))

The last form, in which the first term is exact and the others are small against it, is that of FreeBSD's msun (e_log.c, s_log1p.c).
k and f are read off the bits of x; subnormal numbers are scaled first. R is the series above, fitted.
log1p takes the logarithm of u = 1 + x and adds c/u for what the sum rounded away, c = (1 + x) - u (Kahan); where k = 0, f is x itself.
After exp(-|x|), as in softplus, 0 <= x <= 1, k is 0 or 1, and f is x or (x - 1)/2: no bits need be read.
At most 1 ULP; log(0) is -inf, the logarithm of a negative number NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphc.codegen.mathlib.coefficients import LOG
from graphc.codegen.mathlib.formats import FORMATS, casts, contracted, polynomial, select, strict

__all__ = ["logarithm_pieces", "logarithm", "logarithm_plus_one", "logarithm_plus_fraction"]


def logarithm_pieces(real: Any) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """split(x) = k, k as a real, 1 + f for a normal x > 0; whole(k, f) = k ln 2 + log(1 + f); and joined(k, f, c) = whole(k, f) + c/(1 + f), c
    small against the rest."""
    form = FORMATS[real]
    integer = form.integer
    one, two, half, high, low, rounder = map(real, (1.0, 2.0, 0.5, form.ln2_high, form.ln2_low, form.rounder))
    zero_bits, root_bits, shift = integer(form.bits(form.rounder)), integer(form.bits(math.sqrt(0.5))), integer(form.mantissa)
    as_real, as_integer = casts(real)
    series = polynomial(real, LOG[real])

    @strict
    def split(x):                                                          # type: ignore[no-untyped-def]
        bits = as_integer(x)
        k = integer(integer(bits - root_bits) >> shift)                    # Numba widens arithmetic in int32
        return k, as_real(k + zero_bits) - rounder, as_real(bits - (k << shift))

    @contracted
    def joined(n, f, c):                                                   # type: ignore[no-untyped-def]
        s = f / (two + f)
        z = s * s
        square = half * f * f
        rest = n * low + c * ((one - s) * (one - s + z))                   # 1/(1 + f) = (1 - s)/(1 + s), to 1 %
        return n * high + (f - (square - (s * (square + z * series(z)) + rest)))

    @contracted
    def whole(n, f):                                                       # type: ignore[no-untyped-def]
        s = f / (two + f)
        z = s * s
        square = half * f * f
        return n * high + (f - (square - (s * (square + z * series(z)) + n * low)))

    return split, whole, joined


def logarithm(real: Any) -> Callable[..., Any]:
    """log in the precision `real`."""
    form = FORMATS[real]
    zero, one, inf, nan = map(real, (0.0, 1.0, math.inf, math.nan))
    normal, up, exponent = map(real, (2.0**(1 - form.bias), 2.0**(form.mantissa + 2), form.mantissa + 2))
    split, whole, _ = logarithm_pieces(real)

    @strict
    def log(given):                                                        # type: ignore[no-untyped-def]
        x = real(given)
        small = x < normal
        _, n, m = split(select(small, x * up, x))
        value = whole(n - select(small, exponent, zero), m - one)
        value = select(x < inf, value, x)                                  # infinity and NaN
        return select(x > zero, value, select(x == zero, -inf, x * nan))

    return log


def logarithm_plus_one(real: Any) -> Callable[..., Any]:
    """log(1 + x) in the precision `real`, without cancellation near 0."""
    form = FORMATS[real]
    integer = form.integer
    zero, one, inf, nan = map(real, (0.0, 1.0, math.inf, math.nan))
    none, largest, bias, shift = integer(0), integer(form.bias - 1), integer(form.bias), integer(form.mantissa)
    as_real, _ = casts(real)
    split, _, joined = logarithm_pieces(real)

    @strict
    def log1p(given):                                                      # type: ignore[no-untyped-def]
        x = real(given)
        u = one + x
        lost = select(x > one, one - (u - x), x - (u - one))
        k, n, m = split(u)
        scaled = lost * as_real(integer(bias - select(k < largest, k, largest)) << shift)        # lost/2^k
        near = k == none
        value = joined(n, select(near, x, m - one), select(near, zero, scaled))
        value = select(x < inf, value, x)                                  # infinity and NaN
        value = select(x == zero, x, value)                                # the sign of 0
        return select(x > -one, value, select(x == -one, -inf, x * nan))

    return log1p


def logarithm_plus_fraction(real: Any) -> Callable[..., Any]:
    """log(1 + x) for 0 <= x <= 1, in the precision `real`."""
    zero, one, half, root = map(real, (0.0, 1.0, 0.5, math.sqrt(2) - 1))
    _, whole, _ = logarithm_pieces(real)

    @strict
    def log1p_of_fraction(x):                                              # type: ignore[no-untyped-def]
        near = x < root
        return whole(select(near, zero, one), select(near, x, (x - one) * half))

    return log1p_of_fraction
