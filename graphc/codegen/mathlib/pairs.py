r"""Twice the digits: a number as the unevaluated sum of two.

    a + b = s + e,   s = fl(a + b)      two additions more where |a| >= |b| (Dekker, 1971), else five (Knuth)
    a b = p + e,     p = fl(a b),   e = fma(a, b, -p)

Code that uses them is compiled without `contract` and `reassoc`: the rounding errors are what it computes.
A processor without fused multiply-add calls a function for it: right, and slow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.codegen.mathlib.formats import strict
from graphc.codegen.mathlib.intrinsics import llvm

__all__ = ["fused", "fast_two_sum", "two_sum"]


def fused(real: Any) -> Callable[..., Any]:
    """fma(a, b, c) = a*b + c in the precision `real`, rounded once."""
    return llvm(real, "fma", 3)


@strict
def fast_two_sum(a, b):                                                    # type: ignore[no-untyped-def]
    """a + b and its rounding error, for |a| >= |b|."""
    s = a + b
    return s, b - (s - a)


@strict
def two_sum(a, b):                                                         # type: ignore[no-untyped-def]
    """a + b and its rounding error."""
    s = a + b
    back = s - a
    return s, (a - (s - back)) + (b - back)
