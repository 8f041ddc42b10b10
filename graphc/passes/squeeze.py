"""squeeze: axes and reduced indices of literal size 1 go, so that no loop runs once, and the axes of a map stand in the order of what it reads, so
that one loop strides through neither. Outputs keep their axes."""

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
    """The graph without intermediate axes of size 1, and with those of maps in the order of their operands'."""
    keep = set(roots)
    done: dict[Node, Node] = {}
    kept: dict[Node, Sequence[int]] = {}
    for node in topological(roots):
        if isinstance(node, Input):
            done[node] = node
            continue
        reads = tuple(_read(r, done, kept) for r in node.reads)
        if isinstance(node, Comprehension):
            done[node], kept[node] = _node(replace(node, reads=reads), node in keep)
        else:
            at = tuple(_read(e, done, kept) if isinstance(e, Read) else e for e in node.at)
            done[node] = replace(node, reads=reads, at=at)
    return [done[r] for r in roots]


def _read(read: Read, done: dict[Node, Node], kept: dict[Node, Sequence[int]]) -> Read:
    index = tuple(read.index[k] for k in kept.get(read.operand, range(len(read.index))))
    index = tuple(_read(e, done, kept) if isinstance(e, Read) else e for e in index)
    return Read(done[read.operand], index)


def _node(node: Comprehension, is_root: bool) -> tuple[Node, Sequence[int]]:
    """The node, and which of its axes it has, in order."""
    axes = range(len(node.axes)) if is_root else _ordered(node, [k for k, size in enumerate(node.axes) if size != ONE])
    single = () if node.reduce in ("argmax", "argmin") else tuple(k for k, size in enumerate(node.over) if size == ONE)
    if list(axes) == list(range(len(node.axes))) and not single:
        return node, axes
    over = [k for k in range(len(node.over)) if k not in single]
    gone = (k for k in range(len(node.axes)) if k not in axes)
    mapping: dict[sp.Symbol, sp.Expr] = {axis_index(k): ZERO for k in gone} | {over_index(k): ZERO for k in single}
    mapping |= {axis_index(k): axis_index(m) for m, k in enumerate(axes)} | {over_index(k): over_index(m) for m, k in enumerate(over)}
    return comprehension([node.axes[k] for k in axes], [node.over[k] for k in over], node.reduce, node.body.xreplace(mapping),
                         [rewrite(r, mapping) for r in node.reads], node.origin, node.dtype), axes


def _ordered(node: Comprehension, axes: Sequence[int]) -> Sequence[int]:
    """The axes of a map in the order in which it reads arrays that have them all, if that is one order."""
    orders = {tuple(k for e in r.index for k in axes if e == axis_index(k)) for r in node.reads}
    whole = [order for order in orders if sorted(order) == list(axes)]
    return whole[0] if node.reduce is None and len(whole) == 1 else axes
