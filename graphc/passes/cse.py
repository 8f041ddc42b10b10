r"""share: common-subexpression elimination by hash-consing. Two nodes of one structure become one.

The structure of a node is what it computes, with operands already shared: kind, dims, reduce, body, reads, dtype; not its
origin, of which the first stays. Reads of a body that treats them alike (x0 + x1, x0 * x1) are compared in any order. Inputs
are one by name, and must be declared alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import sympy as sp

from graphc.errors import FormulaError
from graphc.ir.nodes import Comprehension, Input, Node, Read
from graphc.ir.verify import law
from graphc.ir.walk import topological, with_reads
from graphc.scalar.symbols import placeholder

__all__ = ["share"]

DECLARED = ("dtype", "dims", "role", "below", "ignore", "precision")


def share(roots: Sequence[Node]) -> list[Node]:
    """The graph with equal nodes shared."""
    done: dict[Node, Node] = {}
    first: dict[tuple[object, ...], Node] = {}
    number: dict[Node, int] = {}
    inputs: dict[str, Input] = {}
    for node in topological(roots):
        if isinstance(node, Input):
            done[node] = inputs.setdefault(node.name, node)
            _same_declaration(inputs[node.name], node)
        else:
            over = with_reads(node, done)
            assert not isinstance(over, Input)
            done[node] = first.setdefault(_structure(over, number), over)
        number.setdefault(done[node], len(number))
    return [done[r] for r in roots]


def _structure(node: Node, number: dict[Node, int]) -> tuple[object, ...]:
    assert not isinstance(node, Input)
    reads = node.reads
    if _is_symmetric(node.body, len(reads)):
        reads = tuple(sorted(reads, key=lambda r: (number[r.operand], _index_key(r, number))))
    axes = node.axes if isinstance(node, Comprehension) else (node.dims, node.at)
    return (type(node), axes, node.over, node.reduce, node.body, reads, node.dtype)


def _index_key(read: Read, number: dict[Node, int]) -> str:
    return ",".join(f"{number[e.operand]}[{_index_key(e, number)}]" if isinstance(e, Read) else str(e) for e in read.index)


@cache
def _is_symmetric(body: sp.Expr, count: int) -> bool:
    """Whether a body is the sum or the product of its reads."""
    return count > 1 and isinstance(body, sp.Add | sp.Mul) and set(body.args) == {placeholder(k) for k in range(count)}


def _same_declaration(a: Input, b: Input) -> None:
    different = [f for f in DECLARED if getattr(a, f) != getattr(b, f)]
    if different:
        was = ", ".join(f"{f} {_text(getattr(a, f))} at {a.origin} and {_text(getattr(b, f))} at {b.origin}" for f in different)
        raise FormulaError(f"two inputs of one formula are called {a.name!r} and declared differently: {was}. Usually a tensor was declared again "
                           "after part of the formula was built; use the first one, or give the second another name")


def _text(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


@law("share", "an input's name is its own")
@law("share again", "an input's name is its own")
def _declared(node: Node) -> str | None:
    names = [r.operand for r in node.reads if isinstance(r.operand, Input)]
    clash = next((i for i in names for k in names if i is not k and i.name == k.name), None)
    return None if clash is None else f"two inputs are called {clash.name!r}"
