"""Smart constructors of comprehensions.

An access map is composed, not stored: reading a node that only re-indexes (a transpose, a slice, a reshape) reads what it
reads. A node without reads (a constant, an indicator of indices) is written into the body that uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp

from graphc.ir.access import rewrite
from graphc.ir.nodes import UNKNOWN, Comprehension, Node, Origin, Read, Size
from graphc.scalar.symbols import Placeholder, axis_index, placeholder
from graphc.scalar.term import freeze

__all__ = ["comprehension", "constant", "plain", "identity", "is_view", "compose", "substitutable", "prune", "constant_value"]

X0 = placeholder(0)


def plain(node: Node, first: int = 0) -> Read:
    """node[i_first, i_(first+1), ...]"""
    return Read(node, tuple(axis_index(first + k) for k in range(len(node.dims))))


def is_view(node: Node) -> bool:
    """Whether a node only re-indexes what it reads."""
    return (isinstance(node, Comprehension) and node.is_map and node.body == X0
            and node.dtype == node.reads[0].operand.dtype)


def constant_value(node: Node) -> sp.Expr | None:
    """The body of a node that reads nothing, in terms of its indices; None for other nodes."""
    if isinstance(node, Comprehension) and not node.reads and node.is_map:
        return node.body
    return None


def compose(read: Read) -> Read:
    """The same value, read past nodes that only re-index."""
    index = tuple(compose(e) if isinstance(e, Read) else e for e in read.index)
    node = read.operand
    while is_view(node):
        inner = node.reads[0]
        mapping = {axis_index(k): e for k, e in enumerate(index)}
        if not substitutable(inner, mapping):
            break
        node, index = inner.operand, tuple(_place(e, mapping) for e in inner.index)
    return Read(node, index)


def substitutable(inner: Read, mapping: dict[Any, Any]) -> bool:
    """An integer read can stand for a bare index only."""
    gathers = {s for s, v in mapping.items() if isinstance(v, Read)}
    return not gathers or all(e in gathers or isinstance(e, sp.Expr) and not e.free_symbols & gathers for e in inner.index)


def _place(e: Any, mapping: dict[Any, Any]) -> Any:
    return mapping[e] if isinstance(e, sp.Symbol) and e in mapping else rewrite(e, mapping)


def prune(body: sp.Expr, reads: Sequence[Read]) -> tuple[sp.Expr, tuple[Read, ...]]:
    """Drop reads that the body does not use, and renumber the rest; equal reads become one where they are added or chosen."""
    used = sorted({int(s.name[1:]) for s in body.free_symbols if isinstance(s, Placeholder) and s.name != "y"})
    if used == list(range(len(reads))):
        return body, tuple(reads)
    renumber = {placeholder(k): placeholder(new) for new, k in enumerate(used)}
    return body.xreplace(renumber), tuple(reads[k] for k in used)


def _inline_constants(body: sp.Expr, reads: list[Read]) -> sp.Expr:
    for k, read in enumerate(reads):
        value = constant_value(read.operand)
        if value is None or any(isinstance(e, Read) for e in read.index):
            continue
        value = rewrite(value, {axis_index(m): e for m, e in enumerate(read.index)}) if value.free_symbols else value
        inlined = body.xreplace({placeholder(k): value})
        others = body.free_symbols - {placeholder(k)}
        if {s for s in others if isinstance(s, Placeholder)} <= inlined.free_symbols:   # 0 * x would lose the NaN of x
            body = inlined
    return body


def comprehension(axes: Sequence[Size], over: Sequence[Size], reduce: str | None, body: sp.Expr,
                  reads: Sequence[Read], origin: Origin = UNKNOWN, dtype: str | None = None) -> Comprehension:
    """A comprehension with its access maps composed and constants in its body. `dtype` follows from the body."""
    composed = [compose(r) for r in reads]
    if dtype is None:
        dtype = "int" if reduce in ("argmax", "argmin") else freeze(body, tuple(r.operand.dtype for r in composed)).kind
        if dtype == "bool" and reduce in ("sum", "prod"):
            dtype = "int"
    body = _inline_constants(body, composed)
    body, kept = prune(body, composed)
    return Comprehension(tuple(axes), tuple(over), reduce if over else None, body, kept, dtype, origin)


def constant(value: sp.Expr, origin: Origin = UNKNOWN, axes: Sequence[Size] = (), dtype: str | None = None) -> Comprehension:
    return comprehension(axes, (), None, value, (), origin, dtype)


def identity(read: Read, axes: Sequence[Size], origin: Origin = UNKNOWN) -> Node:
    """The node out[axes] = read; the operand itself where the read is plain and whole."""
    read = compose(read)
    if len(axes) == len(read.operand.dims) and read == plain(read.operand) \
            and all(a == b for a, b in zip(axes, read.operand.dims, strict=True)):
        return read.operand
    return comprehension(axes, (), None, X0, (read,), origin)
