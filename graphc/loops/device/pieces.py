r"""Rows in pieces: where rows are few and long, several blocks take a row.

    m = max over j of y[i, j]              launch 1, piece q:  m over its j;                                    m_pieces[i, q] = m
    z = sum over j of exp(y[i, j] - m)     launch 2, piece q:  m = max over q of m_pieces[i, q];  z over its j;  z_pieces[i, q] = z
    y_bar[i, j] = exp(y[i, j] - m)/z       launch 3, piece q:  m and z in the same way;  y_bar over its j

    columns (see `columns`)                m_pieces[q, i], side by side as the columns are

    s += x[i, j]; a[i, j] = s              launch 1, piece q:  z over its j, z_pieces[i, q] = z;  launch 2:  s = sum over p < q of z_pieces[i, p]; ...

A kernel is cut where it reads a number that the whole row makes. Each launch begins with those that it needs, from what the pieces have found, in
order, and does what follows from them for each piece again: it is a few numbers of a row. What one thread stores, the first piece's does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import sympy as sp

from graphc.ir.nodes import Size
from graphc.loops.accesses import statements
from graphc.loops.device.online import lowered, same
from graphc.loops.device.placed import extents_of, place_of, placed
from graphc.loops.device.registers import touched
from graphc.loops.device.statements import Barrier, Fold, Gather, GroupKernel, Maximum, Once, Over, Scan, When
from graphc.loops.names import named
from graphc.loops.statements import Accumulate, Allocate, Assign, For, Note, Store, load, var
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term, walk

__all__ = ["Pieces", "in_pieces"]

Arrays = dict[str, tuple[tuple[Size, ...], str]]
ZERO, ONE = (Term("const", (), k, "int") for k in (0, 1))


@dataclass
class Pieces:
    """How rows are cut: the variables of how many pieces a row has (with its size) and of how many elements a piece. `tile` is the height of the
    tile that rows are of; `own` makes names."""

    number: str
    size: Size
    span: str
    arrays: Arrays
    sizes: dict[Extent, str]
    tile: Size | None
    own: Callable[[str], str]
    made: list[Allocate] = field(default_factory=list)         # what pieces have found, and scratch


def in_pieces(kernel: GroupKernel, scratch: Sequence[Allocate], p: Pieces) -> list[GroupKernel] | None:
    """The kernels that are launched one after another. None where loops run over anything but the row, where a total is added to in several of
    them, or where what each does again would read what they write."""
    loops = [s.loop for s in kernel.body if isinstance(s, Over | Scan)]
    written = {a.name for s in kernel.body for a in touched(s) if a.write}
    again = {a.name for s in kernel.body if isinstance(s, Assign | Accumulate) for a in touched(s)}
    if kernel.width is None or again & written or not all(map(_plain, kernel.body)) or len({(x.extent, x.first, x.last) for x in loops}) != 1 \
            or kernel.depth is None and loops[0].first is not None or loops[0].extent != kernel.width:
        return None
    at, heights = tuple(map(place_of, kernel.rows)), extents_of(kernel.rows, p.tile)
    cut = _Cut(p, at, heights, For(p.own("piece"), p.size, ()), p.own("begin"), p.own("end"), loops[0], kernel.depth is not None)
    used = {a.name for s in kernel.body for a in touched(s)}
    body = placed(kernel.body, {a.name: cut.array(a.name, (*heights, *a.sizes), a.kind) for a in scratch if a.name in used}, at)
    parts = list(cut.parts(body, kernel.results))
    found = [cut.launch(kernel, f"{k + 1} of {len(parts)}", part) for k, part in enumerate(parts)]
    added = [t.name for k in found for t in k.totals]
    return found if found and len(added) == len(set(added)) else None


def _plain(s: Any) -> bool:
    """Whether a statement of a row is one that all pieces can do, or each its share of."""
    if isinstance(s, Scan):
        return not s.fade
    return isinstance(s, Over | Note | Assign | Once | Barrier) or isinstance(s, Accumulate) and s.target.op == "var"


@dataclass(frozen=True)
class _Hand(Once):
    """The numbers of a piece, stored; `gathers` is how launches that follow have those of the row."""

    gathers: tuple[Gather, ...] = ()


@dataclass(frozen=True)
class _Before(Gather):
    """What the pieces before this one have found."""


@dataclass
class _Cut:
    """`at` is a row's place in an array with one for each, which have the extents `heights`; `loop` is one over a row. Where rows are `beside` one
    another, so are a piece's numbers of them."""

    p: Pieces
    at: tuple[Term, ...]
    heights: tuple[Size, ...]
    piece: For
    begin: str
    end: str
    loop: For
    beside: bool
    found: dict[str, Gather] = field(default_factory=dict)     # how launches have a row's number

    def array(self, name: str, sizes: tuple[Size, ...], kind: str) -> str:
        """A new array with a part for each row."""
        name = self.p.own(f"{name}_pieces")
        self.p.arrays[name] = sizes, kind
        self.p.made.append(Allocate(name, *self.p.arrays[name]))
        return name

    def parts(self, body: Sequence[Any], results: Sequence[str]) -> Iterator[list[Any]]:
        """The statements of each launch. `fresh` is what comes of numbers that pieces have not handed on yet."""
        now: list[Any] = []
        fresh: set[str] = set()
        for s in [x for given in body for x in (self.scanned(given) if isinstance(given, Scan) else [given])]:
            reads = bool(_names(s) & fresh)
            if isinstance(s, Barrier) or reads and isinstance(s, Over | Scan | Once):
                yield from [now] * any(isinstance(x, Over | Scan | Once) for x in now)
                now, fresh = [x for s in now for x in _later(s)], set()
            if isinstance(s, Over | Scan):
                now += self.piecewise(s)
                fresh |= {n for f in _folds(s) for n in (f.name, f.best)} | ({str(s.total.value)} if isinstance(s, Scan) else set())
            elif not isinstance(s, Barrier):
                now.append(s)
                fresh |= {_made(s)} if reads else set()
        yield from [now] * any(isinstance(x, Over | Scan | Once) for x in now)
        yield from [[x for s in now for x in _later(s)]] * bool(results)

    def scanned(self, s: Scan) -> list[Any]:
        """A scan after the sum of each piece."""
        kind, name = s.total.kind, str(s.total.value)
        body = (*s.made, Accumulate(s.op, s.total, s.value))
        return [Over(replace(s.loop, body=body, reverse=False), (Fold(name, s.op, kind, neutral=s.neutral),)), s]

    def piecewise(self, s: Over | Scan) -> list[Any]:
        """A loop over a piece, and what it hands on."""
        folds, over = _folds(s), s.rest if isinstance(s, Scan) else s
        starts = [Assign(f.part, f.neutral) for f in folds if f.part and f.neutral is not None]
        over = replace(over, loop=self.cut(over.loop), folds=tuple(f if f.own else replace(f, name=f.part or f.name, part="") for f in over.folds))
        loop = [self.before(s), replace(s, loop=self.cut(s.loop), rest=over)] if isinstance(s, Scan) else [over]
        stores: list[Store] = []
        gathers: list[Gather] = []
        for f in folds:
            numbers = [(f.best, f.kind), (f.name, "int")] if f.best else [(f.part or f.name, f.kind)]
            arrays = [(self.array(name, self.sizes(), kind), name, kind) for name, kind in numbers]
            stores += [Store(a, self.place(var(self.piece.index, "int")), var(name, kind)) for a, name, kind in arrays]
            parts = tuple(load(a, self.place(ZERO), kind) for a, _, kind in arrays)
            gathers.append(Gather(f, parts, var(self.p.number, "int"), sp.Mul(*self.heights) if self.beside else sp.S.One))
        if isinstance(s, Over) and s.online is not None:
            gathers = [self.lowered(g, gathers, s.online.maxima) for g in gathers]
        self.found |= {g.fold.name: g for g in gathers}
        return [*starts, *loop, *([_Hand(tuple(stores), tuple(gathers))] if folds else [])]

    def lowered(self, g: Gather, gathers: Sequence[Gather], maxima: Sequence[Maximum]) -> Gather:
        """How launches have a sum of exponentials below the maxima of a piece, which are the first numbers, below those of the row."""
        piece = var(self.p.own("part"), "int")
        parts = {h.fold.name: replace(h.parts[0], args=self.place(piece)) for h in gathers}
        whole = value = parts[g.fold.name]
        for m, h in zip(maxima, gathers, strict=False):
            best, now = parts[h.fold.name], var(h.fold.name, "float")
            for name, count in m.lowered:
                value = lowered(value, parts.get(count), best, now) if name == g.fold.name else value
                value = same(best, now, value) if count == g.fold.name else value
        if value == whole:
            return g
        loop = For(str(piece.value), self.p.size, (Accumulate("sum", var(g.fold.name, "float"), value),))
        return replace(g, over=Over(loop, (g.fold,)))

    def sizes(self) -> tuple[Size, ...]:
        """Of an array with a number for each piece of each row."""
        return (self.p.size, *self.heights) if self.beside else (*self.heights, self.p.size)

    def place(self, piece: Term) -> tuple[Term, ...]:
        return (piece, *self.at) if self.beside else (*self.at, piece)

    def cut(self, loop: For) -> For:
        return replace(loop, first=var(self.begin, "int"), last=var(self.end, "int"))

    def before(self, s: Scan) -> _Before:
        """What a scan begins with: the sum of the pieces that it would have come through."""
        whole, piece = self.found[str(s.total.value)], var(self.piece.index, "int")
        if not s.loop.reverse:
            return _Before(whole.fold, whole.parts, piece, whole.step)
        after = Term("add", (piece, ONE), None, "int")
        parts = tuple(replace(t, args=self.place(after)) for t in whole.parts)
        return _Before(whole.fold, parts, Term("sub", (whole.number, after), None, "int"), whole.step)

    def launch(self, kernel: GroupKernel, number: str, body: Sequence[Any]) -> GroupKernel:
        """The kernel of a part; one without loops is of whole rows."""
        whole = not any(isinstance(s, Over | Scan) for s in body)
        piece, span = var(self.piece.index, "int"), var(self.p.span, "int")
        first = Term("eq", (piece, ZERO), None, "bool")
        kept = [Once(s.body) if isinstance(s, _Hand) else Once((When(first, s.body),)) if isinstance(s, Once) and not whole else s
                for s in _needed(body, kernel.results if whole else ())]
        touched = {n for s in kept for n in _names(s)}
        if not whole:
            begin, last = Term("mul", (piece, span), None, "int"), self.loop.last or named(self.loop.extent, self.p.sizes)
            begin = Term("add", (self.loop.first, begin), None, "int") if self.loop.first is not None else begin
            end = Term("minimum", (Term("add", (var(self.begin, "int"), span), None, "int"), last), None, "int")
            kept = [Assign(self.begin, begin), Assign(self.end, end), *kept]
        rows = tuple(replace(loop, body=()) for loop in kernel.rows)
        pieces = (self.piece, *rows) if self.beside else (*rows, self.piece)
        kind = "column" if self.beside else "row"
        meaning = f"{kernel.name}, {number}: {'whole rows, of what their pieces have found' if whole else f'a piece of a {kind}'}"
        return replace(kernel, name=self.p.own(f"{kernel.name}_pieces_{number[0]}"), rows=rows if whole else pieces, body=tuple(kept),
                       totals=tuple(t for t in kernel.totals if t.name in touched), meaning=(meaning,), alone=kernel.alone and whole,
                       results=kernel.results if whole else ())


def _later(s: Any) -> list[Any]:
    """What is left of a statement in the launches that follow."""
    if isinstance(s, _Hand):
        return list(s.gathers)
    return [] if isinstance(s, Over | Scan | Once | _Before) else [s]


def _folds(s: Over | Scan) -> list[Fold]:
    """The folds of a loop that are a row's."""
    return [f for f in (s.rest if isinstance(s, Scan) else s).folds if not f.own]


def _made(s: Any) -> str:
    """The variable that a statement sets."""
    return s.name if isinstance(s, Assign) else s.target.value if isinstance(s, Accumulate) else ""


def _needed(body: Sequence[Any], wanted: Iterable[str]) -> list[Any]:
    """The statements that do something, and those that make what they read."""
    needed, kept, note = set(wanted), [], False
    for s in reversed(body):
        makes = {s.fold.name, s.fold.best} if isinstance(s, Gather) else {_made(s)}
        keep = note if isinstance(s, Note) else isinstance(s, Over | Scan | Once) or bool(makes & needed)
        if keep:
            kept.append(s)
            needed = needed - (makes if isinstance(s, Assign | Gather) else set()) | _names(s)
        note = keep
    return kept[::-1]


def _names(x: Any) -> set[str]:
    """The variables that statements and terms read or add to, and totals."""
    if isinstance(x, Term):
        return {t.value for t in walk(x) if t.op == "var"}
    if isinstance(x, tuple):
        return {n for part in x for n in _names(part)}
    found = {n for f in fields(x) for n in _names(getattr(x, f.name))} if is_dataclass(x) else set()
    if isinstance(x, Over):
        parts: list[Any] = [x.loop, *((x.online.loop, *x.online.steps) if x.online is not None else ())]
        inside = {s.name if isinstance(s, Assign) else s.index for s in statements(parts) if isinstance(s, Assign | For)}
        return found - inside | {f.name for f in x.folds if f.own}
    if isinstance(x, Gather):
        return found | {x.fold.name} if x.fold.part else found - {x.fold.name}
    return found
