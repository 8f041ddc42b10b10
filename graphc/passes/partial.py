r"""Reads of a part: a node that is read at fewer points than it has is computed there only.

    f(x)[s, t[s]]                          = f(x[s, t[s]])                    a gather of a map
    (sum over k of A[i,k] * B[k,j])[i, i]  = sum over k of A[i,k] * B[k,i]    a diagonal, a row: where nobody reads the whole
    where(i == k, a, 0)[j, j]              = a[j]                             conditions that have become certain go
    sum over j of where(j == e, f(j), 0)   = f(e)                             and so does a sum that they leave one term

So the diagonal of a Hessian, n^2 c^2 numbers as a formula, costs n c. A map is read past whoever else reads it: a part costs less than
the whole. A reduction is dear, and a product of matrices more so where it is no longer a product of matrices: its parts must be much
smaller, and all that is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from functools import cache

import sympy as sp

from graphc.ir.access import inside, rewrite, symbols_of
from graphc.ir.build import X0, comprehension
from graphc.ir.classify import is_guarded
from graphc.ir.nodes import Comprehension, Node, Operation, Read, Size
from graphc.passes.conditions import decided
from graphc.passes.guards import conjuncts, in_range, taken_where
from graphc.passes.subject import enter, place_of
from graphc.scalar.symbols import OverIndex, Placeholder, axis_index, over_index
from graphc.scalar.table import op, where

__all__ = ["Part", "part_of", "parted", "computed", "used_axes", "one_term"]

MUCH = 8        # times smaller than the whole are the parts of a reduction together

Part = tuple[Read, tuple[Size, ...]]        # a read in terms of the indices that it uses, and their extents


def used_axes(read: Read, node: Operation) -> list[sp.Symbol]:
    used = symbols_of(read)
    return [s for s in node.ranges if s in used]


def part_of(read: Read, k: int, node: Operation, reductions: Container[Node]) -> Part | None:
    """What the k-th read of a node reads of a map, or of one of the reductions: fewer points than it has, none of them outside."""
    whole = read.operand
    if not isinstance(whole, Comprehension) or not whole.reads or whole.reduce is not None and whole not in reductions or _is_bare(read):
        return None
    axes = used_axes(read, node)
    sizes = tuple(node.ranges[s] for s in axes)
    if not _fewer(sizes, whole.dims) or place_of(whole, read.index) is None or not _is_within(read, whole, node, is_guarded(node, k)):
        return None
    return rewrite(read, {s: axis_index(m) for m, s in enumerate(axes)}), sizes


def parted(order: Sequence[Node], roots: Sequence[Node]) -> set[Node]:
    """The reductions of a graph that are read in small parts only."""
    reads = [(r, k, node) for node in order for k, r in enumerate(node.reads) if getattr(r.operand, "reduce", None) and not _is_bare(r)]
    if not reads:
        return set()
    times = Counter(r.operand for r, _, _ in reads)
    others = Counter(o for node in order for o in node.operands)
    whole = {o for o in times if others[o] > times[o]}.union(roots)
    for r, k, node in reads:
        part = part_of(r, k, node, times)       # type: ignore[arg-type]
        if part is None or any(isinstance(e, Read) for e in r.index) or not _fewer((*part[1], sp.Integer(MUCH * times[r.operand])), r.operand.dims):
            whole.add(r.operand)
    return set(times) - whole


def computed(part: Part) -> Comprehension:
    """A map or a reduction at the points where it is read."""
    read, sizes = part
    node = read.operand
    assert isinstance(node, Comprehension)
    place = place_of(node, read.index)
    assert place is not None
    own = {s: e for s, e in place.items() if s in node.body.free_symbols}
    return _settled(sizes, node.over, node.reduce, node.body.xreplace(own), [rewrite(r, place) for r in node.reads], node)


def _settled(axes, over, reduce, body, reads, like: Comprehension) -> Comprehension:              # type: ignore[no-untyped-def]
    ranges = {axis_index(m): s for m, s in enumerate(axes)} | {over_index(m): s for m, s in enumerate(over)}
    return comprehension(axes, over, reduce, decided(body, ranges), reads, like.origin, like.dtype)


def _is_bare(read: Read) -> bool:
    index = read.index
    return len(set(index)) == len(index) and all(isinstance(e, sp.Symbol) for e in index)


def _is_within(read: Read, whole: Comprehension, node: Operation, guarded: bool) -> bool:
    """Whether a read stays inside the node it reads, by itself: what a selection guards must not be read where it is not taken."""
    return all(not guarded if isinstance(e, Read) else node.ranges.get(e) == size or _is_safe(e, size, node, whole, m, guarded)
               for m, (e, size) in enumerate(zip(read.index, whole.dims, strict=True)))


def _is_safe(e: sp.Expr, size: Size, node: Operation, whole: Comprehension, m: int, guarded: bool) -> bool:
    """Whether an index stays inside its dim, or an operand with this dim goes on to require it."""
    known = inside(e, size, node.ranges)
    return known is True or known is None and not guarded and any(
        i == axis_index(m) and dim == size for r in whole.reads for i, dim in zip(r.index, r.operand.dims, strict=True))


@cache
def _fewer(points: tuple[Size, ...], dims: tuple[Size, ...]) -> bool:
    """Whether a space is certainly a proper part of another, by their extents."""
    ratio = sp.cancel(sp.Mul(*dims) / sp.Mul(*points)) if 0 not in points else sp.Integer(1)
    if ratio.is_number:
        return bool(ratio > 1)
    return bool(ratio.is_polynomial()) and all(c > 0 for c in ratio.as_coefficients_dict().values())


# --- sums with one term -------------------------------------------------------------------------------------------------

def one_term(node: Comprehension) -> Comprehension:
    """sum over j of where(j == e, f(j), 0)"""
    if node.reduce != "sum":
        return node
    seen = node if node.body != X0 else _entered(node)
    found = _indicated(seen)
    if found is None:
        return node
    j, e = found
    k = int(j.name[1:])
    mapping = {over_index(m): over_index(m - 1) for m in range(k + 1, len(seen.over))}
    mapping[j] = e = rewrite(e, mapping)
    over = (*seen.over[:k], *seen.over[k + 1:])
    body = seen.body.xreplace(mapping)
    for limit in in_range(e, seen.over[k], {s: size for s, size in seen.ranges.items() if s != j}):
        body = where(limit, body, sp.Integer(0))
    return one_term(_settled(seen.axes, over, "sum" if over else None, body, [rewrite(r, mapping) for r in seen.reads], seen))


def _entered(node: Comprehension) -> Comprehension:
    """A sum of what a map selects, with the selection in its own body."""
    opened = enter(node.reads[0])
    if opened is None or not opened.expr.has(op("where")) or node.reads[0].operand.dtype != node.dtype:
        return node
    body = opened.expr.xreplace({s: e for s, e in opened.place.items() if s in opened.expr.free_symbols})
    return comprehension(node.axes, node.over, "sum", body, [rewrite(r, opened.place) for r in opened.reads], node.origin, node.dtype)


def _indicated(node: Comprehension) -> tuple[OverIndex, sp.Expr] | None:
    """A reduced index that a selection fixes, and where."""
    taken = taken_where(node.body)
    for c in () if taken is None else conjuncts(taken):
        if isinstance(c, op("eq")) and not any(isinstance(s, Placeholder) for s in c.free_symbols):
            for j, e in (c.args, c.args[::-1]):
                if isinstance(j, OverIndex) and j not in e.free_symbols and e.free_symbols & set(node.ranges):
                    return j, e                 # at a constant e the sum may be empty, and f(e) nowhere
    return None
