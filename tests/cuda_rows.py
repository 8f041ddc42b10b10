"""Every row of the function table as kernels: value and first derivatives, at arguments that matter, and what mathematics gives there."""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

import numpy as np
import sympy as sp
from scalar.test_table import NONFINITE, PAIRS, SOME, VALUES, exact
from scalar.test_table import run as interpret

from graphc.codegen.text import Printer
from graphc.scalar.choice import without_choices
from graphc.scalar.derivative import derivative
from graphc.scalar.symbols import placeholder
from graphc.scalar.table import ROWS, op
from graphc.scalar.term import Term, freeze

LANES = 64                  # points of a row
ROWS_A_KERNEL = 8
REALS = [0.0, -0.0, 1e-310, 1e-40, 1e-20, 0.3, 1.0, 1.7, 5.0, 30.0, -1e-20, -0.3, -1.0, -1.7, -5.0, -30.0, 1e5, -1e5]
POINTS = {"scaled": [(x, b) for x in SOME for b in (2.0**-30, 1.0, 2.0**20)],                    # b is a power of two, as binade makes it
          "log_total": [(m, r, k) for m in (0.0, -3.0, 80.0) for r, k in ((0.0, 1.0), (0.5, 1.0), (1e-20, 2.0), (0.0, 0.0), (7.0, 3.0))],
          "log_product3": [(a, b, c) for a in (0.3, 1e-30, -2.0) for b in (1.7, -5.0) for c in (1e-20, 30.0)]}
STRANGE = [(a, b) for a, b in itertools.product([*NONFINITE, 0.0, 1.5, -1.5], repeat=2) if not (math.isfinite(a) and math.isfinite(b))]
STRANGE_PAIRS = ("maximum", "minimum", "logaddexp", "arctan2", "power", "xlogy", "hypot", "times_log", "times_exp", "lt", "ge", "eq", "ne")
NO_KERNEL = ("at_kink", "stop_gradient", "grouped")                        # passes take them away
WIDE = ("lgamma", "digamma", "polygamma")                                  # float32 in float64, and for their derivatives


@dataclass(frozen=True)
class Case:
    """A row, or a derivative of it, as an expression of its arguments; k of polygamma(k, x) is a literal."""

    name: str
    body: sp.Expr
    points: np.ndarray              # LANES x arguments
    order: int                      # 0: the value


def points(name: str, dtype: str) -> np.ndarray:
    """LANES points in the given precision."""
    row = ROWS[name]
    every: list[Any] = [(x,) for x in VALUES.get(name, REALS)] if row.arity == 1 else \
        PAIRS.get(name) or POINTS.get(name) or list(itertools.product(SOME, repeat=row.arity))
    if name in ("and_", "or_", "not_"):
        every = list(itertools.product((0.0, 1.0), repeat=row.arity))
    every += [(x,) for x in NONFINITE if row.arity == 1]
    strange = STRANGE if name in STRANGE_PAIRS else []
    step = -(-len(every) // (LANES - len(strange)))
    with np.errstate(over="ignore"):
        return np.array(strange + (every[::step] * LANES)[:LANES - len(strange)], dtype)


def cases(dtype: str) -> Iterator[Case]:
    """All rows, and their derivatives by each argument that has one."""
    for name, row in ROWS.items():
        if row.definition is not None or name in NO_KERNEL:
            continue
        at = points(name, dtype)
        if name == "polygamma":
            for k in (1, 2, 3):
                body = op(name)(sp.Integer(k), placeholder(0))
                yield Case(f"polygamma({k})", body, at[:, 1:], 0)
                yield Case(f"polygamma({k})", derivative(body, 0), at[:, 1:], 1)
            continue
        body = op(name)(*(placeholder(k) for k in range(row.arity)))
        yield Case(name, body, at, 0)
        for k, rule in enumerate(row.derivatives):
            if rule is not None and row.result != "bool":
                yield Case(name, derivative(body, k), at, k + 1)


def expression(body: sp.Expr, arity: int, printer: Printer) -> str:
    """The body as generated kernels write it, over x0, x1, ..."""
    return printer(_variables(freeze(without_choices(body), ("float",) * arity)))


def _variables(t: Term) -> Term:
    return Term("var", (), f"x{t.value}", "float") if t.op == "read" else replace(t, args=tuple(_variables(a) for a in t.args))


def source(part: list[Case]) -> tuple[str, Printer]:
    """A kernel that computes these cases: row r reads x[r, argument, lane], and writes out[r, lane]."""
    printer, lines = Printer(), ["def rows(x, out):", "    i = int64(cuda.threadIdx.x)"]
    for r, case in enumerate(part):
        arity = case.points.shape[1]
        lines += [f"    x{k} = x[{(3 * r + k) * LANES} + i]" for k in range(arity)]
        lines.append(f"    out[{r * LANES} + i] = real({expression(case.body, arity, printer)})")
    return "\n".join(lines) + "\n", printer


def kernel(part: list[Case], dtype: str) -> FunctionType:
    """The kernel, in the names that generated modules have."""
    from graphc.codegen.cudalib import names
    text, printer = source(part)
    library = importlib.import_module(f"graphc.codegen.cudalib.{dtype}")
    scope = {"cuda": names.cuda, "int64": names.int64, "real": getattr(names, dtype), "inf": np.inf, "nan": np.nan, "math": math}
    scope |= {f: getattr(library, f) for f in printer.functions if not f.startswith("math.")}
    exec(text, scope)
    return scope["rows"]


def launched(device: Any, part: list[Case], dtype: str) -> tuple[Any, np.ndarray]:
    """The kernel's PTX, and the values of each case."""
    x, out = np.ones((len(part), 3, LANES), dtype), device.empty((len(part), LANES), dtype)
    for r, case in enumerate(part):
        x[r, :case.points.shape[1]] = case.points.T
    rows = kernel(part, dtype)
    device.launch(rows, 1, LANES, x, out)
    return device.kernel(rows, x, out)[0], out


def expected(case: Case) -> np.ndarray:
    """What mathematics gives in many digits; where it gives no real number, or an argument is not finite, what NumPy gives."""
    return np.array([_one(case, tuple(float(v) for v in point)) for point in case.points])


def _one(case: Case, point: tuple[float, ...]) -> float:
    if all(map(math.isfinite, point)) and case.order == 0 and case.name in ROWS:
        value = exact(case.name, point, 40)
        if value is not None:
            return float(value)
    return float(interpret(case.body, point))


def parts(every: list[Case]) -> list[list[Case]]:
    """The cases of each kernel: those in float64 have kernels of their own."""
    groups = [[c for c in every if c.name.startswith(WIDE) == wide] for wide in (False, True)]
    return [group[k:k + ROWS_A_KERNEL] for group in groups for k in range(0, len(group), ROWS_A_KERNEL)]
