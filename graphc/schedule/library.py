"""Which contractions are matrix products of the library (BLAS), and how their operands lie in memory.

    out[b.., m.., n..] = sum over k..  a[b.., m.., k..] * b[b.., k.., n..]

Each operand may have its last two groups exchanged (then its transpose is passed), and so may the result (then the
operands change places). Without columns it is a matrix times a vector. Loops win below about 8 x 8 x 8, and for a matrix and a vector
where something else reads the matrix too: there they fuse with what is around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from graphc.ir.classify import product_operands
from graphc.ir.nodes import Comprehension, Input, Node, Read, Size
from graphc.ir.walk import consumers
from graphc.scalar.symbols import AxisIndex, axis_index
from graphc.schedule.policy import CPU, Policy

__all__ = ["MatrixProduct", "matrix_product", "library_products"]

SMALL = 512


@dataclass(frozen=True)
class MatrixProduct:
    """out = a @ b for each batch index; `rows`, `inner`, `columns` are the extents of the groups. b is a vector where there are no columns."""

    a: Read
    b: Read
    transpose_a: bool
    transpose_b: bool
    batch: tuple[Size, ...]
    rows: tuple[Size, ...]
    inner: tuple[Size, ...]
    columns: tuple[Size, ...]


def library_products(order: Sequence[Node], policy: Policy = CPU) -> set[Node]:
    """The nodes that are library calls. A matrix times a vector is one if the matrix is an input that nothing but products reads."""
    shapes = {n: shape for n in order if (shape := matrix_product(n)) is not None}
    users = consumers(order)

    def is_taken(shape: MatrixProduct) -> bool:
        matrix = shape.a.operand
        return bool(shape.columns) or policy.tuned and isinstance(matrix, Input) and all(u in shapes for u in users[matrix])
    return {n for n, shape in shapes.items() if is_taken(shape)}


def matrix_product(node: Node) -> MatrixProduct | None:
    """The node as a product of matrices, or of a matrix and a vector; None where it is not one, or is small."""
    if not isinstance(node, Comprehension) or node.dtype != "float":
        return None
    factors = product_operands(node)
    if factors is None or len(factors) != 2:
        return None
    a, b = factors
    in_a, in_b = set(a.index), set(b.index)
    axes = [axis_index(k) for k in range(len(node.axes))]
    batch = [s for s in axes if s in in_a and s in in_b]
    only_a = [s for s in axes if s in in_a and s not in in_b]
    only_b = [s for s in axes if s in in_b and s not in in_a]
    if not axes or axes[:len(batch)] != batch or batch and not (only_a and only_b):
        return None
    if not only_a or only_b and axes == batch + only_b + only_a:
        a, b, only_a, only_b = b, a, only_b, only_a
    elif axes != batch + only_a + only_b:
        return None
    inner = [s for s in a.index if s not in batch and not (isinstance(s, AxisIndex))]
    if inner != [s for s in b.index if s not in batch and not isinstance(s, AxisIndex)] or not inner:
        return None
    layout_a, layout_b = _layout(a, batch, only_a, inner), _layout(b, batch, inner, only_b)
    if layout_a is None or layout_b is None or _is_small(node):
        return None
    size = node.ranges
    return MatrixProduct(a, b, layout_a, layout_b, *(tuple(size[s] for s in group) for group in (batch, only_a, inner, only_b)))


def _layout(read: Read, batch: list[sp.Symbol], first: list[sp.Symbol], second: list[sp.Symbol]) -> bool | None:
    """False: stored as (batch, first, second); True: as (batch, second, first); None: otherwise."""
    index = list(read.index)
    if index == batch + first + second:
        return False
    return True if index == batch + second + first else None


def _is_small(node: Comprehension) -> bool:
    space = sp.Mul(*node.ranges.values())
    return bool(space.is_Integer and space <= SMALL)
