"""The form of one node, and the node as it is shown. `graphc.ir.forms` says what the kinds of form are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from graphc.ir.access import rewrite, symbols_of
from graphc.ir.classify import product_operands
from graphc.ir.idioms import ReductionCall, first_extremum, is_shift
from graphc.ir.nodes import Comprehension, Input, Node, Read, reads_in
from graphc.ir.views import View
from graphc.scalar.symbols import Placeholder, axis_index, over_index, placeholder

__all__ = ["Form", "Product", "displayed", "symbols_of_node"]


@dataclass(frozen=True)
class Product:
    """left @ right: reads, and whether each is transposed."""

    left: Read
    right: Read
    left_t: bool
    right_t: bool


@dataclass(frozen=True)
class Form:
    """How a node is written, the node as displayed, and what it takes: a call, a product, the space of its reads and their views."""

    kind: str
    node: Node
    call: Any = None
    frame: tuple[sp.Symbol, ...] = ()
    views: tuple[View, ...] = ()
    axis: tuple[int, ...] | None = None
    keepdims: bool = False

    def printed(self) -> list[tuple[Node, int]]:
        """The nodes whose text this one contains, and how often."""
        node = self.node
        if isinstance(node, Input):
            return []
        if isinstance(self.call, ReductionCall):
            call = self.call
            return [(r.operand, 1) for r in (call.reduction.reads if call.inner is None else [call.argument])]
        if self.kind == "matmul":
            return [(self.call.left.operand, 1), (self.call.right.operand, 1)]
        if self.kind == "broadcast":
            return [(self.call, 1)]
        counts = _occurrences(node.body)
        found = [(r.operand, 1 if r is not read or self.kind == "call" else counts.get(k, 1))
                 for k, read in enumerate(node.reads) for r in reads_in(read)]
        return found + [(r.operand, 1) for e in getattr(node, "at", ()) if isinstance(e, Read) for r in reads_in(e)]


def _occurrences(body: sp.Expr) -> dict[int, int]:
    counts: dict[int, int] = {}
    for e in sp.preorder_traversal(body):
        if isinstance(e, Placeholder) and e.name != "y":
            counts[int(e.name[1:])] = counts.get(int(e.name[1:]), 0) + 1
    return counts


def displayed(node: Node) -> Node:
    """The node as it is shown: no loops that run once; what a derivative made is put in the order of the formula."""
    if not isinstance(node, Comprehension):
        return node
    if call := first_extremum(node):
        return displayed(call.reduction)
    if is_shift(node):
        return replace(node, body=placeholder(0))
    node = _bare_ones(node)
    if node.over and node.reduce not in ("argmax", "argmin") and not product_operands(node) and any(s == 1 for s in node.over):
        kept = [k for k, s in enumerate(node.over) if s != 1]
        mapping = {over_index(k): sp.Integer(0) for k, s in enumerate(node.over) if s == 1}
        mapping |= {over_index(k): over_index(m) for m, k in enumerate(kept)}
        node = replace(node, over=tuple(node.over[k] for k in kept), reduce=node.reduce if kept else None, body=node.body.xreplace(mapping),
                       reads=tuple(rewrite(r, mapping) for r in node.reads))
    return node if node.origin.op else _ordered(node)


def _bare_ones(node: Comprehension) -> Comprehension:
    """A product's read of position 0 of a dim of size 1, at the axis of size 1 that it stands for: X[j,0] is X[j,i]."""
    if node.reduce != "sum" or len(node.reads) != 2:
        return node
    unused = [axis_index(k) for k, size in enumerate(node.axes) if size == 1 and axis_index(k) not in symbols_of_node(node)]
    places = [(r, m) for r, read in enumerate(node.reads) for m, e in enumerate(read.index) if e == 0 and read.operand.dims[m] == 1]
    if not unused or len(unused) != len(places):
        return node
    reads = list(node.reads)
    for s, (r, m) in zip(unused, places, strict=True):
        reads[r] = Read(reads[r].operand, (*reads[r].index[:m], s, *reads[r].index[m + 1:]))
    return replace(node, reads=tuple(reads))


def _ordered(node: Comprehension) -> Comprehension:
    """Cotangents were added from the end of the formula to its beginning; in a product numbers go before tensors."""
    number = len(node.reads)
    if isinstance(node.body, sp.Add) and node.body == sp.Add(*(placeholder(k) for k in range(number))):
        order = list(reversed(range(number)))
    elif isinstance(node.body, sp.Mul):
        order = sorted(range(number), key=lambda k: bool(node.reads[k].operand.dims))
    else:
        return node
    mapping = {placeholder(k): placeholder(m) for m, k in enumerate(order)}
    return replace(node, body=node.body.xreplace(mapping), reads=tuple(node.reads[k] for k in order))


def symbols_of_node(node: Comprehension) -> set[sp.Symbol]:
    """The indices that the body and the reads use."""
    used = set(node.body.free_symbols).union(*(symbols_of(r) for r in node.reads))
    return used & set(node.ranges)
