r"""diagonal: what is read at its diagonal alone is computed there alone.

    H[i, j, k] = where(i == k, f(i, j), 0),   y[i, j] = 2 H[i, j, i]      =      H[i, j] = f(i, j),   y[i, j] = 2 H[i, j]

Two axes of a node become one where every read of it has the same index in both. So the trace of a product costs n d, and the diagonal of a Hessian
of softmax cross-entropy n c in place of (n c)^2. Outputs keep their axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from graphc.ir.access import rewrite, same_size
from graphc.ir.build import comprehension
from graphc.ir.nodes import Comprehension, Node, Read, reads_in
from graphc.ir.walk import topological
from graphc.scalar.symbols import AxisIndex, OverIndex, axis_index
from graphc.scalar.table import op, where

__all__ = ["diagonal"]

TRUE, FALSE = sp.Integer(1), sp.Integer(0)


@dataclass
class _Restricted:
    """What a node becomes: its body and reads on the axes that are left, and the axes that go."""

    node: Any
    gone: tuple[int, ...] = ()


def diagonal(roots: Sequence[Node]) -> list[Node]:
    """The graph in which nodes that are read at their diagonal are their diagonal."""
    order = topological(roots)
    new: dict[Node, _Restricted] = {}
    readers: dict[Node, list[tuple[Any, ...]]] = {}
    for node in reversed(order):                                           # who reads a node stands after it
        new[node] = _Restricted(node)
        if isinstance(node, Comprehension) and node not in roots and (merged := _merged(node, readers[node])):
            new[node] = _restricted(node, merged)
        for r in _all_reads(new[node].node):
            readers.setdefault(r.operand, []).append(r.index)
    if not any(x.gone for x in new.values()):
        return list(roots)
    done: dict[Node, Node] = {}
    for node in order:
        done[node] = _over_new(new[node].node, new, done)
    return [done[r] for r in roots]


def _merged(node: Comprehension, places: Sequence[tuple[Any, ...]]) -> dict[int, int]:
    """The axes that are another, earlier one at all places where a node is read."""
    found: dict[int, int] = {}
    for b, size in enumerate(node.axes):
        for a in range(b):
            if a not in found and same_size(size, node.axes[a]) and all(p[a] == p[b] and isinstance(p[a], sp.Expr) for p in places):
                found[b] = a
                break
    return found


def _restricted(node: Comprehension, merged: Mapping[int, int]) -> _Restricted:
    kept = [k for k in range(len(node.axes)) if k not in merged]
    place = {axis_index(k): axis_index(m) for m, k in enumerate(kept)}
    place |= {axis_index(b): place[axis_index(a)] for b, a in merged.items()}
    made = comprehension([node.axes[k] for k in kept], node.over, node.reduce, _decided(node.body.xreplace(place)),
                         [rewrite(r, place) for r in node.reads], node.origin, node.dtype)
    return _Restricted(made, tuple(merged))


def _decided(e: sp.Expr) -> sp.Expr:
    """An expression in which it is known that an index equals itself."""
    if e.is_Atom:
        return e
    args = [_decided(a) for a in e.args]
    if isinstance(e, op("eq") | op("ne")) and args[0] == args[1] and isinstance(args[0], AxisIndex | OverIndex):
        return TRUE if isinstance(e, op("eq")) else FALSE
    for name, neutral, end in (("and_", TRUE, FALSE), ("or_", FALSE, TRUE)):
        if isinstance(e, op(name)):
            left = [a for a in args if a != neutral]
            return end if end in left else e.func(*args) if len(left) == 2 else left[0] if left else neutral
    if isinstance(e, op("not_")) and args[0] in (TRUE, FALSE):
        return TRUE - args[0]
    if isinstance(e, op("where")):
        return where(*args)
    return e.func(*args)


def _all_reads(node: Any) -> list[Read]:
    return [r for read in (*node.reads, *(e for e in getattr(node, "at", ()) if isinstance(e, Read))) for r in reads_in(read)]


def _over_new(node: Any, new: Mapping[Node, _Restricted], done: Mapping[Node, Node]) -> Node:
    """The node over what its operands have become."""
    def read(r: Read) -> Read:
        gone = new[r.operand].gone
        return Read(done[r.operand], tuple(read(e) if isinstance(e, Read) else e for k, e in enumerate(r.index) if k not in gone))
    if not node.reads and not hasattr(node, "at"):
        return node                                                        # type: ignore[no-any-return]
    reads = tuple(map(read, node.reads))
    if hasattr(node, "at"):
        return replace(node, reads=reads, at=tuple(read(e) if isinstance(e, Read) else e for e in node.at))
    return replace(node, reads=reads)                                      # type: ignore[no-any-return]
