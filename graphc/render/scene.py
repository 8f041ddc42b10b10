"""What a picture shows: nodes, the edges between them, and what is written on both. No colours and no Graphviz here.

    scene ::= drawn nodes (symbol, name, dims; value; gradient), edges (access map; local derivative)

A composed function (softmax, mean, logsumexp) is one node, as the user wrote it; what it is made of is not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graphc.ir.classify import product_operands
from graphc.ir.idioms import reduction_call
from graphc.ir.names import names_of
from graphc.ir.nodes import Input, Node, Read, Scatter, reads_in
from graphc.ir.views import view_of
from graphc.ir.walk import topological
from graphc.render.labels import Edge, local_of, symbol_of
from graphc.render.style import TRANSPOSED
from graphc.scalar.symbols import axis_index

__all__ = ["Scene", "scene_of", "dims_text"]

@dataclass
class Scene:
    nodes: list[Node]
    outputs: list[Node]
    names: dict[Node, str]
    symbols: dict[Node, str] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def local(self, edge: Edge) -> str:
        """The local derivative of the edge's target by its source, as text."""
        text = local_of(edge, self.names)
        gathered = any(isinstance(e, Read) for e in edge.read.index)
        return f"{text} at index" if gathered and text else text


def dims_text(node: Node) -> str:
    return " × ".join(str(s).replace(" ", "") for s in node.dims)


def scene_of(roots: Sequence[Node], preferred: Mapping[Node, str]) -> Scene:
    """The forward graph below the roots."""
    order = _drawn(roots)
    names = names_of(order, preferred=preferred)
    scene = Scene(order, list(dict.fromkeys(roots)), names)
    for node in order:
        if not isinstance(node, Input):
            scene.symbols[node] = symbol_of(node, names)
            scene.edges += _edges(node)
    return scene


def _inputs_of(node: Node) -> list[tuple[Read, int | None]]:
    """What a node's picture hangs on: its reads, or those of the function that it ends."""
    if isinstance(node, Input):
        return []
    call = reduction_call(node)
    if call is not None:
        return [(r, None) for r in (call.reduction.reads if call.inner is None else [call.argument])]
    return [(r, k) for k, r in enumerate(node.reads)]


def _edges(node: Node) -> list[Edge]:
    found: dict[tuple[Node, str], Edge] = {}
    for read, k in _inputs_of(node):
        label = _view_label(read, node)
        found.setdefault((read.operand, label), Edge(read.operand, node, read, k, label))
        for inner in list(reads_in(read))[1:]:
            found.setdefault((inner.operand, "index"), Edge(inner.operand, node, inner, None, "index"))
    for e in getattr(node, "at", ()):
        if isinstance(e, Read):
            found.setdefault((e.operand, "index"), Edge(e.operand, node, e, None, "index"))
    return list(found.values())


def _drawn(roots: Sequence[Node]) -> list[Node]:
    return topological(roots, lambda node: [e.source for e in _edges(node)])


def _view_label(read: Read, node: Node) -> str:
    """.T, [1:], or "" where the operand is read as it is or broadcast."""
    assert not isinstance(node, Input)
    if any(isinstance(e, Read) for e in read.index) or isinstance(node, Scatter):
        return ""
    if product_operands(node):
        call = [e for e in read.index if e in node.ranges]
        return TRANSPOSED if len(call) == 2 and (str(call[0])[0] == "j") == (axis_index(0) in read.index) and len(node.axes) == 2 else ""
    frame = list(node.ranges)
    sizes = list(node.ranges.values())
    if node.reduce:
        widest = max(node.reads, key=lambda r: len(r.index)).index
        frame = [s for s in widest if s in node.ranges] + [s for s in frame if s not in widest]
        sizes = [node.ranges[s] for s in frame]
    view = view_of(read, frame, sizes)
    if view is None:
        return ""
    items = f"[{', '.join(view.items)}]" if any(i not in (":", "0") for i in view.items) else ""
    return items + (TRANSPOSED if view.order == (1, 0) else ".transpose" if view.order else "")
