"""What an element depends on, element by element: the maps below a node, each at the index at which it is read, down to atoms.

    instance ::= node[index ...]        a read, its index in terms of the indices of the node that is looked at
    atom     ::= an instance of an input, a reduction or a scatter, or of a map too far below

Two reads of one element are one instance, whichever way they come: in x * sigmoid(x) both factors stand on the atom x[i].
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from graphc.ir.access import rewrite
from graphc.ir.build import compose, substitutable
from graphc.ir.nodes import Comprehension, Node, Operation, Read
from graphc.scalar.symbols import OverIndex, axis_index
from graphc.scalar.term import Term, freeze, walk

__all__ = ["Cone", "covers", "body_of", "stripped", "ALIASES"]

ALIASES = frozenset({"stop_gradient", "grouped", "at_kink"})         # their value is that of their last argument

MOST, DEEP = 20, 10


def body_of(node: Operation) -> Term:
    return freeze(node.body, node.kinds)


def stripped(t: Term) -> Term:
    """What a term merely repeats."""
    return stripped(t.args[-1]) if t.op in ALIASES else t


class Cone:
    """The instances below a node's body: `children` of each that is a map, and how many `times` each is read."""

    def __init__(self, node: Operation):
        self.node = node
        self.top = tuple(compose(r) for r in node.reads)
        self.children: dict[Read, tuple[Read, ...]] = {}
        level: list[Read] = list(dict.fromkeys(self.top))
        for _ in range(DEEP):
            level = list(dict.fromkeys(c for r in level for c in self.expand(r)))
        self.times = self.count()

    def expand(self, read: Read) -> tuple[Read, ...]:
        node = read.operand
        if read in self.children or len(self.children) >= MOST or not isinstance(node, Comprehension) or node.reduce or not node.reads:
            return ()
        mapping = {axis_index(k): e for k, e in enumerate(read.index)}
        if not all(substitutable(r, mapping) for r in node.reads):
            return ()
        self.children[read] = tuple(compose(Read(r.operand, tuple(rewrite(e, mapping) for e in r.index))) for r in node.reads)
        return self.children[read]

    def instances(self) -> Iterator[Read]:
        yield from dict.fromkeys([*self.top, *(c for found in self.children.values() for c in found)])

    def count(self) -> dict[Read, int]:
        """How many times each instance is read."""
        times: dict[Read, int] = dict.fromkeys(self.instances(), 0)
        for node, reads in [(self.node, self.top), *((r.operand, c) for r, c in self.children.items())]:
            for t in walk(body_of(node)):                                                        # type: ignore[arg-type]
                if t.op == "read":
                    times[reads[t.value]] += 1
        return times


def covers(q: Read, p: Read, reduce: str) -> list[sp.Expr] | None:
    """Whether q reduces over elements of which p is one; then the indices of p that the reduction runs over."""
    node: Node = q.operand
    if not isinstance(node, Comprehension) or node.reduce != reduce or len(node.reads) != 1 or body_of(node).op != "read":
        return None
    read = compose(node.reads[0])
    if read.operand is not p.operand:
        return None
    mapping = {axis_index(k): e for k, e in enumerate(q.index)}
    ties: list[sp.Expr] = []
    for e, at, size in zip(read.index, p.index, p.operand.dims, strict=True):
        if isinstance(e, OverIndex) and node.ranges[e] == size and read.index.count(e) == 1:
            ties.append(at)
        elif isinstance(e, Read) or e.atoms(OverIndex) or rewrite(e, mapping) != at:
            return None
    return ties
