"""Numbers on the picture: what the interpreter computes for each node, its gradient, and the local derivative on an edge.

The gradient of every node is its cotangent, by one pullback with respect to all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir.bind import Binder
from graphc.ir.build import comprehension
from graphc.ir.interpret import interpret, size_of
from graphc.ir.nodes import Comprehension, Input, Node
from graphc.ir.walk import inputs_of
from graphc.passes.adjoint import pullback
from graphc.passes.derivatives import depends_on, local_derivative
from graphc.render.labels import Edge
from graphc.render.scene import Scene

__all__ = ["cotangents", "compute", "matrix_text", "number_text"]

SMALL = 4                              # rows and columns of an array that is written out


def cotangents(scene: Scene, wrt: Sequence[Node]) -> dict[Node, Node]:
    """The gradient of the first output by each drawn node on the way to `wrt`."""
    root = scene.outputs[0]
    active = depends_on([root], list(wrt))
    nodes = [n for n in scene.nodes if n in active]
    found = pullback([root], [None], nodes)
    return {n: g for n, g in zip(nodes, found, strict=True) if g is not None}


Numbers = tuple[dict[Node, np.ndarray], dict[Node, np.ndarray], dict[Edge, float]]


def compute(scene: Scene, given: Mapping[str, Any], bars: Mapping[Node, Node]) -> Numbers:
    """The value of each drawn node, its gradient, and the local derivative of each edge between numbers."""
    locals_ = {e: n for e in scene.edges if e.target in bars and e.source in bars and (n := _local_node(e)) is not None}
    roots = [*scene.outputs, *bars.values(), *locals_.values()]
    bound = Binder(inputs_of(scene.outputs), scene.outputs).bind(given)
    computed = interpret(roots, bound.arrays, bound.extents, bound.dtype)
    values = {n: computed[n] for n in scene.nodes}
    gradients = {n: np.broadcast_to(computed[g], tuple(size_of(s, bound.extents) for s in n.dims)) for n, g in bars.items()}
    return values, gradients, {e: float(computed[n]) for e, n in locals_.items()}


def _local_node(edge: Edge) -> Node | None:
    node = edge.target
    if isinstance(node, Input) or not isinstance(node, Comprehension) or edge.position is None or node.dims or node.over:
        return None
    local = local_derivative(node, edge.position)
    return comprehension((), (), None, local.expression, local.reads, dtype="float")


def number_text(value: Any) -> str:
    """Four significant digits; whole numbers as such."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    number = float(value)
    if number == int(number) if np.isfinite(number) else False:
        return str(int(number)) if abs(number) < 1e6 else f"{number:.4g}"
    return f"{number:.4g}"


def matrix_text(array: np.ndarray) -> list[list[str]] | str:
    """A small array as rows of texts, a larger one as its range."""
    if array.ndim == 0:
        return number_text(array[()])
    if array.ndim <= 2 and all(0 < s <= SMALL for s in array.shape):
        return [[number_text(v) for v in row] for row in np.atleast_2d(array)]
    if array.size == 0:
        return "empty"
    if array.dtype == np.bool_:
        return f"{int(array.sum())} of {array.size} true"
    low, high = number_text(array.min()), number_text(array.max())
    return f"{low} … {high}" if low != high else f"all {low}"
