r"""Rows in pieces: where rows are few and long, several blocks take a row.

    m = max over j of y[i, j]              launch 1, piece q:  m over its j;                                    m_pieces[i, q] = m
    z = sum over j of exp(y[i, j] - m)     launch 2, piece q:  m = max over q of m_pieces[i, q];  z over its j;  z_pieces[i, q] = z
    y_bar[i, j] = exp(y[i, j] - m)/z       launch 3, piece q:  m and z in the same way;  y_bar over its j

    s += x[i, j]; a[i, j] = s              launch 1, piece q:  z over its j, z_pieces[i, q] = z;  launch 2:  s = sum over p < q of z_pieces[i, p]; ...

A kernel is cut where it reads a number that the whole row makes. Each launch begins with those that it needs, from what the pieces have found, in
order, and does what follows from them for each piece again: it is a few numbers of a row. What one thread stores, the first piece's does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.accesses import statements
from graphc.loops.device.registers import touched
from graphc.loops.device.statements import Barrier, Fold, Gather, GroupKernel, Once, Over, Scan, When
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
    if kernel.width is None or again & written or not all(map(_plain, kernel.body)) or any(loop.extent != kernel.width for loop in loops):
        return None
    at = tuple(_place(loop) for loop in kernel.rows)
    heights = tuple(p.tile if loop.first is not None and p.tile is not None else loop.extent for loop in kernel.rows)
    cut = _Cut(p, at, heights, For(p.own("piece"), p.size, ()), p.own("begin"), p.own("end"))
    used = {a.name for s in kernel.body for a in touched(s)}
    body = _with_rows(kernel.body, {a.name: cut.array(a.name, a.sizes, a.kind) for a in scratch if a.name in used}, at)
    parts = list(cut.parts(body, kernel.results))
    found = [cut.launch(kernel, f"{k + 1} of {len(parts)}", part) for k, part in enumerate(parts)]
    added = [t.name for k in found for t in k.totals]
    return found if found and len(added) == len(set(added)) else None


def _plain(s: Any) -> bool:
    """Whether a statement of a row is one that all pieces can do, or each its share of."""
    if isinstance(s, Over | Scan):
        return s.loop.first is None and not (isinstance(s, Scan) and s.fade)
    return isinstance(s, Note | Assign | Once | Barrier) or isinstance(s, Accumulate) and s.target.op == "var"


@dataclass(frozen=True)
class _Hand(Once):
    """The numbers of a piece, stored; `gathers` is how launches that follow have those of the row."""

    gathers: tuple[Gather, ...] = ()


@dataclass(frozen=True)
class _Before(Gather):
    """What the pieces before this one have found."""


@dataclass
class _Cut:
    """`at` is a row's place in an array with one for each, which have the extents `heights`."""

    p: Pieces
    at: tuple[Term, ...]
    heights: tuple[Size, ...]
    piece: For
    begin: str
    end: str
    found: dict[str, Gather] = field(default_factory=dict)     # how launches have a row's number

    def array(self, name: str, sizes: Iterable[Size], kind: str) -> str:
        """A new array with a part for each row."""
        name = self.p.own(f"{name}_pieces")
        self.p.arrays[name] = (*self.heights, *sizes), kind
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
            arrays = [(self.array(name, (self.p.size,), kind), name, kind) for name, kind in numbers]
            stores += [Store(a, (*self.at, var(self.piece.index, "int")), var(name, kind)) for a, name, kind in arrays]
            gathers.append(Gather(f, tuple(load(a, (*self.at, ZERO), kind) for a, _, kind in arrays), var(self.p.number, "int")))
        self.found |= {g.fold.name: g for g in gathers}
        return [*starts, *loop, *([_Hand(tuple(stores), tuple(gathers))] if folds else [])]

    def cut(self, loop: For) -> For:
        return replace(loop, first=var(self.begin, "int"), last=var(self.end, "int"))

    def before(self, s: Scan) -> _Before:
        """What a scan begins with: the sum of the pieces that it would have come through."""
        whole, piece = self.found[str(s.total.value)], var(self.piece.index, "int")
        if not s.loop.reverse:
            return _Before(whole.fold, whole.parts, piece)
        after = Term("add", (piece, ONE), None, "int")
        return _Before(whole.fold, tuple(replace(t, args=(*self.at, after)) for t in whole.parts), Term("sub", (whole.number, after), None, "int"))

    def launch(self, kernel: GroupKernel, number: str, body: Sequence[Any]) -> GroupKernel:
        """The kernel of a part; one without loops is of whole rows."""
        whole = not any(isinstance(s, Over | Scan) for s in body)
        piece, span = var(self.piece.index, "int"), var(self.p.span, "int")
        first = Term("eq", (piece, ZERO), None, "bool")
        kept = [Once(s.body) if isinstance(s, _Hand) else Once((When(first, s.body),)) if isinstance(s, Once) and not whole else s
                for s in _needed(body, kernel.results if whole else ())]
        touched = {n for s in kept for n in _names(s)}
        if not whole:
            end = Term("minimum", (Term("add", (var(self.begin, "int"), span), None, "int"), named(kernel.width, self.p.sizes)), None, "int")
            kept = [Assign(self.begin, Term("mul", (piece, span), None, "int")), Assign(self.end, end), *kept]
        rows = tuple(replace(loop, body=()) for loop in kernel.rows)
        meaning = f"{kernel.name}, {number}: {'whole rows, of what their pieces have found' if whole else 'a piece of a row'}"
        return replace(kernel, name=self.p.own(f"{kernel.name}_pieces_{number[0]}"), rows=rows if whole else (*rows, self.piece), body=tuple(kept),
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
        inside = {s.name if isinstance(s, Assign) else s.index for s in statements([x.loop]) if isinstance(s, Assign | For)}
        return found - inside | {f.name for f in x.folds if f.own}
    return found | {x.fold.name} if isinstance(x, Gather) and x.fold.part else found


def _place(loop: For) -> Term:
    """A row's place in an array of rows: in a tile, they count from its first."""
    i = var(loop.index, "int")
    return i if loop.first is None else Term("sub", (i, loop.first), None, "int")


def _with_rows(x: Any, scratch: dict[str, str], at: tuple[Term, ...]) -> Any:
    """Statements and terms with scratch that has a part for each row."""
    if isinstance(x, tuple):
        return tuple(_with_rows(part, scratch, at) for part in x)
    if not is_dataclass(x):
        return x
    x = replace(x, **{f.name: _with_rows(getattr(x, f.name), scratch, at) for f in fields(x)})                     # type: ignore[type-var]
    if isinstance(x, Term) and x.op == "load" and x.value in scratch:
        return replace(x, value=scratch[x.value], args=(*at, *x.args))
    if isinstance(x, Store) and x.name in scratch:
        return replace(x, name=scratch[x.name], index=(*at, *x.index))
    return x
