r"""Tiles: matrix products and the loops around them run over blocks of rows, so that what is between them stays in cache.

    for each block of rows of n:
        XW    = X[rows] @ W                     a product's rows
        ...   row by row, on XW                 loops over n
        X_bar[rows] = y_bar @ W.T               a product's rows
        W_bar += X[rows].T @ y_bar              a product that is summed over the rows

An item joins the tiles of an extent iff it reads what the tiles make at its own row only. A value that tiles alone read has the rows of
one block, in place of a full array: a loss on a linear layer never holds its n x c logits.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import sympy as sp

from graphc.ir.access import same_size
from graphc.ir.nodes import Node, Operation, Read, Scatter, Size, reads_in
from graphc.ir.walk import operands
from graphc.scalar.symbols import axis_index
from graphc.schedule.plan import Compute, Item, Library, Loop, Tiles, walk_computes, walk_libraries
from graphc.schedule.policy import CPU, Policy
from graphc.schedule.scan import Scan, along_symbol

__all__ = ["tile", "tile_axes"]

Rows = dict[Node, sp.Symbol]       # the index of a node that runs over the rows of the tiles


def tile(items: Sequence[Item], roots: Sequence[Node], policy: Policy = CPU) -> list[Item]:
    """The plan with tiles around products and the loops between them, where that saves keeping a whole array."""
    best: tuple[int, Size, list[Item], list[Item], list[Item], Rows] | None = None
    for extent, loops_first in itertools.product(_extents(items), (True, False)):
        before, group, after, rows = _group(items, extent, loops_first, policy)
        saved = len(_local(rows, group, [*before, *after], roots))
        if saved and any(isinstance(i, Library) for i in group) and (best is None or saved > best[0]):
            best = saved, extent, before, group, after, rows
    if best is None:
        return list(items)
    _, extent, before, group, after, rows = best
    return [*tile(before, roots, policy), _tiles(extent, group, rows), *tile(after, roots, policy)]


def tile_axes(items: Sequence[Item], roots: Sequence[Node]) -> dict[Node, tuple[int, Tiles]]:
    """The nodes of which tiles keep one block of rows, with the axis of those rows."""
    found: dict[Node, tuple[int, Tiles]] = {}
    for item in items:
        if isinstance(item, Tiles):
            rows: Rows = {c.node: s for c in walk_computes(item.items) for s, loop in c.bound.items() if loop.tiles is item}
            rows |= {i.node: i.symbol for i in item.items if isinstance(i, Library) and i.symbol is not None}
            for node in _local(rows, item.items, [i for i in items if i is not item], roots):
                found[node] = int(rows[node].name[1:]), item
    return found


def _extents(items: Sequence[Item]) -> list[Size]:
    """What tiles might run over: the rows that products make."""
    return list(dict.fromkeys(item.shape.rows[0] for item in items if isinstance(item, Library) and item.shape.rows))


def _nodes(item: Item) -> list[Operation]:
    return [c.node for c in walk_computes([item])] if not isinstance(item, Library) else [item.node]


def _group(items: Sequence[Item], extent: Size, loops_first: bool, policy: Policy) -> tuple[list[Item], list[Item], list[Item], Rows]:
    """(before, group, after): the items that can share the tiles, and those that can or must stand before and after them. `loops_first`:
    whether loops that read nothing of the tiles belong to them, as what later products take row by row does."""
    before: list[Item] = []
    group: list[Item] = []
    after: list[Item] = []
    rows: Rows = {}
    late: set[Node] = set()
    for item in items:
        nodes = _nodes(item)
        needs = {o for n in nodes for o in operands(n)} - set(nodes)
        can = not needs & late and (loops_first or isinstance(item, Library) or bool(needs & set(rows)))
        joined = _rows_of(item, extent, rows, policy) if can else None
        if joined is not None:
            group.append(item)
            rows |= joined
        elif needs & (late | set(rows)):
            after.append(item)
            late |= set(nodes)
        else:
            before.append(item)
    return before, group, after, rows


def _rows_of(item: Item, extent: Size, rows: Rows, policy: Policy) -> Rows | None:
    """The row index of each node of an item, if it can run over the rows of tiles."""
    if isinstance(item, Library):
        symbols = _product_symbols(item, extent)
        fitting = [s for s in symbols if all(r.index[_axis(rows, r)] == s for r in item.node.reads if r.operand in rows)
                   and not any(_is_reduced(rows, r) for r in item.node.reads)]
        if not fitting or fitting[0].name[0] == "j" and not any(r.operand in rows for r in item.node.reads):
            return None
        return {item.node: fitting[0]}
    if isinstance(item, Tiles) or not isinstance(item, Loop):
        return None
    over = _row_loop(item, extent, policy)
    if over is None or over.reverse:
        return None
    own: Rows = {}
    for c in walk_computes([item]):
        symbol = next((s for s, loop in c.bound.items() if loop is over), None)
        if symbol is None or isinstance(c.node, Scan) and symbol == along_symbol(c.node) or not _reads_own_row(c, over, rows):
            return None
        if not c.again:
            own[c.node] = symbol
    linked = any(o in rows for n in own for o in operands(n))
    return own if linked or not any(s.name[0] == "j" for s in own.values()) else None             # a sum that tiles need stands before them


def _row_loop(item: Loop, extent: Size, policy: Policy) -> Loop | None:
    """The loop of an item that runs over the rows: itself, or where axes come first, the only one in loops over columns."""
    if same_size(item.extent, extent):
        return item
    if policy.axes_first and len(item.items) == 1 and isinstance(item.items[0], Loop):
        return _row_loop(item.items[0], extent, policy)
    return None


def _product_symbols(item: Library, extent: Size) -> list[sp.Symbol]:
    """The indices of a product that can run over tiles: single, first in every array that has them, and not of the columns."""
    shape = item.shape
    if shape.batch:
        return []
    found = []
    if len(shape.rows) == 1 and same_size(shape.rows[0], extent) and shape.a.index[0] == axis_index(0):
        found.append(axis_index(0))
    inner = [s for s in item.node.ranges if s.name[0] == "j"]
    if len(inner) == 1 and same_size(shape.inner[0], extent) and shape.a.index[0] == inner[0] == shape.b.index[0]:
        found.append(inner[0])
    return found


def _axis(rows: Rows, read: Read) -> int:
    return int(rows[read.operand].name[1:])


def _is_reduced(rows: Rows, read: Read) -> bool:
    return read.operand in rows and rows[read.operand].name[0] == "j"


def _reads_own_row(c: Compute, loop: Loop, rows: Rows) -> bool:
    """Whether a node reads what the tiles have made at its own row."""
    for read in _all_reads(c.node):
        if read.operand in rows:
            if _is_reduced(rows, read):
                return False
            index = read.index[_axis(rows, read)]
            if isinstance(index, Read) or c.bound.get(index) is not loop:
                return False
    return True


def _all_reads(node: Node) -> Iterator[Read]:
    for read in (*node.reads, *(e for e in getattr(node, "at", ()) if isinstance(e, Read))):
        yield from reads_in(read)


def _local(rows: Rows, group: Sequence[Item], others: Sequence[Item], roots: Sequence[Node]) -> list[Operation]:
    """The nodes that only the tiles read, over several of their items."""
    away = {o for item in others for n in _nodes_within(item) for o in operands(n)} | set(roots)
    found: list[Operation] = []
    later: set[Node] = set()
    for item in reversed(group):
        made = [item.node] if isinstance(item, Library) else [c.node for c in walk_computes([item]) if not c.again]
        found += [n for n in reversed(made)
                  if n in rows and rows[n].name[0] == "i" and n in later and n not in away and not isinstance(n, Scatter)]
        later |= {o for n in _nodes(item) for o in operands(n)}
    return found[::-1]


def _nodes_within(item: Item) -> Iterable[Node]:
    yield from (c.node for c in walk_computes([item]))
    yield from (i.node for i in walk_libraries([item]))


def _tiles(extent: Size, group: list[Item], rows: Rows) -> Tiles:
    tiles = Tiles(extent)
    for item in group:
        if isinstance(item, Library):
            tiles.items.append(Library(item.node, rows[item.node], tiles))
            continue
        assert isinstance(item, Loop)
        over = next(loop for c in walk_computes([item]) for s, loop in c.bound.items() if rows.get(c.node) == s)
        over.tiles = tiles
        for c in walk_computes([item]):
            c.path = (tiles, *c.path)
        tiles.items.append(item)
    return tiles
