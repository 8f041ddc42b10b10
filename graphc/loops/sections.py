"""Long host programs in sections: statements that repeat, as the layers of a net do, are calls of one function.

    s t  s t  s t  ...    ->    f(..)  f(..)  f(..)  ...        f: s t

Numba takes seconds for a function of a hundred statements, and from Python each costs 1 to 3 us. A section compiles once, whatever the depth,
and what stays Python is one call for each repetition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.share import shape_of
from graphc.loops.statements import Allocate, Assign, Call, For, ForTiles, Height, HostProgram, Kernel, Note, Product, Statement, leaves
from graphc.loops.uses import uses_of

__all__ = ["Section", "sectioned"]

LONGEST = 16                   # statements of a section
LEAST = 3                      # repetitions that are worth a function


@dataclass(frozen=True)
class Section(Kernel):
    """Statements of the host as a function. It has no results."""


def sectioned(program: HostProgram) -> HostProgram:
    """The program with what repeats in it in sections."""
    return replace(program, body=tuple(_Sections(program).cut(program.body)))


class _Sections:
    def __init__(self, program: HostProgram):
        self.program = program
        self.size_names = program.sizes | program.rows
        self.made: dict[Any, Section] = {}
        taken = {*program.arrays, *program.scalars, *self.size_names.values(), *program.results.values()}
        self.free = (name for k in count(1) if (name := f"section_{k}") not in taken)

    def cut(self, body: Sequence[Statement]) -> Iterator[Statement]:
        """The statements, those that repeat in calls of sections."""
        tokens, k = [self.token(s) for s in body], 0
        users = Counter(name for s in body for name in {*self.names(s), *self.made_by(s)})
        while k < len(body):
            s, (period, times) = body[k], _repetition(tokens, k)
            if not times:
                yield replace(s, body=tuple(self.cut(s.body))) if isinstance(s, ForTiles) else s
            for first in range(k, k + period * times, period):
                part = tuple(body[first:first + period])
                yield from (self.call(part),) if self.is_section(part, users) else part
            k += period * times or 1

    def token(self, s: Statement) -> Any:
        """The statement up to names; None for one that a section does not take: it has results."""
        if any(isinstance(x, Call) and x.results or isinstance(x, Assign) for x in leaves([s])):
            return None
        return "note" if isinstance(s, Note) else shape_of((self.declared((*self.names(s), *self.made_by(s))), s))

    def is_section(self, part: Sequence[Statement], users: Counter[str]) -> bool:
        """Whether nothing else uses what statements make, and they are more than one call, which is a function as it is."""
        inside = Counter(name for s in part for name in {*self.names(s), *self.made_by(s)})
        local = all(users[name] == inside[name] for s in part for name in self.made_by(s))
        return local and [type(s) for s in part if not isinstance(s, Note)] != [Call]

    def call(self, body: tuple[Statement, ...]) -> Call:
        program, made = self.program, {name for s in body for name in self.made_by(s)}
        used = dict.fromkeys(name for s in body for name in self.names(s) if name not in made)
        arrays = tuple(n for n in used if n in program.arrays)
        scalars = tuple(n for n in used if n in program.scalars)
        shown = {program.sizes.get(s) for name in arrays for s in program.arrays[name][0]}
        sizes = tuple(n for n in used if n not in program.arrays and n not in program.scalars and n not in shown)
        key = shape_of((self.declared(arrays), arrays, scalars, sizes, tuple(s for s in body if not isinstance(s, Note))))
        if key not in self.made:
            self.made[key] = Section(next(self.free), arrays, scalars, sizes, body, ())
        return Call(self.made[key], (*arrays, *scalars, *sizes))

    def declared(self, names: Iterable[str]) -> tuple[Any, ...]:
        return tuple(self.program.arrays.get(name) for name in names)

    def made_by(self, s: Statement) -> tuple[str, ...]:
        """The names that a statement of the host gives a meaning."""
        return (s.name,) if isinstance(s, Allocate) else (self.size_names[s.rows],) if isinstance(s, Height) else ()

    def names(self, s: Statement) -> tuple[str, ...]:
        """The arrays, scalars, extents and bounds that the text of a statement names."""
        found: tuple[str, ...] = ()
        sizes: tuple[Size, ...] = ()
        match s:
            case Call(_, arguments, _, split):
                found, sizes = arguments, (split.rows,) if split else ()
            case Product(out, a, b, shape, _, tile):
                groups = [group for group in (shape.rows, shape.inner, shape.columns) if len(group) > 1]
                found, sizes = (out, a, b, *tile), (*shape.batch, *(n for group in groups for n in group))
            case Allocate():
                sizes = s.sizes
            case Height():
                sizes = s.extent, s.held, s.streamed, s.whole
            case ForTiles(extent, rows, start, stop, _, body):
                found, sizes = tuple(n for x in body for n in self.names(x) if n not in (start, stop)), (extent, rows)
            case For():
                uses = uses_of([s], self.program.arrays)
                found, sizes = (*uses.arrays, *(n for n in uses.reads if n in self.program.scalars)), tuple(uses.sizes)
        extents = {x for size in sizes for x in size.free_symbols}
        return (*found, *(name for x, name in self.size_names.items() if x in extents))


def _repetition(tokens: Sequence[Any], start: int) -> tuple[int, int]:
    """The period that covers most from here, and how often it stands there; never where nothing repeats."""
    best = 1, 0
    for period in range(1, min(LONGEST, (len(tokens) - start) // LEAST) + 1):
        if tokens[start + period - 1] is None:
            break
        times = 1
        while tokens[start:start + period] == tokens[start + times * period:start + (times + 1) * period]:
            times += 1
        if times >= LEAST and times * period > best[0] * best[1]:
            best = period, times
    return best
