r"""Mapping: the loop nests of a kernel become kernels for a GPU.

    rows are independent                     groups of threads take rows; loops inside a row are shared out by a group
      few and long, at the time of a call    several blocks take a row (see `pieces`)
      of pairs of rows                       the groups of a block read tiles of the second ones (see `tiles`)
      no loops inside, arrays read plainly   `flat`: threads take 128 bits of each array at a time
      what is read lies along the rows       a block takes neighbouring ones, such as columns of a matrix (see `columns`)
    rows meet                                places are dealt to threads (a scatter), else one group does all in order

Sums over all rows are kept by threads, added up for each block, and the blocks' parts in a fixed order by `finish` kernels: the same bits on every
run. What only numbers are computed of, one thread computes there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.accesses import accesses, statements
from graphc.loops.device.again import computed_again
from graphc.loops.device.columns import along_rows, beside, deep, in_sums
from graphc.loops.device.group import Grouping, neutral_of
from graphc.loops.device.independent import carried, independent, letter_of, private
from graphc.loops.device.online import in_one_pass
from graphc.loops.device.parameters import Parameters
from graphc.loops.device.pieces import Pieces, in_pieces
from graphc.loops.device.registers import in_chunks, in_registers
from graphc.loops.device.rowwise import in_variables
from graphc.loops.device.scatter import apart, dealt
from graphc.loops.device.statements import Cut, GroupKernel, Launch, Over, Scan, Total
from graphc.loops.device.tiles import in_tiles
from graphc.loops.names import named
from graphc.loops.reciprocals import is_reciprocal
from graphc.loops.statements import Accumulate, Allocate, Assign, For, Kernel, Note, Statement, Store, Track, values
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term

__all__ = ["Mapper"]

@dataclass
class Mapper(Parameters):
    """What a kernel's mapping needs to know of its program. `own` makes names."""

    wide: Collection[str]
    few: Collection[Size]
    own: Callable[[str], str]
    cuts: int = 0
    def launches(self, kernel: Kernel) -> list[Allocate | Launch]:
        """A kernel's nests, one launch each; scratch that several of them use is the host's."""
        scratch = [s for s in kernel.body if isinstance(s, Allocate)]
        self.before = [s for s in kernel.body if is_reciprocal(s)]                                # type: ignore[misc]
        kernel = replace(kernel, body=tuple(s for s in kernel.body if not is_reciprocal(s)))
        inits = {s.name: s for s in kernel.body if isinstance(s, Assign)}
        notes = [s for s in kernel.body if isinstance(s, Note)]
        nests = [s for s in kernel.body if isinstance(s, For)]
        if any(not isinstance(s, Allocate | Assign | Note | For) for s in kernel.body):
            return [self.alone(kernel, [s for s in kernel.body if not isinstance(s, Allocate)], (), scratch)]
        users = {a.name: [n for n in nests if any(b.name == a.name for b in accesses([n]))] for a in scratch}
        done: list[Allocate | Launch] = [a for a in scratch if len(users[a.name]) > 1]
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
    def rows(self, kernel: Kernel, nest: For, totals: tuple[Total, ...], scratch: Sequence[Allocate]) -> list[Any]:
        own = {a.name for a in scratch}
        chain = [nest]
        while (inner := _only(chain[-1])) is not None and independent(inner, private(inner, own)) and inner.first is None:
            chain.append(inner)
        letters = [loop.index for loop in chain]
        core = in_variables(in_sums(chain[-1].body, letters, self.own), letters, self.own) if _has_loops(chain[-1]) else chain[-1].body
        base = GroupKernel(kernel.name, (), (), (), tuple(chain), core, totals, kernel.meaning)
        if not _has_loops(chain[-1]):
            if self.is_flat(chain, own):
                return [self.signed(replace(base, flat=True), scratch)]
            last = chain[-1].index
            if len(chain) > 1 and any(a.index and letter_of(a.index[-1]) == last for a in accesses(core)):
                row = in_variables((chain[-1],), [loop.index for loop in chain[:-1]], self.own)
                return [self.grouped(replace(base, rows=tuple(chain[:-1]), body=row), scratch)]
            return [self.signed(base, scratch)]
        if len(chain) == 2:                                                # points of pairs: rows of them, if those read tiles
            row = in_variables((chain[1],), [nest.index], self.own)
            if (tiled := self.tiled(self.shared_out(replace(base, rows=(nest,), body=row)), scratch)) is not None:
                return [tiled]
        return self.in_columns(base, scratch) if along_rows(chain[-1]) else [self.grouped(base, scratch)]

    def in_columns(self, base: GroupKernel, scratch: Sequence[Allocate]) -> list[Any]:
        """A kernel whose blocks take neighbouring rows; one thread a row where they cannot."""
        found = deep(in_one_pass(computed_again(self.shared_out(base), [a.name for a in scratch], self.own), self.own), self.tile)
        made, kernel = beside(found or base, scratch, self.arrays, self.tile, self.own)
        return [*made, replace(self.signed(kernel, ()), cut=self.in_pieces(kernel, ()) if found else None)]

    def grouped(self, base: GroupKernel, scratch: Sequence[Allocate]) -> Launch:
        """A kernel whose groups share out the loops of a row."""
        kernel = self.shared_out(base)
        if kernel.width is None:
            return self.signed(base, scratch)
        if (tiled := self.tiled(kernel, scratch)) is not None:
            return tiled
        less = in_one_pass(computed_again(kernel, [a.name for a in scratch], self.own), self.own)
        held, cut = in_registers(kernel, self.arrays, {a.name for a in scratch}, self.own), self.in_pieces(less, scratch)
        if held is None:
            return replace(self.signed(kernel, scratch), cut=cut)
        long = replace(in_chunks(less, self.arrays, self.own), name=self.own(f"{kernel.name}_long"))
        return Launch(self.signed(held, scratch).kernel, self.signed(long, scratch).kernel, cut)

    def shared_out(self, base: GroupKernel) -> GroupKernel:
        """With the loops of a row shared out, if any can be."""
        totals = [t.name for t in base.totals]
        body = Grouping(totals, self.wide, self.few, self.own).row(base.body, [loop.index for loop in base.rows])
        return replace(base, body=body, width=_width(body))

    def tiled(self, kernel: GroupKernel, scratch: Sequence[Allocate]) -> Launch | None:
        """The launch of a kernel that reads tiles, and of the same without them, for rows too wide or too few."""
        if kernel.width is None:
            return None
        parts = in_chunks(computed_again(kernel, [a.name for a in scratch], self.own), self.arrays, self.own)
        if (made := in_tiles(parts, self.arrays, self.own)) is None:
            return None
        plain = replace(parts, name=self.own(f"{kernel.name}_untiled"))
        return Launch(self.signed(made, scratch).kernel, self.signed(plain, scratch).kernel)

    def in_pieces(self, kernel: GroupKernel, scratch: Sequence[Allocate]) -> Cut | None:
        """The launches in which several blocks take a row."""
        number, span = (self.own(f"{x}_{self.cuts + 1}" if self.cuts else x) for x in ("pieces", "span"))
        p = Pieces(number, Extent(f"#{number}"), span, self.arrays, self.sizes, self.tile, self.own)
        kernels = in_pieces(kernel, scratch, p)
        if kernels is None:
            return None
        self.cuts += 1
        self.rows_of[Extent(f"#{number}")], self.rows_of[Extent(f"#{span}")] = number, span
        parts = [k if k.depth is not None else in_chunks(k, self.arrays, self.own, True) for k in kernels]
        return Cut(number, span, tuple(p.made), tuple(self.signed(k, ()).kernel for k in parts))

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


def _width(body: Sequence[Any]) -> Size | None:
    """The extent that a group shares out: of the first loop of its kind."""
    for s in body:
        if isinstance(s, Over | Scan):
            return s.loop.extent
        if isinstance(s, For) and (found := _width(s.body)) is not None:
            return found
    return None
