"""Ways: a module has loops for sizes like those of a call, not for all that may come.

    rows below 32 elements      side by side                              (graphc.loops.lanes)
    rows below 256 elements     a function in a loop over all of a block   (graphc.loops.blocks)
    few features of points      sums over them round loops across points   (graphc.schedule.fuse)

Each is a test of extents, and Numba takes seconds for what no call runs. So tests are decided before a module is written, and a call of sizes that
decide otherwise has a module of its own, compiled when the first such call comes. A kernel that several calls share keeps both ways: their extents
differ. So does a test of a tile's rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from graphc.ir.interpret import size_of
from graphc.ir.nodes import Size
from graphc.loops.blocks import LONG
from graphc.loops.lanes import SHORT
from graphc.loops.statements import Blocks, Call, Flat, HostProgram, Short, Statement, leaves, rebuilt

__all__ = ["Below", "Way", "Ways", "are_few"]


@dataclass(frozen=True)
class Below:
    """That each of some extents is below a limit."""

    extents: tuple[Size, ...]
    limit: int

    def holds(self, sizes: Mapping[str, int]) -> bool:
        return all(size_of(e, sizes) < self.limit for e in self.extents)


class Way(NamedTuple):
    """What sizes decide: whether sums over features go round the loops across points, and the tests that hold."""

    across: bool = False
    short: frozenset[Below] = frozenset()


def are_few(features: Mapping[Size, Size], sizes: Mapping[str, int]) -> bool:
    """Few features and many points (see graphc.schedule.fuse.features): loops run across points; else along features, or across rows where points are
    few too."""
    pairs = [(size_of(d, sizes), size_of(m, sizes)) for d, m in features.items()]
    return all(m >= SHORT and d*(m + 256) < 200*m for d, m in pairs)


@dataclass(frozen=True)
class Ways:
    """The ways of a program."""

    program: HostProgram

    @cached_property
    def own(self) -> frozenset[str]:
        """The names of the kernels that are called in one place."""
        calls = Counter(s.kernel.name for s in leaves(self.program.body) if isinstance(s, Call))
        return frozenset(name for name, n in calls.items() if n == 1)

    @cached_property
    def tests(self) -> tuple[Below, ...]:
        """What sizes decide."""
        kernels = (s.kernel for s in leaves(self.program.body) if isinstance(s, Call) and s.kernel.name in self.own)
        return tuple(dict.fromkeys(t for k in kernels for t in _tests(k.body) if all(e.free_symbols <= self.program.sizes.keys() for e in t.extents)))

    def holding(self, sizes: Mapping[str, int]) -> frozenset[Below]:
        return frozenset(t for t in self.tests if t.holds(sizes))

    def decided(self, holding: frozenset[Below]) -> HostProgram:
        """The program with one way wherever sizes decide: these tests hold, and no others do."""
        known = {t: t in holding for t in self.tests}

        def visit(s: Statement) -> list[Statement]:
            if isinstance(s, Call) and s.kernel.name in self.own:
                s = replace(s, kernel=replace(s.kernel, body=_narrowed(s.kernel.body, known)))
            return [s]
        return replace(self.program, body=tuple(rebuilt(self.program.body, visit)))


def _tests(body: tuple[Statement, ...]) -> Iterator[Below]:
    """The tests of a kernel, all in its loop over rows."""
    match body[-1]:
        case Short(_, extents, _, _, along):
            yield Below(extents, SHORT)
            yield from _tests(along)
        case Blocks(_, steps):
            yield from (Below((s.width,), LONG) for s in steps if isinstance(s, Flat))


def _narrowed(body: tuple[Statement, ...], known: Mapping[Below, bool]) -> tuple[Statement, ...]:
    *before, loop = body
    match loop:
        case Short(_, extents, _, beside, along):
            short = known.get(Below(extents, SHORT))
            if short is None:
                return (*before, replace(loop, along=_narrowed(along, known)))
            return (*before, *(beside if short else _narrowed(along, known)))
        case Blocks(_, steps):
            steps = tuple(replace(s, short=known.get(Below((s.width,), LONG))) if isinstance(s, Flat) else s for s in steps)
            return (*before, replace(loop, steps=steps))
    return body
