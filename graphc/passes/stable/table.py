"""The table that the modules of stable forms fill. The language, in which rules are written, stands above the passes and is loaded when used."""

import importlib
from typing import Any

import sympy as sp

from graphc.passes.pattern import Rules
from graphc.passes.stable.needs import NEEDS
from graphc.passes.unify import Match
from graphc.scalar.table import at_kink, op

__all__ = ["STABLE", "WHOLES", "Sides", "rule", "whole", "row", "differentiated_as", "limit", "shift", "positive", "root_of", "fill"]

STABLE, WHOLES = Rules(NEEDS), Rules(NEEDS)
rule, whole = STABLE.rule, WHOLES.rule
Sides = tuple[Any, ...]


def row(name: str, *arguments: Any) -> Any:
    """A function of the table that the language does not export, applied."""
    return importlib.import_module("graphc.frontend.elementwise").elementwise(lambda *x: op(name)(*x), arguments, name)


def differentiated_as(line: Any, value: Any) -> Any:
    """`value`, whose derivatives are those of `line`: two forms of one function, of which one is good for each."""
    return importlib.import_module("graphc.frontend.elementwise").elementwise(lambda a, b: at_kink(sp.Integer(1), a, b), [line, value], "at_kink")


def limit(formula: sp.Expr, x: Any) -> Any:
    """A formula of x0 that has a limit where it fails, as a function of the table, applied to x."""
    function = importlib.import_module("graphc.passes.removable").function_of(formula)
    return importlib.import_module("graphc.frontend.elementwise").elementwise(function, [x], function.row.name)


def shift(x: Any, axes: tuple[int, ...]) -> Any:
    """max x, held constant; loaded with the language, which stands above."""
    return importlib.import_module("graphc.frontend.reduce").shift(x, axes)


def positive(m: Match) -> bool:
    """Whether z, and w where there is one, are positive numbers."""
    return all(bool(s.expr.is_positive) for w, s in m.wilds.items() if w.name in ("z", "w"))


def root_of(z: Any) -> Any:
    """The square root of a number, exact where it has one."""
    return importlib.import_module("graphc.frontend.elementwise").elementwise(lambda z: z**sp.Rational(1, 2), [z], "sqrt")


def fill(modules: str) -> None:
    """Let modules of stable forms add their rules."""
    for name in modules.split():
        importlib.import_module(f"graphc.passes.stable.{name}")
