"""A scene as DOT: nodes with HTML-like labels, edges with their derivatives, laid out left to right.

    forward              X -> @ -> - -> x² -> Σ -> L
    backward beside it   X̄ <- @̄ <- ...           the same columns, arrows reversed, each with its local derivative
    with values          value above, gradient below, on one graph

Ids come from the topological order, so that equal graphs give equal bytes. Every text of the user is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphc.errors import RenderError
from graphc.ir.nodes import Input, Node
from graphc.render.labels import Edge
from graphc.render.scene import Scene, dims_text
from graphc.render.style import EDGE, EDGES, GRAPH, NODE, NODES, TEXT
from graphc.render.values import matrix_text, number_text

__all__ = ["dot_text"]


def dot_text(scene: Scene, bars: Mapping[Node, Node] | None = None, values: Mapping[Node, np.ndarray] | None = None,
             gradients: Mapping[Node, np.ndarray] | None = None, slopes: Mapping[Edge, float] | None = None) -> str:
    """The DOT source. `bars` are the cotangents to draw; with values they are written into the forward nodes."""
    drawing = _Drawing(scene, bars or {}, values or {}, gradients or {}, slopes or {})
    return str(drawing.text())


class _Drawing:
    def __init__(self, scene: Scene, bars: Mapping[Node, Node], values: Mapping[Node, np.ndarray], gradients: Mapping[Node, np.ndarray],
                 slopes: Mapping[Edge, float]):
        self.scene, self.bars, self.values, self.gradients, self.slopes = scene, bars, values, gradients, slopes
        self.id = {n: f"n{k}" for k, n in enumerate(scene.nodes)}
        self.mirrored = bool(bars) and not values

    def text(self) -> str:
        graphviz = _graphviz()
        graph = graphviz.Digraph("graphc", graph_attr=GRAPH, node_attr=NODE, edge_attr=EDGE)
        if not self.mirrored:
            self.forward(graph)
            return str(graph.source)
        for name, draw in (("backward", self.backward), ("forward", self.forward)):     # Graphviz stacks from the bottom
            with graph.subgraph(name=f"cluster_{name}", graph_attr={"style": "invis"}) as part:
                draw(part)
        for node in self.bars:                                            # the cotangent stands below its node
            with graph.subgraph(graph_attr={"rank": "same"}) as column:
                column.edge(f"{self.id[node]}b", self.id[node], **EDGES["beside"])
        return str(graph.source)

    def forward(self, graph: Any) -> None:
        for node in self.scene.nodes:
            graph.node(self.id[node], self.label(node), **NODES[self.role(node)])
        for edge in self.scene.edges:
            style, label = ("gather" if edge.label == "index" else "edge"), edge.label
            if not self.mirrored and self.carries(edge):
                style = "local"
                label = "\n".join(x for x in (edge.label, self.local(edge)) if x)
            graph.edge(self.id[edge.source], self.id[edge.target], _escaped(label), **EDGES[style])

    def carries(self, edge: Edge) -> bool:
        return edge.source in self.bars and edge.target in self.bars and edge.label != "index"

    def local(self, edge: Edge) -> str:
        text = self.scene.local(edge)
        if edge in self.slopes and text:
            number = number_text(self.slopes[edge])
            return text if text == number else f"{text} = {number}"
        return text

    def backward(self, graph: Any) -> None:
        """Mirrored cotangents. An edge is declared from source to target and drawn reversed, so that the columns agree."""
        for node in self.bars:
            name = f"∂{self.scene.names[self.scene.outputs[0]]}/∂{self.scene.names[node]}" if node is not self.scene.outputs[0] else "1"
            rows = [_row("name", name), _row("name", dims_text(node))] if node.dims else [_row("name", name)]
            graph.node(f"{self.id[node]}b", _table(rows), **NODES["cotangent"])
        for edge in self.scene.edges:
            if self.carries(edge):
                graph.edge(f"{self.id[edge.source]}b", f"{self.id[edge.target]}b", _escaped(self.local(edge)), dir="back", **EDGES["pullback"])

    def role(self, node: Node) -> str:
        if isinstance(node, Input):
            return "parameter" if node.role == "parameter" else "data"
        return "output" if node in self.scene.outputs else "operation"

    # --- labels
    def label(self, node: Node) -> str:
        name, dims = self.scene.names[node], dims_text(node)
        rows = [_array_row("value", self.values[node])] if node in self.values else []
        if isinstance(node, Input):
            rows.append(_row("title", name))
            rows += [_row("name", dims)] if dims else []
        else:
            rows.append(_row("symbol", self.scene.symbols[node]))
            rows.append(_row("name", f"{name} : {dims}" if dims else name))
        if node in self.gradients:
            rows.append(_array_row("gradient", self.gradients[node]))
        return _table(rows)


def _graphviz() -> Any:
    try:
        import graphviz
    except ImportError:
        raise RenderError("pictures need the Python package graphviz: pip install graphviz") from None
    return graphviz


def _escaped(text: str) -> str:
    """A label that is no HTML: backslashes are literal, and so are angle brackets."""
    escaped: str = _graphviz().escape(text).replace("\n", "\\n")
    return escaped


def _font(role: str, text: str) -> str:
    attributes = " ".join(f'{k}="{v}"' for k, v in TEXT[role].items())
    return f"<FONT {attributes}>{html.escape(text)}</FONT>" if text else " "


def _row(role: str, text: str) -> str:
    return f"<TR><TD>{_font(role, text)}</TD></TR>"


def _array_row(role: str, array: np.ndarray) -> str:
    """A number, or a matrix between brackets, or the range of a large array."""
    content = matrix_text(array)
    if isinstance(content, str):
        return _row(role, content)
    rows = "".join("<TR>" + "".join(f"<TD>{_font(role, x)}</TD>" for x in row) + "</TR>" for row in content)
    color = TEXT[role]["COLOR"]
    return (f'<TR><TD><TABLE BORDER="1" SIDES="LR" COLOR="{color}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2">{rows}</TABLE></TD></TR>')


def _table(rows: list[str]) -> str:
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2">{"".join(rows)}</TABLE>>'
