r"""Sums along columns: many rows are added up in segments, by different threads, then the segments' sums in order.

    for i in columns: s = 0; for j in rows: s += a[j, i];  b[i] = s

    for q in segments: for i in columns: s = 0; for j in rows of segment q: s += a[j, i];  parts[q, i] = s
    for i in columns: s = 0; for q in segments: s += parts[q, i];  b[i] = s

Neighbouring threads have neighbouring columns, so that each row is read in one piece. The number of segments depends on extents alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from graphc.ir.nodes import Size
from graphc.loops.accesses import accesses
from graphc.loops.device.group import neutral_of
from graphc.loops.device.independent import carried, independent, letter_of
from graphc.loops.statements import Accumulate, Assign, For, Note, Statement, Store, load, var
from graphc.scalar.term import Term

__all__ = ["Halves", "halves"]


@dataclass(frozen=True)
class Halves:
    """Two nests, the arrays of partial sums between them with their kinds, and the loop that was cut."""

    first: For
    second: For
    parts: tuple[tuple[str, str], ...]
    cut: For


def halves(chain: Sequence[For], core: Sequence[Statement], segments: tuple[str, Size], length: Term, own: Callable[[str], str],
           totals: Collection[str]) -> Halves | None:
    """`chain` are the loops over columns, `core` what they hold, `segments` the variable of the number of segments and its size; `length` is the
    number of rows. None where the core is not one loop of sums between their starts and their uses."""
    loops = [k for k, s in enumerate(core) if isinstance(s, For)]
    if len(loops) != 1:
        return None
    before, inner, after = core[:loops[0]], core[loops[0]], core[loops[0] + 1:]
    assert isinstance(inner, For)
    inner, added = _in_variables(inner, {loop.index for loop in chain}, own)
    adds = carried(inner)
    begun = {s.name for s in before if isinstance(s, Assign) and s.value.is_const}
    if inner.reverse or not adds or set(adds) & set(totals) or not set(adds) <= begun | set(added) or not independent(inner) \
            or not all(isinstance(s, Assign | Note) for s in before) or not all(isinstance(s, Accumulate) for s in adds.values()):
        return None
    sums = [s for s in adds.values() if isinstance(s, Accumulate)]
    start = [Assign(s.target.value, neutral_of(s.op, s.target.kind)) for s in sums]
    names = {s.target.value: own(f"{s.target.value}_parts") for s in sums}
    at = own("segment")
    place = tuple(var(x, "int") for x in (at, *(loop.index for loop in chain)))
    segment = replace(inner, first=_edge(inner, at, 0, segments[0], length), last=_edge(inner, at, 1, segments[0], length))
    stores = [Store(names[s.target.value], place, s.target) for s in sums]
    again = [Accumulate(s.op, s.target, load(names[s.target.value], place, s.target.kind)) for s in sums]
    rest = [Accumulate(op, target, var(name, target.kind)) for name, (op, target) in added.items()]
    head = [s for s in before if isinstance(s, Note) or s.name not in names]                      # type: ignore[union-attr]
    first = _nest([For(at, segments[1], ()), *chain], [*head, *start, segment, *stores])
    second = _nest(chain, [*head, *start, For(at, segments[1], tuple(again)), *rest, *after])
    return Halves(first, second, tuple((names[s.target.value], s.target.kind) for s in sums), inner)


def _nest(loops: Sequence[For], body: Sequence[Statement]) -> For:
    done = tuple(body)
    for loop in reversed(loops):
        done = (replace(loop, body=done),)
    return done[0]                                                         # type: ignore[return-value]


def _edge(inner: For, at: str, more: int, segments: str, length: Term) -> Term:
    """Where a segment begins, and with `more` the next."""
    which = Term("add", (var(at, "int"), Term("const", (), 1, "int")), None, "int") if more else var(at, "int")
    edge = Term("floordiv", (Term("mul", (length, which), None, "int"), var(segments, "int")), None, "int")
    return edge if inner.first is None else Term("add", (inner.first, edge), None, "int")


def _in_variables(inner: For, rows: Collection[str], own: Callable[[str], str]) -> tuple[For, dict[str, tuple[str, Term]]]:
    """The loop with variables for the elements of arrays that it adds to; for each variable how it is added, and where."""
    found: dict[str, tuple[str, Term]] = {}
    body: list[Statement] = []
    for s in inner.body:
        if isinstance(s, Accumulate) and s.target.op == "load" and all(letter_of(x) in rows for x in s.target.args) \
                and sum(a.name == s.target.value for a in accesses(inner.body)) == 1:
            name = own(f"{s.target.value}_sum")
            found[name] = (s.op, s.target)
            s = replace(s, target=var(name, s.target.kind))
        body.append(s)
    return replace(inner, body=tuple(body)), found
