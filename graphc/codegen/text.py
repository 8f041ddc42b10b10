"""Terms as Python expressions, with the parentheses that precedence asks for and no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mpmath
import sympy as sp

from graphc.loops.names import named
from graphc.scalar.table import ROWS
from graphc.scalar.term import Term, divides_twice

__all__ = ["Printer"]

_ADD, _MUL, _NEG, _ATOM, _COMPARE, _NOT, _AND, _OR, _CHOICE = 50, 60, 70, 100, 40, 30, 25, 20, 10
_INFIX = {"add": ("+", _ADD), "sub": ("-", _ADD), "mul": ("*", _MUL), "div": ("/", _MUL), "floordiv": ("//", _MUL), "mod": ("%", _MUL),
          "lt": ("<", _COMPARE), "le": ("<=", _COMPARE), "gt": (">", _COMPARE), "ge": (">=", _COMPARE), "eq": ("==", _COMPARE),
          "ne": ("!=", _COMPARE), "and_": ("and", _AND), "or_": ("or", _OR)}
_WHOLE = ("floordiv", "mod")             # of which a*(b // c) and -(a // b) are not a*b // c and -a // b


class Printer:
    """`str(term)` for generated code. Notes the functions that it used in `functions`, and those that the module defines in `defined`."""

    def __init__(self) -> None:
        self.functions: set[str] = set()
        self.defined: dict[str, Any] = {}

    def __call__(self, term: Term, outer: int = 0) -> str:
        text, level = self.parts(term)
        return f"({text})" if level < outer else text

    def parts(self, t: Term) -> tuple[str, int]:
        if t.op == "const":
            return self.constant(t)
        if t.op == "var":
            return str(t.value), _ATOM
        if t.op == "load":
            return f"{t.value}[{', '.join(self(i) for i in t.args)}]", _ATOM
        if t.op == "extent":
            return str(t.value), _ATOM
        if (divisor := divides_twice(t)) is not None:
            once = self(divisor, _MUL + 1)
            return f"{self(t.args[0], _MUL)}/{once}/{once}", _MUL
        if t.op in _INFIX:
            sign, level = _INFIX[t.op]
            right = level + (t.op in ("sub", "div", "floordiv", "mod") or level == _COMPARE or t.args[1].op in _WHOLE)
            left = level + (level == _COMPARE)
            return f"{self(t.args[0], left)} {sign} {self(t.args[1], right)}" if level != _MUL else \
                f"{self(t.args[0], left)}{sign if sign in '*/' else f' {sign} '}{self(t.args[1], right)}", level
        return self.special(t)

    def special(self, t: Term) -> tuple[str, int]:
        args = t.args
        match t.op:
            case "neg":
                return f"-{self(args[0], _MUL + (args[0].op in _WHOLE))}", _NEG - 15
            case "not_":
                return f"not {self(args[0], _NOT)}", _NOT
            case "where":
                return f"{self(args[1], _CHOICE + 1)} if {self(args[0], _CHOICE + 1)} else {self(args[2], _CHOICE + 1)}", _CHOICE
            case "cast":
                return f"{'real' if t.kind == 'float' else 'int64'}({self(args[0])})", _ATOM
            case "powi":
                return self.power(args[0], t.value, t.kind)
            case "stop_gradient" | "grouped":
                return self.parts(args[0])
            case "checked":
                return self.call("checked", args)
            case "floor" | "ceil" | "round" if t.kind == "int":
                return self.parts(args[0])
        row = ROWS[t.op]
        name = row.jit
        if row.definition is not None:
            self.defined[name] = row.definition
            return f"{name}({self(args[0])})", _ATOM
        if name == "abs":
            return f"abs({self(args[0])})", _ATOM
        if t.kind == "int" and name in ("sign", "maximum", "minimum", "relu"):
            name = f"int_{name}"
        return self.call(name, args)

    def call(self, name: str, args: tuple[Term, ...]) -> tuple[str, int]:
        return self.apply(name, [self(a) for a in args]), _ATOM

    def apply(self, name: str, args: Sequence[str]) -> str:
        """The call of a function, which is noted, on expressions."""
        self.functions.add(name)
        return f"{name}({', '.join(args)})"

    def power(self, base: Term, n: int, kind: str) -> tuple[str, int]:
        if n == 2 and base.op in ("var", "load"):
            text = self(base, _MUL)
            return f"{text}*{text}", _MUL
        if n == 2:
            return self.call("sech_squared", base.args) if base.op == "sech" else self.call("square", (base,))
        return self.apply("int_powi" if kind == "int" else "powi", [self(base), str(n)]), _ATOM

    def constant(self, t: Term) -> tuple[str, int]:
        if t.kind == "bool":
            return str(bool(t.value)), _ATOM
        if t.kind == "int":
            return (str(int(t.value)), _ATOM) if int(t.value) >= 0 else (f"({int(t.value)})", _ATOM)
        if t.kind == "wide":
            return f"float64({int(t.value)})", _ATOM
        number = mpmath.mpf(t.value)
        if mpmath.isinf(number):
            return ("real(inf)" if number > 0 else "real(-inf)"), _ATOM
        if mpmath.isnan(number):
            return "real(nan)", _ATOM
        value = float(number)
        return f"real({int(value)})" if value.is_integer() and abs(value) < 1e15 else f"real({value!r})", _ATOM

    def size(self, size: sp.Expr, names: dict[sp.Symbol, str]) -> str:
        """A size as a Python expression over the variables of extents."""
        return self(named(size, names))                                                          # type: ignore[arg-type]
