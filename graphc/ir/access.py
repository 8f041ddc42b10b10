r"""Access maps: integer arithmetic on indices, and how to turn a map round.

    index ::= i0 | j0 | integer | extent | index + index | integer * index | index // extent | index % extent | read

`solve` inverts a map: for a read x[e_0, e_1, ...] inside loops over s, it finds the points s at which e = p. Bare indices,
shifts (x[i+1]), merged and split dims (x[i//d, i%d], x[i*d+j]) have closed forms; what is left over becomes a condition
`e_k == p_k` under the loops that stay open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from graphc.ir.nodes import Read, Size
from graphc.scalar.symbols import Extent
from graphc.scalar.table import op

__all__ = ["rewrite", "normal", "symbols_of", "floordiv", "mod", "bounds", "inside", "nonnegative", "Solution", "solve", "same_size"]


def rewrite(index: Any, mapping: Mapping[sp.Symbol, Any]) -> Any:
    """An index with its symbols replaced; follows integer reads."""
    if isinstance(index, Read):
        return Read(index.operand, tuple(rewrite(e, mapping) for e in index.index))
    if isinstance(index, sp.Symbol):
        return mapping.get(index, index)
    return normal(index.xreplace(dict(mapping)))


def symbols_of(index: Any) -> set[sp.Symbol]:
    if isinstance(index, Read):
        return set().union(*(symbols_of(e) for e in index.index))
    return index.free_symbols


def same_size(a: Size, b: Size) -> bool:
    return a == b or not (a.is_Atom and b.is_Atom) and sp.expand(a - b) == 0


def normal(e: sp.Expr) -> sp.Expr:
    """Simplify // and % bottom up."""
    if e.is_Atom:
        return e
    args = [normal(a) for a in e.args]
    if isinstance(e, op("floordiv")):
        return floordiv(*args)
    if isinstance(e, op("mod")):
        return mod(*args)
    return sp.expand(e.func(*args))


def floordiv(a: sp.Expr, m: Size) -> sp.Expr:
    if a.is_Integer and m.is_Integer and m != 0:
        return sp.Integer(int(a) // int(m))
    quotient, rest = _split(a, m)
    if rest == 0:
        return quotient
    return quotient + op("floordiv")(rest, m)


def mod(a: sp.Expr, m: Size) -> sp.Expr:
    if m == 1:
        return sp.Integer(0)
    if a.is_Integer and m.is_Integer and m != 0:
        return sp.Integer(int(a) % int(m))
    rest = _split(a, m)[1]
    return rest if rest.is_Integer and m.is_Integer and 0 <= rest < m or rest == 0 else op("mod")(rest, m)


def _split(a: sp.Expr, m: Size) -> tuple[sp.Expr, sp.Expr]:
    """a = quotient * m + rest, taking out the terms that m divides."""
    quotient, rest = sp.Integer(0), sp.Integer(0)
    for part in sp.Add.make_args(sp.expand(a)):
        q = sp.cancel(part / m) if m != 1 else part
        if sp.fraction(q)[1] == 1 and all(c.is_Integer for c in q.as_coefficients_dict().values()):
            quotient += q
        else:
            rest += part
    return quotient, rest


def bounds(e: sp.Expr, ranges: Mapping[sp.Symbol, Size]) -> tuple[sp.Expr, sp.Expr] | None:
    """The least and greatest value of an index, as polynomials in extents; None where that is not known."""
    if e in ranges:
        return sp.Integer(0), ranges[e] - 1
    if not symbols_of(e) & set(ranges):
        return e, e
    if isinstance(e, op("mod")):
        return sp.Integer(0), e.args[1] - 1
    if isinstance(e, op("floordiv")):
        inner = bounds(e.args[0], ranges)
        return None if inner is None else (floordiv(inner[0], e.args[1]), _greatest_quotient(inner[1], e.args[1]))
    if isinstance(e, sp.Add):
        parts = [bounds(a, ranges) for a in e.args]
        if any(p is None for p in parts):
            return None
        return sp.expand(sp.Add(*(p[0] for p in parts))), sp.expand(sp.Add(*(p[1] for p in parts)))  # type: ignore[index]
    if isinstance(e, sp.Mul):
        factor, rest = e.as_independent(*ranges)
        inner = bounds(rest, ranges) if rest != e else None
        if inner is None:
            return None
        low, high = (sp.expand(factor * b) for b in inner)
        if nonnegative(factor, ranges):
            return low, high
        return (high, low) if nonnegative(-factor, ranges) else None
    return None


def _greatest_quotient(high: sp.Expr, m: Size) -> sp.Expr:
    """floor(high / m), where high + 1 is often a multiple of m."""
    quotient, rest = _split(high + 1, m)
    return quotient - 1 if nonnegative(-rest, {}) else floordiv(high, m)


def nonnegative(e: sp.Expr, ranges: Mapping[sp.Symbol, Size]) -> bool:
    """Whether e >= 0 for all extents of at least 1 (inside a loop no extent is 0): its Taylor terms at 1 are not negative."""
    shifted = sp.expand(e.xreplace({s: s + 1 for s in e.free_symbols if isinstance(s, Extent)}))
    if shifted.has(op("floordiv"), op("mod")):
        return False
    return all(c.is_Integer and c >= 0 for c in shifted.as_coefficients_dict().values())


def inside(e: sp.Expr, size: Size, ranges: Mapping[sp.Symbol, Size]) -> bool | None:
    """Whether 0 <= e < size always holds (True), certainly fails somewhere (False), or is not known (None)."""
    if ranges.get(e) == size:
        return True
    found = bounds(e, ranges)
    if found is None:
        return None
    low, high = found
    below, above = sp.expand(low), sp.expand(size - 1 - high)
    if nonnegative(below, ranges) and nonnegative(above, ranges):
        return True
    tight = not e.has(op("floordiv"), op("mod"))
    if tight and (nonnegative(-below - 1, ranges) or nonnegative(-above - 1, ranges)):
        return False
    return None


@dataclass
class Solution:
    """The points s with e(s) = p: `value[s]` in terms of p, under the conditions; symbols in `open` stay loops."""

    value: dict[sp.Symbol, sp.Expr] = field(default_factory=dict)
    conditions: list[tuple[Any, sp.Expr]] = field(default_factory=list)      # (index, p): they must be equal
    within: list[tuple[sp.Expr, Size]] = field(default_factory=list)         # (e, size): 0 <= e < size must hold
    open: list[sp.Symbol] = field(default_factory=list)


def solve(index: tuple[Any, ...], at: tuple[sp.Expr, ...], ranges: Mapping[sp.Symbol, Size],
          at_ranges: Mapping[sp.Symbol, Size]) -> Solution:
    """Invert the access map: for which values of the symbols of `ranges` is index == at?"""
    solution = Solution()
    equations = [(e, p) for e, p in zip(index, at, strict=True)]
    equations = _merge_quotients(equations)
    for test in (_bare, _radix, _shift):
        remaining = []
        for e, p in equations:
            if isinstance(e, Read) or not test(rewrite(e, solution.value), p, ranges, solution):
                remaining.append((e, p))
        equations = remaining
    solution.open = [s for s in ranges if s not in solution.value]
    for e, p in equations:
        e = rewrite(e, solution.value)
        if e != p:
            solution.conditions.append((e, p))
    for s, e in solution.value.items():
        if inside(e, ranges[s], at_ranges) is not True:
            solution.within.append((e, ranges[s]))
    return solution


def _merge_quotients(equations: list[tuple[Any, sp.Expr]]) -> list[tuple[Any, sp.Expr]]:
    """u // m = p and u % m = q together say u = p*m + q."""
    for a, (e, p) in enumerate(equations):
        for b, (f, q) in enumerate(equations):
            if isinstance(e, op("floordiv")) and isinstance(f, op("mod")) and e.args == f.args:
                rest = [x for k, x in enumerate(equations) if k not in (a, b)]
                return _merge_quotients([*rest, (e.args[0], sp.expand(p * e.args[1] + q))])
    return equations


def _bare(e: sp.Expr, p: sp.Expr, ranges: Mapping[sp.Symbol, Size], found: Solution) -> bool:
    if e not in ranges or e in found.value:
        return False
    found.value[e] = p
    return True


def _radix(e: sp.Expr, p: sp.Expr, ranges: Mapping[sp.Symbol, Size], found: Solution) -> bool:
    """s*m + t = p with 0 <= t < m: t = p % m, s = p // m; and so on for more digits."""
    digits: list[tuple[sp.Symbol, sp.Expr]] = []
    value = p
    while True:
        free = e.free_symbols & set(ranges)
        if len(free) == 1 and e in ranges:
            digits.append((e, value))
            break
        for t in sorted(free, key=str):
            others = sp.expand(e - t)
            quotient, rest = _split(others, ranges[t])
            if t not in others.free_symbols and rest == 0 and quotient.free_symbols & set(ranges):
                digits.append((t, mod(value, ranges[t])))
                value, e = floordiv(value, ranges[t]), quotient
                break
        else:
            return False
    if len(digits) < 2:
        return False
    found.value.update(digits)
    return True


def _shift(e: sp.Expr, p: sp.Expr, ranges: Mapping[sp.Symbol, Size], found: Solution) -> bool:
    """s + rest = p or rest - s = p."""
    for s in sorted(e.free_symbols & set(ranges), key=str):
        for sign in (1, -1):
            rest = sp.expand(e - sign * s)
            if s not in rest.free_symbols and s not in found.value:
                solved = sp.expand(sign * (p - rest))
                found.value = {t: rewrite(v, {s: solved}) for t, v in found.value.items()}
                found.value[s] = solved
                return True
    return False
