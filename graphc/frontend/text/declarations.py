"""What a tensor of a formula is, as text: `X="n d"`, `W="d c param"`, `t="n int<c"`, `lam=""`.

    declaration ::= size* [kind]              sizes apart by spaces or commas; none for a scalar
    size        ::= product ((+ | -) product)*        product ::= atom (* atom)*        atom ::= NAME | whole number
    kind        ::= param [precision] | precision | bool | int [(< | below) size] [ignore whole number ...]
    precision   ::= float | float32 | float64

The words of `kind` cannot be dims. `int<c` are labels in [0, c); `below` says the same where a shell takes `<` for itself.
"""

from __future__ import annotations

from typing import Any, NoReturn

from graphc.errors import GraphcError
from graphc.frontend.declare import labels, param, tensor
from graphc.frontend.index import Index
from graphc.frontend.tensor import Tensor
from graphc.frontend.text.problems import pointed, problem, suggestion
from graphc.frontend.text.tokens import Token, tokenize

__all__ = ["declare", "WORDS"]

PRECISIONS = ("float", "float32", "float64")
WORDS = ("param", *PRECISIONS, "int", "bool", "below", "ignore")


def declare(name: str, declaration: Any) -> Tensor | Index:
    """The tensor that a declaration describes: text, a sequence of dims, or a tensor (or an index) already made."""
    if isinstance(declaration, Tensor | Index):
        return declaration
    if isinstance(declaration, tuple | list):
        return tensor(name, declaration)
    if isinstance(declaration, str):
        return _Declaration(name, declaration).tensor()
    text = f"{name}={declaration!r}"
    raise problem(f"the declaration of {name} is a {type(declaration).__name__}; declare dims, as in {name}='n d' ('' for a scalar), or give a "
                  "tensor. Data are given when the formula is evaluated or the program is called", text, 0, len(text))


class _Declaration:
    def __init__(self, name: str, text: str):
        self.name = name
        self.text = f"{name}={text}"
        shift = len(name) + 1
        self.tokens = [t._replace(start=t.start + shift, end=t.end + shift) for t in tokenize(text)]
        self.at = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def advance(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def take(self, *words: str) -> bool:
        """Step over a word or sign if it comes next."""
        found = self.token.text in words and self.token.kind in ("name", "operator")
        self.at += found
        return found

    def fail(self, message: str) -> NoReturn:
        raise problem(message, self.text, self.token.start, self.token.end)

    def tensor(self) -> Tensor:
        sizes = []
        self.commas()
        while self.token.kind == "number" or self.token.kind == "name" and self.token.text not in WORDS:
            sizes.append(self.size())
            self.commas()
        try:
            made = self.kind(sizes)
        except GraphcError as error:
            if self.text in str(error):
                raise
            raise pointed(error, self.text, 0, len(self.text)) from None
        return made

    def commas(self) -> None:
        while self.take(","):
            pass

    def kind(self, sizes: list[str]) -> Tensor:
        """The words after the dims."""
        if self.take("param"):
            self.commas()
            made = param(self.name, sizes, self.advance().text if self.token.text in PRECISIONS else "float")
        elif self.take("int"):
            self.commas()
            below = self.bound() if self.take("<", "below") else None
            made = labels(self.name, sizes, below=below, ignore=self.ignored())
        elif self.token.text in ("bool", *PRECISIONS):
            made = tensor(self.name, sizes, self.advance().text)
        else:
            made = tensor(self.name, sizes)
        self.commas()
        if self.token.kind != "end":
            self.fail(f"a declaration is dims and then at most one of {', '.join(WORDS[:-2])} (labels: int<c){suggestion(self.token.text, WORDS)}")
        return made

    def bound(self) -> str:
        self.commas()
        return self.size()

    def size(self) -> str:
        text = self.atom()
        while self.token.kind == "operator" and self.token.text in ("+", "-", "*"):
            text += self.advance().text + self.atom()
        return text

    def atom(self) -> str:
        token = self.token
        if token.kind == "name" and token.text not in WORDS or token.kind == "number" and token.text.isdigit():
            return self.advance().text
        if token.kind == "number":
            self.fail(f"{token.text} is no size: a dim is a name or a whole number. A scalar has no dims ({self.name}=), and its value "
                      "is given with the data")
        return self.fail(f"expected a dim, a name or a whole number, {'not ' + repr(token.text) if token.text else 'before the end'}")

    def ignored(self) -> list[int]:
        values: list[int] = []
        self.commas()
        if not self.take("ignore"):
            return values
        self.commas()
        while self.token.text == "-" or self.token.kind == "number":
            sign = -1 if self.take("-") else 1
            if not self.token.text.isdigit():
                self.fail("ignore takes whole numbers, as in ignore -100")
            values.append(sign * int(self.advance().text))
            self.commas()
        return values or self.fail("ignore takes whole numbers, as in ignore -100")
