"""What passes from step to step of a block: numbers that a later step reads, and the rows of scratch of which each row needs its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from graphc.loops.accesses import accesses, statements, terms
from graphc.loops.statements import Accumulate, Assign, Flat, For, Stage, Statement, Store, Track, var
from graphc.scalar.term import Term, walk

__all__ = ["Step", "all_terms", "is_own", "passed", "rows_needed", "uses", "widened"]

Step = Stage | Flat


def is_own(index: Term, loop: For) -> bool:
    """Whether an index is the row's."""
    return index == var(loop.index, "int")


def rows_needed(steps: Sequence[Step], loop: For, scratch: set[str], carried: set[str]) -> set[str] | None:
    """The rows of scratch of which each row of a block needs its own; None if steps do not come apart: one reads or adds to what another makes
    in other rows."""
    users: dict[str, set[int]] = {}
    written, elsewhere = set[str](), set[str]()
    for k, step in enumerate(steps):
        for a in accesses(step.body):
            users.setdefault(a.name, set()).add(k)
            if a.write:
                written.add(a.name)
            if a.name not in scratch and not (a.index and is_own(a.index[0], loop)):
                elsewhere.add(a.name)
        for name in {name for s in step.body for name, _ in uses(s)} & carried:
            users.setdefault(name, set()).add(k)
    shared = {name for name, found in users.items() if len(found) > 1}
    if shared & written & elsewhere or shared & carried & {n for s in steps for x in s.body for n, w in uses(x) if w}:
        return None
    return shared & written & scratch | {s.name for s in steps if isinstance(s, Flat) and s.name in scratch}


def passed(steps: Sequence[Step], carried: set[str]) -> tuple[tuple[str, ...], list[Step]] | None:
    """The numbers that a later step reads, and the steps with what they read and write of them; None if one is not a float."""
    made, kept = set[str](), dict[str, None]()
    reads: list[list[str]] = []
    for step in steps:
        own, needed = set[str](), dict[str, None]()
        for name, is_written in (use for s in step.body for use in uses(s)):
            if not is_written and name in made - own:
                needed[name] = None
            own |= {name} if is_written else set()
        made |= own - carried
        kept |= needed
        reads.append(list(needed))
    kinds = {t.value: t.kind for s in steps for term in all_terms(s.body) for t in walk(term) if t.op == "var"}
    if any(kinds[name] != "float" for name in kept):
        return None
    passing: list[Step] = []
    for k, step in enumerate(steps):
        later = {name for names in reads[k + 1:] for name in names}
        written = dict.fromkeys(name for s in step.body for name, w in uses(s) if w and name in later)
        passing.append(replace(step, reads=tuple(reads[k]), writes=tuple(written)))
    return tuple(kept), passing


def uses(s: Statement) -> Iterator[tuple[str, bool]]:
    """(variable, whether it is written), in order."""
    for t in (*terms(s), *(s.index if isinstance(s, Store) else ())):
        yield from ((p.value, False) for p in walk(t) if p.op == "var")
    if isinstance(s, For):
        yield s.index, True
        for inner in s.body:
            yield from uses(inner)
    if isinstance(s, Assign):
        yield s.name, True
    for target in (getattr(s, "target", None), getattr(s, "best", None)):
        if target is not None and target.op == "var":
            yield target.value, True


def all_terms(body: Sequence[Statement]) -> list[Term]:
    return [t for s in statements(body) for t in (*terms(s), *(s.index if isinstance(s, Store) else ()))]


def widened(x: Any, wide: set[str], row: str) -> Any:
    """A step in which rows of scratch are those of the block's row."""
    if isinstance(x, tuple):
        return tuple(widened(part, wide, row) for part in x)
    if isinstance(x, Term):
        at = (var(row, "int"),) if x.op == "load" and x.value in wide else ()
        return replace(x, args=(*at, *widened(x.args, wide, row)))
    if isinstance(x, Store):
        at = (var(row, "int"),) if x.name in wide else ()
        return Store(x.name, (*at, *widened(x.index, wide, row)), widened(x.value, wide, row))
    if isinstance(x, Stage | Flat | For | Assign | Accumulate | Track):
        return replace(x, **{f.name: widened(v, wide, row) for f in fields(x) if isinstance(v := getattr(x, f.name), Term | tuple)})
    return x
