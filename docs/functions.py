"""docs/functions.md as text, from the function table and the docstrings of the public names."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sympy as sp

import graphc as gc
from graphc.ir.rows import arguments, choice_text, kinks_of, written_over
from graphc.scalar.choice import without_choices
from graphc.scalar.symbols import VALUE, placeholder
from graphc.scalar.table import ROWS, Row, op

HEAD = """\
# Functions

Written by `make docs` from the table `graphc/scalar/table.py` and the docstrings; do not edit.
"""

# The modules whose functions a user calls, in the order of the page.
MODULES = {
    "Declarations": "frontend.declare frontend.index",
    "Reductions": "frontend.reduce",
    "Products": "frontend.linear",
    "Shapes": "frontend.shape",
    "Derivatives": "frontend.derivatives",
    "What to do with a formula": "frontend.text frontend.evaluate compiler printing render check",
}

MEASURED = Path(__file__).parent.parent / "tests" / "accuracy" / "measured.json"


def derivatives(row: Row) -> str:
    names = arguments(row)
    found = []
    for name, rule in zip(names, row.derivatives, strict=True):
        if rule is not None:
            text = written_over(row, without_choices(sp.sympify(rule(*map(placeholder, range(row.arity)), VALUE))))
            found.append(f"`{text}`" if len(names) == 1 else f"d/d{name}: `{text}`")
    return "; ".join(found)


def call(row: Row) -> str:
    return written_over(row, op(row.name)(*map(placeholder, range(row.arity))))


def cell(text: str) -> str:
    return text.replace("|", r"\|")


def prose(text: str) -> str:
    """Text in which asterisks and underscores are themselves; `code` stays."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([*_<])", r"\\\1", part) for part in parts[::2]]
    return cell("`".join(parts))


def pointwise() -> Iterator[str]:
    yield "## Pointwise\n"
    yield "`y` is the function's own value, read again rather than computed again. Where no derivative exists, the column \"not smooth\" has the one"
    yield "chosen, and whether the derivative jumps there (kink), the value jumps (jump), the derivative is infinite (singular) or the value is a"
    yield "convention; the last column has what a user may choose instead. [kinks.md](kinks.md) says more."
    yield "\n| function | derivative | domain | not smooth at: derivative chosen | to choose |\n| --- | --- | --- | --- | --- |"
    for row in ROWS.values():
        if row.result != "bool" and (row.name in gc.__all__ or row.infix):
            columns = (f"`{call(row)}`", derivatives(row), row.domain, kinks_of(row), choice_text(row))
            yield f"| {' | '.join(map(cell, columns))} |"
    signs = ", ".join(f"`{sign}`" for sign in ("+", "-", "*", "/", "**", "@", "<", "<=", ">", ">=", "==", "!=", "&", "|", "^", "~"))
    yield f"\nOperators: {signs}, with NumPy's meaning and Python's precedence.\n"


def accuracy() -> Iterator[str]:
    """The table of measured errors."""
    known = json.loads(MEASURED.read_text(encoding="utf-8"))
    yield "## Accuracy\n"
    yield "The greatest error found, in units in the last place (ULP) of the exact value, and where: of the generated code, and of what"
    yield "`gc.evaluate` computes, which defines the meaning (NumPy, SciPy and the C library; float32 through float64). float32 of one argument:"
    yield "every value, or each so many-th, against generated code in float64, whose own error is beside it; of more arguments a grid of corners, all"
    yield "combinations. float64: samples where trouble is to be expected, near zeros, poles, powers of two and switches of method, against 80-bit"
    yield "arithmetic, or mpmath where that lacks the function; some of all against mpmath. Measured by `python -m tests.accuracy`, which also"
    yield "compares zeros, subnormal numbers, infinities and NaN. `powi3` is x**3, and so on; `sech2` is sech(x)**2, the slope of tanh,"
    yield "which kernels compute as one function.\n"
    yield "| function | float32, generated | evaluated | float64, generated | evaluated | how: float32; float64 | above 2 ULP, since |"
    yield "|" + " --- |" * 7
    for name, found in known.items():
        label = f"`{name.removesuffix('.part')}`" + f" for {found['within']}" * bool(found["within"])
        errors = [error(found[f"{d} {kind}"]) for d in ("float32", "float64") for kind in ("jit", "numpy")]
        how = "; ".join(found[f"{d} jit"]["how"] for d in ("float32", "float64"))
        yield f"| {' | '.join(map(cell, (label, *errors, how, found['reason'])))} |"
    yield ""


def error(found: dict[str, Any]) -> str:
    """An error and its arguments."""
    where = ", ".join(f"{x:.9g}" for x in found["at"])
    return f"{found['ulp']:.3g}" + (f" at {where}" if found["ulp"] else "")


def summary(function: Any) -> str:
    """The docstring's first paragraph, on one line."""
    return prose(" ".join((inspect.getdoc(function) or "").split("\n\n")[0].split()))


def signature(name: str, function: Any) -> str:
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in inspect.signature(function).parameters.values()]
    return cell(f"`{name}{inspect.Signature(parameters)}`")


def listed(title: str, names: list[str], module: Any) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| function | meaning |\n| --- | --- |"
    for name in names:
        yield f"| {signature(name, getattr(module, name))} | {summary(getattr(module, name))} |"
    yield ""


def home(function: Any) -> str:
    return getattr(function, "__module__", "").removeprefix("graphc.")


def page() -> str:
    lines = [HEAD, *pointwise(), *accuracy()]
    public = {name: getattr(gc, name) for name in gc.__all__ if inspect.isfunction(getattr(gc, name))}
    composed = [n for n, f in public.items() if home(f) == "frontend.functions" or n in ("clip", "square")]
    lines += listed("Pointwise, composed", composed, gc)
    for title, modules in MODULES.items():
        names = [n for m in modules.split() for n, f in public.items() if home(f).startswith(m)]
        if names:
            lines += listed(title, names, gc)
    losses = getattr(gc, "losses", None)
    if losses is not None:
        lines += listed("Losses, in `gc.losses`", list(losses.__all__), losses)
    return "\n".join(lines)


if __name__ == "__main__":
    print(page())
