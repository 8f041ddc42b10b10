"""Subgradients that a user has chosen, in bodies.

    relu(x, at_zero=c)         at_kink(x == 0, c*x, relu(x))                       its value is relu(x), its slope at 0 is c
    maximum(a, b, at_tie=c)    at_kink(a == b, c*a + (1 - c)*b, maximum(a, b))
    clip(x, l, h, at_bound=c)  both, one bound in the other
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import sympy as sp

from graphc.scalar.table import Op, at_kink, op

__all__ = ["chosen", "chosen_at_zero", "clipped", "choice_of", "without_choices", "candidates"]

ZERO, ONE = sp.Integer(0), sp.Integer(1)


def chosen(name: str, args: tuple[sp.Expr, ...], c: sp.Expr) -> sp.Expr:
    """A row of the table, with the slope c of its choice at its first kink."""
    row = op(name).row
    assert row.choice is not None
    return at_kink(row.kinks[0].on(*args), row.choice.line(*args, c), op(name)(*args))


def chosen_at_zero(x: sp.Expr, c: sp.Expr | None, value: sp.Expr) -> sp.Expr:
    """A composed function that is 0 at 0, with slope c there; its own without c."""
    return value if c is None else at_kink(op("eq")(x, ZERO), c * x, value)


def clipped(x: sp.Expr, low: sp.Expr | None, high: sp.Expr | None, c: sp.Expr = ONE) -> sp.Expr:
    """min(max(x, low), high); at a bound x has the share c of the derivative, and the bound the rest."""
    result = x
    for bound, passes in ((low, "lt"), (high, "gt")):
        if bound is not None:
            result = op("where")(op(passes)(x, bound), bound, result)
            result = result if c == 1 else at_kink(op("eq")(x, bound), c * x + (1 - c) * bound, result)
    return result


@cache
def choice_of(e: Op) -> tuple[str, sp.Expr] | None:
    """(keyword, c) where an `at_kink` is a row's choice; None where it is another formula's."""
    value = e.args[2]
    if not isinstance(value, Op) or value.row.choice is None:
        return None
    found = first(candidates(e.args[1]), lambda c: chosen(value.row.name, value.args, c) == e)
    return None if found is None else (value.row.choice.keyword, found)


def first(numbers: list[sp.Expr], holds: Callable[[sp.Expr], Any]) -> sp.Expr | None:
    return next((c for c in numbers if holds(c)), None)


def candidates(line: sp.Expr) -> list[sp.Expr]:
    """The numbers that a line may have been made with."""
    numbers = sorted(line.atoms(sp.Number), key=sp.default_sort_key)
    return [*numbers, *(1 - n for n in numbers), ZERO, ONE, -ONE]


def without_choices(body: sp.Expr) -> sp.Expr:
    """The value alone."""
    return body.replace(lambda e: isinstance(e, op("at_kink")), lambda e: e.args[2]) if body.has(op("at_kink")) else body
