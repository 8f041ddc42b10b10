"""The table that the modules of stable forms fill. The language, in which rules are written, stands above the passes and is loaded when used."""

import importlib
from typing import Any

from graphc.passes.pattern import Rules
from graphc.passes.unify import Match
from graphc.scalar.table import op

__all__ = ["STABLE", "Sides", "rule", "row", "positive", "fill"]

STABLE = Rules()
rule = STABLE.rule
Sides = tuple[Any, ...]


def row(name: str, *arguments: Any) -> Any:
    """A function of the table that the language does not export, applied."""
    return importlib.import_module("graphc.frontend.elementwise").elementwise(lambda *x: op(name)(*x), arguments, name)


def positive(m: Match) -> bool:
    """Whether z is a positive number."""
    (z,) = (s.expr for w, s in m.wilds.items() if w.name == "z")
    return bool(z.is_positive)


def fill(modules: str) -> None:
    """Let modules of stable forms add their rules."""
    for name in modules.split():
        importlib.import_module(f"graphc.passes.stable.{name}")
