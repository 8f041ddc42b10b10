r"""What is known between values, beyond the interval of each.

    sums       x + a - x = a: a sum is collected over atoms before its interval is taken
    maxima     x - m <= 0 where m is the maximum of elements of which x is one; with m attained, some x - m is 0
    ratios     0 <= e / z <= 1 where z is the sum, or the maximum, of elements >= 0 of which e is one; so too z = r + k, as softmax has it:
               r the sum of those e < 1 that are not at the maximum, k >= 1 the number of the others
    scales     |x / b| <= 2 where b is the power of two below the maximum of |x|
    choices    where(x > 0, a, b): in a, x is above 0; in b, it is not

Rounding is monotone, so x - m and e / z keep to these bounds on a machine as well, where the operation stands by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphc.analysis.ranges.apply import apply
from graphc.analysis.ranges.cone import ALIASES, body_of, covers, stripped
from graphc.analysis.ranges.intervals import MP, Interval, interval
from graphc.analysis.ranges.roundoff import EXACTLY
from graphc.analysis.ranges.value import Value
from graphc.ir.build import plain
from graphc.ir.nodes import Comprehension, Read
from graphc.scalar.term import Term

if TYPE_CHECKING:
    from graphc.analysis.ranges.element import Walk

__all__ = ["Relations"]

MOST = 6                                     # summands or factors that are followed
ZERO = MP.mpf(0)
Coefficients = dict[Any, Any]                # atom -> how often it stands in a sum (or as a factor in a product)
Factor = tuple[Read | None, Term, Sequence[Read], int]
_NEGATED = {"lt": "ge", "ge": "lt", "gt": "le", "le": "gt", "eq": "ne", "ne": "eq"}
_MIRRORED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le", "eq": "eq", "ne": "ne"}


class Relations:
    def __init__(self, walk: Walk):
        self.walk = walk
        self.bounds = walk.bounds
        self.forms: dict[Any, tuple[Coefficients, Interval]] = {}

    def improved(self, t: Term, reads: Sequence[Read], value: Value) -> Value:
        """The value of a sum or product, with what is known between its parts."""
        if t.op in ("add", "sub") and t.kind == "float":
            return self.sum(t, reads, value)
        if t.op in _NEGATED:
            return self.comparison(t, reads, value)
        if t.op == "scaled":
            return self.scaled(t, reads, value)
        return self.product(t, reads, value) if t.op in ("mul", "div") and t.kind == "float" else value

    # --- which element a term is
    def alias(self, t: Term, reads: Sequence[Read]) -> Read | None:
        """The instance that a term merely repeats: a read, a stop_gradient, a selection of which one side is certain."""
        for _ in range(12):
            if t.op in ALIASES:
                t = t.args[-1]
            elif t.op == "where":
                condition = self.walk.term(t.args[0], reads)
                both = condition.exact, condition.computed
                if any(c.low != c.high or c != both[0] for c in both):
                    return None
                t = t.args[1] if both[0].low > 0 else t.args[2]
            elif t.op == "read":
                read = reads[t.value]
                inner = self.walk.cone.children.get(read)
                if inner is None or body_of(read.operand).op not in {"read", "where", *ALIASES}:  # type: ignore[arg-type]
                    return read
                deeper = self.alias(body_of(read.operand), inner)                                # type: ignore[arg-type]
                return read if deeper is None else deeper
            else:
                return None
        return None

    # --- sums
    def form(self, t: Term, reads: Sequence[Read]) -> tuple[Coefficients, Interval]:
        """A term as a sum of atoms and a constant; an atom is an instance, or a term that is no sum."""
        key = (t, tuple(reads))
        if key not in self.forms:
            found = self._form(t, reads)
            self.forms[key] = found if len(found[0]) <= MOST else ({key: 1}, interval(0))
        return self.forms[key]

    def _form(self, t: Term, reads: Sequence[Read]) -> tuple[Coefficients, Interval]:
        if t.is_const:
            return {}, self.walk.constant(t).exact
        if t.op in ("add", "sub"):
            (a, c), (b, d) = (self.form(x, reads) for x in t.args)
            sign = 1 if t.op == "add" else -1
            joined = {k: a.get(k, 0) + sign * b.get(k, 0) for k in a | b}
            return {k: v for k, v in joined.items() if v}, apply(t.op, [c, d])
        if t.op == "neg":
            a, c = self.form(t.args[0], reads)
            return {k: -v for k, v in a.items()}, apply("neg", [c])
        if t.op == "mul" and t.args[0].is_const and self.walk.constant(t.args[0]).exact.low == self.walk.constant(t.args[0]).exact.high:
            a, c = self.form(t.args[1], reads)
            times = self.walk.constant(t.args[0]).exact
            exact = {k: MP.mpf(v * times.low, prec=80) == v * times.low for k, v in a.items()}
            if all(exact.values()):
                return {k: v * times.low for k, v in a.items()}, apply("mul", [times, c])
        read = self.alias(t, reads)
        if read is None:
            return {(t, tuple(reads)): 1}, interval(0)
        children = self.walk.cone.children.get(read)
        if children is not None and body_of(read.operand).op in ("add", "sub", "neg", "mul"):    # type: ignore[arg-type]
            a, c = self.form(body_of(read.operand), children)                                    # type: ignore[arg-type]
            if len(a) <= MOST // 2 and not (len(a) == 1 and not isinstance(next(iter(a)), Read)):
                return a, c
        return {read: 1}, interval(0)

    def atom(self, key: Any) -> Interval:
        return self.bounds.flat(self.walk.instance(key) if isinstance(key, Read) else self.walk.term(*key)).exact

    def difference(self, p: Read, q: Read) -> Interval | None:
        """p - q, where one covers the other."""
        if self.walk.tie in ((p, q), (q, p)):
            return interval(0)
        a, b = self.atom(p), self.atom(q)
        if a.empty or b.empty:
            return None
        if covers(q, p, "max") is not None or covers(p, q, "min") is not None:
            return Interval(min(a.low - b.high, ZERO), ZERO)
        if covers(p, q, "max") is not None or covers(q, p, "min") is not None:
            return Interval(ZERO, max(a.high - b.low, ZERO))
        return None

    def sum(self, t: Term, reads: Sequence[Read], value: Value) -> Value:
        form, rest = self.form(t, reads)
        value = self.bounds.flat(value) if value.scale != 1 and self.pairs(form) else value
        if value.scale != 1 or (t, tuple(reads)) in form:
            return value
        exact = self.collected(form, rest)
        computed = self.computed_difference(t, reads)
        return replace(value, exact=value.exact & replace(exact, nan=True) if not exact.empty else value.exact,
                       computed=value.computed if computed is None or value.computed.nan else value.computed & computed)

    @staticmethod
    def pairs(form: Coefficients) -> list[tuple[Read, Read]]:
        return [(p, q) for p, c in form.items() for q, d in form.items() if isinstance(p, Read) and isinstance(q, Read) and c > 0 > d]

    def collected(self, form: Coefficients, rest: Interval) -> Interval:
        """The interval of a sum of atoms; pairs whose difference is known come first."""
        left = dict(form)
        result = rest
        for p, q in self.pairs(form):
            times = min(left[p], -left[q])
            between = self.difference(p, q) if times > 0 else None
            if between is not None:
                left[p], left[q] = left[p] - times, left[q] + times
                result = apply("add", [result, apply("mul", [interval(times), between])])
        for key, times in left.items():
            if times:
                result = apply("add", [result, apply("mul", [interval(times), self.atom(key)])])
        return result

    def computed_difference(self, t: Term, reads: Sequence[Read]) -> Interval | None:
        """The bound that a single subtraction keeps when it is rounded."""
        if t.op != "sub":
            return None
        p, q = (self.alias(a, reads) for a in t.args)
        if p is None or q is None:
            return None
        if p == q:
            return interval(0, nan=True)
        between = self.difference(p, q)
        if between is None:
            return None
        return Interval(-MP.inf if between.low < 0 else ZERO, MP.inf if between.high > 0 else ZERO, True)

    def comparison(self, t: Term, reads: Sequence[Read], value: Value) -> Value:
        """A maximum compared with the element at which it is attained."""
        p, q = (self.alias(a, reads) for a in t.args)
        if self.walk.tie not in ((p, q), (q, p)) or any(self.walk.instance(r).computed.nan for r in (p, q)):   # type: ignore[arg-type]
            return value
        holds = interval(int(t.op in ("eq", "le", "ge")))
        return replace(value, exact=holds, computed=holds, error=EXACTLY)

    def scaled(self, t: Term, reads: Sequence[Read], value: Value) -> Value:
        """|x| / b <= 2, b = binade(max |x|), but where the exponent of b is clamped."""
        p, q = (self.alias(a, reads) for a in t.args)
        top = None if q is None else self.scale_of(q)
        if p is None or top is None or self.loose(self.walk.instance(p), 1) or not self.covers_size(top, p):
            return value
        machine = self.walk.machine
        most = max(MP.mpf(2), self.bounds.flat(self.walk.instance(top)).computed.high * machine.span)
        within = Interval(-most, most, True)
        return replace(value, exact=value.exact & within, computed=value.computed & within)

    def scale_of(self, q: Read) -> Read | None:
        """m of an instance binade(m)"""
        children = self.walk.cone.children.get(q)
        body = None if children is None else stripped(body_of(q.operand))                        # type: ignore[arg-type]
        return self.alias(body.args[0], children) if body is not None and children is not None and body.op == "binade" else None

    @staticmethod
    def covers_size(top: Read, p: Read) -> bool:
        """Whether `top` is a maximum of elements of which |p| is one."""
        sizes = top.operand.reads[0].operand if isinstance(top.operand, Comprehension) and top.operand.reads else None
        if not isinstance(sizes, Comprehension) or sizes.reads != (plain(p.operand),) or body_of(sizes).op != "abs":
            return False
        return covers(top, Read(sizes, p.index), "max") is not None

    # --- products
    def factors(self, t: Term, reads: Sequence[Read], power: int = 1, budget: int = MOST) -> list[Factor]:
        """The factors of a term with their powers; maps that are products themselves are followed."""
        if t.op in ("mul", "div"):
            second = power if t.op == "mul" else -power
            return self.factors(t.args[0], reads, power, budget - 1) + self.factors(t.args[1], reads, second, budget - 1)
        read = self.alias(t, reads)
        children = self.walk.cone.children.get(read) if read is not None else None
        if read is not None and children is not None and budget > 0 and body_of(read.operand).op in ("mul", "div"):  # type: ignore[arg-type]
            return self.factors(body_of(read.operand), children, power, budget - 1)              # type: ignore[arg-type]
        if read is not None and children is not None and body_of(read.operand).op == "inverse_total":   # type: ignore[arg-type]
            return [(None, body_of(read.operand), children, power)]                              # type: ignore[arg-type]
        return [(read, t, reads, power)]

    def product(self, t: Term, reads: Sequence[Read], value: Value) -> Value:
        found = self.factors(t, reads)
        pair = next(((i, j) for i, a in enumerate(found) for j, b in enumerate(found) if a[3] > 0 and self.divides(a[0], b)), None)
        if pair is None or len(found) > 2 * MOST:
            return value
        operation = self.walk.operation
        result = replace(operation(_MUL, [_one(value)] * 2), exact=interval(0, 1), computed=interval(0, 1))
        for k, (_, factor, inner, power) in enumerate(found):
            if k not in pair:
                result = operation(_MUL if power > 0 else _DIV, [result, self.walk.term(factor, inner)])
        if any(self.loose(self.walk.term(factor, inner), power) for _, factor, inner, power in found):
            return value
        if result.scale != value.scale:
            flat = self.bounds.flat(result)
            result, value = (flat, self.bounds.flat(value))
        wider = self.walk.machine.rounded(result.computed, 2 * len(found))
        return replace(value, exact=value.exact & result.exact, computed=value.computed & replace(wider, nan=result.computed.nan))

    def divides(self, p: Read | None, factor: Factor) -> bool:
        """Whether a factor is 1/z with 0 <= p <= z: a division by z, or inverse_total(r, k), z = r + k."""
        q, t, reads, power = factor
        if t.op != "inverse_total":
            return power < 0 and self.is_share(p, q)
        r, k = (self.alias(a, reads) for a in t.args)
        if power < 0 or p is None or r is None:
            return False
        if t.args[1].is_const and t.args[1].value == 0:
            return self.is_share(p, r)
        return self.is_apart(p, r) and all(i.low >= 1 for v in [self.walk.term(t.args[1], reads)] for i in (v.exact, v.computed))

    def is_apart(self, p: Read, r: Read) -> bool:
        """Whether p <= 1, and p is a term of r where it is not left out of it: then p <= r + k for every k >= 1."""
        e = self.bounds.values[p.operand]
        bounded = all(0 <= i.low and i.high <= 1 for i in (e.exact, e.computed))
        if not bounded or not isinstance(r.operand, Comprehension) or len(r.operand.reads) != 1:
            return False
        terms = r.operand.reads[0].operand
        if not isinstance(terms, Comprehension) or terms.reduce or body_of(terms).op != "apart" or body_of(terms).args[0].op != "read":
            return False
        read = terms.reads[body_of(terms).args[0].value]
        return read == plain(p.operand) and covers(r, Read(terms, p.index), "sum") is not None

    def is_share(self, p: Read | None, q: Read | None) -> bool:
        """0 <= p <= q"""
        if p is None or q is None:
            return False
        least = self.bounds.values[p.operand]
        return (covers(q, p, "sum") is not None or covers(q, p, "max") is not None) and least.exact.low >= 0 and least.computed.low >= 0

    @staticmethod
    def loose(v: Value, power: int) -> bool:
        """Whether a factor may be infinite, no number, or a divisor 0 on a machine, so that the bound says nothing of the computed product."""
        return v.computed.infinite or v.computed.nan or power < 0 and 0 in v.computed

    # --- choices
    def narrowed(self, t: Term, reads: Sequence[Read], holds: bool) -> Mapping[Read, Value] | None:
        """What a condition that holds (or not) says of the elements that it compares; None where it cannot be."""
        if t.op == "read":
            read = reads[t.value]
            children = self.walk.cone.children.get(read)
            return {} if children is None else self.narrowed(body_of(read.operand), children, holds)  # type: ignore[arg-type]
        if t.op == "not_":
            return self.narrowed(t.args[0], reads, not holds)
        if t.op == "and_" and holds or t.op == "or_" and not holds:
            both = [self.narrowed(a, reads, holds) for a in t.args]
            return None if both[0] is None or both[1] is None else {**both[0], **both[1]}
        return self.compared(t, reads, holds) if t.op in _NEGATED else {}

    def compared(self, t: Term, reads: Sequence[Read], holds: bool) -> Mapping[Read, Value] | None:
        sign = t.op if holds else _NEGATED[t.op]
        found: dict[Read, Value] = {}
        for way, a, b in ((sign, t.args[0], t.args[1]), (_MIRRORED[sign], t.args[1], t.args[0])):
            read = self.alias(a, reads)
            if read is None or read.operand.dtype == "bool" or way == "ne":
                continue
            x, limit = self.bounds.flat(self.walk.instance(read)), self.bounds.flat(self.walk.term(b, reads))
            exact = x.exact & self.side(way, limit.exact)
            computed = x.computed & replace(self.side(way, limit.computed, read.operand.dtype), nan=not holds)
            if exact.empty and computed.empty and not computed.nan:
                return None
            found[read] = Value(exact, computed, x.error)
        return found

    def side(self, way: str, limit: Interval, machine: str = "") -> Interval:
        """The numbers in a relation to some number of an interval; on a machine, strictly above 0 is the least number."""
        if limit.empty:
            return Interval(-MP.inf, MP.inf, True)
        if way == "eq":
            return replace(limit, nan=True)
        step = self.walk.machine.quantum if machine == "float" else MP.mpf(machine == "int")
        low, high = limit.low, limit.high
        if way in ("gt", "ge"):
            return Interval(low + step if way == "gt" and (low == 0 or machine == "int") else low, MP.inf, True)
        return Interval(-MP.inf, high - step if way == "lt" and (high == 0 or machine == "int") else high, True)


_MUL, _DIV = Term("mul"), Term("div")


def _one(like: Value) -> Value:
    return replace(like, exact=interval(1), computed=interval(1), error=(0.0, 0.0), scale=like.scale**0)
