r"""Where a NaN or an infinity comes from: the search of `Program.locate_nan`.

What the kernel computes is what counts: its outputs are looked at first, and there is nothing to find where they are finite. Else the
graph that was compiled is evaluated node by node in the call's dtype, and the search goes backwards from an output's element that is
not finite, through elements that are not finite, to one whose operands are:

    element ::= out[i];   it reads   operand[p(i, j)]   for all j that it reduces over, on the sides that its selections take

Of several such operands, one of the element's own kind goes first (a NaN comes from a NaN, if it can), then the first in the graph's
order. So an infinity that does no harm (1/(1 + exp(1000)), a mask of -inf, the side of a `where` that is not taken) is not reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from graphc.ir.bind import Bound
from graphc.ir.formula import formula_of
from graphc.ir.interpret import Machine
from graphc.ir.nodes import Comprehension, Input, Node, Origin, Read, Scatter
from graphc.ir.walk import topological, with_reads
from graphc.scalar.arithmetic import Arithmetic
from graphc.scalar.symbols import axis_index, over_index
from graphc.scalar.term import Term, freeze
from graphc.schedule.scan import Scan, stands_on

__all__ = ["NonFinite", "Operand", "locate"]

LONG, SHORT = 80, 40        # characters of formulas


@dataclass(frozen=True)
class Operand:
    """What the element read: the operand's formula, where in it, and its value there."""

    formula: str
    index: tuple[int, ...]
    value: Any

    def __str__(self) -> str:
        name = self.formula if self.formula.isidentifier() or not self.index else f"({self.formula})"
        return f"{name}{list(self.index) if self.index else ''} = {self.value!s}"


@dataclass(frozen=True)
class NonFinite:
    """The first value that is not finite: `formula` is the part of the formula that made it, `index` where, along `dims`, `value` what,
    `operands` what it was made of, `origin` the user's file and line. `str` is a sentence.
    """

    node: Node
    formula: str
    index: tuple[int, ...]
    value: float
    operands: tuple[Operand, ...] = ()
    why: str = ""

    @property
    def dims(self) -> tuple[str, ...]:
        return tuple(str(s) for s in self.node.dims)

    @property
    def origin(self) -> Origin:
        return self.node.origin

    def __str__(self) -> str:
        place = f" at {list(self.index)} ({', '.join(f'{d} = {k}' for d, k in zip(self.dims, self.index, strict=True))})" if self.index else ""
        kind = "a NaN" if np.isnan(self.value) else f"the value {self.value}"
        if isinstance(self.node, Input):
            text = f"the input {self.formula} has {kind}{place}"
        else:
            part = "" if self.node.origin.op else "in the derivative, "
            why = f": {self.why}" if self.why else f", where {', '.join(map(str, self.operands))}" if self.operands else ""
            text = f"{part}{self.formula} is {self.value}{place}{why}"
        return f"{text}\n  at {self.node.origin}" if self.node.origin.file else text


def locate(inputs: Sequence[Input], roots: Sequence[Node], bound: Bound, dtype: str, results: Sequence[Any]) -> NonFinite | None:
    """`results` are the kernel's outputs, in the order of the roots."""
    bad = [~np.isfinite(r) for r in results]
    if not any(b.any() for b in bad):
        return None
    for i in inputs:
        if i.dtype == "float" and (wrong := np.isnan(bound.arrays[i])).any():
            at = _first(wrong)
            return NonFinite(i, i.name, at, float(bound.arrays[i][at]))
    graph = _without_scans(roots)
    search = _Search(graph, bound, dtype)
    for root, wrong in zip(graph, bad, strict=True):
        both = wrong & ~np.isfinite(search.machine.values[root])
        if both.any():
            return search.back(root, _first(both))
    return _only_in_kernel(search, graph, bad, results)


def _first(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(int(k) for k in np.argwhere(mask)[0])


def _without_scans(roots: Sequence[Node]) -> list[Node]:
    """The graph with the reductions that its scans compute: those are what the interpreter knows."""
    done: dict[Node, Node] = {}
    for node in topological(roots, stands_on):
        meant = node.meaning if isinstance(node, Scan) and node.meaning is not None else node
        done[node] = with_reads(meant, done)
    return [done[r] for r in roots]


def _only_in_kernel(search: _Search, graph: Sequence[Node], bad: Sequence[np.ndarray], results: Sequence[Any]) -> NonFinite:
    k = next(k for k, b in enumerate(bad) if b.any())
    at = _first(bad[k])
    exact = search.machine.values[graph[k]][at]
    why = f"evaluated node by node it is {exact}; the kernel adds in another order, so the numbers are at the edge of {search.dtype}"
    return NonFinite(graph[k], formula_of(graph[k], budget=LONG), at, float(np.asarray(results[k])[at]), why=why)


class _Search:
    def __init__(self, roots: Sequence[Node], bound: Bound, dtype: str):
        self.dtype = dtype
        self.machine = Machine(Arithmetic(np.dtype(dtype)), bound.extents)
        self.position: dict[Node, int] = {}
        with np.errstate(all="ignore"):
            for k, node in enumerate(topological(roots)):
                self.position[node] = k
                given = self.machine.arithmetic.array(bound.arrays[node], node.dtype) if isinstance(node, Input) else self.machine.node(node)
                self.machine.values[node] = given

    def back(self, node: Node, index: tuple[int, ...]) -> NonFinite:
        """From an element that is not finite to the first one that it comes from."""
        with np.errstate(all="ignore"):
            while True:
                value = float(self.machine.values[node][index])
                if isinstance(node, Input):
                    return NonFinite(node, node.name, index, value)
                element = _Element(self.machine, node, index)
                causes = element.not_finite()
                if not causes:
                    return self.found(node, index, value, element)
                node, index, _ = min(causes, key=lambda c: (np.isnan(c[2]) != np.isnan(value), self.position[c[0]]))

    def found(self, node: Comprehension | Scatter, index: tuple[int, ...], value: float, element: _Element) -> NonFinite:
        formula = formula_of(node, budget=LONG)
        at = element.own_fault()
        if at is None:
            return NonFinite(node, formula, index, value, why=f"its {element.points()} terms are finite in {self.dtype}, the {node.reduce} is not")
        return NonFinite(node, formula, index, value, tuple(element.operands(at)))


class _Element:
    """One element of a node: what it reads, over the space that it reduces."""

    def __init__(self, machine: Machine, node: Comprehension | Scatter, index: tuple[int, ...]):
        self.machine, self.node = machine, node
        sizes = [machine.size(e) for e in node.over]
        rank = len(node.axes)
        self.shape = (1,) * rank + tuple(sizes)
        self.grid: dict[sp.Symbol, np.ndarray] = {axis_index(k): np.full((1,) * len(self.shape), index[k]) for k in range(rank)}
        for k, n in enumerate(sizes):
            self.grid[over_index(k)] = np.arange(n).reshape([-1 if m == rank + k else 1 for m in range(len(self.shape))])
        self.values = [machine.read(r, self.grid, self.shape) for r in node.reads]
        self.term = freeze(node.body, node.kinds)
        self.here = np.ones(self.shape, dtype=bool)
        for e, k in zip(getattr(node, "at", ()), index, strict=False):
            self.here = self.here & (machine.index(e, self.grid, self.shape) == k)
        self.used = [np.zeros(self.shape, dtype=bool) for _ in node.reads]
        self.use(self.term, self.here)

    def use(self, t: Term, where: np.ndarray) -> None:
        """Note where each read is used: of a selection, the side taken."""
        if t.op == "read":
            self.used[t.value] |= where
        elif t.op == "where":
            taken = np.broadcast_to(np.asarray(self.machine.term(t.args[0], self.values, self.grid), dtype=bool), self.shape)
            self.use(t.args[0], where)
            self.use(t.args[1], where & taken)
            self.use(t.args[2], where & ~taken)
        else:
            for a in t.args:
                self.use(a, where)

    def not_finite(self) -> list[tuple[Node, tuple[int, ...], float]]:
        """The operands' elements that are not finite: of each read the first NaN, and the first infinity."""
        found = []
        for read, value, used in zip(self.node.reads, self.values, self.used, strict=True):
            if read.operand.dtype == "float":
                all_ = np.broadcast_to(value, self.shape)
                for wrong in (used & np.isnan(all_), used & np.isinf(all_)):
                    if wrong.any():
                        at = _first(wrong)
                        found.append((read.operand, self.place(read, at), float(all_[at])))
        return found

    def place(self, read: Read, at: tuple[int, ...]) -> tuple[int, ...]:
        """Which element of the operand is read at a point of the space."""
        return tuple(int(np.broadcast_to(self.machine.index(e, self.grid, self.shape), self.shape)[at]) for e in read.index)

    def own_fault(self) -> tuple[int, ...] | None:
        """The first point where the body is not finite; None where all terms are, and their reduction is not."""
        body = np.broadcast_to(np.asarray(self.machine.term(self.term, self.values, self.grid)), self.shape)
        wrong = self.here & ~np.isfinite(body)
        return _first(wrong) if wrong.any() else None

    def points(self) -> int:
        return int(self.here.sum())

    def operands(self, at: tuple[int, ...]) -> list[Operand]:
        """What was read there, each operand's element once."""
        seen: dict[tuple[Node, tuple[int, ...]], Operand] = {}
        for read, value, used in zip(self.node.reads, self.values, self.used, strict=True):
            if used[at]:
                index = self.place(read, at)
                formula = read.operand.name if isinstance(read.operand, Input) else formula_of(read.operand, budget=SHORT)
                seen.setdefault((read.operand, index), Operand(formula, index, np.broadcast_to(value, self.shape)[at]))
        return list(seen.values())
