"""What statements read, assign and allocate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.statements import Accumulate, Allocate, Assign, Call, For, ForTiles, Height, Product, Statement, Store, Track
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term, walk

__all__ = ["Uses", "uses_of"]


@dataclass
class Uses:
    arrays: dict[str, None] = field(default_factory=dict)
    allocated: set[str] = field(default_factory=set)
    reads: dict[str, None] = field(default_factory=dict)
    assigned: dict[str, None] = field(default_factory=dict)
    sizes: set[Any] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)


def uses_of(statements: Iterable[Statement], arrays: Mapping[str, Any]) -> Uses:
    uses = Uses()
    for s in statements:
        _statement(s, uses, arrays)
    return uses


def _size(size: Size, uses: Uses) -> None:
    uses.sizes |= {x for x in size.free_symbols if isinstance(x, Extent)}


def _statement(s: Statement, uses: Uses, arrays: Mapping[str, Any]) -> None:
    match s:
        case Assign(name, value):
            _term(value, uses)
            uses.assigned[name] = None
        case Store(name, index, value):
            uses.arrays[name] = None
            for t in (*index, value):
                _term(t, uses)
        case Accumulate(_, target, value):
            _target(target, uses)
            _term(value, uses)
        case Track(_, target, best, value, position):
            _target(target, uses)
            _target(best, uses)
            _term(value, uses)
            _term(position, uses)
        case For(extent=extent, body=body, first=first, last=last, parts=parts):
            if last is None:
                _size(extent, uses)
            for t in filter(None, (first, last)):
                _term(t, uses)
            totals = dict.fromkeys(total for total, _, _ in parts)
            uses.reads |= totals
            uses.assigned |= totals
            for inner in body:
                _statement(inner, uses, arrays)
        case ForTiles(extent=extent, body=body):
            _size(extent, uses)
            for inner in body:
                _statement(inner, uses, arrays)
        case Height(extent=extent, held=held, streamed=streamed, whole=whole):
            for size in (extent, held, streamed, whole):
                _size(size, uses)
        case Allocate(name, sizes, _):
            uses.allocated.add(name)
            for size in sizes:
                _size(size, uses)
        case Product(out=out, a=a, b=b, shape=shape):
            uses.arrays |= {out: None, a: None, b: None}
            for size in (*shape.batch, *shape.rows, *shape.inner, *shape.columns):
                _size(size, uses)
        case Call(kernel, _, _):
            inner_uses = uses_of(kernel.body, arrays)
            uses.arrays |= inner_uses.arrays
            uses.reads |= {n: None for n in inner_uses.reads if n not in inner_uses.assigned}
            uses.assigned |= inner_uses.assigned
            uses.sizes |= inner_uses.sizes


def _target(target: Term, uses: Uses) -> None:
    _term(target, uses)
    if target.op == "var":
        uses.assigned[target.value] = None


def _term(term: Term, uses: Uses) -> None:
    for t in walk(term):
        if t.op == "load":
            uses.arrays[t.value] = None
        elif t.op == "var":
            uses.reads[t.value] = None
        uses.calls.add(t.op)
