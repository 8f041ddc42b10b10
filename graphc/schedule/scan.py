r"""Scans: what a triangular reduction runs as, one loop with a running value.

    out[i] = reduce over j of where(j <= i, f(j), neutral)                       O(n^2) as it stands, O(n) as a scan
    out[i] = sum over j of where(j <= i, d(j, i) f(j), 0)                        s = d(i - 1, i) s + f(i), where d(j, i) = d(j, k) d(k, i)

The steps at a point have an order: a running value is kept after or before the point's own is added, and fades before or after. What finds scans
in a graph is `schedule.triangles`.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from graphc.ir.nodes import Comprehension, Node
from graphc.ir.walk import operands
from graphc.scalar.symbols import AxisIndex, axis_index

__all__ = ["Scan", "along_symbol", "stands_on"]


@dataclass(frozen=True, eq=False)
class Scan(Comprehension):
    """A map whose value is accumulated along one axis. `fade` multiplies the running value; `meaning` is the comprehension that is computed."""

    along: int = 0
    accumulate: str = "sum"
    steps: tuple[str, ...] = ("add", "keep")
    reverse: bool = False
    fade: sp.Expr | None = None
    meaning: Comprehension | None = None

    @property
    def is_map(self) -> bool:
        return False


def along_symbol(node: Scan) -> AxisIndex:
    return axis_index(node.along)


def stands_on(node: Node) -> tuple[Node, ...]:
    """What a node reads, or what it means does."""
    return operands(node) if not isinstance(node, Scan) or node.meaning is None else (*operands(node), *operands(node.meaning))
