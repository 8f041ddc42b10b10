r"""Scans: a triangular reduction runs as one loop with a running value.

    out[i] = reduce over j of where(j <= i, f(j), neutral)          O(n^2) as it stands, O(n) as a scan

`<=` and `<` run upwards, `>=` and `>` downwards; `<` and `>` leave the element itself out. Cumulative sums, their adjoints, and
the prefix and suffix products in the derivative of a product are all of this form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from graphc.ir.access import rewrite, symbols_of
from graphc.ir.nodes import Comprehension, Input, Node
from graphc.ir.walk import rebuild
from graphc.scalar.symbols import AxisIndex, axis_index, over_index
from graphc.scalar.table import op

__all__ = ["Scan", "find_scans"]

_NEUTRAL = {"sum": 0, "prod": 1}
_MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


@dataclass(frozen=True, eq=False)
class Scan(Comprehension):
    """A map whose value is accumulated along one axis. `meaning` is the comprehension that it computes."""

    along: int = 0
    accumulate: str = "sum"
    inclusive: bool = True
    reverse: bool = False
    meaning: Comprehension | None = None


def find_scans(roots: Sequence[Node]) -> list[Node]:
    """The graph with triangular reductions as scans."""
    done = rebuild(roots, lambda n: n if isinstance(n, Input) else _scan(n) or n)
    return [done[r] for r in roots]


def _scan(node: Node) -> Scan | None:
    if not isinstance(node, Comprehension) or node.reduce not in _NEUTRAL or len(node.over) != 1 or not isinstance(node.body, op("where")):
        return None
    condition, body, neutral = node.body.args
    if neutral != _NEUTRAL[node.reduce]:
        return None
    found = _comparison(condition)
    if found is None:
        return None
    name, axis = found
    j = over_index(0)
    if node.ranges[axis] != node.over[0] or axis in body.free_symbols or any(axis in symbols_of(r) and j in symbols_of(r) for r in node.reads):
        return None
    used = {int(s.name[1:]) for s in body.free_symbols if s.name[0] == "x"}
    if any(axis in symbols_of(node.reads[k]) for k in used):
        return None
    mapping: dict[sp.Symbol, sp.Expr] = {j: axis}
    return Scan(node.axes, (), None, body.xreplace(mapping), tuple(rewrite(r, mapping) for r in node.reads), node.dtype, node.origin,
                along=int(axis.name[1:]), accumulate=node.reduce, inclusive=name in ("le", "ge"), reverse=name in ("gt", "ge"), meaning=node)


def _comparison(condition: sp.Expr) -> tuple[str, AxisIndex] | None:
    """(comparison of j with i, i) for a condition j < i, however written."""
    for name in _MIRRORED:
        if isinstance(condition, op(name)):
            a, b = condition.args
            if a == over_index(0) and isinstance(b, AxisIndex):
                return name, b
            if b == over_index(0) and isinstance(a, AxisIndex):
                return _MIRRORED[name], a
    return None


def along_symbol(node: Scan) -> AxisIndex:
    return axis_index(node.along)
