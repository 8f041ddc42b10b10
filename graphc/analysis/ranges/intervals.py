r"""Interval arithmetic: [a, b] + [c, d] = [a + c, b + d], every end rounded outward, so that no value is left out.

    Interval   the numbers between two ends of 100 bits, ends included, and whether the value may be no number at all

A function of the table turns at a few points (`TURNS`) and is monotone between them, so its extremes are at the ends and at the
turns inside; the values there are those of the table's mpmath column. With a `Format` the ends are what that format can hold:
results are widened by the error of the operation, rounded outward to the grid, and infinite above the greatest number. So the
interval holds all that a machine may compute; and an end at infinity, or a NaN, is a value that it may meet.

Source: Moore, Kearfott and Cloud, Introduction to Interval Analysis (2009), chapters 2 and 5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial, reduce
from typing import Any

import mpmath

from graphc.analysis.ranges.composed import COMPOSED, composed
from graphc.scalar.analytic import Analytic
from graphc.scalar.table import ROWS
from graphc.scalar.term import Term, freeze

__all__ = ["Interval", "Format", "FORMATS", "EMPTY", "LINE", "apply", "hull", "interval", "has_rule", "MP", "DOMAINS", "TURNS", "ABSOLUTE"]

BITS = 100
MP: Any = mpmath.mp.clone()
MP.prec = BITS
INF, ZERO = MP.inf, MP.mpf(0)
FAR, LARGEST = MP.mpf(2)**200, MP.mpf(2)**60000      # beyond FAR a function is bounded by its limit; beyond LARGEST a number is infinite
PARTS = 12                                           # on each side of a point where a formula fails
ULPS = 4                                             # error of a function of the table, in units in the last place

# Where a function is defined, and where it turns between; the rest of the table is monotone on the whole line, or has a rule below.
DOMAINS = {"log": (0, INF), "log1p": (-1, INF), "log2": (0, INF), "log10": (0, INF), "sqrt": (0, INF), "arcsin": (-1, 1), "arccos": (-1, 1),
           "arccosh": (1, INF), "arctanh": (-1, 1), "log1mexp": (0, INF)}
TURNS = {**dict.fromkeys(("abs", "cosh", "sech", "logcosh", "log1p_square"), (0,)),
         "lgamma": ("1.46163214496836234126265954232572132846819620400644629512959871",)}
EXACT = frozenset("abs sign floor ceil round relu maximum minimum stop_gradient floordiv mod".split())      # no rounding of their own
ABSOLUTE = frozenset("log_ratio log_product log_product3".split())    # besides, the rounding of the product is an error of the logarithm
_SLOW = frozenset("log log1p log2 log10 sqrt cbrt arcsinh arccosh log1p_square".split())      # small at numbers beyond FAR, and computed there
_MONOTONE = frozenset("""exp expm1 log log1p log2 log10 sigmoid logsigmoid softplus sqrt cbrt arcsin arccos arctan sinh tanh arcsinh arccosh
                         arctanh erf erfc erfcx logerfc sign floor ceil round relu stop_gradient abs cosh sech logcosh log1mexp
                         log1p_square""".split())


@dataclass(frozen=True)
class Interval:
    low: Any
    high: Any
    nan: bool = False

    @property
    def empty(self) -> bool:
        return self.low > self.high

    @property
    def infinite(self) -> bool:
        return bool(self.high == INF or self.low == -INF)

    @property
    def least(self) -> Any:
        """The least magnitude."""
        return ZERO if self.low <= 0 <= self.high else min(abs(self.low), abs(self.high))

    @property
    def greatest(self) -> Any:
        """The greatest magnitude."""
        return max(abs(self.low), abs(self.high))

    def __contains__(self, x: Any) -> bool:
        return bool(self.low <= x <= self.high)

    def __and__(self, other: Interval) -> Interval:
        return Interval(max(self.low, other.low), min(self.high, other.high), self.nan and other.nan)


EMPTY = Interval(INF, -INF)
LINE = Interval(-INF, INF)


def interval(low: Any, high: Any = None, nan: bool = False) -> Interval:
    return Interval(MP.mpf(low), MP.mpf(low if high is None else high), nan)


def hull(parts: Sequence[Interval]) -> Interval:
    nan = any(p.nan for p in parts)
    return Interval(min((p.low for p in parts), default=INF), max((p.high for p in parts), default=-INF), nan)


# --- what a machine can hold --------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Format:
    """A binary floating-point format: `bits` of the significand, exponents up to `top`."""

    name: str
    bits: int
    top: int

    @cached_property
    def unit(self) -> float:
        """Half the distance from 1 to the next number: the relative error of one rounding."""
        return float(2.0**-self.bits)

    @cached_property
    def tiny(self) -> Any:
        """The least normal number."""
        return MP.mpf(2)**(2 - self.top)

    @cached_property
    def quantum(self) -> Any:
        """The least number above 0."""
        return self.tiny * MP.mpf(2)**(1 - self.bits)

    @cached_property
    def span(self) -> Any:
        """The least scale that a norm divides by, see `graphc.scalar.oracle.binade`."""
        bias = self.top - 1
        return MP.mpf(2)**(bias // 16 - bias)

    @cached_property
    def largest(self) -> Any:
        return (2 - MP.mpf(2)**(1 - self.bits)) * MP.mpf(2)**(self.top - 1)

    def rounded(self, x: Interval, ulps: int = 0) -> Interval:
        """All that rounding a value of `x` may give, where the operation errs by so many units in the last place besides."""
        if x.empty:
            return x
        units = ulps * 2 * MP.mpf(self.unit)
        spread = [MP.fmul(abs(e), units, rounding="c") + self.quantum if ulps and not self.holds(e) else ZERO for e in (x.low, x.high)]
        return Interval(-self.up(spread[0] - x.low), self.up(x.high + spread[1]), x.nan)

    def holds(self, x: Any) -> bool:
        return bool(MP.isinf(x) or x == MP.mpf(x, prec=self.bits) and (abs(x) >= self.tiny or x == 0) and abs(x) <= self.largest)

    def up(self, x: Any) -> Any:
        """The least number of the format that is not below x."""
        if MP.isinf(x) or x > self.largest:
            return x if x < 0 else INF
        if x < -self.largest:
            return -self.largest
        if abs(x) >= self.tiny:
            return MP.mpf(x, prec=self.bits, rounding="c")
        return MP.ceil(x / self.quantum) * self.quantum


FORMATS = {"float32": Format("float32", 24, 128), "float64": Format("float64", 53, 1024)}


# --- arithmetic -----------------------------------------------------------------------------------------------------------

def _bounded(low: Any, high: Any, nan: bool) -> Interval:
    """Finite ends beyond LARGEST are infinite outward, and LARGEST inward; an end that is no number bounds nothing."""
    low, high = (-INF if MP.isnan(low) else low), (INF if MP.isnan(high) else high)
    if abs(low) > LARGEST and not MP.isinf(low):
        low = LARGEST if low > 0 else -INF
    if abs(high) > LARGEST and not MP.isinf(high):
        high = -LARGEST if high < 0 else INF
    return Interval(low, high, nan)


def _add(a: Interval, b: Interval) -> Interval:
    opposite = a.high == INF and b.low == -INF or a.low == -INF and b.high == INF
    return _bounded(MP.fadd(a.low, b.low, rounding="f"), MP.fadd(a.high, b.high, rounding="c"), a.nan or b.nan or bool(opposite))


def _neg(a: Interval) -> Interval:
    return Interval(-a.high, -a.low, a.nan)


def _ends(rule: Callable[..., Any], a: Interval, b: Interval) -> tuple[Any, Any]:
    """Extremes over the four corners; 0 * inf and inf / inf, limits that no pair of numbers reaches, are 0."""
    low: list[Any] = []
    high: list[Any] = []
    for x in (a.low, a.high):
        for y in (b.low, b.high):
            for found, way in ((low, "f"), (high, "c")):
                value = rule(x, y, rounding=way)
                found.append(ZERO if MP.isnan(value) else value)
    return min(low), max(high)


def _mul(a: Interval, b: Interval) -> Interval:
    lost = a.infinite and 0 in b or b.infinite and 0 in a
    return _bounded(*_ends(MP.fmul, a, b), a.nan or b.nan or lost)


def _div(a: Interval, b: Interval) -> Interval:
    nan = a.nan or b.nan or 0 in a and 0 in b or a.infinite and b.infinite
    if 0 not in b:
        return _bounded(*_ends(MP.fdiv, a, b), nan)
    return replace(LINE, nan=nan)


def _exact_div(a: Interval, b: Interval) -> Interval:
    """Where 0 has no sign: a divisor that only touches 0 keeps the sign of the quotient."""
    if b.low == 0 < b.high and a.low >= 0:
        return Interval(ZERO if MP.isinf(b.high) else MP.fdiv(a.low, b.high, rounding="f"), INF, a.nan or b.nan)
    if b.low == 0 < b.high and a.high <= 0:
        return _neg(_exact_div(_neg(a), b))
    return _neg(_exact_div(a, _neg(b))) if b.high == 0 > b.low else _div(a, b)


def _powi(a: Interval, n: int) -> Interval:
    ends = [a.low, a.high] + [ZERO] * (n % 2 == 0 and 0 in a)
    exact = [(_power(e, n, "f"), _power(e, n, "c")) for e in ends]
    return _bounded(min(x for x, _ in exact), max(x for _, x in exact), a.nan)


def _power(x: Any, n: int, way: str) -> Any:
    """x**n rounded one way, by repeated products of the magnitude."""
    sign = x < 0 and n % 2
    way = {"f": "c", "c": "f"}[way] if sign else way
    result = MP.mpf(1)
    for _ in range(n):
        result = MP.fmul(result, abs(x), rounding=way)
    return -result if sign else result


# --- functions of the table -------------------------------------------------------------------------------------------------

@cache
def _oracle(name: str) -> Callable[..., Any]:
    rule = ROWS[name].mpmath
    return getattr(MP, rule) if isinstance(rule, str) else partial(rule, MP)


def _value(name: str, *x: Any) -> list[Any]:
    """Numbers that bound f(x) from both sides. What has few digits, and is no limit, is exact: exp(0), sqrt(4)."""
    if any(abs(e) > FAR and not MP.isinf(e) for e in x) and name not in EXACT | _SLOW:
        return [v for far in (FAR, INF) for v in _value(name, *(MP.sign(e) * far if abs(e) > FAR else e for e in x))]
    try:
        with MP.workprec(BITS + 64 * (name == "erfcx")):                             # exp(x^2) magnifies the rounding of x^2
            value = MP.mpf(_oracle(name)(*x))
    except (ValueError, ZeroDivisionError, TypeError, OverflowError):
        return [-INF, INF]
    if MP.isnan(value):
        return [-INF, INF]
    limit = any(e != 0 and not MP.mpf(2)**-20 <= abs(e) <= 4 and not MP.isinf(e) for e in x) and not (name == "sqrt" and value * value == x[0])
    if MP.isinf(value) or name in EXACT or value == MP.mpf(value, prec=53) and not limit:
        return [value]
    error = abs(value) * MP.mpf(2)**(12 - BITS)
    return [value - error, value + error]


def _extremes(name: str, points: Sequence[tuple[Any, ...]], nan: bool) -> Interval:
    values = [v for p in points for v in _value(name, *p)]
    return _bounded(min(values), max(values), nan)


def _monotone(name: str, x: Interval) -> Interval:
    low, high = (MP.mpf(e) for e in DOMAINS.get(name, (-INF, INF)))
    nan = x.nan or x.low < low or x.high > high
    x = Interval(max(x.low, low), min(x.high, high))
    if x.empty:
        return replace(EMPTY, nan=True)
    turns = [t for t in map(MP.mpf, TURNS.get(name, ())) if t in x]
    return _extremes(name, [(e,) for e in (x.low, x.high, *turns)], nan)


def _on_positive(name: str, x: Interval) -> Interval:
    """lgamma, digamma: smooth above 0; below, a pole at every integer."""
    if x.low <= 0:
        return replace(LINE, nan=x.nan or bool(x.low < 0))
    return _monotone(name, x)


def _periodic(name: str, x: Interval) -> Interval:
    """sin and cos turn at multiples of pi, shifted; tan has its poles there."""
    nan = x.nan or x.infinite
    if x.high - x.low > 6 or x.greatest > 2**40:
        return replace(LINE if name == "tan" else interval(-1, 1), nan=nan)
    shift = 0 if name == "cos" else MP.pi / 2
    first = int(MP.ceil((x.low - shift) / MP.pi - MP.mpf(2)**-30))
    turns = [k for k in range(first, first + 4) if k * MP.pi + shift <= x.high + MP.mpf(2)**-30]
    if name == "tan":
        return replace(LINE, nan=nan) if turns else _extremes(name, [(x.low,), (x.high,)], nan)
    ends = _extremes(name, [(x.low,), (x.high,)], nan)
    return hull([ends, *(interval((-1)**k) for k in turns)]) & interval(-1, 1, nan)


def _corners(name: str, a: Interval, b: Interval) -> Interval:
    """Monotone in each argument: extremes at the corners."""
    return _extremes(name, [(x, y) for x in (a.low, a.high) for y in (b.low, b.high)], a.nan or b.nan)


def _hypot(a: Interval, b: Interval) -> Interval:
    return _corners("hypot", _monotone("abs", a), _monotone("abs", b))


def _over_hypot(a: Interval, b: Interval) -> Interval:
    """a / hypot(a, b) rises with a, and shrinks with |b|."""
    return _corners("over_hypot", a, _monotone("abs", b)) & interval(-1, 1, True) if not a.infinite else interval(-1, 1, a.nan or b.nan or b.infinite)


def _arctan2(a: Interval, b: Interval) -> Interval:
    if b.low > 0 and not a.infinite and not b.infinite:
        return _corners("arctan2", a, b)
    turn = Interval(*sorted(_value("arctan2", ZERO, MP.mpf(-1)))[-2:])
    return Interval(-turn.high, turn.high, a.nan or b.nan)


def _power_(x: Interval, p: Interval) -> Interval:
    nan = x.nan or p.nan or bool(x.low < 0)
    if x.high < 0 or x.low < 0 and not (p.low == p.high and p.low == MP.floor(p.low)):
        return replace(LINE, nan=nan)
    if x.low < 0 or p.low < 0 and x.low == 0 or x.infinite or p.infinite:
        whole = p.low == p.high == MP.floor(p.low) and 0 <= p.low <= 64
        return _powi(replace(x, nan=x.nan), int(p.low)) if whole else replace(LINE if x.low < 0 else interval(0, INF), nan=nan or p.infinite)
    return _corners("power", x, p)


def _xlogy(x: Interval, y: Interval) -> Interval:
    return _mul(x, _monotone("log", y)) if y.low > 0 else replace(_mul(x, _monotone("log", y)), nan=x.nan or y.nan or y.low < 0 or x.infinite)


def _logaddexp(a: Interval, b: Interval) -> Interval:
    """max(a, b) <= logaddexp(a, b) <= max(a, b) + log 2, which bounds it where the exponentials leave every range."""
    top = _corners("maximum", a, b)
    return _corners("logaddexp", a, b) & _add(top, interval(0, 1)) if a.greatest < 2**40 and b.greatest < 2**40 else _add(top, interval(0, 1))


def _floordiv(a: Interval, b: Interval) -> Interval:
    return _monotone("floor", _div(a, b))


def _mod(a: Interval, b: Interval) -> Interval:
    return Interval(min(ZERO, b.low), max(ZERO, b.high), a.nan or b.nan or 0 in b or a.infinite)


def _log_ratio(a: Interval, b: Interval) -> Interval:
    lost = 0 in a and 0 in b or a.infinite and b.infinite
    found = _monotone("log", _exact_div(a, b))
    return replace(found, nan=found.nan or lost or b.low < 0)


def _log_product(*factors: Interval) -> Interval:
    return _monotone("log", reduce(_mul, factors))


def _binade(x: Interval) -> Interval:
    """Between |x|/2 and |x|; 1 for 0, infinity and NaN."""
    return interval(min(x.least / 2, 1), max(x.greatest, 1))


_LOGIC: dict[str, Callable[[Interval, Interval], tuple[bool, bool]]] = {           # certainly, possibly
    "lt": lambda a, b: (a.high < b.low, a.low < b.high), "le": lambda a, b: (a.high <= b.low, a.low <= b.high),
    "gt": lambda a, b: (a.low > b.high, a.high > b.low), "ge": lambda a, b: (a.low >= b.high, a.high >= b.low),
    "eq": lambda a, b: (a.low == a.high == b.low == b.high, not (a & b).empty),
    "ne": lambda a, b: ((a & b).empty, not a.low == a.high == b.low == b.high),
    "and_": lambda a, b: (a.low > 0 and b.low > 0, a.high > 0 and b.high > 0),
    "or_": lambda a, b: (a.low > 0 or b.low > 0, a.high > 0 or b.high > 0),
}


def _compare(name: str, a: Interval, b: Interval) -> Interval:
    certain, possible = _LOGIC[name](a, b)
    if a.nan or b.nan:
        certain, possible = certain and name == "ne", True
    return interval(int(certain), int(possible))


_RULES: dict[str, Callable[..., Interval]] = {
    "add": _add, "sub": lambda a, b: _add(a, _neg(b)), "mul": _mul, "div": _div, "neg": _neg, "cast": lambda a: a, "hypot": _hypot,
    "over_hypot": _over_hypot, "log_ratio": _log_ratio, "log_product": _log_product, "log_product3": _log_product, "binade": _binade,
    "arctan2": _arctan2, "power": _power_, "xlogy": _xlogy, "logaddexp": _logaddexp, "floordiv": _floordiv, "mod": _mod,
    "maximum": partial(_corners, "maximum"), "minimum": partial(_corners, "minimum"), "not_": lambda a: interval(1 - a.high, 1 - a.low),
    "polygamma": lambda k, x: replace(interval(0, INF) if k.low == 1 else LINE, nan=k.nan or x.nan or bool(x.low <= 0)),
    "lgamma": partial(_on_positive, "lgamma"), "digamma": partial(_on_positive, "digamma"),
    "where": lambda c, a, b: a if c.low > 0 else b if c.high == 0 else hull([a, b])}
_RULES |= {name: partial(_monotone, name) for name in _MONOTONE} | {name: partial(_periodic, name) for name in ("sin", "cos", "tan")}
_RULES |= {name: partial(_compare, name) for name in _LOGIC}

_OF_NAN = {**dict.fromkeys(_LOGIC, interval(0, 1)), "power": LINE, "hypot": LINE,     # of no number: a truth value, NaN**0 = 1, hypot(inf, NaN) = inf
           "binade": interval(1)}
_ANSWERS = {*_LOGIC, "binade"}
_UNROUNDED = EXACT | set(_LOGIC) | {"neg", "not_", "where"}
_CORRECT = frozenset({"add", "sub", "mul", "div", "sqrt", "cast"})                 # correctly rounded: no error but the rounding


def has_rule(name: str) -> bool:
    return name in _RULES or name in COMPOSED or ROWS[name].definition is not None


def apply(op: str, args: Sequence[Interval], kind: str = "float", power: int = 1, machine: Format | None = None) -> Interval:
    """The interval of an operation of a term (see `graphc.scalar.term`) or a function of the table; as a machine computes it, or exact."""
    if op in COMPOSED:
        return composed(op, args, partial(_term, machine=machine))
    if any(a.empty for a in args) and op != "where":
        return replace(_OF_NAN.get(op, EMPTY) if any(a.nan for a in args) else EMPTY, nan=any(a.nan for a in args) and op not in _ANSWERS)
    if op in ROWS and ROWS[op].definition is not None:
        return _analytic(ROWS[op].definition, args[0], machine)
    result = _powi(args[0], power) if op == "powi" else _exact_div(*args) if op == "div" and machine is None else _RULES[op](*args)
    if kind != "float" or op in _UNROUNDED:
        return result
    if op == "binade":
        return result if machine is None else hull([result, interval(machine.span)]) & Interval(machine.span, INF)
    bounded = op in ROWS and ROWS[op].arity == 1
    if machine is None:
        return result & replace(_range(op), nan=True) if bounded else result
    if op in ABSOLUTE and not result.empty:
        result = _add(result, _mul(interval(-2 * ULPS, 2 * ULPS), interval(machine.unit)))
    rounded = machine.rounded(result, 0 if op in _CORRECT else power if op == "powi" else ULPS)
    return rounded & replace(machine.rounded(_range(op)), nan=True) if bounded else rounded


@cache
def _range(name: str) -> Interval:
    """The values of a function over its whole domain, which its implementation does not leave."""
    return _RULES[name](LINE)


def _term(t: Term, args: Sequence[Interval], machine: Format | None = None) -> Interval:
    """The interval of a term over reads."""
    match t.op:
        case "read":
            return args[t.value]
        case "const":
            exact = Interval(MP.mpf(t.value, rounding="f"), MP.mpf(t.value, rounding="c"))
            return machine.rounded(exact) if machine and t.kind == "float" else exact
        case "where":
            c = _term(t.args[0], args, machine)
            branches = [_term(b, args, machine) for b, possible in ((t.args[1], c.high > 0), (t.args[2], c.low <= 0)) if possible]
            return hull(branches)
    return apply(t.op, [_term(a, args, machine) for a in t.args], t.kind, t.value or 1, machine)


# --- analytic functions whose formula fails near a point -----------------------------------------------------------------------

def _analytic(f: Analytic, x: Interval, machine: Format | None) -> Interval:
    """The series near the point, and the formula on both sides, in parts that double their distance."""
    piece, at = f.piece("float64" if machine is None else machine.name), _term(freeze(f.point, ()), ())
    width, formula = MP.mpf(piece.width), freeze(f.formula, ("float",))
    d = _add(x, _neg(at)) & interval(-width, width)
    found = [replace(EMPTY, nan=x.nan)]
    if not d.empty:
        size = sum(abs(c) * d.greatest**k for k, c in enumerate(piece.coefficients))
        left = _mul(interval(-1, 1), interval(MP.mpf(size) * MP.mpf(2)**-48 if machine is None else 0))      # what the series leaves out
        value = _add(_horner(piece.coefficients, d), left)
        found.append(value if machine is None else machine.rounded(value, ULPS))
    edges = [at.low + sign * width * MP.mpf(7) / 8 * 2**k for sign in (-1, 1) for k in range(PARTS)]
    edges = [-INF, *sorted(edges), INF]
    for low, high in zip(edges, edges[1:], strict=False):
        part = Interval(low, high) & x
        if not part.empty and not (low < at.low < high):
            found.append(_term(formula, [part], machine))
    return hull(found)


def _horner(coefficients: Sequence[Any], d: Interval) -> Interval:
    value = interval(0)
    for c in reversed(coefficients):
        value = _add(_mul(value, d), Interval(MP.mpf(c, rounding="f"), MP.mpf(c, rounding="c")))
    return value
