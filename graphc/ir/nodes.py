r"""The graph.

    node ::= Input          name : dtype, dims, role (data | parameter)
          |  Comprehension  out[axes]  = reduce over  body(reads)      reduce: sum max min prod argmax argmin; none: a map
          |  Scatter        out[at]   += body(reads) at every point of a space       (the adjoint of a gather)
    read ::= operand[index, ...]       index: integer arithmetic of i0.. (axes), j0.. (over), extents; or an integer read

Nodes are compared by identity. `axes`, `over` and `dims` are extents: sympy integers or polynomials in dim names; the
k-th axis is the symbol i_k, the k-th reduced index j_k, so bound indices have no names that could differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import sympy as sp

from graphc.scalar.symbols import axis_index, over_index

__all__ = ["Origin", "Input", "Comprehension", "Scatter", "Read", "Node", "Operation", "Size", "reads_in", "REDUCTIONS", "UNKNOWN"]

Size: TypeAlias = sp.Expr
REDUCTIONS = ("sum", "max", "min", "prod", "argmax", "argmin")


@dataclass(frozen=True)
class Origin:
    """Where a node comes from: the user's operation and line, or the node whose derivative it is part of."""

    op: str = ""
    file: str = ""
    line: int = 0
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else "the formula"


UNKNOWN = Origin()


@dataclass(frozen=True, eq=False)
class Input:
    name: str
    dtype: str
    dims: tuple[Size, ...]
    role: str = "data"
    below: Size | None = None
    ignore: tuple[int, ...] = ()
    precision: str | None = None
    origin: Origin = UNKNOWN

    @property
    def reads(self) -> tuple[Read, ...]:
        return ()

    @property
    def operands(self) -> tuple[Node, ...]:
        return ()

    def __repr__(self) -> str:
        return f"<Input {self.name}[{', '.join(map(str, self.dims))}] {self.dtype}>"


@dataclass(frozen=True)
class Read:
    """operand[index, ...]: an access map on an edge of the graph."""

    operand: Node
    index: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        return f"{type(self.operand).__name__.lower()}@{id(self.operand):x}{list(self.index)}"


def reads_in(read: Read) -> Iterator[Read]:
    """The read and the integer reads in its index."""
    yield read
    for e in read.index:
        if isinstance(e, Read):
            yield from reads_in(e)


def _operands(*edges: Any) -> tuple[Node, ...]:
    """What a node reads, in order, the integer reads in indices included."""
    return tuple(r.operand for e in edges if isinstance(e, Read) for r in reads_in(e))


@dataclass(frozen=True, eq=False)
class Comprehension:
    axes: tuple[Size, ...]
    over: tuple[Size, ...]
    reduce: str | None
    body: sp.Expr
    reads: tuple[Read, ...]
    dtype: str
    origin: Origin = UNKNOWN

    @property
    def dims(self) -> tuple[Size, ...]:
        return self.axes

    @property
    def is_map(self) -> bool:
        """Whether each value is a function of what is read there."""
        return self.reduce is None

    @cached_property
    def ranges(self) -> dict[sp.Symbol, Size]:
        """The extent of each index symbol of the node."""
        ranges = {axis_index(k): e for k, e in enumerate(self.axes)}
        return ranges | {over_index(k): e for k, e in enumerate(self.over)}

    @cached_property
    def operands(self) -> tuple[Node, ...]:
        return _operands(*self.reads)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(r.operand.dtype for r in self.reads)

    def __repr__(self) -> str:
        return f"<Comprehension {self.reduce or 'map'} {self.body} [{', '.join(map(str, self.axes))}]>"


@dataclass(frozen=True, eq=False)
class Scatter:
    """out = 0; out[at] += body at every point of the space j0, j1, ..."""

    dims: tuple[Size, ...]
    at: tuple[Any, ...]
    over: tuple[Size, ...]
    body: sp.Expr
    reads: tuple[Read, ...]
    dtype: str
    origin: Origin = UNKNOWN
    reduce: str = field(default="sum", init=False)

    @property
    def axes(self) -> tuple[Size, ...]:
        return ()

    @cached_property
    def ranges(self) -> dict[sp.Symbol, Size]:
        return {over_index(k): e for k, e in enumerate(self.over)}

    @cached_property
    def operands(self) -> tuple[Node, ...]:
        return _operands(*self.reads, *self.at)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(r.operand.dtype for r in self.reads)

    def __repr__(self) -> str:
        return f"<Scatter {self.body} [{', '.join(map(str, self.dims))}]>"


Operation = Comprehension | Scatter        # what computes
Node = Input | Comprehension | Scatter
