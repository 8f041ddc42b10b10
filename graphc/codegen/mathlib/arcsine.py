r"""arcsin, arccos and arccosh without branches and calls, so that loops over them vectorise.

    y <= 1/2:  arcsin(y) = y + y^3 P(y^2);   1/2 < y <= 1:  arcsin(y) = pi/2 - 2 arcsin(s),  arccos(y) = 2 arcsin(s),  s = sqrt((1 - y)/2)
    arccosh(x) = log1p(u + sqrt(u (u + 2))),  u = x - 1, and log(x) + log(2) where x^2 - 1 rounds to x^2

P is fitted on [0, 1/4]; roots and the argument of log1p are pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath

from graphc.codegen.mathlib.coefficients import ARCSIN
from graphc.codegen.mathlib.formats import FORMATS, polynomial, select, strict
from graphc.codegen.mathlib.intrinsics import llvm
from graphc.codegen.mathlib.logarithms import logarithm_of_pair
from graphc.codegen.mathlib.pairs import fast_two_sum, fused, two_sum

__all__ = ["arcsine_and_arccosine", "inverse_hyperbolic_cosine"]


def arcsine_and_arccosine(real: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """arcsin and arccos in the precision `real`."""
    zero, one, half, two = map(real, (0.0, 1.0, 0.5, 2.0))
    series, root, copysign, fma = polynomial(real, ARCSIN[real]), llvm(real, "sqrt", 1), llvm(real, "copysign", 2), fused(real)
    with mpmath.workprec(200):
        right, right_low = map(real, FORMATS[real].pair(mpmath.pi / 2))

    @strict
    def pieces(y):                                                         # s, the rest of arcsin(s), and whether s is sqrt((1 - y)/2)
        far = y > half
        z = select(far, (one - y) * half, y * y)
        s = select(far, root(z), y)
        low = select(far & (s > zero), fma(-s, s, z) / (two * s), zero)
        return far, s, low + s * (z * series(z))

    @strict
    def arcsin(given):                                                     # type: ignore[no-untyped-def]
        x = real(given)
        far, s, rest = pieces(abs(x))
        return copysign(select(far, right - (two * s - right_low + two * rest), s + rest), x)

    @strict
    def arccos(given):                                                     # type: ignore[no-untyped-def]
        x = real(given)
        far, s, rest = pieces(abs(x))
        left = x < zero
        near = right - (select(left, -s, s) - (right_low - select(left, -rest, rest)))
        below, lost = fast_two_sum(two * right, -two * s)
        return select(far, select(left, below + (lost + (two * right_low - two * rest)), two * (s + rest)), near)

    return arcsin, arccos


def inverse_hyperbolic_cosine(real: Any) -> Callable[..., Any]:
    """arccosh in the precision `real`."""
    one, large, ln2, zero, two, inf, nan = map(real, (1.0, 2.0**(FORMATS[real].mantissa // 2 + 2), math.log(2), 0.0, 2.0, math.inf, math.nan))
    logarithm, root, fma = logarithm_of_pair(real), llvm(real, "sqrt", 1), fused(real)

    @strict
    def arccosh(given):                                                    # type: ignore[no-untyped-def]
        x = real(given)
        far = x > large
        u, u_low = two_sum(select(far, one, x), -one)
        w, w_low = two_sum(u, two)
        p = u * w
        s = root(p)
        s_low = select(s > zero, (fma(-s, s, p) + (fma(u, w, -p) + (u * w_low + u_low * w))) / (two * s), zero)
        t, t_low = two_sum(u, s)
        t_low = t_low + (u_low + s_low)
        v, v_low = two_sum(one, t)
        value = logarithm(select(far, x, v), select(far, zero, v_low + t_low), select(far, one, t), t_low) + select(far, ln2, zero)
        return select(x < inf, select(x < one, nan, value), x)

    return arccosh
