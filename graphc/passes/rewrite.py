r"""The rewrite engine: where the left side of a rule matches, the right side is written over the graph's own nodes.

Nodes are visited operands first, and a node until no rule matches it, so one sweep reaches the fixed point. The root of a
right side takes the place of what matched inside the body; the nodes below it are built over the axes that they depend on
and no others (the maximum in a softmax by rows has one axis, whatever the root has), and equal ones are built once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import sympy as sp

from graphc.errors import InternalError
from graphc.ir.access import rewrite
from graphc.ir.build import comprehension, prune
from graphc.ir.nodes import Comprehension, Input, Node, Origin, Read, Scatter
from graphc.ir.walk import rebuild
from graphc.passes.match import Remainder, matches
from graphc.passes.pattern import Rule, Rules, is_number, tags_of
from graphc.passes.subject import Subject, combined, compose, expanded, symbols
from graphc.passes.tokens import needed, tokens_of
from graphc.passes.unify import Match
from graphc.scalar.symbols import Extent, Placeholder, axis_index, over_index, placeholder
from graphc.scalar.table import op

__all__ = ["apply_rules", "first_match", "fires", "Fired"]

FUEL = 50           # rules that may fire at one node before the table is taken for a loop

Fired = tuple[Rule, sp.Expr, Match, Remainder]


def apply_rules(rules: Rules, roots: Sequence[Node]) -> list[Node]:
    """The graph in which no rule matches any more."""
    rewriter = _Rewriter(rules)
    done = rebuild(roots, rewriter.visit)
    return [done[r] for r in roots]


def first_match(rules: Rules, node: Node) -> Fired | None:
    """The rule that fires next at a node, and where in its body."""
    if isinstance(node, Input):
        return None
    for site, candidates in rules.sites(node.body):
        found = _first(Subject(site, node.reads), candidates, _is_selected(node, site))
        if found is not None:
            return found[0], site, *found[1:]
    return None


def fires(rules: Rules, s: Subject) -> bool:
    """Whether a rule matches the root of a subject."""
    return _first(s, rules.of(s.expr), False) is not None


def _first(subject: Subject, candidates: Sequence[Rule], selected: bool) -> tuple[Rule, Match, Remainder] | None:
    """The first rule that matches a subject; under a selection, of those that build no nodes."""
    tokens = tokens_of(subject)
    for rule in candidates:
        if not _needs(rule) <= tokens or selected and not rule.pointwise:
            continue
        for found, rest in matches(rule.lhs, subject):
            if any(True for p in rule.needless for _ in matches(p, subject)):
                break
            if rule.expand:
                found = replace(found, wilds={w: expanded(v) for w, v in found.wilds.items()})
            if _holds(rule, found):
                return rule, found, rest
    return None


_needs = cache(needed)


def _holds(rule: Rule, m: Match) -> bool:
    """Whether a match is one that the rule is meant for."""
    if any(w.name in rule.varies and is_number(s.expr) for w, s in m.wilds.items()):
        return False
    return rule.when is None or rule.when(m)


def _is_selected(node: Comprehension | Scatter, site: sp.Expr) -> bool:
    """Whether a site may lie under a selection, where a read may leave its operand: no node can be built from it."""
    return site != node.body and bool(node.body.has(op("where")))


class _Rewriter:
    def __init__(self, rules: Rules):
        self.rules = rules
        self.known: dict[tuple[object, ...], Node] = {}

    def visit(self, node: Node) -> Node:
        for _ in range(FUEL):
            fired = first_match(self.rules, node)
            if fired is None:
                return self.known.setdefault(_key(node), node)
            assert not isinstance(node, Input)
            node = self.fire(node, *fired)
        raise InternalError(f"rewriting does not end at a node of {node.origin}: {fired[0].name} still matches")  # type: ignore[index]

    def fire(self, node: Comprehension | Scatter, rule: Rule, site: sp.Expr, m: Match, rest: Remainder) -> Node:
        """The node with what matched replaced by the right side."""
        value = _RightSide(self, rule, node, m).value(rule.rhs, (None,) * len(rule.rhs.dims))
        if rest is not None:
            head, left, sign = rest
            value = combined(lambda *parts: sign * head(*parts), [value, left])
        base = len(node.reads)
        expr = value.expr.xreplace({placeholder(k): placeholder(base + k) for k in range(len(value.reads))})
        body, reads = node.body.xreplace({site: expr}), [*node.reads, *value.reads]
        if isinstance(node, Scatter):
            body, kept = prune(body, reads)
            return replace(node, body=body, reads=kept)
        origin = replace(node.origin, op=rule.rhs.origin.op) if site == node.body and rest is None else node.origin
        return comprehension(node.axes, node.over, node.reduce, body, reads, origin, node.dtype)

    def built(self, node: Comprehension) -> Node:
        """The node, rewritten and shared with an equal one."""
        return self.known.get(_key(node)) or self.visit(node)


def _key(node: Node) -> tuple[object, ...]:
    if isinstance(node, Input):
        return (node,)
    return (type(node), node.dims, getattr(node, "at", ()), node.over, node.reduce, node.body, node.reads, node.dtype)


class _RightSide:
    """One instance of a right side, in terms of the indices of the node whose body matched."""

    def __init__(self, rewriter: _Rewriter, rule: Rule, node: Comprehension | Scatter, m: Match):
        self.rewriter, self.rule, self.node, self.m = rewriter, rule, node, m
        self.renamed = m.renamed
        self.ranges = {**node.ranges, **m.ranges}
        self.values: dict[tuple[Node, tuple[str | None, ...]], Subject] = {}

    def value(self, node: Node, tags: tuple[str | None, ...]) -> Subject:
        """A pattern's node at a point; `tags` say which of its axes are reduced there."""
        if (node, tags) not in self.values:
            self.values[node, tags] = self.wild(node, tags) if isinstance(node, Input) else self.applied(node, tags)
        return self.values[node, tags]

    def wild(self, node: Input, tags: tuple[str | None, ...]) -> Subject:
        if node.dtype == "int":
            return self.at(str(node.below))
        under = frozenset(t for t in tags if t)
        s = self.m.value(node.name, under)
        if s is None:
            raise InternalError(f"rule {self.rule.name}: the right side uses {node.name} under {sorted(under)}, and the left side does not")
        simple = self.rule.pointwise or self.rule.expand or isinstance(s.expr, Placeholder) or isinstance(-s.expr, Placeholder)
        return s if simple else self.built(s, (), None, replace(self.node.origin, op="", hint=""))

    def at(self, dim: str) -> Subject:
        """The index, along a reduced dim, of the element that the left side reads."""
        index = self.m.equal[self.m.over[dim][0]]
        return Subject(placeholder(0), (index,)) if isinstance(index, Read) else Subject(index)

    def applied(self, node: Node, tags: tuple[str | None, ...]) -> Subject:
        assert isinstance(node, Comprehension)
        parts = [self.value(r.operand, t) for r, t in zip(node.reads, tags_of(node, tags), strict=True)]
        s = compose(self.sized(node.body).xreplace(self.loops(node, tags)), parts, share=True)
        if self.rule.pointwise or node not in self.rule.kept and not self.is_narrow(s):
            return s
        bound = [e for size in node.over for e in self.over(str(size))]
        origin = Origin(node.origin.op, self.node.origin.file, self.node.origin.line, node.origin.hint)
        return self.built(s, bound, node.reduce, origin)

    def is_narrow(self, s: Subject) -> bool:
        """Whether a value is the same along axes of what matched, and worth computing once: 1 / |b[j]| in a[i] . b[j] / (|a[i]| |b[j]|)."""
        return not s.expr.is_Atom and bool(s.expr.atoms(sp.Function)) and symbols(s) < set(self.node.ranges)

    def loops(self, node: Comprehension, tags: tuple[str | None, ...]) -> dict[sp.Symbol, sp.Expr]:
        """The indices of a pattern's node that lie along reduced dims, in terms of the match."""
        along = {axis_index(k): tag for k, tag in enumerate(tags)} | {over_index(k): str(size) for k, size in enumerate(node.over)}
        return {s: self.over(dim)[0] for s, dim in along.items() if dim and s in node.body.free_symbols}

    def over(self, dim: str) -> list[sp.Symbol]:
        return [self.renamed.get(s, s) for s in self.m.over[dim]]

    def sized(self, body: sp.Expr) -> sp.Expr:
        """The extent of a pattern's dim is the number of points that it stands for."""
        extents = [s for s in body.free_symbols if isinstance(s, Extent)]
        return body.xreplace({s: sp.Mul(*(self.m.ranges[i] for i in self.m.over[s.name])) for s in extents}) if extents else body

    def built(self, s: Subject, bound: Sequence[sp.Symbol], reduce: str | None, origin: Origin) -> Subject:
        """A node over the indices that it depends on, read at them."""
        used = symbols(s)
        axes = [e for e in self.ranges if e in used and e not in bound]
        mapping = {e: axis_index(k) for k, e in enumerate(axes)} | {e: over_index(k) for k, e in enumerate(bound)}
        node = comprehension([self.ranges[e] for e in axes], [self.ranges[e] for e in bound], reduce, s.expr.xreplace(mapping),
                             [rewrite(r, mapping) for r in s.reads], origin, "float")
        return Subject(placeholder(0), (Read(self.rewriter.built(node), tuple(axes)),))
