"""Reductions: over positional axes (`gc.sum(x, axis=...)`) and over free indices (`gc.Sum(x[i], i)`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from graphc.errors import DimError, DtypeError, FormulaError
from graphc.frontend.elementwise import as_tensor, elementwise, located, require, to_float
from graphc.frontend.index import Index, settle
from graphc.frontend.origin import origin_here
from graphc.frontend.tensor import Dim, Tensor, describe
from graphc.ir.build import X0, comprehension
from graphc.ir.nodes import Read, Size
from graphc.scalar.symbols import INF, axis_index, literal, over_index, placeholder
from graphc.scalar.table import at_kink, op

__all__ = ["axes_of", "reduce_axes", "reduce_indices", "expand_axes", "count", "root"]

Axis = int | str | Dim | Sequence[int | str | Dim] | None


def axes_of(t: Tensor, axis: Axis, what: str) -> tuple[int, ...]:
    """Positions of the axes that `axis` names: a position, a dim's name, a tuple of them, or None for all."""
    if axis is None:
        return tuple(range(t.ndim))
    wanted = axis if isinstance(axis, tuple | list) else (axis,)
    found = [_position(t, a, what) for a in wanted]
    if len(set(found)) != len(found):
        raise located(DimError(f"{what}: axis {axis!r} of {describe(t)} names an axis twice"))
    return tuple(found)


def _position(t: Tensor, axis: Any, what: str) -> int:
    if isinstance(axis, str | Dim):
        matches = [k for k, s in enumerate(t.sizes) if str(s) == str(axis)]
        if len(matches) == 1:
            return matches[0]
        problem = "has no dim" if not matches else "has more than one dim"
        raise located(DimError(f"{what}: {describe(t)} {problem} {axis}; its axes are {list(map(str, t.sizes))}"))
    if isinstance(axis, bool) or not hasattr(axis, "__index__"):
        raise located(DtypeError(f"{what}: an axis is a position or a dim's name, not {axis!r}"))
    position = axis.__index__()
    if not -t.ndim <= position < t.ndim:
        raise located(DimError(f"{what}: {describe(t)} has {t.ndim} axes, so no axis {position}"))
    return position % t.ndim


def reduce_axes(kind: str, x: Any, axis: Axis = None, keepdims: bool = False, what: str = "", hint: str = "") -> Tensor:
    """reduce x over positional axes."""
    x = settle(as_tensor(x))
    what = what or kind
    if x.dtype == "bool" and kind not in ("sum", "prod"):
        x = elementwise(X0, [x], what, dtype="int")
    reduced = axes_of(x, axis, what)
    if kind == "prod":
        return _one_by_one(kind, x, reduced, keepdims, what)
    return _reduce(kind, x, [len(x.free) + k for k in reduced], x.free, keepdims, what, hint)


def reduce_indices(kind: str, x: Any, over: Sequence[Index], what: str) -> Tensor:
    """Reduce over free indices; without any named, over all."""
    x = as_tensor(x)
    for i in over:
        if not isinstance(i, Index):
            raise located(FormulaError(f"{what} reduces over indices, as in {what}(x[i], i); {i!r} is not one (for an axis write "
                                       f"gc.{what.lower()}(x, axis=...))"))
        if i.name not in x.free:
            raise located(FormulaError(f"{what}: index {i} does not occur in {describe(x)}, whose free indices are "
                                       f"({', '.join(x.free)})"))
    names = tuple(i.name for i in over) or x.free
    x = settle(x, names)
    if x.dtype == "bool" and kind not in ("sum", "prod"):
        x = elementwise(X0, [x], what, dtype="int")
    positions = [x.free.index(n) for n in names]
    if not positions:
        raise located(FormulaError(f"{what}: {describe(x)} has no free index to reduce over; subscript it (x[i]) or use gc.{kind}"))
    if kind == "prod":
        for n in names:
            x = _reduce(kind, x, [x.free.index(n)], tuple(f for f in x.free if f != n), False, what, "")
        return x
    return _reduce(kind, x, positions, tuple(n for n in x.free if n not in names), False, what, "")


def _one_by_one(kind: str, x: Tensor, reduced: Sequence[int], keepdims: bool, what: str) -> Tensor:
    """A product over several axes, an axis at a time: its derivative is a product of prefix and suffix products."""
    for k in sorted(reduced, reverse=True):
        x = _reduce(kind, x, [len(x.free) + k], x.free, keepdims, what, "")
    return x


def _reduce(kind: str, x: Tensor, reduced: Sequence[int], free: tuple[str, ...], keepdims: bool, what: str, hint: str) -> Tensor:
    """`reduced` are positions among all axes of the node."""
    axes: list[Size] = []
    index: dict[int, sp.Symbol] = {}
    for k, size in enumerate(x.node.dims):
        if k in reduced:
            index[k] = over_index(list(reduced).index(k))
            if keepdims:
                axes.append(sp.Integer(1))
        else:
            index[k] = axis_index(len(axes))
            axes.append(size)
    over = [x.node.dims[k] for k in reduced]
    if not over:
        if kind in ("argmax", "argmin"):
            raise located(DimError(f"{what}: {describe(x)} has no axis to choose along"))
        return x if x.dtype != "bool" else elementwise(X0, [x], what, dtype="int")
    read = Read(x.node, tuple(index[k] for k in range(len(x.node.dims))))
    return Tensor(comprehension(axes, over, kind, X0, [read], origin_here(what, hint)), free)


def count(x: Tensor, axes: Sequence[int]) -> Tensor:
    """The number of elements along axes, as a tensor."""
    product = sp.Integer(1)
    for k in axes:
        product *= x.sizes[k]
    return as_tensor(Dim(product))


def expand_axes(t: Tensor, axes: Sequence[int]) -> Tensor:
    """Put literal-1 axes back where a reduction took axes away."""
    from graphc.frontend.subscript import subscript
    rank = t.ndim + len(axes)
    return subscript(t, tuple(None if k in axes else slice(None) for k in range(rank)))


# --- the functions ----------------------------------------------------------------------------------------------------

def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Sum over axes: positions or dim names; all without `axis`."""
    return reduce_axes("sum", x, axis, keepdims)


def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Product over axes. Its derivative is right with zeros among the factors."""
    return reduce_axes("prod", x, axis, keepdims)


def max(x: Any, axis: Axis = None, keepdims: bool = False, ties: str = "share") -> Tensor:
    """Greatest element over axes. Ties share the gradient equally, or the first one has it all: ties="first"."""
    return _extremum("max", x, axis, keepdims, ties)


def min(x: Any, axis: Axis = None, keepdims: bool = False, ties: str = "share") -> Tensor:
    """Least element over axes. Ties share the gradient equally, or the first one has it all: ties="first"."""
    return _extremum("min", x, axis, keepdims, ties)


def _extremum(kind: str, x: Any, axis: Axis, keepdims: bool, ties: str) -> Tensor:
    if ties == "share":
        return reduce_axes(kind, x, axis, keepdims)
    if ties != "first":
        raise located(FormulaError(f"{kind}: ties is 'share' or 'first', not {ties!r}"))
    x = to_float(settle(as_tensor(x)))
    for k in sorted(axes_of(x, axis, kind), reverse=True):        # the first in the order of NumPy's flat index
        x = _first(kind, x, k, keepdims)
    return x


def _first(kind: str, x: Tensor, k: int, keepdims: bool) -> Tensor:
    """at_kink(True, x[argmax(x)], max(x)): the value is the maximum, its derivative that of the element at the first position."""
    value = reduce_axes(kind, x, k, keepdims)
    at = len(x.free) + k
    own = [axis_index(m) for m in range(len(value.node.dims))]
    rest = own[:at] + own[at + keepdims:]
    position = reduce_axes(f"arg{kind}", x, k)
    index = (*rest[:at], Read(position.node, tuple(rest)), *rest[at:])
    reads = [Read(value.node, tuple(own)), Read(x.node, index)]
    body = at_kink(sp.Integer(1), placeholder(1), X0)
    return Tensor(comprehension(value.node.dims, (), None, body, reads, origin_here(kind)), x.free)


def argmax(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Position of the first greatest element: an integer tensor, without derivative."""
    return _arg("argmax", x, axis, keepdims)


def argmin(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Position of the first least element: an integer tensor, without derivative."""
    return _arg("argmin", x, axis, keepdims)


def _arg(kind: str, x: Any, axis: Axis, keepdims: bool) -> Tensor:
    if axis is not None and isinstance(axis, tuple | list):
        raise located(DimError(f"{kind} takes one axis, or none for the position in the flattened tensor"))
    return reduce_axes(kind, x, axis, keepdims)


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """sum(x) / number of elements"""
    x = to_float(settle(as_tensor(x)))
    axes = axes_of(x, axis, "mean")
    if not axes:
        return x
    total = reduce_axes("sum", x, axes, keepdims, "mean")
    return elementwise(lambda s, n: s / n, [total, count(x, axes)], "mean")


def var(x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """sum((x - mean)**2) / (n - ddof), in two passes. NumPy's default is ddof=0; an unbiased estimate has ddof=1."""
    if isinstance(ddof, bool) or not isinstance(ddof, int | float):
        raise located(DtypeError(f"var: ddof is a number, not {ddof!r}"))
    x = to_float(settle(as_tensor(x)))
    axes = axes_of(x, axis, "var")
    centred = x - mean(x, axes, keepdims=True)
    total = reduce_axes("sum", centred**2, axes, keepdims, "var")
    return elementwise(lambda s, n: s / (n - literal(ddof)), [total, count(x, axes)], "var")


def std(x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """sqrt(var(x)); the derivative is 0 where all elements are equal."""
    return root(var(x, axis, ddof, keepdims), "std")


def root(total: Tensor, what: str) -> Tensor:
    """sqrt of a sum of squares, whose derivative at 0 is chosen as 0: that of a norm."""
    return elementwise(square_root, [total], what)


def square_root(s: sp.Expr) -> sp.Expr:
    """sqrt(s) whose derivative at 0 is 0."""
    return op("where")(op("gt")(s, sp.Integer(0)), op("sqrt")(s), op("abs")(s))


def _float_reduction(x: Any) -> Tensor:
    return to_float(require(settle(as_tensor(x)), "float int", "this reduction"))


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) = m + log(k + r), m = max(x), k how many elements attain it, r = sum of exp(x - m) over the others.

    So neither large nor small x overflow, and log(1 + r) keeps its digits where r is small. -inf where all x are: its derivative there is 0.
    Blanchard, Higham and Higham, Accurately computing the log-sum-exp and softmax functions, 2021.
    """
    parts = sum_of_exponentials(_float_reduction(x), axis, keepdims)
    return elementwise(lambda m, r, k: op("log_total")(m, r, k), [parts.maximum, parts.rest, parts.ties], "logsumexp")


@dataclass(frozen=True)
class Exponentials:
    """m = max x, e = exp(x - m), and sum(e) as the number of elements that attain m plus the rest."""

    maximum: Tensor
    e: Tensor
    rest: Tensor
    ties: Tensor

    @property
    def softmax(self) -> Tensor:
        """e / sum(e)"""
        inverse = elementwise(lambda r, k: op("inverse_total")(r, k), [self.rest, self.ties], "sum", hint="w")
        return elementwise(lambda e, w: e * w, [self.e, inverse], "softmax")


def sum_of_exponentials(x: Tensor, axis: Axis, keepdims: bool = False) -> Exponentials:
    """The parts that logsumexp, softmax and their kin share; the maximum is held constant."""
    axes = axes_of(x, axis, "logsumexp")
    m = shift(x, axes)
    e = elementwise(lambda x, m: op("exp")(op("excess")(x, m)), [x, m], "exp", hint="e")
    others = elementwise(lambda e, x, m: op("apart")(e, op("eq")(x, m)), [e, x, m], "exp")
    attained = elementwise(lambda x, m: op("where")(op("eq")(x, m), 1, 0), [x, m], "max", dtype="float")
    rest = reduce_axes("sum", others, axes, keepdims, "sum", hint="r")
    ties = reduce_axes("sum", attained, axes, keepdims, "sum", hint="k")
    return Exponentials(m if keepdims else drop_axes(m, axes), e, rest, ties)


def shift(x: Tensor, axes: Sequence[int]) -> Tensor:
    """max(x) over axes, 0 where all x are -inf: what exp(x - m) subtracts. Constant in every derivative."""
    m = reduce_axes("max", x, axes, True, "max", hint="m")
    return elementwise(lambda m: op("stop_gradient")(op("where")(op("gt")(m, -INF), m, 0)), [m], "max", hint="m")


def drop_axes(t: Tensor, axes: Sequence[int]) -> Tensor:
    from graphc.frontend.subscript import subscript
    return subscript(t, tuple(0 if k in axes else slice(None) for k in range(t.ndim)))


def softmax(x: Any, axis: Axis = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along axes, shifted by the maximum so that no logit overflows; 0 where all logits are -inf (masked)."""
    x = _float_reduction(x)
    return sum_of_exponentials(x, axes_of(x, axis, "softmax"), keepdims=True).softmax


def log_softmax(x: Any, axis: Axis = -1) -> Tensor:
    """x - logsumexp(x) = (x - m) - log(k + r) along axes, with the parts of logsumexp: near 0 it keeps its digits."""
    x = _float_reduction(x)
    parts = sum_of_exponentials(x, axes_of(x, axis, "log_softmax"), keepdims=True)
    log_total = elementwise(lambda r, k: op("log_total")(sp.Integer(0), r, k), [parts.rest, parts.ties], "log")
    return elementwise(lambda x, m, z: op("excess")(x, m) - z, [x, parts.maximum, log_total], "log_softmax")


def Sum(x: Any, *over: Index) -> Tensor:
    """Sum over free indices: `gc.Sum(X[s, j] * w[j], j)`; over all of them when none is named."""
    return reduce_indices("sum", x, over, "Sum")


def Prod(x: Any, *over: Index) -> Tensor:
    """Product over free indices."""
    return reduce_indices("prod", x, over, "Prod")


def Max(x: Any, *over: Index) -> Tensor:
    """Maximum over free indices."""
    return reduce_indices("max", x, over, "Max")


def Min(x: Any, *over: Index) -> Tensor:
    """Minimum over free indices."""
    return reduce_indices("min", x, over, "Min")


def Mean(x: Any, *over: Index) -> Tensor:
    """Mean over free indices."""
    x = to_float(settle(as_tensor(x)))
    total = reduce_indices("sum", x, over, "Mean")
    names = [i.name for i in over] or list(x.free)
    size = sp.Integer(1)
    for n in names:
        size *= x.node.dims[x.free.index(n)]
    return elementwise(lambda s, n: s / n, [total, Dim(size)], "Mean")
