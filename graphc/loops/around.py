r"""Loops around a point: what is asked, or changed, at one point of a loop is left to a short loop around it.

    for j in range(low): ...              the same without the point
    for j in range(low, high): ...        BLOCK elements, the point among them
    for j in range(high, n): ...          the same without the point

To compare 64-bit indices takes about as long as a maximum of 32-bit numbers, or half an exponential; so does another pass over a row. BLOCK is
a multiple of the numbers that a loop has at once, so that the loop before the block has no rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from graphc.loops.statements import Accumulate, Assign, For, Note, Statement, Store, var
from graphc.scalar.term import Term, walk

__all__ = ["around", "summed_at_once", "can_sum"]

BLOCK = 64


def around(at: Term, size: Term, own: Callable[[str], str], apart: For, middle: Sequence[Statement]) -> list[Statement]:
    """The loop `apart`, of `size` elements, but for the block around a point, for which the loops in `middle` stand."""
    low, high, step = var(own("low"), "int"), var(own("high"), "int"), own("step")
    block = _whole("mul", _whole("floordiv", at, BLOCK), BLOCK)
    found = [Assign(low.value, _whole("minimum", _whole("maximum", block, 0), size)),
             Assign(high.value, _whole("minimum", _whole("add", low, BLOCK), size))]

    def placed(s: Statement) -> Statement:
        return replace(s, first=low, last=high, rest=True, step=step) if isinstance(s, For) and not s.single else s
    name = f"{at.value}[{', '.join(str(a.value) for a in at.args)}]" if at.op == "load" else at.value
    return [Note(f"from low to high, around {name}"), *found, replace(apart, last=low), *map(placed, middle),
            replace(apart, first=high, rest=True, step=step)]


def can_sum(store: For, sums: Statement | None) -> bool:
    """Whether a loop that sums runs over what another stores, and reads it at its own element alone."""
    if not isinstance(sums, For) or sums.reverse or sums.last is not None or sums.parts or (sums.index, sums.extent) != (store.index, store.extent):
        return False
    stored, = store.body
    assert isinstance(stored, Store)
    terms = [t for s in sums.body if isinstance(s, Accumulate) for t in walk(s.value)]
    own = all(t.args == stored.index for t in terms if t.op == "load" and t.value == stored.name)
    return own and not sums.single and all(isinstance(s, Accumulate) and s.target.op == "var" for s in sums.body)


def summed_at_once(store: For, point: For | None, sums: For, size: Term, own: Callable[[str], str]) -> list[Statement]:
    """Loops that store, store anew at a point, and sum, as one loop; around the point one after another."""
    whole = replace(store, body=(*store.body, *sums.body))
    if point is None or point.first is None:
        return [whole]
    return around(point.first, size, own, whole, [store, point, sums])


def _whole(op: str, a: Term, b: Term | int) -> Term:
    """An operation on integers."""
    return Term(op, (a, b if isinstance(b, Term) else Term("const", (), b, "int")), None, "int")
