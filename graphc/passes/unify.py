r"""First-order unification of values over the indices of matched reductions.

In exp(x[s, c]) / sum over j of exp(x[s, j]) both x are one value with j := c. In a softmax gathered at labels,
exp(x[s, t[s]]) / sum over j of exp(x[s, j]), they are with j := t[s].
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import sympy as sp

from graphc.ir.access import rewrite, symbols_of
from graphc.ir.nodes import Comprehension, Node, Read, Size
from graphc.passes.pattern import Wild
from graphc.passes.subject import Subject, compose, located, place_of, takes, unfold
from graphc.scalar.symbols import AxisIndex, OverIndex, Placeholder, over_index, placeholder

__all__ = ["Match", "unify", "FIRST"]

FIRST = 1000            # indices of matched reductions are numbered from here, clear of any node's own
BUDGET = 200            # steps of one unification


@dataclass(frozen=True)
class Match:
    wilds: dict[Wild, Subject] = field(default_factory=dict)
    over: dict[str, tuple[sp.Symbol, ...]] = field(default_factory=dict)     # the indices that a pattern's dim stands for
    ranges: dict[sp.Symbol, Size] = field(default_factory=dict)              # extents of the indices of matched reductions
    equal: dict[sp.Symbol, Any] = field(default_factory=dict)                # what unification found them to be
    again: dict[sp.Symbol, sp.Symbol] = field(default_factory=dict)          # indices of further reductions over a dim: which of `over` each is
    rigid: frozenset[sp.Symbol] = frozenset()                                # indices that stand for themselves alone
    loose: bool = False                                                      # whether absolute errors of exponents are all that counts

    @property
    def renamed(self) -> dict[sp.Symbol, sp.Symbol]:
        """Indices of matched reductions that are other such indices."""
        known = {s: e for s, e in self.equal.items() if isinstance(e, OverIndex) and e in self.ranges}
        first = {s: self.again.get(s, s) for s in {*self.again, *known, *known.values()}}
        apart = {e for s, e in known.items() if first[s] != first[e]}                   # indices of different dims that are one
        return {s: e if first[s] != first[e] or e in apart else first[e] for s, e in known.items()} \
            | {s: e for s, e in first.items() if s not in known and s not in apart and e != s}

    def wild(self, name: str) -> Subject:
        """What stands for a value of the pattern, where that was first met."""
        return next(s for w, s in self.wilds.items() if w.name == name)

    def value(self, name: str, under: frozenset[str] | None = None) -> Subject | None:
        """What a value of the pattern is, over the indices of its first reduction."""
        found = next((s for w, s in self.wilds.items() if w.name == name and under in (None, w.under)), None)
        if found is None:
            return None
        whole, renamed = compose(placeholder(0), [found]), self.renamed
        return Subject(whole.expr.xreplace(renamed), tuple(rewrite(r, renamed) for r in whole.reads))


def unify(a: Subject, b: Subject, m: Match) -> Match | None:
    """Make two subjects one value by choosing the indices of matched reductions; None where that cannot be."""
    return _unify(a, b, m, [BUDGET])


def _unify(a: Subject, b: Subject, m: Match, budget: list[int]) -> Match | None:
    budget[0] -= 1
    if budget[0] < 0:
        return None
    same = _unify_reads(a, b, m)
    if same is not None:
        return same
    a, b = unfold(a), unfold(b)
    if isinstance(a.expr, Placeholder) and isinstance(b.expr, Placeholder):
        return _unify_reads(a, b, m) or _unify_reductions(located(a), located(b), m, budget)
    (p, x), (q, y) = _multiple(a), _multiple(b)
    if p == q and (x is not a or y is not b):
        return _unify(x, y, m, budget)
    if type(a.expr) is not type(b.expr) or len(a.expr.args) != len(b.expr.args):
        return None
    if not a.expr.args:
        if isinstance(a.expr, AxisIndex | OverIndex):
            e, f = a.place.get(a.expr, a.expr), b.place.get(b.expr, b.expr)
            return m if e == f else _unify_index(e, f, m.ranges.get(e, m.ranges.get(f)), m)
        return m if a.expr == b.expr else None
    found: Match | None = m
    for x, y in zip(a.expr.args, b.expr.args, strict=True):
        if found is not None:
            found = _unify(a._replace(expr=x), b._replace(expr=y), found, budget)
    return found


def _multiple(s: Subject) -> tuple[sp.Expr, Subject]:
    """A number and what it multiplies, through the maps that only scale: -(x / 2) is -1/2 of x."""
    number, core = s.expr.as_coeff_Mul()
    if not isinstance(core, Placeholder) or number == 1:
        return sp.Integer(1), s
    below = unfold(s._replace(expr=core))
    more, inner = _multiple(below)
    return number * more, inner


def _unify_reads(a: Subject, b: Subject, m: Match) -> Match | None:
    if not (isinstance(a.expr, Placeholder) and isinstance(b.expr, Placeholder)):
        return None
    p, q = located(a), located(b)
    return _unify_indices(p, q, m) if p.operand is q.operand else None


def _unify_indices(p: Read, q: Read, m: Match) -> Match | None:
    found: Match | None = m
    for e, f, size in zip(p.index, q.index, p.operand.dims, strict=True):
        if found is not None:
            found = _unify_index(e, f, size, found)
    return found


def _unify_index(e: Any, f: Any, size: Size, m: Match) -> Match | None:
    gathers = {s for s, value in m.equal.items() if isinstance(value, Read)}
    if not (takes(e, gathers) and takes(f, gathers)):
        return None
    if m.equal:
        e, f = rewrite(e, m.equal), rewrite(f, m.equal)
    if e == f:
        return m
    for s, value in ((e, f), (f, e)):
        if s in m.ranges and m.ranges[s] == size and not symbols_of(value) & (m.rigid | {s}):
            return replace(m, equal={k: rewrite(v, {s: value}) for k, v in m.equal.items()} | {s: value})
    if isinstance(e, Read) and isinstance(f, Read) and e.operand is f.operand:
        return _unify_indices(e, f, m)
    return None


def _unify_reductions(p: Read, q: Read, m: Match, budget: list[int]) -> Match | None:
    """Two reductions of one form are one value if what they read is, with their own indices taken as equal."""
    x: Node = p.operand
    y: Node = q.operand
    if not (isinstance(x, Comprehension) and isinstance(y, Comprehension) and x.reduce == y.reduce is not None
            and x.over == y.over and x.body == y.body and len(x.reads) == len(y.reads)):
        return None
    own = tuple(over_index(2 * FIRST + len(m.rigid) + k) for k in range(len(x.over)))
    at_x, at_y = place_of(x, (*p.index, *own)), place_of(y, (*q.index, *own))
    if at_x is None or at_y is None:
        return None
    found: Match | None = replace(m, rigid=m.rigid | set(own))
    for s in sorted(x.body.free_symbols, key=str):
        if found is not None:
            found = _unify(Subject(s, x.reads, at_x), Subject(s, y.reads, at_y), found, budget)
    return found
