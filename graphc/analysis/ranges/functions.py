r"""The interval of a function of the table, exact.

A function turns at a few points (`TURNS`) and is monotone between them, so its extremes are at the ends and at the turns inside; the
values there are those of the table's mpmath column. Functions of two arguments, and those with poles, have rules of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial, reduce
from typing import Any

from graphc.analysis.ranges.intervals import BITS, EMPTY, INF, LINE, MP, ZERO, Interval, add, bounded, div, exact_div, hull, interval, mul, neg, powi
from graphc.scalar.table import ROWS

__all__ = ["RULES", "LOGIC", "DOMAINS", "TURNS", "EXACT"]

FAR = MP.mpf(2)**200                                 # beyond it a function is bounded by its limit
# Where a function is defined, and where it turns between; the rest of the table is monotone on the whole line, or has a rule below.
DOMAINS = {"log": (0, INF), "log1p": (-1, INF), "log2": (0, INF), "log10": (0, INF), "sqrt": (0, INF), "arcsin": (-1, 1), "arccos": (-1, 1),
           "arccosh": (1, INF), "arctanh": (-1, 1), "log1mexp": (0, INF)}
TURNS = {**dict.fromkeys(("abs", "cosh", "sech", "logcosh", "log1p_square"), (0,)),
         "lgamma": ("1.46163214496836234126265954232572132846819620400644629512959871",)}
EXACT = frozenset("abs sign floor ceil round relu maximum minimum stop_gradient floordiv mod".split())      # no rounding of their own
_SLOW = frozenset("log log1p log2 log10 sqrt cbrt arcsinh arccosh log1p_square".split())      # small at numbers beyond FAR, and computed there
_MONOTONE = frozenset("""exp expm1 log log1p log2 log10 sigmoid logsigmoid softplus sqrt cbrt arcsin arccos arctan sinh tanh arcsinh arccosh
                         arctanh erf erfc erfcx logerfc sign floor ceil round relu stop_gradient abs cosh sech logcosh log1mexp
                         log1p_square""".split())


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
    return bounded(min(values), max(values), nan)


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
        return powi(replace(x, nan=x.nan), int(p.low)) if whole else replace(LINE if x.low < 0 else interval(0, INF), nan=nan or p.infinite)
    return _corners("power", x, p)


def _xlogy(x: Interval, y: Interval) -> Interval:
    return mul(x, _monotone("log", y)) if y.low > 0 else replace(mul(x, _monotone("log", y)), nan=x.nan or y.nan or y.low < 0 or x.infinite)


def _logaddexp(a: Interval, b: Interval) -> Interval:
    """max(a, b) <= logaddexp(a, b) <= max(a, b) + log 2, which bounds it where the exponentials leave every range."""
    top = _corners("maximum", a, b)
    return _corners("logaddexp", a, b) & add(top, interval(0, 1)) if a.greatest < 2**40 and b.greatest < 2**40 else add(top, interval(0, 1))


def _floordiv(a: Interval, b: Interval) -> Interval:
    return _monotone("floor", div(a, b))


def _mod(a: Interval, b: Interval) -> Interval:
    return Interval(min(ZERO, b.low), max(ZERO, b.high), a.nan or b.nan or 0 in b or a.infinite)


def _log_ratio(a: Interval, b: Interval) -> Interval:
    lost = 0 in a and 0 in b or a.infinite and b.infinite
    found = _monotone("log", exact_div(a, b))
    return replace(found, nan=found.nan or lost or b.low < 0)


def _log_product(*factors: Interval) -> Interval:
    return _monotone("log", reduce(mul, factors))


def _binade(x: Interval) -> Interval:
    """Between |x|/2 and |x|; 1 for 0, infinity and NaN."""
    return interval(min(x.least / 2, 1), max(x.greatest, 1))


LOGIC: dict[str, Callable[[Interval, Interval], tuple[bool, bool]]] = {           # certainly, possibly
    "lt": lambda a, b: (a.high < b.low, a.low < b.high), "le": lambda a, b: (a.high <= b.low, a.low <= b.high),
    "gt": lambda a, b: (a.low > b.high, a.high > b.low), "ge": lambda a, b: (a.low >= b.high, a.high >= b.low),
    "eq": lambda a, b: (a.low == a.high == b.low == b.high, not (a & b).empty),
    "ne": lambda a, b: ((a & b).empty, not a.low == a.high == b.low == b.high),
    "and_": lambda a, b: (a.low > 0 and b.low > 0, a.high > 0 and b.high > 0),
    "or_": lambda a, b: (a.low > 0 or b.low > 0, a.high > 0 or b.high > 0),
}


def _compare(name: str, a: Interval, b: Interval) -> Interval:
    certain, possible = LOGIC[name](a, b)
    if a.nan or b.nan:
        certain, possible = certain and name == "ne", True
    return interval(int(certain), int(possible))


RULES: dict[str, Callable[..., Interval]] = {
    "add": add, "sub": lambda a, b: add(a, neg(b)), "mul": mul, "div": div, "neg": neg, "cast": lambda a: a, "hypot": _hypot,
    "over_hypot": _over_hypot, "log_ratio": _log_ratio, "log_product": _log_product, "log_product3": _log_product, "binade": _binade,
    "arctan2": _arctan2, "power": _power_, "xlogy": _xlogy, "logaddexp": _logaddexp, "floordiv": _floordiv, "mod": _mod,
    "maximum": partial(_corners, "maximum"), "minimum": partial(_corners, "minimum"), "not_": lambda a: interval(1 - a.high, 1 - a.low),
    "polygamma": lambda k, x: replace(interval(0, INF) if k.low == 1 else LINE, nan=k.nan or x.nan or bool(x.low <= 0)),
    "lgamma": partial(_on_positive, "lgamma"), "digamma": partial(_on_positive, "digamma"),
    "where": lambda c, a, b: a if c.low > 0 else b if c.high == 0 else hull([a, b])}
RULES |= {name: partial(_monotone, name) for name in _MONOTONE} | {name: partial(_periodic, name) for name in ("sin", "cos", "tan")}
RULES |= {name: partial(_compare, name) for name in LOGIC}
