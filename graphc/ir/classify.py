"""Views of a node: map, reduction, contraction, gather. For people, for BLAS, for rules; not a class hierarchy."""

from __future__ import annotations

import sympy as sp

from graphc.ir.nodes import Comprehension, Input, Node, Read, Scatter, reads_in
from graphc.scalar.symbols import placeholder
from graphc.scalar.table import op

__all__ = ["classify", "product_operands", "is_plain", "has_gather", "is_guarded"]


def is_plain(read: Read, node: Comprehension | Scatter) -> bool:
    """Distinct bare indices that run over the operand's whole dims."""
    return (len(set(read.index)) == len(read.index)
            and all(not isinstance(e, Read) and node.ranges.get(e) == size
                    for e, size in zip(read.index, read.operand.dims, strict=True)))


def has_gather(node: Node) -> bool:
    return any(r is not read for read in node.reads for r in reads_in(read))


def product_operands(node: Comprehension) -> tuple[Read, ...] | None:
    """The factors of a sum of products with plain reads that use every index; None for other nodes."""
    if node.reduce != "sum" or len(node.reads) < 2:
        return None
    if node.body != sp.Mul(*(placeholder(k) for k in range(len(node.reads)))):
        return None
    if not all(is_plain(r, node) and r.operand.dtype == "float" for r in node.reads):
        return None
    used = {e for r in node.reads for e in r.index}
    return node.reads if used == set(node.ranges) else None


def classify(node: Node) -> str:
    if isinstance(node, Input):
        return node.role
    if isinstance(node, Scatter):
        return "scatter"
    if not node.reads:
        return "constant"
    if has_gather(node):
        return "gather"
    if node.reduce is None:
        return "map"
    return "contraction" if product_operands(node) else "reduction"


def is_guarded(node: Comprehension | Scatter, k: int) -> bool:
    """Whether the body uses its k-th read under a selection only: where(c, a, b), or a & b, of which b is read where a holds."""
    selections = (op("where"), op("and_"))

    def bare(e: sp.Expr) -> bool:
        if e == placeholder(k):
            return True
        return bare(e.args[0]) if isinstance(e, selections) else any(bare(a) for a in e.args)
    return not bare(node.body)
