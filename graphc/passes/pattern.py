r"""Rules: an identity of mathematics as a pair of user programs.

    pattern ::= Wild name                      any value; at every occurrence the same one
             |  Number value
             |  Apply head pattern...          sum, product, power, or a function of the table
             |  Reduced kind dim pattern       a reduction
             |  At dim                         the index, along a reduced dim, of the element x[..., at] that the left side reads

A rule is a Python function of pattern tensors that returns two tensors of equal value, (lhs, rhs); its name states the
identity and its docstring the algebra. Tensors after these two say when the rule is not needed: where one of them matches,
the left side has the good form already. A dim of a pattern stands for any tuple of axes: `sum(exp(x), "d")` matches a sum
over one axis or three, with keepdims or without, in index notation or not. A pattern tensor of integers is the index at which an
element is read; `varies` names tensors that stand for no mere number, and `when` is a further condition on what was matched.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import sympy as sp

from graphc.ir.nodes import Comprehension, Input, Node, Scatter
from graphc.ir.walk import topological
from graphc.scalar.symbols import Extent, Nonfinite, Placeholder, axis_index, over_index
from graphc.scalar.table import Op, op

__all__ = ["Pattern", "Wild", "Number", "Apply", "Reduced", "At", "Rule", "Rules", "head_of", "is_inverse", "is_number", "name_of", "split",
           "tags_of"]

Tag = str | None        # where an axis of a pattern lies: None among the root's, else reduced as the dim of this name


@dataclass(frozen=True)
class Wild:
    """Any float value; for what `where` selects by, any condition. `under` are the reduced dims among its indices."""

    name: str
    under: frozenset[str] = frozenset()
    kind: str = "float"


@dataclass(frozen=True)
class Number:
    value: sp.Expr


@dataclass(frozen=True)
class At:
    dim: str


@dataclass(frozen=True)
class Apply:
    """For a sum, `constant` is its number; for a product, its factors of numbers and extents; `args` are the others."""

    head: Any
    args: tuple[Pattern, ...]
    constant: sp.Expr | None = None


@dataclass(frozen=True)
class Reduced:
    kind: str
    dim: str
    body: Pattern


Pattern = Wild | Number | Apply | Reduced | At


def is_number(e: sp.Expr) -> bool:
    """Whether an expression is of numbers and extents alone."""
    return all(isinstance(s, Extent) for s in e.free_symbols)


def split(e: sp.Expr) -> tuple[sp.Expr, tuple[sp.Expr, ...]]:
    """A sum as its number and its other terms; a product as its factors of numbers and extents, and the others."""
    if isinstance(e, sp.Add):
        constant, rest = e.as_coeff_Add()
        return constant, tuple(sp.Add.make_args(rest))
    constant, parts = sp.Integer(1), []
    for factor in e.args:
        if is_number(factor):
            constant *= factor
        else:
            parts.append(factor)
    return constant, tuple(parts)


def tags_of(node: Comprehension, tags: tuple[Tag, ...]) -> list[tuple[Tag, ...]]:
    """For each read of a pattern's node: where the axes of its operand lie."""
    of: dict[sp.Symbol, Tag] = {axis_index(m): t for m, t in enumerate(tags)}
    of |= {over_index(m): str(size) for m, size in enumerate(node.over)}
    return [tuple(of[e] if isinstance(e, sp.Symbol) else None for e in r.index) for r in node.reads]


def is_inverse(e: sp.Expr) -> bool:
    """Whether an expression is 1 / x^n of what it reads."""
    return isinstance(e, sp.Pow) and isinstance(e.base, Placeholder) and e.exp.is_Integer and e.exp.is_negative


def head_of(e: sp.Expr) -> type:
    """What an expression is at its top. A power with a broken exponent is the function of two arguments, as in rules."""
    return op("power") if isinstance(e, sp.Pow) and e.exp.is_number and not e.exp.is_Integer else type(e)


def name_of(head: type) -> str:
    return head.row.name if issubclass(head, Op) else head.__name__


def _pattern(node: Node, tags: tuple[Tag, ...]) -> Pattern:
    """The tree of a pattern program; patterns are small, so recursion is."""
    if isinstance(node, Input):
        return At(str(node.below)) if node.dtype == "int" else Wild(node.name, frozenset(t for t in tags if t))
    assert isinstance(node, Comprehension)
    reads = [_pattern(r.operand, t) for r, t in zip(node.reads, tags_of(node, tags), strict=True)]

    def convert(e: sp.Expr) -> Pattern:
        if isinstance(e, Placeholder):
            return reads[int(e.name[1:])]
        if e.is_number or isinstance(e, Nonfinite):
            return Number(e)
        if isinstance(e, sp.Add | sp.Mul):
            constant, parts = split(e)
            return _flat(Apply(type(e), tuple(convert(a) for a in parts), constant))
        if isinstance(e, sp.Pow) and isinstance(base := convert(e.base), Apply) and e.exp.is_Integer:
            if base.head is sp.Mul:
                return Apply(sp.Mul, tuple(_raised(a, e.exp) for a in base.args), base.constant**e.exp)
            return _raised(base, e.exp)
        if isinstance(e, sp.Pow | Op):
            args = [convert(a) for a in e.args]
            if isinstance(e, op("where")) and isinstance(args[0], Wild):
                args[0] = replace(args[0], kind="bool")
            return Apply(type(e), tuple(args))
        raise TypeError(f"a pattern cannot contain {e}")

    body = convert(node.body)
    if node.reduce is None:
        return body
    (dim,) = map(str, node.over)
    return Reduced(node.reduce, dim, body)


def _raised(p: Pattern, n: sp.Expr) -> Pattern:
    """p**n"""
    if isinstance(p, Apply) and p.head is sp.Pow and isinstance(p.args[1], Number):
        n, p = p.args[1].value * n, p.args[0]
    return p if n == 1 else Apply(sp.Pow, (p, Number(n)))


def _flat(p: Apply) -> Apply:
    """A product of products, or a sum of sums, as one, as `passes.match` sees subjects."""
    constant: Any = p.constant
    args: list[Pattern] = []
    for a in p.args:
        if isinstance(a, Apply) and a.head is p.head:
            constant, args = p.head(constant, a.constant), [*args, *a.args]
        else:
            args.append(a)
    return Apply(p.head, tuple(args), constant)


@dataclass(frozen=True, eq=False)
class Rule:
    """One identity. `program(gc, x, ...)` returns (lhs, rhs, *needless); `dims` are the dims of its tensors."""

    program: Callable[..., tuple[Any, ...]]
    dims: dict[str, Any] = field(default_factory=dict)
    varies: frozenset[str] = frozenset()
    when: Callable[..., bool] | None = None
    expand: bool = False        # whether values are written over what the maps below them read, that they may cancel
    needs: str = ""             # "head: token token ..." of the left side, where it is written down (see passes.tokens)

    @property
    def head(self) -> str:
        return self.needs.partition(":")[0] or name_of(self.lhs.head)

    @property
    def name(self) -> str:
        return self.program.__name__

    @property
    def identity(self) -> str:
        return inspect.getdoc(self.program) or ""

    @property
    def wilds(self) -> dict[str, Any]:
        """The pattern tensors and their dims."""
        names = list(inspect.signature(self.program).parameters)[1:]
        return {n: self.dims.get(n, "n") for n in names}

    @cached_property
    def sides(self) -> tuple[Any, ...]:
        """The programs as tensors of the language, which is loaded when a rule is first used."""
        gc = importlib.import_module("graphc")
        return self.program(gc, *(gc.labels(n, "n", below="d") if dims == "at d" else gc.tensor(n, dims) for n, dims in self.wilds.items()))

    @cached_property
    def lhs(self) -> Apply:
        return self._side(0)

    @cached_property
    def rhs(self) -> Node:
        node = self.sides[1].node
        assert not isinstance(node, Scatter)
        return node  # type: ignore[no-any-return]

    @cached_property
    def kept(self) -> frozenset[Node]:
        """The nodes of the right side that become nodes: reductions, what has a name, and what is read by a reduction, more than once, or
        along a further axis. Others are written into the body that reads them."""
        found: set[Node] = set()
        once: set[Node] = set()
        for node in topological([self.rhs]):
            if isinstance(node, Input):
                continue
            if node.origin.hint:
                found.add(node)
            if node.reduce:
                found |= {node, *(r.operand for r in node.reads)}
            for r in node.reads:
                stretched = len(set(r.index) & set(node.ranges)) < len(node.ranges)
                (found if stretched or r.operand in once else once).add(r.operand)
        return frozenset(found)

    @cached_property
    def pointwise(self) -> bool:
        """Whether the right side is one map."""
        return not any(getattr(n, "reduce", None) for n in topological([self.rhs]))

    @cached_property
    def needless(self) -> tuple[Apply, ...]:
        return tuple(self._side(k) for k in range(2, len(self.sides)))

    def _side(self, k: int) -> Apply:
        node = self.sides[k].node
        pattern = _pattern(node, (None,) * len(node.dims))
        assert isinstance(pattern, Apply), f"{self.name}: the root of a left side is an operation"
        return pattern


class Rules:
    """A table of rules in order of preference, and where in a body one could match. `needs` are those of rules by name: building a hundred left
    sides takes longer than most formulas."""

    def __init__(self, needs: Mapping[str, str]) -> None:
        self.table: dict[str, Rule] = {}
        self.needs = needs
        self._sites: dict[sp.Expr, tuple[tuple[sp.Expr, tuple[Rule, ...]], ...]] = {}

    def rule(self, *, varies: str = "", when: Callable[..., bool] | None = None, expand: bool = False,
             **dims: Any) -> Callable[[Callable[..., tuple[Any, ...]]], Rule]:
        def add(program: Callable[..., tuple[Any, ...]]) -> Rule:
            name = program.__name__
            self.table[name] = Rule(program, dims, frozenset(varies.split()), when, expand, self.needs.get(name, ""))
            return self.table[name]
        return add

    @cached_property
    def by_head(self) -> dict[str, tuple[Rule, ...]]:
        heads = dict.fromkeys(r.head for r in self.table.values())
        return {h: tuple(r for r in self.table.values() if r.head == h) for h in heads}

    def sites(self, body: sp.Expr) -> tuple[tuple[sp.Expr, tuple[Rule, ...]], ...]:
        """Subexpressions whose head some rule has, outermost first; found once for each distinct body."""
        found = self._sites.get(body)
        if found is None:
            below: Iterable[sp.Expr] = () if body.is_Atom else sp.preorder_traversal(body)
            found = self._sites[body] = tuple((e, rules) for e in below if (rules := self.of(e)))
        return found

    def of(self, e: sp.Expr) -> tuple[Rule, ...]:
        """The rules that an expression's head may match. The inverse of a product is a product."""
        rules = self.by_head.get(name_of(head_of(e)), ())
        return rules + self.by_head.get(sp.Mul.__name__, ()) if is_inverse(e) else rules
