r"""simplify: algebra on the finished graph, mostly on what differentiation leaves.

    stop_gradient(x)                      = x               no derivative is taken any more
    at_kink(c, a, b)                      = b               the same
    where(c, a, a)                        = a
    where(c, where(c, a, b), d)           = where(c, a, d)  and the other way round
    where(a == 0 and f(x) == inf, 0, a*b) = a * b           for b that is finite wherever x is a number: sigmoid(x)/n
    a * (b * x)                           = (a * b) * x     for numbers and extents a and b
    sum over j of f, when f has no j      = size(j) * f
    sum over j of where(i == 0, f(j), 0)  = where(i == 0, sum over j of f(j), 0)    computed once, not for each i
    (-A) B                                = -(A B)          so that -F F' is known to be its own transpose
    sum over k of A[i,k] * B[j,k]         = A B',  A B + C B = (A + C) B           (passes.products)

Nothing here loses a NaN: 0 * x stays. Constants were written into bodies when they were built, so x * 1 and x + 0 are gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import sympy as sp

from graphc.ir.access import inside, rewrite, symbols_of
from graphc.ir.build import X0, comprehension, identity, is_view, plain
from graphc.ir.classify import product_operands
from graphc.ir.nodes import Comprehension, Input, Node, Read, Size
from graphc.ir.verify import law
from graphc.passes.canonical import sweep
from graphc.passes.conditions import truth
from graphc.passes.guards import conjuncts
from graphc.passes.products import found_product, joined_products
from graphc.passes.subject import enter
from graphc.scalar.derivative import is_where
from graphc.scalar.symbols import INF, AxisIndex, OverIndex, Placeholder, axis_index, over_index
from graphc.scalar.table import op, where

__all__ = ["simplify"]

_DERIVATIVES_ONLY = (op("stop_gradient"), op("at_kink"))        # their value is their last argument
_BOUNDED = tuple(op(name) for name in ("sigmoid", "tanh", "arctan", "erf", "erfc"))        # finite at infinities too


def simplify(roots: Sequence[Node]) -> list[Node]:
    """The graph with the algebra done."""
    return joined_products(sweep(roots, (_body, _unguarded, _one_scale, _independent_sum, _selected_sum, found_product, _signed_product)))


@law("simplify", "no stop_gradient and no choice at a kink is left")
@law("squeeze", "no stop_gradient and no choice at a kink is left")
@law("share again", "no stop_gradient and no choice at a kink is left")
def _no_stop(node: Node) -> str | None:
    return "it says what is differentiated" if not isinstance(node, Input) and node.body.has(*_DERIVATIVES_ONLY) else None


def _body(node: Comprehension) -> Node:
    """Selections folded; stop_gradient and at_kink, which say what is differentiated, dropped."""
    body = _folded(node.body)
    if body == node.body:
        return node
    return _made(node.axes, node.over, node.reduce, body, node.reads, node)


def _made(axes: Sequence[Size], over: Sequence[Size], reduce: str | None, body: sp.Expr, reads: Sequence[Read], like: Comprehension) -> Node:
    """A node in the place of another; what it reads, where it only re-indexes that."""
    new = comprehension(axes, over, reduce, body, reads, like.origin, like.dtype)
    return identity(new.reads[0], axes, like.origin) if is_view(new) else new


@cache
def _folded(body: sp.Expr) -> sp.Expr:
    return _fold(body, {}) if body.has(*_DERIVATIVES_ONLY, op("where")) else body


def _fold(e: sp.Expr, known: Mapping[sp.Expr, bool]) -> sp.Expr:
    """An expression where the conditions of the selections around it are known."""
    if e.is_Atom:
        return e
    if isinstance(e, _DERIVATIVES_ONLY):
        return _fold(e.args[-1], known)
    if isinstance(e, op("where")):
        condition, yes, no = e.args
        if condition in known:
            return _fold(yes if known[condition] else no, known)
        folded = truth(_fold(condition, known), {})
        return where(folded, _fold(yes, {**known, condition: True}), _fold(no, {**known, condition: False}))
    args = [_fold(a, known) for a in e.args]
    return e if all(a is b for a, b in zip(args, e.args, strict=True)) else e.func(*args)


def _unguarded(node: Comprehension) -> Node:
    """where(a == 0 and f(x) == inf, 0, a*b), where 0*b is 0 anyway. The guard is for derivatives that are infinite there."""
    if not is_where(node.body) or node.body.args[1] != 0 or not isinstance(node.body.args[2], sp.Mul):
        return node
    zeros, infinite = [], set[sp.Symbol]()
    for c in conjuncts(node.body.args[0]):
        if isinstance(c, op("eq")) and c.args[1] == 0:
            zeros.append(c.args[0])
        elif isinstance(c, op("eq")) and c.args[1] == INF:
            infinite |= c.args[0].free_symbols
        else:
            return node
    factors = node.body.args[2].args
    sizes = {s for size in node.ranges.values() for s in size.free_symbols}
    if not all(f in zeros or isinstance(f, _BOUNDED) and f.free_symbols <= infinite or f.is_Number or f.free_symbols and f.free_symbols <= sizes
               for f in factors) or not any(f in zeros for f in factors):
        return node
    return _made(node.axes, node.over, node.reduce, node.body.args[2], node.reads, node)


def _scale(e: sp.Expr) -> sp.Expr | None:
    """The coefficient of a body that only scales what it reads: numbers and extents."""
    if not isinstance(e, sp.Mul) or X0 not in e.args:
        return None
    coefficient = e / X0
    return None if any(isinstance(s, Placeholder | AxisIndex | OverIndex) for s in coefficient.free_symbols) else coefficient


def _one_scale(node: Comprehension) -> Node:
    """a * (b * x)"""
    if node.reduce is not None or node.dtype != "float" or (outer := _scale(node.body)) is None:
        return node
    opened = enter(node.reads[0])
    if opened is None or (inner := _scale(opened.expr)) is None or opened.reads[0].operand.dtype != "float":
        return node
    read = rewrite(opened.reads[0], opened.place)
    return _made(node.axes, (), None, outer * inner * X0, [read], node)


def _signed_product(node: Comprehension) -> Node:
    """(-A) B = -(A B)"""
    positive, sign = [], 1
    for read in product_operands(node) or ():
        opened = enter(read)
        negated = opened is not None and opened.expr == -X0
        positive.append(rewrite(opened.reads[0], opened.place) if opened is not None and negated else read)
        sign = -sign if negated else sign
    if positive in ([], list(node.reads)):
        return node
    product = comprehension(node.axes, node.over, "sum", node.body, positive, node.origin, node.dtype)
    return product if sign > 0 else comprehension(node.axes, (), None, -X0, [plain(product)], node.origin, node.dtype)


def _independent_sum(node: Comprehension) -> Node:
    """sum over j of what does not depend on j, or where j is 0 alone"""
    if node.reduce != "sum":
        return node
    used = set(node.body.free_symbols).union(*(symbols_of(r) for r in node.reads))
    free = [k for k, size in enumerate(node.over) if size == 1 or over_index(k) not in used]
    if not free:
        return node
    kept = [k for k in range(len(node.over)) if k not in free]
    renumber = {over_index(k): over_index(m) for m, k in enumerate(kept)} | {over_index(k): sp.Integer(0) for k in free}
    body = sp.Mul(*(node.over[k] for k in free)) * node.body.xreplace(renumber)
    over = [node.over[k] for k in kept]
    reads = [rewrite(r, renumber) for r in node.reads]
    return _made(node.axes, over, "sum" if over else None, body, reads, node)


def _selected_sum(node: Comprehension) -> Node:
    """sum over j of where(c, f, 0), when c has axes alone, some of which f has not; f must be there to be read where c fails"""
    if node.reduce != "sum" or not is_where(node.body) or node.body.args[2] != 0:
        return node
    condition, taken, _ = node.body.args
    used = taken.free_symbols.union(*(symbols_of(r) for r in node.reads))
    kept = [k for k in range(len(node.axes)) if axis_index(k) in used]
    if len(kept) == len(node.axes) or any(isinstance(s, Placeholder | OverIndex) for s in condition.free_symbols) \
            or not all(_is_inside(r, node) for r in node.reads):
        return node
    renumber = {axis_index(k): axis_index(m) for m, k in enumerate(kept)}
    total = comprehension([node.axes[k] for k in kept], node.over, "sum", taken.xreplace(renumber), [rewrite(r, renumber) for r in node.reads],
                          node.origin, node.dtype)
    return comprehension(node.axes, (), None, where(condition, X0, 0), [Read(total, tuple(axis_index(k) for k in kept))], node.origin, node.dtype)


def _is_inside(read: Read, node: Comprehension) -> bool:
    """Whether a read stays inside by its loops; a constant index may be outside of what is empty."""
    return all(not isinstance(e, Read) and bool(e.free_symbols & set(node.ranges)) and inside(e, size, node.ranges) is True
               for e, size in zip(read.index, read.operand.dims, strict=True))
