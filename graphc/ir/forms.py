"""How each node of a graph can be written: whole, in NumPy's positional style, or only element by element.

    name         an input, or a node that has a line of its own
    call         mean(x, axis=...), softmax(x), gelu(x)             constant   arange("n"), eye("n"), 2*n
    matmul       2*X.T @ r/n                                        broadcast  broadcast_to(x[:, None], "n d")
    map          exp(x - m)                                         reduce     sum(x**2, axis="c")
    total        a reduction to a number, in index notation: Sum(x[i,t[i]], i)
    index        the rest: array(where(t[i] == j, 1, 0), (i, j))
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import sympy as sp

from graphc.ir.access import rewrite
from graphc.ir.build import compose, is_view
from graphc.ir.classify import product_operands
from graphc.ir.form import Form, Product, displayed, symbols_of_node
from graphc.ir.idioms import indexed_call, map_call, reduction_call
from graphc.ir.nodes import Comprehension, Input, Node, Read, Scatter, Size
from graphc.ir.views import View, view_of
from graphc.ir.walk import topological
from graphc.scalar.symbols import AxisIndex, OverIndex, axis_index, over_index
from graphc.scalar.table import op

__all__ = ["Forms"]

EYE = op("where")(op("eq")(axis_index(0), axis_index(1)), sp.Integer(1), sp.Integer(0))


class Forms:
    """The forms of all nodes below the roots. `positional` is False for LaTeX, where a reduction is a sum over indices."""

    def __init__(self, roots: Iterable[Node], named: Collection[Node] = (), positional: bool = True):
        self.named, self.positional = named, positional
        self.shown: dict[Node, Node] = {}                  # as displayed, reading past views
        self.own: dict[Node, Form] = {}                    # the right side of a node's own line
        self.forms: dict[Node, Form] = {}
        for node in topological(roots):
            self.add(node)

    def add(self, node: Node) -> None:
        self.shown[node] = self.past_views(displayed(node))
        self.own[node] = self.form(node)
        self.forms[node] = Form("name", node) if node in self.named else self.own[node]

    def __getitem__(self, node: Node) -> Form:
        return self.forms[node]

    def past_views(self, node: Node) -> Node:
        """Broadcasting is silent: a node that only re-indexes (a derivative makes such) is read through."""
        if not isinstance(node, Comprehension):
            return node
        reads = tuple(compose(Read(self.shown.get(r.operand, r.operand), r.index)) if is_view(self.shown.get(r.operand, r.operand)) else r
                      for r in node.reads)
        return replace(node, reads=reads) if reads != node.reads else node

    def whole(self, node: Node) -> bool:
        return self.forms[node].kind != "index"

    # --- one node
    def form(self, node: Node) -> Form:
        if isinstance(node, Input):
            return Form("name", node)
        if isinstance(node, Scatter):
            return Form("index", node)
        shown = self.shown[node]
        assert isinstance(shown, Comprehension)
        return self.call(node) or self.indexed(shown) or self.product(shown) or self.constant(shown) or self.stretched(shown) \
            or self.pointwise(shown) or self.reduction(shown) or Form("index" if shown.dims else "total", shown)

    def call(self, node: Comprehension) -> Form | None:
        found = reduction_call(node)
        if found is None or not self.positional and found.inner is None:
            return self.pointwise_call(node)
        if found.inner is None:
            inside = self.reduction(found.reduction)
            return replace(inside, kind="call", node=node, call=found) if inside else None
        frame = tuple(axis_index(k) for k in range(len(found.inner.axes)))
        view = view_of(found.argument, frame, found.inner.axes)
        index = found.reduction.reads[0].index
        if view is None or not self.whole(found.argument.operand) or not self.shows(view):
            return None
        axis = tuple(k for k, e in enumerate(index) if isinstance(e, OverIndex))
        keepdims = len(node.dims) == len(frame) and "softmax" not in found.name
        return Form("call", node, found, frame, (view,), axis, keepdims)

    def pointwise_call(self, node: Comprehension) -> Form | None:
        if node.reduce or len(node.reads) != 1:
            return None
        found = map_call(node.origin.op, node.body)
        inside = self.pointwise(node) if found else None
        return replace(inside, kind="call", call=found) if inside else None

    def indexed(self, node: Comprehension) -> Form | None:
        found = indexed_call(node)
        if found is None or not self.whole(node.reads[0].operand):
            return None
        return Form("call", node, found, (), (View(),))

    def product(self, node: Comprehension) -> Form | None:
        reads = product_operands(node)
        if reads is None or len(reads) != 2 or len(node.over) != 1:
            return None
        j = over_index(0)
        if max(len(r.index) for r in reads) > 2:
            return self.batched(node, reads)
        left, right = reads if axis_index(0) in reads[0].index or not node.axes or axis_index(0) not in reads[1].index else reads[::-1]
        if j not in left.index or j not in right.index or len(left.index) + len(right.index) - 2 != len(node.axes):
            return None
        return Form("matmul", node, Product(left, right, left.index[-1] != j, right.index[0] != j))

    @staticmethod
    def batched(node: Comprehension, reads: tuple[Read, ...]) -> Form | None:
        """a[.., i, j]*b[.., j, k]: NumPy's product of stacks"""
        rank = len(node.axes)
        axes = tuple(axis_index(k) for k in range(rank))
        left, right = (*axes[:-1], over_index(0)), (*axes[:-2], over_index(0), axes[-1])
        for a, b in (reads, reads[::-1]):
            if (a.index, b.index) == (left, right):
                return Form("matmul", node, Product(a, b, False, False))
        return None

    def constant(self, node: Comprehension) -> Form | None:
        if node.reads or node.reduce:
            return None
        if not node.body.atoms(AxisIndex):
            return Form("constant", node)
        if node.body == EYE and len(node.axes) == 2 and node.axes[0] == node.axes[1]:
            return Form("constant", node, "eye")
        return Form("constant", node, "arange") if len(node.axes) == 1 else None

    def stretched(self, node: Comprehension) -> Form | None:
        """Axes along which nothing changes: the node without them, stretched."""
        used = symbols_of_node(node)
        free = [k for k, size in enumerate(node.axes) if axis_index(k) not in used]
        if all(node.axes[k] == 1 for k in free):
            return None
        kept = [k for k in range(len(node.axes)) if k not in free]
        mapping = {axis_index(k): axis_index(m) for m, k in enumerate(kept)}
        core = replace(node, axes=tuple(node.axes[k] for k in kept), body=node.body.xreplace(mapping),
                       reads=tuple(rewrite(r, mapping) for r in node.reads))
        self.add(core)
        if not self.positional or not self.whole(core):
            return Form("index", node)
        frame = tuple(axis_index(k) for k in range(len(node.axes)))
        view = view_of(Read(core, tuple(axis_index(k) for k in kept)), frame, node.axes)
        return Form("broadcast", node, core, frame, (view,)) if view is not None else None

    def pointwise(self, node: Comprehension) -> Form | None:
        if node.reduce:
            return None
        frame = tuple(axis_index(k) for k in range(len(node.axes)))
        views = self.views(node, frame, node.axes)
        if views is None:
            return None
        if node.reads and max(self.rank(v, r) for v, r in zip(views, node.reads, strict=True)) < len(frame):
            first = view_of(node.reads[0], frame, node.axes, full=True)
            if first is None:
                return None
            views = (first, *views[1:])
        return Form("map", node, None, frame, views)

    def reduction(self, node: Comprehension) -> Form | None:
        if not node.reduce or not self.positional:
            return None
        frame = self.space(node)
        if frame is None:
            return None
        sizes = [node.ranges[s] for s in frame]
        views = self.views(node, frame, sizes)
        axis = tuple(k for k, s in enumerate(frame) if isinstance(s, OverIndex))
        if views is None or len(axis) != len(node.over):
            return None
        left = [s for s in frame if isinstance(s, AxisIndex)]
        if left == [axis_index(k) for k in range(len(node.axes))]:
            return Form("reduce", node, None, frame, views, axis)
        kept = [sp.Integer(1) if k in axis else size for k, size in enumerate(sizes)]
        if kept == list(node.axes) and all(s == axis_index(k) for k, s in enumerate(frame) if k not in axis):
            return Form("reduce", node, None, frame, views, axis, True)
        return None

    # --- reads
    @staticmethod
    def space(node: Comprehension) -> tuple[sp.Symbol, ...] | None:
        """All indices of a reduction in the order of its widest read."""
        if not node.reads:
            return None
        widest = max(node.reads, key=lambda r: len(set(r.index)))
        frame = [s for e in widest.index if not isinstance(e, Read) for s in sorted(e.free_symbols & set(node.ranges), key=str)]
        return tuple(frame) if len(set(frame)) == len(frame) and symbols_of_node(node) <= set(frame) else None

    def views(self, node: Comprehension, frame: tuple[sp.Symbol, ...], sizes: Iterable[Size]) -> tuple[View, ...] | None:
        """A view for each read; None where the node needs index notation."""
        if node.body.free_symbols & set(node.ranges):
            return None
        found = []
        for read in node.reads:
            view = view_of(read, frame, list(sizes)) if self.whole(read.operand) else None
            if view is None or not self.shows(view):
                return None
            found.append(view)
        return tuple(found)

    def shows(self, view: View) -> bool:
        """LaTeX has transposes only."""
        return self.positional or not view.items and not view.expand and view.order in ((), (1, 0))

    @staticmethod
    def rank(view: View, read: Read) -> int:
        if view.expand:
            return len(view.expand)
        return sum(":" in item for item in view.items) if view.items else len(read.index)
