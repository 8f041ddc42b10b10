"""Kernels that differ in names only are one kernel: a net of fifty equal layers compiles a handful of functions."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import sympy as sp

from graphc.loops.statements import Call, HostProgram, Kernel, Note, Statement, rebuilt
from graphc.scalar.symbols import Extent

__all__ = ["share_kernels"]


def share_kernels(program: HostProgram) -> HostProgram:
    """The program in which every call of an equal kernel calls the first of its kind."""
    first: dict[Any, Kernel] = {}

    def visit(s: Statement) -> list[Statement]:
        if isinstance(s, Call):
            s = replace(s, kernel=first.setdefault(_shape(s.kernel, program), s.kernel))
        return [s]
    return replace(program, body=tuple(rebuilt(program.body, visit)))


def _shape(kernel: Kernel, program: HostProgram) -> Any:
    """The kernel with names and extents numbered in the order in which they occur."""
    number: dict[Any, int] = {}

    def shape(value: Any) -> Any:
        if isinstance(value, sp.Expr):
            extents = sorted((s for s in value.free_symbols if isinstance(s, Extent)), key=lambda s: (number.get(s, len(number)), s.name))
            return str(value.xreplace({s: sp.Symbol(f"n{number.setdefault(s, len(number))}") for s in extents}))
        if isinstance(value, str):
            return number.setdefault(value, len(number))
        if isinstance(value, tuple):
            return tuple(shape(v) for v in value)
        if is_dataclass(value) and not isinstance(value, type):
            return (type(value).__name__, *(getattr(value, f.name) if f.name == "op" else shape(getattr(value, f.name)) for f in fields(value)))
        return repr(value)

    declared = tuple(shape(program.arrays[name]) for name in kernel.arrays)
    body = tuple(shape(s) for s in kernel.body if not isinstance(s, Note))
    return declared, shape(kernel.arrays), shape(kernel.scalars), shape(kernel.sizes), body, shape(kernel.results)
