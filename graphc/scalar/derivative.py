"""d body / d x_k, by sympy, once per distinct body; and products that respect selections.

A derivative that repeats the value of a map (exp, tanh, sigmoid, sqrt) reads that value again, as `VALUE`.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from graphc.scalar.symbols import VALUE, placeholder
from graphc.scalar.table import op, where

__all__ = ["derivative", "times", "is_where"]


@cache
def derivative(body: sp.Expr, k: int, *, repeats_value: bool = False) -> sp.Expr:
    """d body / d x_k; with `repeats_value`, occurrences of the body itself become `VALUE`."""
    result = body.diff(placeholder(k))
    if repeats_value and body.args:
        result = result.xreplace({body: VALUE})
    return result


def is_where(expression: sp.Expr) -> bool:
    return isinstance(expression, op("where"))


def times(factor: sp.Expr, expression: sp.Expr) -> sp.Expr:
    """factor * expression, multiplied into the branches of every `where`, so that a side not taken is never a factor.

    >>> from graphc.scalar.symbols import placeholder as x
    >>> times(x(0), where(op("gt")(x(1), 0), 1 / x(1), 0))
    where(gt(x1, 0), x0/x1, 0)
    """
    if expression == 0 or factor == 0:
        return sp.Integer(0)
    if is_where(expression):
        condition, yes, no = expression.args
        return where(condition, times(factor, yes), times(factor, no))
    if isinstance(expression, sp.Mul):
        for k, part in enumerate(expression.args):
            if is_where(part):
                rest = sp.Mul(*expression.args[:k], *expression.args[k + 1:])
                return times(factor * rest, part)
    if isinstance(expression, sp.Add) and expression.has(op("where")):
        return sp.Add(*(times(factor, part) for part in expression.args))
    return factor * expression
