r"""Forward mode: the same rule read forwards.

    y_dot[i] = sum over j  w[i, j] * sum over reads k  df/dx_k * x_k_dot[p_k(i, j)]
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from graphc.ir.access import rewrite
from graphc.ir.build import comprehension
from graphc.ir.nodes import Comprehension, Input, Node, Read, Scatter, Size
from graphc.ir.walk import topological
from graphc.passes.derivatives import depends_on, derived, local_derivative
from graphc.scalar.derivative import times
from graphc.scalar.symbols import axis_index, over_index, placeholder

__all__ = ["pushforward"]


def pushforward(roots: Sequence[Node], wrt: Sequence[Node], tangents: Sequence[Node], batch: Sequence[Size] = ()) -> list[Node | None]:
    """The tangents of the roots for given tangents of `wrt`; None where nothing depends. `batch` as in `pullback`."""
    active = depends_on(list(roots), list(wrt))
    dot: dict[Node, Node] = dict(zip(wrt, tangents, strict=True))
    for y in topological(roots):
        if y in active and y not in dot and not isinstance(y, Input):
            result = _tangent(y, dot, tuple(batch))
            if result is not None:
                dot[y] = result
    return [dot.get(r) for r in roots]


def _tangent(y: Comprehension | Scatter, dot: dict[Node, Node], batch: tuple[Size, ...]) -> Node | None:
    b = len(batch)
    scatter = isinstance(y, Scatter)
    shift: dict[sp.Symbol, sp.Expr] = {axis_index(m): axis_index(b + m) for m in range(len(y.axes))}
    if scatter:
        shift = {over_index(m): over_index(b + m) for m in range(len(y.over))}
    first: list[sp.Symbol] = [(over_index if scatter else axis_index)(m) for m in range(b)]
    reads: list[Read] = []
    total: sp.Expr = sp.Integer(0)
    for k, read in enumerate(y.reads):
        if read.operand not in dot:
            continue
        local = local_derivative(y, k)
        if local.expression == 0:
            continue
        base = len(reads)
        reads += [rewrite(r, shift) for r in local.reads]
        expression = local.expression.xreplace({placeholder(m): placeholder(base + m) for m in range(len(local.reads))})
        tangent = dot[read.operand]
        index = (*first, *(rewrite(e, shift) for e in read.index))[b + len(read.index) - len(tangent.dims):]
        reads.append(Read(tangent, index))
        total += times(placeholder(len(reads) - 1), expression.xreplace(shift))
    if total == 0:
        return None
    origin = derived(y.origin, f"{y.origin.hint}_dot" if y.origin.hint else "")
    if isinstance(y, Scatter):
        from graphc.ir.build import prune
        body, kept = prune(total, reads)
        at = (*first, *(rewrite(e, shift) for e in y.at))
        return Scatter((*batch, *y.dims), at, (*batch, *y.over), body, kept, "float", origin)
    return comprehension([*batch, *y.axes], y.over, "sum" if y.over else None, total, reads, origin, "float")
