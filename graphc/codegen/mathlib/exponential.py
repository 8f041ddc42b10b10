r"""exp, expm1 and exp(x) - exp(y) without branches and calls, so that loops over them vectorise.

    x = n ln 2 + r, |r| <= ln(2)/2;   exp(x) = 2^n (1 + r + r^2 P(r));   expm1(x) = (2^n - 1) + 2^n (r + r^2 P(r))

n by rounding with a large constant, r in two steps (Cody and Waite, 1980), P fitted, or exp's Taylor polynomial, 2^n through the exponent's
bits. What the sum 1 + r rounds away is added with the small terms, and in pieces what the second step of r does: so exp is rounded nearly once.
It scales in two factors, so that subnormal results round once; expm1 by 2^(n-1) and 2, so that 2^1024 is not needed.
Overflow, underflow and NaN as IEEE has them. exp(x) - exp(y) is exp(x) (1 - exp(y - x)) for x > y, with pairs for both factors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import float32, float64

from graphc.codegen.mathlib.coefficients import EXP
from graphc.codegen.mathlib.formats import FORMATS, casts, contracted, polynomial, select, strict
from graphc.codegen.mathlib.pairs import fast_two_sum, fused, two_sum

__all__ = ["exponential_pieces", "exponential", "exponential_of_pair", "exponential_minus_one", "one_minus_exponential", "exponential_difference"]

# beyond them twice exp is 0, or exp infinite with what may be left of a difference; the degree of the Taylor polynomial that suffices
LIMITS = {float32: (-106.0, 110.0, 7), float64: (-747.0, 745.0, 13)}


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


def exponential_of_pair(real: Any) -> Callable[..., Any]:
    """exp(x + low) for |low| << 1 in the precision `real`."""
    one = real(1)
    reduced, scaled = exponential_pieces(real)

    @contracted
    def exp_of_pair(x, low):                                               # type: ignore[no-untyped-def]
        n, r, rest = reduced(x, low)
        e, lost = fast_two_sum(one, r)
        return select(x == x, scaled(e + (lost + rest), n), x)

    return exp_of_pair


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
    half, two, log2_e, high, low, rounder = map(real, (0.5, 2.0, 1 / math.log(2), f.ln2_high, f.ln2_low, f.rounder))
    zero_bits = integer(f.bits(f.rounder))
    tiny, least, greatest = real(2.0**-(f.mantissa + 2)), real(-(f.mantissa + 4) * math.log(2)), real((f.bias + 1.01) * math.log(2))
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
        return select(abs(x) > tiny, value * two, x)                       # subnormal numbers, the sign of 0; NaN

    return expm1


def one_minus_exponential(real: Any) -> Callable[..., Any]:
    """one_minus(n, r, rest) = 1 - 2^n (1 + r + rest) as a pair, for what `reduced` says of a number below 0."""
    integer, one = FORMATS[real].integer, real(1)
    bias, shift, least = integer(FORMATS[real].bias), integer(FORMATS[real].mantissa), integer(-FORMATS[real].mantissa - 10)
    as_real, _ = casts(real)

    @strict
    def one_minus(n, r, rest):                                             # type: ignore[no-untyped-def]
        s = as_real(integer(select(n > least, n, least) + bias) << shift)  # 2^n, or what is lost in 1 - 2^n
        v, v_low = two_sum(one - s, -s * r)
        return fast_two_sum(v, v_low - s * rest)

    return one_minus


def exponential_difference(real: Any) -> Callable[..., Any]:
    """exp(x) - exp(y) in the precision `real`, from the greater of the two; NaN for two infinities above, 0 for two below."""
    zero, one, inf, large = map(real, (0.0, 1.0, math.inf, 1e4))
    (reduced, scaled), one_minus, fma = exponential_pieces(real), one_minus_exponential(real), fused(real)

    @strict
    def exp_difference(given_x, given_y):                                  # type: ignore[no-untyped-def]
        x, y = real(given_x), real(given_y)
        same = x == y
        greater, less = select(x > y, x, y), select(x > y, y, x)
        d, d_low = two_sum(less, -greater)
        v, v_low = one_minus(*reduced(d, select(abs(d) < large, d_low, zero)))
        n, r, rest = reduced(greater, zero)
        e, lost = fast_two_sum(one, r)
        lost = lost + rest
        p = e * v
        value = scaled(p + (fma(e, v, -p) + (e * v_low + lost * v)), n)
        value = select(same, select(x < inf, zero, x - x), select(greater == inf, inf, value))
        return select((x == x) & (y == y), select(x < y, -value, value), x + y)

    return exp_difference
