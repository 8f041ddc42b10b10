"""Pictures of graphs.

    tensors -> scene (what is drawn) -> DOT (how) -> SVG, PNG, PDF (by Graphviz)
    scene.py    nodes, edges, symbols, local derivatives        values.py    numbers on them
    dot.py      the drawing                                     style.py     its looks, as tables
    backends.py who lays it out                                 picture.py   what the user gets
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from graphc.errors import RenderError
from graphc.frontend.derivatives import find_wrt, parameters_of
from graphc.frontend.elementwise import as_tensor, located
from graphc.frontend.index import settle
from graphc.frontend.tensor import Tensor, describe
from graphc.ir.walk import inputs_of
from graphc.render.dot import dot_text
from graphc.render.picture import Picture
from graphc.render.scene import scene_of
from graphc.render.values import compute, cotangents

__all__ = ["render", "Picture"]


def render(what: Any, path: str | os.PathLike[str] | None = None, *, wrt: Any = None, backward: bool = False,
           values: Mapping[str, Any] | None = None, format: str | None = None) -> Picture:
    """Draw a tensor's graph, or that of a list or dict of tensors, or of a Program.

    Inputs stand on the left, each operation with its symbol, name and dims. With `backward`, the gradients of the (first, scalar) output by
    `wrt` (tensors or names; all parameters without it, or all float inputs where there is no parameter) are drawn beside it, each
    edge with its local derivative. With `values`, a dict of arrays for the inputs, each node shows its value above, and with
    `backward` its gradient below. A file's suffix says its format: .svg, .png, .pdf, .dot.

    RenderError: no Graphviz to draw with (a .dot needs none), a file that cannot be written, a graph too large to lay out.

    >>> import graphc as gc
    >>> X, W = gc.tensor("X", "n d"), gc.param("W", "d c")
    >>> print(str(gc.render(gc.sum((X @ W)**2))).splitlines()[0])
    digraph graphc {
    """
    tensors, preferred = _tensors(what)
    scene = scene_of([t.node for t in tensors], preferred)
    bars = cotangents(scene, _wrt_nodes(tensors[0], wrt)) if backward else {}
    if values is None:
        source = dot_text(scene, bars)
    else:
        source = dot_text(scene, bars, *compute(scene, values, bars))
    picture = Picture(source, len(scene.nodes) + (len(bars) if values is None else 0))
    if path is not None:
        picture.save(path, format)
    elif format is not None:
        picture.bytes(format)
    return picture


def _tensors(what: Any) -> tuple[list[Tensor], dict[Any, str]]:
    """The tensors to draw, and the names wished for."""
    if hasattr(what, "outputs"):
        what = what.outputs
    if isinstance(what, dict):
        tensors = [_whole(t) for t in what.values()]
        return tensors, {t.node: k for t, k in zip(tensors, what, strict=True) if isinstance(k, str)}
    tensors = [_whole(t) for t in (what if isinstance(what, list | tuple) else [what])]
    if not tensors:
        raise located(RenderError("render needs at least one tensor"))
    return tensors, {}


def _whole(what: Any) -> Tensor:
    return settle(as_tensor(what))


def _wrt_nodes(y: Tensor, wrt: Any) -> list[Any]:
    if y.ndim or y.dtype != "float":
        raise located(RenderError(f"the backward graph starts at a scalar, and {describe(y)} is not one: reduce it (gc.sum, gc.mean)"))
    if wrt is None or isinstance(wrt, list | tuple) and not wrt:
        chosen = [t.node for t in parameters_of(y)] or [n for n in inputs_of([y.node]) if n.dtype == "float"]
        if not chosen:
            raise located(RenderError(f"{describe(y)} depends on no float input, so it has no backward graph"))
        return chosen
    return [t.node for t in find_wrt(y, wrt, "render")]
