"""What a formula may look like, as data: the grammar's tables and the steps that a formula becomes.

    formula    ::= expression END
    expression ::= prefix (infix | postfix)*                    as far as the binding power allows
    prefix     ::= NUMBER | STRING | NAME | ... | (+ - ~) expression | ( items ) | [ items ] | function ( arguments )
    postfix    ::= . NAME | . NAME ( arguments ) | [ subscripts ]
    function   ::= NAME | (gc | graphc | np | numpy | np.linalg | losses) . NAME
    arguments  ::= (expression | NAME = expression), ...
    subscripts ::= (expression | [expression] : [expression] [: [expression]]), ...

Precedence and grouping are Python's. A comparison does not chain: `a < b < c` means two comparisons and `&`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Call", "Program", "Step", "BINDING", "COMPARISON", "CONSTANTS", "INDEX_TAKERS", "KEYWORDS", "MAX_DEPTH", "POSTFIX", "POWER", "PREFIXES",
           "UNARY"]

MAX_DEPTH = 200           # of nested expressions; a group or a call is one, and so is the right side of an operator
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
COMPARISON, UNARY, POWER, POSTFIX = 10, 60, 70, 80
BINDING = {**dict.fromkeys(COMPARISONS, COMPARISON), "|": 20, "^": 30, "&": 35, "+": 40, "-": 40,
           **dict.fromkeys(("*", "@", "/", "//", "%"), 50), "**": POWER, ".": POSTFIX, "[": POSTFIX, "(": POSTFIX}
PREFIXES = ("gc", "graphc", "np", "numpy", "losses", "linalg")
INDEX_TAKERS = ("Sum", "Prod", "Max", "Min", "Mean", "array")
CONSTANTS = {"True": True, "False": False, "None": None}
KEYWORDS = {"and": "write & for and, with parentheses: (a > 0) & (b > 0)", "or": "write | for or, with parentheses: (a > 0) | (b > 0)",
            "not": "write ~ for not: ~(a > 0)", "if": "to choose by a condition write where(condition, a, b)",
            "else": "to choose by a condition write where(condition, a, b)", "for": "write index notation for loops: Sum(x[i]**2, i)",
            "lambda": "a formula has no functions of its own", "in": "write sum(x == value) > 0", "is": "write =="}


class Call(NamedTuple):
    name: str
    positional: int
    keywords: tuple[str, ...]
    method: bool = False


class Step(NamedTuple):
    """What the stack machine does: its operation, the operand, and the place in the text."""

    do: str      # value name unary binary attribute call tuple list slice subscript
    what: Any
    start: int
    end: int


class Program(NamedTuple):
    steps: list[Step]
    indices: dict[str, None]     # undeclared names in subscripts and behind Sum's comma
