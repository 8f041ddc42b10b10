r"""Unpeeling: a loop that was peeled asks again for the point that it leaves out (see graphc.loops.peel, graphc.loops.around).

    for j in range(n): a[j] = f(j)
    a[t] = g(t)                           becomes          for j in range(n): a[j] = g(j) if j == t else f(j)

Rows that run side by side each leave out a point of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphc.loops.statements import Assign, For, Statement, Store, var
from graphc.scalar.term import Term

__all__ = ["unpeeled"]


def unpeeled(body: Sequence[Statement]) -> list[Statement]:
    """The statements in which each loop asks for the point that it leaves out."""
    done: list[Statement] = []
    for s in _without_parts(body):
        before = done[-1] if done else None
        stores = [[x for x in loop.body if isinstance(x, Store)] for loop in (before, s) if isinstance(loop, For)]
        if isinstance(s, For) and s.single and isinstance(before, For) and [x.name for x in stores[0]] == [x.name for x in stores[1]]:
            at = Term("eq", (var(s.index, "int"), s.first), None, "bool")                        # type: ignore[arg-type]
            there = iter(_inlined(s.body))
            done[-1] = replace(before, body=tuple(replace(x, value=_either(at, next(there), x.value)) if isinstance(x, Store) else x
                                                  for x in before.body))
        else:
            done.append(s)
    return done


def _without_parts(body: Sequence[Statement]) -> list[Statement]:
    """The statements with a loop in parts, of which one alone asks for a point, as one loop that asks (see graphc.loops.around)."""
    done: list[Statement] = []
    high: Term | None = None
    for s in body:
        before = done[-1] if done else None
        if isinstance(s, For) and s.rest and isinstance(before, For) and before.last is not None and before.last == s.first:
            bounds = {t.value for t in (s.first, s.last) if t is not None}
            done = [x for x in done[:-1] if not isinstance(x, Assign) or x.name not in bounds]
            done.append(replace(s, first=None, last=None, rest=False, step=""))
            high = s.last
        elif not (isinstance(s, For) and s.rest and s.first == high):
            done.append(s)
    return done


def _inlined(body: Sequence[Statement]) -> list[Term]:
    """What statements store, without variables of their own."""
    known: dict[str, Term] = {}

    def visit(t: Term) -> Term:
        return known[t.value] if t.op == "var" and t.value in known else replace(t, args=tuple(map(visit, t.args)))
    stored: list[Term] = []
    for s in body:
        if isinstance(s, Assign):
            known[s.name] = visit(s.value)
        elif isinstance(s, Store):
            stored.append(visit(s.value))
    return stored


def _either(test: Term, one: Term, other: Term) -> Term:
    """Where the test holds, one term, else the other; with the choice inside what they have in common."""
    if one == other:
        return one
    differ = [k for k, (a, b) in enumerate(zip(one.args, other.args, strict=False)) if a != b]
    if (one.op, one.value, one.kind, len(one.args), len(differ)) == (other.op, other.value, other.kind, len(other.args), 1) and one.op != "load":
        k = differ[0]
        return replace(one, args=(*one.args[:k], _either(test, one.args[k], other.args[k]), *one.args[k + 1:]))
    return Term("where", (test, one, other), None, one.kind)
