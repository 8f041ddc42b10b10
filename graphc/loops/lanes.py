r"""Lanes: rows are worked on side by side, so that vectors run across rows.

    for i: s = 0                                       for each block of rows:
           for j: s += x[i, j]                             for its rows:          s[i] = 0
           m = s/n                            =            for j: for its rows:   s[i] += x[i, j]
           for j: y[i, j] = x[i, j] - m                    for its rows:          m[i] = s[i]/n
                                                           for j: for its rows:   y[i, j] = x[i, j] - m[i]

Columns: where a row's elements are far apart in memory and rows are next to one another, as in batch normalisation, x[j, i] of the block's rows is a
vector as it stands. Short rows: a row of ten classes leaves no vector full, so the rows of a block are copied to x_T[j, i] first, and results back at
the end; that pays below SHORT elements, which a call decides (graphc.loops.ways). Rows of scratch have a place for each row of the block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import sympy as sp

from graphc.loops.accesses import in_loops, statements
from graphc.loops.beside import Arrays, Rows, is_own
from graphc.loops.statements import Allocate, Assign, Blocks, For, Kernel, Short, Statement, Store, values
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term, walk
from graphc.schedule.cost import functions

__all__ = ["in_lanes", "SHORT"]

LANES = 64                                              # rows of a block, at most: four cache lines of float32
SHORT = 32                                              # elements of a row
MOST = 96                                               # statements of a row that is compiled in both ways: Numba takes longer than in proportion


def in_lanes(kernel: Kernel, other: Kernel, arrays: Arrays, size: Callable[[sp.Expr], Term], own: Callable[[str], str], short: bool) -> Kernel:
    """The kernel with loops over columns in lanes, or, with `short`, with the loop over its rows where they are short; the `other` where rows are
    long, or meet in more than sums. `size` makes a term of an extent, `own` names of variables."""
    make = _Lanes(kernel, arrays, size, own)
    return make.columns() or short and make.short(other) or other


@dataclass(frozen=True)
class _Lanes:
    kernel: Kernel
    arrays: Arrays
    size: Callable[[sp.Expr], Term]
    own: Callable[[str], str]

    def columns(self) -> Kernel | None:
        """The kernel with each loop over columns in lanes; None if it has none."""
        counts, widened = dict[Term, None](), dict[str, Statement]()

        def visit(s: Statement) -> Statement:
            if not isinstance(s, For):
                return s
            rows = Rows.columns(s, self.kernel, self.own) if _strides(s, self.kernel.bounds[:1]) else None
            if rows is None or (blocks := self.blocks(rows)) is None:
                return replace(s, body=tuple(map(visit, s.body)))
            counts[self.count(s)] = None
            widened.update({a.name: self.widened(a, a.name) for a in self.scratch(rows)})
            return blocks
        body = list(map(visit, self.kernel.body))
        if not counts:
            return None
        return replace(self.kernel, body=(self.width(counts), *(widened.get(s.name, s) if isinstance(s, Allocate) else s for s in body)))

    def short(self, other: Kernel) -> Kernel | None:
        """The kernel with its rows in lanes where they are short, else as the `other`."""
        loop = self.kernel.body[-1]
        extents = list(dict.fromkeys(s.extent for s in statements(getattr(loop, "body", ())) if isinstance(s, For) and not s.single))
        if not isinstance(loop, For) or not extents or any(e.is_Integer and e >= SHORT for e in extents) \
                or not _has_functions(loop) or len(list(statements(loop.body))) > MOST:
            return None
        rows = Rows.short(loop, self.kernel, self.arrays, self.own)
        blocks = self.blocks(rows)
        if blocks is None or any(len(self.arrays[name][0]) > 2 for name in rows.whole):          # rows of two axes are seldom so short
            return None
        scratch = self.scratch(rows)
        made = [self.widened(a, rows.scratch[a.name]) for a in scratch]
        made += [self.widened(Allocate(name, self.arrays[name][0][1:], self.arrays[name][1]), rows.copied(name)) for name in rows.whole]
        beside: tuple[Statement, ...] = (self.width([self.count(loop)]), *made, blocks)
        before: list[Statement] = [s for s in self.kernel.body[:-1] if s not in scratch]
        symbolic = tuple(e for e in extents if not e.is_Integer)
        if not symbolic:
            return replace(self.kernel, body=(*before, *beside))
        test = Term("lt", (reduce(lambda a, b: _whole("maximum", a, b), map(self.size, symbolic)), Term("const", (), SHORT, "int")), None, "bool")
        return replace(self.kernel, body=(*before, Short(loop, symbolic, test, beside, tuple(s for s in other.body if s not in before))))

    def blocks(self, rows: Rows) -> Blocks | None:
        steps = rows.steps(self.arrays)
        if steps is None:
            return None
        names = map(self.own, ("lanes", "row", "begin", "end", "numbers", "elements", "element"))
        return Blocks(rows.loop, *steps, *names)

    def scratch(self, rows: Rows) -> list[Allocate]:
        return [s for s in self.kernel.body if isinstance(s, Allocate) and s.name in rows.scratch]

    def widened(self, a: Allocate, name: str) -> Allocate:
        """Scratch with a place for each row of the block."""
        return replace(a, name=name, sizes=(*a.sizes, Extent(self.own("lanes"))))

    def count(self, loop: For) -> Term:
        """The number of rows."""
        last = self.size(loop.extent) if loop.last is None else loop.last
        return last if loop.first is None else Term("sub", (last, loop.first), None, "int")

    def width(self, counts: Iterable[Term]) -> Assign:
        """The number of rows of a block."""
        most = reduce(lambda a, b: _whole("maximum", a, b), counts)
        return Assign(self.own("lanes"), _whole("maximum", _whole("minimum", most, LANES), 1))


def _has_functions(loop: For) -> bool:
    """Whether the rows have more than arithmetic in them: it is functions that want vectors."""
    return any(functions(v) for s in statements(loop.body) for v in values(s))


def _whole(op: str, a: Term, b: Term | int) -> Term:
    return Term(op, (Term("const", (), b, "int") if isinstance(b, int) else b, a), None, "int")


def _strides(loop: For, first: Sequence[str]) -> bool:
    """Whether more places of arrays are next to one another across rows than along them."""
    across = along = 0
    for s, inner in in_loops(loop.body, ()):
        for at in (*(t.args for v in values(s) for t in walk(v) if t.op == "load"), *([s.index] if isinstance(s, Store) else [])):
            across += len(at) > 1 and is_own(at[-1], loop, first)
            along += len(at) > 1 and at[-1] in inner
    return across > along
