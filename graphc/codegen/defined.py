"""Functions that a module defines for its own formula: a series near a point, the formula elsewhere (scalar/analytic.py)."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from graphc.codegen.text import Printer
from graphc.ir.text import Piece, TextStyle, compose
from graphc.scalar.analytic import Analytic, horner
from graphc.scalar.symbols import placeholder
from graphc.scalar.term import Term, freeze

__all__ = ["defined"]

X = placeholder(0)


def defined(f: Analytic, precision: str, printer: Printer) -> str:
    """The function as source, both sides computed and one selected, so that loops over it vectorise."""
    piece = f.piece(precision)

    def text(e: sp.Expr, name: str) -> str:
        return printer(_named(freeze(e, ("float",)), name))
    written = compose(freeze(f.formula, ("float",)), TextStyle(), lambda t: Piece("x"))
    printer.functions.add("select")
    return "\n".join([
        "@inlined", f"def {f.name}(x):", f'    """{written.text}, and its series at {f.point}"""',
        f"    d = {text(X - f.point, 'x')}",
        f"    near = {text(horner(X, piece.coefficients), 'd')}",
        f"    return select(abs(d) < real({piece.width!r}), near, {text(f.formula, 'x')})"])


def _named(t: Term, name: str) -> Term:
    """A term of one read as one of a variable."""
    return Term("var", (), name, "float") if t.op == "read" else replace(t, args=tuple(_named(a, name) for a in t.args))
