"""Index notation: indices, the extents that subscripts give them, and reductions over them.

    s, j = gc.indices("s j")
    -gc.Sum(gc.log(gc.exp(y[s, t[s]]) / gc.Sum(gc.exp(y[s, j]), j)), s) / gc.size("n")

An index gets its extent from the dims that it subscripts bare. `i == j` or `x[i + 1]` alone leave it open (an `Unresolved`
size) until another operand fixes it; a reduction over an index that only occurs in shifted subscripts takes the longest
range that stays inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import sympy as sp

from graphc.errors import DimError, FormulaError
from graphc.frontend.operators import Operators
from graphc.frontend.origin import origin_here
from graphc.frontend.tensor import Tensor, describe, dim_text
from graphc.ir.access import bounds, inside, symbols_of
from graphc.ir.build import comprehension, identity
from graphc.ir.classify import is_guarded
from graphc.ir.nodes import Comprehension, Input, Node, Origin, Read, Size
from graphc.ir.walk import rebuild, topological
from graphc.scalar.symbols import AxisIndex, OverIndex, axis_index

__all__ = ["Index", "Unresolved", "indices", "resolve", "unknown_sizes", "settle", "check_reads", "array"]


class Unresolved(sp.Symbol):
    """The extent of an index that no bare subscript has fixed yet."""

    __slots__ = ()


class Index(Operators):
    """A loop variable. Indices of one name are the same index. Operators make tensors of integers (see `gc.indices`)."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def tensor(self) -> Tensor:
        node = Comprehension((Unresolved(self.name),), (), None, axis_index(0), (), "int", Origin("index"))
        return Tensor(node, (self.name,))


def indices(names: str) -> tuple[Index, ...]:
    """Indices by name: `s, j = gc.indices("s j")`.

    They subscript (`y[s, j]`), gather (`y[s, t[s]]`), compare (`gc.where(i == j, a[i, j], 0)`) and do arithmetic (`x[i + 1]`).
    """
    parts = names.replace(",", " ").split()
    for name in parts:
        if not name.isidentifier():
            raise FormulaError(f"an index's name must be an identifier, not {name!r}")
    if not parts:
        raise FormulaError("gc.indices needs names, as in gc.indices('i j')")
    return tuple(Index(n) for n in parts)


def unknown_sizes(t: Tensor) -> tuple[str, ...]:
    return tuple(n for n, s in zip(t.free, t.node.dims, strict=False) if isinstance(s, Unresolved))


def resolve(t: Tensor, sizes: Mapping[str, Size]) -> Tensor:
    """Give open indices their extents, and check the subscripts that they make."""
    if not sizes:
        return t
    mapping = {Unresolved(name): size for name, size in sizes.items()}

    def visit(node: Node) -> Node:
        if isinstance(node, Input) or not any(s in mapping for s in (*node.dims, *node.over)):
            return node
        assert isinstance(node, Comprehension)
        fixed = replace(node, axes=tuple(mapping.get(s, s) for s in node.axes),
                        over=tuple(mapping.get(s, s) for s in node.over))
        check_reads(fixed)
        return comprehension(fixed.axes, fixed.over, fixed.reduce, fixed.body, fixed.reads, fixed.origin, fixed.dtype)

    return Tensor(rebuild([t.node], visit)[t.node], t.free)


def check_reads(node: Comprehension) -> None:
    """Refuse a subscript that certainly runs past its dim, unless it is selected only where it does not."""
    for k, read in enumerate(node.reads):
        for e, size in zip(read.index, read.operand.dims, strict=True):
            if isinstance(e, Read) or any(isinstance(s, Unresolved) for s in (*node.ranges.values(), size)):
                continue
            if inside(e, size, node.ranges) is False and not is_guarded(node, k):
                raise DimError(_past(read, e, size, node))


def _past(read: Read, e: sp.Expr, size: Size, node: Comprehension) -> str:
    names = {s: f"an index over {dim_text(node.ranges[s])}" for s in symbols_of(e) & set(node.ranges)}
    who = describe(Tensor(read.operand))
    return (f"the subscript {_index_text(e)} of {who} leaves the dim {dim_text(size)}"
            f"{' (' + ', '.join(f'{_index_text(s)} is {t}' for s, t in names.items()) + ')' if names else ''}. Use slices "
            f"(x[1:] - x[:-1]), or an index that no bare subscript binds to the whole dim\n  at {origin_here('')}")


def _index_text(e: sp.Expr) -> str:
    return str(e).replace("i0", "i").replace("i1", "j").replace("i2", "k")


def settle(t: Tensor, names: tuple[str, ...] | None = None) -> Tensor:
    """Fix open indices by the longest range for which every subscript stays inside."""
    for name in unknown_sizes(t):
        if names is not None and name not in names:
            continue
        candidates = _candidates(t, name)
        fitting = []
        for size in candidates:
            try:
                fitting.append(resolve(t, {name: size}))
            except DimError:
                continue
        if not fitting:
            raise DimError(f"the extent of index {name} is not known: it subscripts no dim. Subscript a tensor with it, as in x[{name}], "
                           f"or compare it with an index that does\n  at {origin_here('')}")
        t = fitting[0]
    return t


def _candidates(t: Tensor, name: str) -> list[Size]:
    """The longest range of an index in each subscript that shifts it: x[i + 1] has i < n - 1, x[i + l] has i < n - max(l)."""
    found: list[Size] = []
    for node in topological([t.node]):
        if not isinstance(node, Comprehension):
            continue
        symbols = [s for s, size in node.ranges.items() if size == Unresolved(name)]
        known = {s: size for s, size in node.ranges.items() if not isinstance(size, Unresolved)}
        for symbol in symbols:
            for read in node.reads:
                for e, whole in zip(read.index, read.operand.dims, strict=True):
                    if isinstance(e, sp.Expr) and symbol in e.free_symbols and (limits := bounds(sp.expand(e - symbol), known)) is not None:
                        found.append(sp.expand(whole - limits[1]))
    return [size for size in dict.fromkeys(found) if not any(isinstance(s, AxisIndex | OverIndex | Unresolved) for s in size.free_symbols)]


def array(t: Any, order: Any) -> Tensor:
    """Index notation to tensor: `gc.array(X[s, j] - X[s, 0], (s, j))` has the axes s, j."""
    from graphc.frontend.elementwise import as_tensor
    t = settle(as_tensor(t))
    order = (order,) if isinstance(order, Index) or not isinstance(order, Iterable) else tuple(order)
    for i in order:
        if not isinstance(i, Index):
            raise FormulaError(f"gc.array takes the indices of gc.indices in the order of the axes, as in gc.array(x[i, j], (i, j)); "
                               f"{i!r} is not one\n  at {origin_here('')}")
    names = tuple(i.name for i in order)
    if sorted(names) != sorted(t.free) or len(set(names)) != len(names):
        raise FormulaError(f"gc.array must list each free index once: the tensor has ({', '.join(t.free)}), "
                           f"given ({', '.join(names)})\n  at {origin_here('')}")
    sizes = {n: s for n, s in zip(t.free, t.node.dims, strict=False)}
    index: list[Any] = [axis_index(names.index(n)) for n in t.free]
    index += [axis_index(len(names) + k) for k in range(t.ndim)]
    return Tensor(identity(Read(t.node, tuple(index)), [*(sizes[n] for n in names), *t.sizes], origin_here("array")))
