"""Reads as subscripts: x.T, x[:, None], x[1:], x[0] for the access maps that NumPy can say.

    view ::= operand[item, ...] .transpose(order) [: or None, ...]          item ::= : | position | start:stop | ::-1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from graphc.ir.nodes import Read, Size

__all__ = ["View", "view_of"]


@dataclass(frozen=True)
class View:
    """How a read looks as a subscript: `items` one for each dim of the operand ("" where all are ":"), then a permutation, then new axes."""

    items: tuple[str, ...] = ()
    order: tuple[int, ...] = ()
    expand: tuple[str, ...] = ()


def view_of(read: Read, frame: Sequence[sp.Symbol], sizes: Sequence[Size], full: bool = False) -> View | None:
    """The read as a view that broadcasts to axes `frame`; `full` gives it all of them. None where only index notation says it."""
    kept: list[int] = []
    items: list[str] = []
    trailing = len(frame) - len(read.index)
    for m, (e, size) in enumerate(zip(read.index, read.operand.dims, strict=True)):
        if size == 1 and e == 0 and trailing + m >= 0 and (not kept or kept[-1] == trailing + m - 1):
            items.append(":")                                             # an axis of size 1 that broadcasts
            kept.append(trailing + m)
            continue
        item = _item(e, size, frame, sizes)
        if item is None:
            return None
        items.append(item[0])
        if item[1] is not None:
            kept.append(item[1])
    if len(set(kept)) != len(kept):
        return None
    return View(tuple(items) if any(i != ":" for i in items) else (), *_placed(kept, len(frame), full))


def _placed(kept: list[int], rank: int, full: bool) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The permutation that sorts the kept axes, and where new axes stand."""
    order = tuple(sorted(range(len(kept)), key=kept.__getitem__))
    first = 0 if full else min(kept, default=rank)
    expand = tuple(":" if k in kept else "None" for k in range(first, rank))
    return (order if list(order) != sorted(order) else ()), (expand if "None" in expand else ())


def _item(e: Any, size: Size, frame: Sequence[sp.Symbol], sizes: Sequence[Size]) -> tuple[str, int | None] | None:
    """The subscript of one dim, and the axis that it becomes (None for a position)."""
    if isinstance(e, Read):
        return None
    if e in frame:
        k = list(frame).index(e)
        if sizes[k] == size:
            return ":", k
    symbols = e.free_symbols & set(frame)
    if not symbols:
        text = _bound(e, size)
        return None if text is None else (text, None)
    if len(symbols) > 1 or not e.is_polynomial(*symbols):
        return None
    s = symbols.pop()
    k = list(frame).index(s)
    step, start = e.coeff(s, 1), sp.expand(e.coeff(s, 0))
    if not step.is_Integer or sp.expand(e - step * s - start) != 0:
        return None
    slice_ = _slice(start, step, sizes[k], size)
    return None if slice_ is None else (slice_, k)


def _slice(start: Size, step: sp.Integer, length: Size, size: Size) -> str | None:
    stop = sp.expand(start + step * length)
    if step < 0:
        if sp.expand(start - size + 1) != 0 or stop != -1 and step == -1:
            return None
        return f"::{step}"
    if step != 1:
        return None
    first, last = _bound(start, size), _bound(stop, size)
    if first is None or last is None and stop != size:
        return None
    return f"{'' if first == '0' else first}:{'' if stop == size else last}"


def _bound(e: Size, size: Size) -> str | None:
    """A position from either end."""
    if e.is_Integer and e >= 0:
        return str(e)
    distance = sp.expand(e - size)
    return str(distance) if distance.is_Integer and distance < 0 else None
