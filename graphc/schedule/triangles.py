r"""Triangular reductions, which run as scans.

    out[i] = reduce over j of f(i, j)        where f(i, j) is neutral for j > i, or for j < i, and may be so for j = i

The condition may stand anywhere in f, and in the maps that f reads at both i and j: these are written out, and f is compared on the two sides of the
diagonal. `where(n - 1 - i <= j, ..)`, which belongs to a flipped array, is the same read backwards. Cumulative sums and maxima, their adjoints,
and the prefix and suffix products in the derivative of a product are of this form. A sum whose terms depend on both indices runs as scans where
they fade (`schedule.fading`): so does the log-sum-exp of what came before, with its derivatives of every order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from graphc.ir.access import rewrite, same_size, symbols_of
from graphc.ir.build import X0, comprehension, plain
from graphc.ir.nodes import Comprehension, Node
from graphc.ir.walk import rebuild
from graphc.passes.conditions import truth
from graphc.passes.subject import Subject, compose, enter
from graphc.scalar.derivative import is_where
from graphc.scalar.symbols import INF, AxisIndex, Placeholder, axis_index, over_index
from graphc.scalar.table import op, where
from graphc.schedule.between import product
from graphc.schedule.fading import Fading
from graphc.schedule.terms import Pair, peak_of, reached

__all__ = ["find_scans"]

NEUTRAL = {"sum": sp.Integer(0), "prod": sp.Integer(1), "max": -INF, "min": INF}
COMPARISONS = tuple(map(op, "lt le gt ge eq ne".split()))
LOGIC = tuple(map(op, "and_ or_ not_".split()))
_OF_ONE = {op("abs"): sp.Integer(1), op("sign"): sp.Integer(1), op("log"): sp.Integer(0)}
ZERO, J, STEP = sp.Integer(0), over_index(0), over_index(1)


def find_scans(roots: Sequence[Node]) -> list[Node]:
    """The graph with triangular reductions as scans."""
    fading = Fading(lambda n: _scan(n, fading))
    done = rebuild(roots, lambda n: _scan(n, fading) or n)
    return [done[r] for r in roots]


def _scan(node: Node, fading: Fading) -> Node | None:
    if not isinstance(node, Comprehension) or node.reduce not in NEUTRAL or len(node.over) != 1:
        return None
    for i in (axis_index(k) for k, size in enumerate(node.axes) if same_size(size, node.over[0])):
        pair = written(Subject(node.body, node.reads), {i, J})
        if pair is not None and {i, J} <= pair.expr.free_symbols and (found := _along(node, i, pair, fading)) is not None:
            return found
    return None


def written(s: Subject, both: set[sp.Symbol]) -> Subject | None:
    """A subject over reads at one of two indices at most, and products; None where something else than a map is read at both."""
    whole = compose(X0, [s], share=True)
    parts: list[Subject] = []
    for read in whole.reads:
        part = Subject(X0, (read,))
        if both <= symbols_of(read) and product(read.operand) is None:
            inner = enter(read)
            opened = None if inner is None else written(inner, both)
            if opened is None:
                return None
            part = opened
        parts.append(part)
    return compose(whole.expr, parts, share=True)


def _along(node: Comprehension, i: AxisIndex, pair: Subject, fading: Fading) -> Node | None:
    """The scan of a node along its axis i; flipped, the reduced index or the axis, where its conditions say so."""
    if not any(_is_flipped(c, i) for c in pair.expr.atoms(*COMPARISONS)):
        return _triangle(node, i, pair, fading)
    ways = ({s: node.over[0] - 1 - s} for s in (J, i))
    found = (_triangle(node, i, Subject(pair.expr.xreplace(way), tuple(rewrite(r, way) for r in pair.reads)), fading) for way in ways)
    if (scan := next(found)) is not None:
        return scan
    if (scan := next(found)) is not None:
        return comprehension(node.axes, (), None, X0, [rewrite(plain(scan), {i: node.over[0] - 1 - i})], node.origin, node.dtype)
    return None


def _is_flipped(condition: sp.Expr, i: sp.Symbol) -> bool:
    """Whether a condition compares j with n - 1 - i."""
    if not {i, J} <= condition.free_symbols or condition.atoms(Placeholder):
        return False
    difference = sp.expand(condition.args[0] - condition.args[1])
    return bool(difference.coeff(i) == difference.coeff(J) != 0)


def _triangle(node: Comprehension, i: AxisIndex, s: Subject, fading: Fading) -> Node | None:
    sides = _Sides(node, i, s)
    assert node.reduce is not None
    neutral = NEUTRAL[node.reduce]
    before, at, after = (sides.value(s.expr, where) for where in ({i: J + 1 + STEP}, {i: J}, {J: i + 1 + STEP}))
    reverse = before == neutral
    body = after if reverse else before
    if (before == neutral) == (after == neutral) or at not in (body, neutral):
        return None
    pair = Pair(node, i, Subject(body, s.reads), reverse, at == body)
    return fading.scans(pair)


@dataclass(frozen=True)
class _Sides:
    """What a body is on one side of the diagonal, given as the substitution that makes its comparisons of indices certain."""

    node: Comprehension
    i: AxisIndex
    s: Subject

    def value(self, e: sp.Expr, at: dict[sp.Symbol, sp.Expr]) -> sp.Expr:
        if e.is_Atom:
            return e
        if isinstance(e, COMPARISONS) and e.free_symbols & {self.i, J} and not e.atoms(Placeholder):
            known = truth(e.xreplace(at), {**self.node.ranges, STEP: self.node.over[0]})
            return known if known in (0, 1) else e
        args = [self.value(a, at) for a in e.args]
        if is_where(e):
            return where(*args)
        new = e if all(a is b for a, b in zip(args, e.args, strict=True)) else e.func(*args)
        if isinstance(e, LOGIC):
            return truth(new, {})
        return self.nothing(new, e, args)

    def nothing(self, new: sp.Expr, e: sp.Expr, args: Sequence[sp.Expr]) -> sp.Expr:
        """0 where a factor is nothing and the others cannot be infinite or NaN by themselves: exp(-inf - m), m being no -inf."""
        if isinstance(e, sp.Mul) and ZERO in args:
            return new if all(a.is_number or J not in self.symbols(a) for a in args) else e
        if args == [1] and type(new) in _OF_ONE:
            return _OF_ONE[type(new)]
        if isinstance(new, op("apart")) and new.args[0] == 0:
            return ZERO
        if isinstance(new, op("exp")):
            number, rest = new.args[0].as_coeff_Mul()
            if number > 0 and isinstance(rest, op("excess")) and rest.args[0] == -INF and self.is_floored(rest.args[1]):
                return ZERO
        if isinstance(new, op("eq")) and new.args[0] == -INF and self.is_floored(new.args[1]):
            return ZERO
        return new

    def is_floored(self, e: sp.Expr) -> bool:
        peak = peak_of(self.s, e)
        return peak is not None and peak.floored

    def symbols(self, e: sp.Expr) -> set[sp.Symbol]:
        return reached(e, self.s.reads)
