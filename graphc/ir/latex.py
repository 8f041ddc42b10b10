r"""A graph as LaTeX: \sum_{i,j} \left(X W - Y\right)_{i,j}^{2} + \lambda \sum_{i,j} \left|W_{i,j}\right|

Matrix algebra stays matrix algebra (X^{\top} \left(X W - Y\right)); a reduction is a sum over indices of elements, as on a
blackboard. Greek names, indices and bars are read from names: lam, W_1, y_hat, W_bar. One line an equation; put several into an
`aligned` environment.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from graphc.ir.formula import written
from graphc.ir.nodes import Node
from graphc.ir.text import ADD, ATOM, COMPARE, MUL, NEG, POWER, Piece, TextStyle, number_text
from graphc.scalar.table import ROWS

__all__ = ["latex_of", "display_of", "latex_name"]

_GREEK = frozenset("""alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega
    Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega""".split())
_SPELLED = {"lam": "lambda", "lamda": "lambda", "eps": "epsilon", "sig": "sigma"}
_ACCENTS = {"bar": "bar", "hat": "hat", "tilde": "tilde", "dot": "dot"}
_INVERSE = r"\frac{1}{"
_REDUCE = {"sum": r"\sum", "prod": r"\prod", "max": r"\max", "min": r"\min", "argmax": r"\operatorname{arg\,max}",
           "argmin": r"\operatorname{arg\,min}"}
_BRACKETS = {"abs": (r"\left|", r"\right|"), "norm": (r"\left\|", r"\right\|_{2}"), "floor": (r"\left\lfloor ", r" \right\rfloor"),
             "ceil": (r"\left\lceil ", r" \right\rceil"), "sqrt": (r"\sqrt{", "}"), "cbrt": (r"\sqrt[3]{", "}")}


def latex_of(node: Node, letters: Sequence[str] = ()) -> str:
    """The formula of a node in LaTeX; what is long has its parts on lines of their own first."""
    return "\n".join(written(node, LatexStyle(), letters, positional=False))


def display_of(node: Node, letters: Sequence[str] = ()) -> str:
    """The formula as a displayed equation, dollar signs included: what a notebook shows."""
    lines = latex_of(node, letters).split("\n")
    if len(lines) == 1:
        return rf"$\displaystyle {lines[0]}$"
    rows = [line.replace(" = ", " &= ", 1) for line in lines[:-1]] + [f"& {lines[-1]}"]
    return "$\\begin{aligned}" + " \\\\ ".join(rows) + "\\end{aligned}$"


def latex_name(name: str) -> str:
    r"""lam is \lambda, W_1 is W_{1}, W1 is W_{1}, W_bar is \bar{W}, loss is \mathrm{loss}."""
    head, *rest = [p for p in name.split("_") if p] or ["x"]
    digits = re.match(r"(.*?\D)(\d+)\Z", head)
    if digits:
        head, rest = digits.group(1), [digits.group(2), *rest]
    text = _word(head)
    while rest and rest[0] in _ACCENTS:
        text = rf"\{_ACCENTS[rest.pop(0)]}{{{text}}}"
    return f"{text}_{{{','.join(_word(p) for p in rest)}}}" if rest else text


def _word(word: str) -> str:
    if len(word) == 1 and not word.isascii():
        parts = unicodedata.name(word, "").split()
        if parts[:1] == ["GREEK"] and len(parts) >= 4:
            word = parts[3].capitalize() if parts[1] == "CAPITAL" else parts[3].lower()
    word = _SPELLED.get(word, word)
    if word in _GREEK:
        return rf"\{word}"
    return word if len(word) == 1 or word.isdigit() else rf"\mathrm{{{word}}}"


class LatexStyle(TextStyle):
    """The same pieces in LaTeX."""

    width = 240

    # --- leaves
    def name(self, name: str, rank: int = 0) -> Piece:
        return Piece(latex_name(name), rank=rank, kind="subscripted" if "_{" in latex_name(name) else "")

    def letter(self, name: str) -> Piece:
        return Piece(latex_name(name))

    def extent(self, name: str, clash: bool = False) -> Piece:
        return Piece(rf"\left|{latex_name(name)}\right|" if clash else latex_name(name))

    def number(self, value: Any, kind: str) -> Piece:
        if kind == "float" and (named := self.named(value, latex=True)):
            return named
        text = number_text(value, kind)
        if kind == "bool":
            return Piece(rf"\mathrm{{{text.lower()}}}")
        if "e" in text:
            digits, exponent = text.split("e")
            return Piece(rf"{digits} \cdot 10^{{{int(exponent)}}}", MUL)
        text = {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\mathrm{NaN}"}.get(text, text)
        return Piece(text, NEG if text.startswith("-") else ATOM)

    def wrap(self, text: str) -> str:
        return rf"\left({text}\right)"

    # --- arithmetic
    def multiply(self, a: Piece, b: Piece) -> Piece:
        if a.kind == "inverse" or b.kind == "inverse":
            a, b = (b, a) if a.kind == "inverse" else (a, b)
            return self.divide(a, Piece(b.text[len(_INVERSE):-1]))
        elementwise = bool(a.rank and b.rank)
        if elementwise:
            a, b = (Piece(self.wrap(x.text), rank=x.rank) if x.kind == "matmul" else x for x in (a, b))
        right = b.text if b.level == MUL and b.kind in ("product", "matmul", "reduced") and not b.negative else self.paren(b, MUL + 1)
        left = self.wrap(a.text) if a.kind == "reduced" else self.factor(a)
        sign = r" \odot " if elementwise else r" \cdot " if right[:1].isdigit() else " "
        return Piece(left + sign + right, MUL, "reduced" if b.kind == "reduced" else "product")

    def factor(self, a: Piece) -> str:
        return a.text if a.negative else self.paren(a, MUL)

    def divide(self, a: Piece, b: Piece) -> Piece:
        sign, text = ("-", a.text[1:]) if a.negative else ("", a.text)
        return Piece(rf"{sign}\frac{{{text}}}{{{b.text}}}", NEG if sign else MUL, "inverse" if a.text == "1" else "product")

    def quotient(self, sign: str, a: Piece, b: Piece) -> Piece:
        if "%" in sign:
            return Piece(rf"{self.paren(a, MUL)} \bmod {self.paren(b, MUL + 1)}", MUL, "quotient")
        return Piece(rf"\left\lfloor \frac{{{a.text}}}{{{b.text}}} \right\rfloor")

    def power(self, a: Piece, b: Piece) -> Piece:
        return Piece(f"{self.paren(a, POWER + 1)}^{{{b.text}}}", POWER)

    def matmul(self, a: Piece, b: Piece, front: str = "", back: str = "") -> Piece:
        if a.rank == 1 and b.rank == 1:
            a = self.transpose(a)
        left = a.text if a.level >= MUL and a.kind == "matmul" else self.paren(a, MUL + 1)
        return Piece(f"{front}{left} {self.paren(b, MUL + 1)}", MUL, "matmul")

    def scaled_matmul(self, a: Piece, b: Piece, negative: bool, above: Piece | None, below: Piece | None) -> Piece:
        front = rf"\frac{{{above.text if above else 1}}}{{{below.text}}} " if below else f"{above.text} " if above else ""
        return self.matmul(a, b, "-" * negative + front)

    def compare(self, name: str, sign: str, a: Piece, b: Piece) -> Piece:
        return Piece(f"{self.paren(a, COMPARE + 1)} {ROWS[name].latex} {self.paren(b, COMPARE + 1)}", COMPARE)

    def logic(self, sign: str, level: int, a: Piece, b: Piece) -> Piece:
        name = {"&": "and_", "|": "or_"}[sign]
        wrapped = [x.text if x.level in (COMPARE, level, ATOM) else self.wrap(x.text) for x in (a, b)]
        return Piece(f"{wrapped[0]} {ROWS[name].latex} {wrapped[1]}", level)

    # --- functions and brackets
    def function(self, name: str, args: Sequence[Piece]) -> Piece:
        if name == "neg":
            return self.negate(args[0])
        if name == "not_":
            return Piece(rf"\neg {self.paren(args[0], ATOM)}", MUL)
        if name == "exp":
            return Piece(f"e^{{{args[0].text}}}", POWER)
        if name == "where":
            condition, yes, no = (a.text for a in args)
            return Piece(rf"\begin{{cases}} {yes} & {condition} \\ {no} & \text{{otherwise}} \end{{cases}}", ADD)
        if name == "polygamma":
            return Piece(rf"\psi^{{({args[0].text})}}\left({args[1].text}\right)")
        return self.call(name, args)

    def call(self, name: str, args: Sequence[Piece], keywords: Sequence[tuple[str, str]] = ()) -> Piece:
        if name in _BRACKETS and not keywords:
            left, right = _BRACKETS[name]
            return Piece(f"{left}{args[0].text}{right}")
        if name in _BRACKETS and name != "norm" or name not in ROWS or "_" in name:
            function = rf"\operatorname{{{name}}}".replace("_", r"\_")
        else:
            function = ROWS[name].latex
        axis = "".join(rf"_{{{value.strip(chr(34))}}}" for key, value in keywords if key == "axis")
        return Piece(rf"{function}{axis}\left({', '.join(a.text.strip(chr(34)) for a in args)}\right)")

    def choosing(self, a: Piece, keyword: str, number: Any) -> Piece:
        return a

    def subscript(self, a: Piece, items: Sequence[Piece]) -> Piece:
        if not items:
            return a
        base = self.wrap(a.text) if a.level < ATOM or a.kind == "subscripted" else a.text
        return Piece(f"{base}_{{{','.join(i.text for i in items)}}}", kind="subscripted")

    def transpose(self, a: Piece) -> Piece:
        return Piece(rf"{self.paren(a, ATOM)}^{{\top}}", POWER)

    def stretch(self, a: Piece, sizes: str) -> Piece:
        return a

    def over(self, reduce: str, body: Piece, letters: Sequence[Piece]) -> Piece:
        inside = body.text if body.level >= MUL else self.wrap(body.text)
        return Piece(f"{_REDUCE[reduce]}_{{{','.join(x.text for x in letters)}}} {inside}", MUL, "reduced")

    def array(self, body: Piece, letters: Sequence[Piece]) -> Piece:
        return replace(Piece(rf"\left[{body.text}\right]_{{{','.join(x.text for x in letters)}}}"), kind="subscripted")

    def definition(self, name: str, body: Piece) -> str:
        return f"{latex_name(name)} = {body.text}"
