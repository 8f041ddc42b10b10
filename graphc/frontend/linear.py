"""Products of tensors: matmul, dot, outer, einsum, trace, norms, and the cumulative sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp

from graphc.errors import DimError, DtypeError, FormulaError
from graphc.frontend.elementwise import align, as_tensor, broadcast, elementwise, located, subgradient, to_float
from graphc.frontend.index import settle
from graphc.frontend.origin import origin_here
from graphc.frontend.reduce import Axis, axes_of, drop_axes, reduce_axes, square_root
from graphc.frontend.tensor import Tensor, describe, dim_text
from graphc.ir.access import same_size
from graphc.ir.build import X0, comprehension
from graphc.ir.nodes import Read, Size
from graphc.scalar.choice import chosen
from graphc.scalar.symbols import axis_index, over_index, placeholder
from graphc.scalar.table import op

__all__ = ["matmul", "dot", "outer", "einsum", "trace", "norm", "cumsum", "cumprod"]


def _product(a: Tensor, b: Tensor, letters: tuple[str, str, str], what: str) -> Tensor:
    """A sum of products by letters, as einsum has them, of operands whose free indices are aligned."""
    if "float" in (a.dtype, b.dtype):
        a, b = to_float(a), to_float(b)
    (a, b), free, free_sizes = align([a, b], what)
    sizes: dict[str, tuple[Size, Tensor]] = {}
    for t, names in ((a, letters[0]), (b, letters[1])):
        for size, letter in zip(t.sizes, names, strict=True):
            other = sizes.setdefault(letter, (size, t))
            if not same_size(other[0], size):
                raise located(DimError(f"{what}: dims clash: {describe(other[1])} has {dim_text(other[0])} where {describe(t)} has {dim_text(size)}. "
                                       "The last axis of the left operand must be the first of the right one; usually one is transposed (.T)"))
    out = letters[2]
    over = [x for x in sizes if x not in out]
    symbol = {x: axis_index(len(free) + k) for k, x in enumerate(out)} | {x: over_index(k) for k, x in enumerate(over)}
    reads = [Read(t.node, tuple([axis_index(free.index(n)) for n in t.free] + [symbol[x] for x in names]))
             for t, names in ((a, letters[0]), (b, letters[1]))]
    axes = [*free_sizes, *(sizes[x][0] for x in out)]
    body = placeholder(0) * placeholder(1)
    return Tensor(comprehension(axes, [sizes[x][0] for x in over], "sum" if over else None, body, reads, origin_here(what)), free)


def matmul(a: Any, b: Any) -> Tensor:
    """a @ b: sum over the last axis of a and the second to last of b; leading axes broadcast, vectors as NumPy has it."""
    a, b = settle(as_tensor(a)), settle(as_tensor(b))
    if a.ndim == 0 or b.ndim == 0:
        raise located(DimError(f"@ needs tensors with axes, and {describe(a if a.ndim == 0 else b)} is a scalar; multiply with *"))
    if max(a.ndim, b.ndim) > 10:
        raise located(DimError(f"@ takes at most 10 axes, and {describe(a if a.ndim > 10 else b)} has more"))
    if a.ndim <= 2 and b.ndim <= 2:
        return _product(a, b, ("ik"[2 - a.ndim:], "kj"[:b.ndim], "i" * (a.ndim == 2) + "j" * (b.ndim == 2)), "@")
    if a.ndim == 1 or b.ndim == 1:
        return _product(a, b, ("k", "abcdefgh"[:b.ndim - 2] + "kj", "abcdefgh"[:b.ndim - 2] + "j"), "@") if a.ndim == 1 else \
            _product(a, b, ("abcdefgh"[:a.ndim - 2] + "ik", "k", "abcdefgh"[:a.ndim - 2] + "i"), "@")
    broadcast([a[..., 0, 0], b[..., 0, 0]], "@")
    names = "abcdefgh"[:max(a.ndim, b.ndim) - 2]
    left, right = (_without_ones(t, names[len(names) - (t.ndim - 2):]) for t in (a, b))
    batch = "".join(x for x in names if x in left + right)
    product = _product(_squeeze_batch(a), _squeeze_batch(b), (left + "ik", right + "kj", batch + "ij"), "@")
    return product if batch == names else product[tuple(slice(None) if x in batch else None for x in names)]


def _without_ones(t: Tensor, letters: str) -> str:
    return "".join(x for x, s in zip(letters, t.sizes[:-2], strict=True) if s != 1)


def _squeeze_batch(t: Tensor) -> Tensor:
    return t[tuple(0 if k < t.ndim - 2 and s == 1 else slice(None) for k, s in enumerate(t.sizes))]


def dot(a: Any, b: Any) -> Tensor:
    """Inner product, as numpy.dot: of vectors a number, of matrices the product, with a scalar the scaled tensor."""
    a, b = as_tensor(a), as_tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        return elementwise(lambda x, y: x * y, [a, b], "dot")
    if b.ndim <= 2:
        return matmul(a, b)
    first, second = "abcdefgh"[:a.ndim - 1], "mnopqrst"[:b.ndim - 2]
    return _product(a, b, (first + "k", second + "kj", first + second + "j"), "dot")


def outer(a: Any, b: Any) -> Tensor:
    """out[i, j] = a[i] * b[j]"""
    a, b = as_tensor(a), as_tensor(b)
    if a.ndim != 1 or b.ndim != 1:
        raise located(DimError(f"outer takes vectors, given {describe(a)} and {describe(b)}"))
    return _product(a, b, ("i", "j", "ij"), "outer")


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """Einstein summation as numpy.einsum: "ij,jk->ik". Three operands and more are multiplied from the left, two at a time."""
    if not isinstance(subscripts, str):
        raise located(FormulaError(f"einsum takes its subscripts first, as text, as in einsum(\"ij,jk->ik\", A, B), not {subscripts!r}"))
    tensors = [settle(as_tensor(x)) for x in operands]
    text = subscripts.replace(" ", "")
    given, arrow, out = text.partition("->")
    letters = given.split(",")
    if "..." in text or not all(x.isalpha() for x in letters if x) or not (out.isalpha() or not out):
        raise located(FormulaError(f"einsum takes letters, commas and ->, not {subscripts!r}; axes are written out (no ...)"))
    if len(letters) != len(tensors):
        raise located(FormulaError(f"einsum {subscripts!r} names {len(letters)} operands, given {len(tensors)}"))
    for names, t in zip(letters, tensors, strict=True):
        if len(names) != t.ndim:
            raise located(DimError(f"einsum {subscripts!r}: {names!r} has {len(names)} letters and {describe(t)} has {t.ndim} axes"))
    if not arrow:
        out = "".join(sorted(x for x in set(given) - {","} if given.count(x) == 1))
    if not set(out) <= set(given) - {","} or len(set(out)) != len(out):
        raise located(FormulaError(f"einsum {subscripts!r}: the result {out!r} must name each of its letters once, from the operands"))
    pairs = [_diagonal(t, names) for t, names in zip(tensors, letters, strict=True)]
    (result, names), rest = pairs[0], pairs[1:]
    for k, (t, more) in enumerate(rest):
        needed = set(out).union(*(n for _, n in rest[k + 1:]))
        keep = "".join(x for x in dict.fromkeys(names + more) if x in needed)
        result, names = _product(result, t, (names, more, keep), "einsum"), keep
    return _arrange(result, names, out)


def _diagonal(t: Tensor, names: str) -> tuple[Tensor, str]:
    """Repeated letters of one operand take its diagonal."""
    unique = "".join(dict.fromkeys(names))
    if unique == names:
        return t, names
    sizes = [t.sizes[names.index(x)] for x in unique]
    for x, s in zip(names, t.sizes, strict=True):
        if not same_size(s, sizes[unique.index(x)]):
            raise located(DimError(f"einsum: letter {x} stands for {dim_text(s)} and {dim_text(sizes[unique.index(x)])} in {describe(t)}"))
    read = Read(t.node, tuple([axis_index(k) for k in range(len(t.free))] + [axis_index(len(t.free) + unique.index(x)) for x in names]))
    return Tensor(comprehension([*t.node.dims[:len(t.free)], *sizes], (), None, X0, [read], origin_here("einsum")), t.free), unique


def _arrange(t: Tensor, names: str, out: str) -> Tensor:
    """Sum the letters that the result lacks and put the others in its order."""
    from graphc.frontend.shape import transpose
    drop = tuple(k for k, x in enumerate(names) if x not in out)
    if drop:
        t, names = reduce_axes("sum", t, drop, what="einsum"), "".join(x for x in names if x in out)
    return t if names == out else transpose(t, [names.index(x) for x in out])


def trace(x: Any) -> Tensor:
    """sum over i of x[..., i, i]"""
    t = settle(as_tensor(x))
    if t.ndim < 2 or not same_size(t.sizes[-1], t.sizes[-2]):
        raise located(DimError(f"trace takes a square matrix, given {describe(t)}"))
    batch = [axis_index(k) for k in range(len(t.node.dims) - 2)]
    read = Read(t.node, (*batch, over_index(0), over_index(0)))
    return Tensor(comprehension(t.node.dims[:-2], [t.sizes[-1]], "sum", X0, [read], origin_here("trace")), t.free)


def norm(x: Any, axis: Axis = None, ord: Any = None, keepdims: bool = False, at_zero: float = 0.0) -> Tensor:
    """Vector norm over axes: (sum |x|^ord)^(1/ord). `ord` 2 (default), 1, inf, -inf, 0 (how many are not zero) or a number > 0.

    Over two axes it is the Frobenius norm, of all elements. The derivative at 0 is 0; for `ord` 1 and inf, whose elements have kinks of
    their own, `at_zero` in [-1, 1] is another slope of |x| there.
    """
    t = to_float(settle(as_tensor(x)))
    one = sp.Integer(ord in (1, float("inf")) and not isinstance(ord, bool))
    slope = subgradient("norm", "at_zero", at_zero, -one, one)
    axes = axes_of(t, axis, "norm")
    if ord is None or ord == 2 or ord == "fro":
        return _euclidean(t, axes, keepdims)
    magnitude = elementwise(lambda x: chosen("abs", (x,), slope) if slope else op("abs")(x), [t], "norm")
    if ord == 0:
        return reduce_axes("sum", to_float(t != 0), axes, keepdims, "norm")
    if isinstance(ord, bool) or not isinstance(ord, int | float):
        raise located(DtypeError(f"norm: ord is a number, 'fro' or None, not {ord!r}"))
    if ord in (float("inf"), float("-inf")):
        return reduce_axes("max" if ord > 0 else "min", magnitude, axes, keepdims, "norm")
    total = reduce_axes("sum", magnitude if ord == 1 else magnitude**ord, axes, keepdims, "norm")
    if ord == 1:
        return total
    return elementwise(lambda s: op("where")(op("eq")(s, sp.Integer(0)), 0, op("power")(s, sp.Float(1 / float(ord)))), [total], "norm")


def _euclidean(t: Tensor, axes: Sequence[int], keepdims: bool) -> Tensor:
    """b sqrt(sum (x/b)^2), b the power of two below the largest |x|: scaling by it rounds nothing, and no square leaves the format."""
    largest = reduce_axes("max", elementwise(lambda x: op("abs")(x), [t], "norm"), axes, True, "norm")
    b = elementwise(lambda m: op("stop_gradient")(op("binade")(m)), [largest], "norm", hint="b")
    scaled = elementwise(lambda x, b: op("scaled")(x, b), [t, b], "norm")
    total = reduce_axes("sum", scaled**2, axes, keepdims, "norm")
    return elementwise(lambda s, b: b * square_root(s), [total, b if keepdims else drop_axes(b, axes)], "norm")


def cumsum(x: Any, axis: int | str | None = None) -> Tensor:
    """out[i] = sum over j <= i of x[j]. Without an axis, of the flattened tensor, as numpy.cumsum. log(cumsum(exp(x))) is stable, in one pass."""
    return _scan("sum", x, axis, 0, "cumsum")


def cumprod(x: Any, axis: int | str | None = None) -> Tensor:
    """out[i] = product over j <= i of x[j]. Its gradient is right where elements are 0, in one pass."""
    return _scan("prod", x, axis, 1, "cumprod")


def _scan(kind: str, x: Any, axis: int | str | None, neutral: int, what: str) -> Tensor:
    from graphc.frontend.shape import reshape
    t = settle(as_tensor(x))
    if axis is None and t.ndim != 1:
        t, axis = reshape(t, -1), 0
    at = len(t.free) + axes_of(t, 0 if axis is None else axis, what)[0]
    read = Read(t.node, tuple(over_index(0) if k == at else axis_index(k) for k in range(len(t.node.dims))))
    body = op("where")(op("le")(over_index(0), axis_index(at)), X0, sp.Integer(neutral))
    return Tensor(comprehension(t.node.dims, [t.node.dims[at]], kind, body, [read], origin_here(what)), t.free)
