r"""Scatters: places that may meet are dealt to threads by their number, so that none has two.

    for i: a[t[i]] += b[i]            for q in buckets: for i: if t[i] % buckets == q: a[t[i]] += b[i]

Each thread reads all t, and adds what is its own in the order of i: the same bits on every run, without atomic operations. Axes that are plain in the
place (the d of a[t[i], d]) are shared out besides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.accesses import accesses
from graphc.loops.device.independent import carried, letter_of, position
from graphc.loops.device.statements import When
from graphc.loops.statements import Accumulate, Assign, For, Note, Statement, Store, var
from graphc.scalar.term import Term, walk

__all__ = ["dealt", "apart"]


def dealt(nest: For, buckets: tuple[str, Size], own: Callable[[str], str],
          size_term: Callable[[str, int], Term]) -> tuple[tuple[For, ...], tuple[Any, ...], str] | None:
    """The loops that threads share out, what each does, and the array; None where the nest is not one scatter. `buckets` are the variable of their
    number and its size; `size_term` is an extent of an array."""
    chain = _chain(nest)
    core = [s for s in chain[-1].body if not isinstance(s, Note)]
    adds = [s for s in core if isinstance(s, Accumulate) and s.target.op == "load"]
    if len(adds) != 1 or not all(isinstance(s, Assign) or s is adds[0] for s in core) or carried(nest):
        return None
    target = adds[0].target
    found = [a for a in accesses(core) if a.name == target.value]
    if len(found) != 1:
        return None
    outer = [loop for loop in chain if position(found, loop.index) is not None]
    inner = [loop for loop in chain if loop not in outer]
    letters = {loop.index for loop in outer}
    keys = [(k, x) for k, x in enumerate(target.args) if letter_of(x) not in letters]
    if not keys or not inner or any(loop.first is not None for loop in outer):
        return None
    key = keys[0][1]
    for k, x in keys[1:]:
        key = Term("add", (Term("mul", (key, size_term(target.value, k)), None, "int"), x), None, "int")
    at = own("bucket")
    here = Term("eq", (Term("mod", (key, var(buckets[0], "int")), None, "int"), var(at, "int")), None, "bool")
    return (For(at, buckets[1], ()), *(replace(loop, body=()) for loop in outer)), _guarded(inner, core, here), target.value


def apart(nest: For) -> tuple[For, For] | None:
    """A nest that stores values besides the one place that it adds to, as two: what it stores, then the scatter, which reads that from memory."""
    chain = _chain(nest)
    core = chain[-1].body
    adds = [s for s in core if isinstance(s, Accumulate) and s.target.op == "load"]
    if len(adds) != 1 or not any(isinstance(s, Store) for s in core) or not all(isinstance(s, Assign | Store | Note) or s is adds[0] for s in core) \
            or sum(a.name == adds[0].target.value for a in accesses(core)) != 1:
        return None
    first, second = (_within(chain, [s for s in core if keep(s)]) for keep in (lambda s: s is not adds[0], lambda s: not isinstance(s, Store)))
    return first, second


def _chain(nest: For) -> list[For]:
    """A nest's loops, each all that there is in the one before."""
    chain = [nest]
    while len(body := [s for s in chain[-1].body if not isinstance(s, Note)]) == 1 and isinstance(body[0], For):
        chain.append(body[0])
    return chain


def _within(chain: Sequence[For], core: Sequence[Statement]) -> For:
    body = tuple(core)
    for loop in reversed(chain):
        body = (replace(loop, body=body),)
    return body[0]                                                         # type: ignore[return-value]


def _guarded(loops: Sequence[For], core: Sequence[Statement], here: Term) -> tuple[Any, ...]:
    """The loops, with the question asked as soon as it can be."""
    needed = {t.value for t in walk(here) if t.op == "var"}
    inside = {s.name for s in core if isinstance(s, Assign)}
    depth = max((k + 1 for k, loop in enumerate(loops) if loop.index in needed), default=0)
    body: tuple[Any, ...] = tuple(core)
    if needed & inside:
        depth = len(loops)
        first = tuple(s for s in core if isinstance(s, Assign))
        body = (*first, When(here, tuple(s for s in core if s not in first)))
    for k in range(len(loops), -1, -1):
        if k == depth and not needed & inside:
            body = (When(here, body),)
        if k:
            body = (replace(loops[k - 1], body=body),)
    return body
