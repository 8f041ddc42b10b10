"""What happens to a graph before it is differentiated."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.nodes import Node

__all__ = ["prepare"]


def prepare(roots: Sequence[Node]) -> list[Node]:
    """Canonicalise and stabilise."""
    return list(roots)
