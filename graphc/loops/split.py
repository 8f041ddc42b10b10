"""Which kernels can run in parts: on the rows first <= i < last of their outermost loop, in any order and at the same time.

A kernel can if every array that it writes is written and read at the loop's own row alone, or is scratch; if loops before that one only fill
scratch that it reads, which each part does for itself; and if what it carries from row to row are sums, products, maxima or minima into
numbers, which it returns. The numbers of parts are combined by the same operation. Arrays that are used at the own row alone are sliced to
the part, so that its loop counts from 0: Numba then sees that no index is negative.
A program with tiles runs on one thread: what its kernels make has the rows of one tile.

`work` estimates the nanoseconds of a row, so that the size of a part depends on extents alone. It is right within a factor of a few.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import sympy as sp

from graphc.ir.nodes import Size
from graphc.loops.chunks import chunk_sums
from graphc.loops.reciprocals import is_reciprocal
from graphc.loops.statements import (
    Accumulate,
    Allocate,
    Assign,
    Call,
    For,
    ForTiles,
    HostProgram,
    Kernel,
    Note,
    Split,
    Statement,
    Store,
    Track,
    leaves,
    values,
    var,
)
from graphc.scalar.symbols import Extent
from graphc.scalar.table import ROWS
from graphc.scalar.term import Term, walk

__all__ = ["split_rows", "in_python"]

ARITHMETIC = frozenset("var const add sub mul div neg cast where lt le gt ge eq ne and_ or_ not_ abs extent".split())
MEMORY_NS, ARITHMETIC_NS, FUNCTION_NS, LIBRARY_NS = 0.03, 0.02, 0.3, 5.0
BOUNDS = "first", "last"


def split_rows(program: HostProgram) -> HostProgram:
    """The program with each kernel that can run in parts made so, if the statements around kernels can run in Python too. Kernels in tiles
    count the rows of theirs from 0."""
    if any(isinstance(s, ForTiles) for s in program.body):
        return replace(program, body=tuple(_cut(s) if isinstance(s, ForTiles) else s for s in program.body))
    parts = replace(program, body=tuple(_split(s, program) if isinstance(s, Call) else s for s in program.body))
    numbers_of_numpy = all(s.split for s in parts.body if isinstance(s, Call) and s.results)
    return parts if numbers_of_numpy and in_python(parts) else program


def in_python(program: HostProgram) -> bool:
    """Whether the host program means the same in Python as compiled, on numbers of NumPy: it has arithmetic only beside kernels and products."""
    return all(t.op in ARITHMETIC for s in leaves(program.body) if isinstance(s, Assign) for t in walk(s.value))


def _cut(tiles: ForTiles) -> ForTiles:
    """The loop over tiles in which kernels cut arrays to the rows of a tile, where those are all that they use of them."""
    bounds, start = (tiles.start, tiles.stop), var(tiles.start, "int")

    def cut(s: Statement) -> Statement:
        loop = s.kernel.body[-1] if isinstance(s, Call) else None
        if not isinstance(s, Call) or not isinstance(loop, For) or loop.first != start:
            return s
        row = var(loop.index, "int")
        sliced = _used_at(s.kernel, row)
        held = _used_at(s.kernel, Term("sub", (row, start), None, "int"))
        rows = replace(_shifted(loop, row, start, (*sliced, *held)), first=None, last=Term("sub", (var(tiles.stop, "int"), start), None, "int"))
        return replace(s, kernel=replace(s.kernel, body=(*s.kernel.body[:-1], rows), bounds=bounds, sliced=sliced))
    return replace(tiles, body=tuple(map(cut, tiles.body)))


def _split(call: Call, program: HostProgram) -> Call:
    kernel, loop = call.kernel, call.kernel.body[-1]
    if not isinstance(loop, For) or loop.reverse or loop.first is not None or not all(map(_is_start, kernel.body[:-1])):
        return call
    row, inner = var(loop.index, "int"), list(_inside(loop.body))
    carried = {s.name for s in kernel.body if isinstance(s, Assign) and not is_reciprocal(s)}
    operations = {s.target.value: s.op for s, _ in inner if isinstance(s, Accumulate) and s.target.op == "var" and s.target.value in carried}
    operations |= dict.fromkeys(chunk_sums([loop]), "sum")
    scratch = {s.name for s in kernel.body if isinstance(s, Allocate)}
    packing = [s for s, _ in _inside([s for s in kernel.body[:-1] if isinstance(s, For)])]
    packed = {name for s in packing for name, _ in _targets(s)}
    sliced = _used_at(kernel, row)
    written = {name for s, _ in inner for name, _ in _targets(s)}
    if not all(isinstance(s, For | Store) for s in packing) or not packed <= scratch - written:
        return call
    if set(operations) != set(kernel.results) or carried != set(operations) or not written <= {*sliced, *scratch} \
            or any(_disturbs(s, carried) for s, _ in inner):
        return call
    work: dict[tuple[Size, ...], float] = {}
    for s, extents in inner:
        if 0 not in extents:
            work[extents] = work.get(extents, 0) + _cost(s)
    split = Split(loop.extent, tuple((round(ns, 6), extents) for extents, ns in work.items()), tuple(operations[r] for r in kernel.results),
                  tuple("wide" if r in kernel.wide else program.scalars[r] for r in kernel.results), _places(kernel, program))
    body = (*kernel.body[:-1], _shifted(loop, row, var(BOUNDS[0], "int"), sliced))
    return replace(call, kernel=replace(kernel, body=body, split=split, bounds=BOUNDS, sliced=sliced), split=split)


def _is_start(s: Statement) -> bool:
    """What may stand before the loop: scratch, what packs it, reciprocals, and the neutral elements of what the loop carries."""
    return isinstance(s, Allocate | Note | For | Store) or isinstance(s, Assign) and s.value.op == "const" or is_reciprocal(s)


def _indices(statements: Iterable[Statement]) -> dict[str, list[tuple[Term, ...]]]:
    """Where each array is read and written."""
    found: dict[str, list[tuple[Term, ...]]] = defaultdict(list)
    for s in statements:
        for name, index in _targets(s):
            found[name].append(index)
        for t in (t for value in values(s) for t in walk(value) if t.op == "load"):
            found[t.value].append(t.args)
    return found


def _disturbs(s: Statement, carried: set[str]) -> bool:
    """Whether a statement does more to what is carried than to add to it."""
    sets = isinstance(s, Assign) and s.name in carried or isinstance(s, Track) and s.target.value in carried
    return sets or any(t.op == "var" and t.value in carried for value in values(s) for t in walk(value))


def _used_at(kernel: Kernel, row: Term) -> tuple[str, ...]:
    """The arrays that a kernel uses at one place of their first axis alone, in its last loop."""
    *before, loop = kernel.body
    used, whole = (_indices(s for s, _ in _inside(part)) for part in (loop.body, before))                          # type: ignore[union-attr]
    return tuple(name for name in kernel.arrays if name not in whole and all(index[0] == row for index in used[name]))


def _shifted(x: Any, row: Term, first: Term, cut: tuple[str, ...]) -> Any:
    """Statements and terms with `first + row` for the row's number, but in arrays that hold the rows from `first` on alone."""
    if isinstance(x, tuple):
        return tuple(_shifted(part, row, first, cut) for part in x)
    if x == row:
        return Term("add", (first, row), None, "int")
    if isinstance(x, Term):
        own = (row,) if x.op == "load" and x.value in cut else ()
        return replace(x, args=(*own, *_shifted(x.args[len(own):], row, first, cut)))
    if isinstance(x, Store):
        own = (row,) if x.name in cut else ()
        return Store(x.name, (*own, *_shifted(x.index[len(own):], row, first, cut)), _shifted(x.value, row, first, cut))
    if is_dataclass(x) and not isinstance(x, sp.Basic | type):
        return replace(x, **{f.name: _shifted(getattr(x, f.name), row, first, cut) for f in fields(x)})
    return x


def _places(kernel: Kernel, program: HostProgram) -> tuple[tuple[str, int, int | None], ...]:
    found: dict[str, tuple[int, int | None]] = {}
    for k, name in enumerate(kernel.arrays):
        for axis, size in enumerate(program.arrays[name][0]):
            if isinstance(size, Extent):
                found.setdefault(size.name, (k, axis))
    names = {name: extent.name for extent, name in program.sizes.items()}
    first = len(kernel.arrays) + len(kernel.scalars)
    found |= {names[size]: (first + k, None) for k, size in enumerate(kernel.sizes)}
    return tuple((name, *place) for name, place in found.items())


def _inside(body: Sequence[Statement], extents: tuple[Size, ...] = ()) -> Iterator[tuple[Statement, tuple[Size, ...]]]:
    """The statements in a loop's body, loops too, with the extents of the loops around them."""
    for s in body:
        if isinstance(s, For):
            yield from _inside(s.body, (*extents, sp.Integer(0) if s.rest else s.extent))
        if not isinstance(s, Note):
            yield s, extents


def _targets(s: Statement) -> list[tuple[str, tuple[Term, ...]]]:
    if isinstance(s, Store):
        return [(s.name, s.index)]
    terms = [s.target] if isinstance(s, Accumulate) else [s.target, s.best] if isinstance(s, Track) else []
    return [(t.value, t.args) for t in terms if t.op == "load"]


def _cost(s: Statement) -> float:
    """Nanoseconds, on a machine of 2020 or so."""
    spent = MEMORY_NS * len(_targets(s)) + ARITHMETIC_NS
    for t in (t for value in values(s) for t in walk(value)):
        if t.op == "load":
            spent += MEMORY_NS
        elif t.op in ROWS and t.op not in ARITHMETIC:
            spent += LIBRARY_NS if ROWS[t.op].jit.startswith("math.") else FUNCTION_NS
        elif t.args:
            spent += ARITHMETIC_NS
    return spent
