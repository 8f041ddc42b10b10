r"""Products over what lies between two indices, as the factors of a triangular sum.

    prod over k of where(k <= i & k < j, t(k), 1)         lo = j <= i:   the product of what is before j
    prod over k of where(k <= i & k > j, t(k), 1)                        the product over (j, i], which t(i) multiplies from i - 1 to i
    power(t, i - j)                                                      the same, of a number

The derivative of a cumulative product has these; so has a linear recurrence y(i) = t(i) y(i - 1) + u(i), written as a sum over j.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from graphc.ir.access import rewrite, symbols_of
from graphc.ir.build import comprehension
from graphc.ir.nodes import Comprehension, Node, Read
from graphc.passes.guards import conjuncts
from graphc.passes.subject import Subject, place_of
from graphc.scalar.derivative import is_where
from graphc.scalar.symbols import Placeholder, axis_index, over_index
from graphc.scalar.table import op, where
from graphc.schedule.scan import Scan

__all__ = ["Between", "Part", "product", "between"]

K, ONE = over_index(0), sp.Integer(1)
_MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
Bound = tuple[sp.Symbol, bool]                 # an index of a product, and whether it is left out


def product(node: Node) -> Comprehension | None:
    """The product that a node is, over one index; one that depends on two others is a scan along one of them by itself."""
    node = node.meaning if isinstance(node, Scan) and node.meaning is not None else node
    return node if isinstance(node, Comprehension) and node.reduce == "prod" and len(node.over) == 1 else None


@dataclass(frozen=True)
class Between:
    """A product over the points between two indices: `value` at a point, and whether the greater index is among them, or the lesser one."""

    value: Subject
    greater: bool


@dataclass(frozen=True)
class Part:
    """A product over what is before one index, or after it: a triangular reduction of its own, and where it is read."""

    node: Comprehension
    index: tuple[sp.Expr, ...]


def between(read: Read, low: sp.Symbol, high: sp.Symbol, here: sp.Symbol) -> Between | Part | None:
    """What a product is that is read at low <= high; the value of a Between is at the index `here`."""
    node = product(read.operand)
    if node is None:
        return None
    at = {axis_index(k): e for k, e in enumerate(read.index) if e in (low, high)}
    if sorted(map(str, at.values())) != sorted(map(str, (low, high))) or sum(bool(symbols_of(e) & {low, high}) for e in read.index) != 2:
        return None
    bounds, value = _bounds(node, at)
    reached = value.free_symbols.union(*(symbols_of(node.reads[int(s.name[1:])]) for s in value.free_symbols if isinstance(s, Placeholder)))
    if bounds is None or reached & set(at):
        return None
    above, below = (_tightest([(s, strict) for s, strict, is_above in bounds if is_above == wanted], order, at)
                    for wanted, order in ((True, (high, low)), (False, (low, high))))
    if above is None or below is None:
        bound = above or below
        return None if bound is None else _part(node, read, bound, above is not None, value, at)
    if (at[above[0]], at[below[0]]) != (low, high) or above[1] == below[1]:
        return None
    place = place_of(node, (*(here if e in (low, high) else e for e in read.index), here))
    return None if place is None else Between(Subject(value, node.reads, place), above[1])


def _bounds(node: Comprehension, at: dict[sp.Symbol, sp.Symbol]) -> tuple[list[tuple[sp.Symbol, bool, bool]] | None, sp.Expr]:
    """(index, whether strict, whether k is above it) for each condition of a product, and its value; None for conditions of another kind."""
    found, value = [], node.body
    while is_where(value) and value.args[2] == 1:
        for c in conjuncts(value.args[0]):
            a, b = c.args if len(c.args) == 2 else (None, None)
            name = type(c).__name__
            if b == K:
                a, b, name = b, a, _MIRRORED.get(name, "")
            if a != K or b not in at or name not in _MIRRORED:
                return None, value
            found.append((b, name in ("lt", "gt"), name in ("gt", "ge")))
        value = value.args[1]
    return found, value


def _tightest(bounds: Sequence[Bound], order: Sequence[sp.Symbol], at: dict[sp.Symbol, sp.Symbol]) -> Bound | None:
    """The bound that says most, if one does; that of the first index of the order says more."""
    best: Bound | None = None
    for s in order:
        mine = [b for b in bounds if at[b[0]] == s]
        if mine and best is None:
            best = max(mine, key=lambda b: b[1])
        elif mine and best is not None and not best[1] and any(strict for _, strict in mine):
            return None
    return best


def _part(node: Comprehension, read: Read, bound: Bound, above: bool, value: sp.Expr, at: dict[sp.Symbol, sp.Symbol]) -> Part:
    """The product on one side of one index, over the axes that it has."""
    symbol, strict = bound
    axes = [k for k in range(len(node.axes)) if axis_index(k) not in at or axis_index(k) == symbol]
    renumber = {axis_index(k): axis_index(m) for m, k in enumerate(axes)}
    condition = op(("g" if above else "l") + ("t" if strict else "e"))(K, renumber[symbol])
    part = comprehension([node.axes[k] for k in axes], node.over, "prod", where(condition, value.xreplace(renumber), ONE),
                         [rewrite(r, renumber) for r in node.reads], node.origin, node.dtype)
    return Part(part, tuple(read.index[k] for k in axes))
