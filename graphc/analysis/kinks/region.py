"""Pointwise regions: a node's value at a point as one expression over leaves, looked at through the maps below it.

    where(abs(r) <= 1, r**2/2, abs(r) - 1/2),  r = X@W - Y        over the leaves  (X@W)[i, j]  and  Y[i, j]

A leaf is what is read at another index, reduced, or given. `sign` says of an expression that it is nowhere negative, or everywhere
positive: a square root of sums of squares plus 1e-6 has no singular point.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from graphc.ir.build import plain
from graphc.ir.nodes import Comprehension, Input, Node, Read, Scatter
from graphc.ir.walk import topological
from graphc.scalar.choice import without_choices
from graphc.scalar.symbols import Extent, placeholder
from graphc.scalar.table import Op

__all__ = ["Region"]

MOST = 200        # operations of an expression; what is larger is a leaf
DEEP = 20         # reductions below each other that a sign is looked for through
UNKNOWN, NONNEGATIVE, POSITIVE = 0, 1, 2
_POSITIVE = frozenset("exp softplus sigmoid cosh erfc".split())
_LIKE_ITS_ARGUMENT = frozenset("sqrt cbrt relu expm1 log1p sinh tanh arcsinh arctan erf stop_gradient".split())


class Region:
    """The expressions of all nodes below the roots."""

    def __init__(self, roots: Sequence[Node]):
        self.leaves: dict[Read, sp.Symbol] = {}
        self.reads: dict[sp.Expr, Read] = {}
        self.value: dict[Node, sp.Expr] = {}
        self.size: dict[Node, int] = {}
        for node in topological(roots):
            if not isinstance(node, Input):
                self.value[node] = self.within(node, without_choices(node.body))
                self.size[node] = 1 + sum(self.size[r.operand] for r in node.reads if self.is_inside(r, node))

    def is_inside(self, read: Read, node: Comprehension | Scatter) -> bool:
        below = read.operand
        return (isinstance(below, Comprehension) and below.reduce is None and len(below.dims) == len(node.axes)
                and read == plain(below) and self.size[below] < MOST)

    def within(self, node: Comprehension | Scatter, expression: sp.Expr) -> sp.Expr:
        """An expression over the reads of a node, over leaves."""
        used = {k: r for k, r in enumerate(node.reads) if placeholder(k) in expression.free_symbols}
        return expression.xreplace({placeholder(k): self.value[r.operand] if self.is_inside(r, node) else self.leaf(r) for k, r in used.items()})

    def leaf(self, read: Read) -> sp.Symbol:
        if read not in self.leaves:
            self.leaves[read] = symbol = sp.Symbol(f"v{len(self.leaves)}", real=True)
            self.reads[symbol] = read
        return self.leaves[read]

    def independent(self, symbols: set[sp.Expr]) -> bool:
        """Whether leaves surely take any values together: one alone, or different inputs, each at one place."""
        reads = [self.reads[s] for s in symbols if s in self.reads]
        return len(reads) <= 1 or all(isinstance(r.operand, Input) for r in reads) and len({r.operand for r in reads}) == len(reads)

    # --- signs
    def sign(self, e: sp.Expr, deep: int = DEEP) -> int:
        if e.is_number and e.is_real:
            return POSITIVE if e > 0 else NONNEGATIVE if e == 0 else UNKNOWN
        if isinstance(e, Extent):
            return POSITIVE
        if e in self.reads:
            return self.sign_of(self.reads[e].operand, deep - 1) if deep else UNKNOWN
        signs = [self.sign(a, deep) for a in e.args]
        if isinstance(e, sp.Add):
            return min(max(signs), POSITIVE) if all(signs) else UNKNOWN
        if isinstance(e, sp.Mul):
            return min(signs)
        if isinstance(e, sp.Pow):
            even = e.exp.is_Integer and e.exp % 2 == 0
            return signs[0] if signs[0] == POSITIVE or e.exp.is_positive and signs[0] else NONNEGATIVE if even else UNKNOWN
        return self.sign_of_call(e, signs) if isinstance(e, Op) else UNKNOWN

    def sign_of(self, node: Node, deep: int) -> int:
        if isinstance(node, Input) or isinstance(node, Scatter) or node.reduce in ("argmax", "argmin"):
            return UNKNOWN
        return self.sign(self.value[node], deep)

    @staticmethod
    def sign_of_call(e: Op, signs: list[int]) -> int:
        match e.row.name:
            case name if name in _POSITIVE:
                return POSITIVE
            case name if name in _LIKE_ITS_ARGUMENT:
                return max(signs[0], NONNEGATIVE) if name in ("relu", "sqrt") else signs[0]
            case "abs":
                return max(signs[0], NONNEGATIVE)
            case "maximum":
                return max(signs)
            case "minimum":
                return min(signs)
            case "where":
                return min(signs[1:])
            case "hypot":
                return max(*signs, NONNEGATIVE)
        return UNKNOWN
