r"""Tiles in place: what a kernel makes of a tile takes the memory of what it is made of.

    XW = X[rows] @ W;   bar = gradient(XW);   W_bar += X[rows].T @ bar         bar is written where XW was

It may if each element is read for the last time before it is written, by the thread that writes it or by one that has waited for: a row in registers
is loaded and saved by the same threads, element by element; an element that others read (that of a label) is read before a barrier, which is put
there if there is none. Arrays must have one shape and kind; `bar` is not there before, and nobody wants XW after.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import sympy as sp

from graphc.loops.device.independent import letter_of
from graphc.loops.device.statements import Alias, Barrier, DeviceProgram, GroupKernel, Launch, Load, Over, Save
from graphc.loops.statements import Accumulate, Allocate, ForTiles, Height, Product, Store
from graphc.scalar.term import Term, walk

__all__ = ["in_place"]


def in_place(program: DeviceProgram) -> DeviceProgram:
    """The program with tiles that share memory."""
    body: list[Any] = list(program.body)
    while (found := _pair(body)) is not None:
        body = _joined(body, *found)
    return replace(program, body=tuple(body))


def _pair(body: Sequence[Any]) -> tuple[Alias, Launch, Launch] | None:
    """An array that may take the memory of another, and the launch that makes it, as it is and as it is to be."""
    for tiles in (s for s in body if isinstance(s, ForTiles)):
        every = [*body, *tiles.body]
        taken = {s.other for s in every if isinstance(s, Alias)}
        made = [s for s in every if isinstance(s, Allocate) and s.sizes[0] == tiles.rows]
        for k, s in enumerate(tiles.body):
            if not isinstance(s, Launch):
                continue
            before, after = tiles.body[:k], tiles.body[k + 1:]
            for new in (a for a in made if a.name in _names(s) and not any(a.name in _names(x) for x in before)):
                for old in (a for a in made if a.name in _names(s) and a.name not in taken and (a.sizes, a.kind) == (new.sizes, new.kind)):
                    found = None if any(old.name in _names(x) for x in after) or not _begins(before, old.name) else _apart(s, old.name, new.name)
                    if found is not None:
                        return Alias(new.name, old.name, new, found[1]), s, found[0]
    return None


def _joined(body: Sequence[Any], alias: Alias, launch: Launch, better: Launch) -> list[Any]:
    """The statements with one array where the other is; tiles hold so much less."""
    done: list[Any] = []
    for s in body:
        if isinstance(s, ForTiles):
            s = replace(s, body=tuple(_joined(s.body, alias, launch, better)))
        elif isinstance(s, Height) and s.rows == alias.made.sizes[0]:
            s = replace(s, held=s.held - sp.Mul(*alias.made.sizes[1:]))
        if s != alias.made:
            done += [better, alias] if s is launch else [s]
    return done


def _ways(s: Launch) -> Iterator[tuple[str, Any, tuple[GroupKernel, ...]]]:
    """The ways in which a launch is done, by the name of the field: one kernel, or several of which each takes a piece of a row in a block."""
    for f in fields(s):
        way = getattr(s, f.name)
        if way is not None:
            yield f.name, way, (way,) if isinstance(way, GroupKernel) else way.kernels


def _names(s: Any) -> set[str]:
    """The arrays that a statement of the host uses."""
    if isinstance(s, Product):
        return {s.out, s.a, s.b}
    return {n for *_, kernels in _ways(s) for k in kernels for n in k.arrays} if isinstance(s, Launch) else set()


def _begins(body: Sequence[Any], name: str) -> bool:
    """Whether each tile begins the array anew, by a product."""
    first = next((s for s in body if name in _names(s)), None)
    return isinstance(first, Product) and first.out == name and not first.add


def _apart(launch: Launch, old: str, new: str) -> tuple[Launch, str] | None:
    """The launch, with barriers where it wants them, if it may write `new` where `old` is, None if it may not; and, where it may not if rows are in
    pieces, the variable of how many these are."""
    done: dict[str, Any] = {}
    unless = ""
    for name, way, kernels in _ways(launch):
        found = [_in_order(k, old, new, way not in kernels) for k in kernels]
        writers = [k for k, kernel in enumerate(kernels) if any(use == (new, "save") for use in _uses(kernel.body, kernel.rows[0].index))]
        last = max((k for k, kernel in enumerate(kernels) if old in kernel.arrays), default=-1)
        wrong = None in found or not writers or min(writers) < last
        if way in kernels:
            if wrong:
                return None
            done[name] = found[0]
        elif wrong:
            unless = way.number
    return replace(launch, **done), unless


def _in_order(kernel: GroupKernel, old: str, new: str, pieces: bool) -> GroupKernel | None:
    """One kernel: `pieces` of a row are taken by blocks that wait for nobody."""
    if not kernel.rows or len(kernel.rows) > 1 and not pieces:
        return None
    events = [(k, *use) for k, s in enumerate(kernel.body) for use in _uses(s, kernel.rows[0].index) if use[0] in (old, new)]
    aside = [use for f in fields(kernel) if f.name not in ("body", "rows", "registers") for use in _uses(getattr(kernel, f.name), "")]
    loads, reads, saves = ([k for k, name, use in events if (name, use) == event] for event in ((old, "load"), (old, "read"), (new, "save")))
    if len(loads) + len(reads) + len(saves) < len(events) or any(name in (old, new) for name, _ in aside):
        return None
    if not saves or not reads and max(loads, default=0) <= saves[0]:
        return kernel
    if pieces or max(loads, default=0) > saves[0] or max(reads) >= saves[0]:
        return None
    if any(isinstance(s, Barrier) for s in kernel.body[max(reads):saves[0]]):
        return kernel
    return replace(kernel, body=(*kernel.body[:saves[0]], Barrier(), *kernel.body[saves[0]:]))


def _uses(x: Any, row: str) -> Iterator[tuple[str, str]]:
    """Arrays and what is done to them: a row of registers is loaded or saved; an element of the group's own row is read; or something other."""
    match x:
        case Load(r):
            yield r.array, "load" if _of_row(r.first, row) else "other"
        case Save(r):
            yield r.array, "save" if _of_row(r.first, row) else "other"
        case Over(loads=loads, saves=saves):
            for r in loads:
                yield from _uses(Load(r), row)
            yield from _uses(x.loop, row)
            for r in saves:
                yield from _uses(Save(r), row)
            yield from _uses(tuple(getattr(x, f.name) for f in fields(x) if f.name not in ("loop", "loads", "saves")), row)
        case Term():
            yield from ((t.value, "read" if _of_row(t, row) else "other") for t in walk(x) if t.op == "load")
        case Store():
            yield x.name, "other"
            yield from _uses((x.index, x.value), row)
        case Accumulate(target=Term(op="load")):
            yield x.target.value, "other"
            yield from _uses((x.target.args, x.value), row)
        case tuple():
            for part in x:
                yield from _uses(part, row)
        case _ if is_dataclass(x):
            if isinstance(array := getattr(x, "array", None), str):
                yield array, "other"
            yield from _uses(tuple(getattr(x, f.name) for f in fields(x)), row)


def _of_row(at: Term | None, row: str) -> bool:
    """Whether a place is in the row that the group has at the time."""
    return at is not None and bool(at.args) and letter_of(at.args[0]) == row
