r"""quotients: of sums of exponentials, their logarithms, and products with an exponential, out of which the greatest exponent is taken.

    log Σ d_i exp(a_i)         =  m + log Σ d_i exp(a_i - m),              m = max a_i held constant
    c exp(b) / Σ d_i exp(a_i)  =  c exp(-m) / Σ d_i exp(a_i - b - m),      m = max(a_i - b) held constant
    N / Σ d_i exp(a_i)         =  N exp(-m) / Σ d_i exp(a_i - m)           where N is no single exponential
    (Σ d_i exp(a_i))^q         =  exp(m q) (Σ d_i exp(a_i - m))^q          and a root, as a factor or under a fraction
    exp(b) Σ d_i exp(a_i)      =  Σ d_i exp(a_i + b)                       where one may be infinite and the other 0
    exp(b) σ(a)                =  exp(-m) / (exp(-b - m) + exp(-a - b - m))     where they are so for the same values; and a sum times σ(a)

Where such a sum overflows the quotient need not, nor its derivatives, which are infinity / infinity. In the first form the numerator is
constant, so a derivative is a product: exp(x) / (2 + exp(x)) has 2 exp(-x) / (1 + 2 exp(-x))^2 and no difference of two that are nearly 1.

Sums and powers of sums are written out over the exponentials that are in them; all else is a coefficient, of exponent 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import sympy as sp

from graphc.passes.parts import EXPONENTIALS, exponent_of
from graphc.scalar.table import op, where

__all__ = ["opposed", "scaled"]

ZERO, ONE = sp.Integer(0), sp.Integer(1)
WIDTH = 12              # terms of a sum that is written out
POWER = 4               # of a sum that is written out
LOGARITHMS = tuple(map(op, ("log", "log1p", "log_product")))

Sum = dict[sp.Expr, sp.Expr]        # exponent: coefficient


def scaled(e: sp.Expr) -> sp.Expr | None:
    """A quotient, power or logarithm in this form; None for what is none, or has it already."""
    if isinstance(e, LOGARITHMS):
        one, value = (ONE if isinstance(e, op("log1p")) else ZERO), sp.Mul(*e.args)
        inside = _written(value + one) if _overflows(value) else None
        return None if inside is None or len(inside) < 2 else _logarithm(inside) if not one else _of_one_and(inside, value)
    power = _as_power(e)
    if power is not None:
        inside = _written(power[0]) if _overflows(power[0]) else None
        return None if inside is None or len(inside) < 2 else _power(inside, power[1])
    factors = sp.Mul.make_args(e)
    for k, below in enumerate(factors):
        power = _as_power(below)
        if power is not None and power[1].is_negative and _overflows(power[0]):
            return _over_root(sp.Mul(*factors[:k], *factors[k + 1:]), *power)
        if isinstance(below, sp.Pow) and below.exp.is_Integer and below.exp.is_negative and _overflows(below.base):
            terms = _written(below.base)
            if terms is not None and len(terms) > 1:
                rest = sp.Mul(*factors[:k], *factors[k + 1:])
                return _quotient(rest, terms) * below.base**(below.exp + 1)
    return _product_with_exponential(factors)


def _overflows(e: sp.Expr) -> bool:
    """Whether a sum has exponentials, and none that is scaled."""
    return isinstance(e, sp.Add | sp.Mul | sp.Pow) and _has_exponential(e) and not e.has(op("excess"), op("grouped"))


def _has_exponential(e: sp.Expr) -> bool:
    """Whether sums, products and powers of exponentials make up an expression, or a part of it."""
    if isinstance(e, EXPONENTIALS):
        return bool(e.free_symbols)
    return isinstance(e, sp.Add | sp.Mul | sp.Pow) and any(_has_exponential(a) for a in e.args)


def _written(e: sp.Expr) -> Sum | None:
    """An expression as a sum of exponentials; None for one that has too many."""
    if not _has_exponential(e):
        return {ZERO: e}
    if isinstance(e, EXPONENTIALS):
        return {exponent_of(e): ONE}
    if isinstance(e, sp.Pow):
        base = _written(e.base) if e.exp.is_Integer and (0 < e.exp <= POWER or isinstance(e.base, op("exp"))) else None
        if base is None:
            return None
        if len(base) == 1:
            return {a * e.exp: c**e.exp for a, c in base.items()}
        return _product([base] * int(e.exp))
    parts = [_written(a) for a in e.args]
    return None if None in parts else (_total if isinstance(e, sp.Add) else _product)(parts)                        # type: ignore[arg-type]


def _total(parts: list[Sum]) -> Sum | None:
    total: Sum = {}
    for part in parts:
        for a, c in part.items():
            total[a] = total.get(a, ZERO) + c
    return total if len(total) <= WIDTH else None


def _product(parts: list[Sum]) -> Sum | None:
    found: Sum | None = {ZERO: ONE}
    for part in parts:
        if found is not None:
            found = _total([{a + b: c * d} for a, c in found.items() for b, d in part.items()])
    return found


def _as_power(e: sp.Expr) -> tuple[sp.Expr, sp.Expr] | None:
    """(base, q) of a power that is no integer, or of a root, and its inverse."""
    if isinstance(e, sp.Pow) and e.exp.is_Integer and isinstance(e.base, op("sqrt")):
        return e.base.args[0], e.exp / 2
    if isinstance(e, op("sqrt")):
        return e.args[0], sp.Rational(1, 2)
    return (e.args[0], e.args[1]) if isinstance(e, op("power") | sp.Pow) and not e.args[1].is_Integer else None


def _over_root(above: sp.Expr, base: sp.Expr, q: sp.Expr) -> sp.Expr | None:
    """c exp(b) (Σ d_i exp(a_i))^q = c (Σ d_i exp(a_i + b/q))^q"""
    terms, inside = _written(above), _written(base)
    if terms is None or inside is None or len(terms) > 1 or len(inside) < 2:
        return None
    ((b, c),) = terms.items()
    return c * _power({a + b / q: d for a, d in inside.items()}, q)


def _power(terms: Sum, q: sp.Expr) -> sp.Expr:
    m = op("stop_gradient")(reduce(op("maximum"), terms))
    inside = _sum(terms, m)
    power = inside**q if q.is_Integer else op("sqrt")(inside)**int(2 * q) if abs(2 * q) in (1, 3) else op("power")(inside, q)
    return op("exp_affine")(ZERO, m, q) * power


def _product_with_exponential(factors: Sequence[sp.Expr]) -> sp.Expr | None:
    """exp(b) Σ d_i exp(a_i), or such a product with σ(a), by sums of exponents, where an exponent is positive as another is negative."""
    known = [f for f in factors if _exponent(f) is not None]
    sums = [f for f in factors if isinstance(f, sp.Add | sp.Pow) and _overflows(f) and f not in known]
    above = _written(sp.Mul(*known, *sums)) or {}
    for f in factors:
        if isinstance(f, op("sigmoid")) and any(opposed(a, f.args[0]) and _terms(a).keys() == _terms(f.args[0]).keys() for a in above):
            rest = sp.Mul(*(g for g in factors if g != f and g not in known and g not in sums))
            return rest * _quotient(sp.Mul(*known, *sums), {ZERO: ONE, -f.args[0]: ONE})
    b = sp.Add(*(e for f in known if (e := _exponent(f)) is not None))
    for f in sums:
        terms = _written(f)
        if terms is not None and len(terms) > 1 and any(a != 0 and (opposed(b, a) or not _terms(b).keys() <= _terms(a).keys()) for a in terms):
            return sp.Mul(*(g for g in factors if g != f and g not in known)) * sp.Add(*(d * _exponential(a, b) for a, d in terms.items()))
    return None


def _exponent(e: sp.Expr) -> sp.Expr | None:
    """The exponent of an exponential, or of its power; None for what is none."""
    base, power = e.as_base_exp()
    return power * exponent_of(base) if isinstance(base, EXPONENTIALS) and power.is_Integer else None


def _exponential(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """exp(a + b), the sum in twice the precision where no terms of it meet."""
    meet = a == 0 or _terms(a).keys() & _terms(b).keys()
    return op("exp")(a + b) if meet else op("exp_sum")(a, b)


def opposed(a: sp.Expr, b: sp.Expr) -> bool:
    """Whether a term of two sums has different signs in them."""
    ours, theirs = _terms(a), _terms(b)
    return any((ours[t] * theirs[t]).is_negative for t in ours.keys() & theirs.keys())


def _terms(e: sp.Expr) -> dict[sp.Expr, sp.Expr]:
    """The terms of a sum that are no numbers, and their coefficients."""
    return {t: c for t, c in e.as_coefficients_dict().items() if not t.is_number}


def _logarithm(terms: Sum) -> sp.Expr:
    m = op("stop_gradient")(reduce(op("maximum"), terms))
    return m + op("log")(_sum(terms, m))


def _of_one_and(terms: Sum, small: sp.Expr) -> sp.Expr:
    """log(1 + small), which keeps the digits of what is small."""
    greatest = reduce(op("maximum"), (a for a in terms if a != 0))
    return where(op("lt")(greatest, ZERO), op("log1p")(op("grouped")(small)), _logarithm(terms))


def _quotient(above: sp.Expr, below: Sum) -> sp.Expr:
    """above / below"""
    terms = _written(above)
    if terms is None:
        terms = {ZERO: above}
    if len(terms) == 1:
        ((b, c),) = terms.items()
        below, terms = {a - b: d for a, d in below.items()}, {ZERO: c}
    m = op("stop_gradient")(reduce(op("maximum"), below))
    return _sum(terms, m) / _sum(below, m)


def _sum(terms: Sum, m: sp.Expr) -> sp.Expr:
    return sp.Add(*(c * op("exp")(op("excess")(a, m)) for a, c in terms.items()))
