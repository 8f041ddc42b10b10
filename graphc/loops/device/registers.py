r"""Registers: a row that fits is read once from memory, stays with the threads that take it, and is written once.

    y_row = y[i, :]                             128 bits at a time
    for j: m = max(m, y_row[j])
    for j: e[j] = exp(y_row[j] - m); z += e[j]  e is nowhere but in registers
    for j: y_bar_row[j] = e[j]/z
    y_bar[i, :] = y_bar_row

An array can be held iff the group's loops over the row's extent, and nothing else, touch what it holds of a row, each point its own element; an
input may be read elsewhere too. `held` is the greatest number of rows that are alive at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.accesses import Access, accesses, statements
from graphc.loops.device.independent import letter_of
from graphc.loops.device.statements import GroupKernel, Load, Once, Over, Row, Save, Scan
from graphc.loops.statements import Assign, For, Note, Statement, Store, values
from graphc.scalar.term import Term
from graphc.schedule.cost import functions, operations

__all__ = ["in_registers", "in_chunks", "instructions", "touched"]

INSTRUCTIONS, OTHERS = {"exp": 16, "sqrt": 8, "log": 40, "excess": 4, "apart": 2, "scaled": 4, "binade": 8}, 110
Key = tuple[str, tuple[Term, ...]]


def in_registers(kernel: GroupKernel, arrays: dict[str, tuple[tuple[Size, ...], str]], scratch: Collection[str],
                 own: Callable[[str], str]) -> GroupKernel | None:
    """The variant of a kernel that holds rows in registers; None where there is nothing to hold."""
    overs = [k for k, s in enumerate(kernel.body) if isinstance(s, Over) and s.loop.extent == kernel.width and _can_hold(s)]
    letters = {loop.index for loop in kernel.rows}
    found: dict[str, dict[Key, list[tuple[int, bool]]]] = {}
    elsewhere: set[str] = set()
    for k, s in enumerate(kernel.body):
        for a in touched(s):
            key = _key(a, s.loop.index, letters) if k in overs else None                        # type: ignore[union-attr]
            if key is None:
                elsewhere.add(a.name)
            else:
                found.setdefault(a.name, {}).setdefault(key, []).append((k, a.write))
    rows: dict[Key, Row] = {}
    lives: list[tuple[int, int]] = []
    loads: dict[int, list[Any]] = {}
    saves: dict[int, list[Any]] = {}
    for name, keys in found.items():
        written = any(w for at in keys.values() for _, w in at)
        if arrays[name][1] != "float" or written and (name in elsewhere or len(keys) > 1) or name in scratch and name in elsewhere:
            continue
        for n, (key, at) in enumerate(keys.items()):
            row = Row(own(f"{name}_row" if not n else f"{name}_row_{n + 1}"), name, None if name in scratch else _first(key))
            rows[key] = row
            first, last = at[0][0], at[-1][0]
            lives.append((first, last))
            if not written:
                loads.setdefault(_before(kernel.body, first), []).append(Load(row))
            elif name not in scratch:
                if not at[0][1]:
                    return None
                saves.setdefault(max(k for k, w in at if w), []).append(Save(row))
    if not rows:
        return None
    body: list[Any] = []
    for k, s in enumerate(kernel.body):
        body += loads.get(k, [])
        body.append(replace(s, loop=_held(s.loop, s.loop.index, letters, rows, Term("var", (), own("e"), "int")), staged=True) if k in overs else s)
        body += saves.get(k, [])
    held = max(sum(a <= k <= b for a, b in lives) for k in overs)
    work = max(sum(map(instructions, statements(kernel.body[k].loop.body))) for k in overs)
    return replace(kernel, body=tuple(body), registers=tuple(dict.fromkeys(rows.values())), held=held, work=work)


def in_chunks(kernel: GroupKernel, arrays: dict[str, tuple[tuple[Size, ...], str]], own: Callable[[str], str],
              pieces: bool = False) -> GroupKernel:
    """The variant for rows of any length, or for pieces of them: each loop takes what fits in registers, then the next part."""
    letters = {loop.index for loop in kernel.rows}
    rows: dict[Key, Row] = {}

    def visit(s: Any) -> Any:
        if not isinstance(s, Over) or s.loop.extent != kernel.width or not _can_hold(s, pieces):
            return s
        keys: dict[str, dict[Key | None, list[bool]]] = {}
        for a in accesses([s.loop]):
            keys.setdefault(a.name, {}).setdefault(_key(a, s.loop.index, letters), []).append(a.write)
        found = {key: at for name, of in keys.items() if arrays[name][1] == "float" and (len(of) == 1 or not any(w for at in of.values() for w in at))
                 for key, at in of.items() if key is not None}
        for key in found:
            rows.setdefault(key, Row(own(f"{key[0]}_row{f'_{n}' if (n := 1 + sum(k[0] == key[0] for k in rows)) > 1 else ''}"), key[0], _first(key)))
        mine = {key: rows[key] for key in found}
        e = Term("var", (), own("e"), "int")
        loads, saves = (tuple(rows[k] for k, at in found.items() if wanted(at)) for wanted in (lambda at: not at[0], any))
        online = None if s.online is None else replace(s.online, loop=_held(s.online.loop, s.loop.index, letters, mine, e))
        loop = _held(s.loop, s.loop.index, letters, mine, e)
        return replace(s, loop=loop, online=online, staged=True, chunk=own("chunk"), loads=loads, saves=saves)
    body = tuple(visit(s) for s in kernel.body)
    return replace(kernel, body=body, registers=tuple(rows.values()), held=2)


def _before(body: Sequence[Any], k: int) -> int:
    """Where a row is loaded for a loop: before what starts the loop's sums."""
    while k and (isinstance(body[k - 1], Note) or isinstance(body[k - 1], Assign) and body[k - 1].value.is_const):
        k -= 1
    return k


def _can_hold(s: Over, pieces: bool = False) -> bool:
    """Whether a loop's points can be in registers: a loop with another in it is not unrolled. A piece begins at an aligned place."""
    return (pieces or s.loop.first is None) and not any(isinstance(x, For) for x in s.loop.body)


def instructions(s: Statement) -> int:
    """Instructions of a statement, about."""
    return 2 + sum(operations(v) + sum(INSTRUCTIONS.get(name, OTHERS) * count for name, count in functions(v).items()) for v in values(s))


def touched(s: Any) -> list[Access]:
    """What a statement of a device's kernel reads and writes."""
    if isinstance(s, Over | Scan):
        return list(accesses([s.loop]))
    if isinstance(s, Once):
        return list(accesses(s.body))
    if isinstance(s, For):
        return [a for x in s.body for a in touched(x)]
    return list(accesses([s])) if isinstance(s, Statement) else []


def _key(a: Access, letter: str, rows: Collection[str]) -> Key | None:
    """The row that an access is to, if it is to the loop's own element of one."""
    if not a.index or a.index[-1] != Term("var", (), letter, "int"):
        return None
    return (a.name, a.index[:-1]) if all(letter_of(x) in rows for x in a.index[:-1]) else None


def _first(key: Key) -> Term:
    """The place of a row's first element, as a load of it."""
    return Term("load", (*key[1], Term("const", (), 0, "int")), key[0], "float")


def _held(x: Any, letter: str, letters: Collection[str], rows: dict[Key, Row], e: Term) -> Any:
    """Statements and terms with rows in registers, at `e`, in place of arrays."""
    if isinstance(x, tuple):
        return tuple(_held(part, letter, letters, rows, e) for part in x)
    if isinstance(x, Term):
        if x.op == "load" and (key := _key(Access(x.value, x.args, False), letter, letters)) in rows:
            return Term("load", (e,), rows[key].name, x.kind)          # type: ignore[index]
        return replace(x, args=_held(x.args, letter, letters, rows, e)) if x.args else x
    if isinstance(x, Store) and (key := _key(Access(x.name, x.index, True), letter, letters)) in rows:
        return Store(rows[key].name, (e,), _held(x.value, letter, letters, rows, e))   # type: ignore[index]
    if isinstance(x, Statement):
        parts = {f: _held(getattr(x, f), letter, letters, rows, e) for f in ("body", "value", "target", "index", "best", "position") if hasattr(x, f)
                 and not isinstance(getattr(x, f), str)}
        return replace(x, **parts)
    return x
