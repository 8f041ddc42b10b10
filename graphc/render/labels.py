"""What is written on a picture: the symbol of an operator, the local derivative on an edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from graphc.ir.classify import product_operands
from graphc.ir.form import displayed
from graphc.ir.idioms import ReductionCall, map_call, reduction_call
from graphc.ir.nodes import Comprehension, Input, Node, Read, Scatter
from graphc.ir.text import ATOM, POWER, Piece, TextStyle, compose
from graphc.passes.derivatives import local_derivative
from graphc.render.style import REDUCTIONS, SYMBOLS, TRANSPOSED, superscript
from graphc.scalar.symbols import Placeholder, placeholder
from graphc.scalar.table import Op
from graphc.scalar.term import Term, freeze

__all__ = ["Edge", "symbol_of", "local_of"]

LONG = 32                              # characters of a symbol or an edge's label


@dataclass(frozen=True)
class Edge:
    source: Node
    target: Node
    read: Read
    position: int | None               # of the read in the target; None for an integer read, and inside a composed function
    label: str = ""


class PictureStyle(TextStyle):
    """As on a blackboard: x², a·b, Wᵀ."""

    times = "·"

    def function(self, name: str, args: Sequence[Piece]) -> Piece:
        if name == "where" and [a.text for a in args[1:]] == ["1", "0"]:
            return Piece(f"[{args[0].text}]")                             # Iverson's bracket
        return super().function(name, args)

    def power(self, a: Piece, b: Piece) -> Piece:
        if b.text.isdigit():
            return Piece(self.paren(a, POWER + 1) + superscript(int(b.text)), POWER)
        return super().power(a, b)


_NAMED = ("trace", "cumsum", "cumprod", "concatenate", "stack", "one_hot")      # operators whose bodies say less than their names


def symbol_of(node: Comprehension | Scatter, names: Mapping[Node, str]) -> str:
    """What stands in an operator's node: +, @, Σ, exp, × 0.5, x²."""
    return _Symbol(node, names).text()


def local_of(edge: Edge, names: Mapping[Node, str]) -> str:
    """The local derivative of the edge's target by its source, as text."""
    return _Locals(names).of(edge)


class _Symbol:
    def __init__(self, node: Comprehension | Scatter, names: Mapping[Node, str]):
        self.node, self.names = node, names

    def text(self) -> str:
        node = self.node
        call = reduction_call(node)
        if call is not None:
            return REDUCTIONS.get(call.name, call.name) + (_over(call) if call.inner is None else "")
        if isinstance(node, Scatter):
            return "scatter +"
        shown = displayed(node)
        assert isinstance(shown, Comprehension)
        if product_operands(shown):
            return SYMBOLS["@"]
        if map_call(node.origin.op, shown.body) or shown.reads and node.origin.op in _NAMED:
            return node.origin.op
        inside = self.body(shown)
        if shown.reduce:
            sign = REDUCTIONS[shown.reduce] + _over_dims(shown)
            return sign if shown.body == placeholder(0) else f"{sign} {inside}"
        return inside

    def body(self, node: Comprehension) -> str:
        body = node.body
        reads = len(node.reads)
        if body == placeholder(0):
            return self.view(node)
        if isinstance(body, Op) and all(isinstance(a, Placeholder) for a in body.args):
            return SYMBOLS.get(body.row.name, body.row.name)
        if reads == 2 and (sign := _BINARY.get(body)):
            return sign
        if reads == 1 and (text := self.folded(body)):
            return text
        if isinstance(body, sp.Add) and all(isinstance(a, Placeholder) for a in body.args):
            return "+"
        return self.formula(node)

    def view(self, node: Comprehension) -> str:
        if node.origin.op not in ("", "[]", "array", "index"):
            return node.origin.op
        return "[index]" if any(isinstance(e, Read) for e in node.reads[0].index) else "view"

    def folded(self, body: sp.Expr) -> str:
        """A constant in the operator: x + 1 is "+ 1", 0.5*x is "× 0.5", x**2 is "x²"."""
        x = placeholder(0)
        if isinstance(body, sp.Pow) and body.base == x and body.exp.is_Integer and body.exp > 0:
            return f"x{superscript(int(body.exp))}"
        if body == -x:
            return SYMBOLS["neg"]
        if isinstance(body, sp.Add) and len(body.args) == 2 and x in body.args:
            other = body - x
            return f"− {_number(-other)}" if other.could_extract_minus_sign() else f"+ {_number(other)}"
        if body.is_Pow and body == 1 / x:
            return "1/x"
        factor = body / x
        if x not in factor.free_symbols:
            above, below = factor.as_numer_denom()
            if above == 1:
                return f"÷ {_number(below, ATOM)}"
            return f"× {_number(factor, ATOM)}"
        return ""

    def formula(self, node: Comprehension) -> str:
        """The body over the operands' names; the operation's name where that is long."""
        def leaf(t: Term) -> Piece:
            if t.op == "read":
                return Piece(self.names[node.reads[t.value].operand])
            return Piece(letters.get(t.value, str(t.value)))
        letters = dict(zip(node.ranges, "ijklpqrsuv", strict=False))
        text = compose(freeze(node.body, node.kinds), PictureStyle(), leaf).text
        if len(text) <= LONG:
            return text
        if isinstance(node.body, Op):
            return SYMBOLS.get(node.body.row.name, node.body.row.name)
        return node.origin.op if node.origin.op.isidentifier() else SYMBOLS.get(node.origin.op, "f(…)")


_X, _Y = placeholder(0), placeholder(1)
_BINARY = {_X + _Y: SYMBOLS["add"], _X - _Y: SYMBOLS["sub"], _Y - _X: "− (reversed)", _X * _Y: SYMBOLS["mul"], _X / _Y: SYMBOLS["div"],
           _Y / _X: "÷ (reversed)"}


def _number(e: sp.Expr, level: int = 0) -> str:
    style = TextStyle()
    piece = compose(freeze(e, ()), style, lambda t: Piece(str(t.value)))
    return style.paren(piece, level)


def _over(call: ReductionCall) -> str:
    return _over_dims(call.reduction)


def _over_dims(node: Comprehension) -> str:
    """Which dims a partial reduction runs over."""
    return " over " + ", ".join(str(s) for s in node.over if s != 1) if any(s != 1 for s in node.axes) else ""


class _Locals:
    """Local derivatives as text over the operands' names: 2*r, W.T, exp_y."""

    def __init__(self, names: Mapping[Node, str]):
        self.names, self.style = names, PictureStyle()

    def of(self, edge: Edge) -> str:
        node = edge.target
        assert not isinstance(node, Input)
        if edge.position is None:
            call = reduction_call(node)
            if call is None:
                return ""
            return f"1/{_number(sp.Mul(*call.reduction.over), ATOM)}" if call.name == "mean" and _is_sum(call) else f"∂{call.name}"
        if isinstance(node, Comprehension) and product_operands(node) and len(node.reads) == 2:
            return self.factor(node, edge.position)
        local = local_derivative(node, edge.position)
        if isinstance(node, Comprehension) and node.reduce in ("max", "min"):
            return f"[x = {self.names[node]}]"
        if isinstance(node, Comprehension) and node.reduce == "prod":
            return f"{self.names[node]}/x"
        text = self.text(local.expression, [r.operand for r in local.reads])
        return text if len(text) <= LONG else text[:LONG - 1] + "…"

    def text(self, expression: sp.Expr, operands: Sequence[Node]) -> str:
        kinds = tuple(n.dtype for n in operands)

        def leaf(t: Term) -> Piece:
            return Piece(self.names.get(operands[t.value], "y") if t.op == "read" else str(t.value))
        return compose(freeze(expression, kinds), self.style, leaf).text

    def factor(self, node: Comprehension, k: int) -> str:
        """Of a product by one factor: the other one, transposed where it is a matrix."""
        other = node.reads[1 - k].operand
        return self.names[other] + (TRANSPOSED if len(other.dims) == 2 else "")


def _is_sum(call: ReductionCall) -> bool:
    return call.inner is None and call.reduction.body == placeholder(0)
