"""What happens to a graph before it is differentiated: derivatives are taken of the stable forms."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.nodes import Node
from graphc.passes.canonical import canonicalise
from graphc.passes.stable import stabilise

__all__ = ["prepare"]


def prepare(roots: Sequence[Node]) -> list[Node]:
    """Canonicalise and stabilise. Inputs stay the nodes that they are."""
    return stabilise(canonicalise(roots))
