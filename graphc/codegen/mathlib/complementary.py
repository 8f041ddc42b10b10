r"""The complementary error function, scaled, plain and as a logarithm, without branches and calls. With y = |x|:

    erfcx(y)  = (5/4 + G(t))/(1 + 2y),  t = (y - 3)/(y + 3)      (Shepherd and Laframboise, Math. Comp. 36, 1981)
    erfcx(-y) = 2 exp(y^2) - erfcx(y)
    erfc(y)   = exp(-y^2) erfcx(y),   erfc(-y) = 2 - erfc(y)
    logerfc(x) = log1p(-erf(x)) for x < 1/2, else log(erfcx(x)) - x^2

y^2 is taken with its rounding error, which exp magnifies; erfcx is passed on as a pair of numbers. For x < -1, -erf(x) is 1 - erfc(y).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphc.codegen.mathlib.coefficients import ERF_NEAR, ERFCX
from graphc.codegen.mathlib.exponential import exponential_pieces
from graphc.codegen.mathlib.formats import FORMATS, polynomial, select, strict
from graphc.codegen.mathlib.logarithms import logarithm_of_pair
from graphc.codegen.mathlib.pairs import fast_two_sum, fused, two_sum

__all__ = ["complementary_error_functions"]


def _scaled_pair(real: Any) -> Callable[..., Any]:
    """erfcx(y) for y >= 0 as a pair."""
    one, two, three, limit, far = map(real, (1.0, 2.0, 3.0, 2.0 / math.sqrt(math.pi), 2.0**((FORMATS[real].mantissa + 4) // 2)))
    first, rest = real(1.25), polynomial(real, ERFCX[real])
    fma, zero, half = fused(real), real(0), real(0.5)

    @strict
    def erfcx_pair(y):                                                     # type: ignore[no-untyped-def]
        t = (y - three) / (y + three)
        g, g_low = fast_two_sum(first, rest(t))
        d, d_low = two_sum(one, two * y)
        inverse = one / d
        q = g * inverse
        q_low = (fma(-q, d, g) + (g_low - q * d_low)) * inverse
        return select(y < far, q, half * limit / y), select(y < far, q_low, zero)      # 1/(sqrt(pi) y)

    return erfcx_pair


def _plain_pair(real: Any, erfcx_pair: Callable[..., Any]) -> Callable[..., Any]:
    """erfc(y) = 2^n (value + low), and erfcx(y) as a pair, for y >= 0; beyond the end erfc is 0."""
    one, end = real(1), real({23: 11.0, 52: 28.0}[FORMATS[real].mantissa])
    reduced, _ = exponential_pieces(real)
    fma = fused(real)

    @strict
    def erfc_pair(y):                                                      # type: ignore[no-untyped-def]
        g, g_low = erfcx_pair(y)
        c = select(y < end, y, end)
        square = c * c
        n, r, rest = reduced(-square, -fma(c, c, -square))
        e, lost = fast_two_sum(one, r)
        p = e * g
        return n, p, fma(e, g, -p) + (e * g_low + (lost + rest) * g)

    return erfc_pair


def complementary_error_functions(real: Any) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """erfc, erfcx, logerfc in the precision `real`."""
    erfcx_pair = _scaled_pair(real)
    return _plain(real, erfcx_pair), _scaled(real, erfcx_pair), _logarithm(real, erfcx_pair)


def _inner_pair(real: Any) -> Callable[..., Any]:
    """1 - erf(x) for |x| < 1 as a pair."""
    one, near = real(1), polynomial(real, ERF_NEAR[real])

    @strict
    def inner_pair(x):                                                     # type: ignore[no-untyped-def]
        value, low = fast_two_sum(one, -x)
        return fast_two_sum(value, low - x * near(x * x))

    return inner_pair


def _plain(real: Any, erfcx_pair: Callable[..., Any]) -> Callable[..., Any]:
    zero, two, half = real(0), real(2), real(0.5)
    erfc_pair, inner_pair = _plain_pair(real, erfcx_pair), _inner_pair(real)
    _, scaled = exponential_pieces(real)

    @strict
    def erfc(given):                                                       # type: ignore[no-untyped-def]
        x = real(given)
        n, p, low = erfc_pair(abs(x))
        value = scaled(p + low, n)
        inner, inner_low = inner_pair(x)
        outer = select(x < zero, two - value, select(x == x, value, x))
        return select(abs(x) < half, inner + inner_low, outer)

    return erfc


def _scaled(real: Any, erfcx_pair: Callable[..., Any]) -> Callable[..., Any]:
    zero, one, half, alone, end = map(real, (0.0, 1.0, 0.5, 6.5, 30.0))   # for x < -6.5 the second term is lost
    one_bit = FORMATS[real].integer(1)
    reduced, scaled = exponential_pieces(real)
    fma, inner_pair = fused(real), _inner_pair(real)

    @strict
    def erfcx(given):                                                      # type: ignore[no-untyped-def]
        x = real(given)
        y = abs(x)
        g, g_low = erfcx_pair(y)
        c = select(y < end, y, end)
        square = c * c
        n, r, rest = reduced(square, fma(c, c, -square))
        e, lost = fast_two_sum(one, r)
        lost += rest
        a, a_low = inner_pair(x)                                           # n = 0
        product = e * a
        inner = product + (fma(e, a, -product) + (e * a_low + lost * a))
        s, s_low = two_sum(scaled(e, n + one_bit), -g)
        left = select(y < alone, s + (s_low + (scaled(lost, n + one_bit) - g_low)), scaled(e + lost, n + one_bit))
        outer = select(x < zero, left, select(x == x, g + g_low, x))
        return select(y < half, inner, outer)

    return erfcx


def _logarithm(real: Any, erfcx_pair: Callable[..., Any]) -> Callable[..., Any]:
    zero, one, half, inf, end = map(real, (0.0, 1.0, 0.5, math.inf, 2.0**((FORMATS[real].bias + 1) // 2)))       # from here on x^2 overflows
    near = polynomial(real, ERF_NEAR[real])
    erfc_pair, logarithm = _plain_pair(real, erfcx_pair), logarithm_of_pair(real)
    _, scaled = exponential_pieces(real)
    fma = fused(real)

    @strict
    def logerfc(given):                                                    # type: ignore[no-untyped-def]
        x = real(given)
        y = abs(x)
        g, g_low = erfcx_pair(y)
        n, p, low = erfc_pair(y)
        t, t_low = fast_two_sum(one, -scaled(p + low, n))                  # -erf(x) for x <= -1
        a, a_low = fast_two_sum(-x, -x * near(x * x))
        inner = y < one
        t, t_low = select(inner, a, t), select(inner, a_low, t_low)
        u, lost = two_sum(one, t)
        tail = x > half
        square = x * x
        log = logarithm(select(tail, g, u), select(tail, g_low, lost + t_low), select(tail, one, t), t_low)
        value = select(tail, (log - fma(x, x, -square)) - square, log)
        return select(x < end, value, select(x == x, -inf, x))

    return logerfc
