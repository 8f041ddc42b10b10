r"""exp and expm1 without branches and calls, so that loops over them vectorise.

    x = n ln 2 + r, |r| <= ln(2)/2;   exp(x) = 2^n (1 + r + r^2 P(r));   expm1(x) = (2^n - 1) + 2^n (r + r^2 P(r))

n by rounding with a large constant, r in two steps (Cody and Waite, 1980), P fitted, or exp's Taylor polynomial, 2^n through the exponent's
bits. What the sum 1 + r rounds away is added with the small terms, and in pieces what the second step of r does: so exp is rounded nearly once.
It scales in two factors, so that subnormal results round once; expm1 by 2^(n-1) and 2, so that 2^1024 is not needed.
Overflow, underflow and NaN as IEEE has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import float32, float64

from graphc.codegen.mathlib.coefficients import EXP
from graphc.codegen.mathlib.formats import FORMATS, casts, contracted, polynomial, select
from graphc.codegen.mathlib.pairs import fast_two_sum

__all__ = ["exponential_pieces", "exponential", "exponential_minus_one"]

# between them, and somewhat beyond, exp is neither 0 nor infinite; the degree of the Taylor polynomial that suffices
LIMITS = {float32: (-104.0, 92.0, 7), float64: (-745.2, 720.0, 13)}


def exponential_pieces(real: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """reduced(x, low) = n, r, rest for exp(x + low) = 2^n (1 + r + rest), |rest| < 0.1, |low| << 1; and scaled(v, n) = 2^n v, -2150 < n < 2048."""
    f = FORMATS[real]
    integer = f.integer
    bias, shift, one_bit = integer(f.bias), integer(f.mantissa), integer(1)
    log2_e, high, low2, rounder = real(1 / math.log(2)), real(f.ln2_high), real(f.ln2_low), real(f.rounder)
    zero_bits = integer(f.bits(f.rounder))
    least, greatest = map(real, LIMITS[real][:2])
    as_real, as_integer = casts(real)
    tail = polynomial(real, [1 / math.factorial(k) for k in range(2, LIMITS[real][2] + 1)])

    @contracted
    def reduced(x, low):                                                   # type: ignore[no-untyped-def]
        y = select(x < greatest, select(x > least, x, least), greatest)
        rounded = y * log2_e + rounder
        n = rounded - rounder
        first, second = y - n * high, n * low2 - low
        r = first - second
        return integer(as_integer(rounded) - zero_bits), r, r * r * tail(r) + ((first - r) - second)

    @contracted
    def scaled(v, n):                                                      # type: ignore[no-untyped-def]
        half = integer(n >> one_bit)
        return v * as_real((half + bias) << shift) * as_real((n - half + bias) << shift)

    return reduced, scaled


def exponential(real: Any) -> Callable[..., Any]:
    """exp in the precision `real`."""
    f = FORMATS[real]
    integer = f.integer
    one, shift, one_bit = real(1), integer(f.mantissa), integer(1)
    log2_e, high, low, rounder = real(1 / math.log(2)), real(f.ln2_high), real(f.ln2_low), real(f.rounder)
    unit = integer(f.bias << f.mantissa)
    least, greatest = map(real, LIMITS[real][:2])
    as_real, as_integer = casts(real)
    tail = polynomial(real, EXP[real])

    @contracted
    def exp(given):                                                        # type: ignore[no-untyped-def]
        x = real(given)
        y = select(greatest < x, greatest, x)                              # NaN stays, and makes the value NaN
        y = select(least > y, least, y)
        rounded = y * log2_e + rounder
        n = rounded - rounder
        r = (y - n * high) - n * low
        e, lost = fast_two_sum(one, r)
        bits = as_integer(rounded)                                         # n in the lowest, and nothing that the shifts below leave
        half = integer(integer(bits >> one_bit) << shift)
        rest = integer(integer(bits << shift) - half)
        return (e + (lost + r * r * tail(r))) * as_real(integer(half + unit)) * as_real(integer(rest + unit))

    return exp


def exponential_minus_one(real: Any) -> Callable[..., Any]:
    """exp(x) - 1 in the precision `real`, without cancellation near 0."""
    f = FORMATS[real]
    integer = f.integer
    below, shift = integer(f.bias - 1), integer(f.mantissa)
    zero, half, two, log2_e, high, low, rounder = map(real, (0.0, 0.5, 2.0, 1 / math.log(2), f.ln2_high, f.ln2_low, f.rounder))
    zero_bits = integer(f.bits(f.rounder))
    least, greatest = real(-(f.mantissa + 4) * math.log(2)), real((f.bias + 1.01) * math.log(2))
    as_real, as_integer = casts(real)
    tail = polynomial(real, [1 / math.factorial(k) for k in range(2, LIMITS[real][2] + 1)])

    @contracted
    def expm1(given):                                                      # type: ignore[no-untyped-def]
        x = real(given)
        y = select(x < greatest, select(x > least, x, least), greatest)
        rounded = y * log2_e + rounder
        n = rounded - rounder
        first, second = y - n * high, n * low
        r = first - second
        rest = r * r * tail(r) + ((first - r) - second)
        scale = as_real((as_integer(rounded) - zero_bits + below) << shift)        # 2^(n-1)
        value = ((scale - half) + scale * r) + scale * rest
        return select(x == x, select(x == zero, x, value * two), x)        # the sign of 0; NaN

    return expm1
