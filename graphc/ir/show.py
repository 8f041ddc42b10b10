"""A graph as lines of index notation, operands first: what explain() prints and what comments in generated code say.

    X: float[n, d] data
    XW[n,c] = sum over d of X[n,d]*W[d,c]
    g[t[n],d] += e[n,d] for n, d

An index is called after the dim that it runs over where that is clear, else i, j, k, ...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sympy as sp

from graphc.ir.names import names_of
from graphc.ir.nodes import Comprehension, Input, Node, Read, Scatter
from graphc.ir.text import ADD, Piece, TextStyle, compose
from graphc.ir.walk import topological
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term, freeze

__all__ = ["show", "meaning_of", "declaration_of", "sizes_text"]

_LETTERS = ("i", "j", "k", "l", "p", "q", "r", "s", "u", "v", "a", "b", "c", "d", "g", "h")


def show(roots: Iterable[Node]) -> str:
    """The graph below the roots as text: inputs, then one line a node."""
    order = topological(roots)
    lines = meaning_of(order, names_of(order))
    inputs = [lines[n] for n in order if isinstance(n, Input)]
    return "\n".join([*inputs, *(lines[n] for n in order if not isinstance(n, Input))])


def meaning_of(nodes: Iterable[Node], names: Mapping[Node, str]) -> dict[Node, str]:
    """The line of each node. `names` has the nodes and what they read."""
    return {n: declaration_of(n, names[n]) if isinstance(n, Input) else _Line(n, names).text() for n in nodes}


def sizes_text(sizes: Iterable[sp.Expr]) -> str:
    return ", ".join(str(s).replace(" ", "") for s in sizes)


def declaration_of(node: Input, name: str) -> str:
    """X: float[n, d] data"""
    dims = f"[{sizes_text(node.dims)}]" if node.dims else ""
    below = f" below {node.below}" if node.below is not None else ""
    return f"{name}: {node.precision or node.dtype}{dims} {node.role}{below}"


class _Line:
    def __init__(self, node: Comprehension | Scatter, names: Mapping[Node, str]):
        self.node, self.names, self.style = node, names, TextStyle()
        self.letters = self.choose_letters()

    def choose_letters(self) -> dict[sp.Symbol, str]:
        """Each index after its dim, if the dim occurs once, and neither a tensor nor the body has that name."""
        ranges = self.node.ranges
        used = {self.names[self.node]} | {self.names[o] for o in self.reads_of(self.node.reads)}
        used |= {s.name for s in self.node.body.free_symbols if isinstance(s, Extent)}
        sizes = list(ranges.values())
        found = {s: size.name for s, size in ranges.items() if isinstance(size, Extent) and sizes.count(size) == 1 and size.name not in used}
        pool = iter(x for x in [*_LETTERS, *(f"i{k}" for k in range(len(ranges)))] if x not in used and x not in found.values())
        return {s: found.get(s) or ("0" if ranges[s] == 1 else next(pool)) for s in ranges}

    def reads_of(self, reads: Iterable[Any]) -> list[Node]:
        found = []
        for r in [*reads, *getattr(self.node, "at", ())] if reads is self.node.reads else reads:
            if isinstance(r, Read):
                found += [r.operand, *self.reads_of(r.index)]
        return found

    def text(self) -> str:
        node = self.node
        body = compose(freeze(node.body, node.kinds), self.style, self.leaf)
        over = ", ".join(x for s, x in self.letters.items() if s.name[0] == "j" and x != "0")
        name = Piece(self.names[node])
        if isinstance(node, Scatter):
            return f"{self.style.subscript(name, [self.index(e) for e in node.at]).text} += {body.text}{f' for {over}' if over else ''}"
        left = self.style.subscript(name, [Piece(x) for s, x in self.letters.items() if s.name[0] == "i"])
        if node.reduce and over:
            right = body.text if body.level > ADD else f"({body.text})"
            return f"{left.text} = {node.reduce} over {over} of {right}"
        return f"{left.text} = {body.text}"

    def leaf(self, t: Term) -> Piece:
        if t.op == "read":
            return self.read(self.node.reads[t.value])
        return Piece(self.letters[t.value] if t.op == "index" else str(t.value))

    def read(self, read: Read) -> Piece:
        return self.style.subscript(Piece(self.names[read.operand]), [self.index(e) for e in read.index])

    def index(self, e: Any) -> Piece:
        return self.read(e) if isinstance(e, Read) else compose(freeze(e, ()), self.style, self.leaf)
