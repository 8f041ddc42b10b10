"""Writing a node with the nodes below it: whole, or element by element.

    whole(node)            the tensor:            X.T @ (X@W - Y)
    element(node, index)   one of its elements:   Sum(X[k,i]*(X@W)[k,j], k)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from graphc.ir.form import Form, symbols_of_node
from graphc.ir.forms import Forms
from graphc.ir.idioms import ReductionCall
from graphc.ir.nodes import Comprehension, Input, Node, Read, Scatter
from graphc.ir.text import Piece, TextStyle, compose
from graphc.ir.views import View
from graphc.scalar.symbols import Extent, OverIndex, axis_index
from graphc.scalar.term import Term, freeze

__all__ = ["Writer"]

_LETTERS = ("i", "j", "k", "l", "p", "q", "r", "s", "u", "v")


class Writer:
    """`names` are the nodes that have a line of their own, with the text that stands for them."""

    def __init__(self, forms: Forms, style: TextStyle, names: Mapping[Node, str]):
        self.forms, self.style, self.names = forms, style, names
        inputs = [n for n in forms.forms if isinstance(n, Input)]
        self.taken = {i.name for i in inputs} | set(names.values()) | {
            s.name for n in forms.forms for size in n.dims for s in size.free_symbols}
        self.tensors = {i.name for i in inputs} | set(names.values())
        self.used: list[str] = []

    # --- whole tensors
    def whole(self, node: Node, name: bool = True) -> Piece:
        """The text of a node; with name=False the right side of its own line."""
        if isinstance(node, Input) or name and node in self.names:
            return self.style.name(self.names.get(node) or node.name, len(node.dims))            # type: ignore[union-attr]
        form = self.forms.own[node]
        if form.kind in ("index", "total"):
            return self.from_elements(node, form)
        return replace(getattr(self, form.kind)(form), rank=len(node.dims))

    def from_elements(self, node: Node, form: Form) -> Piece:
        letters = [self.fresh() for _ in node.dims]
        body = self.element(node, [self.style.letter(x) for x in letters], form)
        self.release(letters)
        return self.style.array(body, [self.style.letter(x) for x in letters]) if letters else body

    def map(self, form: Form) -> Piece:
        return self.body(form, form.node.body)                                                   # type: ignore[union-attr]

    def body(self, form: Form, body: sp.Expr) -> Piece:
        node = form.node
        assert isinstance(node, Comprehension)

        def leaf(t: Term) -> Piece:
            if t.op == "read":
                return self.viewed(node.reads[t.value], form.views[t.value])
            return self.symbol(t, {})
        return compose(freeze(body, node.kinds), self.style, leaf)

    def viewed(self, read: Read, view: View) -> Piece:
        """A read as a view of its operand."""
        form = self.forms[read.operand]
        if form.keepdims and not view.order and not view.expand and view.items and form.kind != "name" \
                and view.items == tuple("0" if k in (form.axis or ()) else ":" for k in range(len(view.items))):
            return getattr(self, form.kind)(replace(form, keepdims=False))                       # sum(x, axis=1, keepdims=True)[:, 0]
        piece = self.whole(read.operand)
        if view.items:
            last = max(k for k, item in enumerate(view.items) if item != ":")
            piece = self.style.sliced(piece, view.items[:last + 1])
        if view.order:
            permuted = [Piece(str(view.order))]
            piece = self.style.transpose(piece) if view.order == (1, 0) else self.style.call("transpose", [piece, *permuted])
        if view.expand:
            piece = self.style.sliced(piece, view.expand)
        return replace(piece, rank=Forms.rank(view, read))

    def reduce(self, form: Form, name: str = "", more: Sequence[tuple[str, str]] = ()) -> Piece:
        node = form.node
        assert isinstance(node, Comprehension)
        return self.style.call(name or str(node.reduce), [self.map(form)], [*self.axis_keywords(form, [node.ranges[s] for s in form.frame]), *more])

    def axis_keywords(self, form: Form, sizes: Sequence[sp.Expr], default: tuple[int, ...] | None = None) -> list[tuple[str, str]]:
        """axis="c", keepdims=True: by name where the name is unique."""
        axis = form.axis or ()
        keywords = []
        if axis != (tuple(range(len(sizes))) if default is None else default):
            by_name = all(isinstance(sizes[k], Extent) and list(sizes).count(sizes[k]) == 1 for k in axis)
            texts = [f'"{sizes[k]}"' if by_name else str(k) for k in axis]
            keywords.append(("axis", texts[0] if len(texts) == 1 else f"({', '.join(texts)})"))
        return keywords + ([("keepdims", "True")] if form.keepdims else [])

    def call(self, form: Form) -> Piece:
        call = form.call
        if not isinstance(call, ReductionCall):
            assert isinstance(form.node, Comprehension)
            parameters = [Piece(f'"{p}"') if p.free_symbols else self.number(p) for p in call.parameters]
            called = self.style.call(call.name, [self.viewed(form.node.reads[0], form.views[0]), *parameters], call.keywords)
            return self.scaled(call.coefficient, replace(called, rank=len(form.node.dims)))
        if call.inner is None:
            return self.reduce(replace(form, node=call.reduction), call.name, call.more)
        last = (len(form.frame) - 1,) if "softmax" in call.name else None
        keywords = self.axis_keywords(form, call.inner.axes, last)
        return self.style.call(call.name, [self.viewed(call.argument, form.views[0])], [*keywords, *call.more])

    def constant(self, form: Form) -> Piece:
        node = form.node
        assert isinstance(node, Comprehension)
        size = Piece(f'"{node.axes[0]}"') if node.axes else Piece("")
        if form.call == "eye":
            return self.style.call("eye", [size])
        if form.call == "arange":
            return self.at(node.body, node, {axis_index(0): self.style.call("arange", [size])})
        value = self.number(node.body)
        return self.style.stretch(value, self.sizes(node)) if node.axes else value

    def broadcast(self, form: Form) -> Piece:
        core = form.call
        piece = self.viewed(Read(core, tuple(axis_index(k) for k in range(len(core.dims)))), form.views[0])
        return self.style.stretch(piece, self.sizes(form.node))

    @staticmethod
    def sizes(node: Node) -> str:
        return " ".join(str(s).replace(" ", "") for s in node.dims)

    def matmul(self, form: Form) -> Piece:
        """Coefficients of the factors go to the front: X.T @ (2*r/n) is 2*X.T @ r/n."""
        product = form.call
        left, a = self.split(product.left.operand)
        right, b = self.split(product.right.operand)
        a = self.style.transpose(a) if product.left_t and len(product.left.index) == 2 else a
        b = self.style.transpose(b) if product.right_t and len(product.right.index) == 2 else b
        above, below = (left * right).as_numer_denom()
        numbers = [None if e == 1 else self.number(e) for e in (_magnitude(above), below)]
        return self.style.scaled_matmul(a, b, above.could_extract_minus_sign(), *numbers)

    def number(self, e: sp.Expr) -> Piece:
        """An expression of numbers and extents."""
        return compose(freeze(e, ()), self.style, lambda t: self.symbol(t, {}))

    def scaled(self, coefficient: sp.Expr, a: Piece) -> Piece:
        """coefficient*a"""
        above, below = coefficient.as_numer_denom()
        magnitude = _magnitude(above)
        a = a if magnitude == 1 else self.style.infix["mul"](self.number(magnitude), a)
        a = a if below == 1 else self.style.infix["div"](a, self.number(below))
        return self.style.negate(a) if above.could_extract_minus_sign() else a

    def split(self, node: Node) -> tuple[sp.Expr, Piece]:
        """(c, x) for a factor c*x with a coefficient of numbers and extents."""
        form = self.forms[node]
        if form.kind == "map" and node not in self.names:
            assert isinstance(form.node, Comprehension)
            coefficient, rest = form.node.body.as_independent(*(s for s in form.node.body.free_symbols if not isinstance(s, Extent)), as_Add=False)
            if coefficient != 1 and rest != 1:
                return coefficient, replace(self.body(form, rest), rank=len(node.dims))
        return sp.Integer(1), self.whole(node)

    # --- elements
    def fresh(self) -> str:
        pool = (*_LETTERS, *(f"i{k}" for k in range(len(self.used) + 1)))
        letter = next(x for x in pool if x not in self.used and x not in self.taken)
        self.used.append(letter)
        return letter

    def release(self, letters: Sequence[str]) -> None:
        for x in letters:
            self.used.remove(x)

    def element(self, node: Node, index: Sequence[Piece], form: Form | None = None) -> Piece:
        """node[index]; `form` when it is the right side of the node's own line."""
        own_line = form is not None
        form = form or self.forms[node]
        if not own_line and (not node.dims and form.kind != "total" or self.closed(node, form)):
            return self.style.subscript(self.whole(node), index)
        if isinstance(node, Scatter):
            return self.scattered(node, index)
        shown = self.forms.shown[node]
        assert isinstance(shown, Comprehension)
        env: dict[sp.Symbol, Piece] = {axis_index(k): p for k, p in enumerate(index)}
        used = symbols_of_node(shown)
        letters = {s: self.fresh() for s, size in shown.ranges.items() if s in used and s not in env and size != 1}
        env |= {s: self.style.letter(x) for s, x in letters.items()}
        body = self.at(shown.body, shown, env)
        self.release(list(letters.values()))
        if shown.reduce and letters:
            body = self.style.over(shown.reduce, body, [self.style.letter(x) for x in letters.values()])
        times = sp.Mul(*(size for s, size in shown.ranges.items() if isinstance(s, OverIndex) and s not in used))
        if shown.reduce != "sum" or times == 1:
            return body
        return self.number(times) if body.text == "1" else self.style.infix["mul"](self.number(times), body)      # a sum of equal terms

    @staticmethod
    def closed(node: Node, form: Form) -> bool:
        """Whether elements are subscripts of the whole: names, products, calls."""
        if form.kind == "call" and getattr(form.call, "name", "") in ("one_hot", "mean"):
            return False
        return form.kind in ("name", "matmul") or form.kind == "call"

    def at(self, body: sp.Expr, node: Comprehension | Scatter, env: Mapping[sp.Symbol, Piece]) -> Piece:
        def leaf(t: Term) -> Piece:
            return self.read(node.reads[t.value], env) if t.op == "read" else self.symbol(t, env)
        return compose(freeze(body, node.kinds), self.style, leaf)

    def read(self, read: Read, env: Mapping[sp.Symbol, Piece]) -> Piece:
        return replace(self.element(read.operand, [self.index(e, env) for e in read.index]), rank=0)

    def index(self, e: Any, env: Mapping[sp.Symbol, Piece]) -> Piece:
        return self.read(e, env) if isinstance(e, Read) else compose(freeze(e, ()), self.style, lambda t: self.symbol(t, env))

    def symbol(self, t: Term, env: Mapping[sp.Symbol, Piece]) -> Piece:
        if t.op == "index":
            return env.get(t.value, Piece("0"))
        return self.style.extent(str(t.value), str(t.value) in self.tensors)

    def scattered(self, node: Scatter, index: Sequence[Piece]) -> Piece:
        """out[p] of out[at] += body is Sum(where(at == p, body, 0)); an index that `at` has bare takes its value from p."""
        env: dict[sp.Symbol, Piece] = {}
        for e, p in zip(node.at, index, strict=True):
            if e in node.ranges and e not in env:
                env[e] = p
        letters = {s: self.fresh() for s in node.ranges if s not in env}
        bare = set(env)
        env |= {s: self.style.letter(x) for s, x in letters.items()}
        body = self.at(node.body, node, env)
        equal = [self.style.infix["eq"](self.index(e, env), p) for e, p in zip(node.at, index, strict=True) if isinstance(e, Read) or e not in bare]
        self.release(list(letters.values()))
        if equal:
            condition = equal[0]
            for other in equal[1:]:
                condition = self.style.infix["and_"](condition, other)
            body = self.style.function("where", [condition, body, Piece("0")])
        return self.style.over("sum", body, [self.style.letter(x) for x in letters.values()]) if letters else body


def _magnitude(e: sp.Expr) -> sp.Expr:
    return -e if e.could_extract_minus_sign() else e
