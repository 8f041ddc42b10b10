r"""Tokens of a formula.

    token    ::= NUMBER | NAME | STRING | OPERATOR | END
    NUMBER   ::= a Python decimal literal: 3, 1_000, .5, 1e-3
    NAME     ::= a Python identifier, Unicode included and normalised as Python does it: W, lam, λ
    STRING   ::= '...' or "..." on one line, without escapes
    OPERATOR ::= ** // == != <= >= + - * / @ % < > & | ^ ~ ( ) [ ] , : = . ...

Blackboard signs stand for operators: · × ⋅ for *, ÷ for /, − for -, ≤ ≥ ≠, and ² ³ for **2 **3.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from graphc.frontend.text.problems import problem

__all__ = ["Token", "tokenize", "MAX_TEXT", "MAX_DIGITS"]

MAX_TEXT = 100_000   # characters of a formula
MAX_DIGITS = 400     # characters of a number


class Token(NamedTuple):
    kind: str        # number, name, string, operator, end
    text: str
    start: int
    end: int


SIGNS = {"·": ("*",), "×": ("*",), "⋅": ("*",), "÷": ("/",), "−": ("-",), "≤": ("<=",), "≥": (">=",), "≠": ("!=",),
         "²": ("**", "2"), "³": ("**", "3")}
_DIGITS = r"[0-9](?:_?[0-9])*"
_PATTERN = re.compile(rf"""
      (?P<space>    \s+ )
    | (?P<number>   (?: {_DIGITS} (?: \.(?!\.\.) (?:{_DIGITS})? )? | \.{_DIGITS} ) (?: [eE][+-]?{_DIGITS} )? )
    | (?P<name>     (?: (?![²³]) [^\W\d] ) (?: (?![²³]) \w )* )
    | (?P<string>   '[^'\n]*' | "[^"\n]*" )
    | (?P<operator> \*\* | // | == | != | <= | >= | \.\.\. | [-+*/@%<>&|^~()\[\],:=.] )
    | (?P<sign>     [{''.join(SIGNS)}] )
""", re.VERBOSE)
_WAYS_OUT = {
    "#": "a formula has no comments", ";": "a formula is one expression", "!": "write ~ for not, != for unequal",
    **dict.fromkeys("{}", "use parentheses for grouping"), **dict.fromkeys("$\\", "a formula in LaTeX is not a text formula"),
    **dict.fromkeys("'\"", "the text lacks its closing quote")}


def tokenize(text: str) -> list[Token]:
    """The tokens of a text, the last one of kind "end"."""
    if len(text) > MAX_TEXT:
        raise problem(f"a formula may have {MAX_TEXT:,} characters, and this one has {len(text):,}; build it with gc.tensor and Python instead",
                      text, 0, 1)
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _PATTERN.match(text, at)
        if match is None:
            way = _WAYS_OUT.get(text[at])
            raise problem(f"unexpected character {text[at]!r}" + (f": {way}" if way else ""), text, at, at + 1)
        kind, word, end = str(match.lastgroup), match.group(), match.end()
        if kind == "sign":
            tokens += [Token("number" if t.isdigit() else "operator", t, at, end) for t in SIGNS[word]]
        elif kind != "space":
            tokens.append(Token(kind, _checked(kind, word, text, at, end), at, end))
        at = end
    tokens.append(Token("end", "", len(text), len(text)))
    return tokens


def _checked(kind: str, word: str, text: str, start: int, end: int) -> str:
    if kind == "name":
        if not word.isascii():
            word = unicodedata.normalize("NFKC", word)
        if not word.isidentifier():
            raise problem(f"{word!r} is not a name: use letters, digits and _", text, start, end)
    elif kind == "number":
        if end - start > MAX_DIGITS:
            raise problem(f"a number may have {MAX_DIGITS} digits, and this one has {end - start:,}", text, start, start + 1)
        following = text[end:end + 1]
        if following.isalnum() and following not in "²³" or following == "_":
            raise problem(f"a number runs into a name; write {word}*{following}... for a product", text, start, end + 1)
    return word
