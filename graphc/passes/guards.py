r"""Guards: conditions outside which a cotangent is exactly 0.

    where(c, a, b)                 a_bar is 0 where c fails, b_bar where it holds
    x[1:]                          x_bar is 0 at the first element
    a sum of contributions         is 0 where all of them are: a union
    a sum over broadcast indices   is 0 where no term was taken

The next product is selected by the condition, so that 0 never meets an infinite derivative. Leaving a guard out never changes
a derivative that is finite, so a union that would cost too much is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import sympy as sp

from graphc.ir.access import bounds, inside, nonnegative
from graphc.ir.nodes import Read, Size
from graphc.scalar.derivative import is_where
from graphc.scalar.symbols import Extent, Placeholder, placeholder
from graphc.scalar.table import Op, op, where

__all__ = ["Guard", "Body", "union", "from_inside", "conjuncts", "taken_where", "chooses_numbers", "has_pole", "in_range"]

ZERO = sp.Integer(0)
MAX_SIZE = 32   # of the condition of one contribution in a union
LARGE = sp.Integer(10**6)


@dataclass(frozen=True)
class Guard:
    """A condition outside which a cotangent is exactly 0: an expression over reads, in the cotangent's own axes.

    `binding` until the value is selected by it, as the conditions of an inverted access map are; `chosen` where it comes from a `where`
    that the formula has; `lifted` when it says that one term of a sum at least was taken.
    """

    condition: sp.Expr
    reads: tuple[Read, ...] = ()
    binding: bool = False
    chosen: bool = False
    lifted: bool = False

    @property
    def only_indices(self) -> bool:
        return not self.reads


@dataclass
class Body:
    """A body under construction: an expression over reads."""

    expression: sp.Expr
    reads: list[Read] = field(default_factory=list)

    def read(self, read: Read) -> Placeholder:
        self.reads.append(read)
        return placeholder(len(self.reads) - 1)

    def imported(self, expression: sp.Expr, reads: Sequence[Read]) -> sp.Expr:
        """An expression over other reads, in terms of this body's."""
        return expression.xreplace({placeholder(k): self.read(r) for k, r in enumerate(reads)}) if reads else expression

    def all_of(self, guards: Sequence[Guard]) -> sp.Expr:
        """The conjunction of guards; those of indices come first, for they may say where the others can be read at all."""
        return reduce(lambda a, b: op("and_")(a, b), (self.imported(g.condition, g.reads) for g in reversed(from_inside(guards))))

    def select(self, guards: Sequence[Guard]) -> None:
        """Select the expression by guards, those of indices outermost."""
        for g in from_inside(guards):
            self.expression = where(self.imported(g.condition, g.reads), self.expression, ZERO)


def union(parts: Sequence[tuple[Guard, ...]]) -> tuple[Guard, ...]:
    """The guards of a sum of contributions: what all have in common, and that one of the rest holds."""
    common = tuple(g for g in parts[0] if all(g in p for p in parts))
    rest = [[g for g in p if g not in common] for p in parts]
    if not all(rest) or _cover(rest) or max(sum(_size(g.condition) for g in p) for p in rest) > MAX_SIZE:
        return common
    body = Body(ZERO)
    either = [body.all_of(p) for p in rest]
    while len(either) > 1:      # a balanced tree, that thousands of contributions make no deep expression
        either = [op("or_")(*either[k:k + 2]) if k + 1 < len(either) else either[k] for k in range(0, len(either), 2)]
    every = [g for p in rest for g in p]
    return (*common, Guard(either[0], tuple(body.reads), chosen=any(g.chosen for g in every), lifted=any(g.lifted for g in every)))


def _size(condition: sp.Expr) -> int:
    """How many comparisons and connectives a condition has."""
    return max(1, sum(isinstance(e, Op) for e in sp.preorder_traversal(condition)))


def _cover(parts: Sequence[Sequence[Guard]]) -> bool:
    """Whether i < m and i >= k are among the parts with k <= m in large dims, as in x[1:] - x[:-1]: together they hold everywhere."""
    alone = [p[0].condition for p in parts if len(p) == 1 and p[0].only_indices]
    gaps = [low.args[0] - high.args[0] + high.args[1] for low in alone if isinstance(low, op("ge"))
            for high in alone if isinstance(high, op("lt"))]
    return any(sp.expand(g).xreplace({s: LARGE for s in g.free_symbols if isinstance(s, Extent)}).is_nonnegative for g in gaps)


def from_inside(guards: Sequence[Guard]) -> list[Guard]:
    """Guards of values, then guards of indices, which say where the values can be read."""
    return sorted(guards, key=lambda g: g.only_indices)


def conjuncts(condition: sp.Expr) -> list[sp.Expr]:
    if isinstance(condition, op("and_")):
        return [c for a in condition.args for c in conjuncts(a)]
    return [condition]


def chooses_numbers(d: sp.Expr) -> bool:
    """Whether a derivative is a number, or chooses between numbers, as that of relu or max: then 0 times it is 0."""
    if is_where(d):
        return all(chooses_numbers(branch) for branch in d.args[1:])
    if isinstance(d, sp.Mul):
        return all(chooses_numbers(factor) for factor in d.args)
    return not any(isinstance(s, Placeholder) for s in d.free_symbols)


def has_pole(d: sp.Expr) -> bool:
    """Whether a derivative may be infinite at finite values: it divides, or takes a logarithm or a power."""
    return any(p.exp.could_extract_minus_sign() for p in d.atoms(sp.Pow)) or d.has(*(op(n) for n in ("log", "power", "digamma", "polygamma")))


def taken_where(expression: sp.Expr) -> sp.Expr | None:
    """The condition outside which a selection is 0: c of where(c, f, 0), not c of where(c, 0, f); None where it may be taken anywhere."""
    if not is_where(expression):
        return None
    condition, yes, no = expression.args
    otherwise = op("not_")(condition)
    a, b = taken_where(yes), taken_where(no)
    if no == 0:
        return condition if a is None else op("and_")(condition, a)
    if yes == 0:
        return otherwise if b is None else op("and_")(otherwise, b)
    if a is None:
        return None if b is None else op("or_")(condition, b)
    return op("or_")(otherwise, a) if b is None else op("or_")(op("and_")(condition, a), op("and_")(otherwise, b))


def in_range(e: sp.Expr, size: Size, ranges: Mapping[sp.Symbol, Size]) -> list[sp.Expr]:
    """The conditions for 0 <= e < size that are not known to hold."""
    if inside(e, size, ranges) is True:
        return []
    found = bounds(e, ranges)
    conditions = []
    if found is None or not nonnegative(sp.expand(found[0]), ranges):
        conditions.append(op("ge")(e, ZERO))
    if found is None or not nonnegative(sp.expand(size - 1 - found[1]), ranges):
        conditions.append(op("lt")(e, size))
    return conditions
