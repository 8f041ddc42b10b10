"""The statements of one node: its value, and for a reduction its neutral element before and its result after the loops that it runs over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

import sympy as sp

from graphc.ir.nodes import Comprehension, Input, Operation, Scatter, Size
from graphc.loops.places import Places
from graphc.loops.statements import Accumulate, Assign, For, Note, Statement, Store, Track, load, var
from graphc.scalar.term import Term, freeze
from graphc.schedule.plan import Compute, Loop, Tiles
from graphc.schedule.scan import Scan, along_symbol

__all__ = ["Computes", "carrier"]

NEUTRAL = {"sum": 0, "prod": 1, "max": float("-inf"), "min": float("inf"), "argmax": float("-inf"), "argmin": float("inf")}
INT_NEUTRAL = {"sum": 0, "prod": 1, "max": -(2**63), "min": 2**63 - 1, "argmax": -(2**63), "argmin": 2**63 - 1}


class Computes(Places):
    """Nodes at the points where a schedule puts them."""

    def is_wide(self, c: Compute) -> bool:
        """Whether a sum runs over a whole kernel into one number. It is carried in double precision: a narrow total of many terms
        loses digits and saves nothing."""
        node = c.node
        return (isinstance(node, Comprehension) and node.reduce == "sum" and node.dtype == "float" and not self.kept.get(node)
                and carrier(c) is c.path[0])

    def inside(self, c: Compute) -> list[tuple[int, Loop]]:
        """The axes whose loops run inside the outermost reduced loop."""
        reduced = c.reduced_loops()
        if isinstance(c.node, Scatter) or not reduced:
            return []
        outermost = min(map(c.path.index, reduced))
        return [(m, loop) for m, loop in c.axis_loops() if c.path.index(loop) > outermost]

    def running(self, c: Compute, suffix: str = "") -> Term:
        """Where a reduction accumulates: a local variable, or the kept array if axes run inside."""
        node, name = c.node, self.names[c.node]
        name = self.own(name + suffix) if suffix else name
        if isinstance(node, Scatter):
            place = {s: c.bound[s] for s in node.ranges}
            return load(name, tuple(self.index(e, size, place) for e, size in zip(node.at, node.dims, strict=True)), node.dtype)
        if self.inside(c):
            return load(name, self.place(c), node.dtype)
        if not self.kept[node]:
            return var(name, node.dtype)
        local = self.own(name + "_" + "".join(self.letters[loop] for m, loop in c.axis_loops() if m in self.kept[node]))
        self.scalars[local] = node.dtype
        return var(local, node.dtype)

    def neutral(self, node: Operation) -> Term:
        kind = node.dtype if node.reduce not in ("argmax", "argmin") else freeze(node.body, node.kinds).kind
        table = NEUTRAL if kind == "float" else INT_NEUTRAL
        return Term("const", (), table[node.reduce], kind)                                       # type: ignore[index]

    def initialise(self, c: Compute) -> list[Statement]:
        node = c.node
        if isinstance(node, Scan):
            running = self.running_total(c)
            self.scalars[running.value] = node.dtype
            neutral = Term("const", (), NEUTRAL[node.accumulate], node.dtype)
            return [Note(self.meaning[node]), Assign(running.value, neutral)]
        if isinstance(node, Input) or not node.reduce:
            return []
        note = Note(self.meaning[node])
        if isinstance(node, Scatter):
            name, letters = self.names[node], self.letters.fresh(len(node.dims))
            index = tuple(var(x, "int") for x in letters)
            return [note, *self.nest(letters, node.dims, Store(name, index, self.neutral(node)))]
        for loop in c.path[isinstance(c.path[0], Tiles):]:
            self.letters.of(loop, c.path.index(loop), c.path)
        parts: list[Statement] = [note]
        if node.reduce in ("argmax", "argmin"):
            best = replace(self.running(c, "_best"), kind="float")
            if best.op == "load":
                self.arrays[best.value] = (self.arrays[self.names[node]][0], "float")
            else:
                self.scalars[best.value] = "float"
            parts += self.set(c, best, self.neutral(node)) + self.set(c, self.running(c), Term("const", (), 0, "int"))
            return parts
        neutral = replace(self.neutral(node), kind="wide") if self.is_wide(c) else self.neutral(node)
        return parts + self.set(c, self.running(c), neutral)

    def set(self, c: Compute, target: Term, value: Term) -> list[Statement]:
        """target = value, over the axes that run inside the reduction."""
        if target.op == "var":
            return [Assign(target.value, value)]
        loops = self.inside(c)
        letters = [self.letters[loop] for _, loop in loops]
        return self.nest(letters, [loop.extent for _, loop in loops], Store(target.value, target.args, value))

    @staticmethod
    def nest(letters: Sequence[str], extents: Sequence[Size], inner: Statement) -> list[Statement]:
        body = inner
        for letter, extent in reversed(list(zip(letters, extents, strict=True))):
            body = For(letter, extent, (body,))
        return [body]

    def compute(self, c: Compute) -> list[Statement]:
        node = c.node
        value = self.value(c)
        if node.reduce in ("argmax", "argmin"):
            best = replace(self.running(c, "_best"), kind=value.kind)
            return [Track(node.reduce, self.running(c), best, value, self.flat_position(c))]
        if node.reduce:
            return [Accumulate(node.reduce, self.running(c), value)]
        if isinstance(node, Scan):
            total = self.running_total(c)
            steps: dict[str, Statement] = {"add": Accumulate(node.accumulate, total, value), "keep": self.keep(c, total)}
            if node.fade is not None:
                steps["fade"] = Accumulate("fade", total, self.typed(self.term(freeze(node.fade, node.kinds), c.bound, node.reads), node))
            return [steps[step] for step in node.steps]
        return [self.keep(c, value)]

    def keep(self, c: Compute, value: Term) -> Statement:
        """The value of a node, to its kept place or its variable."""
        name = self.names[c.node]
        if self.kept.get(c.node) and not c.again:
            return Store(name, self.place(c), value)
        name = self.variable(c.node, [loop for _, loop in sorted(c.axis_loops(), key=itemgetter(0))])
        self.scalars[name] = c.node.dtype
        return Assign(name, value)

    def running_total(self, c: Compute) -> Term:
        return var(self.own(f"{self.names[c.node]}_so_far"), c.node.dtype)

    def complete(self, c: Compute) -> list[Statement]:
        """A reduction held in a local variable goes to its kept place."""
        node = c.node
        if isinstance(node, Scatter | Scan) or not self.kept.get(node) or self.inside(c):
            return []
        return [Store(self.names[node], self.place(c), self.running(c))]

    def flat_position(self, c: Compute) -> Term:
        flat: sp.Expr = sp.Integer(0)
        for s, size in list(c.node.ranges.items())[len(c.node.axes):]:                           # type: ignore[union-attr]
            flat = sp.expand(flat * size + s)
        return self.term(freeze(flat, ()), c.bound, [])

    def value(self, c: Compute) -> Term:
        node = c.node
        frozen = freeze(node.body, node.kinds)                                                   # type: ignore[union-attr]
        term = self.term(frozen, c.bound, node.reads)
        return term if node.reduce in ("argmax", "argmin") else self.typed(term, node)

    @staticmethod
    def typed(term: Term, node: Operation) -> Term:
        return term if term.kind == node.dtype else Term("cast", (term,), None, node.dtype)


def carrier(c: Compute) -> Loop | None:
    """The loop before which a running value starts: the outermost reduced one, or the axis of a scan."""
    if isinstance(c.node, Scan):
        return c.bound[along_symbol(c.node)]
    reduced = c.reduced_loops()
    return min(reduced, key=c.path.index) if reduced else None
