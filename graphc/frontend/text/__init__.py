"""Formulas from text: `gc.parse("sum((X@W - Y)**2) + lam*sum(abs(W))", X="n d", W="d c", Y="n c", lam="")`.

    text -> tokens -> postfix steps -> tensors
    tokens.py         what a token is
    grammar.py        the grammar and its tables
    pratt.py          the parser, by operator precedence
    names.py          the functions and constants that a formula may use
    fold.py           arithmetic of literal numbers, bounded
    declarations.py   "n d", "n int<c", "d c param"
    build.py          the stack machine that makes tensors
    problems.py       messages with a caret

No text is ever executed: a formula reaches the functions in `names.py` and nothing else.
"""

from __future__ import annotations

from typing import Any

from graphc.errors import FormulaError
from graphc.frontend.elementwise import as_tensor, located
from graphc.frontend.index import Index
from graphc.frontend.tensor import Tensor
from graphc.frontend.text.build import build
from graphc.frontend.text.declarations import declare
from graphc.frontend.text.pratt import parse_steps
from graphc.frontend.text.problems import problem
from graphc.ir.nodes import Node

__all__ = ["parse", "ParsedTensor"]


class ParsedTensor(Tensor):
    """The tensor that a text formula describes; `tensors` has the declared ones by name."""

    __slots__ = ("tensors",)

    def __init__(self, node: Node, free: tuple[str, ...], tensors: dict[str, Tensor]):
        super().__init__(node, free)
        self.tensors = tensors


def parse(formula: str, /, **declarations: Any) -> ParsedTensor:
    """The tensor that a formula describes, usable as any other; its inputs are in `.tensors`.

    The formula is Python's arithmetic on tensors, with the operators, functions, subscripts and methods that Python has for them and
    Python's precedence; functions need no prefix. Names that subscript something, or follow the first argument of Sum, Prod, Max,
    Min, Mean, are indices. pi, e, inf and nan are numbers.

    A declaration is the dims, "n d" or "n,d" or "" for a scalar, and then, if need be, "param" (differentiated by default),
    "float32", "float64", "int", "int<c" (labels in [0, c); also "int below c", "ignore -100"), or "bool"; or a tensor.

    FormulaError shows the place of an error in the formula; DimError and DtypeError too.

    >>> import graphc as gc
    >>> L = gc.parse("sum((X@W - Y)**2) + lam*sum(abs(W))", X="n d", W="d c", Y="n c", lam="")
    >>> gc.grad(L, L.tensors["W"]).dims
    (d, c)
    """
    if not isinstance(formula, str):
        raise located(FormulaError(f"gc.parse reads text, not {type(formula).__name__}"))
    names = {name: declare(name, d) for name, d in declarations.items()}
    value = build(formula, parse_steps(formula, names), names)
    if not isinstance(value, Tensor | int | float | Index):
        raise problem(f"the formula is a {type(value).__name__}, not a tensor", formula, 0, len(formula))
    result = as_tensor(value)
    return ParsedTensor(result.node, result.free, {n: t for n, t in names.items() if isinstance(t, Tensor)})
