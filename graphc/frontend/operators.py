"""Python's operators on tensors and indices: NumPy's meaning and Python's precedence.

`binary` and `unary` are tables from an operator to the body that it makes. The classes only name the methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy as sp

from graphc.scalar.table import op

if TYPE_CHECKING:
    from graphc.frontend.tensor import Tensor

__all__ = ["Operators", "binary", "unary"]

_BODIES: dict[str, Any] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "//": lambda a, b: op("floordiv")(a, b), "%": lambda a, b: op("mod")(a, b),
    "<": lambda a, b: op("lt")(a, b), "<=": lambda a, b: op("le")(a, b), ">": lambda a, b: op("gt")(a, b),
    ">=": lambda a, b: op("ge")(a, b), "==": lambda a, b: op("eq")(a, b), "!=": lambda a, b: op("ne")(a, b),
    "&": lambda a, b: op("and_")(a, b), "|": lambda a, b: op("or_")(a, b), "^": lambda a, b: op("ne")(a, b),
}


def binary(symbol: str, a: Any, b: Any) -> Tensor:
    """a symbol b"""
    from graphc.frontend import elementwise as e
    from graphc.frontend.linear import matmul
    if symbol == "@":
        return matmul(a, b)
    if symbol == "**":
        return e.power(a, b)
    a, b = e.as_tensor(a), e.as_tensor(b)
    if symbol in "&|^":
        a, b = (e.require(t, "bool", symbol) for t in (a, b))
    elif a.dtype == "bool" and b.dtype == "bool" and symbol in "+-*":
        if symbol == "-":
            raise e.located(e.DtypeError("NumPy does not subtract booleans; write ^ for exclusive or, or (a * 1.0) - (b * 1.0)"))
        return e.elementwise(_BODIES["|" if symbol == "+" else "&"], [a, b], symbol)
    elif "float" in (a.dtype, b.dtype):
        a, b = e.to_float(a), e.to_float(b)
    return e.elementwise(_BODIES[symbol], [a, b], symbol)


def unary(symbol: str, a: Any) -> Tensor:
    """symbol a"""
    from graphc.frontend import elementwise as e
    a = e.as_tensor(a)
    if symbol == "~":
        return e.elementwise(lambda x: op("not_")(x), [e.require(a, "bool", "~")], "~")
    if symbol == "abs":
        return e.elementwise(lambda x: op("abs")(x), [a], "abs")
    return e.elementwise(lambda x: -x if isinstance(x, sp.Expr) else x, [e.require(a, "float int", "-")], "neg")


class Operators:
    """Arithmetic, comparison and logic; `x[...]`, `.T`; NumPy's functions and ufuncs."""

    __slots__ = ()
    __array_priority__ = 1000
    __hash__ = object.__hash__

    def __add__(self, other: Any) -> Tensor:
        return binary("+", self, other)

    def __radd__(self, other: Any) -> Tensor:
        return binary("+", other, self)

    def __sub__(self, other: Any) -> Tensor:
        return binary("-", self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return binary("-", other, self)

    def __mul__(self, other: Any) -> Tensor:
        return binary("*", self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return binary("*", other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return binary("/", self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return binary("/", other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return binary("//", self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return binary("//", other, self)

    def __mod__(self, other: Any) -> Tensor:
        return binary("%", self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return binary("%", other, self)

    def __pow__(self, other: Any) -> Tensor:
        return binary("**", self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return binary("**", other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return binary("@", self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return binary("@", other, self)

    def __and__(self, other: Any) -> Tensor:
        return binary("&", self, other)

    def __rand__(self, other: Any) -> Tensor:
        return binary("&", other, self)

    def __or__(self, other: Any) -> Tensor:
        return binary("|", self, other)

    def __ror__(self, other: Any) -> Tensor:
        return binary("|", other, self)

    def __xor__(self, other: Any) -> Tensor:
        return binary("^", self, other)

    def __rxor__(self, other: Any) -> Tensor:
        return binary("^", other, self)

    def __lt__(self, other: Any) -> Tensor:
        return binary("<", self, other)

    def __le__(self, other: Any) -> Tensor:
        return binary("<=", self, other)

    def __gt__(self, other: Any) -> Tensor:
        return binary(">", self, other)

    def __ge__(self, other: Any) -> Tensor:
        return binary(">=", self, other)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return binary("==", self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return binary("!=", self, other)

    def __neg__(self) -> Tensor:
        return unary("neg", self)

    def __pos__(self) -> Operators:
        return self

    def __abs__(self) -> Tensor:
        return unary("abs", self)

    def __invert__(self) -> Tensor:
        return unary("~", self)

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        from graphc.frontend.numpy_protocol import apply_ufunc
        return apply_ufunc(ufunc, method, args, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from graphc.frontend.numpy_protocol import apply_function
        return apply_function(function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        from graphc.errors import FormulaError
        raise FormulaError(f"{self!r} is symbolic and has no values to make an array of; gc.evaluate(tensor, X=...) computes them")
