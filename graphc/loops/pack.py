r"""Packing: what an inner loop would read with a stride is transposed once, before the rows.

    for i: for k: for j: s[j] += (X[i, k] - Z[j, k])**2     becomes     Z_T = Z.T in memory;  ...  (X[i, k] - Z_T[k, j])**2

The copy is small against the loop nest, which reads all of it for every row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.accesses import statements
from graphc.loops.statements import For, Note, Statement, Store, load, var
from graphc.loops.uses import uses_of
from graphc.scalar.term import Term, walk

__all__ = ["packed"]


def packed(body: Sequence[Statement], arrays: dict[str, tuple[tuple[Size, ...], str]], own: Callable[[str], str],
           letters: Sequence[str]) -> tuple[Statement, ...]:
    """A kernel's statements, with loops that make transposed copies first. `arrays` gains them; `own` makes their names."""
    stored = {name for s in statements(body) for name in _stored(s)}
    strided = {t.value for row in body if isinstance(row, For) for loop, outer in _innermost(row, ()) for s in loop.body for t in _loads(s)
               if _is_strided(t, loop.index, outer) and t.value not in stored}
    found = {name: own(f"{name}_T") for name in uses_of(body, arrays).arrays if name in strided}
    for name, copy in found.items():
        arrays[copy] = arrays[name][0][::-1], arrays[name][1]

    def inside(s: Any, outer: tuple[str, ...]) -> Any:
        if isinstance(s, For):
            return replace(s, body=tuple(inside(x, (*outer, s.index)) for x in s.body))
        return replace(s, **{f.name: visit(v, outer) for f in fields(s) if isinstance(v := getattr(s, f.name), Term)})

    def visit(t: Term, outer: tuple[str, ...]) -> Term:
        t = replace(t, args=tuple(visit(a, outer) for a in t.args))
        if t.op == "load" and t.value in found and outer and _is_strided(t, outer[-1], outer[:-1]):
            return replace(t, value=found[t.value], args=t.args[::-1])
        return t
    return (*(s for name, copy in found.items() for s in _copy(name, copy, *arrays[name], letters)), *(inside(s, ()) for s in body))


def _copy(name: str, copy: str, sizes: tuple[Size, ...], kind: str, letters: Sequence[str]) -> tuple[Statement, ...]:
    first, last = letters[:2]
    at = var(first, "int"), var(last, "int")
    row = For(last, sizes[1], (Store(copy, at[::-1], load(name, at, kind)),))
    return Note(f"{copy} is {name} with its points next to one another"), For(first, sizes[0], (row,))


def _is_strided(t: Term, inner: str, outer: Sequence[str]) -> bool:
    """Whether a load steps over rows in its innermost loop, the same for every row of the kernel."""
    if len(t.args) != 2 or any(a.op != "var" for a in t.args):
        return False
    first, last = (a.value for a in t.args)
    return first == inner and last in outer[1:]


def _innermost(loop: For, outer: tuple[str, ...]) -> Iterator[tuple[For, tuple[str, ...]]]:
    nested = [s for s in loop.body if isinstance(s, For)]
    if not nested:
        yield loop, outer
    for s in nested:
        yield from _innermost(s, (*outer, loop.index))


def _stored(s: Statement) -> set[str]:
    if isinstance(s, Store):
        return {s.name}
    return {t.value for t in (getattr(s, "target", None), getattr(s, "best", None)) if t is not None}


def _loads(s: Statement) -> Iterator[Term]:
    for f in fields(s):
        if isinstance(v := getattr(s, f.name), Term):
            yield from (t for t in walk(v) if t.op == "load")
