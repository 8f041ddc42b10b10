r"""verify: the laws of a graph, and of each stage.

    order       a node reads nodes that come before it
    dims        extents are integers and polynomials in declared dims
    reduction   a node has a reduce iff it has reduced indices
    body        its placeholders are the reads, all of them; its indices are the node's own
    kind        the dtype is what the body computes, or wider
    reads       as many indices as the operand has dims; a node's own indices; integer operands inside; never certainly outside

A pass states the law of its own stage where it is defined, by `@law(stage, text)`. A broken law is a bug of graphc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sympy as sp

from graphc.errors import InternalError
from graphc.ir.access import inside, symbols_of
from graphc.ir.classify import is_guarded
from graphc.ir.nodes import REDUCTIONS, Comprehension, Input, Node, Read, Scatter
from graphc.ir.walk import operands, topological
from graphc.scalar.symbols import AxisIndex, Extent, Nonfinite, OverIndex, Placeholder, placeholder
from graphc.scalar.term import freeze

__all__ = ["verify", "law", "LAWS", "STAGE_LAWS"]

Law = Callable[[Node], str | None]         # what is wrong with a node, or None
KINDS = ("bool", "int", "float")

LAWS: dict[str, Law] = {}
STAGE_LAWS: dict[str, dict[str, Law]] = {}


def law(stage: str, text: str) -> Callable[[Law], Law]:
    """Declare a law: of every graph (stage ""), or of the graphs that a stage returns."""
    def add(check: Law) -> Law:
        (STAGE_LAWS.setdefault(stage, {}) if stage else LAWS)[text] = check
        return check
    return add


def verify(roots: Sequence[Node], stage: str = "") -> None:
    """Raise InternalError where a graph breaks a law of graphs or of the stage that returned it."""
    nodes = topological(roots)
    position = {n: k for k, n in enumerate(nodes)}
    for node in nodes:
        if any(position[o] >= position[node] for o in operands(node)):
            _broken("a node reads nodes that come before it", node, "it is part of a cycle", stage)
    for text, check in (LAWS | STAGE_LAWS.get(stage, {})).items():
        for node in nodes:
            problem = check(node)
            if problem is not None:
                _broken(text, node, problem, stage)


def _broken(text: str, node: Node, problem: str, stage: str) -> None:
    after = f" after {stage}" if stage else ""
    raise InternalError(f"the law '{text}' is broken{after}: {problem}, in {node!r} of {node.origin}. This is a bug in graphc; please report it "
                        "with the formula")


@law("", "extents are integers and polynomials in declared dims")
def _dims(node: Node) -> str | None:
    for size in (*node.dims, *getattr(node, "over", ())):
        if not (isinstance(size, sp.Expr) and all(type(s) is Extent for s in size.free_symbols)):
            return f"the extent {size} is not known"
        if size.is_Number and not (size.is_Integer and size >= 0):
            return f"the extent {size} is not a size"
    return None


@law("", "a node has a reduce iff it has reduced indices")
def _reduction(node: Node) -> str | None:
    if not isinstance(node, Comprehension):
        return None
    if (node.reduce is None) == bool(node.over) or node.reduce not in (None, *REDUCTIONS):
        return f"reduce is {node.reduce} over {list(map(str, node.over))}"
    return None


@law("", "a body's placeholders are the reads and its indices the node's own")
def _body(node: Node) -> str | None:
    if isinstance(node, Input):
        return None
    symbols = node.body.free_symbols
    used = {s for s in symbols if isinstance(s, Placeholder)}
    if used != {placeholder(k) for k in range(len(node.reads))}:
        return f"the body {node.body} has {len(node.reads)} reads"
    foreign = [s for s in symbols if not (isinstance(s, Placeholder | Extent | Nonfinite) or s in node.ranges)]
    return f"the body has the foreign symbol {foreign[0]}" if foreign else None


@law("", "a dtype is the kind of the body, or wider")
def _kind(node: Node) -> str | None:
    if node.dtype not in KINDS:
        return f"dtype {node.dtype!r}"
    if isinstance(node, Input):
        return None
    if node.reduce in ("argmax", "argmin"):
        return None if node.dtype == "int" else f"{node.reduce} gives {node.dtype}"
    kind = freeze(node.body, node.kinds).kind
    return None if KINDS.index(kind) <= KINDS.index(node.dtype) else f"the body is {kind} and the node {node.dtype}"


@law("", "a read has an index for each dim of its operand, in the node's own indices")
def _reads(node: Node) -> str | None:
    if isinstance(node, Input):
        return None
    if isinstance(node, Scatter) and len(node.at) != len(node.dims):
        return f"{len(node.at)} indices write {len(node.dims)} dims"
    for e in getattr(node, "at", ()):
        if (problem := _index(e, node)) is not None:
            return problem
    for k, read in enumerate(node.reads):
        if (problem := _read(read, node) or _outside(read, k, node)) is not None:
            return problem
    return None


def _read(read: Read, node: Comprehension | Scatter) -> str | None:
    if len(read.index) != len(read.operand.dims):
        return f"{read.operand!r} has {len(read.operand.dims)} dims and is read at {len(read.index)} indices"
    return next((p for p in (_index(e, node) for e in read.index) if p is not None), None)


def _index(e: Any, node: Comprehension | Scatter) -> str | None:
    if isinstance(e, Read):
        return _read(e, node) if e.operand.dtype == "int" else f"an index reads {e.operand!r}, which is {e.operand.dtype}"
    if not isinstance(e, sp.Expr):
        return f"the index {e!r} is no expression"
    foreign = [s for s in symbols_of(e) if not (type(s) is Extent or isinstance(s, AxisIndex | OverIndex) and s in node.ranges)]
    return f"the index {e} has the foreign symbol {foreign[0]}" if foreign else None


def _outside(read: Read, k: int, node: Comprehension | Scatter) -> str | None:
    for e, size in _strange(read, node):
        if inside(e, size, node.ranges) is False and not is_guarded(node, k):
            return f"the index {e} of {read.operand!r} runs past {size}"
    return None


def _strange(read: Read, node: Comprehension | Scatter) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    """Indices that do not simply run over the whole dim."""
    for e, size in zip(read.index, read.operand.dims, strict=True):
        if not isinstance(e, Read) and node.ranges.get(e) != size:
            yield e, size

