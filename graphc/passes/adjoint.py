r"""Reverse mode: the one rule.

    y[i] = reduce over j  f(.., x[p(i, j)], ..)

    x_bar[p] = sum over (i, j) with p(i, j) = p  of   y_bar[i] * w[i, j] * df/dx

The access map p is turned round (`ir.access.solve`): indices that it determines are substituted, the others are summed;
what cannot be solved is a condition, and a gather whose loops stay open becomes a Scatter. Un-broadcasting, both products
of a matmul and the adjoint of every reduction are this line.

Guards (`passes.guards`) travel with the cotangent. Where y_bar is 0 because a `where` did not take this side, the next product
is selected by the same condition, so 0 never meets an infinite derivative. Where a sum over a guard's indices begins,
un-broadcasting asks whether any term was taken; a contraction, whose factors are values and not derivatives of functions, has
no guard inside and passes none on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from graphc.ir.access import rewrite, solve, symbols_of
from graphc.ir.build import comprehension, constant, constant_value, identity, is_view, plain, prune, substitutable
from graphc.ir.nodes import Comprehension, Input, Node, Origin, Read, Scatter, Size
from graphc.ir.walk import topological
from graphc.passes.conditions import decided, truth
from graphc.passes.derivatives import LocalDerivative, depends_on, derived, local_derivative
from graphc.passes.guards import Body, Guard, chooses_numbers, conjuncts, has_pole, in_range, taken_where, union
from graphc.scalar.derivative import is_where, times
from graphc.scalar.symbols import OverIndex, Placeholder, axis_index, over_index, placeholder
from graphc.scalar.table import op, where

__all__ = ["pullback"]

ZERO, ONE = sp.Integer(0), sp.Integer(1)
MAX_TERMS = 32   # contributions that one node adds up


@dataclass(frozen=True)
class Cotangent:
    """y_bar: its axes are the batch axes, then the dims of y."""

    node: Node
    guards: tuple[Guard, ...] = ()


def pullback(roots: Sequence[Node], seeds: Sequence[Node | None], wrt: Sequence[Node], batch: Sequence[Size] = ()) -> list[Node | None]:
    """The cotangents of `wrt` for given cotangents of the roots; None where nothing depends. A seed None is the number 1.

    With `batch` extents, seeds and results carry as many leading axes: a Jacobian is a pullback of the identity.
    """
    active = depends_on(list(roots), list(wrt))
    pending: dict[Node, list[Cotangent]] = {}
    for root, seed in zip(roots, seeds, strict=True):
        pending.setdefault(root, []).append(_seed(root, seed))
    found: dict[Node, Node] = {}
    for y in reversed(topological(roots)):
        if y not in active or y not in pending:
            continue
        y_bar = _total(pending.pop(y), y, batch)
        if y in wrt:
            found[y] = y_bar.node
        if isinstance(y, Input):
            continue
        for k, read in enumerate(y.reads):
            if read.operand in active:
                part = _contribution(y, k, y_bar, tuple(batch))
                if part is not None:
                    pending.setdefault(read.operand, []).append(part)
    return [found.get(w) for w in wrt]


def _seed(root: Node, seed: Node | None) -> Cotangent:
    if seed is None:
        return Cotangent(constant(ONE, derived(root.origin), dtype="float"))
    value = constant_value(seed)
    if value is not None and is_where(value) and value.args[2] == 0:
        return Cotangent(seed, tuple(Guard(c) for c in conjuncts(value.args[0])))
    return Cotangent(seed)


def _total(parts: list[Cotangent], y: Node, batch: Sequence[Size]) -> Cotangent:
    """The sum of contributions; guarded where all are."""
    name = y.name if isinstance(y, Input) else y.origin.hint
    hint = f"{name}_bar" if name else ""
    if len(parts) == 1:
        return parts[0]
    axes = [*batch, *y.dims]
    nodes = [p.node for p in parts]
    while len(nodes) > 1:       # a body with thousands of terms would be as deep an expression
        nodes = [_sum(nodes[k:k + MAX_TERMS], axes, derived(y.origin, hint)) for k in range(0, len(nodes), MAX_TERMS)]
    node = nodes[0]
    return Cotangent(node, union([p.guards for p in parts]))


def _sum(nodes: Sequence[Node], axes: Sequence[Size], origin: Origin) -> Node:
    if len(nodes) == 1:
        return nodes[0]
    body = sp.Add(*(placeholder(k) for k in range(len(nodes))))
    return comprehension(axes, (), None, body, [plain(n) for n in nodes], origin, "float")


def _contribution(y: Comprehension | Scatter, k: int, y_bar: Cotangent, batch: tuple[Size, ...]) -> Cotangent | None:
    local = local_derivative(y, k)
    if local.expression == 0:
        return None
    return _Contribution(y, y.reads[k], local, y_bar, batch).build()


class _Contribution:
    """One edge of the reverse sweep. The loops of y are renamed to symbols of their own before the map is inverted."""

    def __init__(self, y: Comprehension | Scatter, read: Read, local: LocalDerivative, y_bar: Cotangent, batch: tuple[Size, ...]):
        self.y, self.x, self.local, self.y_bar, self.batch = y, read.operand, local, y_bar, batch
        self.loop = {s: over_index(1000 + m) for m, s in enumerate(y.ranges)}
        self.ranges = {self.loop[s]: size for s, size in y.ranges.items()}
        self.index = tuple(rewrite(e, self.loop) for e in read.index)
        self.origin = derived(y.origin, self._hint())
        self.selected = True   # y_bar as it is read is 0 where its guards fail

    def _hint(self) -> str:
        name = self.x.name if isinstance(self.x, Input) else self.x.origin.hint
        return f"{name}_bar" if name else ""

    def build(self) -> Cotangent | None:
        b = len(self.batch)
        dims = self.x.dims
        at = tuple(ZERO if size == 1 else axis_index(b + m) for m, size in enumerate(dims))
        at_ranges = {axis_index(b + m): size for m, size in enumerate(dims)}
        solution = solve(self.index, at, self.ranges, at_ranges)
        open_loops = set(solution.open)
        if any(symbols_of(e) & open_loops for e, _ in solution.conditions):
            return Cotangent(self.scatter())
        value = {s: over_index(m) for m, s in enumerate(solution.open)}
        value |= {s: rewrite(e, value) for s, e in solution.value.items()}
        over = [self.ranges[s] for s in solution.open]
        return self.gathered(value, over, solution.conditions, solution.within, at_ranges)

    # --- the usual case: the map is inverted
    def gathered(self, value, over, conditions, within, at_ranges) -> Cotangent | None:          # type: ignore[no-untyped-def]
        body, place = self.product(value, [axis_index(m) for m in range(len(self.batch))])
        guards = [moved for g in self.y_bar.guards if (moved := self.moved(g, place))]
        for e, p in conditions:
            e = rewrite(e, value)
            guards.append(Guard(op("eq")(placeholder(0), p), (e,), binding=True) if isinstance(e, Read) else Guard(op("eq")(e, p), binding=True))
        for e, size in within:
            guards += [Guard(c, binding=True) for c in in_range(rewrite(e, value), size, at_ranges | self.open_ranges(over))]
        body, over, guards = self.eliminate(body, over, guards, at_ranges)
        ranges = at_ranges | {axis_index(m): s for m, s in enumerate(self.batch)} | self.open_ranges(over)
        guards = [g for g in guards if truth(g.condition, ranges) != 1]
        body.expression = decided(body.expression, ranges)
        kept = [g for g in guards if self.applies(g)]
        own = body.expression
        taken = taken_where(own)
        if taken is not None and not symbols_of(taken) & set(self.open_ranges(over)):
            reads = [k for k in sorted(int(s.name[1:]) for s in taken.free_symbols if isinstance(s, Placeholder))]
            renumber = {placeholder(k): placeholder(m) for m, k in enumerate(reads)}
            guards.append(Guard(taken.xreplace(renumber), tuple(body.reads[k] for k in reads), chosen=self.y.body.has(op("where"))))
        body.select(kept)
        if body.expression == 0:
            return None
        axes = [*self.batch, *self.x.dims]
        node = comprehension(axes, over, "sum" if over else None, body.expression, body.reads, self.origin, "float")
        open_symbols = set(self.open_ranges(over))
        ending = [g for g in guards if self.touches(g, open_symbols)]
        outgoing = tuple(replace(g, binding=False) for g in guards if g not in ending)
        return Cotangent(self.unwrapped(node, axes), (*outgoing, *self.lifted(ending, outgoing, over)))

    def lifted(self, ending: list[Guard], outgoing: tuple[Guard, ...], over: Sequence[Size]) -> list[Guard]:
        """Un-broadcasting sums over indices of guards: the sum is exactly 0 where no term of it was taken."""
        if not any(g.chosen for g in ending) or self.y.reduce is not None or isinstance(self.x, Input):
            return []
        body = Body(ZERO)
        condition = body.all_of([*(g for g in outgoing if g.only_indices), *ending])
        axes = [*self.batch, *self.x.dims]
        terms = comprehension(axes, over, "sum", where(condition, ONE, ZERO), body.reads, derived(self.y.origin, "taken"), "int")
        return [Guard(op("gt")(placeholder(0), ZERO), (plain(terms),), chosen=True, lifted=True)]

    def unwrapped(self, node: Node, axes: list[Size]) -> Node:
        """A contribution that is y_bar itself, re-indexed, needs no node."""
        return identity(node.reads[0], axes, self.origin) if is_view(node) else node

    @staticmethod
    def open_ranges(over: Sequence[Size]) -> dict[sp.Symbol, Size]:
        return {over_index(m): size for m, size in enumerate(over)}

    @staticmethod
    def touches(g: Guard, symbols: set[sp.Symbol]) -> bool:
        return bool(symbols & g.condition.free_symbols) or any(symbols & symbols_of(r) for r in g.reads)

    def applies(self, g: Guard) -> bool:
        """Whether a guard must select this product. A lifted one costs a reduction: only derivatives that have poles are worth it."""
        if g.binding or g.only_indices and not self.selected:
            return True
        return self.multiplies() and (not g.lifted or has_pole(self.local.expression))

    def multiplies(self) -> bool:
        """Whether the product could turn 0 into NaN: it multiplies by something, and is not a term of a contraction."""
        d = self.local.expression
        if chooses_numbers(d):
            return False
        factors = sp.Mul.make_args(d)
        linear = all(isinstance(f, Placeholder) or f.is_number for f in factors)
        return not (linear and self.y.reduce == "sum")

    def product(self, value, batch) -> tuple[Body, dict[sp.Symbol, sp.Expr]]:                   # type: ignore[no-untyped-def]
        """y_bar * w * df/dx at the substituted loops; and where each symbol of y went."""
        place = {s: value[t] for s, t in self.loop.items()}
        body = Body(ZERO)
        local = body.imported(self.local.expression, [rewrite(r, place) for r in self.local.reads])
        local = local.xreplace(place)
        at = self.element(place)
        cotangent = self.y_bar.node
        index = (*batch, *at)[len(batch) + len(at) - len(cotangent.dims):]
        scale = constant_value(cotangent)
        if scale is not None and not any(isinstance(e, Read) for e in index):
            g = rewrite(scale, {axis_index(m): e for m, e in enumerate(index)}) if scale.free_symbols else scale
            if is_where(g) and g.args[2] == 0:
                g = g.args[1]                                             # its condition is among the guards
                self.selected = False
        else:
            g = body.read(Read(cotangent, index))
        body.expression = times(g, local)
        return body, place

    def element(self, place: dict[sp.Symbol, sp.Expr]) -> tuple[Any, ...]:
        """Which element of y a point of its loops contributes to."""
        if isinstance(self.y, Scatter):
            return tuple(rewrite(e, place) for e in self.y.at)
        return tuple(place[axis_index(m)] for m in range(len(self.y.axes)))

    def moved(self, g: Guard, place: dict[sp.Symbol, sp.Expr]) -> Guard | None:
        """A guard of y_bar at that element; where an integer read says which element it is, the guard compares what it reads.

        None where a guard reads at arithmetic of such an index: its selection is in y_bar already.
        """
        at = {axis_index(len(self.batch) + m): e for m, e in enumerate(self.element(place))}
        if not all(substitutable(r, at) for r in g.reads):
            return None
        reads = [rewrite(r, at) for r in g.reads]
        mapping: dict[sp.Symbol, sp.Expr] = {}
        for s, e in at.items():
            if isinstance(e, Read) and s in g.condition.free_symbols:
                mapping[s] = placeholder(len(reads))
                reads.append(e)
            elif not isinstance(e, Read):
                mapping[s] = e
        return replace(g, condition=g.condition.xreplace(mapping), reads=tuple(reads), binding=g.binding or len(reads) > len(g.reads))

    def eliminate(self, body: Body, over: list[Size], guards: list[Guard], at_ranges):          # type: ignore[no-untyped-def]
        """sum over j of where(j == e, f(j), 0) is f(e)."""
        for g in guards:
            if not (g.only_indices and isinstance(g.condition, op("eq"))):
                continue
            for j, e in (g.condition.args, g.condition.args[::-1]):
                if isinstance(j, OverIndex) and j not in e.free_symbols:
                    k = int(j.name[1:])
                    mapping = {j: e} | {over_index(m): over_index(m - 1) for m in range(k + 1, len(over))}
                    rest = [replace(h, condition=h.condition.xreplace(mapping), reads=tuple(rewrite(r, mapping) for r in h.reads))
                            for h in guards if h is not g]
                    size, over = over[k], over[:k] + over[k + 1:]
                    e = rewrite(e, mapping)
                    ranges = at_ranges | {axis_index(m): s for m, s in enumerate(self.batch)} | self.open_ranges(over)
                    rest += [Guard(c, binding=True) for c in in_range(e, size, ranges)]
                    body.expression = body.expression.xreplace(mapping)
                    body.reads = [rewrite(r, mapping) for r in body.reads]
                    return self.eliminate(body, over, rest, at_ranges)
        return body, over, guards

    # --- a gather whose loops stay open
    def scatter(self) -> Scatter:
        b = len(self.batch)
        value = {t: over_index(b + m) for m, t in enumerate(self.ranges)}
        body, place = self.product(value, [over_index(m) for m in range(b)])
        to_batch = {axis_index(m): over_index(m) for m in range(b)}
        moved = [m for g in self.y_bar.guards if (m := self.moved(g, place)) and self.applies(m)]
        body.select([replace(m, condition=m.condition.xreplace(to_batch), reads=tuple(rewrite(r, to_batch) for r in m.reads)) for m in moved])
        at = (*(over_index(m) for m in range(b)), *(rewrite(e, value) for e in self.index))
        expression, reads = prune(body.expression, body.reads)
        return Scatter((*self.batch, *self.x.dims), at, (*self.batch, *self.ranges.values()), expression, reads, "float", self.origin)
