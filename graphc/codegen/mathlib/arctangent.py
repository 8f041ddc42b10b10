r"""arctan and arctan2 without branches and calls, so that loops over them vectorise.

    0 <= q <= 1:  arctan(q) = q + q^3 P(q^2);   arctan(1/q) = pi/2 - arctan(q);   arctan2(a, b), b < 0: pi - arctan(|a|/|b|)

One division brings every argument to [0, 1], where P is fitted; pi is a pair. The quadrant comes from signs, those of zeros too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath

from graphc.codegen.mathlib.coefficients import ARCTAN
from graphc.codegen.mathlib.formats import FORMATS, polynomial, select, strict
from graphc.codegen.mathlib.intrinsics import llvm

__all__ = ["arctangent", "arctangent_of_two"]


def _pi(real: Any, factor: float) -> Any:
    with mpmath.workprec(200):
        return tuple(map(real, FORMATS[real].pair(mpmath.pi * factor)))


def arctangent(real: Any) -> Callable[..., Any]:
    """arctan in the precision `real`."""
    one, copysign, series = real(1), llvm(real, "copysign", 2), polynomial(real, ARCTAN[real])
    right, right_low = _pi(real, 0.5)

    @strict
    def arctan(given):                                                     # type: ignore[no-untyped-def]
        x = real(given)
        y = abs(x)
        swapped = y > one
        q = select(swapped, one / y, y)
        z = q * q
        rest = q * (z * series(z))
        return copysign(select(swapped, right - (q + (rest - right_low)), q + rest), x)

    return arctan


def arctangent_of_two(real: Any) -> Callable[..., Any]:
    """arctan2 in the precision `real`."""
    zero, one, copysign, series = real(0), real(1), llvm(real, "copysign", 2), polynomial(real, ARCTAN[real])
    right, right_low = _pi(real, 0.5)
    straight, straight_low = _pi(real, 1.0)

    @strict
    def arctan2(given_a, given_b):                                         # type: ignore[no-untyped-def]
        a, b = real(given_a), real(given_b)
        height, width = abs(a), abs(b)
        steep = height > width
        low, high = select(steep, width, height), select(steep, height, width)
        q = select(low == high, select(high == zero, zero, one), low / high)       # both 0, or both infinite
        z = q * q
        rest = q * (z * series(z))
        left = copysign(one, b) < zero
        turn = select(steep, right, select(left, straight, zero))
        turn_low = select(steep, right_low, select(left, straight_low, zero))
        positive = steep == left                                           # where arctan(q) is added to the turn
        value = turn + (select(positive, q, -q) + (select(positive, rest, -rest) + turn_low))
        value = select(steep | left, value, q + rest)
        return select((a == a) & (b == b), copysign(value, a), a + b)

    return arctan2
