r"""Columns: where what a row reads lies along the rows, a block takes neighbouring rows, and its threads go down them side by side.

    for i in columns: s = 0; for j in depth: s += a[j, i];  b[i] = s

    thread (k, l) of a block:  i = first + l;  for j = k, k + DEEP, ...: s += a[j, i];  the s of all k are folded;  k = 0 stores b[i]

So a warp reads neighbouring elements, of one column each. Scratch of a row has a place for each, side by side; what is added to an element of the
column in an array, such as a gradient over tiles, is added up in a variable before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.accesses import accesses, statements
from graphc.loops.device.group import neutral_of
from graphc.loops.device.independent import letter_of, position
from graphc.loops.device.placed import extents_of, place_of, placed
from graphc.loops.device.registers import touched
from graphc.loops.device.statements import GroupKernel, Over, Scan
from graphc.loops.statements import Accumulate, Allocate, Assign, For, Statement, var

__all__ = ["along_rows", "beside", "deep", "in_sums"]


def along_rows(row: For) -> bool:
    """Whether what a row reads lies along the rows: neighbouring threads, each with a row, read neighbouring elements."""
    inner = {s.index for s in statements(row.body) if isinstance(s, For)}
    letters = [[letter_of(x) for x in a.index] for a in accesses(row.body)]
    both = [at for at in letters if row.index in at and inner & set(at)]
    along = [at for at in both if at[-1] == row.index]
    return bool(along) and len(along) == len(both)


def in_sums(body: Sequence[Statement], rows: Collection[str], own: Callable[[str], str]) -> tuple[Statement, ...]:
    """The statements of a row with variables in loops for the elements of arrays that these add to; `rows` are the loops' variables."""
    done: list[Statement] = []
    for s in body:
        added: dict[str, Accumulate] = {}
        s = _in_variables(s, s, rows, added, own) if isinstance(s, For) else s
        done += [Assign(name, neutral_of(a.op, a.target.kind)) for name, a in added.items()]
        done += [s, *(replace(a, value=var(name, a.target.kind)) for name, a in added.items())]
    return tuple(done)


def _in_variables(loop: For, s: Any, rows: Collection[str], added: dict[str, Accumulate], own: Callable[[str], str]) -> Any:
    if isinstance(s, For):
        return replace(s, body=tuple(_in_variables(loop, x, rows, added, own) for x in s.body))
    if isinstance(s, Accumulate) and s.target.op == "load" and all(letter_of(x) in rows for x in s.target.args) \
            and sum(a.name == s.target.value for a in accesses(loop.body)) == 1:
        name = own(f"{s.target.value}_sum")
        added[name] = s
        return replace(s, target=var(name, s.target.kind))
    return s


def deep(kernel: GroupKernel, tile: Size | None) -> GroupKernel | None:
    """The kernel in which blocks take neighbouring rows; None where threads do not share out a row's loops, or one reads what it has added up so
    far. `tile` is the height of the tile that loops are over."""
    loops = [s.loop for s in kernel.body if isinstance(s, Over)]
    if not loops or _scans(kernel.body) or any(loop.first is not None for loop in kernel.rows):
        return None
    return replace(kernel, depth=tile if loops[0].first is not None and tile is not None else loops[0].extent)


def beside(kernel: GroupKernel, scratch: Sequence[Allocate], arrays: dict[str, tuple[tuple[Size, ...], str]], tile: Size | None,
           own: Callable[[str], str]) -> tuple[list[Allocate], GroupKernel]:
    """The scratch of a kernel, with a place for each row side by side, and the kernel with it. `tile` is the height of the tile that rows are in."""
    found = [a for s in kernel.body for a in touched(s)]
    names: dict[str, str] = {}
    made: list[Allocate] = []
    for a in scratch:
        at = [x for x in found if x.name == a.name]
        if at and position(at, kernel.rows[-1].index) is None:
            names[a.name] = own(f"{a.name}_columns")
            a = Allocate(names[a.name], (*a.sizes, *extents_of(kernel.rows, tile)), a.kind)
            arrays[a.name] = a.sizes, a.kind
        made += [a] if at else []
    rows = tuple(replace(loop, body=()) for loop in kernel.rows)
    return made, replace(kernel, rows=rows, body=placed(kernel.body, names, (), tuple(map(place_of, kernel.rows))))


def _scans(body: Sequence[Any]) -> bool:
    return any(isinstance(s, Scan) or isinstance(s, For) and _scans(s.body) for s in body)
