"""Derivatives as tensors: grad, vjp, jvp, jacobian, hessian, hvp, stop_gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from graphc.errors import DifferentiationError
from graphc.frontend.elementwise import as_tensor, elementwise, located
from graphc.frontend.tensor import Tensor, describe, dims_text
from graphc.ir.access import same_size
from graphc.ir.build import constant
from graphc.ir.nodes import Input, Node, Origin, Size
from graphc.ir.walk import inputs_of, rebuild, topological
from graphc.passes.adjoint import pullback
from graphc.passes.prepare import prepare
from graphc.passes.stable import stabilise
from graphc.passes.tangent import pushforward
from graphc.scalar.symbols import axis_index
from graphc.scalar.table import op, where

__all__ = ["grad", "vjp", "jvp", "jacobian", "hessian", "hvp", "stop_gradient", "parameters_of", "find_wrt"]

Wrt = Any   # a Tensor, a name, or a sequence of them


def stop_gradient(x: Any) -> Tensor:
    """x, held constant in every derivative."""
    return elementwise(lambda x: op("stop_gradient")(x), [x], "stop_gradient")


def parameters_of(*tensors: Tensor) -> list[Tensor]:
    """The parameters that tensors depend on, in the order in which the formula meets them."""
    return [Tensor(n) for n in inputs_of(t.node for t in tensors) if n.role == "parameter"]


def find_wrt(y: Tensor, wrt: Wrt, what: str) -> list[Tensor]:
    """The tensors that `wrt` names, checked: float, and part of y's graph."""
    below = topological([y.node])
    by_name = {n.name: n for n in below if isinstance(n, Input)}
    found = []
    for w in wrt if isinstance(wrt, list | tuple) else [wrt]:
        if isinstance(w, str):
            if w not in by_name:
                raise located(DifferentiationError(f"{what}: {describe(y)} does not depend on an input named {w!r}; its inputs are "
                                                   f"{', '.join(by_name) or 'none'}"))
            w = Tensor(by_name[w])
        if not isinstance(w, Tensor):
            raise located(DifferentiationError(f"{what}: wrt takes tensors or their names, not {w!r}"))
        node = w.node
        if isinstance(node, Input) and node not in below and node.name in by_name and by_name[node.name].dims == node.dims:
            node = by_name[node.name]
        if node not in below:
            raise located(DifferentiationError(f"{what}: {describe(y)} does not depend on {describe(w)}, so the derivative is 0 everywhere; "
                                               "usually another tensor was meant, or the formula was built before this one"))
        if node.dtype != "float":
            raise located(DifferentiationError(f"{what}: {describe(w)} is {node.dtype}; only float tensors have derivatives"))
        found.append(Tensor(node, w.free))
    return found


def _check(y: Tensor, what: str, scalar: bool = False) -> None:
    if y.free:
        raise located(DifferentiationError(f"{what}: {describe(y)} has the free indices ({', '.join(y.free)}); reduce them (gc.Sum) or make "
                                           "axes of them (gc.array) first"))
    if y.dtype != "float":
        raise located(DifferentiationError(f"{what}: {describe(y)} is {y.dtype}; only float tensors have derivatives"))
    if scalar and y.ndim:
        raise located(DifferentiationError(f"{what}: {describe(y)} is not a scalar. Reduce it (gc.sum, gc.mean), give a seed with "
                                           "gc.vjp(y, wrt, seed), or ask for gc.jacobian"))


@dataclass
class _Cut:
    """A graph in which the tensors to differentiate by are inputs, so that passes leave them whole."""

    y: Node
    wrt: list[Node]
    back: dict[Node, Node]

    @classmethod
    def at(cls, y: Tensor, wrt: Sequence[Tensor], extra: Sequence[Node] = ()) -> _Cut:
        cut: dict[Node, Node] = {}
        for k, w in enumerate(wrt):
            if not isinstance(w.node, Input):
                cut[w.node] = Input(w.node.origin.hint or f"value{k}", "float", w.node.dims, "data", origin=w.node.origin)
        root = rebuild([y.node], lambda n: n, cut)[y.node]
        (root,) = prepare([root])
        return cls(root, [cut.get(w.node, w.node) for w in wrt], {v: k for k, v in cut.items()})

    def restore(self, nodes: Sequence[Node]) -> list[Node]:
        """What differentiation produced, stable too, over the tensors that were cut."""
        nodes = stabilise(nodes)
        if not self.back:
            return list(nodes)
        done = rebuild(nodes, lambda n: n, self.back)
        return [done[n] for n in nodes]


def _zeros(dims: Sequence[Size]) -> Node:
    return constant(sp.Integer(0), Origin("zeros"), dims, "float")


def _shaped(result: Any, wrt: Wrt) -> Any:
    return result if isinstance(wrt, list | tuple) else result[0]


def grad(y: Any, wrt: Wrt = None) -> Any:
    """The gradient of a scalar, as a tensor of wrt's dims: dL/dW for `gc.grad(L, W)`.

    `wrt` is a tensor, an input's name, or a list of them (then so is the result); without it, a dict of the gradients of all
    parameters. By reverse mode (Griewank and Walther, Evaluating Derivatives, 2008, ch. 3).

    >>> import graphc as gc
    >>> W = gc.param("W", "d c")
    >>> gc.formula(gc.grad(gc.sum(W**2), W))
    '2*W'
    """
    y = as_tensor(y)
    _check(y, "grad", scalar=True)
    if wrt is None:
        params = parameters_of(y)
        if not params:
            raise located(DifferentiationError(f"grad: {describe(y)} has no parameter (gc.param); name what to differentiate by: gc.grad(L, x)"))
        return {w.name: g for w, g in zip(params, grad(y, params), strict=True)}
    return _shaped(_vjp(y, find_wrt(y, wrt, "grad"), None), wrt)


def vjp(y: Any, wrt: Wrt, seed: Any) -> Any:
    """The cotangent of wrt for a cotangent `seed` of y: sum over y of seed * dy/dwrt."""
    y, seed = as_tensor(y), as_tensor(seed)
    _check(y, "vjp")
    _same_dims(seed, y, "vjp: the seed")
    return _shaped(_vjp(y, find_wrt(y, wrt, "vjp"), seed.node), wrt)


def _same_dims(a: Tensor, b: Tensor, what: str) -> None:
    if len(a.sizes) != len(b.sizes) or not all(same_size(p, q) for p, q in zip(a.sizes, b.sizes, strict=True)) or a.dtype != "float":
        raise located(DifferentiationError(f"{what} {describe(a)} must be float with the dims {dims_text(b.sizes)} of {describe(b)}"))


def _vjp(y: Tensor, wrt: Sequence[Tensor], seed: Node | None) -> list[Tensor]:
    cut = _Cut.at(y, wrt)
    bars = pullback([cut.y], [seed], cut.wrt)
    nodes = [_zeros(w.node.dims) if g is None else _full(g, w.node.dims) for g, w in zip(bars, wrt, strict=True)]
    return [Tensor(n) for n in cut.restore(nodes)]


def _full(node: Node, dims: Sequence[Size]) -> Node:
    """A cotangent that is one number for all elements, as a tensor of the dims."""
    from graphc.ir.build import comprehension
    from graphc.ir.nodes import Read
    from graphc.scalar.symbols import placeholder
    missing = len(dims) - len(node.dims)
    if not missing:
        return node
    index = tuple(axis_index(missing + k) for k in range(len(node.dims)))
    return comprehension(dims, (), None, placeholder(0), [Read(node, index)], node.origin)


def jvp(y: Any, wrt: Wrt, tangent: Any) -> Tensor:
    """The directional derivative of y along `tangent` (of wrt's dims; a list for a list): sum over wrt of dy/dwrt * tangent."""
    y = as_tensor(y)
    _check(y, "jvp")
    tensors = find_wrt(y, wrt, "jvp")
    tangents = [as_tensor(v) for v in (tangent if isinstance(wrt, list | tuple) else [tangent])]
    if len(tangents) != len(tensors):
        raise located(DifferentiationError(f"jvp: {len(tensors)} tensors and {len(tangents)} tangents"))
    for v, w in zip(tangents, tensors, strict=True):
        _same_dims(v, w, "jvp: the tangent")
    cut = _Cut.at(y, tensors)
    (dot,) = pushforward([cut.y], cut.wrt, [v.node for v in tangents])
    return Tensor(cut.restore([_zeros(y.node.dims) if dot is None else dot])[0])


def jacobian(y: Any, wrt: Wrt) -> Any:
    """All partial derivatives, with y's axes first: out[i.., p..] = dy[i..] / dwrt[p..]."""
    y = as_tensor(y)
    _check(y, "jacobian")
    tensors = find_wrt(y, wrt, "jacobian")
    dims = y.node.dims
    rank = len(dims)
    if not rank:
        return _shaped(_vjp(y, tensors, None), wrt)
    condition = None
    for k in range(rank):
        equal = op("eq")(axis_index(k), axis_index(rank + k))
        condition = equal if condition is None else op("and_")(condition, equal)
    seed = constant(where(condition, 1, 0), Origin("identity"), [*dims, *dims], "float")
    cut = _Cut.at(y, tensors)
    bars = pullback([cut.y], [seed], cut.wrt, batch=dims)
    nodes = [_zeros([*dims, *w.node.dims]) if g is None else _full(g, [*dims, *w.node.dims]) for g, w in zip(bars, tensors, strict=True)]
    return _shaped([Tensor(n) for n in cut.restore(nodes)], wrt)


def hessian(y: Any, wrt: Any) -> Tensor:
    """Second derivatives of a scalar: out[p.., q..] = d2y / dwrt[p..] dwrt[q..]. `wrt` is one tensor."""
    if isinstance(wrt, list | tuple):
        raise located(DifferentiationError("hessian takes one tensor; for blocks across tensors write gc.jacobian(gc.grad(L, A), B)"))
    y = as_tensor(y)
    (w,) = find_wrt(y, wrt, "hessian")
    g = grad(y, w)
    if w.node not in topological([g.node]):
        return Tensor(_zeros([*w.node.dims, *w.node.dims]))
    return jacobian(g, w)                                                                        # type: ignore[no-any-return]


def hvp(y: Any, wrt: Any, vector: Any) -> Any:
    """Hessian times vector: the directional derivative of the gradient, forward over reverse (Pearlmutter, 1994)."""
    y = as_tensor(y)
    tensors = find_wrt(y, wrt, "hvp")
    vectors = [as_tensor(v) for v in (vector if isinstance(wrt, list | tuple) else [vector])]
    result = []
    for g in grad(y, tensors):
        below = topological([g.node])
        pairs = [(w, v) for w, v in zip(tensors, vectors, strict=True) if w.node in below]
        result.append(jvp(g, [w for w, _ in pairs], [v for _, v in pairs]) if pairs else Tensor(_zeros(g.node.dims)))
    return _shaped(result, wrt)
