r"""Flattening: loops over all axes of all arrays that they use are one loop over elements.

    for i: for j: s += (x[i, j] - y[i, j])**2        =        x, y = x.reshape(-1), y.reshape(-1);  for i in range(n*c): s += (x[i] - y[i])**2

A row of ten elements leaves most of a vector empty, and beginning a loop takes as long as its elements. Arrays are contiguous, and so are those
cut to the rows of a part or a tile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import reduce
from typing import Any

import sympy as sp

from graphc.loops.accesses import terms
from graphc.loops.statements import Accumulate, Assign, For, Kernel, Statement, Store, var
from graphc.loops.uses import uses_of
from graphc.scalar.term import Term, walk

__all__ = ["flattened"]


def flattened(kernel: Kernel, size: Callable[[sp.Expr], Term]) -> Kernel:
    """The kernel with its loops as one, if they have nothing between them and use arrays at all their indices in order. `size` makes a term of
    an extent."""
    *before, last = kernel.body
    loops = _nest(last)
    if len(loops) < 2 or any(s.reverse or s.single or s.step or s.first is not None for s in loops) or any(s.last is not None for s in loops[1:]):
        return kernel
    outer, inner, index = loops[0], loops[-1], tuple(var(loop.index, "int") for loop in loops)
    if not all(isinstance(s, Assign | Store | Accumulate) for s in inner.body):
        return kernel
    parts = [t for s in inner.body for term in terms(s) for t in walk(term)]
    loads = [t for t in parts if t.op == "load"]
    places = {t.args for t in loads} | {s.index for s in inner.body if isinstance(s, Store)}
    names = tuple(uses_of([outer], {}).arrays)
    elsewhere = set(uses_of(before, {}).arrays) | set(names) - set(kernel.arrays)
    if places != {index} or sum(t in index for t in parts) != len(loads) * len(index) or elsewhere & set(names):
        return kernel
    first, rows = outer.last or size(outer.extent), [size(loop.extent) for loop in loops[1:]]
    if kernel.split:
        first = Term("sub", (var(kernel.bounds[1], "int"), var(kernel.bounds[0], "int")), None, "int")
    elements = reduce(lambda a, b: Term("mul", (a, b), None, "int"), [first, *rows])
    body = tuple(_flat(s, index) for s in inner.body)
    whole = replace(inner, index=outer.index, extent=sp.Mul(*(loop.extent for loop in loops)), last=elements, body=body)
    return replace(kernel, body=(*before, whole), flat=names)


def _nest(s: Statement) -> list[For]:
    """A loop, and the loops that are the whole body of the one before."""
    if not isinstance(s, For):
        return []
    return [s, *(_nest(s.body[0]) if len(s.body) == 1 else [])]


def _flat(s: Any, index: tuple[Term, ...]) -> Any:
    def visit(t: Term) -> Term:
        return replace(t, args=index[:1]) if t.op == "load" else replace(t, args=tuple(map(visit, t.args)))
    s = replace(s, **{f.name: visit(v) for f in fields(s) if isinstance(v := getattr(s, f.name), Term)})
    return Store(s.name, index[:1], s.value) if isinstance(s, Store) else s
