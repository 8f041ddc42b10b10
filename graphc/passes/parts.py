r"""What an expression is made of, whatever way it is written: the terms of a sum, the factors of a product, the exponent of an exponential, the
base of a power.

    terms        a + 2 (b - c)        a, 2 b, -2 c
    factors      a / (b c)^2          a, b^-2, c^-2;  where(i < j, a b, 0) has where(i < j, a, 0), where(i < j, b, 0)
    exponent     1 / exp(x)           -x;  and inside a logarithm, 3 exp(x) has log(3) + x
    nth root     4 a^2 b^4            2 a b^2, for n = 2
"""

from __future__ import annotations

import sympy as sp

from graphc.ir.nodes import Comprehension
from graphc.passes.pattern import is_number, split
from graphc.passes.subject import Subject, combined, located, raised, unfold
from graphc.scalar.symbols import INF, Placeholder
from graphc.scalar.table import op, where

__all__ = ["EXPONENTIALS", "WIDTH", "ZERO", "ONE", "exponent", "exponent_of", "is_growth", "is_masked", "nth_root", "parts_of"]

WIDTH = 12              # terms or factors beyond which a commutative match is not tried
ZERO, ONE = sp.Integer(0), sp.Integer(1)
EXPONENTIALS = (op("exp"), op("exp_sum"), op("exp_affine"))
POSITIVE = tuple(map(op, "exp exp_sum exp_affine cosh sech sigmoid softplus erfc erfcx inverse_total".split()))


def exponent_of(e: sp.Expr) -> sp.Expr:
    """x of exp(x), x + y of exp_sum(x, y), x + y z of exp_affine(x, y, z)"""
    return e.args[0] + e.args[1] * e.args[2] if isinstance(e, op("exp_affine")) else sp.Add(*e.args)


def exponent(s: Subject, loose: bool) -> Subject | None:
    """x where the subject is exp(x); None where it is no exponential."""
    s = unfold(s)
    e = s.expr
    if isinstance(e, EXPONENTIALS):
        return s._replace(expr=exponent_of(e))
    if isinstance(e, op("sqrt")):
        e = sp.sqrt(e.args[0])
    if isinstance(e, sp.Pow) and e.exp.is_number and (loose or e.exp in (-1, 2, -2)):           # exact multiples of the exponent
        inner = exponent(s._replace(expr=e.base), loose)
        return None if inner is None else inner._replace(expr=e.exp * inner.expr)
    if not loose:
        return None
    if isinstance(e, op("power")) and e.args[0].is_number and e.args[0].is_positive:
        return s._replace(expr=op("log")(e.args[0]) * e.args[1])
    if isinstance(e, op("at_kink") | op("grouped")):
        return exponent(s._replace(expr=e.args[-1]), loose)
    if isinstance(e, op("inverse_total")) and e.args[1] != 0:
        return s._replace(expr=-op("log_total")(ZERO, *e.args))                                 # 1 / Σ exp, in a softmax
    if isinstance(e, op("sigmoid") | op("erfc")):
        return s._replace(expr=op(f"log{e.row.name}")(*e.args))
    if isinstance(e, op("where")) and ZERO in e.args[1:]:
        sides = [Subject(-INF) if a == 0 else exponent(s._replace(expr=a), loose) for a in e.args[1:]]
        return None if None in sides else combined(lambda c, *x: where(c, *x), [s._replace(expr=e.args[0]), *sides])    # type: ignore[list-item]
    if isinstance(e, sp.Mul):
        coefficient, factors = parts_of(sp.Mul, s)
        powers = [exponent(f, loose) for f in factors]
        if coefficient.is_number and coefficient.is_positive and None not in powers:
            scale = [] if coefficient == 1 else [Subject(op("log")(coefficient))]
            return combined(sp.Add, [*scale, *powers])                                          # type: ignore[list-item]
    if isinstance(e, sp.Add | sp.Mul | Placeholder) and _grows_unscaled(s) and is_growth(s, masked=True):
        return s._replace(expr=op("log")(e))                                                    # Σ exp, 1 + exp
    return None


def _grows_unscaled(s: Subject) -> bool:
    """Whether there are exponentials in it, or in sums that it reads, that no maximum is taken out of."""
    s = unfold(s)
    e = s.expr
    if isinstance(e, Placeholder):
        node = located(s).operand
        return isinstance(node, Comprehension) and node.reduce == "sum" and _grows_unscaled(Subject(node.body, node.reads))
    if isinstance(e, EXPONENTIALS):
        return not e.has(op("excess"))
    return isinstance(e, sp.Add | sp.Mul | op("where")) and any(_grows_unscaled(s._replace(expr=a)) for a in e.args)


def is_growth(s: Subject, masked: bool = False) -> bool:
    """Whether a value is made of exponentials and their kin and of positive numbers, by sums, products, powers and selections; `masked` where some
    of it may be 0."""
    s = unfold(s)
    e = s.expr
    if isinstance(e, POSITIVE) or is_number(e) and bool(e.is_nonnegative if masked else e.is_positive):
        return True
    if isinstance(e, Placeholder):
        node = located(s).operand
        return isinstance(node, Comprehension) and node.reduce in ("sum", "prod") and is_growth(Subject(node.body, node.reads), masked)
    whole = isinstance(e, sp.Add | sp.Mul | op("grouped"))
    parts = e.args if whole else e.args[1:] if isinstance(e, op("where")) else e.args[:1] if isinstance(e, sp.Pow) else ()
    return bool(parts) and all(is_growth(s._replace(expr=a), masked) for a in parts)


def nth_root(s: Subject, n: sp.Expr) -> Subject | None:
    """x where a product is x^n, n > 1, by its exponents: 2 a b^2 where it is 4 a^2 b^4."""
    if not (n.is_Integer and n > 1):
        return None
    number, factors = s.expr.as_coeff_Mul()
    root = number**(1 / n)
    powers = [f.as_base_exp() for f in sp.Mul.make_args(factors)]
    if not root.is_Rational or any(not (k.is_Integer and k % n == 0) for _, k in powers):
        return None
    return s._replace(expr=root * sp.Mul(*(b**(k / n) for b, k in powers)))


def parts_of(head: type, s: Subject) -> tuple[sp.Expr, list[Subject]]:
    """The coefficient and the parts of a sum or product, those of sums or products that it reads included, up to WIDTH of them. Each knows
    within which part of `s` itself it stands, where that is a sum or product that is visited by itself."""
    if type(s.expr) is not head:
        return _factors(s, ONE, WIDTH)
    constant, own = split(s.expr)
    found: list[Subject] = []
    for k, part in enumerate(own):
        room = WIDTH - len(found) - (len(own) - 1 - k)
        number, more = (_term if head is sp.Add else _factors)(s._replace(expr=part), ONE, room)
        constant = head(constant, number)
        alone = isinstance(part if head is sp.Mul else part.as_coeff_Mul()[1], Placeholder) and abs(part.as_coeff_Mul()[0]) == 1
        found += [m._replace(within=k) for m in more] if alone else more
    return constant, found


def _terms(s: Subject, scale: sp.Expr, room: int) -> tuple[sp.Expr, list[Subject]]:
    """The terms of a multiple of a sum. What has no room is left as one term, so a chain of sums is entered to a depth of `room` only."""
    constant, terms = split(s.expr)
    constant, found = scale * constant, list[Subject]()
    for k, term in enumerate(terms):
        c, nested = _term(s._replace(expr=term), scale, room - len(found) - (len(terms) - 1 - k))
        constant, found = constant + c, found + nested
    return constant, found


def _term(s: Subject, scale: sp.Expr, room: int) -> tuple[sp.Expr, list[Subject]]:
    """The terms of a multiple of one term, which may read a sum."""
    number, core = s.expr.as_coeff_Mul()
    inner = unfold(s._replace(expr=core)) if isinstance(core, Placeholder) else s._replace(expr=core)
    if isinstance(inner.expr, sp.Add) and room > 1:
        return _terms(inner, scale * number, room)
    return ZERO, [s._replace(expr=scale * s.expr)]


def is_masked(e: sp.Expr) -> bool:
    """Whether a condition on indices chooses between a product and 0, as in a cumulative sum: then it chooses so for each factor."""
    return isinstance(e, op("where")) and e.args[2] == 0 and not e.args[0].atoms(Placeholder)


def _factors(s: Subject, power: sp.Expr, room: int) -> tuple[sp.Expr, list[Subject]]:
    """The factors of a subject raised to an integer power."""
    e = s.expr
    if room < 1:
        return ONE, [raised(s, power)]
    if isinstance(e, sp.Mul):
        constant, parts = split(e)
        constant, found = constant**power, list[Subject]()
        for k, part in enumerate(parts):
            c, nested = _factors(s._replace(expr=part), power, room - len(found) - (len(parts) - 1 - k))
            constant, found = constant * c, found + nested
        return constant, found
    if isinstance(e, sp.Pow) and e.exp.is_Integer:
        return _factors(s._replace(expr=e.base), power * e.exp, room - 1)
    inner = unfold(s)
    if power == 1 and is_masked(inner.expr):
        condition, taken, _ = inner.expr.args
        c, nested = _factors(inner._replace(expr=taken), ONE, room)
        if len(nested) > 1 and c == 1:
            return ONE, [combined(lambda c, x: where(c, x, ZERO), [inner._replace(expr=condition), f]) for f in nested]
    if inner is not s and isinstance(inner.expr, sp.Mul | sp.Pow):
        c, nested = _factors(inner, power, room - 1)
        if len(nested) > 1 or c != 1 or isinstance(inner.expr, sp.Pow) and inner.expr.exp.is_Integer:
            return c, nested
    return ONE, [raised(s, power)]
