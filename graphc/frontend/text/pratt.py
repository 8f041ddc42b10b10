"""A formula's tokens as a postfix program, by operator precedence (Pratt, Top down operator precedence, POPL 1973).

An operator takes what stands to its right as far as that binds tighter than itself:

    expression(power) = prefix, then while the next operator's binding > power:  operator  expression(binding)

The result is a list of steps for a stack machine (`build.py`) instead of a tree, so that a sum of 20,000 terms is as flat
in memory as on paper. `depth` counts what really nests. The grammar is in `grammar.py`.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, NoReturn

from graphc.frontend.text.grammar import (
    BINDING,
    COMPARISON,
    CONSTANTS,
    INDEX_TAKERS,
    KEYWORDS,
    MAX_DEPTH,
    POSTFIX,
    POWER,
    PREFIXES,
    UNARY,
    Call,
    Program,
    Step,
)
from graphc.frontend.text.problems import problem
from graphc.frontend.text.tokens import Token, tokenize

__all__ = ["parse_steps"]


def parse_steps(text: str, declared: Container[str] = ()) -> Program:
    """Parse a formula whose tensors have the names `declared`."""
    parser = _Parser(text, declared)
    try:
        parser.expression(0)
    except RecursionError:           # the caller was deep in the stack already
        parser.fail_deep()
    if parser.token.kind != "end":
        parser.fail_after_operand()
    return Program(parser.steps, parser.indices)


class _Parser:
    def __init__(self, text: str, declared: Container[str]):
        self.text, self.declared = text, declared
        self.tokens = tokenize(text)
        self.at = self.depth = 0
        self.token = self.tokens[0]
        self.steps: list[Step] = []
        self.indices: dict[str, None] = {}
        self.names_are_indices = False

    # --- tokens
    def advance(self) -> Token:
        token, self.at = self.token, self.at + 1
        self.token = self.tokens[min(self.at, len(self.tokens) - 1)]
        return token

    def sees(self, *signs: str) -> bool:
        return self.token.kind == "operator" and self.token.text in signs

    def expect(self, sign: str, opened: Token) -> Token:
        if not self.sees(sign):
            if self.token.kind == "end":
                raise problem(f"{opened.text!r} is never closed; expected {sign!r}", self.text, opened.start, opened.end)
            self.fail_after_operand(sign)
        return self.advance()

    def emit(self, do: str, what: Any, first: Token, last: Token | None = None) -> None:
        self.steps.append(Step(do, what, first.start, (last or first).end))

    def fail(self, message: str, token: Token) -> NoReturn:
        raise problem(message, self.text, token.start, token.end)

    def fail_deep(self) -> NoReturn:
        raise problem(f"the formula nests deeper than {MAX_DEPTH} expressions; build it in Python, where parts have names", self.text,
                      self.token.start, self.token.end) from None

    def fail_after_operand(self, closing: str = "") -> NoReturn:
        """Say what is wrong with a token that can neither go on with an expression nor end it."""
        token = self.token
        expected = f"expected an operator{' or ' + repr(closing) if closing else ' or the end'}"
        if token.kind == "name" and token.text in KEYWORDS:
            self.fail(f"{token.text!r} is no operator of a formula; {KEYWORDS[token.text]}", token)
        if self.sees("="):
            self.fail("'=' has no place here: compare with ==; a formula is an expression, without a name in front", token)
        if token.kind in ("name", "number", "string"):
            self.fail(f"{expected}, not {token.text!r}; a product is written with *", token)
        if self.sees(")", "]"):
            self.fail(f"{token.text!r} closes nothing; {expected}", token)
        self.fail(f"{expected}, not {token.text!r}", token)

    # --- expressions
    def expression(self, power: int) -> None:
        """Parse what binds tighter than `power`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail_deep()
        self.prefix()
        compared = False
        while self.token.kind == "operator" and (binding := BINDING.get(self.token.text, 0)) > power:
            sign = self.token
            if binding == POSTFIX:
                self.postfix()
                continue
            if binding == COMPARISON:
                if compared:
                    self.fail("comparisons do not chain; write (a < b) & (b < c)", sign)
                compared = True
            self.advance()
            self.expression(POWER - 1 if sign.text == "**" else binding)        # ** groups from the right
            self.emit("binary", sign.text, sign)
        self.depth -= 1

    def prefix(self) -> None:
        token = self.advance()
        if token.kind == "number":
            self.emit("value", self.number(token), token)
        elif token.kind == "string":
            self.emit("value", token.text[1:-1], token)
        elif token.kind == "name":
            self.name(token)
        elif token.text in ("-", "+", "~"):
            self.expression(UNARY)
            self.emit("unary", token.text, token)
        elif token.text in ("(", "["):
            self.group(token)
        elif token.text == "...":
            self.emit("value", Ellipsis, token)
        else:
            self.fail_operand(token)

    def fail_operand(self, token: Token) -> NoReturn:
        before = self.tokens[self.at - 2] if self.at > 1 else None
        what = "a tensor, a number, a function or '('"
        if token.kind == "end":
            place = before or token
            self.fail(f"the formula ends after {before.text!r}; expected {what}" if before else f"the formula is empty; expected {what}", place)
        self.fail(f"expected {what}{' after ' + repr(before.text) if before else ''}, not {token.text!r}", token)

    def number(self, token: Token) -> int | float:
        digits = token.text.replace("_", "")
        if digits.isdigit():
            return int(digits)
        value = float(digits)
        if value == float("inf"):
            self.fail("the number is too large for a float; write inf for infinity", token)
        return value

    def name(self, token: Token) -> None:
        name = token.text
        if name in KEYWORDS:
            self.fail(f"{name!r} is no name of a formula; {KEYWORDS[name]}", token)
        if name in CONSTANTS:
            self.emit("value", CONSTANTS[name], token)
            return
        while name in PREFIXES and name not in self.declared and self.sees("."):
            self.advance()
            if self.token.kind != "name":
                self.fail(f"expected a function's name after {token.text!r}.", self.token)
            token = self.advance()
            name = token.text
        if self.sees("("):
            self.call(token, method=False)
            return
        if self.names_are_indices and name not in self.declared:
            self.indices[name] = None
        self.emit("name", name, token)

    # --- brackets
    def group(self, opened: Token) -> None:
        """(a), (a, b), (), [a, b]"""
        closing = ")" if opened.text == "(" else "]"
        count, comma = 0, False
        while not self.sees(closing):
            self.expression(0)
            count += 1
            comma = self.sees(",")
            if not comma:
                break
            self.advance()
        last = self.expect(closing, opened)
        if closing == "]":
            self.emit("list", count, opened, last)
        elif count != 1 or comma:
            self.emit("tuple", count, opened, last)

    def postfix(self) -> None:
        opened = self.token
        if opened.text == "(":
            self.fail("only functions are called, by their names; a product is written with *", opened)
        self.advance()
        if opened.text == "[":
            self.subscripts(opened)
            return
        if self.token.kind != "name":
            self.fail("expected a name after '.', as in X.T or X.sum(axis=0)", self.token)
        name = self.advance()
        if self.sees("("):
            self.call(name, method=True)
        else:
            self.emit("attribute", name.text, name)

    def call(self, function: Token, method: bool) -> None:
        """name(a, b, key=c), the name read"""
        opened, outer = self.advance(), self.names_are_indices
        takes_indices = function.text in INDEX_TAKERS
        positional, keywords = 0, []
        while not self.sees(")"):
            following = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
            if self.token.kind == "name" and following.kind == "operator" and following.text == "=":
                if self.token.text in keywords:
                    self.fail(f"{function.text} is given {self.token.text!r} twice", self.token)
                keywords.append(self.advance().text)
                self.advance()
                self.names_are_indices = False
            elif keywords:
                self.fail(f"{function.text}: arguments without a name come before those with one", self.token)
            else:
                self.names_are_indices = outer or takes_indices and (method or positional > 0)
                positional += 1
            self.expression(0)
            if not self.sees(","):
                break
            self.advance()
        self.names_are_indices = outer
        self.expect(")", opened)
        self.emit("call", Call(function.text, positional, tuple(keywords), method), function)

    def subscripts(self, opened: Token) -> None:
        outer, self.names_are_indices = self.names_are_indices, True
        count, comma = 0, False
        while not self.sees("]"):
            self.subscript()
            count += 1
            comma = self.sees(",")
            if not comma:
                break
            self.advance()
        self.names_are_indices = outer
        last = self.expect("]", opened)
        if not count:
            self.fail("the subscript is empty; expected an index, a slice or a number", last)
        if count > 1 or comma:
            self.emit("tuple", count, opened, last)
        self.emit("subscript", None, opened, last)

    def subscript(self) -> None:
        """An expression, or start:stop:step with parts left out."""
        first, parts = self.token, 0
        while parts < 3:
            if self.sees(":", ",", "]"):
                self.emit("value", None, self.token)
            else:
                self.expression(0)
            parts += 1
            if not self.sees(":"):
                break
            if parts == 3:
                self.fail("a slice has at most three parts: start:stop:step", self.token)
            self.advance()
        if parts == 1:
            return
        if parts == 2:
            self.emit("value", None, self.token)
        self.emit("slice", None, first, self.tokens[self.at - 1])
