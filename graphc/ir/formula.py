"""gc.formula: a graph as the text a user would write (being written)."""

from __future__ import annotations

from graphc.ir.nodes import Input, Node


def formula_of(node: Node, budget: int = 0) -> str:
    if isinstance(node, Input):
        return node.name
    return f"{node.origin.op or node.reduce or 'map'}({', '.join(formula_of(r.operand) for r in node.reads)})"
