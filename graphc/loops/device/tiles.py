r"""Pairs of rows: a block's groups, each with a row of its own, read the rows of the other operand from a tile in shared memory.

    for j: s = 0; for k: s += (X[i, k] - Z[j, k])^2        for each tile of Z: all threads load it; each group: for j in the tile: ... Z_tile[j, k]
    for k: for j: b += w[j]*Z[j, k]                        for k: for each tile of Z[:, k]: ...

Each row of Z comes from memory once for a block, in one piece, in place of once for each of its groups. Rows of a tile have an odd number of places,
so that the lanes of a warp, each at its own row, are in different banks. Threads whose rows have run out load with the others, and do nothing else
(`live`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.accesses import replaced, statements
from graphc.loops.device.registers import touched
from graphc.loops.device.statements import GroupKernel, Over, Tile, When
from graphc.loops.statements import Assign, For, values, var
from graphc.scalar.term import Term, walk

__all__ = ["in_tiles"]

Arrays = dict[str, tuple[tuple[Size, ...], str]]


def in_tiles(kernel: GroupKernel, arrays: Arrays, own: Callable[[str], str]) -> GroupKernel | None:
    """The variant of a kernel whose loops over pairs read tiles; None where there are none."""
    if len(kernel.rows) != 1 or kernel.width is None:
        return None
    written = {a.name for s in kernel.body for a in touched(s) if a.write}
    made = _Tiles(arrays, written, kernel.rows[0].index, own)
    body = made.block(kernel.body)
    if all(t.column is not None for t in made.tiles.values()):
        return None
    rows = tuple(replace(loop, body=()) for loop in kernel.rows)
    return replace(kernel, rows=rows, body=body, tiles=tuple({t.array: t for t in made.tiles.values()}.values()), live=str(made.live.value))


class _Tiles:
    """`tiles` are those that loops read, by the place of an element."""

    def __init__(self, arrays: Arrays, written: set[str], row: str, own: Callable[[str], str]):
        self.arrays, self.written, self.row, self.own = arrays, written, row, own
        self.tiles: dict[tuple[str, bool], Tile] = {}
        self.live = var(own("live"), "bool")

    def block(self, body: Sequence[Any]) -> tuple[Any, ...]:
        """Statements with tiles; those between them, for threads that have a row."""
        done: list[Any] = []
        for s in body:
            if isinstance(s, Over) and (tiled := self.over(s)) is not None:
                done.append(tiled)
            elif isinstance(s, For) and any(isinstance(x, Over) and x.tiles for x in self.block(s.body)):
                done.append(replace(s, body=self.block(s.body)))
            elif done and isinstance(done[-1], When):
                done[-1] = When(self.live, (*done[-1].body, s))
            else:
                done.append(When(self.live, (s,)))
        return tuple(done)

    def over(self, s: Over) -> Over | None:
        """The loop with tiles in place of the arrays that all rows read."""
        loop = s.loop
        found = dict(self.found(loop)) if loop.first is None and not s.staged else {}
        if not found:
            return None
        first = var(self.own("tile"), "int")
        places: dict[Term, Term] = {}
        for t, tile in found.items():
            row = Term("sub", (t.args[0], first), None, "int")
            if tile.column is None:
                row = Term("add", (Term("mul", (row, var(tile.step, "int")), None, "int"), t.args[1]), None, "int")
            places[t] = Term("load", (row,), tile.name, t.kind)
        loop = replace(loop, body=replaced(loop.body, places))
        return replace(s, loop=loop, tiles=tuple(dict.fromkeys(found.values())), chunk=str(first.value))

    def found(self, loop: For) -> Iterator[tuple[Term, Tile]]:
        """The loads of rows of the other operand, and of one column of them."""
        inner = {(s.index, s.extent) for s in statements(loop.body) if isinstance(s, For) and s.first is None}
        inside = {s.index if isinstance(s, For) else s.name for s in statements(loop.body) if isinstance(s, For | Assign)}
        for t in (t for s in statements(loop.body) for v in values(s) for t in walk(v) if t.op == "load"):
            sizes, kind = self.arrays.get(str(t.value), ((), ""))
            if kind != "float" or len(sizes) != 2 or t.value in self.written or t.args[0] != var(loop.index, "int") or t.args[1].op != "var":
                continue
            k = str(t.args[1].value)
            if (k, sizes[1]) in inner:
                yield t, self.tile(str(t.value), None, sizes[1])
            elif k not in inside and k != self.row:
                yield t, self.tile(str(t.value), t.args[1], sizes[1])

    def tile(self, array: str, column: Term | None, size: Size) -> Tile:
        """The tile of an array: whole rows and columns take turns in one piece of memory."""
        other = next((t for t in self.tiles.values() if t.array == array), None)
        names = (other.name, other.step) if other else (self.own(f"{array}_tile"), self.own(f"{array}_step"))
        return self.tiles.setdefault((array, column is None), Tile(array, names[0], names[1], size, column))
