r"""Mapping: the loop nests of a kernel become kernels for a GPU.

    rows are independent                     groups of threads take rows; loops inside a row are shared out by a group
      few and long, at the time of a call    several blocks take a row (see `pieces`)
      no loops inside, arrays read plainly   `flat`: threads take 128 bits of each array at a time
      what is read lies along the rows       one thread a row (a column of a matrix, say)
      and are many                           in segments of them, then the segments (see `columns`)
    rows meet                                places are dealt to threads (a scatter), else one group does all in order

Sums over all rows are kept by threads, added up for each block, and the blocks' parts in a fixed order by `finish` kernels: the same bits on every
run. What only numbers are computed of, one thread computes there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from graphc.ir.nodes import Size
from graphc.loops.device.again import computed_again
from graphc.loops.device.columns import halves
from graphc.loops.device.group import Grouping, neutral_of
from graphc.loops.device.independent import accesses, carried, independent, letter_of, position, private, statements
from graphc.loops.device.pieces import Pieces, in_pieces
from graphc.loops.device.registers import in_chunks, in_registers
from graphc.loops.device.rowwise import in_variables
from graphc.loops.device.scatter import apart, dealt
from graphc.loops.device.statements import (
    Barrier,
    Cut,
    Gather,
    GroupKernel,
    Launch,
    Load,
    Once,
    Over,
    Save,
    Segments,
    Total,
    When,
)
from graphc.loops.names import named
from graphc.loops.statements import Accumulate, Allocate, Assign, For, Kernel, Note, Statement, Store, Track, values
from graphc.loops.uses import uses_of
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term

__all__ = ["Mapper"]

Arrays = dict[str, tuple[tuple[Size, ...], str]]


@dataclass
class Mapper:
    """What a kernel's mapping needs to know of its program. `own` makes names."""

    arrays: Arrays
    scalars: dict[str, str]
    sizes: dict[Extent, str]
    rows_of: dict[Extent, str]             # sizes that a run finds: the height of tiles, the number of segments
    bounds: Collection[str]
    wide: Collection[str]
    few: Collection[Size]
    own: Callable[[str], str]
    segmented: int = 0
    cuts: int = 0
    tile: Extent | None = None             # the height of the tiles that kernels run in

    def launches(self, kernel: Kernel) -> list[Allocate | Segments | Launch]:
        """A kernel's nests, one launch each; scratch that several of them use is the host's."""
        scratch = [s for s in kernel.body if isinstance(s, Allocate)]
        inits = {s.name: s for s in kernel.body if isinstance(s, Assign)}
        notes = [s for s in kernel.body if isinstance(s, Note)]
        nests = [s for s in kernel.body if isinstance(s, For)]
        if any(not isinstance(s, Allocate | Assign | Note | For) for s in kernel.body):
            return [self.alone(kernel, [s for s in kernel.body if not isinstance(s, Allocate)], (), scratch)]
        users = {a.name: [n for n in nests if any(b.name == a.name for b in accesses([n]))] for a in scratch}
        done: list[Allocate | Segments | Launch] = [a for a in scratch if len(users[a.name]) > 1]
        for k, nest in enumerate(nests):
            mine = [a for a in scratch if users[a.name] == [nest]]
            begun = [inits[n] for n in carried(nest) if n in inits]
            name = kernel.name if len(nests) == 1 else self.own(f"{kernel.name}_{'abcdefghij'[k]}")
            done += self.nest(replace(kernel, name=name), nest, begun, notes, mine)
        return done

    def nest(self, kernel: Kernel, nest: For, begun: Sequence[Assign], notes: Sequence[Note], scratch: Sequence[Allocate]) -> list[Any]:
        own = {a.name for a in scratch}
        adds = carried(nest)
        free = all(isinstance(s, Accumulate) for s in adds.values())
        if free and independent(nest, private(nest, own)):
            totals = tuple(Total(n, s.op, self.kind(n), neutral_of(s.op, s.target.kind), n in kernel.scalars)
                           for n, s in adds.items() if isinstance(s, Accumulate))
            return self.rows(kernel, nest, totals, scratch)
        buckets = Extent("#buckets")
        if (found := dealt(nest, ("BUCKETS", buckets), self.own, self.size_term)) is not None:
            self.rows_of[buckets] = "BUCKETS"
            rows, body, array = found
            return [self.signed(GroupKernel(kernel.name, (), (), (), rows, body, (), kernel.meaning, deals=array), scratch)]
        if not scratch and (two := apart(nest)) is not None:
            return [x for half, name in zip(two, "xy", strict=True)
                    for x in self.nest(replace(kernel, name=self.own(f"{kernel.name}_{name}")), half, begun, notes, ())]
        return [self.alone(kernel, [*notes, *begun, nest], tuple(adds), scratch)]

    def size_term(self, array: str, axis: int) -> Term:
        return named(self.arrays[array][0][axis], self.sizes)

    def kind(self, name: str) -> str:
        return "wide" if name in self.wide else self.scalars[name]

    # --- independent rows
    def rows(self, kernel: Kernel, nest: For, totals: tuple[Total, ...], scratch: Sequence[Allocate],
             whole: bool = False) -> list[Any]:
        own = {a.name for a in scratch}
        chain = [nest]
        while (inner := _only(chain[-1])) is not None and independent(inner, private(inner, own)) and inner.first is None:
            chain.append(inner)
        core = in_variables(chain[-1].body, [loop.index for loop in chain], self.own) if _has_loops(chain[-1]) else chain[-1].body
        base = GroupKernel(kernel.name, (), (), (), tuple(chain), core, totals, kernel.meaning)
        if not _has_loops(chain[-1]):
            if self.is_flat(chain, own):
                return [self.signed(replace(base, flat=True), scratch)]
            last = chain[-1].index
            if len(chain) > 1 and any(a.index and letter_of(a.index[-1]) == last for a in accesses(core)):
                row = in_variables((chain[-1],), [loop.index for loop in chain[:-1]], self.own)
                return [self.grouped(replace(base, rows=tuple(chain[:-1]), body=row), scratch)]
            return [self.signed(base, scratch)]
        if not _along_rows(chain[-1]):
            return [self.grouped(base, scratch)]
        return (None if whole else self.in_segments(kernel, chain, totals, scratch)) or [self.signed(base, scratch)]

    def in_segments(self, kernel: Kernel, chain: Sequence[For], totals: tuple[Total, ...], scratch: Sequence[Allocate]) -> list[Any] | None:
        """A sum along columns as two kernels."""
        if scratch:
            return None
        self.segmented += 1
        name = self.own("segments" if self.segmented == 1 else f"segments_{self.segmented}")
        size = Extent(f"#{name}")
        inner = next(s for s in chain[-1].body if isinstance(s, For))
        length = Term("sub", (inner.last, inner.first), None, "int") if inner.first is not None else named(inner.extent, self.sizes)   # type: ignore[arg-type]
        found = halves(chain, chain[-1].body, (name, size), length, self.own, [t.name for t in totals])
        if found is None:
            return None
        self.rows_of[size] = name
        made = []
        for part, kind in found.parts:
            self.arrays[part] = (size, *(loop.extent for loop in chain)), kind
            made.append(Allocate(part, *self.arrays[part]))
        columns = sp.Mul(*(loop.extent for loop in chain))
        first, second = (replace(kernel, name=self.own(f"{kernel.name}_{x}")) for x in ("segments", "whole"))
        return [Segments(name, columns, self.tile if self.tile is not None else inner.extent), *made,
                *self.rows(first, found.first, (), (), True), *self.rows(second, found.second, totals, (), True)]

    def grouped(self, base: GroupKernel, scratch: Sequence[Allocate]) -> Launch:
        """A kernel whose groups share out the loops of a row."""
        totals = [t.name for t in base.totals]
        body = Grouping(totals, self.wide, self.few, self.own).block(base.body)
        width = _width(body)
        if width is None:
            return self.signed(base, scratch)
        kernel = replace(base, body=body, width=width)
        held = in_registers(kernel, self.arrays, {a.name for a in scratch}, self.own)
        less = computed_again(kernel, [a.name for a in scratch], self.own)
        cut = self.in_pieces(less, scratch)
        if held is None:
            return replace(self.signed(kernel, scratch), cut=cut)
        long = replace(in_chunks(less, self.arrays, self.own), name=self.own(f"{kernel.name}_long"))
        return Launch(self.signed(held, scratch).kernel, self.signed(long, scratch).kernel, cut)

    def in_pieces(self, kernel: GroupKernel, scratch: Sequence[Allocate]) -> Cut | None:
        """The launches in which several blocks take a row."""
        number, span = (self.own(f"{x}_{self.cuts + 1}" if self.cuts else x) for x in ("pieces", "span"))
        p = Pieces(number, Extent(f"#{number}"), span, self.arrays, self.sizes, self.tile, self.own)
        kernels = in_pieces(kernel, scratch, p)
        if kernels is None:
            return None
        self.cuts += 1
        self.rows_of[Extent(f"#{number}")], self.rows_of[Extent(f"#{span}")] = number, span
        return Cut(number, span, tuple(p.made), tuple(self.signed(in_chunks(k, self.arrays, self.own, True), ()).kernel for k in kernels))

    def is_flat(self, chain: Sequence[For], own: Collection[str]) -> bool:
        letters = [loop.index for loop in chain]
        if own or chain[0].first is not None:
            return False
        for s in statements(chain[-1].body):
            if any(t.op == "var" and t.value in letters for v in _outside_loads(s) for t in v):
                return False
        return all(a.index and [letter_of(x) for x in a.index] == letters and all(x.op == "var" for x in a.index)
                   and self.arrays[a.name][0] == tuple(loop.extent for loop in chain) for a in accesses(chain[-1].body))

    # --- one group
    def alone(self, kernel: Kernel, body: Sequence[Statement], results: tuple[str, ...], scratch: Sequence[Allocate]) -> Launch:
        """One group of threads does everything, unless it is one long row."""
        done = Grouping((), self.wide, self.few, self.own).block(body)
        made = GroupKernel(kernel.name, (), (), (), (), done, (), kernel.meaning, _width(done), alone=True, results=results)
        return replace(self.signed(made, scratch), cut=self.in_pieces(made, scratch))

    # --- parameters
    def signed(self, kernel: GroupKernel, scratch: Sequence[Allocate]) -> Launch:
        """The kernel with its parameters: arrays, scalars and sizes in the order in which it uses them."""
        plain = list(_plain([*kernel.rows[:1], *kernel.body] if kernel.rows else kernel.body))
        held = [r.array for r in kernel.registers if r.first is not None]
        uses = uses_of([*kernel.rows, *plain], self.arrays)
        registers = {r.name for r in kernel.registers}
        names = [n for n in [*uses.arrays, *held] if n not in registers]
        mine = tuple(a for a in scratch if a.name in names)
        arrays = tuple(dict.fromkeys(n for n in names if n not in {a.name for a in mine}))
        inside = {s.name for s in plain if isinstance(s, Assign)}
        totals = {t.name for t in kernel.totals}
        scalars = tuple(n for n in uses.reads if n in self.scalars and n not in inside and n not in totals)
        dims = [size for n in arrays for size in self.arrays[n][0][1:]] + [size for a in mine for size in a.sizes]
        extents = {x for size in dims for x in size.free_symbols if isinstance(x, Extent)}
        extents |= uses.sizes
        if kernel.flat:
            extents = set()
        known = {**self.sizes, **self.rows_of}
        sizes = tuple(dict.fromkeys(name for s, name in known.items() if name != "BUCKETS" and (s in extents or name in uses.reads)))
        bounds = tuple(n for n in self.bounds if n in uses.reads)
        at = {a.name: [x for x in accesses(plain) if x.name == a.name] for a in mine}
        shared = tuple(n for n, found in at.items() if kernel.alone or kernel.rows and position(found, kernel.rows[0].index) is not None)
        return Launch(replace(kernel, arrays=arrays, scalars=scalars, sizes=(*sizes, *bounds), scratch=mine, shared=shared, tile=self.tile))


def _plain(body: Sequence[Any]) -> Any:
    """The statements that a device's statements hold."""
    for s in body:
        if isinstance(s, Over):
            yield from _plain([s.loop])
        elif isinstance(s, Once):
            yield from _plain(s.body)
        elif isinstance(s, For):
            yield replace(s, body=())
            yield from _plain(s.body)
        elif isinstance(s, When):
            yield Assign("", s.condition)
            yield from _plain(s.body)
        elif isinstance(s, Gather):
            yield from (Assign(s.fold.name, x) for x in (*s.parts, s.number))
        elif not isinstance(s, Barrier | Load | Save):
            yield s


def _has_loops(loop: For) -> bool:
    return any(isinstance(s, For) for s in loop.body)


def _only(loop: For) -> For | None:
    """The loop that is all there is in a loop."""
    body = [s for s in loop.body if not isinstance(s, Note)]
    return body[0] if len(body) == 1 and isinstance(body[0], For) else None


def _outside_loads(s: Statement) -> list[list[Term]]:
    """The terms of a statement as lists of their parts, without the places of loads."""
    def parts(t: Term) -> list[Term]:
        return [t, *(x for a in t.args for x in parts(a))] if t.op != "load" else [t]
    return [parts(s.value)] if isinstance(s, Store | Accumulate | Track) else [parts(v) for v in values(s)]


def _along_rows(row: For) -> bool:
    """Whether what a row reads lies along the rows: neighbouring threads, each with a row, read neighbouring elements."""
    inner = {s.index for s in statements(row.body) if isinstance(s, For)}
    letters = [[letter_of(x) for x in a.index] for a in accesses(row.body)]
    both = [at for at in letters if row.index in at and inner & set(at)]
    along = [at for at in both if at[-1] == row.index]
    return bool(along) and len(along) == len(both)


def _width(body: Sequence[Any]) -> Size | None:
    """The extent that a group shares out: of the first loop of its kind."""
    for s in body:
        if isinstance(s, Over):
            return s.loop.extent
        if isinstance(s, For) and (found := _width(s.body)) is not None:
            return found
    return None
