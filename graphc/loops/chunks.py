r"""Chunks: a wide sum is narrow inside.

    total += f(i)   over i          becomes          for each chunk of 256:  part = 0;  part += f(i) over the chunk;  total += part

Adding each term in double precision would halve the width of the vectors in which a float32 loop computes. A part of at most 256 terms
is summed in many lanes, so that it loses next to nothing. Parts are wide sums in double precision; in float64 kernels the `rest` gathers
what their additions round away (Neumaier, 1974), so that a mean of millions of numbers is right to the last digits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from graphc.loops.statements import Accumulate, Blocks, For, Short, Statement
from graphc.scalar.term import Term

__all__ = ["chunked", "chunk_sums"]


def chunked(body: Sequence[Statement], wide: Collection[str], own: Callable[[str], str]) -> tuple[Statement, ...]:
    """The statements whose innermost loops sum in chunks. `own` makes names of variables."""
    return tuple(_loop(s, wide, own) if isinstance(s, For) else s for s in body)


def _loop(loop: For, wide: Collection[str], own: Callable[[str], str]) -> For:
    if any(isinstance(s, For) for s in loop.body):
        return replace(loop, body=chunked(loop.body, wide, own))
    sums = [s.target.value for s in loop.body if isinstance(s, Accumulate) and s.target.op == "var" and s.target.value in wide]
    if not sums or loop.reverse:
        return loop
    parts = {name: own(f"{name}_part") for name in dict.fromkeys(sums)}
    triples = tuple((name, part, own(f"{name}_rest")) for name, part in parts.items())

    def narrow(s: Statement) -> Statement:
        if isinstance(s, Accumulate) and s.target.op == "var" and s.target.value in parts:
            return replace(s, target=Term("var", (), parts[s.target.value], s.target.kind))
        return s
    return replace(loop, body=tuple(map(narrow, loop.body)), parts=triples, chunk=(own("chunk"), own("step")), step="")


def chunk_sums(body: Sequence[Statement]) -> dict[str, str]:
    """The sums that loops make in chunks, with the rest of each."""
    found: dict[str, str] = {}
    for s in body:
        s = s.loop if isinstance(s, Blocks | Short) else s
        if isinstance(s, For):
            found |= {total: rest for total, _, rest in s.parts} | chunk_sums(s.body)
    return found
