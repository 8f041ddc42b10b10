"""Freezing: a sympy body becomes a small typed tree that says exactly what is computed, and in what order.

    term ::= const value | read k | index symbol | extent symbol          leaves
           | add a b | sub a b | mul a b | div a b | neg a | powi a (n)   arithmetic; `div` is always the true quotient
           | cast a                                                       integer or bool to float, bool to int
           | <row> a ...                                                  a function of the table; `at_kink` has (keyword, number) as its value
    kind ::= float | int | bool

sympy writes x - y as x + (-1)*y and x / y as x * y**(-1); a printed program must subtract and divide. A constant takes
the kind of what it meets, so that 0.5 does not promote a float32 kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, reduce
from typing import Any

import mpmath
import sympy as sp

from graphc.scalar.choice import choice_of
from graphc.scalar.symbols import VALUE, AxisIndex, Extent, Nonfinite, OverIndex, Placeholder
from graphc.scalar.table import ROWS, Op

__all__ = ["Term", "freeze", "walk", "substituted", "divides_twice"]

DIGITS = 60
_RANK = {"bool": 0, "int": 1, "float": 2}


@dataclass(frozen=True)
class Term:
    op: str
    args: tuple[Term, ...] = ()
    value: Any = None
    kind: str = "float"

    @property
    def is_const(self) -> bool:
        return self.op == "const"


def walk(term: Term):  # type: ignore[no-untyped-def]
    """The term and all its parts, parents first."""
    yield term
    for part in term.args:
        yield from walk(part)


def substituted(term: Term, name: str, other: str) -> Term:
    """The term with one variable in place of another."""
    if term.op == "var":
        return replace(term, value=other) if term.value == name else term
    return replace(term, args=tuple(substituted(a, name, other) for a in term.args))


def divides_twice(term: Term) -> Term | None:
    """b of a/b^2, which is computed as a/b/b: the square of b may leave the format where the quotient does not."""
    if term.op == "div" and term.args[1].op == "powi" and term.args[1].value == 2 and term.args[1].kind == "float":
        return term.args[1].args[0]
    return None


@cache
def freeze(body: sp.Expr, kinds: tuple[str, ...]) -> Term:
    """The typed tree of a body whose k-th read has the k-th kind."""
    return _Freezer(kinds).term(body)


def _const(value: Any, kind: str) -> Term:
    return Term("const", (), value, kind)


def _number(expression: sp.Expr) -> Term:
    if expression.is_Integer:
        return _const(int(expression), "int")
    with mpmath.workdps(DIGITS):
        return _const(mpmath.mpf(sp.N(expression, DIGITS)._mpf_), "float")


def _to_kind(term: Term, kind: str) -> Term:
    if term.kind == kind or _RANK[term.kind] > _RANK[kind]:
        return term
    if term.is_const:
        return replace(term, kind=kind)
    return Term("cast", (term,), None, kind)


def _common(terms: list[Term]) -> list[Term]:
    """Promote to the widest kind."""
    kind = max((t.kind for t in terms), key=_RANK.__getitem__)
    return [_to_kind(t, kind) for t in terms]


def _binary(op: str, a: Term, b: Term) -> Term:
    a, b = (_to_kind(a, "float"), _to_kind(b, "float")) if op == "div" else _common([a, b])
    if a.kind == "bool":
        a, b = _to_kind(a, "int"), _to_kind(b, "int")
    return Term(op, (a, b), None, a.kind)


def _order(expression: sp.Expr) -> tuple[Any, ...]:
    """Terms stand in the order of the reads that they use; numbers last."""
    reads = [99 if s.name == "y" else int(s.name[1:]) for s in expression.free_symbols if isinstance(s, Placeholder)]
    return (min(reads, default=1000), sp.default_sort_key(expression))


class _Freezer:
    def __init__(self, kinds: tuple[str, ...]):
        self.kinds = kinds

    def term(self, e: sp.Expr) -> Term:
        if isinstance(e, sp.Symbol):
            return self.symbol(e)
        if isinstance(e, sp.Add):
            return self.sum(e)
        if isinstance(e, sp.Mul):
            return self.product(e)
        if isinstance(e, sp.Pow):
            return self.power(e.base, e.exp)
        if isinstance(e, Op):
            return self.call(e)
        if e.is_number:
            return _number(e)
        raise TypeError(f"no term for {type(e).__name__}: {e}")

    def symbol(self, e: sp.Symbol) -> Term:
        if e == VALUE:
            return Term("value")
        if isinstance(e, Placeholder):
            k = int(e.name[1:])
            return Term("read", (), k, self.kinds[k])
        if isinstance(e, AxisIndex | OverIndex):
            return Term("index", (), e, "int")
        if isinstance(e, Extent):
            return Term("extent", (), e, "int")
        assert isinstance(e, Nonfinite)
        return _const(mpmath.mpf(e.name), "float")

    def sum(self, e: sp.Add) -> Term:
        parts = sorted(e.args, key=_order)
        negative = [p for p in parts if p.could_extract_minus_sign()]
        positive = [p for p in parts if not p.could_extract_minus_sign()]
        if not positive:
            return self.negate(reduce(lambda a, b: _binary("add", a, b), [self.term(-p) for p in negative]))
        result = reduce(lambda a, b: _binary("add", a, b), [self.term(p) for p in positive])
        return reduce(lambda a, p: _binary("sub", a, self.term(-p)), negative, result)

    def negate(self, t: Term) -> Term:
        if t.kind == "bool":
            t = _to_kind(t, "int")
        return Term("neg", (t,), None, t.kind)

    def product(self, e: sp.Mul) -> Term:
        coefficient, rest = e.as_coeff_Mul()
        above: list[Term] = []
        below: list[Term] = []
        twice: list[Term] = []
        for factor in sorted(sp.Mul.make_args(rest), key=_order):
            if isinstance(factor, sp.Pow) and factor.exp == -2 and any(isinstance(s, Placeholder) for s in factor.base.free_symbols):
                twice.append(self.term(factor.base))
            elif isinstance(factor, sp.Pow) and factor.exp.could_extract_minus_sign():
                below.append(self.power(factor.base, -factor.exp))
            else:
                above.append(self.term(factor))
        negative = coefficient.is_negative
        if negative:
            coefficient = -coefficient
        if coefficient.is_Rational and not coefficient.is_Integer and not _is_dyadic(coefficient):
            if coefficient.p != 1:
                above.insert(0, _number(sp.Integer(coefficient.p)))
            below.insert(0, _number(sp.Integer(coefficient.q)))
        elif coefficient != 1:
            above.insert(0, _number(coefficient))
        numerator = reduce(lambda a, b: _binary("mul", a, b), above) if above else _const(1, "int")
        if below:
            numerator = _binary("div", numerator, reduce(lambda a, b: _binary("mul", a, b), below))
        for t in twice:
            numerator = _binary("div", numerator, Term("powi", (_to_kind(t, "int"),), 2, _to_kind(t, "int").kind))
        return self.negate(numerator) if negative else numerator

    def power(self, base: sp.Expr, exponent: sp.Expr) -> Term:
        if exponent.could_extract_minus_sign():
            return _binary("div", _const(1, "float"), self.power(base, -exponent))
        a = self.term(base)
        if exponent == 1:
            return a
        if exponent.is_Integer and exponent <= 8:
            a = _to_kind(a, "int")
            return Term("powi", (a,), int(exponent), a.kind)
        if exponent == sp.Rational(1, 2):
            return Term("sqrt", (_to_kind(a, "float"),))
        b = self.term(exponent)
        a, b = _common([a, b])
        return Term("power", (a, b), None, a.kind)

    def call(self, e: Op) -> Term:
        row = ROWS[e.row.name]
        args = [self.term(a) for a in e.args]
        if row.name in ("where", "at_kink"):
            branches = _common(args[1:])
            return Term(row.name, (args[0], *branches), choice_of(e) if row.name == "at_kink" else None, branches[0].kind)
        if row.name == "apart":
            return Term("apart", tuple(args), None, args[0].kind)
        if row.name in ("and_", "or_", "not_"):
            return Term(row.name, tuple(args), None, "bool")
        if row.name == "polygamma":
            return Term(row.name, (args[0], _to_kind(args[1], "float")))
        args = [_to_kind(a, "float") for a in args] if row.result == "float" else _common(args)
        if row.result == "same" and args[0].kind == "bool":
            args = [_to_kind(a, "int") for a in args]
        term = Term(row.name, tuple(args), None, "bool" if row.result == "bool" else args[0].kind)
        return _fold(term) if all(a.is_const for a in args) else term


def _is_dyadic(q: sp.Rational) -> bool:
    """Whether multiplying by q is as exact as dividing by 1/q."""
    return q.q & (q.q - 1) == 0


def _fold(term: Term) -> Term:
    """A function of constants, to 60 digits; one without a finite value is left to run time."""
    rule = ROWS[term.op].mpmath
    with mpmath.workdps(DIGITS):
        values = [mpmath.mpf(a.value) for a in term.args]
        try:
            value = getattr(mpmath, rule)(*values) if isinstance(rule, str) else rule(mpmath, *values)
        except (ValueError, ZeroDivisionError):
            return term
    if isinstance(value, mpmath.mpc) or not mpmath.isfinite(value):
        return term
    if term.kind == "bool":
        return _const(bool(value), "bool")
    return _const(int(value), "int") if term.kind == "int" else _const(value, "float")
