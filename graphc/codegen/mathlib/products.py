r"""Logarithms of products and quotients of numbers whose product or quotient leaves the format, or is so close to 1 that its rounding shows.

    |x| = 2^k m,  sqrt(1/2) <= m < sqrt(2):   log(x y) = (k + l) ln 2 + log(m n),   log(x/y) = (k - l) ln 2 + log(m/n)

The products of the m and their quotient are pairs, which neither overflow nor underflow: so one logarithm suffices, and near 1 no digit is lost.
A zero, an infinity or NaN is told from the product of "units": the sign of a number that is none of these, else the number itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphc.codegen.mathlib.formats import FORMATS, casts, select, strict
from graphc.codegen.mathlib.intrinsics import llvm
from graphc.codegen.mathlib.logarithm import logarithm_pieces
from graphc.codegen.mathlib.pairs import fused, two_sum

__all__ = ["logarithms_of_products"]


def _parts(real: Any) -> Callable[..., Any]:
    """k as a real, m, and the unit."""
    form = FORMATS[real]
    zero, one, inf, copysign = real(0), real(1), real(math.inf), llvm(real, "copysign", 2)
    normal, up, exponent = map(real, (2.0**(1 - form.bias), 2.0**(form.mantissa + 2), form.mantissa + 2))
    split, _, _ = logarithm_pieces(real)

    @strict
    def parts(x):                                                          # type: ignore[no-untyped-def]
        y = abs(x)
        small = y < normal
        _, k, m = split(select(small, y * up, y))
        return k - select(small, exponent, zero), m, select((y > zero) & (y < inf), copysign(one, x), x)

    return parts


def _joined(real: Any) -> Callable[..., Any]:
    """k ln 2 + log(p + low + lower), p near 1, where the unit is 1."""
    integer, bias, shift = FORMATS[real].integer, FORMATS[real].integer(FORMATS[real].bias), FORMATS[real].integer(FORMATS[real].mantissa)
    zero, one, inf, nan = map(real, (0.0, 1.0, math.inf, math.nan))
    split, _, joined = logarithm_pieces(real)
    as_real, _ = casts(real)

    @strict
    def logarithm(k, p, low, lower, unit):                                 # type: ignore[no-untyped-def]
        shifted, more, m = split(p)
        scale = as_real(integer(bias - shifted) << shift)
        f, c = two_sum(m - one, low * scale)
        value = joined(k + more, f, c + lower * scale)
        return select(unit == one, value, select(unit == zero, -inf, select(unit == inf, inf, nan)))

    return logarithm


def logarithms_of_products(real: Any) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """log(x y), log(x/y), log(x y z) in the precision `real`."""
    parts, logarithm, fma, zero = _parts(real), _joined(real), fused(real), real(0)

    @strict
    def log_product(x, y):                                                 # type: ignore[no-untyped-def]
        k, m, u = parts(real(x))
        j, n, v = parts(real(y))
        p = m * n
        return logarithm(k + j, p, fma(m, n, -p), zero, u * v)

    @strict
    def log_ratio(x, y):                                                   # type: ignore[no-untyped-def]
        k, m, u = parts(real(x))
        j, n, v = parts(real(y))
        q = m / n
        return logarithm(k - j, q, fma(-q, n, m) / n, zero, u / v)

    @strict
    def log_product3(x, y, z):                                             # type: ignore[no-untyped-def]
        k, m, u = parts(real(x))
        j, n, v = parts(real(y))
        i, o, w = parts(real(z))
        a = m * n
        p, a_low = a * o, fma(m, n, -a)
        q = a_low * o
        low, lower = two_sum(fma(a, o, -p), q)
        return logarithm(k + j + i, p, low, lower + fma(a_low, o, -q), u * v * w)

    return log_product, log_ratio, log_product3
