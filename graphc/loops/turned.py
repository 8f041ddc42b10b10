r"""Turned reads: columns of a matrix that are read along rows are copied to rows first, for a block of rows at a time.

    for i: for j: s += f(a[i, j], a[j, i])        =        for each block of rows:
                                                               for its rows: for j:  a_T[i, j] = a[j, i]
                                                               for its rows:  for j: s += f(a[i, j], a_T[i, j])

The elements of a column are far apart, so that no vector holds them. The copies of a block stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from graphc.loops.accesses import accesses, in_loops, replaced
from graphc.loops.beside import Arrays, is_own
from graphc.loops.statements import Allocate, Assign, Blocks, For, Kernel, Stage, Turned, load, values, var
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term, walk

__all__ = ["with_turned_reads"]

HEIGHT = 64                                             # rows of a block: four cache lines of float32


def with_turned_reads(kernel: Kernel, arrays: Arrays, own: Callable[[str], str]) -> Kernel:
    """The kernel in blocks of rows, if it reads columns along its rows. `own` names variables."""
    *before, loop = kernel.body
    if not isinstance(loop, For) or loop.reverse or loop.parts:
        return kernel
    written = {a.name for a in accesses(loop.body) if a.write}
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
    steps.append(Stage(replaced(loop.body, copies)))
    blocks = Blocks(loop, tuple(steps), (), height, row, *map(own, ("begin", "end", "numbers", "elements", "element")))
    return replace(kernel, body=(Assign(height, Term("const", (), HEIGHT, "int")), *made.values(), *before, blocks))


def _columns(loop: For, first: Sequence[str]) -> list[Term]:
    """The reads of matrices of which the row loop counts the column, and the innermost loop the row."""
    loads = ((t, inner[-1]) for s, inner in in_loops(loop.body, ()) for value in values(s) for t in walk(value) if t.op == "load")
    return list(dict.fromkeys(t for t, index in loads if len(t.args) == 2 and t.args[0] == index and is_own(t.args[1], loop, first)))
