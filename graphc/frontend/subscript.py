"""Subscripts: slices with constant bounds, positions, new axes, indices, index arithmetic and gathers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as sp

from graphc.errors import DimError, DtypeError, FormulaError
from graphc.frontend.elementwise import align, as_tensor, broadcast, located
from graphc.frontend.index import Index, Unresolved, check_reads
from graphc.frontend.origin import origin_here
from graphc.frontend.tensor import Tensor, describe, dim_text
from graphc.ir.access import floordiv, rewrite
from graphc.ir.build import compose, constant_value, identity
from graphc.ir.nodes import Comprehension, Read, Size
from graphc.scalar.symbols import axis_index

__all__ = ["subscript"]


def subscript(t: Tensor, key: Any) -> Tensor:
    """t[key]"""
    try:
        return _Subscript(t, key if isinstance(key, tuple) else (key,)).result()
    except (DimError, DtypeError, FormulaError) as error:
        raise located(error) from None


def _expand_ellipsis(t: Tensor, key: tuple[Any, ...]) -> list[Any]:
    used = sum(k is not None and k is not Ellipsis for k in key)
    dots = [k for k, item in enumerate(key) if item is Ellipsis]
    if len(dots) > 1:
        raise FormulaError(f"more than one ... in the subscript of {describe(t)}")
    if used > t.ndim:
        raise DimError(f"too many subscripts: {describe(t)} has {t.ndim} axes, given {used}")
    at = dots[0] if dots else len(key)
    rest = key[at + 1:] if dots else ()
    return [*key[:at], *[slice(None)] * (t.ndim - used), *rest]


class _Subscript:
    """Each source axis gets an index in terms of the result's axes: free indices first, then positional ones."""

    def __init__(self, t: Tensor, key: tuple[Any, ...]):
        self.t = t
        self.items = _expand_ellipsis(t, key)
        self.gathers = [as_tensor(k) for k in self.items if self.is_gather(k)]

    @staticmethod
    def is_gather(item: Any) -> bool:
        return isinstance(item, Tensor | list | np.ndarray) and not (isinstance(item, np.ndarray) and item.ndim == 0)

    def result(self) -> Tensor:
        gathers, free_names, free_sizes = align(self.gathers, "subscript") if self.gathers else ([], (), [])
        common = broadcast(gathers, "subscript") if gathers else []
        free: dict[str, Size] = dict(zip(self.t.free, self.t.node.dims, strict=False))
        for name, size in zip(free_names, free_sizes, strict=True):
            if name in free and not isinstance(size, Unresolved) and free[name] != size:
                raise DimError(f"index {name} runs over {dim_text(free[name])} and over {dim_text(size)} in one subscript of {describe(self.t)}")
            free.setdefault(name, size)
        self.note_indices(free)
        index: list[Any] = [axis_index(list(free).index(n)) for n in self.t.free]
        sizes: list[Size] = []
        shared_at: int | None = None
        source = iter(self.t.sizes)
        queue = iter(gathers)
        for item in self.items:
            if item is None:
                sizes.append(sp.Integer(1))
                continue
            size = next(source)
            if self.is_gather(item):
                if shared_at is None:
                    shared_at = len(sizes)
                    sizes += common
                index.append((next(queue), shared_at))
            else:
                index.append(self.basic(item, size, free, sizes))
        index = [self.gather(e[0], e[1], list(free), common) if isinstance(e, tuple) else e for e in index]
        node = identity(Read(self.t.node, tuple(index)), [*free.values(), *sizes], origin_here("[]"))
        if isinstance(node, Comprehension):
            check_reads(node)
        return Tensor(node, tuple(free))

    def note_indices(self, free: dict[str, Size]) -> None:
        """Bare indices take the extent of the dim they subscript."""
        for item, size in zip((k for k in self.items if k is not None), self.t.sizes, strict=True):
            if isinstance(item, Index):
                known = free.get(item.name)
                if known is None or isinstance(known, Unresolved):
                    free[item.name] = size
                elif known != size:
                    raise DimError(f"index {item} subscripts dims {dim_text(known)} and {dim_text(size)} of {describe(self.t)}; "
                                   "one index has one extent")

    def basic(self, item: Any, size: Size, free: dict[str, Size], sizes: list[Size]) -> Any:
        if isinstance(item, Index):
            return axis_index(list(free).index(item.name))
        axis = axis_index(len(free) + len(sizes))
        if isinstance(item, slice):
            start, step, length = _slice(item, size, self.t)
            sizes.append(length)
            return start + step * axis
        if isinstance(item, bool | np.bool_) or not hasattr(item, "__index__"):
            raise DtypeError(f"a subscript of {describe(self.t)} is a {type(item).__name__}; use integers, slices with constant bounds, None, "
                             "indices or integer tensors")
        return _position(item.__index__(), size, self.t)

    def gather(self, item: Tensor, first: int, free: list[str], common: Sequence[Size]) -> Any:
        """An integer tensor as a subscript: index arithmetic where it reads nothing, else an integer read."""
        if item.dtype != "int":
            way = "choose with gc.where(mask, x, 0) instead of a mask" if item.dtype == "bool" else "declare it with gc.labels"
            raise DtypeError(f"the subscript {describe(item)} of {describe(self.t)} is {item.dtype}, not int: {way}")
        mapping = {axis_index(k): axis_index(free.index(n)) for k, n in enumerate(item.free)}
        offset = first + len(common) - item.ndim
        for k, size in enumerate(item.sizes):
            mapping[axis_index(len(item.free) + k)] = (sp.Integer(0) if size == 1 else axis_index(len(free) + offset + k))
        arithmetic = constant_value(item.node)
        if arithmetic is not None:
            return rewrite(sp.expand(arithmetic), mapping)
        return compose(Read(item.node, tuple(mapping[axis_index(k)] for k in range(len(item.node.dims)))))


def _position(k: int, size: Size, t: Tensor) -> sp.Expr:
    if size.is_Integer and not -int(size) <= k < int(size):
        raise DimError(f"position {k} is outside the dim of size {size} of {describe(t)}")
    return sp.Integer(k) if k >= 0 else sp.expand(size + k)


def _slice(item: slice, size: Size, t: Tensor) -> tuple[Any, Any, Size]:
    """(start, step, length) of a slice with constant bounds; on a literal extent as Python clips it, else as written."""
    for bound in (item.start, item.stop, item.step):
        if bound is not None and not hasattr(bound, "__index__"):
            raise FormulaError(f"slice bounds of {describe(t)} must be constants, not {bound!r}")
    step = 1 if item.step is None else item.step.__index__()
    if step == 0:
        raise FormulaError(f"a slice of {describe(t)} has step 0")
    if size.is_Integer:
        start, stop, step = item.indices(int(size))
        return sp.Integer(start), sp.Integer(step), sp.Integer(len(range(start, stop, step)))
    if step > 0:
        start = _bound(item.start, size, sp.Integer(0))
        stop = _bound(item.stop, size, size)
        length = sp.expand(stop - start)
    else:
        start = _bound(item.start, size, size - 1)
        stop = _bound(item.stop, size, sp.Integer(-1))
        length = sp.expand(start - stop)
    length = length if abs(step) == 1 else floordiv(length + abs(step) - 1, sp.Integer(abs(step)))
    if length.is_Integer and length < 0:
        length = sp.Integer(0)
    return start, sp.Integer(step), length


def _bound(bound: Any, size: Size, default: Size) -> Size:
    if bound is None:
        return default
    k = bound.__index__()
    return sp.Integer(k) if k >= 0 else sp.expand(size + k)
