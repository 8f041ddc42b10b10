r"""canonicalise: few forms, so that patterns are few. The graph stays what the user wrote, but for

    views         a node that only re-indexes is read past; a constant stands in the body that uses it
    equal reads   x[i] * x[i] = x[i]**2, where nothing cancels: x - x and x / x keep the NaN of x
    signs         -(-x) = x
    sums          sum over i of sum over j = sum over i and j, when nothing else reads the inner sum
    gathers       f(x)[s, t[s]] = f(x[s, t[s]]): a map that is read at fewer points than it has is computed there only

The last brings a gather to the operands of a softmax's logarithm, so that picking the labels' entries costs n and not n c.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import sympy as sp

from graphc.ir.access import inside, rewrite, symbols_of
from graphc.ir.build import X0, compose, comprehension, constant_value, identity, is_view, prune
from graphc.ir.classify import is_guarded
from graphc.ir.nodes import Comprehension, Input, Node, Read, Scatter, Size
from graphc.ir.verify import law
from graphc.ir.walk import operands, topological, with_reads
from graphc.passes.subject import enter
from graphc.scalar.symbols import Placeholder, axis_index, over_index, placeholder

__all__ = ["canonicalise", "sweep"]

ONE = sp.Integer(1)
Computed = Comprehension | Scatter


def canonicalise(roots: Sequence[Node]) -> list[Node]:
    """The graph in few forms."""
    return sweep(roots, ())


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
    done: dict[Node, Node] = {}
    for node in order:
        done[node] = canonical.visit(with_reads(node, done))
        if times[node] > 1:
            canonical.shared.add(done[node])
    return [done[r] for r in roots]


class _Canonical:
    def __init__(self, more: Sequence[Callable[[Comprehension], Node]]):
        self.more = more
        self.shared: set[Node] = set()
        self.gathered: dict[tuple[Read, tuple[Size, ...]], Node] = {}

    def visit(self, node: Node) -> Node:
        if isinstance(node, Input):
            return node
        return self.local(self.pushed(_settled(node)))

    def local(self, node: Computed) -> Node:
        """A node by itself."""
        if isinstance(node, Scatter):
            return node
        result = _without_needless_steps(self.one_sum(_merged_reads(node)))
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

    # --- gathers
    def pushed(self, node: Computed) -> Computed:
        """Gathers of maps moved to the maps' operands. A chain of maps is entered by a stack of its own: it may be long."""
        stack = self.wanted(node)
        while stack:
            read, sizes = stack[-1]
            body = _gathered(read, sizes)
            wanted = self.wanted(body)
            if wanted:
                stack += wanted
            else:
                self.gathered[stack.pop()] = self.local(self.redirected(body))
        return self.redirected(node)

    def wanted(self, node: Computed) -> list[tuple[Read, tuple[Size, ...]]]:
        keys = [_key(r, node) for k, r in enumerate(node.reads) if _is_gathered_map(r, k, node)]
        return [key for key in keys if key not in self.gathered]

    def redirected(self, node: Computed) -> Computed:
        reads = tuple(self.redirect(r, k, node) for k, r in enumerate(node.reads))
        return node if reads == node.reads else _over(node, reads)

    def redirect(self, read: Read, k: int, node: Computed) -> Read:
        if not _is_gathered_map(read, k, node):
            return read
        return Read(self.gathered[_key(read, node)], tuple(_axes(read, node)))


def _over(node: Computed, reads: Sequence[Read]) -> Computed:
    """The node over other reads, composed."""
    if isinstance(node, Comprehension):
        new = comprehension(node.axes, node.over, node.reduce, node.body, reads, node.origin, node.dtype)
        return node if new.reads == node.reads else new
    body, kept = prune(node.body, [compose(r) for r in reads])
    return replace(node, body=body, reads=kept)


def _settled(node: Computed) -> Computed:
    """The node with views and constants among its operands read past and written in."""
    fixed = all(not is_view(o) and constant_value(o) is None for o in operands(node))
    return node if fixed else _over(node, node.reads)


def _visits_each_once(read: Read, node: Comprehension) -> bool:
    """Whether a read meets every element of its operand once in the node's space."""
    bare = [e for e, size in zip(read.index, read.operand.dims, strict=True) if node.ranges.get(e) == size]
    rest = all(e in bare or size == ONE and e == 0 for e, size in zip(read.index, read.operand.dims, strict=True))
    return rest and sorted(map(str, bare)) == sorted(map(str, node.ranges))


def _axes(read: Read, node: Computed) -> list[sp.Symbol]:
    used = symbols_of(read)
    return [s for s in node.ranges if s in used]


def _key(read: Read, node: Computed) -> tuple[Read, tuple[Size, ...]]:
    """A read in terms of the indices that it uses, and their extents."""
    axes = _axes(read, node)
    return rewrite(read, {s: axis_index(m) for m, s in enumerate(axes)}), tuple(node.ranges[s] for s in axes)


def _is_gathered_map(read: Read, k: int, node: Computed) -> bool:
    """Whether a read is of a map, at fewer points than the map has, none of them outside."""
    map_ = read.operand
    bare = all(isinstance(e, sp.Symbol) for e in read.index) and len(set(read.index)) == len(read.index)
    if bare or not (isinstance(map_, Comprehension) and map_.reduce is None and map_.reads):
        return False
    if not _fewer(tuple(node.ranges[s] for s in _axes(read, node)), map_.dims) or is_guarded(node, k) or enter(read) is None:
        return False
    return all(isinstance(e, Read) or node.ranges.get(e) == size or _is_safe(e, size, node, map_, m)
               for m, (e, size) in enumerate(zip(read.index, map_.dims, strict=True)))


def _is_safe(e: sp.Expr, size: Size, node: Computed, map_: Comprehension, m: int) -> bool:
    """Whether an index stays inside its dim, or an operand with this dim goes on to require it."""
    known = inside(e, size, node.ranges)
    return known is True or known is None and any(
        i == axis_index(m) and dim == size for r in map_.reads for i, dim in zip(r.index, r.operand.dims, strict=True))


@cache
def _fewer(points: tuple[Size, ...], dims: tuple[Size, ...]) -> bool:
    """Whether a space is certainly a proper part of another, by their extents."""
    ratio = sp.cancel(sp.Mul(*dims) / sp.Mul(*points)) if 0 not in points else ONE
    if ratio.is_number:
        return bool(ratio > 1)
    return bool(ratio.is_polynomial()) and all(c > 0 for c in ratio.as_coefficients_dict().values())


def _gathered(read: Read, sizes: Sequence[Size]) -> Comprehension:
    """The map at the points where it is read."""
    map_ = read.operand
    opened = enter(read)
    assert opened is not None and isinstance(map_, Comprehension)
    place = {s: e for s, e in opened.place.items() if s in opened.expr.free_symbols}
    return comprehension(sizes, (), None, opened.expr.xreplace(place), [rewrite(r, opened.place) for r in opened.reads], map_.origin, map_.dtype)


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
