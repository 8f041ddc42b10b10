r"""The interval of an operation, exact or as a machine computes it.

With a `Format` the ends are what that format can hold: results are widened by the error of the operation, rounded outward to the grid,
and infinite above the greatest number. So the interval holds all that a machine may compute; and an end at infinity, or a NaN, is a
value that it may meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from graphc.analysis.ranges.composed import COMPOSED, composed
from graphc.analysis.ranges.functions import EXACT, LOGIC, RULES
from graphc.analysis.ranges.intervals import EMPTY, INF, LINE, MP, Format, Interval, add, exact_div, hull, interval, mul, neg, powi
from graphc.scalar.analytic import Analytic
from graphc.scalar.table import ROWS
from graphc.scalar.term import Term, freeze

__all__ = ["apply", "has_rule", "ABSOLUTE", "ULPS"]

PARTS = 12                                           # on each side of a point where a formula fails
ULPS = 4                                             # error of a function of the table, in units in the last place
ABSOLUTE = frozenset("log_ratio log_product log_product3".split())    # besides, the rounding of the product is an error of the logarithm
_OF_NAN = {**dict.fromkeys(LOGIC, interval(0, 1)), "power": LINE, "hypot": LINE,     # of no number: a truth value, NaN**0 = 1, hypot(inf, NaN) = inf
           "binade": interval(1)}
_ANSWERS = {*LOGIC, "binade"}
_UNROUNDED = EXACT | set(LOGIC) | {"neg", "not_", "where"}
_CORRECT = frozenset({"add", "sub", "mul", "div", "sqrt", "cast"})                 # correctly rounded: no error but the rounding


def has_rule(name: str) -> bool:
    return name in RULES or name in COMPOSED or ROWS[name].definition is not None


def apply(op: str, args: Sequence[Interval], kind: str = "float", power: int = 1, machine: Format | None = None) -> Interval:
    """The interval of an operation of a term (see `graphc.scalar.term`) or a function of the table; as a machine computes it, or exact."""
    if op in COMPOSED:
        return composed(op, args, partial(_term, machine=machine))
    if any(a.empty for a in args) and op != "where":
        return replace(_OF_NAN.get(op, EMPTY) if any(a.nan for a in args) else EMPTY, nan=any(a.nan for a in args) and op not in _ANSWERS)
    if op in ROWS and ROWS[op].definition is not None:
        return _analytic(ROWS[op].definition, args[0], machine)
    result = powi(args[0], power) if op == "powi" else exact_div(*args) if op == "div" and machine is None else RULES[op](*args)
    if kind != "float" or op in _UNROUNDED:
        return result
    if op == "binade":
        return result if machine is None else hull([result, interval(machine.span)]) & Interval(machine.span, INF)
    of_one = op in ROWS and ROWS[op].arity == 1
    if machine is None:
        return result & replace(_range(op), nan=True) if of_one else result
    if op in ABSOLUTE and not result.empty:
        result = add(result, mul(interval(-2 * ULPS, 2 * ULPS), interval(machine.unit)))
    rounded = machine.rounded(result, 0 if op in _CORRECT else power if op == "powi" else ULPS)
    return rounded & replace(machine.rounded(_range(op)), nan=True) if of_one else rounded


@cache
def _range(name: str) -> Interval:
    """The values of a function over its whole domain, which its implementation does not leave."""
    return RULES[name](LINE)


def _term(t: Term, args: Sequence[Interval], machine: Format | None = None) -> Interval:
    """The interval of a term over reads."""
    match t.op:
        case "read":
            return args[t.value]
        case "const":
            exact = Interval(MP.mpf(t.value, rounding="f"), MP.mpf(t.value, rounding="c"))
            return machine.rounded(exact) if machine and t.kind == "float" else exact
        case "where":
            c = _term(t.args[0], args, machine)
            branches = [_term(b, args, machine) for b, possible in ((t.args[1], c.high > 0), (t.args[2], c.low <= 0)) if possible]
            return hull(branches)
    return apply(t.op, [_term(a, args, machine) for a in t.args], t.kind, t.value or 1, machine)


# --- analytic functions whose formula fails near a point -----------------------------------------------------------------------

def _analytic(f: Analytic, x: Interval, machine: Format | None) -> Interval:
    """The series near the point, and the formula on both sides, in parts that double their distance."""
    piece, at = f.piece("float64" if machine is None else machine.name), _term(freeze(f.point, ()), ())
    width, formula = MP.mpf(piece.width), freeze(f.formula, ("float",))
    d = add(x, neg(at)) & interval(-width, width)
    found = [replace(EMPTY, nan=x.nan)]
    if not d.empty:
        size = sum(abs(c) * d.greatest**k for k, c in enumerate(piece.coefficients))
        left = mul(interval(-1, 1), interval(MP.mpf(size) * MP.mpf(2)**-48 if machine is None else 0))      # what the series leaves out
        value = add(_horner(piece.coefficients, d), left)
        found.append(value if machine is None else machine.rounded(value, ULPS))
    edges = [at.low + sign * width * MP.mpf(7) / 8 * 2**k for sign in (-1, 1) for k in range(PARTS)]
    edges = [-INF, *sorted(edges), INF]
    for low, high in zip(edges, edges[1:], strict=False):
        part = Interval(low, high) & x
        if not part.empty and not (low < at.low < high):
            found.append(_term(formula, [part], machine))
    return hull(found)


def _horner(coefficients: Sequence[Any], d: Interval) -> Interval:
    value = interval(0)
    for c in reversed(coefficients):
        value = add(mul(value, d), Interval(MP.mpf(c, rounding="f"), MP.mpf(c, rounding="c")))
    return value
