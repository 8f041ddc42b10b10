"""Sides: what one side of a choice alone reads is computed there.

    for j: s = a*x[j];  y = s if c else 0;  m = max(m, y)        =        for j: y = a*x[j] if c else 0;  m = max(m, y)

LLVM makes vectors of the second loop and none of the first: such a maximum over 512 x 512 float32 takes 50 us in place of 1,300.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

from graphc.loops.statements import Assign, For, Statement
from graphc.scalar.term import Term, walk

__all__ = ["computed_in_sides"]

_ARITHMETIC = frozenset("add sub mul neg".split())


def computed_in_sides(body: Sequence[Statement]) -> list[Statement]:
    """A kernel's statements, where an innermost loop computes a product or a sum in the side of a choice that reads it."""
    done: list[Statement] = []
    for s in body:
        if not isinstance(s, For):
            done.append(s)
        elif any(isinstance(inner, For) for inner in s.body):
            done.append(replace(s, body=tuple(computed_in_sides(s.body))))
        else:
            done.append(replace(s, body=_innermost(s.body)))
    return done


def _innermost(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    for k, (s, after) in enumerate(zip(body, body[1:], strict=False)):
        if isinstance(s, Assign) and s.value.op in _ARITHMETIC and isinstance(after, Assign) and (side := _side(after.value, s.name)) \
                and sum(_reads(x, s.name) for x in body) == 1:
            args = tuple(s.value if i == side else a for i, a in enumerate(after.value.args))
            return _innermost((*body[:k], replace(after, value=replace(after.value, args=args)), *body[k + 2:]))
    return body


def _side(choice: Term, name: str) -> int | None:
    """The side of a choice between a variable and a constant that is the variable."""
    if choice.op != "where":
        return None
    for side, other in ((1, 2), (2, 1)):
        if choice.args[side].op == "var" and choice.args[side].value == name and all(t.op in ("const", "neg") for t in walk(choice.args[other])):
            return side
    return None


def _reads(s: Statement, name: str) -> int:
    """How often a statement reads a variable."""
    found = 0
    for f in fields(s):
        value = getattr(s, f.name)
        for t in value if isinstance(value, tuple) else (value,):
            found += sum(p.op == "var" and p.value == name for p in walk(t)) if isinstance(t, Term) else 0
    return found
