"""What statements do to arrays and variables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from graphc.loops.statements import Accumulate, Assign, For, Statement, Store, Track, values, var
from graphc.scalar.term import Term, walk

__all__ = ["Access", "statements", "accesses", "targets", "terms", "names_in", "read_by", "cone", "in_loops", "replaced"]


@dataclass(frozen=True)
class Access:
    name: str
    index: tuple[Term, ...]
    write: bool


def statements(body: Iterable[Statement]) -> Iterator[Statement]:
    """The statements of a body, loops before what is in them."""
    for s in body:
        yield s
        if isinstance(s, For):
            yield from statements(s.body)


def accesses(body: Iterable[Statement]) -> Iterator[Access]:
    for s in statements(body):
        for t in (x for value in values(s) for x in walk(value) if x.op == "load"):
            yield Access(t.value, t.args, False)
        if isinstance(s, Store):
            yield Access(s.name, s.index, True)
        for t in targets(s):
            if t.op == "load":
                yield Access(t.value, t.args, True)


def targets(s: Statement) -> tuple[Term, ...]:
    if isinstance(s, Accumulate):
        return (s.target,)
    return (s.target, s.best) if isinstance(s, Track) else ()


def terms(s: Any) -> list[Term]:
    """The terms of a statement, but for a store's index and what is in a loop."""
    return [v for f in fields(s) if isinstance(v := getattr(s, f.name), Term)]


def names_in(t: Term) -> set[str]:
    """The variables of a term."""
    return {str(x.value) for x in walk(t) if x.op == "var"}


def read_by(s: Statement) -> set[str]:
    """The variables that a statement reads."""
    return {n for v in values(s) for n in names_in(v)}


def cone(body: Sequence[Statement], names: set[str]) -> list[Assign]:
    """The statements of a loop that variables are computed by."""
    needed, found = set(names), list[Assign]()
    for s in reversed(body):
        if isinstance(s, Assign) and s.name in needed:
            found.insert(0, s)
            needed |= read_by(s)
    return found


def in_loops(body: Sequence[Statement], loops: tuple[Term, ...]) -> Iterator[tuple[Statement, tuple[Term, ...]]]:
    """The statements in loops, with the indices of those."""
    for s in body:
        if isinstance(s, For):
            yield from in_loops(s.body, (*loops, var(s.index, "int")))
        elif loops:
            yield s, loops


def replaced(x: Any, by: Mapping[Term, Term]) -> Any:
    """Statements and terms with other terms in place of some, as variables of loads; what is stored to stays."""
    if isinstance(x, tuple):
        return tuple(replaced(part, by) for part in x)
    if isinstance(x, Term):
        if x in by:
            return by[x]
        return replace(x, args=replaced(x.args, by)) if x.args else x
    if isinstance(x, Statement):
        parts = {f.name: getattr(x, f.name) for f in fields(x) if f.name not in ("target", "best")}
        changed = {name: replaced(v, by) for name, v in parts.items() if isinstance(v, Term | tuple)}
        for place in ("target", "best"):
            if isinstance(t := getattr(x, place, None), Term):
                changed[place] = replace(t, args=replaced(t.args, by))
        return replace(x, **changed)
    return x
