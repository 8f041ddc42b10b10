"""Scratch with a part for each row: where that is, and statements that read and write it there.

    for i in rows: for j: e[j] = ...; ... e[j] ...              e_rows[i, j]; side by side e_rows[j, i]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.statements import For, Store, var
from graphc.scalar.term import Term

__all__ = ["extents_of", "place_of", "placed"]


def extents_of(rows: Iterable[For], tile: Size | None) -> tuple[Size, ...]:
    """How many rows there are of each loop; those with a first one are in a tile of this height."""
    return tuple(tile if loop.first is not None and tile is not None else loop.extent for loop in rows)


def place_of(loop: For) -> Term:
    """A row's place in an array of rows: in a tile, they count from its first."""
    i = var(loop.index, "int")
    return i if loop.first is None else Term("sub", (i, loop.first), None, "int")


def placed(x: Any, scratch: dict[str, str], before: tuple[Term, ...], after: tuple[Term, ...] = ()) -> Any:
    """Statements and terms with scratch that has a part for each row, at places that begin and end so."""
    if isinstance(x, tuple):
        return tuple(placed(part, scratch, before, after) for part in x)
    if not is_dataclass(x):
        return x
    x = replace(x, **{f.name: placed(getattr(x, f.name), scratch, before, after) for f in fields(x)})              # type: ignore[type-var]
    if isinstance(x, Term) and x.op == "load" and x.value in scratch:
        return replace(x, value=scratch[x.value], args=(*before, *x.args, *after))
    if isinstance(x, Store) and x.name in scratch:
        return replace(x, name=scratch[x.name], index=(*before, *x.index, *after))
    return x
