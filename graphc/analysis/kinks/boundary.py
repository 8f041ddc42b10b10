r"""What happens where a selection changes sides: where(c, a, b) at the boundary u == v of its comparisons.

    a != b there                        the value jumps
    a == b, da/dx != db/dx              a kink
    a == b, da/dx == db/dx              smooth (of first order), as in Huber's loss

Decided exactly: the boundary is solved for a leaf that stands linearly in u - v (or in the w of |w| = r), the solution is put into a - b
and its derivatives, and rational arithmetic says whether they are 0 (numbers up to 1e-12: constants such as log 2 are rounded). Where that
fails the answer is not certain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from graphc.analysis.kinks.region import POSITIVE, Region
from graphc.scalar.table import Op, op

__all__ = ["Verdict", "boundary", "solutions", "contradicts", "slope", "never_zero", "UNDECIDED"]

Solution = dict[sp.Expr, sp.Expr]
LARGEST = 400        # operations of an expression that is looked at
ROUNDED = 1e-12

_COMPARE: dict[str, Callable[[sp.Expr], bool]] = {"lt": lambda d: d < 0, "le": lambda d: d <= 0, "gt": lambda d: d > 0, "ge": lambda d: d >= 0,
                                                  "eq": lambda d: d == 0, "ne": lambda d: d != 0}
_SYMPY: dict[str, Callable[..., sp.Expr]] = {
    "exp": sp.exp, "log": sp.log, "expm1": lambda x: sp.exp(x) - 1, "log1p": lambda x: sp.log(1 + x), "sqrt": sp.sqrt, "sin": sp.sin,
    "cos": sp.cos, "tan": sp.tan, "tanh": sp.tanh, "sinh": sp.sinh, "cosh": sp.cosh, "arctan": sp.atan, "erf": sp.erf,
    "sigmoid": lambda x: 1 / (1 + sp.exp(-x)), "logsigmoid": lambda x: -sp.log(1 + sp.exp(-x)), "softplus": lambda x: sp.log(1 + sp.exp(x)),
    "logaddexp": lambda a, b: sp.log(sp.exp(a) + sp.exp(b)), "power": sp.Pow, "stop_gradient": lambda x: x}


class Undecided(Exception):
    """The arithmetic here does not say."""


def _infinite(e: sp.Expr) -> bool:
    return bool(e.has(sp.zoo, sp.oo, -sp.oo))


@dataclass(frozen=True)
class Verdict:
    """kind: "" (smooth), kink, jump, or singular."""

    kind: str
    certain: bool = True


UNDECIDED = Verdict("kink", False)


def boundary(region: Region, u: sp.Expr, v: sp.Expr, yes: sp.Expr, no: sp.Expr) -> Verdict:
    """What where(u < v, yes, no) does at u == v. A boundary that cannot be solved matters only where the branches differ."""
    if max(sp.count_ops(yes), sp.count_ops(no)) > LARGEST:
        return UNDECIDED
    if whole := _as_one(u, v, yes, no):
        return boundary(region, *whole)
    found = solutions(u - v)
    try:
        verdicts = [_at(region, at, yes, no) for at in ([{}] if found is None else found)]
    except Undecided:
        return UNDECIDED
    worst = max(verdicts, key=lambda w: ("", "kink", "singular", "jump").index(w.kind), default=Verdict(""))
    return UNDECIDED if found is None and worst.kind == "jump" else worst


def _as_one(u: sp.Expr, v: sp.Expr, *branches: sp.Expr) -> tuple[sp.Expr, ...] | None:
    """The comparison and the branches over a leaf of its own for r in |r| < 1, or for u, where they depend on what is in it by that alone."""
    t = sp.Symbol("u", real=True)
    inside = sorted((e.args[0] for e in (u - v).atoms(op("abs"))), key=sp.default_sort_key)
    for w in (*inside, u, v):
        rest = [e.xreplace({w: t}) for e in (u, v, *branches)]
        if w.free_symbols and not w.is_Atom and any(e.has(t) for e in rest[2:]) and not any(e.free_symbols & w.free_symbols for e in rest):
            return tuple(rest)
    return None


def _at(region: Region, at: Solution, yes: sp.Expr, no: sp.Expr) -> Verdict:
    values = [_lowered(side.xreplace(at), True) for side in (yes, no)]
    if _infinite(values[0]) != _infinite(values[1]):
        return Verdict("jump")
    jump = _exact(values[0] - values[1])
    if jump != 0:
        return Verdict("jump", region.independent(jump.free_symbols))
    for leaf in sorted((s for s in yes.free_symbols | no.free_symbols if type(s) is sp.Symbol), key=str):
        sides = [_lowered(side.diff(leaf).xreplace(at), False) for side in (yes, no)]
        if any(map(_infinite, sides)):
            return Verdict("singular", region.independent(yes.free_symbols | no.free_symbols))
        bend = _exact(sides[0] - sides[1])
        if bend != 0:
            return Verdict("kink", region.independent(bend.free_symbols))
    return Verdict("")


def slope(taken: sp.Expr, at: Solution, leaf: sp.Expr) -> sp.Expr | None:
    """The derivative of the branch taken, where it is a number."""
    try:
        found = _exact(_lowered(taken.diff(leaf).xreplace(at), False))
    except Undecided:
        return None
    return found if found.is_number else None


def solutions(d: sp.Expr) -> list[Solution] | None:
    """The ways in which d is 0, each as the value of a leaf; none: never 0. None where it cannot be solved."""
    d = _rational(d)
    distances = [e for e in d.atoms(op("abs"))]
    if len(distances) == 1:
        (distance,) = distances
        inside, t = distance.args[0], sp.Dummy()
        line = sp.expand(d.xreplace({distance: t}))
        factor = line.coeff(t, 1)
        if not factor.is_number or factor == 0 or sp.expand(line - factor * t).has(t):
            return None
        radius = -(line - factor * t) / factor
        if not radius.is_number:
            return None
        if radius < 0:
            return []
        both = [solutions(inside - r) for r in dict.fromkeys((radius, -radius))]
        return None if None in both else [s for found in both for s in found or []]
    for leaf in sorted((s for s in d.free_symbols if type(s) is sp.Symbol), key=str):
        factor = sp.diff(d, leaf) if not d.has(Op) or not any(leaf in e.free_symbols for e in d.atoms(Op)) else sp.Integer(0)
        if factor.is_number and factor != 0:
            return [{leaf: sp.expand(leaf - d / factor)}]
    return None


def contradicts(path: tuple[tuple[sp.Expr, bool], ...], at: Solution) -> bool:
    """Whether a point is surely not on the sides of the selections around."""
    for condition, taken in path:
        try:
            if _truth(_rational(condition).xreplace(at)) != taken:
                return True
        except Undecided:
            continue
    return False


def _rational(e: sp.Expr) -> sp.Expr:
    """Decimal literals as the fractions that they are: 0.1 is 1/10."""
    return e.xreplace({f: sp.Rational(str(f)) for f in e.atoms(sp.Float)})


def _exact(e: sp.Expr) -> sp.Expr:
    """0 where an expression is 0."""
    if _infinite(e) or e.has(sp.nan):
        raise Undecided
    e = sp.expand(e)
    if e.is_number:
        return sp.Integer(0) if abs(sp.N(e, 30)) < ROUNDED else e
    return sp.expand(sp.cancel(sp.together(e))) if e.is_rational_function() else e


def _truth(condition: sp.Expr) -> bool:
    if not isinstance(condition, Op):
        raise Undecided
    name = condition.row.name
    if name == "not_":
        return not _truth(condition.args[0])
    if name in ("and_", "or_"):
        return (all if name == "and_" else any)([_truth(a) for a in condition.args])
    if name not in _COMPARE:
        raise Undecided
    a, b = (_lowered(x, True) for x in condition.args)
    difference = _exact(a - b)
    if not difference.is_number or not difference.is_real:
        raise Undecided
    return bool(_COMPARE[name](difference))


def _lowered(e: sp.Expr, value: bool) -> sp.Expr:
    """An expression over sympy's own functions. In a derivative (value False), one that is at a kink of its own is undecided."""
    e = _rational(e)
    if isinstance(e, op("where")):
        condition, yes, no = e.args
        if not value and isinstance(condition, Op) and condition.row.name in _COMPARE and condition.args[0] == condition.args[1]:
            raise Undecided
        return _lowered(yes if _truth(condition) else no, value)
    if e.is_Atom:
        return e
    args = [_lowered(a, value) for a in e.args]
    if not isinstance(e, Op):
        return e.func(*args)
    if e.row.name in _SYMPY:
        return _SYMPY[e.row.name](*args)
    return _bent(e.row.name, args, value)


def _bent(name: str, args: list[sp.Expr], value: bool) -> sp.Expr:
    """Functions with kinks, at numbers."""
    d = _exact(args[0] - args[1] if name in ("maximum", "minimum") else args[0])
    if name not in ("abs", "sign", "relu", "maximum", "minimum") or not d.is_number or not d.is_real or d == 0 and not value:
        raise Undecided
    return {"abs": abs(d), "sign": sp.sign(d), "relu": sp.Max(d, 0), "maximum": args[0] if d >= 0 else args[-1],
            "minimum": args[0] if d <= 0 else args[-1]}[name]


def never_zero(region: Region, d: sp.Expr) -> bool:
    return region.sign(d) == POSITIVE or region.sign(-d) == POSITIVE or solutions(d) == []
