"""The oracle: what a graph means, in NumPy.

Every stage of the pipeline must agree with this. A comprehension is evaluated over the whole space of its axes and
reduced indices at once; products are contracted by `numpy.einsum`. With `digits`, the same is done on mpmath numbers.

A read outside its operand takes the nearest element: the body must not select it (`where(i < n, x[i], 0)`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from graphc.errors import BindingError
from graphc.ir.access import normal
from graphc.ir.classify import is_guarded, product_operands
from graphc.ir.nodes import Comprehension, Input, Node, Read, Scatter, Size
from graphc.ir.walk import topological
from graphc.scalar.arithmetic import Arithmetic
from graphc.scalar.symbols import Extent, axis_index, over_index
from graphc.scalar.term import Term, freeze

__all__ = ["interpret", "Machine", "size_of"]

_UFUNCS = {"sum": "add", "max": "maximum", "min": "minimum", "prod": "multiply"}


def size_of(size: Size, extents: Mapping[str, int]) -> int:
    """The number that an extent stands for."""
    if isinstance(size, Extent):
        return extents[size.name]
    if size.is_Integer:
        return int(size)
    return int(normal(size.xreplace({s: sp.Integer(extents[s.name]) for s in size.free_symbols})))


def interpret(roots: Iterable[Node], bindings: Mapping[Input, Any], extents: Mapping[str, int],
              dtype: Any = np.float64, digits: int | None = None) -> dict[Node, np.ndarray]:
    """The value of every node below the roots."""
    machine = Machine(Arithmetic(dtype, digits), extents)
    with np.errstate(all="ignore"), mpmath.workdps(digits or 15):
        for node in topological(roots):
            machine.values[node] = (machine.arithmetic.array(bindings[node], node.dtype) if isinstance(node, Input)
                                    else machine.node(node))
    return machine.values


class Machine:
    """The values of nodes, operands first."""

    def __init__(self, arithmetic: Arithmetic, extents: Mapping[str, int]):
        self.arithmetic = arithmetic
        self.extents = extents
        self.values: dict[Node, np.ndarray] = {}

    def size(self, size: Size) -> int:
        return size_of(size, self.extents)

    def node(self, node: Comprehension | Scatter) -> np.ndarray:
        rank = len(node.axes)
        shape = tuple(self.size(e) for e in (*node.axes, *node.over))
        if isinstance(node, Comprehension) and not self.arithmetic.digits and (fast := self.contraction(node)) is not None:
            return fast
        grid = self.grid(node, shape)
        for k, r in enumerate(node.reads):
            self.check_gathers(node, k, r, grid, shape)
        values = [self.read(r, grid, shape) for r in node.reads]
        result = self.cast(self.term(freeze(node.body, node.kinds), values, grid), node.dtype, node.reduce)
        result = np.broadcast_to(result, shape)
        if isinstance(node, Scatter):
            return self.scatter(node, result, grid, shape)
        if node.over:
            return self.reduce(node, result, rank)
        return np.array(result)

    def cast(self, value: Any, kind: str, reduce: str | None) -> Any:
        if reduce in ("argmax", "argmin") or kind == "bool":
            return value
        return self.arithmetic.array(value, kind) if np.asarray(value).dtype.kind in "bi" else value

    def contraction(self, node: Comprehension) -> np.ndarray | None:
        if product_operands(node) is None or node.dtype != "float":
            return None
        letters = {s: k for k, s in enumerate(node.ranges)}
        args: list[Any] = []
        for read in node.reads:
            args += [self.values[read.operand], [letters[e] for e in read.index]]
        return np.einsum(*args, [letters[axis_index(k)] for k in range(len(node.axes))])

    def grid(self, node: Comprehension | Scatter, shape: tuple[int, ...]) -> dict[sp.Symbol, np.ndarray]:
        symbols = [axis_index(k) for k in range(len(node.axes))] + [over_index(k) for k in range(len(node.over))]
        return {s: np.arange(n, dtype=np.int64).reshape([-1 if m == k else 1 for m in range(len(shape))])
                for k, (s, n) in enumerate(zip(symbols, shape, strict=True))}

    def read(self, read: Read, grid: dict[sp.Symbol, np.ndarray], shape: tuple[int, ...]) -> Any:
        value = self.values[read.operand]
        positions = list(grid)
        bare = [positions.index(e) if e in grid else None for e in read.index]
        if None not in bare and len(set(bare)) == len(bare) and all(
                shape[b] == n for b, n in zip(bare, value.shape, strict=True)):                 # type: ignore[index]
            order = sorted(range(len(bare)), key=bare.__getitem__)                               # type: ignore[arg-type]
            at = [1] * len(shape)
            for b, n in zip(bare, value.shape, strict=True):
                at[b] = n                                                                        # type: ignore[index]
            return value.transpose(order).reshape(at)
        if 0 in shape:
            return np.zeros(shape, dtype=value.dtype)
        index = tuple(np.clip(self.index(e, grid, shape), 0, max(n - 1, 0))
                      for e, n in zip(read.index, value.shape, strict=True))
        if 0 in value.shape:
            return np.zeros((), dtype=value.dtype)
        return value[index] if index else value[()]

    def check_gathers(self, node: Comprehension | Scatter, k: int, read: Read, grid: dict[sp.Symbol, np.ndarray], shape: tuple[int, ...]) -> None:
        """An integer read that leaves its dim is an error, unless a selection may leave the element out."""
        if 0 in shape or not any(isinstance(e, Read) for e in read.index) or is_guarded(node, k):
            return
        for e, size in zip(read.index, self.values[read.operand].shape, strict=True):
            if isinstance(e, Read):
                found = np.asarray(self.read(e, grid, shape))
                if found.size and (found.min() < 0 or found.max() >= size):
                    wrong = found[(found < 0) | (found >= size)].flat[0]
                    raise BindingError(f"a subscript has the value {wrong}, outside the dim of size {size} that it subscripts ({node.origin})")

    def index(self, e: Any, grid: dict[sp.Symbol, np.ndarray], shape: tuple[int, ...]) -> Any:
        if isinstance(e, Read):
            return self.read(e, grid, shape)
        return self.term(freeze(e, ()), [], grid)

    def term(self, t: Term, reads: list[Any], grid: dict[sp.Symbol, np.ndarray]) -> Any:
        def leaf(t: Term) -> Any:
            if t.op == "read":
                return reads[t.value]
            return grid[t.value] if t.op == "index" else np.int64(self.extents[t.value.name])
        return self.arithmetic.term(t, leaf)

    def reduce(self, node: Comprehension, values: np.ndarray, rank: int) -> np.ndarray:
        axes = tuple(range(rank, values.ndim))
        if node.reduce in ("argmax", "argmin"):
            flat = values.reshape(*values.shape[:rank], math.prod(values.shape[rank:]))
            return np.asarray(getattr(np, node.reduce)(flat, axis=-1), dtype=np.int64)
        if node.dtype == "int" and values.dtype == np.bool_:
            values = values.astype(np.int64)
        function = getattr(np, _UFUNCS[node.reduce])                                             # type: ignore[index]
        return np.asarray(function.reduce(np.ascontiguousarray(values), axis=axes))

    def scatter(self, node: Scatter, values: np.ndarray, grid: dict[sp.Symbol, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
        out = self.arithmetic.array(np.zeros(tuple(self.size(e) for e in node.dims)), node.dtype)
        index = tuple(np.broadcast_to(self.index(e, grid, shape), shape) for e in node.at)
        if values.size:
            np.add.at(out, index, values)
        return out

