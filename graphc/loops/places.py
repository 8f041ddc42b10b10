"""Where the values of a schedule's nodes are, and what is read from there: the names of loops, extents and variables, and expressions over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import itemgetter

import sympy as sp

from graphc.ir.access import same_size
from graphc.ir.nodes import Comprehension, Input, Node, Read, Size
from graphc.loops.names import RESERVED, Letters, size_names
from graphc.loops.statements import load, var
from graphc.scalar.symbols import Extent
from graphc.scalar.table import op
from graphc.scalar.term import Term, freeze, walk
from graphc.schedule.memory import kept_axes
from graphc.schedule.plan import Compute, Item, Loop, Tiles, walk_computes
from graphc.schedule.tile import tile_axes

__all__ = ["Places"]


class Places:
    """A value that is kept is an element of an array; else it is a variable. In tiles, an array may hold the rows of one tile."""

    def __init__(self, items, inputs, roots, names, meaning, checked, kernels, policy):
        self.items, self.inputs, self.roots, self.names, self.meaning, self.checked = items, inputs, roots, names, meaning, checked
        self.kernels, self.policy = kernels, policy
        self.kept = kept_axes(items, roots)
        self.repeated = _repeated(items)
        self.size_names = size_names(names.values(), items, inputs)
        self.letters = Letters(set(names.values()) | set(self.size_names.values()))
        self.taken = set(names.values()) | set(self.size_names.values()) | set(self.letters.pool) | RESERVED
        self.own_names: dict[str, str] = {}
        self.inverses: dict[Term, str] = {}
        self.scales = {name for n, name in names.items() if isinstance(n, Comprehension) and isinstance(n.body, op("binade"))}
        self.calls: dict[str, int] = {}
        self.arrays: dict[str, tuple[tuple[Size, ...], str]] = {}
        self.scalars: dict[str, str] = {}
        self.bounds = self.own("start"), self.own("stop")
        self.local = tile_axes(items, roots)
        names_of_rows = [self.own("rows" if k == 0 else f"rows_{k + 1}") for k, _ in enumerate(i for i in items if isinstance(i, Tiles))]
        self.rows = {t: Extent(name) for t, name in zip((i for i in items if isinstance(i, Tiles)), names_of_rows, strict=True)}
        self.row_names = {e: e.name for e in self.rows.values()}
        for i in inputs:
            self.declare(i, range(len(i.dims)))
        for node, axes in self.kept.items():
            self.declare(node, sorted(axes))

    def declare(self, node: Node, axes: Sequence[int]) -> None:
        name = self.names[node]
        if axes:
            axis, tiles = self.local.get(node, (None, None))
            self.arrays[name] = (tuple(self.rows[tiles] if m == axis else node.dims[m] for m in axes), node.dtype)   # type: ignore[index]
        else:
            self.scalars[name] = node.dtype

    def own(self, name: str) -> str:
        """A name of lowering's own for something beside a node: kept apart from the user's names by trailing underscores."""
        if name not in self.own_names:
            free = name
            while free in self.taken:
                free += "_"
            self.taken.add(free)
            self.own_names[name] = free
        return self.own_names[name]

    def inverse(self, divisor: Term) -> str:
        """A name for the reciprocal of a divisor."""
        if divisor not in self.inverses:
            base = "inv_" + "_".join(dict.fromkeys(t.value for t in walk(divisor) if t.op == "var"))
            same = sum(base == name.rstrip("_0123456789") for name in self.inverses.values())
            self.inverses[divisor] = self.own(f"{base}_{same + 1}" if same else base)
        return self.inverses[divisor]

    def place(self, c: Compute) -> tuple[Term, ...]:
        """The index of a node's kept element at the point of its computation."""
        loops = dict(c.axis_loops())
        return tuple(self.in_tile(c.node, m, self.index_var(loops[m])) for m in sorted(self.kept[c.node]))

    def in_tile(self, node: Node, m: int, index: Term) -> Term:
        """An index as a place in the array, which may hold the rows of one tile."""
        if self.local.get(node, (None,))[0] != m:
            return index
        return Term("sub", (index, var(self.bounds[0], "int")), None, "int")

    def index_var(self, loop: Loop) -> Term:
        return var(self.letters[loop], "int")

    def variable(self, node: Node, point: Sequence[Loop]) -> str:
        """The variable of a value at a point; with the point's letters, where the value is computed at several."""
        name = self.names[node]
        return self.own(f"{name}_{''.join(self.letters[loop] for loop in point)}") if node in self.repeated else name

    def term(self, t: Term, bound: Mapping[sp.Symbol, Loop], reads: Sequence[Read]) -> Term:
        if t.op == "read":
            return self.read(reads[t.value], bound)
        if t.op == "index":
            return self.index_var(bound[t.value])
        if t.op == "extent":
            return var(self.size_names[t.value], "int")
        return replace(t, args=tuple(self.term(a, bound, reads) for a in t.args))

    def read(self, read: Read, bound: Mapping[sp.Symbol, Loop]) -> Term:
        node, name = read.operand, self.names[read.operand]
        axes = range(len(node.dims)) if isinstance(node, Input) else sorted(self.kept.get(node, ()))
        index = tuple(self.in_tile(node, m, self.index(read.index[m], node.dims[m], bound)) for m in axes)
        if index:
            return load(name, index, node.dtype)
        return var(self.variable(node, [bound[e] for e in read.index]) if node in self.repeated else name, node.dtype)   # type: ignore[index]

    def index(self, e: object, size: Size, bound: Mapping[sp.Symbol, Loop]) -> Term:
        if isinstance(e, Read):
            inner = self.read(e, bound)
            if isinstance(e.operand, Input) and e.operand in self.checked and e.operand.below is not None and same_size(e.operand.below, size):
                return inner
            return Term("checked", (inner, self.term(freeze(size, ()), bound, [])), None, "int")
        return self.term(freeze(e, ()), bound, [])                                               # type: ignore[arg-type]


def _repeated(items: Sequence[Item]) -> set[Node]:
    """The nodes that are computed at several points of a loop nest: f(a[i]) and f(a[j])."""
    depths: dict[Node, set[tuple[int, ...]]] = {}
    for c in walk_computes(list(items)):
        depths.setdefault(c.node, set()).add(tuple(c.path.index(loop) for _, loop in sorted(c.axis_loops(), key=itemgetter(0))))
    return {node for node, found in depths.items() if len(found) > 1}
