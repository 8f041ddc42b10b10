r"""Scans: loops that read at each point what they have added up so far, for a group of threads.

    for j: s *= x[j]; a[j] = s                 for each stretch of a point a thread: v = x[j];  before, now, s = scan(v, s);  a[j] = now
    for j: a[j] = s; s *= x[j]                                                                                                a[j] = before

`now` is the sum with the thread's own point, `before` without it, `s` what the next stretch begins with. What else the loop does, it does after.

    for j: s = faded(s, d[j]); s += x[j]; a[j] = s                         before, s = scan(d[j], x[j], s); then as on the left, with s = before

A point's value is taken from a variable where the loop also stores it: threads scan first and store after.

A total that also fades is a map s -> d s + v at each point; of two, one after the other is such a map again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from graphc.loops.accesses import accesses, cone, names_in, read_by, replaced
from graphc.loops.device.independent import carried, position
from graphc.loops.statements import Accumulate, Assign, For, Note, Statement, Store, load, values, var
from graphc.scalar.term import Term, walk

__all__ = ["Running", "running"]


@dataclass(frozen=True)
class Running:
    """The parts of a scan: what computes the `value` of a point, how and into what it is added, the names of the sums at a point, and the loop
    that does the rest."""

    made: tuple[Assign, ...]
    value: Term
    op: str
    total: Term
    before: str
    now: str
    rest: For
    fade: Term | None = None
    after: bool = False


def running(loop: For, own: Callable[[str], str]) -> Running | None:
    """The parts of a loop; None if it is no scan."""
    adds = carried(loop)
    read = {n for s in loop.body for n in read_by(s)} & set(adds)
    if len(read) != 1 or loop.first is not None or not all(isinstance(s, Assign | Accumulate | Store | Note) for s in loop.body):
        return None
    name = next(iter(read))
    loop = replace(loop, body=_at_hand(loop.body, own))
    steps = [k for k, s in enumerate(loop.body) if isinstance(s, Accumulate) and s.target.op == "var" and s.target.value == name]
    if not _own_point(loop):
        return None
    if {loop.body[k].op for k in steps} == {"fade", "sum"} and len(steps) == 2:                      # type: ignore[union-attr]
        return _fading(loop, name, steps, own)
    if len(steps) != 1:
        return None
    step = loop.body[steps[0]]
    assert isinstance(step, Accumulate)
    made = cone(loop.body[:steps[0]], names_in(step.value))
    if name in {n for s in made for n in read_by(s)} | names_in(step.value):
        return None
    before, now = own(f"{name}_before"), own(f"{name}_now")
    first, last = ({step.target: var(x, step.target.kind)} for x in (before, now))
    rest = (*replaced(tuple(s for s in loop.body[:steps[0]] if s not in made), first), *replaced(loop.body[steps[0] + 1:], last))
    return Running(tuple(made), step.value, step.op, step.target, before, now, replace(loop, body=rest))


def _at_hand(body: Sequence[Statement], own: Callable[[str], str]) -> tuple[Statement, ...]:
    """The statements in which a later one takes what is stored at the point from a variable: the scan comes before the stores."""
    changed = Counter(a.name for a in accesses(body) if a.write)
    done, rest = list[Statement](), list(body)
    while rest:
        s = rest.pop(0)
        if isinstance(s, Store) and changed[s.name] == 1:
            place, here = load(s.name, s.index, s.value.kind), var(own(f"{s.name}_here"), s.value.kind)
            if any(place in walk(v) for x in rest for v in values(x)):
                done.append(Assign(here.value, s.value))
                s, rest = replace(s, value=here), list(replaced(tuple(rest), {place: here}))
        done.append(s)
    return tuple(done)


def _fading(loop: For, name: str, steps: Sequence[int], own: Callable[[str], str]) -> Running | None:
    """The parts of a loop that adds to a total and multiplies it."""
    first, last = (loop.body[k] for k in steps)
    assert isinstance(first, Accumulate) and isinstance(last, Accumulate)
    add, fade = (first, last) if first.op == "sum" else (last, first)
    made = cone(loop.body[:steps[1]], names_in(add.value) | names_in(fade.value))
    if name in {n for s in made for n in read_by(s)} | names_in(add.value) | names_in(fade.value):
        return None
    before, now = own(f"{name}_before"), own(f"{name}_now")
    total = var(now, add.target.kind)
    rest = replaced(tuple(s for s in loop.body if s not in made), {add.target: total})
    again = (replace(s, target=total) if isinstance(s, Accumulate) and s.target == add.target else s for s in rest)
    body = (Assign(now, replace(total, value=before)), *again)
    return Running(tuple(made), add.value, "fade", add.target, before, now, replace(loop, body=body), fade.value, first is add)


def _own_point(loop: For) -> bool:
    """Whether what a loop writes is written and read at its own point alone."""
    found = list(accesses(loop.body))
    written = {a.name for a in found if a.write}
    return all(position([a for a in found if a.name == name], loop.index) is not None for name in written)
