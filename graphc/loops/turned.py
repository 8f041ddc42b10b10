r"""Turned reads: columns of a matrix that are read along rows are copied to rows first, for a block of rows at a time.

    for i: for j: s += f(a[i, j], a[j, i])        =        for each block of rows:
                                                               for its rows: for j:  a_T[i, j] = a[j, i]
                                                               for its rows:  for j: s += f(a[i, j], a_T[i, j])

The elements of a column are far apart, so that no vector holds them. The copies of a block stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from graphc.loops.accesses import statements
from graphc.loops.beside import Arrays, is_own
from graphc.loops.statements import Accumulate, Allocate, Assign, Blocks, For, Kernel, Stage, Statement, Store, Turned, load, values, var
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term, walk

__all__ = ["with_turned_reads"]

HEIGHT = 64                                             # rows of a block: four cache lines of float32


def with_turned_reads(kernel: Kernel, arrays: Arrays, own: Callable[[str], str]) -> Kernel:
    """The kernel in blocks of rows, if it reads columns along its rows. `own` names variables."""
    *before, loop = kernel.body
    if not isinstance(loop, For) or loop.reverse or loop.parts:
        return kernel
    written = {x.name if isinstance(x, Store) else x.target.value for x in statements(loop.body) if isinstance(x, Store | Accumulate)}
    reads = [t for t in _columns(loop, kernel.bounds[:1]) if t.value in arrays and t.value not in written]
    if not reads:
        return kernel
    height, row = own("height"), own("row")
    copies = {t: load(own(f"{t.value}_T"), (var(row, "int"), t.args[0]), t.kind) for t in reads}
    made = dict[str, Allocate]()
    steps: list[Turned | Stage] = []
    for t, copy in copies.items():
        if copy.value not in made:
            (extent, _), kind = arrays[t.value]
            made[copy.value] = Allocate(copy.value, (Extent(height), extent), kind)
            steps.append(Turned(copy.value, t.value, t.args[1]))
    body = tuple(_replaced(s, copies) for s in loop.body)
    blocks = Blocks(loop, (*steps, Stage(body)), (), height, row, *map(own, ("begin", "end", "numbers", "elements", "element")))
    return replace(kernel, body=(Assign(height, Term("const", (), HEIGHT, "int")), *made.values(), *before, blocks))


def _columns(loop: For, first: Sequence[str]) -> list[Term]:
    """The reads of matrices of which the row loop counts the column, and the innermost loop the row."""
    found = dict[Term, None]()
    for s, inner in _inner(loop.body, None):
        for t in (x for value in values(s) for x in walk(value) if x.op == "load" and len(x.args) == 2):
            if inner is not None and t.args[0] == var(inner.index, "int") and is_own(t.args[1], loop, first):
                found[t] = None
    return list(found)


def _inner(body: Sequence[Statement], loop: For | None) -> Iterator[tuple[Statement, For | None]]:
    """The statements that are no loops, with the innermost loop around each."""
    for s in body:
        if isinstance(s, For):
            yield from _inner(s.body, s)
        else:
            yield s, loop


def _replaced(s: Any, copies: Mapping[Term, Term]) -> Any:
    def visit(t: Term) -> Term:
        return copies[t] if t in copies else replace(t, args=tuple(map(visit, t.args)))
    made: dict[str, Any] = {f.name: visit(v) for f in fields(s) if isinstance(v := getattr(s, f.name), Term)}
    if isinstance(s, For):
        made["body"] = tuple(_replaced(x, copies) for x in s.body)
    return replace(s, **made)
