r"""Peeling: a loop that asks at every point whether its index is a certain one stores without asking, and that point is stored anew.

    for j in range(n): a[j] = f(j) if j != t else g(j)          for j in range(n): a[j] = f(j)
                       m = max(m, a[j])                    =    a[t] = g(t)
                                                                for j in range(n): m = max(m, a[j])

Cross-entropy compares with a label, InfoNCE with the row. The loops that are left have no comparison, so they vectorise. What is 0 + x at a point
is x there: the two differ in the sign of a zero. A loop that does not come apart so asks around the point only (graphc.loops.around).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

from graphc.loops.accesses import replaced, terms
from graphc.loops.around import around
from graphc.loops.statements import Accumulate, Assign, For, Statement, Store, var
from graphc.scalar.term import Term, walk

__all__ = ["peel"]


def peel(loop: For, own: Callable[[str], str], size: Term | None) -> list[Statement]:
    """What the loop is peeled to. `own` names the variables of one that does not come apart; it has parts if its `size` is given."""
    split, at = _split(loop), _point(loop)
    if at is None:
        return [loop]
    if split is None:
        return _in_parts(loop, at, own, size)
    stores, sums = split
    apart, there = (_needed(_plain([_with_terms(s, partial(_decide, index=loop.index, at=at, here=here)) for s in stores]))
                   for here in (False, True))
    return [replace(loop, body=apart), replace(loop, body=there, first=at, single=True), *([replace(loop, body=sums)] if sums else [])]


def _in_parts(loop: For, at: Term, own: Callable[[str], str], size: Term | None) -> list[Statement]:
    """The loop, which asks around a point alone. What it compares its index with is in a variable: LLVM cannot tell that no store in the loop
    changes it."""
    before: list[Statement] = []
    if at.op == "load":
        name = own("_".join((at.value, *(str(a.value) for a in at.args if a.op == "var"))))
        before, at, old = [Assign(name, at)], var(name, "int"), at
        loop = replace(loop, body=tuple(_with_terms(s, partial(replaced, by={old: at})) for s in loop.body))
    if size is None or loop.reverse or any(isinstance(s, For) for s in loop.body):
        return [*before, loop]
    apart = _needed(_plain([_with_terms(s, partial(_decide, index=loop.index, at=at, here=False)) for s in loop.body]))
    return [*before, *around(at, size, own, replace(loop, body=apart), [loop])]


def _split(loop: For) -> tuple[tuple[Statement, ...], tuple[Statement, ...]] | None:
    """The stores of a loop, and what accumulates from them; None where they do not come apart, or nothing is stored."""
    at = next((k for k, s in enumerate(loop.body) if isinstance(s, Accumulate)), len(loop.body))
    stores, sums = loop.body[:at], loop.body[at:]
    if loop.reverse or loop.first is not None or not all(isinstance(s, Assign | Store) for s in stores) \
            or not all(isinstance(s, Accumulate) for s in sums):
        return None
    stored = {s.name for s in stores if isinstance(s, Store)}
    local = {s.name for s in stores if isinstance(s, Assign)}
    before = [x for s in stores for t in terms(s) for x in walk(t)]
    after = [x for s in sums for t in terms(s) for x in walk(t)]
    if not stored or any(x.op == "load" and x.value in stored for x in before) or any(x.op == "var" and x.value in local for x in after) \
            or any(_compared(x, loop.index) is not None for x in after):
        return None
    return tuple(stores), tuple(sums)


def _point(loop: For) -> Term | None:
    """What the index is compared with, the same at every point of the loop."""
    changed = {loop.index} | {s.name for s in loop.body if isinstance(s, Assign | Store)} \
        | {s.target.value for s in loop.body if isinstance(s, Accumulate)}
    for s in loop.body:
        for t in (x for term in terms(s) for x in walk(term)):
            other = _compared(t, loop.index)
            if other is not None and not any(x.op in ("var", "load") and x.value in changed for x in walk(other)):
                return other
    return None


def _compared(t: Term, index: str) -> Term | None:
    if t.op in ("eq", "ne"):
        for a, b in (t.args, t.args[::-1]):
            if a == var(index, "int"):
                return b
    return None


def _with_terms(s: Any, visit: Callable[[Term], Term]) -> Any:
    return replace(s, **{f.name: visit(v) for f in fields(s) if isinstance(v := getattr(s, f.name), Term)})


def _plain(body: Sequence[Any]) -> list[Statement]:
    """The statements with variables that are but another value replaced by it, and without sums with 0."""
    values: dict[str, Term] = {}

    def visit(t: Term) -> Term:
        t = values.get(t.value, t) if t.op == "var" else replace(t, args=tuple(map(visit, t.args)))
        if t.op == "add" and t.kind == "float" and any(a.is_const and a.value == 0 for a in t.args):
            return t.args[1] if t.args[0].is_const and t.args[0].value == 0 else t.args[0]
        return t
    done: list[Statement] = []
    for s in body:
        s = _with_terms(s, visit)
        if isinstance(s, Assign) and (s.value.op in ("const", "var", "load") or s.value.op == "neg" and s.value.args[0].is_const):
            values[s.name] = s.value
        done.append(s)
    return done


def _needed(body: Sequence[Statement]) -> tuple[Statement, ...]:
    """The statements without the variables that nothing reads once comparisons are decided."""
    kept: list[Statement] = []
    read: set[str] = set()
    for s in reversed(body):
        if not isinstance(s, Assign) or s.name in read:
            kept.append(s)
            read |= {x.value for t in (*terms(s), *(s.index if isinstance(s, Store) else ())) for x in walk(t) if x.op == "var"}
    return tuple(reversed(kept))


def _decide(t: Term, index: str, at: Term, here: bool) -> Term:
    """A term in which every comparison of the index with the point is decided."""
    if _compared(t, index) == at:
        return Term("const", (), here == (t.op == "eq"), "bool")
    if not t.args:
        return t
    args = tuple(_decide(a, index, at, here) for a in t.args)
    if t.op == "where" and args[0].is_const:
        return args[1] if args[0].value else args[2]
    if t.op == "not_" and args[0].is_const:
        return Term("const", (), not args[0].value, "bool")
    if t.op in ("and_", "or_") and any(a.is_const for a in args):
        return _connected(t, args)
    return replace(t, args=args)


def _connected(t: Term, args: Sequence[Term]) -> Term:
    """A conjunction or disjunction of which one side is known."""
    known, other = (args[0], args[1]) if args[0].is_const else (args[1], args[0])
    return other if bool(known.value) == (t.op == "and_") else Term("const", (), bool(known.value), "bool")
