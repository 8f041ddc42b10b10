"""docs/functions.md as text, from the function table and the docstrings of the public names."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import graphc as gc
from graphc.ir.rows import arguments, choice_text, kinks_of, written_over
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
            text = written_over(row, rule(*map(placeholder, range(row.arity)), VALUE))
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
    yield ("The greatest error found, in units in the last place (ULP) of the exact value: of the generated code, and of the NumPy or SciPy "
           "function by which `gc.evaluate` defines the meaning. float32: every value, or each so many-th, against float64; float64: samples "
           "where trouble is to be expected, against 80-bit arithmetic and mpmath. Measured by `python -m tests.accuracy`. NumPy's vector "
           "functions have up to 4 ULP, SciPy's more near zeros; generated code does not use them.\n")
    yield "| function | float32, generated | NumPy | float64, generated | NumPy | float32; float64 | date | above 2 ULP, since |\n|" + " --- |" * 8
    for name, found in known.items():
        errors = " | ".join(f"{found[d][kind]['ulp']:.4g}" for d in ("float32", "float64") for kind in ("jit", "numpy"))
        yield f"| `{name}` | {errors} | {found['float32']['how']}; {found['float64']['how']} | {found['date']} | {found['reason']} |"
    yield ""


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
