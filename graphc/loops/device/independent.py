r"""Which loops have independent points, so that threads may share them out.

    for i: for j: a[i, j] = f(b[j, i], a[i, j]);  s += a[i, j]         both loops;  s is folded
    for i: a[t[i]] += b[i]                                             not this one: two points may meet

A loop is independent iff every array that it writes is written and read at the loop's own point alone, or is scratch that begins anew at each
point; and what it carries from point to point are sums, products, maxima, minima or positions of such that nothing else reads.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from graphc.loops.accesses import Access, accesses, statements, targets
from graphc.loops.statements import Assign, For, Statement, Store, Track, values
from graphc.scalar.term import Term, walk

__all__ = ["carried", "independent", "private", "position", "letter_of"]


def letter_of(index: Term) -> str | None:
    """The loop variable that a place is, also in an array that holds the rows of a tile."""
    if index.op == "sub" and index.args[1] == Term("var", (), index.args[1].value, "int"):
        index = index.args[0]
    return index.value if index.op == "var" else None


def position(found: Sequence[Access], letter: str) -> int | None:
    """Where all accesses have the letter, and nothing else; None if there is no such place."""
    places = [{k for k, x in enumerate(a.index) if letter_of(x) == letter} for a in found]
    common = set.intersection(*places) if places else set()
    return min(common) if common else None


def carried(loop: For) -> dict[str, Statement]:
    """The variables that a loop adds to and did not begin itself, with one statement that adds."""
    inside = list(statements(loop.body))
    begun = {s.name for s in inside if isinstance(s, Assign)}
    return {t.value: s for s in inside for t in targets(s) if t.op == "var" and t.value not in begun}


def private(loop: For, scratch: Collection[str]) -> set[str]:
    """The scratch that each point of a loop makes anew before it reads it."""
    return {name for name in scratch if _begins(loop.body, name)}


def _begins(body: Sequence[Statement], name: str) -> bool:
    first = next((s for s in body if any(a.name == name for a in accesses([s]))), None)
    if isinstance(first, For):
        return _begins(first.body, name)
    return isinstance(first, Store) and all(a.write for a in accesses([first]) if a.name == name)


def independent(loop: For, own: Collection[str] = (), track: bool = True) -> bool:
    """`own` are arrays that each point has for itself; `track`: whether positions may be carried."""
    found: dict[str, list[Access]] = {}
    for a in accesses(loop.body):
        found.setdefault(a.name, []).append(a)
    for name, at in found.items():
        if name not in own and any(a.write for a in at) and position(at, loop.index) is None:
            return False
    adds = carried(loop)
    if not track and any(isinstance(s, Track) for s in adds.values()):
        return False
    return not adds.keys() & {t.value for s in statements(loop.body) for v in values(s) for t in walk(v) if t.op == "var"}
