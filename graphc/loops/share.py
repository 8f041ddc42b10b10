"""Kernels that differ in names only are one kernel: a net of fifty equal layers compiles a handful of functions."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import sympy as sp

from graphc.loops.statements import Call, HostProgram, Kernel, Note, Statement, rebuilt
from graphc.scalar.symbols import Extent
from graphc.schedule.library import MatrixProduct

__all__ = ["share_kernels", "shape_of"]


def share_kernels(program: HostProgram) -> HostProgram:
    """The program in which every call of an equal kernel calls the first of its kind."""
    first: dict[Any, Kernel] = {}

    def visit(s: Statement) -> list[Statement]:
        if isinstance(s, Call):
            s = replace(s, kernel=first.setdefault(_shape(s.kernel, program), s.kernel))
        return [s]
    return replace(program, body=tuple(rebuilt(program.body, visit)))


def _shape(kernel: Kernel, program: HostProgram) -> Any:
    declared = tuple(program.arrays[name] for name in kernel.arrays)
    body = tuple(s for s in kernel.body if not isinstance(s, Note))
    return shape_of((declared, kernel.arrays, kernel.scalars, kernel.sizes, body, kernel.results))


def shape_of(value: Any) -> Any:
    """Statements, and what they are made of, with names and extents numbered in the order in which they occur."""
    number: dict[Any, int] = {}

    def shape(value: Any) -> Any:
        if isinstance(value, Extent):
            return number.setdefault(value, len(number))
        if isinstance(value, sp.Expr):
            extents = sorted((s for s in value.free_symbols if isinstance(s, Extent)), key=lambda s: (number.get(s, len(number)), s.name))
            return str(value.xreplace({s: sp.Symbol(f"n{number.setdefault(s, len(number))}") for s in extents}))
        if isinstance(value, str):
            return number.setdefault(value, len(number))
        if isinstance(value, tuple):
            return tuple(shape(v) for v in value)
        if isinstance(value, Kernel):
            return value.name
        if isinstance(value, MatrixProduct):
            return value.transpose_a, value.transpose_b, *map(shape, (value.batch, value.rows, value.inner, value.columns))
        if is_dataclass(value) and not isinstance(value, type):
            return (type(value).__name__, *(getattr(value, f.name) if f.name == "op" else shape(getattr(value, f.name)) for f in fields(value)))
        return repr(value)
    return shape(value)
