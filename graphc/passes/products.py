r"""Matrix products found, and one where two share a factor:

    sum over k of f, f[i,j,k] = A[i,k] * B[j,k]    is A B'
    A B + C B                                      = (A + C) B

the latter where a row of A + C needs no more than that row of A and of C. C may be A transposed, as in the gradient of functions of a Gram matrix:

    d/dF sum f(K) = R F + R' F,  K = F F',  R = f'(K)

because R' is computed over K itself, which is its own transpose; so tiles of rows stay tiles, and the two products are one. Products that something
else reads as well would be computed beside the one, and stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import sympy as sp

from graphc.ir.access import rewrite, symbols_of
from graphc.ir.build import comprehension, plain
from graphc.ir.classify import classify, product_operands
from graphc.ir.nodes import Comprehension, Input, Node, Read
from graphc.ir.walk import operands, topological, with_reads
from graphc.passes.subject import enter
from graphc.scalar.symbols import OverIndex, Placeholder, axis_index, placeholder

__all__ = ["found_product", "joined_products"]

ONE = sp.Integer(1)
Swap = Mapping[sp.Symbol, sp.Symbol]


def found_product(node: Comprehension) -> Comprehension:
    """A sum of an outer product's elements, each factor of which has an axis that the other has not, as the matrix product."""
    inner = enter(node.reads[0]) if node.reduce == "sum" and node.body == placeholder(0) else None
    if inner is None or len(inner.reads) != 2 or inner.expr != placeholder(0)*placeholder(1):
        return node
    one, two = (rewrite(r, inner.place) for r in inner.reads)
    product = comprehension(node.axes, node.over, "sum", inner.expr, [one, two], node.origin, node.dtype)
    kept = [set(r.index) & {axis_index(k) for k in range(len(node.axes))} for r in (one, two)]
    return product if product_operands(product) and kept[0] - kept[1] and kept[1] - kept[0] else node


@dataclass(frozen=True)
class Term:
    """coefficient * (sum over j of factor * other), in the indices of the map that adds it; `body` is how that says it."""

    body: sp.Expr
    coefficient: sp.Expr
    product: Comprehension
    reads: tuple[Read, ...]


def joined_products(roots: Sequence[Node]) -> list[Node]:
    """The graph in which two products that share a factor, and that nothing but their sum reads, are one."""
    order = topological(roots)
    readers = Counter(o for node in order for o in operands(node))
    readers.update(roots)
    done: dict[Node, Node] = {}
    shared: set[Node] = set()
    for node in order:
        new = with_reads(node, done)
        done[node] = _with_one_product(new, shared) if isinstance(new, Comprehension) else new
        if readers[node] > 1:
            shared.add(done[node])
    return [done[r] for r in roots]


def _with_one_product(node: Comprehension, shared: Collection[Node]) -> Comprehension:
    """A map that adds two products with a common factor, as one that adds their sum."""
    if node.reduce is not None or not isinstance(node.body, sp.Add):
        return node
    terms = [t for e in node.body.args if (t := _term(e, node)) is not None and t.product not in shared]
    for one, two in combinations(terms, 2):
        for common in one.reads:
            if (joined := _joined(one, two, common, node)) is not None:
                rest = node.body - one.body - two.body
                if rest == 0:
                    return joined
                return comprehension(node.axes, (), None, rest + placeholder(len(node.reads)), [*node.reads, plain(joined)], node.origin, node.dtype)
    return node


def _term(e: sp.Expr, node: Comprehension) -> Term | None:
    """A term of a sum that is a multiple of a product of two factors, or of the negative of one."""
    found = [s for s in e.free_symbols if isinstance(s, Placeholder)]
    if len(found) != 1 or (e / found[0]).free_symbols & {*node.ranges, found[0]} or (node.body - e).has(found[0]):
        return None
    read, coefficient = node.reads[int(found[0].name[1:])], e / found[0]
    opened = enter(read)
    if opened is not None and opened.expr == -placeholder(0):
        read, coefficient = rewrite(opened.reads[0], opened.place), -coefficient
    product = read.operand
    if not isinstance(product, Comprehension) or len(product_operands(product) or ()) != 2 or set(read.index) != set(node.ranges):
        return None
    place = {axis_index(k): i for k, i in enumerate(read.index)}
    return Term(e, coefficient, product, tuple(rewrite(r, place) for r in product.reads))


def _joined(one: Term, two: Term, common: Read, node: Comprehension) -> Comprehension | None:
    """(a*A + c*C) B, if A and C stand over the same indices and B brings another."""
    if one.product.over != two.product.over or common not in two.reads:
        return None
    (a,), (c,) = ([r for r in t.reads if r != common] or [common] for t in (one, two))
    if set(a.index) != set(c.index) or all(i in a.index or size == ONE for i, size in node.ranges.items()):
        return None
    sizes = node.ranges | {k: size for k, size in one.product.ranges.items() if isinstance(k, OverIndex)}
    whole = _side_by_side(a, c)
    if whole is None:
        return None
    axes = [sizes[i] for i in a.index]
    weights = comprehension(axes, (), None, one.coefficient*placeholder(0) + two.coefficient*placeholder(1), [plain(a.operand), plain(whole)],
                            one.product.origin, "float")
    return comprehension(node.axes, one.product.over, "sum", placeholder(0)*placeholder(1), [Read(weights, a.index), common], node.origin, "float")


def _side_by_side(a: Read, c: Read) -> Node | None:
    """C in the order of A's indices; None where that needs other rows of what is computed."""
    if a.index == c.index:
        return c.operand
    differ = [k for k, (i, j) in enumerate(zip(a.index, c.index, strict=True)) if i != j]
    if len(differ) != 2:
        return None
    p, q = map(axis_index, differ)
    return _Transpose({p: q, q: p}).of(c.operand)


@dataclass
class _Transpose:
    """Transposes over two axes, computed from what a node is computed from, if only inputs of that are read down their columns. A loop copies
    those to rows in blocks, which costs less than the second product, if that has more than a dozen columns. Maps may be a long chain, and be
    read more than once."""

    swap: Swap
    done: dict[Node, Node | None] = field(default_factory=dict)
    known: dict[Node, bool] = field(default_factory=dict)

    def of(self, node: Node) -> Node | None:
        for n in topological([node], self.below):
            self.done[n] = self.turned(n)
        return self.done[node]

    def below(self, node: Node) -> tuple[Node, ...]:
        """The nodes whose transposes that of a node reads."""
        return tuple(r.operand for r in node.reads if set(self.swap) <= symbols_of(r) and r == plain(r.operand)) if self.is_map(node) else ()

    def is_map(self, node: Node) -> bool:
        return classify(node) == "map" and not self.is_own(node)

    def turned(self, node: Node) -> Node | None:
        if not isinstance(node, Comprehension) or not self.is_map(node):
            return node if self.is_own(node) else None
        reads = [r for r in self.reads(node) if r is not None]
        if len(reads) < len(node.reads):
            return None
        axes = [node.ranges[self.swap.get(i, i)] for i in node.ranges]
        return comprehension(axes, (), None, node.body.xreplace(dict(self.swap)), reads, node.origin, node.dtype)

    def reads(self, node: Comprehension) -> Iterator[Read | None]:
        for read in node.reads:
            turned = rewrite(read, self.swap)
            if not set(self.swap) <= symbols_of(read):
                yield turned if not turned.index or not self.has_product(read.operand) else None
            elif isinstance(read.operand, Input):
                yield turned
            elif read == plain(read.operand):
                whole = self.done[read.operand]
                yield None if whole is None else plain(whole)
            else:
                yield turned if turned == plain(read.operand) else None

    def is_own(self, node: Node) -> bool:
        """Products and sums of products: F[i,d] * F[j,d] with i and j exchanged has the factors that it had."""
        if not isinstance(node, Comprehension) or node.reduce not in (None, "sum"):
            return False
        if node.body == placeholder(0):
            read = node.reads[0]
            return read.index[:len(node.axes)] == plain(node).index and self.is_own(read.operand)
        factors = sp.Mul(*(placeholder(k) for k in range(len(node.reads))))
        return node.body == factors and Counter(node.reads) == Counter(rewrite(r, self.swap) for r in node.reads)

    def has_product(self, node: Node) -> bool:
        """Whether a node is computed from a product, of which it may need other rows."""
        if node not in self.known:
            for n in topological([node]):
                self.known[n] = isinstance(n, Comprehension) and product_operands(n) is not None or any(self.known[o] for o in operands(n))
        return self.known[node]
