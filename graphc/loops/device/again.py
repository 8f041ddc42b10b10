r"""Rows too long for registers: what one loop leaves for another in memory is computed again there, where that reads less.

    for j: e[j] = exp(y[i, j] - m); z += e[j]              for j: e_j = exp(y[i, j] - m); z += e_j
    for j: y_bar[i, j] = e[j]/z                            for j: e_j = exp(y[i, j] - m); y_bar[i, j] = e_j/z

Scratch costs a store, and a load in each loop that reads it; a card computes forty instructions while it moves two numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from graphc.loops.accesses import accesses, cone, read_by, replaced, statements
from graphc.loops.device.registers import instructions, touched
from graphc.loops.device.statements import GroupKernel, Over
from graphc.loops.statements import Assign, For, Store, var
from graphc.scalar.term import Term

__all__ = ["computed_again"]

MOST = 40                   # instructions of an element


def computed_again(kernel: GroupKernel, scratch: Collection[str], own: Callable[[str], str]) -> GroupKernel:
    """The kernel without that scratch which is better computed again."""
    body = kernel.body
    for name in scratch:
        body = _without(body, name, own) or body
    return replace(kernel, rows=tuple(replace(loop, body=()) for loop in kernel.rows), body=body)


def _without(body: Sequence[Any], name: str, own: Callable[[str], str]) -> tuple[Any, ...] | None:
    """A row's statements without an array; None where it must stay."""
    users = [k for k, s in enumerate(body) if name in {a.name for a in touched(s)}]
    loops = [body[k].loop for k in users if isinstance(body[k], Over) and not any(isinstance(x, For) for x in body[k].loop.body)]
    if len(loops) < max(len(users), 2) or len({(loop.index, loop.extent, loop.first) for loop in loops}) > 1:
        return None
    element = Term("load", (var(loops[0].index, "int"),), name, "float")
    stores = [s for loop in loops for s in loop.body if isinstance(s, Store) and s.name == name]
    if len(stores) != 1 or stores[0] not in loops[0].body or any(a.index != element.args for a in accesses(loops) if a.name == name):
        return None
    variable = var(own(f"{name}_{loops[0].index}"), "float")
    value = Assign(str(variable.value), stores[0].value)
    made = [*cone(loops[0].body, read_by(value)), value]
    if not _pays(made, loops) or not _steady(made, body[users[0]:]) or any(_differs(made, loop) for loop in loops[1:]):
        return None
    done = list(body)
    for k, loop in zip(users, loops, strict=True):
        kept = [made[-1] if s is stores[0] else s for s in loop.body]
        kept = kept if loop is loops[0] else [*made, *(s for s in kept if s not in made)]
        done[k] = replace(body[k], loop=replace(loop, body=replaced(tuple(kept), {element: variable})))
    return tuple(done)


def _pays(made: Sequence[Assign], loops: Sequence[For]) -> bool:
    """Whether less is moved, and not too much computed. An exponential below a maximum may take as much: then both are found in one pass."""
    arrays, value = {a.name for a in accesses(made)}, made[-1].value
    more = sum(len(arrays - {a.name for a in accesses([loop])}) for loop in loops[1:])
    below = value.op == "exp" and value.args[0].op == "excess"
    return more < len(loops) + below and sum(map(instructions, made)) <= MOST


def _steady(made: Sequence[Assign], after: Sequence[Any]) -> bool:
    """Whether what a value is computed of stays as it is."""
    inside = {s.name for s in made}
    reads, arrays = {n for s in made for n in read_by(s)} - inside, {a.name for a in accesses(made)}
    changed = {s.name for s in after if isinstance(s, Assign)} | {n for s in after if isinstance(s, Over) for f in s.folds for n in (f.name, f.best)}
    return not reads & changed and not arrays & {a.name for s in after for a in touched(s) if a.write}


def _differs(made: Sequence[Assign], loop: For) -> bool:
    """Whether a loop has a variable of its own by the name of one."""
    return any(isinstance(s, Assign) and s not in made and s.name in {x.name for x in made} for s in statements(loop.body))
