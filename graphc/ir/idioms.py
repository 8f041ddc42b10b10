"""Composed functions, recognised by their structure: a node as the call that a user would write.

    mean(x, axis)  <-  sum(x, axis)/n              softmax(x, axis)  <-  e/z,  e = exp(x - m),  z = sum(e)
    gelu(x)        <-  x*erfc(-x/sqrt(2))/2        cumsum(x)         <-  sum over j of where(j <= i, x[j], 0)

A call is recognised where the user wrote it (`origin.op`), and a softmax in derivatives too, if the graph below still has its form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import sympy as sp

from graphc.ir.nodes import Comprehension, Input, Node, Operation, Read
from graphc.ir.text import number_text
from graphc.scalar.choice import candidates, chosen_at_zero, clipped, without_choices
from graphc.scalar.symbols import INF, Extent, axis_index, over_index, placeholder
from graphc.scalar.table import op

__all__ = ["ReductionCall", "MapCall", "reduction_call", "map_call", "indexed_call", "is_shift", "first_extremum"]


X = placeholder(0)
ZERO, ONE = sp.Integer(0), sp.Integer(1)


@dataclass(frozen=True)
class ReductionCall:
    """name(x, axis=...): x is the first read of the map `inner`, and the reduction says over which of inner's axes.

    A mean has no inner map: it is its reduction under another name. `more` are further keywords.
    """

    name: str
    reduction: Comprehension
    inner: Comprehension | None = None
    more: tuple[tuple[str, str], ...] = ()

    @property
    def argument(self) -> Read:
        return (self.inner or self.reduction).reads[0]


@dataclass(frozen=True)
class MapCall:
    """coefficient*name(read, parameter ..., keyword=...)"""

    name: str
    parameters: tuple[sp.Expr, ...] = ()
    keywords: tuple[tuple[str, str], ...] = ()
    coefficient: sp.Expr = ONE


# --- pointwise ----------------------------------------------------------------------------------------------------------
# name: (body of x and a parameter, the parameter's default; None where there is none)
_POINTWISE: dict[str, tuple[Callable[[Any, Any], Any], sp.Expr | None]] = {
    "silu": (lambda x, _: x * op("sigmoid")(x), None),
    "gelu": (lambda x, _: x * op("erfc")(-x / op("sqrt")(sp.Integer(2))) / 2, None),
    "leaky_relu": (lambda x, a: op("where")(op("gt")(x, ZERO), x, a * x), sp.Float(0.01, precision=53)),
    "elu": (lambda x, a: op("where")(op("gt")(x, ZERO), x, a * op("expm1")(x)), ONE),
    "softplus": (lambda x, b: op("softplus")(b * x) / b, ONE),
}


@lru_cache(maxsize=512)
def map_call(name: str, body: sp.Expr) -> MapCall | None:
    """The call of a pointwise composed function that has this body."""
    if name == "clip":
        return _clip(body)
    if isinstance(body, op("at_kink")):
        found = map_call(name, body.args[2])
        return _choosing(found, "at_zero", body, lambda c: chosen_at_zero(X, c, body.args[2])) if found else None
    if name not in _POINTWISE or isinstance(body, op("softplus")) and body.args == (X,):
        return None
    build, default = _POINTWISE[name]
    if default is None:
        return MapCall(name) if body == build(X, None) else None
    for value in [default, *sorted(body.atoms(sp.Number), key=sp.default_sort_key)]:
        if value != 0 and body == build(X, value):
            return MapCall(name, () if value == default else (value,))
    return None


def _clip(body: sp.Expr) -> MapCall | None:
    """where(x > high, high, where(x < low, low, x)) with numbers as bounds"""
    value, chosen = without_choices(body), op("where")
    if isinstance(value, chosen) and isinstance(value.args[2], chosen):
        high, low = value.args[1], value.args[2].args[1]
        if high.is_number and low.is_number and value == clipped(X, low, high):
            call = MapCall("clip", (low, high))
            return call if body == value else _choosing(call, "at_bound", body, lambda c: clipped(X, low, high, c))
    return None


def _choosing(call: MapCall, keyword: str, body: sp.Expr, build: Callable[[sp.Expr], sp.Expr]) -> MapCall | None:
    """The call with the subgradient that gives this body."""
    c = next((c for c in candidates(body) if build(c) == body), None)
    return None if c is None else replace(call, keywords=((keyword, number_text(c, "float")),))


def is_shift(node: Node) -> bool:
    """The maximum, 0 where that is -inf: what a stable exp subtracts. It is written as the maximum."""
    shifted = op("where")(op("gt")(X, -INF), X, ZERO)
    return (isinstance(node, Comprehension) and node.reduce is None
            and node.body in (shifted, op("stop_gradient")(shifted)) and getattr(node.reads[0].operand, "reduce", "") == "max")


def indexed_call(node: Comprehension) -> MapCall | None:
    """trace, cumsum, cumprod and one_hot: calls of one operand whose bodies or reads compare indices."""
    if len(node.reads) != 1:
        return None
    return _trace(node) or _scan(node) or _one_hot(node)


def _axes(first: int, last: int) -> tuple[sp.Symbol, ...]:
    return tuple(axis_index(k) for k in range(first, last))


def _trace(node: Comprehension) -> MapCall | None:
    j = over_index(0)
    if node.reduce == "sum" and node.body == X and node.reads[0].index == (*_axes(0, len(node.axes)), j, j):
        return MapCall("trace")
    return None


def _scan(node: Comprehension) -> MapCall | None:
    """where(j <= i, x[j], neutral), reduced over j"""
    index = node.reads[0].index
    if node.reduce not in ("sum", "prod") or len(node.over) != 1 or len(index) != len(node.axes) or over_index(0) not in index:
        return None
    at = index.index(over_index(0))
    neutral = ZERO if node.reduce == "sum" else ONE
    body = op("where")(op("le")(over_index(0), axis_index(at)), X, neutral)
    if index != (*_axes(0, at), over_index(0), *_axes(at + 1, len(index))) or node.body != body:
        return None
    return MapCall(f"cum{node.reduce}", keywords=(("axis", str(at)),) if len(index) > 1 else ())


def _one_hot(node: Comprehension) -> MapCall | None:
    """c*[x == the last index]"""
    chosen, last = op("where"), axis_index(len(node.axes) - 1)
    if node.reduce or not isinstance(node.body, chosen) or node.body.args[2] != 0 or node.reads[0].index != _axes(0, len(node.axes) - 1):
        return None
    condition, coefficient, _ = node.body.args
    if condition not in (op("eq")(X, last), op("eq")(last, X)) or any(not isinstance(s, Extent) for s in coefficient.free_symbols):
        return None
    labels = node.reads[0].operand
    known = isinstance(labels, Input) and labels.below == node.axes[-1]
    return MapCall("one_hot", () if known else (node.axes[-1],), coefficient=coefficient)


# --- with reductions inside ---------------------------------------------------------------------------------------------

def reduction_call(node: Node) -> ReductionCall | None:
    """The call of mean, var, norm, logsumexp, softmax ... that this node ends."""
    if not isinstance(node, Comprehension) or node.reduce:
        return None
    rule = _REDUCTIONS.get(node.origin.op)
    return rule(node) if rule else None


def _operand(node: Node, k: int, reduce: str | None) -> Comprehension | None:
    """The k-th operand, if it is a map (None) or such a reduction of one operand, read whole."""
    found = node.reads[k].operand if k < len(node.reads) else None
    if not isinstance(found, Comprehension) or found.reduce != reduce or not found.reads:
        return None
    return found


def _count(reduction: Comprehension) -> sp.Expr:
    return sp.Mul(*reduction.over)


def _mean(node: Comprehension) -> ReductionCall | None:
    total = _operand(node, 0, "sum")
    if total is None or node.body != X / _count(total) or len(node.dims) != len(total.dims):
        return None
    return ReductionCall("mean", total)


def _var(node: Comprehension) -> ReductionCall | None:
    total = _operand(node, 0, "sum")
    square = _operand(total, 0, None) if total else None
    centred = _operand(square, 0, None) if square else None
    if not (total and square and centred and total.body == X and square.body == X**2 and centred.body == X - placeholder(1)):
        return None
    mean = _operand(centred, 1, None)
    ddof = sp.expand(_count(total) - sp.cancel(X / node.body))
    if mean is None or mean.origin.op != "mean" or _mean(mean) is None or not ddof.is_Integer:
        return None
    return ReductionCall("var", total, centred, (("ddof", str(ddof)),) if ddof else ())


def _std(node: Comprehension) -> ReductionCall | None:
    variance = _operand(node, 0, None)
    found = _var(variance) if variance is not None and node.body.has(op("sqrt")) else None
    return replace(found, name="std") if found else None


def _norm(node: Comprehension) -> ReductionCall | None:
    total = _operand(node, 0, "sum")
    square = _operand(total, 0, None) if total else None
    scaled = _operand(square, 0, None) if square else None
    if not (total and square and scaled and square.body == X**2 and total.body == X and node.body.has(op("sqrt"))):
        return None
    return ReductionCall("norm", total, scaled) if scaled.body == op("scaled")(X, placeholder(1)) else None


def _shifted(node: Comprehension, k: int) -> tuple[Comprehension, Comprehension] | None:
    """(r, e), if the k-th operand is the sum r of e = exp(x - m) apart from the maximum's own."""
    rest = _operand(node, k, "sum")
    others = _operand(rest, 0, None) if rest else None
    e = _operand(others, 0, None) if others and isinstance(others.body, op("apart")) else None
    return (rest, e) if rest and e and e.body == op("exp")(op("excess")(X, placeholder(1))) else None


def _logsumexp(node: Comprehension) -> ReductionCall | None:
    found = _shifted(node, 1)
    return ReductionCall("logsumexp", *found) if found and node.body == op("log_total")(*map(placeholder, range(3))) else None


def _softmax(node: Comprehension) -> ReductionCall | None:
    inverse = _operand(node, 1, None) if node.body == X * placeholder(1) else None
    found = _shifted(inverse, 0) if inverse is not None and isinstance(inverse.body, op("inverse_total")) else None
    return ReductionCall("softmax", *found) if found and node.reads[0].operand is found[1] else None


def _log_softmax(node: Comprehension) -> ReductionCall | None:
    total = _operand(node, 2, None) if node.body == op("excess")(X, placeholder(1)) - placeholder(2) else None
    found = _shifted(total, 0) if total is not None and isinstance(total.body, op("log_total")) else None
    return ReductionCall("log_softmax", *found) if found and found[1].reads[0].operand is node.reads[0].operand else None


def first_extremum(node: Operation) -> ReductionCall | None:
    """at_kink(True, x[argmax(x)], max(x))"""
    value = node.reads[0].operand if node.reads else None
    if not isinstance(value, Comprehension) or value.reduce != node.origin.op or node.body != op("at_kink")(ONE, placeholder(1), X):
        return None
    return ReductionCall(node.origin.op, value, None, (("ties", '"first"'),))


_REDUCTIONS: dict[str, Callable[[Comprehension], ReductionCall | None]] = {
    "max": first_extremum, "min": first_extremum,
    "mean": _mean, "Mean": _mean, "var": _var, "std": _std, "norm": _norm, "logsumexp": _logsumexp, "softmax": _softmax, "": _softmax,
    "log_softmax": _log_softmax}
