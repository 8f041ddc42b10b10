r"""What stable forms are made of: each function is a formula that its factors alone would overflow, underflow or cancel in.

They are free of branches, and compiled without reordering: `exp_sum` adds what the sum x + y rounded away (Knuth's two-sum).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphc.codegen.mathlib.formats import FORMATS, casts, select, strict
from graphc.codegen.mathlib.intrinsics import llvm
from graphc.codegen.mathlib.pairs import fused, two_sum

__all__ = ["stable_functions", "STABLE_NAMES"]

STABLE_NAMES = """excess apart faded log_total inverse_total times_log times_exp exp_sum exp_affine log1p_square scaled binade over_hypot
    over_squares""".split()


def stable_functions(real: Any, exp: Callable[..., Any], log: Callable[..., Any], log1p: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The functions by name, in the precision `real`."""
    inlined = strict
    zero, one, two, inf = map(real, (0, 1, 2, math.inf))
    maximum, minimum = llvm(real, "maximum", 2), llvm(real, "minimum", 2)
    fma, large = fused(real), real(2.0**(FORMATS[real].mantissa + 1))

    @inlined
    def excess(x, m):                                                      # x - m, 0 where both are the same infinity
        return select(x == m, zero, x - m)

    @inlined
    def apart(e, c):                                                       # e, 0 where c holds
        return select(c, zero, e)

    @inlined
    def faded(s, d):                                                       # s d, 0 where s = 0: what is not there meets no NaN
        return select(s == zero, zero, s * d)

    @inlined
    def log_total(m, r, k):                                                # m + log(k + r)
        return m + log1p(r + (k - one))

    @inlined
    def inverse_total(r, k):                                               # 1 / (k + r), 0 for an empty sum
        z = r + k
        return select(z == zero, zero, one / z)

    @inlined
    def times_log(x, l):                                                   # x l, 0 where x = 0 unless l is NaN
        return select((x != zero) | (l != l), x * l, zero)

    @inlined
    def times_exp(x, u):                                                   # x exp(u), 0 where x = 0 unless u is NaN
        return times_log(x, exp(u))

    @inlined
    def exp_sum(x, y):                                                     # exp(x + y)
        s = x + y
        t = s - x
        lost = select(abs(s) < inf, (x - (s - t)) + (y - t), zero)
        e = exp(s)
        return select(e < inf, e + e * lost, e)

    @inlined
    def exp_affine(a, b, c):                                               # exp(a + b c)
        p = b * c
        total, lost = two_sum(a, p)
        s, lost = two_sum(total, lost + fma(b, c, -p))
        within = abs(s) < inf
        e, lost = exp(select(within, s, fma(b, c, a))), select(within, lost, zero)
        return select(e < inf, e + e * lost, e)

    @inlined
    def log1p_square(x):                                                   # log(1 + x^2); 2 log(1 + |x|) where x^2 may leave the format
        size = abs(x)
        near = size < large
        return log1p(select(near, x * x, size)) * select(near, one, two)

    @inlined
    def scaled(x, b):                                                      # x / b for a power of two b, whose inverse is exact
        return x * (one / b)

    binade, inverse = _binade(real)

    @inlined
    def over_hypot(a, b):                                                  # a / hypot(a, b), 0 at the origin
        scale = binade(maximum(abs(a), abs(b)))
        p, q = a * inverse(scale), b * inverse(scale)
        greater = maximum(abs(p), abs(q))
        less = select(greater == abs(p), q, p)
        square = greater * greater
        h = math.sqrt(square + fma(less, less, select(square < inf, fma(greater, greater, -square), zero)))
        return select(h == zero, zero, p / h)

    @inlined
    def over_squares(a, b):                                                # a / (a^2 + b^2), 0 at the origin
        back = inverse(binade(maximum(abs(a), abs(b))))
        p, q = abs(a * back), abs(b * back)
        greater, less = maximum(p, q), minimum(p, q)
        square = greater * greater
        total = square + fma(less, less, select(square < inf, fma(greater, greater, -square), zero))
        return select((total == zero) | (total == inf), zero, a * back * back / total)

    scope = locals()
    return {name: scope[name] for name in STABLE_NAMES}


def _binade(real: Any) -> tuple[Callable[..., Any], ...]:
    """The power of two just below |x|, neither so small nor so large that its square or inverse leaves the format; 1 for inf and NaN. And 1/b
    of such a power of two, without a division."""
    form = FORMATS[real]
    integer = form.integer
    span = form.bias - form.bias // 16
    as_real, as_integer = casts(real)
    shift, least, most, special = integer(form.mantissa), integer(form.bias - span), integer(form.bias + span), integer(2 * form.bias + 1)
    bias, opposite = integer(form.bias), integer(2 * form.bias << form.mantissa)

    @strict
    def binade(x):                                                         # type: ignore[no-untyped-def]
        exponent = as_integer(abs(x)) >> shift
        clamped = select(exponent < least, least, select(exponent > most, most, exponent))
        return as_real(integer(select(exponent == special, bias, clamped)) << shift)

    @strict
    def inverse(b):                                                        # type: ignore[no-untyped-def]
        return as_real(integer(opposite - as_integer(b)))

    return binade, inverse
