"""The schedule: a tree of loops in which every node is computed once, or again where that is cheaper than keeping it.

    plan  ::= item ...
    item  ::= Loop over an extent, with items inside | Compute a node at a point | Library: a matrix product
            | Tiles: blocks of the rows of an extent; Loops inside run over the rows of one block, products take and make those rows

`Compute.bound` says which loop runs each index of the node. A reduction is complete when its outermost reduced loop ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import sympy as sp

from graphc.ir.nodes import Node, Operation, Size
from graphc.schedule.library import MatrixProduct, matrix_product

__all__ = ["Loop", "Tiles", "Compute", "Library", "Item", "walk_computes", "walk_libraries", "show_plan"]


@dataclass(eq=False)
class Loop:
    extent: Size
    reverse: bool = False
    items: list[Item] = field(default_factory=list)
    tiles: Tiles | None = None

    @property
    def whole(self) -> Loop:
        """The loop that runs over the whole extent: the tiles, where this one runs over the rows of one."""
        return self.tiles or self


@dataclass(eq=False)
class Tiles(Loop):
    """A loop over blocks of rows of an extent (see schedule.tile)."""


@dataclass(eq=False)
class Compute:
    """The value of a node at the point where `bound` puts its indices; `path` are the loops around."""

    node: Operation
    bound: dict[sp.Symbol, Loop]
    path: tuple[Loop, ...]
    again: bool = False

    def axis_loops(self) -> list[tuple[int, Loop]]:
        return [(int(s.name[1:]), loop) for s, loop in self.bound.items() if s.name[0] == "i"]

    def reduced_loops(self) -> list[Loop]:
        """The loops that a reduction runs over, each as a whole."""
        return [loop.whole for s, loop in self.bound.items() if s.name[0] == "j"]


@dataclass(eq=False)
class Library:
    """A matrix product (see schedule.library) on whole arrays; in tiles, those rows that `symbol` has in the tile."""

    node: Operation
    symbol: sp.Symbol | None = None
    tiles: Tiles | None = None

    @cached_property
    def shape(self) -> MatrixProduct:
        shape = matrix_product(self.node)
        assert shape is not None
        return shape


Item = Loop | Compute | Library


def walk_computes(items: list[Item]) -> Iterator[Compute]:
    for item in items:
        if isinstance(item, Loop):
            yield from walk_computes(item.items)
        elif isinstance(item, Compute):
            yield item


def walk_libraries(items: list[Item]) -> Iterator[Library]:
    for item in items:
        if isinstance(item, Tiles):
            yield from walk_libraries(item.items)
        elif isinstance(item, Library):
            yield item


def show_plan(items: list[Item], names: dict[Node, str], indent: str = "") -> str:
    """The tree as text."""
    lines = []
    for item in items:
        if isinstance(item, Loop):
            kind = f"tiles of {item.extent}" if isinstance(item, Tiles) else f"rows of a tile of {item.extent}" if item.tiles else str(item.extent)
            lines.append(f"{indent}for {kind}{' downwards' if item.reverse else ''}:")
            lines.append(show_plan(item.items, names, indent + "    "))
        elif isinstance(item, Library):
            lines.append(f"{indent}{names[item.node]} = matrix product")
        else:
            lines.append(f"{indent}{names[item.node]}{' (again)' if item.again else ''}")
    return "\n".join(lines)
