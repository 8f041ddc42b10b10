r"""Logarithms of pairs of numbers, and to other bases, without branches and calls.

    log(v + e) = log v + e/v;   log_b(x) = k log_b(2) + log(1 + f)/log(b),  x = 2^k (1 + f)

log(1 + f) = f - (f^2/2 - ...) is kept as a pair while it is divided by log(b), and log_b(2) is split so that its product with k is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath

from graphc.codegen.mathlib.coefficients import LOG
from graphc.codegen.mathlib.exponential import exponential_pieces, one_minus_exponential
from graphc.codegen.mathlib.formats import FORMATS, casts, polynomial, select, strict
from graphc.codegen.mathlib.logarithm import logarithm_pieces
from graphc.codegen.mathlib.pairs import fast_two_sum, fused, two_sum

__all__ = ["logarithm_of_pair", "logarithm_of_one_minus_exponential", "logarithm_to_base"]


def logarithm_of_pair(real: Any) -> Callable[..., Any]:
    """logarithm(v, v_low, t, t_low) = log(v + v_low) for v > 0; t + t_low is v + v_low - 1 with all its digits where v is near 1, else any t <= 1."""
    form = FORMATS[real]
    integer = form.integer
    one, zero = real(1), real(0)
    none, bias, largest, shift = integer(0), integer(form.bias), integer(form.bias - 1), integer(form.mantissa)
    normal, up, exponent = map(real, (2.0**(1 - form.bias), 2.0**(form.mantissa + 2), form.mantissa + 2))
    as_real, _ = casts(real)
    split, _, joined = logarithm_pieces(real)

    @strict
    def log_of_pair(v, v_low, t, t_low):                                   # type: ignore[no-untyped-def]
        small = v < normal
        k, n, m = split(select(small, v * up, v))
        near = (k == none) & (t < one)
        scaled = select(small, zero, v_low) * as_real(integer(bias - select(k < largest, k, largest)) << shift)
        return joined(n - select(small, exponent, zero), select(near, t, m - one), select(near, t_low, scaled))

    return log_of_pair


def logarithm_of_one_minus_exponential(real: Any) -> Callable[..., Any]:
    """log(1 - exp(-x)) for x > 0 in the precision `real`: 1 - exp(-x) as a pair, from which either digit that matters can be had.

    Near 0 it is x - x^2/2 + ..., far away log1p(-exp(-x)): Maechler, Accurately computing log(1 - exp(-|a|)), 2012, switches between log(-expm1)
    and log1p(-exp) at ln 2; here the logarithm does at 1 - exp(-x) = sqrt(1/2), where it has to choose anyway.
    """
    zero, one, inf, nan = map(real, (0.0, 1.0, math.inf, math.nan))
    reduced, scaled = exponential_pieces(real)
    logarithm, one_minus = logarithm_of_pair(real), one_minus_exponential(real)

    @strict
    def log1mexp(given):                                                   # type: ignore[no-untyped-def]
        x = real(given)
        n, r, rest = reduced(-x, zero)
        e, lost = fast_two_sum(one, r)
        t = -scaled(e + (lost + rest), n)
        v, v_low = one_minus(n, r, rest)
        t_low = -scaled((lost + rest) - ((e + (lost + rest)) - e), n)
        value = logarithm(v, v_low, t, t_low)
        return select(x > zero, value, select(x == zero, -inf, x * nan))

    return log1mexp


def logarithm_to_base(real: Any, base: int) -> Callable[..., Any]:
    """log to a base in the precision `real`."""
    form = FORMATS[real]
    zero, one, two, half, inf, nan = map(real, (0.0, 1.0, 2.0, 0.5, math.inf, math.nan))
    normal, up, exponent = map(real, (2.0**(1 - form.bias), 2.0**(form.mantissa + 2), form.mantissa + 2))
    with mpmath.workprec(200):
        scale, scale_low = map(real, form.pair(1 / mpmath.log(base)))
        exact = form.mantissa - form.bias.bit_length()
        two_high = mpmath.ldexp(mpmath.nint(mpmath.ldexp(mpmath.log(2, base), exact)), -exact)
        high, low = real(float(two_high)), real(float(mpmath.log(2, base) - two_high))
    split, _, _ = logarithm_pieces(real)
    fma, series = fused(real), polynomial(real, LOG[real])

    @strict
    def log(given):                                                        # type: ignore[no-untyped-def]
        x = real(given)
        small = x < normal
        _, k, m = split(select(small, x * up, x))
        k = k - select(small, exponent, zero)
        f = m - one
        s = f / (two + f)
        z = s * s
        square = half * f * f
        a, a_low = fast_two_sum(f, s * (square + z * series(z)) - square)
        p = a * scale
        p_low = fma(a, scale, -p) + (a * scale_low + a_low * scale)
        value, lost = two_sum(k * high, p)
        value = select(x < inf, value + (lost + (p_low + k * low)), x)         # infinity and NaN
        return select(x > zero, value, select(x == zero, -inf, x * nan))

    return log
