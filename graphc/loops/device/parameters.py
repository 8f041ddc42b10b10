"""The parameters of kernels: arrays, numbers and sizes, in the order in which a kernel uses them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.accesses import accesses
from graphc.loops.device.independent import position
from graphc.loops.device.statements import Barrier, Gather, GroupKernel, Launch, Load, Once, Over, Save, Scan, When
from graphc.loops.statements import Allocate, Assign, For, Statement, load
from graphc.loops.uses import uses_of
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term

__all__ = ["Parameters"]

ZERO = Term("const", (), 0, "int")


@dataclass
class Parameters:
    """What kernels are given of their program."""

    arrays: dict[str, tuple[tuple[Size, ...], str]]
    scalars: dict[str, str]
    sizes: dict[Extent, str]
    rows_of: dict[Extent, str]             # sizes that a run finds: the height of tiles, the number of pieces
    bounds: Collection[str]
    tile: Extent | None = field(default=None, init=False)      # the height of the tiles that kernels run in
    before: Sequence[Assign] = field(default=(), init=False)   # the reciprocals of extents that they may use

    def signed(self, kernel: GroupKernel, scratch: Sequence[Allocate]) -> Launch:
        """The kernel with its parameters: arrays, scalars and sizes in the order in which it uses them."""
        plain = list(_plain([*kernel.rows[:1], *kernel.body] if kernel.rows else kernel.body))
        reads = uses_of(plain, self.arrays).reads
        before = tuple(s for s in self.before if s.name in reads)
        plain = [*before, *plain]
        held = [r.array for r in kernel.registers if r.first is not None]
        uses = uses_of([*kernel.rows, *plain], self.arrays)
        inside = {r.name for r in kernel.registers} | {t.name for t in kernel.tiles}
        names = [n for n in [*uses.arrays, *held] if n not in inside]
        mine = tuple(a for a in scratch if a.name in names)
        arrays = tuple(dict.fromkeys(n for n in names if n not in {a.name for a in mine}))
        inside = {s.name for s in plain if isinstance(s, Assign)}
        totals = {t.name for t in kernel.totals}
        scalars = tuple(n for n in uses.reads if n in self.scalars and n not in inside and n not in totals)
        dims = [size for n in arrays for size in self.arrays[n][0][1:]] + [size for a in mine for size in a.sizes]
        dims += [s.step for s in kernel.body if isinstance(s, Gather)]
        extents = {x for size in dims for x in size.free_symbols if isinstance(x, Extent)}
        extents |= uses.sizes
        if kernel.flat:
            extents = set()
        known = {**self.sizes, **self.rows_of}
        sizes = tuple(dict.fromkeys(name for s, name in known.items() if name != "BUCKETS" and (s in extents or name in uses.reads)))
        bounds = tuple(n for n in self.bounds if n in uses.reads)
        at = {a.name: [x for x in accesses(plain) if x.name == a.name] for a in mine}
        shared = tuple(n for n, found in at.items() if kernel.alone or kernel.rows and position(found, kernel.rows[0].index) is not None)
        return Launch(replace(kernel, arrays=arrays, scalars=scalars, sizes=(*sizes, *bounds), scratch=mine, shared=shared, tile=self.tile,
                              before=before))


def _plain(body: Sequence[Any]) -> Iterator[Statement]:
    """The statements that a device's statements hold."""
    for s in body:
        if isinstance(s, Over):
            yield from (Assign("", load(t.array, (ZERO, t.column or ZERO), "float")) for t in s.tiles)
            if s.online is not None:
                yield from (Assign(name, ZERO) for m, f in zip(s.online.maxima, s.folds, strict=False) for name in (f.name, m.best, m.now))
                yield s.online.loop
                yield from s.online.steps
            yield from _plain([s.loop])
        elif isinstance(s, Scan):
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
