r"""Bodies as text: one walk over a frozen term, and the style in which it is written.

    term --compose(style, leaf)--> Piece          leaf says what a read, an index or an extent is called

    levels (Python's precedence)   comparison < | < & < sum < negation < product, @ < ~ < ** < atom

A `Piece` is text with the precedence of its outermost operator, so that parentheses stand where the grammar asks for them
and nowhere else. `TextStyle` writes NumPy; `graphc.ir.latex` writes LaTeX with the same interface.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

import mpmath
import sympy as sp

from graphc.scalar.symbols import placeholder
from graphc.scalar.table import ROWS
from graphc.scalar.term import DIGITS, Term, freeze

__all__ = ["Piece", "TextStyle", "compose", "number_text", "COMPARE", "OR", "AND", "ADD", "NEG", "MUL", "UNARY", "POWER", "ATOM", "ELIDED"]

COMPARE, OR, AND, ADD, NEG, MUL, UNARY, POWER, ATOM = 10, 20, 35, 40, 45, 50, 60, 70, 80
ELIDED = "..."
_SIMPLE = re.compile(r"[\w.]+\Z")

# Numbers that keep their name: NumPy's text, LaTeX, value.
NAMED: tuple[tuple[str, str, Callable[[], Any]], ...] = (
         ("pi", r"\pi", lambda: mpmath.pi), ("sqrt(pi)", r"\sqrt{\pi}", lambda: mpmath.sqrt(mpmath.pi)),
         ("sqrt(2)", r"\sqrt{2}", lambda: mpmath.sqrt(2)), ("sqrt(2/pi)", r"\sqrt{2 / \pi}", lambda: mpmath.sqrt(2 / mpmath.pi)),
         ("sqrt(2*pi)", r"\sqrt{2 \pi}", lambda: mpmath.sqrt(2 * mpmath.pi)), ("log(2)", r"\ln 2", lambda: mpmath.log(2)),
         ("log(10)", r"\ln 10", lambda: mpmath.log(10)), ("log(2*pi)", r"\ln 2\pi", lambda: mpmath.log(2 * mpmath.pi)))


@dataclass(frozen=True)
class Piece:
    """Text, the precedence of its outermost operator, what that operator is, and how many axes the value has."""

    text: str
    level: int = ATOM
    kind: str = ""
    rank: int = 0

    @property
    def negative(self) -> bool:
        return self.text.startswith("-") and self.level >= NEG

    @property
    def simple(self) -> bool:
        return bool(_SIMPLE.match(self.text))


def compose(term: Term, style: TextStyle, leaf: Callable[[Term], Piece]) -> Piece:
    """The text of a term. Casts are silent: NumPy promotes by itself."""
    if term.op == "const":
        return style.number(term.value, term.kind)
    if term.op in ("read", "index", "extent", "value"):
        return leaf(term)
    if (plain := _plain(term)) is not None:
        return compose(plain, style, lambda t: compose(term.args[t.value], style, leaf) if t.op == "read" else leaf(t))
    if halved := _over_power_of_two(term):
        term = halved
    args = [compose(a, style, leaf) for a in term.args]
    if term.op == "cast":
        return args[0]
    rank = max(a.rank for a in args)
    if term.op == "powi":
        piece = style.power(args[0], style.number(term.value, "int"))
    elif term.op == "at_kink":
        piece = style.choosing(args[2], *term.value) if term.value else style.function("where", args)
    elif term.op in style.infix:
        if term.op == "add" and term.args[0].op == "const" and term.args[1].op != "const":
            args.reverse()                                                # i + 1, not 1 + i
        piece = style.infix[term.op](args[0], args[1])
    else:
        piece = style.function(term.op, args)
    return replace(piece, rank=rank)


def _plain(term: Term) -> Term | None:
    """A function that only computes plain mathematics with more care, as that mathematics over its arguments; None for others."""
    row = ROWS.get(term.op)
    if row is None or row.plain is None and row.definition is None:
        return None
    if row.plain is None:
        return freeze(row.definition.formula, ("float",))
    arguments = [sp.Integer(int(a.value)) if a.is_const and a.value == int(a.value) else placeholder(k) for k, a in enumerate(term.args)]
    return freeze(sp.sympify(row.plain(*arguments)), tuple(a.kind for a in term.args))


def _over_power_of_two(term: Term) -> Term | None:
    """x/2 for a product that freezing has written as 0.5*x; None for other terms."""
    first, rest = term, []
    while first.op == "mul":
        rest.append(first.args[1])
        first = first.args[0]
    if not rest or first.op != "const" or first.kind != "float" or not 0 < first.value < 1 or first.value < mpmath.mpf(1) / 1024:
        return None
    inverse = 1 / first.value
    if inverse != int(inverse):
        return None
    product = reduce(lambda a, b: Term("mul", (a, b), None, term.kind), reversed(rest))
    return Term("div", (product, Term("const", (), int(inverse), "int")), None, term.kind)


def number_text(value: Any, kind: str) -> str:
    """The shortest decimal that is the same float64; whole numbers without a point."""
    if kind == "bool":
        return str(bool(value))
    if kind == "int":
        return str(int(value))
    number = float(value)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


class TextStyle:
    """NumPy's notation."""

    times = "*"
    width = 100                         # characters of an expression that may repeat its parts

    def __init__(self) -> None:
        signs = {row.name: row.infix for row in ROWS.values() if row.infix and row.name not in ("floordiv", "mod", "and_", "or_")}
        self.infix: dict[str, Callable[[Piece, Piece], Piece]] = {
            "add": self.add, "sub": self.subtract, "mul": self.multiply, "div": self.divide, "power": self.power,
            "floordiv": lambda a, b: self.quotient("//", a, b), "mod": lambda a, b: self.quotient(" % ", a, b),
            "and_": lambda a, b: self.logic("&", AND, a, b), "or_": lambda a, b: self.logic("|", OR, a, b),
            **{name: partial(self.compare, name, sign) for name, sign in signs.items()}}

    # --- leaves
    def name(self, name: str, rank: int = 0) -> Piece:
        return Piece(name, rank=rank)

    def letter(self, name: str) -> Piece:
        return Piece(name)

    def extent(self, name: str, clash: bool = False) -> Piece:
        return Piece(f'size("{name}")' if clash else name)

    def number(self, value: Any, kind: str) -> Piece:
        if kind == "float" and (named := self.named(value)):
            return named
        text = number_text(value, kind)
        return Piece(text, NEG if text.startswith("-") else ATOM)

    @staticmethod
    def named(value: Any, latex: bool = False) -> Piece | None:
        with mpmath.workdps(DIGITS):
            for numpy, tex, number in NAMED:
                if float(value) == float(number()):
                    return Piece(tex if latex else numpy)
        return None

    # --- arithmetic
    def paren(self, a: Piece, level: int) -> str:
        return a.text if a.level >= level else self.wrap(a.text)

    def wrap(self, text: str) -> str:
        return f"({text})"

    def add(self, a: Piece, b: Piece) -> Piece:
        if b.text.startswith("-") and b.level >= ADD:
            return Piece(f"{self.paren(a, ADD)} - {b.text[1:]}", ADD)
        return Piece(f"{self.paren(a, ADD)} + {self.paren(b, ADD)}", ADD)

    def subtract(self, a: Piece, b: Piece) -> Piece:
        if b.negative:
            return Piece(f"{self.paren(a, ADD)} + {b.text[1:]}", ADD)
        return Piece(f"{self.paren(a, ADD)} - {self.paren(b, ADD + 1)}", ADD)

    def factor(self, a: Piece) -> str:
        """A left operand of * and /: a sign may lead; @, // and % are clearer in parentheses."""
        if a.kind in ("matmul", "quotient"):
            return self.wrap(a.text)
        return a.text if a.negative else self.paren(a, MUL)

    def multiply(self, a: Piece, b: Piece) -> Piece:
        if a.kind == "inverse" or b.kind == "inverse":                    # (1/z)*e is e/z
            a, b = (b, a) if a.kind == "inverse" else (a, b)
            return Piece(f"{self.factor(a)}/{b.text[2:]}", MUL, "product")
        product = b.level == MUL and b.kind == "product" and not b.negative
        return Piece(f"{self.factor(a)}{self.times}{b.text if product else self.paren(b, MUL + 1)}", MUL, "product")

    def divide(self, a: Piece, b: Piece) -> Piece:
        return Piece(f"{self.factor(a)}/{self.paren(b, MUL + 1)}", MUL, "inverse" if a.text == "1" else "product")

    def quotient(self, sign: str, a: Piece, b: Piece) -> Piece:
        return Piece(f"{self.factor(a)}{sign}{self.paren(b, MUL + 1)}", MUL, "quotient")

    def power(self, a: Piece, b: Piece) -> Piece:
        return Piece(f"{self.paren(a, POWER + 1)}**{self.paren(b, UNARY)}", POWER)

    def negate(self, a: Piece) -> Piece:
        if a.negative:
            return replace(a, text=a.text[1:], level=max(a.level, MUL))
        return Piece(f"-{self.wrap(a.text) if a.kind == 'quotient' else self.paren(a, MUL)}", NEG)

    def matmul(self, a: Piece, b: Piece, front: str = "", back: str = "") -> Piece:
        left = a.text if a.level > MUL or (a.kind == "matmul" and not front) else self.wrap(a.text)
        right = self.paren(b, MUL + 1)
        tight = not front and _SIMPLE.match(left.replace("@", "")) and b.simple
        return Piece(f"{front}{left}{'@' if tight else ' @ '}{right}{back}", MUL, "matmul")

    def scaled_matmul(self, a: Piece, b: Piece, negative: bool, above: Piece | None, below: Piece | None) -> Piece:
        """-2*a @ b/n: a coefficient above/below of a product"""
        front = "-" * negative + (f"{self.factor(above)}*" if above else "")
        return self.matmul(a, b, front, f"/{self.paren(below, MUL + 1)}" if below else "")

    # --- comparison and logic
    def compare(self, name: str, sign: str, a: Piece, b: Piece) -> Piece:
        return Piece(f"{self.paren(a, COMPARE + 1)} {sign} {self.paren(b, COMPARE + 1)}", COMPARE)

    def logic(self, sign: str, level: int, a: Piece, b: Piece) -> Piece:
        return Piece(f"{self.paren(a, level)} {sign} {self.paren(b, level + 1)}", level)

    # --- functions and brackets
    def function(self, name: str, args: Sequence[Piece]) -> Piece:
        if name == "neg":
            return self.negate(args[0])
        if name == "not_":
            return Piece(f"~{self.paren(args[0], UNARY)}", UNARY)
        return self.call(name, args)

    def call(self, name: str, args: Sequence[Piece], keywords: Sequence[tuple[str, str]] = ()) -> Piece:
        return Piece(f"{name}({', '.join([a.text for a in args] + [f'{k}={v}' for k, v in keywords])})")

    def choosing(self, a: Piece, keyword: str, number: Any) -> Piece:
        """A call with the subgradient that the user has chosen: relu(x, at_zero=0.5)"""
        return replace(a, text=f"{a.text[:-1]}, {keyword}={number_text(number, 'float')})")

    def subscript(self, a: Piece, items: Sequence[Piece]) -> Piece:
        if not items or a.text == ELIDED:
            return a
        return Piece(f"{self.paren(a, ATOM)}[{','.join(i.text.replace(' ', '') for i in items)}]")

    def sliced(self, a: Piece, items: Sequence[str]) -> Piece:
        return Piece(f"{self.paren(a, ATOM)}[{', '.join(items)}]") if a.text != ELIDED else a

    def transpose(self, a: Piece) -> Piece:
        return Piece(f"{self.paren(a, ATOM)}.T") if a.text != ELIDED else a

    def stretch(self, a: Piece, sizes: str) -> Piece:
        return self.call("broadcast_to", [a, Piece(f'"{sizes}"')])

    def over(self, reduce: str, body: Piece, letters: Sequence[Piece]) -> Piece:
        """A reduction over indices."""
        return self.call(reduce.capitalize(), [body, *letters])

    def array(self, body: Piece, letters: Sequence[Piece]) -> Piece:
        """The tensor whose elements are `body` at the letters."""
        inner = ", ".join(x.text for x in letters) + ("," if len(letters) == 1 else "")
        return Piece(f"array({body.text}, ({inner}))")

    def definition(self, name: str, body: Piece) -> str:
        return f"{name} = {body.text}"
