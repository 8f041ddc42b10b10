r"""removable: functions of one variable whose formula is 0/0, infinity - infinity, or cancels, at a point where the function is analytic.

    sin(x)/x,  (exp(x) - 1)/x,  log(x)/(x - 1),  1/tanh(x) - 1/x,  (1 - cos x)/x^2        a removable singularity
    exp(x) - 1 - x,  x - sin(x),  log(x) - x + 1                                          terms that cancel to a higher order

They are found by their limit, whatever way they are written: the orders of the zeros of numerator and denominator at a point are read
off their Taylor series in many digits, and the series of the quotient is that of the function. `scalar.analytic` says how it is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Any

import mpmath
import sympy as sp

from graphc.ir.build import comprehension, prune
from graphc.ir.nodes import Comprehension, Input, Node, Read, Scatter
from graphc.ir.walk import rebuild
from graphc.passes.parts import EXPONENTIALS
from graphc.passes.quotients import scaled
from graphc.passes.rewrite import apply_rules
from graphc.passes.subject import DEPTH, Subject, expanded
from graphc.scalar.analytic import Analytic, analytic, value_of
from graphc.scalar.symbols import Placeholder, placeholder
from graphc.scalar.table import Op, op, where

__all__ = ["fill_removable", "function_of"]

X = placeholder(0)
U = sp.Dummy("u")
ZERO, ONE = sp.Integer(0), sp.Integer(1)
DIGITS = 70             # of Taylor coefficients
TERMS = 50
WIDTH = 6               # terms or factors of what is looked at
SIZE = 120              # operations of what is looked at
SMALL = 1e-50           # a coefficient below it is 0
ALONE = tuple(map(op, ("log", "log1p", "log_product", "sqrt", "power")))       # what is looked at by itself, not in a sum or quotient
POINTS = (sp.Integer(0), sp.Integer(1), sp.Integer(-1))
SMOOTH = frozenset("""exp expm1 log log1p log2 log10 sigmoid logsigmoid softplus sqrt sin cos tan arcsin arccos arctan sinh cosh tanh sech logcosh
    arcsinh arccosh arctanh erf erfc log1p_square""".split())


def fill_removable(roots: Sequence[Node]) -> list[Node]:
    """The graph with such functions as rows of the table."""
    done = rebuild(roots, _Filler().visit)
    return [done[r] for r in roots]


class _Filler:
    def __init__(self) -> None:
        self.steps: dict[Node, int] = {}        # how many maps below a node's own the nearest function stands
        self.growing: set[Node] = set()         # maps with exponentials in them, or in maps below

    def visit(self, node: Node) -> Node:
        if isinstance(node, Comprehension | Scatter) and self.below(node) <= DEPTH:
            grows = _has_exponential(node.body) or any(r.operand in self.growing for r in node.reads)
            if grows and node.reduce is None:
                self.growing.add(node)
            for site in _sites(node.body, grows):
                found = _function(node, site)
                if found is not None:
                    return self.visit(found)
        self.steps[node] = self.below(node) if isinstance(node, Comprehension) and node.reduce is None else DEPTH + 1
        return node

    def below(self, node: Comprehension | Scatter) -> int:
        """Most sums are of reads alone, and are not looked at further."""
        return 0 if _has_function(node.body) else 1 + min((self.steps.get(r.operand, 0) for r in node.reads), default=DEPTH)


@cache
def _has_function(body: sp.Expr) -> bool:
    return bool(body.has(Op))


@cache
def _has_exponential(body: sp.Expr) -> bool:
    return bool(body.has(*EXPONENTIALS))


@cache
def _sites(body: sp.Expr, products: bool) -> tuple[sp.Expr, ...]:
    """Sums, quotients, powers, logarithms, and products where those are asked for, outermost first."""
    return tuple(e for e in sp.preorder_traversal(body) if isinstance(e, (sp.Add, *ALONE))
                 or isinstance(e, sp.Mul) and (products or _divides(e)) or isinstance(e, sp.Pow) and not e.exp.is_positive)


def _divides(e: sp.Expr) -> bool:
    return any(isinstance(f, sp.Pow) and f.exp.could_extract_minus_sign() and any(isinstance(s, Placeholder) for s in f.free_symbols) for f in e.args)


def _function(node: Comprehension | Scatter, site: sp.Expr) -> Node | None:
    """The node with a site replaced, if that is such a function of one value."""
    if len(site.args) > WIDTH:
        return None
    whole = expanded(Subject(site, node.reads))
    value = _better(whole.expr)
    if value is None or value == site:
        return None
    base = len(node.reads)
    value = value.xreplace({placeholder(k): placeholder(base + k) for k in range(len(whole.reads))})
    body, reads = node.body.xreplace({site: value}), [*node.reads, *whole.reads]
    if isinstance(node, Scatter):
        body, kept = prune(body, reads)
        return replace(node, body=body, reads=kept)
    return comprehension(node.axes, node.over, node.reduce, body, reads, node.origin, node.dtype)


@cache
def _better(e: sp.Expr) -> sp.Expr | None:
    """An expression by such a function."""
    if isinstance(e, sp.Mul) and not _divides(e):
        return scaled(e)
    written = _written_out(e)
    known = None if _is_large(e) else _by_function(_of_one_value(_without_grouping(written))) or _near_zero(written)
    return known or scaled(e)


def _is_large(e: sp.Expr) -> bool:
    """Whether a formula has more in it than any that people write with such a limit: derivatives do."""
    return any(True for _ in islice(sp.preorder_traversal(e), SIZE, None))


def _by_function(split: tuple[sp.Expr, sp.Expr, sp.Expr] | None) -> sp.Expr | None:
    """others * f(u), with f a function of the table."""
    found = split and _analytic(split[1])
    return split[0] * found(split[2]) if split and found else None


def _near_zero(e: sp.Expr) -> sp.Expr | None:
    """sin(a x)/x = a sin(u)/u with u = a x, for any a, where |u| < 1; `grouped` marks what is done."""
    if e.has(op("grouped"), op("where")):
        return None
    for below in (f.base for f in sp.Mul.make_args(e) if isinstance(f, sp.Pow) and isinstance(f.base, Placeholder) and f.exp.is_negative):
        for u in (a for o in sorted(e.atoms(Op), key=str) for a in o.args if isinstance(a, sp.Mul) and below in a.args):
            value = _by_function(_of_one_value(e.xreplace({below: U / (u / below)}), U))
            if value is not None:
                elsewhere = e.xreplace({1 / below**k: 1 / op("grouped")(below)**k for k in (1, 2, 3, 4)})
                return where(op("lt")(op("abs")(u), ONE), value.xreplace({U: u}), elsewhere)
    return None


def _written_out(e: sp.Expr) -> sp.Expr:
    """An expression with the formulas of such functions that are in it."""
    made = [o for o in e.atoms(Op) if o.row.definition is not None]
    return e.xreplace({o: o.row.definition.formula.xreplace({X: o.args[0]}) for o in made}) if made else e


def _without_grouping(e: sp.Expr) -> sp.Expr:
    """An expression without what holds its factors together, as those of (x exp(x/2))^2."""
    while held := e.atoms(op("grouped")):
        e = e.xreplace({o: o.args[0] for o in held})
    return e


def _of_one_value(e: sp.Expr, of: sp.Expr | None = None) -> tuple[sp.Expr, sp.Expr, sp.Expr] | None:
    """(others, f, u) with e = others * f(u), f of one variable; u is `of`, or a read, or what a denominator is made of."""
    factors = sp.Mul.make_args(e)
    below = [f for f in factors if isinstance(f, sp.Pow) and f.exp.could_extract_minus_sign()]
    for u in [of] if of is not None else _candidates(e, below):
        of_u = [f.xreplace({u: U}) for f in factors]
        mine = [g for g in of_u if g.free_symbols == {U}]
        others = [f for f, g in zip(factors, of_u, strict=True) if g.free_symbols != {U}]
        mixed = any(f in below and U in g.free_symbols != {U} for f, g in zip(factors, of_u, strict=True))
        if mine and not mixed:
            return sp.Mul(*others), sp.Mul(*mine).xreplace({U: X}), u
    return None


def _candidates(e: sp.Expr, below: Sequence[sp.Expr]) -> dict[sp.Expr, None]:
    """What a function could be one of: a read, a sum that is divided by, an argument that is a sum."""
    reads = [s for f in (below or [e]) for s in sorted(f.free_symbols, key=str) if isinstance(s, Placeholder)]
    sums = [f.base for f in below if isinstance(f.base, sp.Add)]
    return dict.fromkeys([*reads, *sums, *(a for o in sorted(e.atoms(Op), key=str) for a in o.args if isinstance(a, sp.Add))])


@cache
def _analytic(f: sp.Expr) -> type[Op] | None:
    """The function of the table for a formula of x0 that fails somewhere; None for one that does not."""
    if not all(o.row.name in SMOOTH for o in f.atoms(Op)) or not f.atoms(Op) or any(not p.exp.is_number for p in f.atoms(sp.Pow)):
        return None
    above, below = sp.fraction(sp.together(f))
    with mpmath.workdps(DIGITS):
        for point in [*POINTS, *_roots(below)]:
            series = _quotient_series(above, below, point) if below.free_symbols else _cancelling_series(f, point)
            if series is not None:
                return analytic(Analytic(f, point, series, _stabilised))
    return None


def function_of(formula: sp.Expr) -> type[Op]:
    """The function of the table for a formula of x0 that has a limit where it fails."""
    found = _analytic(formula)
    assert found is not None, formula
    return found


@cache
def _stabilised(e: sp.Expr) -> sp.Expr:
    """An expression of x0 as the tables of stable forms rewrite it."""
    from graphc.passes.stable.table import STABLE
    x = Input("x", "float", ())
    (node,) = apply_rules(STABLE, [comprehension((), (), None, e, [Read(x)])])
    return node.body.xreplace({placeholder(k): X for k in range(len(node.reads))}) if isinstance(node, Comprehension) else e


def _roots(e: sp.Expr) -> list[sp.Expr]:
    """Rational roots of the linear factors of a denominator."""
    found = []
    for factor in sp.Mul.make_args(e):
        base = factor.base if isinstance(factor, sp.Pow) else factor
        slope = base.diff(X) if base.is_polynomial(X) else ZERO
        if slope.is_Rational and slope != 0 and (root := -base.xreplace({X: ZERO}) / slope).is_Rational and root not in POINTS:
            found.append(root)
    return found


def _taylor(e: sp.Expr, point: sp.Expr) -> list[Any] | None:
    """The Taylor coefficients of an expression, None where it is not analytic."""
    try:
        at = value_of(point, 0)
        if not mpmath.isfinite(value_of(e, at)):
            return None
        found = mpmath.taylor(lambda x: value_of(e, x), at, TERMS - 1)
    except (ValueError, ZeroDivisionError, mpmath.libmp.NoConvergence):
        return None
    return [c if abs(c) > SMALL else mpmath.mpf(0) for c in found] if all(map(mpmath.isfinite, found)) else None


def _quotient_series(above: sp.Expr, below: sp.Expr, point: sp.Expr) -> tuple[Any, ...] | None:
    """The series of a quotient whose denominator is 0 at a point where the quotient has a limit."""
    at = value_of(point, 0)
    zero = value_of(below, at)
    if not mpmath.isfinite(zero) or abs(zero) > SMALL:
        return None
    g, h = _taylor(above, point), _taylor(below, point)
    if g is None or h is None:
        return None
    first = next((k for k, c in enumerate(h) if c), None)
    if not first or any(g[:first]):
        return None
    g, h = g[first:], h[first:]
    series: list[Any] = []
    for k in range(len(g)):
        series.append((g[k] - mpmath.fsum(h[k - m] * series[m] for m in range(k))) / h[0])
    return tuple(series)


def _cancelling_series(f: sp.Expr, point: sp.Expr) -> tuple[Any, ...] | None:
    """The series of a sum whose terms cancel at a point to a higher order than any of them has."""
    if not isinstance(f, sp.Add) or abs(value_of(f, value_of(point, 0))) > SMALL:
        return None
    terms = [_taylor(t, point) for t in f.args]
    if None in terms:
        return None
    total = [mpmath.fsum(c) for c in zip(*terms, strict=True)]                                   # type: ignore[arg-type]
    order = next((k for k, c in enumerate(total) if abs(c) > SMALL), None)
    if order is None or order < 1 or all(not any(t[:order]) for t in terms) or point != 0 and order < 2:         # type: ignore[index]
        return None
    return tuple(c if abs(c) > SMALL else mpmath.mpf(0) for c in total)
