"""Elements left out of a maximum: where(j != t, x[j], -inf), as in the sum over all classes but one.

An infinity that the formula writes is no overflow. One element at most is left out of a row that has two: its maximum is that of the others.
"""

from __future__ import annotations

from collections.abc import Iterable

from graphc.analysis.ranges.cone import body_of
from graphc.ir.nodes import Comprehension, Node
from graphc.scalar.symbols import Extent, OverIndex
from graphc.scalar.term import Term

__all__ = ["kept", "kept_of_extremum", "dims_left_out"]


def _infinity(t: Term) -> int:
    """The sign of an infinity that is written, 0 for anything else."""
    if t.op == "neg":
        return -_infinity(t.args[0])
    return (t.value > 0) - (t.value < 0) if t.is_const and abs(t.value) == float("inf") else 0


def kept(node: Node) -> tuple[Term, int] | None:
    """The side of a selection that stands against a written infinity, and the sign of that."""
    if not isinstance(node, Comprehension) or node.reduce or body_of(node).op != "where":
        return None
    _, yes, no = body_of(node).args
    found = [(a, _infinity(b)) for a, b in ((yes, no), (no, yes)) if _infinity(b) and not _infinity(a)]
    return found[0] if found else None


def left_out(node: Node) -> tuple[Extent, int] | None:
    """The dim along which such a selection leaves out one element at most, and the axis."""
    selection = kept(node)
    if selection is None:
        return None
    condition, yes, _ = body_of(node).args                                                       # type: ignore[arg-type]
    if condition.op != ("ne" if selection[0] is yes else "eq"):
        return None
    for index, other in (condition.args, condition.args[::-1]):
        if index.op == "index" and other.op in ("read", "const"):
            constant = other.is_const or not any(e.has(index.value) for e in node.reads[other.value].index)
            size = node.ranges[index.value]                                                      # type: ignore[union-attr]
            if constant and isinstance(size, Extent):
                return size, list(node.ranges).index(index.value)                                # type: ignore[union-attr]
    return None


def kept_of_extremum(node: Comprehension) -> tuple[Term, Comprehension, Extent] | None:
    """For a maximum (minimum) of elements of which one at most is -inf (inf): the others, of which node, and along which dim."""
    if node.reduce not in ("max", "min") or body_of(node).op != "read":
        return None
    below = node.reads[0].operand
    selection, found = kept(below), left_out(below)
    if selection is None or found is None or selection[1] != (-1 if node.reduce == "max" else 1):
        return None
    size, axis = found
    return (selection[0], below, size) if isinstance(node.reads[0].index[axis], OverIndex) else None       # type: ignore[return-value]


def dims_left_out(nodes: Iterable[Node]) -> list[str]:
    """The dims of which an element is left out."""
    return sorted({found[0].name for n in nodes if (found := left_out(n))})
