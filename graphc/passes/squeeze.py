"""squeeze: axes and reduced indices of literal size 1 go, so that no loop runs once. Outputs keep their axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sympy as sp

from graphc.ir.access import rewrite
from graphc.ir.build import comprehension
from graphc.ir.nodes import Comprehension, Input, Node, Read
from graphc.ir.walk import topological
from graphc.scalar.symbols import axis_index, over_index

__all__ = ["squeeze"]

ZERO, ONE = sp.Integer(0), sp.Integer(1)


def squeeze(roots: Sequence[Node]) -> list[Node]:
    """The graph without intermediate axes of size 1."""
    keep = set(roots)
    done: dict[Node, Node] = {}
    dropped: dict[Node, tuple[int, ...]] = {}
    for node in topological(roots):
        if isinstance(node, Input):
            done[node] = node
            continue
        reads = tuple(_read(r, done, dropped) for r in node.reads)
        if isinstance(node, Comprehension):
            done[node], dropped[node] = _node(replace(node, reads=reads), node in keep)
        else:
            at = tuple(_read(e, done, dropped) if isinstance(e, Read) else e for e in node.at)
            done[node] = replace(node, reads=reads, at=at)
    return [done[r] for r in roots]


def _read(read: Read, done: dict[Node, Node], dropped: dict[Node, tuple[int, ...]]) -> Read:
    gone = dropped.get(read.operand, ())
    index = tuple(_read(e, done, dropped) if isinstance(e, Read) else e for k, e in enumerate(read.index) if k not in gone)
    return Read(done[read.operand], index)


def _node(node: Comprehension, is_root: bool) -> tuple[Node, tuple[int, ...]]:
    gone = () if is_root else tuple(k for k, size in enumerate(node.axes) if size == ONE)
    single = () if node.reduce in ("argmax", "argmin") else tuple(k for k, size in enumerate(node.over) if size == ONE)
    if not gone and not single:
        return node, ()
    axes = [k for k in range(len(node.axes)) if k not in gone]
    over = [k for k in range(len(node.over)) if k not in single]
    mapping: dict[sp.Symbol, sp.Expr] = {axis_index(k): ZERO for k in gone} | {over_index(k): ZERO for k in single}
    mapping |= {axis_index(k): axis_index(m) for m, k in enumerate(axes)} | {over_index(k): over_index(m) for m, k in enumerate(over)}
    return comprehension([node.axes[k] for k in axes], [node.over[k] for k in over], node.reduce, node.body.xreplace(mapping),
                         [rewrite(r, mapping) for r in node.reads], node.origin, node.dtype), gone
