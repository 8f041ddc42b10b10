"""Declarations: inputs with a name, dims and a role."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from typing import Any

import sympy as sp

from graphc.errors import DtypeError, FormulaError
from graphc.frontend.elementwise import located
from graphc.frontend.origin import origin_here
from graphc.frontend.tensor import Dim, Tensor
from graphc.ir.build import constant
from graphc.ir.nodes import Input, Size
from graphc.scalar.symbols import extent

__all__ = ["tensor", "param", "labels", "scalar", "dims", "size", "size_expression", "shape_expression"]

Shape = str | int | Dim | Sequence[str | int | Dim]
_NAME = re.compile(r"[^\W\d]\w*\Z")
_KINDS = {"float": ("float", None), "float32": ("float", "float32"), "float64": ("float", "float64"), "int": ("int", None),
          "int64": ("int", None), "bool": ("bool", None)}


def _check_name(name: Any, what: str) -> str:
    if not isinstance(name, str) or not _NAME.match(name) or keyword.iskeyword(name):
        raise located(FormulaError(f"{what} must be a Python identifier and no keyword, not {name!r}"))
    return name


def size_expression(size: Any) -> Size:
    """A size as a polynomial in dim names: 3, "n", "n*d", "n+1", a Dim."""
    if isinstance(size, Dim):
        return size.size
    if isinstance(size, bool) or isinstance(size, float):
        raise located(DtypeError(f"a dim is a name or a whole number, not {size!r}"))
    if hasattr(size, "__index__"):
        number = size.__index__()
        if number < 0:
            raise located(FormulaError(f"a dim cannot have the size {number}"))
        return sp.Integer(number)
    if not isinstance(size, str):
        raise located(DtypeError(f"a dim is a name or a whole number, not {size!r}"))
    total: Size = sp.Integer(0)
    for sign, product in re.findall(r"([+-]?)([^+-]+)", size.replace(" ", "")) or [("", "")]:
        factor: Size = sp.Integer(-1 if sign == "-" else 1)
        for atom in product.split("*"):
            factor *= sp.Integer(int(atom)) if atom.isascii() and atom.isdigit() else extent(_check_name(atom, "a dim's name"))
        total += factor
    return sp.expand(total)


def shape_expression(shape: Shape) -> tuple[Size, ...]:
    if isinstance(shape, str):
        shape = shape.replace(",", " ").split()
    elif isinstance(shape, int | Dim):
        shape = (shape,)
    return tuple(size_expression(s) for s in shape)


def tensor(name: str, dims: Shape = (), dtype: str = "float") -> Tensor:
    """Data: `gc.tensor("X", "n d")`.

    `dims` is a text of names and numbers, a sequence of names, numbers and Dims, or nothing for a scalar. `dtype` is "float" (float32
    or float64, as the arrays are when the program is called), "float32", "float64", "int" or "bool".
    """
    return _declare(name, dims, dtype, "data")


def param(name: str, dims: Shape = (), dtype: str = "float") -> Tensor:
    """A trainable tensor: programs differentiate with respect to it by default. Arguments as in `gc.tensor`."""
    if _KINDS.get(dtype, ("",))[0] != "float":
        raise located(DtypeError(f"a parameter is differentiated, so it must be float, not {dtype!r}"))
    return _declare(name, dims, dtype, "parameter")


def scalar(name: str, dtype: str = "float") -> Tensor:
    """A number: `lam = gc.scalar("lam")`."""
    return _declare(name, (), dtype, "data")


def labels(name: str, dims: Shape = (), below: Any = None, ignore: Sequence[int] = ()) -> Tensor:
    """Integers in [0, below), checked when a program is called; `ignore` lists further values that may occur.

    `below` is a dim's name, a number, or None for integers of any size.
    """
    ignored = (ignore,) if isinstance(ignore, int) else tuple(ignore)
    return _declare(name, dims, "int", "data", None if below is None else size_expression(below), ignored)


def _declare(name: str, dims: Shape, dtype: str, role: str, below: Size | None = None, ignore: tuple[int, ...] = ()) -> Tensor:
    if dtype not in _KINDS:
        raise located(DtypeError(f"dtype {dtype!r} of {name} is not one of {', '.join(_KINDS)}"))
    kind, precision = _KINDS[dtype]
    return Tensor(Input(_check_name(name, "a tensor's name"), kind, shape_expression(dims), role, below, ignore, precision,
                        origin_here("input")))


def dims(names: str) -> tuple[Dim, ...]:
    """Dims by name: `n, d = gc.dims("n d")`."""
    return tuple(Dim(s) for s in shape_expression(names))


def size(dim: Any) -> Tensor:
    """The extent of a dim as a number in a formula: `gc.size("n")`."""
    return Tensor(constant(size_expression(dim), origin_here("size"), dtype="int"))
