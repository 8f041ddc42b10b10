"""What is kept: for each node, the axes over which its values outlive the loops that made them.

A value used only where it is computed is a scalar. One that is read after some of its loops ended keeps those axes: a row
of scratch, or a whole buffer. An output, and an operand of a library call, keep all. A cheap map that would be kept only for
readers in other loops is computed again there instead (`recompute`): arithmetic is cheaper than memory. Where rows are independent, so is one
of pairs and features, a[i, k, j], of what is kept for pairs instead: memory would soon end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import sympy as sp

from graphc.ir.access import same_size
from graphc.ir.nodes import Comprehension, Input, Node, Operation, Read, Scatter, reads_in
from graphc.ir.walk import operands
from graphc.scalar.symbols import axis_index
from graphc.scalar.term import freeze
from graphc.schedule.cost import worth_keeping
from graphc.schedule.plan import Compute, Item, Loop, walk_computes, walk_libraries
from graphc.schedule.policy import CPU, Policy

__all__ = ["kept_axes", "recompute"]


def is_cheap(node: Node) -> bool:
    """A map of a few arithmetic operations (see schedule.cost)."""
    if not isinstance(node, Comprehension) or not node.is_map:
        return False
    body = freeze(node.body, node.kinds)
    return not worth_keeping(body) and not any(isinstance(e, Read) for r in node.reads for e in r.index)


def kept_axes(items: Sequence[Item], roots: Sequence[Node]) -> dict[Node, frozenset[int]]:
    """The axes of each node that are kept in memory; none for a scalar."""
    usage = _Usage(items, roots)
    products = [item.node for item in walk_libraries(usage.items)]
    return {node: frozenset(usage.needed(node)) for node in [*usage.original, *products]}


class _Usage:
    """Who computes and who reads what, where."""

    def __init__(self, items: Sequence[Item], roots: Sequence[Node]):
        self.items = list(items)
        self.roots = set(roots)
        self.computes = list(walk_computes(self.items))
        self.original: dict[Node, Compute] = {c.node: c for c in self.computes if not c.again}
        self.again: dict[Node, list[Compute]] = {}
        for c in self.computes:
            if c.again:
                self.again.setdefault(c.node, []).append(c)
        self.by_library: set[Node] = set()
        for item in walk_libraries(self.items):
            self.by_library |= {item.node, *operands(item.node)}
        self.readers: dict[Node, list[Compute]] = {}
        for c in self.computes:
            for o in dict.fromkeys(operands(c.node)):
                self.readers.setdefault(o, []).append(c)

    def whole(self, node: Node) -> bool:
        return node in self.roots or node in self.by_library or isinstance(node, Scatter)

    def needed(self, node: Node) -> set[int]:
        if self.whole(node):
            return set(range(len(node.dims)))
        made = self.original[node]
        need = set(_inside_reduction(made))
        for reader in self.readers.get(node, []):
            need |= self.missing(node, reader)
        return need

    def missing(self, node: Node, reader: Compute) -> set[int]:
        """The axes of a node whose loops have ended where the reader is, unless the node is computed again there."""
        if any(c.path == reader.path and _same_point(c, reader) for c in self.again.get(node, ())):
            return set()
        made = self.original[node]
        return {m for m, loop in made.axis_loops() if loop not in reader.path}


def _same_point(again: Compute, reader: Compute) -> bool:
    """Whether the reader wants the value at the point where it was computed again."""
    return any(r.operand is again.node and all(reader.bound.get(e) is again.bound[axis_index(m)] for m, e in enumerate(r.index))
               for r in reader.node.reads)


def _inside_reduction(made: Compute) -> list[int]:
    """Axes whose loops run inside a loop that is reduced over: the partial sums are kept."""
    reduced = made.reduced_loops()
    if not reduced:
        return []
    outermost = min(made.path.index(loop) for loop in reduced)
    return [m for m, loop in made.axis_loops() if made.path.index(loop) > outermost]


def recompute(items: list[Item], roots: Sequence[Node], policy: Policy = CPU) -> list[Item]:
    """Compute cheap maps again where they are read, if that saves keeping them. Changes the loops' items in place."""
    usage = _Usage(items, roots)
    for made in reversed(usage.computes.copy()):
        node = made.node
        if usage.whole(node) or not is_cheap(node):
            continue
        away = [r for r in usage.readers.get(node, []) if usage.missing(node, r)]
        if not away or not all(_can_repeat(usage, node, r, policy) for r in away):
            continue
        for reader in away:
            _repeat(node, reader)
        if len(away) == len(usage.readers[node]):
            _remove(made, usage.items)
        usage = _Usage(usage.items, roots)
    return _without_empty(usage.items)


def _points(node: Node, reader: Compute) -> list[dict[sp.Symbol, Loop]] | None:
    """Where a reader wants a node, as loops for its axes; None if not at plain points."""
    points = []
    for read in reader.node.reads:
        for r in reads_in(read):
            if r.operand is not node:
                continue
            if r is not read or not all(e in reader.bound and same_size(reader.bound[e].extent, d) for e, d in zip(r.index, node.dims, strict=True)):
                return None                                                # a reader under a condition may run further than the node
            points.append({axis_index(m): reader.bound[e] for m, e in enumerate(r.index)})
    return points


def _can_repeat(usage: _Usage, node: Node, reader: Compute, policy: Policy) -> bool:
    if isinstance(reader.node, Scatter) or not reader.path or _points(node, reader) is None:
        return False
    for o in operands(node):
        if isinstance(o, Input) or usage.whole(o):
            continue
        made = usage.original.get(o)
        if made is None:
            return False
        lost = {m for m, loop in made.axis_loops() if loop not in reader.path}
        if lost <= usage.needed(o) or policy.axes_first and _is_smaller(o, node):
            continue
        if not (is_cheap(o) and all(isinstance(p, Input) or usage.whole(p) for p in operands(o))):
            return False
    return True


def _is_smaller(a: Node, b: Node) -> bool:
    """Whether an array has some of the axes of another, and not all."""
    return len(a.dims) < len(b.dims) and not Counter(a.dims) - Counter(b.dims)


def _repeat(node: Operation, reader: Compute) -> None:
    body = reader.path[-1].items
    for bound in _points(node, reader) or []:
        if not any(isinstance(i, Compute) and i.again and i.node is node and i.bound == bound for i in body):
            body.insert(body.index(reader), Compute(node, bound, reader.path, again=True))


def _remove(made: Compute, items: list[Item]) -> None:
    (made.path[-1].items if made.path else items).remove(made)


def _without_empty(items: list[Item]) -> list[Item]:
    """Loops in which nothing is left go."""
    kept: list[Item] = []
    for item in items:
        if isinstance(item, Loop):
            item.items = _without_empty(item.items)
            if not item.items:
                continue
        kept.append(item)
    return kept
