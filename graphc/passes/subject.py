r"""Subjects: expressions in the bodies of a graph, seen from one node.

The reads of a subject are placed in terms of that node's indices, so that a body is looked at through maps and gathers: a map
read at y[s, t[s]] is its body over operands read there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import sympy as sp

from graphc.ir.access import rewrite, symbols_of
from graphc.ir.nodes import Comprehension, Read
from graphc.scalar.symbols import AxisIndex, OverIndex, Placeholder, placeholder

__all__ = ["Subject", "located", "enter", "place_of", "takes", "unfold", "signed", "symbols", "compose", "combined", "raised", "expanded", "DEPTH"]


MAX_TERMS = 8           # of a map that is written into what reads it
DEPTH = 8               # of maps that are written into what reads them


class Subject(NamedTuple):
    """An expression over reads, whose indices `place` gives in terms of the root's and of matched reductions'; `within` says in which term
    or factor of a root it was found, None where that is not one by itself."""

    expr: sp.Expr
    reads: tuple[Read, ...] = ()
    place: Mapping[sp.Symbol, Any] = {}
    within: int | None = None


def located(s: Subject) -> Read:
    """The read that a bare placeholder stands for, in the root's terms."""
    read = s.reads[int(s.expr.name[1:])]
    return Read(read.operand, tuple(rewrite(e, s.place) for e in read.index)) if s.place else read


def enter(read: Read) -> Subject | None:
    """The body of a map, seen where the map is read; None for other nodes, and where a gather stands in index arithmetic."""
    node = read.operand
    if not isinstance(node, Comprehension) or not node.is_map:
        return None
    place = place_of(node, read.index)
    return None if place is None else Subject(node.body, node.reads, place)


def place_of(node: Comprehension, index: Sequence[Any]) -> dict[sp.Symbol, Any] | None:
    place = dict(zip(node.ranges, index, strict=False))
    gathers = {s for s, e in place.items() if isinstance(e, Read)}
    if gathers and (gathers & node.body.free_symbols or not all(takes(r, gathers) for r in node.reads)):
        return None
    return place


def takes(e: Any, gathers: set[sp.Symbol]) -> bool:
    """Whether integer reads can stand for these symbols in an index: as bare indices only."""
    if isinstance(e, Read):
        return all(takes(x, gathers) for x in e.index)
    return isinstance(e, sp.Symbol) or not e.free_symbols & gathers


def unfold(s: Subject) -> Subject:
    while isinstance(s.expr, Placeholder):
        inner = enter(located(s))
        if inner is None:
            break
        s = inner
    return s


def symbols(s: Subject) -> set[sp.Symbol]:
    """The indices of the root and of matched reductions that a subject depends on."""
    found: set[sp.Symbol] = set()
    for atom in s.expr.free_symbols:
        if isinstance(atom, Placeholder):
            found |= symbols_of(located(Subject(atom, s.reads, s.place)))
        elif isinstance(atom, AxisIndex | OverIndex):
            found |= symbols_of(s.place.get(atom, atom))
    return found


def compose(body: sp.Expr, parts: Sequence[Subject], share: bool = False) -> Subject:
    """A body whose k-th placeholder is the k-th part, in the root's terms; with `share`, equal reads have one placeholder."""
    mapping: dict[sp.Expr, sp.Expr] = {}
    reads: list[Read] = []
    for k, s in enumerate(parts):
        own: dict[sp.Expr, Any] = {a: s.place[a] for a in s.expr.free_symbols if a in s.place}
        for number in sorted(int(a.name[1:]) for a in s.expr.free_symbols if isinstance(a, Placeholder)):
            read = located(Subject(placeholder(number), s.reads, s.place))
            if not share or read not in reads:
                reads.append(read)
            own[placeholder(number)] = placeholder(reads.index(read) if share else len(reads) - 1)
        mapping[placeholder(k)] = s.expr.xreplace(own)
    return Subject(body.xreplace(mapping), tuple(reads))


def combined(head: Callable[..., sp.Expr], parts: Sequence[Subject]) -> Subject:
    """head(part, ...) as one subject; in the root's terms where the parts are seen from different nodes."""
    if all(s.reads is parts[0].reads and s.place is parts[0].place for s in parts):
        return parts[0]._replace(expr=head(*(s.expr for s in parts)))
    return compose(head(*(placeholder(k) for k in range(len(parts)))), parts, share=True)


def raised(s: Subject, power: sp.Expr) -> Subject:
    """s**power"""
    return s if power == 1 else s._replace(expr=s.expr**power)


def signed(s: Subject) -> Subject:
    """A read of a map that only changes the sign, as that map's body."""
    if isinstance(s.expr, Placeholder):
        inner = enter(located(s))
        if inner is not None and isinstance(-inner.expr, Placeholder):
            return inner
    return s


def expanded(s: Subject, depth: int = DEPTH) -> Subject:
    """A subject written over what the maps below it read, so many deep, equal reads as one; wide maps are left as they are."""
    parts = {}
    for atom in sorted(s.expr.free_symbols, key=str):
        if isinstance(atom, Placeholder):
            inner = unfold(Subject(atom, s.reads, s.place))
            leave = isinstance(inner.expr, Placeholder) or len(inner.expr.args) > MAX_TERMS or not depth
            parts[atom] = Subject(atom, s.reads, s.place) if leave else expanded(inner, depth - 1)
    number = {a: placeholder(k) for k, a in enumerate(parts)}
    own: dict[sp.Expr, Any] = {a: s.place[a] for a in s.expr.free_symbols if a in s.place}
    return compose(s.expr.xreplace(own).xreplace(number), list(parts.values()), share=True)
