r"""A row's statements for a group of threads: which loops they share out, what one does for all, and where they wait for one another.

    for j: e[j] = exp(y[i, j] - m);  z += e[j]             threads share out j, then fold z
    z_bar[i] = 1/z                                         every thread has z; one stores
    for j: y_bar[i, j] = e[j]*z_bar                        each thread reads what it stored itself: nobody waits

Threads wait (Barrier) between an access to an array and another that may be to the same element by another thread, if either writes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.accesses import Access, accesses, statements
from graphc.loops.device.independent import carried, independent, letter_of, position
from graphc.loops.device.scans import Running, running
from graphc.loops.device.statements import Barrier, Fold, Once, Over, Scan
from graphc.loops.statements import Accumulate, Assign, For, Note, Statement, Store, Track
from graphc.scalar.term import Term

__all__ = ["Grouping", "neutral_of"]

NEUTRAL = {"sum": 0, "prod": 1, "max": float("-inf"), "min": float("inf"), "argmax": float("-inf"), "argmin": float("inf")}
INT_NEUTRAL = {"sum": 0, "prod": 1, "max": -(2**63), "min": 2**63 - 1, "argmax": -(2**63), "argmin": 2**63 - 1}
Owner = tuple[int, Size, bool] | str | None # which thread touches an element: by a place, its extent and how that is shared out; the first; or any


def neutral_of(op: str, kind: str) -> Term:
    return Term("const", (), (INT_NEUTRAL if kind == "int" else NEUTRAL)[op], kind)


@dataclass
class Grouping:
    """`totals` are the kernel's results, which each thread keeps for itself; `few` extents are short: their loops are not shared out if a
    loop inside can be. `own` makes names."""

    totals: Collection[str]
    wide: Collection[str]
    few: Collection[Size]
    own: Callable[[str], str]
    pending: list[tuple[Access, Owner]] = field(default_factory=list)
    stepping: bool = False                  # inside a loop that all step through

    def row(self, body: Sequence[Statement], rows: Collection[str]) -> tuple[Any, ...]:
        """A row's statements. What a group has for itself, not at a place of the row, it uses again for its next one; `rows` are the loops'
        variables."""
        done = self.block(body)
        again = [(a, who) for a, who in self.pending if not any(letter_of(x) in rows for x in a.index)]
        return (*done, Barrier()) if self.waits(body, again) > _barriers(done) else done

    def block(self, body: Sequence[Statement]) -> tuple[Any, ...]:
        done: list[Any] = []
        begun: set[str] = set()
        for s in body:
            if isinstance(s, Note):
                done.append(s)
                continue
            shared = isinstance(s, For) and self.shares(s)
            self.wait(s, shared or isinstance(s, For) and running(s, str) is not None, done)
            if shared:
                done.append(self.over(s, begun))                                                # type: ignore[arg-type]
            elif isinstance(s, For) and (found := running(s, self.own)) is not None:
                done.append(self.scan(s, found, begun))
            elif isinstance(s, For):
                done += self.steps(s)
            elif isinstance(s, Store) or isinstance(s, Accumulate) and (s.target.op == "load" or s.target.value in self.totals) \
                    or isinstance(s, Track) and s.target.op == "load":
                done.append(Once((s,)))
            else:
                done.append(s)
            begun = begun | {s.name} if isinstance(s, Assign) else begun - set(_added(s))
        return tuple(_merged(done))

    def shares(self, loop: For) -> bool:
        """Whether threads share out the points of a loop."""
        if not independent(loop):
            return False
        inner = [s for s in statements(loop.body) if isinstance(s, For)]
        return loop.extent not in self.few or not any(independent(s) for s in inner)

    def over(self, loop: For, begun: set[str]) -> Over:
        folds = []
        adds = carried(loop)
        bests = {s.best.value: n for n, s in adds.items() if isinstance(s, Track)}
        for name, s in adds.items():
            if name in bests:
                continue
            assert isinstance(s, Accumulate | Track)
            kind = s.target.kind
            best = s.best.value if isinstance(s, Track) else ""
            if isinstance(s, Track):
                kind = s.best.kind
            inside = name in self.totals
            kind = "wide" if name in self.wide and not inside else kind
            part = self.own(f"{name}_part") if (inside and name in self.wide) or (not inside and not best and name not in begun) else ""
            folds.append(Fold(name, s.op, kind, part, best, neutral_of(s.op, kind), inside))
        parts = {f.name: f.part for f in folds if f.part}
        return Over(_renamed(loop, parts), tuple(folds))

    def scan(self, loop: For, found: Running, begun: set[str]) -> Scan:
        """A loop that reads what it has added up."""
        t = found.total
        neutral = neutral_of("sum" if found.op == "fade" else found.op, t.kind)
        rest = self.over(found.rest, begun)
        return Scan(loop, found.made, found.value, found.op, t, found.before, found.now, neutral, rest, found.fade, found.after)

    def steps(self, loop: For) -> list[Any]:
        """A loop that all threads step through together. What it stored in one step may be read in the next; what was stored before it is
        waited for once."""
        outer, self.stepping, before = self.stepping, True, []
        if self.waits(loop.body, self.pending) > self.waits(loop.body, []):
            before, self.pending = [Barrier()], []
        body = self.block(loop.body)
        if self.waits(loop.body, self.pending) > _barriers(body):
            body, self.pending = (*body, Barrier()), []
        self.stepping = outer
        return [*before, replace(loop, body=body)]

    def waits(self, body: Sequence[Statement], pending: Sequence[tuple[Access, Owner]]) -> int:
        """How often threads would wait in a step of a loop, or in a row."""
        return _barriers(replace(self, own=str, pending=list(pending)).block(body))

    # --- who waits for whom
    def wait(self, s: Statement, shared: bool, done: list[Any]) -> None:
        if isinstance(s, For) and not shared:
            return                                                        # its statements wait one by one
        whole = self.stepping or isinstance(s, For) and (any(isinstance(x, For) for x in s.body) or running(s, str) is not None)
        found = [(a, _owner(s, a, shared, not whole)) for a in accesses([s])]
        if any(_meet(a, b) for a in self.pending for b in found):
            done.append(Barrier())
            self.pending = []
        self.pending += found


def _owner(s: Statement, a: Access, shared: bool, held: bool) -> Owner:
    """`held`: the points of a loop may be in registers, several neighbours in each thread (see `registers`)."""
    if shared:
        assert isinstance(s, For)
        at = position([a], s.index)
        return None if at is None or s.reverse else (at, s.extent, held)
    return "first" if a.write else None


def _meet(a: tuple[Access, Owner], b: tuple[Access, Owner]) -> bool:
    """Whether two accesses may be to one element, by two threads, and not both read."""
    (x, who_x), (y, who_y) = a, b
    return x.name == y.name and (x.write or y.write) and not (who_x is not None and who_x == who_y)


def _barriers(body: Sequence[Any]) -> int:
    return sum(isinstance(s, Barrier) or isinstance(s, For) and _barriers(s.body) for s in body)


def _added(s: Statement) -> Iterable[str]:
    return [x.target.value for x in statements([s]) if isinstance(x, Accumulate | Track)]


def _renamed(s: Any, parts: dict[str, str]) -> Any:
    """A loop that adds to parts in place of totals."""
    if isinstance(s, For):
        return replace(s, body=tuple(_renamed(x, parts) for x in s.body))
    if isinstance(s, Accumulate) and s.target.op == "var" and s.target.value in parts:
        return replace(s, target=replace(s.target, value=parts[s.target.value]))
    return s


def _merged(done: list[Any]) -> list[Any]:
    """What one thread does, one after another, in one place."""
    merged: list[Any] = []
    for s in done:
        if merged and isinstance(s, Once) and isinstance(merged[-1], Once):
            merged[-1] = Once((*merged[-1].body, *s.body))
        else:
            merged.append(s)
    return merged
