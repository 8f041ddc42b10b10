"""A row of the function table as a user reads it: its arguments by name, its formulas as text."""

from __future__ import annotations

import inspect

import sympy as sp

from graphc.ir.text import Piece, TextStyle, compose, number_text
from graphc.scalar.symbols import placeholder
from graphc.scalar.table import Kink, Row
from graphc.scalar.term import Term, freeze

__all__ = ["arguments", "written_over", "set_of", "kinks_of", "choice_text", "interval"]


def arguments(row: Row) -> list[str]:
    """The names of a row's arguments, as its derivative has them."""
    for rule in row.derivatives:
        if rule is not None:
            return list(inspect.signature(rule).parameters)[:-1]
    return list("cab" if row.arity == 3 else "ab" if row.arity == 2 else "x")


def written_over(row: Row, expression: sp.Expr) -> str:
    """An expression over the row's arguments and its value `y`, as a user writes it."""
    names = arguments(row)
    kinds = tuple("bool" if n == "c" else "int" if n == "k" else "float" for n in names)

    def leaf(term: Term) -> Piece:
        return Piece("y" if term.op == "value" else names[term.value])

    return compose(freeze(sp.sympify(expression), kinds), TextStyle(), leaf).text


def set_of(row: Row, kink: Kink) -> str:
    """x == 0"""
    return written_over(row, kink.on(*map(placeholder, range(row.arity))))


def kinks_of(row: Row) -> str:
    """`x == 0`: 0 (kink)"""
    return "; ".join(f"`{set_of(row, k)}`: {k.chosen} ({k.kind})" for k in row.kinks)


def interval(low: sp.Expr, high: sp.Expr) -> str:
    return f"[{number_text(low, 'float')}, {number_text(high, 'float')}]"


def choice_text(row: Row) -> str:
    """`at_zero` in [0, 1]"""
    return f"`{row.choice.keyword}` in {interval(row.choice.low, row.choice.high)}" if row.choice else ""
