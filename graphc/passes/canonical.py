r"""canonicalise: few forms, so that patterns are few. The graph stays what the user wrote, but for

    views         a node that only re-indexes is read past; a constant stands in the body that uses it
    equal reads   x[i] * x[i] = x[i]**2, where nothing cancels: x - x and x / x keep the NaN of x
    signs         -(-x) = x
    sums          sum over i of sum over j = sum over i and j, when nothing else reads the inner sum; over one element, that element
    parts         f(x)[s, t[s]] = f(x[s, t[s]]): what is read at fewer points than it has is computed there only (passes.parts)

The last brings a gather to the operands of a softmax's logarithm, so that picking the labels' entries costs n and not n c.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import sympy as sp

from graphc.ir.access import rewrite
from graphc.ir.build import X0, compose, comprehension, constant_value, identity, is_view, prune
from graphc.ir.nodes import Comprehension, Input, Node, Operation, Read, Scatter
from graphc.ir.verify import law
from graphc.ir.walk import operands, topological, with_reads
from graphc.passes.partial import Part, computed, one_term, part_of, parted, used_axes
from graphc.passes.subject import enter
from graphc.scalar.symbols import Placeholder, axis_index, over_index, placeholder

__all__ = ["canonicalise", "sweep"]

ZERO, ONE = sp.Integer(0), sp.Integer(1)


def canonicalise(roots: Sequence[Node]) -> list[Node]:
    """The graph in few forms. A sweep sees which reductions are read in parts once the one before has let go of what read them whole; each
    has fewer points left to compute, so this ends.
    """
    roots = sweep(roots, ())
    while parted(topological(roots), roots):
        roots = sweep(roots, ())
    return roots


@law("canonicalise", "no node reads through a node that only re-indexes")
def _no_views(node: Node) -> str | None:
    passed = next((r for r in node.reads if compose(r) != r), None)
    return None if passed is None else f"{passed.operand!r} only re-indexes"


def sweep(roots: Sequence[Node], more: Sequence[Callable[[Comprehension], Node]]) -> list[Node]:
    """Rebuild a graph in canonical forms, operands first; `more` are further rewrites of a node over its new operands."""
    canonical = _Canonical(more)
    order = topological(roots)
    times = Counter(o for node in order for o in operands(node))
    times.update(roots)
    narrow = parted(order, roots)
    done: dict[Node, Node] = {}
    for node in order:
        done[node] = canonical.visit(with_reads(node, done))
        if node in narrow:
            canonical.narrow.add(done[node])
        if times[node] > 1:
            canonical.shared.add(done[node])
    return [done[r] for r in roots]


class _Canonical:
    def __init__(self, more: Sequence[Callable[[Comprehension], Node]]):
        self.more = more
        self.narrow: set[Node] = set()          # reductions of which parts are read
        self.shared: set[Node] = set()
        self.parts: dict[Part, Node] = {}

    def visit(self, node: Node) -> Node:
        if isinstance(node, Input):
            return node
        node = _settled(node)
        return self.local(self.pushed(one_term(node) if isinstance(node, Comprehension) else node))

    def local(self, node: Operation) -> Node:
        """A node by itself."""
        if isinstance(node, Scatter):
            return node
        result = _without_needless_steps(self.one_sum(_over_more_than_one(_merged_reads(node))))
        for rewrite_ in self.more:
            if isinstance(result, Comprehension):
                result = rewrite_(result)
        return result

    def one_sum(self, node: Comprehension) -> Comprehension:
        """sum over i of sum over j"""
        if node.reduce != "sum" or node.body != X0:
            return node
        read = node.reads[0]
        inner = read.operand
        if not isinstance(inner, Comprehension) or inner.reduce != "sum" or inner.body != X0 or inner.dtype != node.dtype \
                or inner in self.shared or not _visits_each_once(read, node):
            return node
        place: dict[sp.Symbol, Any] = {axis_index(k): e for k, e in enumerate(read.index)}
        place |= {over_index(k): over_index(len(node.over) + k) for k in range(len(inner.over))}
        return comprehension(node.axes, (*node.over, *inner.over), "sum", X0, [rewrite(inner.reads[0], place)], node.origin, node.dtype)

    # --- reads of parts
    def pushed(self, node: Operation) -> Operation:
        """Reads of parts moved to the operands of what is read. A chain of maps is entered by a stack of its own: it may be long."""
        if not any(part_of(r, k, node, self.narrow) for k, r in enumerate(node.reads)):
            return node
        stack = self.wanted(node)
        while stack:
            body = computed(stack[-1])
            wanted = self.wanted(body)
            if wanted:
                stack += wanted
            else:
                self.parts[stack.pop()] = self.local(self.redirected(body))
        return self.redirected(node)

    def wanted(self, node: Operation) -> list[Part]:
        parts = (part_of(r, k, node, self.narrow) for k, r in enumerate(node.reads))
        return [p for p in parts if p is not None and p not in self.parts]

    def redirected(self, node: Operation) -> Operation:
        reads = tuple(self.redirect(r, k, node) for k, r in enumerate(node.reads))
        return node if reads == node.reads else _over(node, reads)

    def redirect(self, read: Read, k: int, node: Operation) -> Read:
        part = part_of(read, k, node, self.narrow)
        return read if part is None else Read(self.parts[part], tuple(used_axes(read, node)))


def _over(node: Operation, reads: Sequence[Read]) -> Operation:
    """The node over other reads, composed."""
    if isinstance(node, Comprehension):
        new = comprehension(node.axes, node.over, node.reduce, node.body, reads, node.origin, node.dtype)
        return node if new.reads == node.reads else new
    body, kept = prune(node.body, [compose(r) for r in reads])
    return replace(node, body=body, reads=kept)


def _settled(node: Operation) -> Operation:
    """The node with views and constants among its operands read past and written in."""
    fixed = all(not is_view(o) and constant_value(o) is None for o in operands(node))
    return node if fixed else _over(node, node.reads)


def _visits_each_once(read: Read, node: Comprehension) -> bool:
    """Whether a read meets every element of its operand once in the node's space."""
    bare = [e for e, size in zip(read.index, read.operand.dims, strict=True) if node.ranges.get(e) == size]
    rest = all(e in bare or size == ONE and e == 0 for e, size in zip(read.index, read.operand.dims, strict=True))
    return rest and sorted(map(str, bare)) == sorted(map(str, node.ranges))


# --- one node ---------------------------------------------------------------------------------------------------------

def _without_needless_steps(node: Comprehension) -> Node:
    """-(-x) = x; and a node that is now a copy of another is the other."""
    if is_view(node):
        whole = identity(node.reads[0], node.axes, node.origin)
        return whole if whole is node.reads[0].operand else node
    if node.reduce is not None or node.body != -X0:
        return node
    opened = enter(node.reads[0])
    if opened is None or opened.expr != -X0 or opened.reads[0].operand.dtype != node.dtype:
        return node
    return identity(rewrite(opened.reads[0], opened.place), node.axes, node.origin)


def _over_more_than_one(node: Comprehension) -> Comprehension:
    """A reduction of one operand without the indices that have one value. A product of matrices stays one until it is simplified: X @ w."""
    single = [k for k, size in enumerate(node.over) if size == 1]
    if not single or len(node.reads) > 1 or node.reduce in ("argmax", "argmin"):
        return node
    kept = [k for k in range(len(node.over)) if k not in single]
    place: dict[sp.Symbol, Any] = {over_index(k): ZERO for k in single} | {over_index(k): over_index(m) for m, k in enumerate(kept)}
    return comprehension(node.axes, [node.over[k] for k in kept], node.reduce, node.body.xreplace(place), [rewrite(r, place) for r in node.reads],
                         node.origin, node.dtype)


def _merged_reads(node: Comprehension) -> Comprehension:
    """Equal reads as one, unless terms or factors would cancel, and a NaN or an infinity with them."""
    if len(set(node.reads)) == len(node.reads):
        return node
    first = {r: node.reads.index(r) for r in node.reads}
    body = node.body.xreplace({placeholder(k): placeholder(first[r]) for k, r in enumerate(node.reads)})
    if weight(body) != weight(node.body):
        return node
    return comprehension(node.axes, node.over, node.reduce, body, node.reads, node.origin, node.dtype)


@cache
def weight(body: sp.Expr) -> sp.Expr:
    """How often a body uses what it reads, powers and coefficients counted; less after a cancellation."""
    if isinstance(body, Placeholder):
        return ONE
    if isinstance(body, sp.Mul):
        number, rest = body.as_coeff_Mul()
        return abs(number) * sum((weight(a) for a in sp.Mul.make_args(rest)), sp.Integer(0))
    if isinstance(body, sp.Pow) and body.exp.is_number:
        return abs(body.exp) * weight(body.base)
    return sum((weight(a) for a in body.args), sp.Integer(0))
