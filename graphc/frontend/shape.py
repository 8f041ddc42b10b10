"""Access maps as functions: transposes, reshapes, concatenation. They re-index; none of them computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp

from graphc.errors import DimError, FormulaError
from graphc.frontend.declare import size_expression
from graphc.frontend.elementwise import align, as_tensor, located, to_float
from graphc.frontend.origin import origin_here
from graphc.frontend.reduce import axes_of
from graphc.frontend.tensor import Tensor, describe, dims_text
from graphc.ir.access import floordiv, mod, same_size
from graphc.ir.build import comprehension, identity
from graphc.ir.nodes import Read, Size
from graphc.scalar.symbols import axis_index, placeholder
from graphc.scalar.table import op

__all__ = ["transpose", "swapaxes", "expand_dims", "squeeze", "reshape", "concatenate", "stack", "broadcast_to", "one_hot", "arange", "eye"]


def _view(t: Tensor, index: Sequence[Any], sizes: Sequence[Size], what: str) -> Tensor:
    """The tensor whose positional axes `sizes` read t's positional axes at `index`, in terms of axis symbols after the free ones."""
    free: list[Any] = [axis_index(k) for k in range(len(t.free))]
    return Tensor(identity(Read(t.node, tuple(free + list(index))), [*t.node.dims[:len(t.free)], *sizes], origin_here(what)), t.free)


def transpose(x: Any, *axes: Any) -> Tensor:
    """The axes in another order, a tuple or one after another: positions or names; reversed without them."""
    t = as_tensor(x)
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], tuple | list)):
        (axes,) = axes
    order = axes_of(t, tuple(axes), "transpose") if axes else tuple(reversed(range(t.ndim)))
    if len(order) != t.ndim:
        raise located(DimError(f"transpose of {describe(t)} needs all {t.ndim} axes, given {axes!r}"))
    index = [axis_index(len(t.free) + order.index(k)) for k in range(t.ndim)]
    return _view(t, index, [t.sizes[k] for k in order], "T")


def swapaxes(x: Any, a: int | str, b: int | str) -> Tensor:
    """Two axes exchanged."""
    t = as_tensor(x)
    i, j = axes_of(t, a, "swapaxes")[0], axes_of(t, b, "swapaxes")[0]
    order = list(range(t.ndim))
    order[i], order[j] = order[j], order[i]
    return transpose(t, order)


def expand_dims(x: Any, axis: int) -> Tensor:
    """A new axis of size 1 at a position of the result."""
    t = as_tensor(x)
    if not -t.ndim - 1 <= axis <= t.ndim:
        raise located(DimError(f"expand_dims: the result has {t.ndim + 1} axes, so no axis {axis}"))
    at = axis % (t.ndim + 1)
    return t[(slice(None),) * at + (None,)]


def squeeze(x: Any, axis: int | None = None) -> Tensor:
    """Without its axes of literal size 1."""
    t = as_tensor(x)
    drop = [k for k, s in enumerate(t.sizes) if s == 1] if axis is None else list(axes_of(t, axis, "squeeze"))
    if any(t.sizes[k] != 1 for k in drop):
        raise located(DimError(f"squeeze: an axis of {describe(t)} is not of literal size 1"))
    return t[tuple(0 if k in drop else slice(None) for k in range(t.ndim))]


def reshape(x: Any, *shape: Any) -> Tensor:
    """Split or merge dims: `reshape(x, ("b", "h", 8))`, sizes as names, numbers, products ("n*d"), one of them -1.

    Elements keep their row-major order. Each run of dims must match a run of the new ones in size: n d -> n*d, 6 -> 2 3.
    """
    t = as_tensor(x)
    wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
    sizes = [None if s == -1 else size_expression(s) for s in (wanted.split() if isinstance(wanted, str) else tuple(wanted)
                                                               if isinstance(wanted, tuple | list) else (wanted,))]
    new = _infer(t, sizes)
    index: list[Any] = []
    for olds, news in _groups(t, new):
        flat: Any = sp.Integer(0)
        for k in news:
            flat = sp.expand(flat * new[k] + axis_index(len(t.free) + k)) if new[k] != 1 else flat
        digits: list[Any] = []
        for k in reversed(olds):
            digits.append(mod(flat, t.sizes[k]) if k != olds[0] else flat)
            flat = floordiv(flat, t.sizes[k])
        index += reversed(digits)
    return _view(t, index, new, "reshape")


def _infer(t: Tensor, sizes: list[Size | None]) -> list[Size]:
    total = sp.Mul(*t.sizes)
    if sizes.count(None) > 1:
        raise located(FormulaError("reshape: at most one size may be -1"))
    if None in sizes:
        known = sp.Mul(*(s for s in sizes if s is not None))
        rest = sp.cancel(total / known)
        if sp.fraction(rest)[1] != 1:
            raise located(DimError(f"reshape: {describe(t)} has {total} elements, which {known} does not divide"))
        sizes = [rest if s is None else s for s in sizes]
    if sp.expand(sp.Mul(*sizes) - total) != 0:                                                   # type: ignore[arg-type]
        raise located(DimError(f"reshape: {describe(t)} has {total} elements, and {dims_text(sizes)} has {sp.Mul(*sizes)}"))  # type: ignore[arg-type]
    return sizes                                                                                 # type: ignore[return-value]


def _groups(t: Tensor, new: list[Size]) -> list[tuple[list[int], list[int]]]:
    """Shortest runs of old and new dims of equal size."""
    groups = []
    a = b = 0
    while a < t.ndim or b < len(new):
        olds: list[int] = []
        news: list[int] = []
        left = right = sp.Integer(1)
        while not olds and not news or sp.expand(left - right) != 0:
            if a < t.ndim and (b >= len(new) or len(olds) <= len(news)):
                left, olds, a = left * t.sizes[a], [*olds, a], a + 1
            elif b < len(new):
                right, news, b = right * new[b], [*news, b], b + 1
            else:
                left, olds, a = left * t.sizes[a], [*olds, a], a + 1
        groups.append((olds, news))
    return groups


def broadcast_to(x: Any, shape: Any) -> Tensor:
    """Stretched to a shape, by NumPy's rules; a missing axis or a literal 1 stretches."""
    t = as_tensor(x)
    sizes = [size_expression(s) for s in (shape.split() if isinstance(shape, str) else shape)]
    index: list[Any] = []
    for k, size in enumerate(t.sizes):
        position = len(sizes) - t.ndim + k
        if position < 0 or not (size == 1 or same_size(size, sizes[position])):
            raise located(DimError(f"broadcast_to: {describe(t)} does not stretch to {dims_text(sizes)}"))
        index.append(sp.Integer(0) if size == 1 else axis_index(len(t.free) + position))
    return _view(t, index, sizes, "broadcast_to")


def concatenate(tensors: Sequence[Any], axis: int | str = 0) -> Tensor:
    """Tensors joined along an axis; its size is the sum of theirs."""
    parts, free, free_sizes = align(_alike([as_tensor(x) for x in tensors], "concatenate"), "concatenate")
    at = axes_of(parts[0], axis, "concatenate")[0] if parts[0].ndim else None
    if at is None:
        raise located(DimError("concatenate needs tensors with an axis; gc.stack joins scalars"))
    for p in parts[1:]:
        if p.ndim != parts[0].ndim or any(not same_size(a, b) for k, (a, b) in enumerate(zip(p.sizes, parts[0].sizes, strict=True)) if k != at):
            raise located(DimError(f"concatenate along axis {axis}: the other dims of {describe(parts[0])} and {describe(p)} differ"))
    return _join(parts, free, free_sizes, at, [p.sizes[at] for p in parts], "concatenate")


def stack(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis, whose size is their number."""
    parts = _alike([as_tensor(x) for x in tensors], "stack")
    return concatenate([expand_dims(p, axis) for p in parts], axis % (parts[0].ndim + 1))


def _alike(parts: list[Tensor], what: str) -> list[Tensor]:
    if not parts:
        raise located(FormulaError(f"{what} needs at least one tensor"))
    return [to_float(p) for p in parts] if any(p.dtype == "float" for p in parts) else parts


def _join(parts: list[Tensor], free: tuple[str, ...], free_sizes: list[Size], at: int, lengths: list[Size], what: str) -> Tensor:
    """out[.., i, ..] = where(i < n, a[.., i, ..], where(i < n + m, b[.., i - n, ..], ...))"""
    i = axis_index(len(free) + at)
    start: Size = sp.Integer(0)
    reads, ends = [], []
    for p, length in zip(parts, lengths, strict=True):
        index: list[Any] = [axis_index(free.index(n)) for n in p.free]
        index += [sp.expand(i - start) if k == at else axis_index(len(free) + k) for k in range(p.ndim)]
        index = [sp.Integer(0) if length == 1 and k == len(p.free) + at else e for k, e in enumerate(index)]
        reads.append(Read(p.node, tuple(index)))
        start = sp.expand(start + length)
        ends.append(start)
    body: sp.Expr = placeholder(len(parts) - 1)
    for k in range(len(parts) - 2, -1, -1):
        body = op("where")(op("lt")(i, ends[k]), placeholder(k), body)
    sizes = [start if k == at else s for k, s in enumerate(parts[0].sizes)]
    return Tensor(comprehension([*free_sizes, *sizes], (), None, body, reads, origin_here(what)), free)


def arange(size: Any) -> Tensor:
    """The integers 0, 1, ..., size - 1 along a dim: `gc.arange("n")`."""
    from graphc.ir.build import constant
    return Tensor(constant(axis_index(0), origin_here("arange"), [size_expression(size)], "int"))


def eye(size: Any) -> Tensor:
    """The identity matrix over a dim."""
    from graphc.ir.build import constant
    n = size_expression(size)
    return Tensor(constant(op("where")(op("eq")(axis_index(0), axis_index(1)), 1, 0), origin_here("eye"), [n, n], "float"))


def one_hot(labels: Any, classes: Any = None) -> Tensor:
    """1.0 where the last axis equals the label, else 0.0: shape labels + (classes,). Without `classes`, the labels' own bound."""
    from graphc.ir.nodes import Input
    t = as_tensor(labels)
    if t.dtype != "int":
        raise located(FormulaError(f"one_hot takes integer labels, and {describe(t)} is {t.dtype}; declare them with gc.labels"))
    if classes is None and isinstance(t.node, Input) and t.node.below is not None:
        size = t.node.below
    elif classes is None:
        raise located(FormulaError(f"one_hot({describe(t)}) needs the number of classes: a dim's name or a number"))
    else:
        size = size_expression(classes)
    return to_float(t[..., None] == arange(str(size) if not size.is_Integer else int(size)))
