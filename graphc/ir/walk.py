"""Orders and rebuilding: every function here is iterative, so that a graph may be deeper than Python's stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from graphc.ir.nodes import Comprehension, Input, Node, Read

__all__ = ["operands", "topological", "consumers", "inputs_of", "rebuild", "with_reads", "map_read"]


def operands(node: Node) -> tuple[Node, ...]:
    """The nodes that a node reads, in order, those of integer reads and of a scatter's `at` included."""
    return node.operands


def topological(roots: Iterable[Node], below: Callable[[Node], Sequence[Node]] = operands) -> list[Node]:
    """All nodes below the roots, operands first, in the order in which a reader meets them. `below` is what a node stands on."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(r, False) for r in reversed(list(roots))]
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((o, False) for o in reversed(below(node)) if o not in seen)
    return order


def consumers(nodes: Iterable[Node]) -> dict[Node, list[Node]]:
    found: dict[Node, list[Node]] = {}
    for node in nodes:
        found.setdefault(node, [])
        for o in dict.fromkeys(operands(node)):
            found.setdefault(o, []).append(node)
    return found


def inputs_of(roots: Iterable[Node]) -> list[Input]:
    return [n for n in topological(roots) if isinstance(n, Input)]


def map_read(read: Read, mapping: dict[Node, Node]) -> Read:
    index = tuple(map_read(e, mapping) if isinstance(e, Read) else e for e in read.index)
    return Read(mapping.get(read.operand, read.operand), index)


def with_reads(node: Node, mapping: dict[Node, Node]) -> Node:
    """The node over replaced operands; itself where none changed."""
    if isinstance(node, Input) or not any(mapping.get(o, o) is not o for o in operands(node)):
        return node
    reads = tuple(map_read(r, mapping) for r in node.reads)
    if isinstance(node, Comprehension):
        return replace(node, reads=reads)
    return replace(node, reads=reads, at=tuple(map_read(e, mapping) if isinstance(e, Read) else e for e in node.at))


def rebuild(roots: Iterable[Node], visit: Callable[[Node], Node], known: dict[Any, Any] | None = None) -> dict[Node, Node]:
    """Rebuild a graph bottom up: `visit` gets each node over its rebuilt operands. Returns old -> new."""
    done: dict[Node, Node] = dict(known or {})
    for node in topological(roots):
        if node not in done:
            done[node] = visit(with_reads(node, done))
    return done
