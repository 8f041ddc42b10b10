r"""What both directions of differentiation share: the weight of a body inside its reduction.

    y[i] = reduce over j  f(reads)           dy[i] = sum over j  w[i, j] * df

    sum, map    w = 1
    max, min    w = [f == y] / number of ties
    prod        w = (product of the f before j) * (product of the f after j): right with any number of zeros

The prefix and suffix products are comprehensions like any other, so derivatives of every order exist; they run as scans.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from graphc.errors import DifferentiationError
from graphc.ir.access import symbols_of
from graphc.ir.build import comprehension, plain
from graphc.ir.nodes import Comprehension, Input, Node, Origin, Read, Scatter
from graphc.ir.walk import topological
from graphc.scalar.derivative import derivative
from graphc.scalar.symbols import VALUE, axis_index, over_index, placeholder
from graphc.scalar.table import op, where

__all__ = ["LocalDerivative", "local_derivative", "depends_on", "derived"]

ONE, ZERO = sp.Integer(1), sp.Integer(0)


@dataclass(frozen=True)
class LocalDerivative:
    """w * df/dx_k as an expression over `reads`: those of the node, then what the weight reads."""

    expression: sp.Expr
    reads: tuple[Read, ...]


def derived(origin: Origin, hint: str = "") -> Origin:
    """The origin of a node that a derivative made: the primal's line."""
    return Origin("", origin.file, origin.line, hint)


def depends_on(roots: list[Node], wrt: list[Node]) -> set[Node]:
    """The float nodes below the roots through which the value depends on `wrt`."""
    active: set[Node] = set(wrt)
    for node in topological(roots):
        if node not in active and not isinstance(node, Input) and node.dtype == "float" \
                and any(r.operand in active for r in node.reads):
            active.add(node)
    return active


def local_derivative(y: Comprehension | Scatter, k: int) -> LocalDerivative:
    """How y changes with its k-th read, at one point of its space; other reads enter as they are."""
    df = derivative(y.body, k, repeats_value=y.reduce is None)
    reads = list(y.reads)
    if df == 0:
        return LocalDerivative(ZERO, ())
    if VALUE in df.free_symbols:
        df = df.xreplace({VALUE: placeholder(len(reads))})
        reads.append(plain(y))
    if y.reduce in ("max", "min"):
        assert isinstance(y, Comprehension)
        attains = op("eq")(y.body, placeholder(len(reads)))
        reads.append(plain(y))
        ties = comprehension(y.axes, y.over, "sum", where(attains, ONE, ZERO), reads, derived(y.origin, "ties"), "float")
        df = where(attains, df / placeholder(len(reads)), ZERO)
        reads.append(plain(ties))
    elif y.reduce == "prod":
        assert isinstance(y, Comprehension)
        for comparison, hint in (("lt", "before"), ("gt", "after")):
            df *= placeholder(len(reads))
            reads.append(_exclusive(y, comparison, hint))
    elif y.reduce in ("argmax", "argmin"):
        return LocalDerivative(ZERO, ())
    return LocalDerivative(df, tuple(reads))


def _exclusive(y: Comprehension, comparison: str, hint: str) -> Read:
    """The product of f over the indices before (lt) or after (gt) the point."""
    if len(y.over) != 1:
        raise DifferentiationError(f"a product over {len(y.over)} indices at once has no derivative rule; reduce one after another")
    rank = len(y.axes)
    at = axis_index(rank)
    body = where(op(comparison)(over_index(0), at), y.body, ONE)
    node = comprehension([*y.axes, *y.over], y.over, "prod", body, y.reads, derived(y.origin, hint), "float")
    return Read(node, (*(axis_index(m) for m in range(rank)), over_index(0)))


def only_indices(condition: sp.Expr) -> bool:
    """Whether a condition depends on where we are, not on values."""
    from graphc.scalar.symbols import Placeholder
    return not any(isinstance(s, Placeholder) for s in symbols_of(condition))
