"""The host program: where buffers are made, and the parameters and results of kernels.

An array that one kernel alone uses is scratch of that kernel; the host makes any other that is not given. An array that holds one tile
is made before the loop over tiles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import sympy as sp

from graphc.ir.nodes import Size
from graphc.loops.statements import Allocate, Call, ForTiles, Height, Kernel, Product, Statement, leaves, rebuilt
from graphc.loops.uses import uses_of
from graphc.scalar.symbols import Extent

__all__ = ["Scope", "assemble"]


@dataclass(frozen=True)
class Scope:
    """What names mean: arrays with their sizes and kind, scalars, sizes; which arrays are given, which scalars are results; and the
    bounds of tiles."""

    arrays: Mapping[str, tuple[tuple[Size, ...], str]]
    scalars: Mapping[str, str]
    sizes: Mapping[Extent, str]
    given: frozenset[str]
    results: frozenset[str]
    bounds: tuple[str, ...]


def assemble(body: Sequence[Statement], scope: Scope) -> list[Statement]:
    """The statements of `run`, with allocations and the signatures of kernels."""
    return _signed(_allocated(body, scope), set(scope.results), (), scope)


def _allocated(body: Sequence[Statement], scope: Scope) -> list[Statement]:
    users: dict[str, list[Statement]] = {}
    for leaf in leaves(body):
        for name in uses_of([leaf], scope.arrays).arrays:
            users.setdefault(name, []).append(leaf)
    made = {name: Allocate(name, *scope.arrays[name]) for name in scope.arrays if name in users and name not in scope.given}
    own = {name for name in made if len(users[name]) == 1 and isinstance(users[name][0], Call)}

    def in_tiles(name: str, rows: Extent) -> bool:
        return any(rows in size.free_symbols for size in made[name].sizes)

    def visit(s: Statement) -> list[Statement]:
        if isinstance(s, Call):
            scratch = [made[name] for name in made if name in own and users[name][0] is s]
            return [Call(replace(s.kernel, body=(*scratch, *s.kernel.body)))]
        if isinstance(s, ForTiles):
            inside = [made[name] for name in made if in_tiles(name, s.rows)]
            return [_height(s, inside, scope), *inside, s]
        return [s]
    tiles = [s.rows for s in body if isinstance(s, ForTiles)]
    whole = [made[name] for name in made if name not in own and not any(in_tiles(name, rows) for rows in tiles)]
    return [*whole, *rebuilt(body, visit)]


def _height(tiles: ForTiles, held: Sequence[Allocate], scope: Scope) -> Height:
    parts = {name: part for s in tiles.body if isinstance(s, Product) for name, part in zip((s.out, s.a, s.b), s.parts, strict=True)}
    streamed = [math.prod(scope.arrays[name][0][1:]) for name, part in parts.items() if part == "rows"]
    whole = [math.prod(scope.arrays[name][0]) for name, part in parts.items() if part == "all"]
    row = [math.prod(a.sizes[1:]) for a in held]
    return Height(tiles.rows, tiles.extent, *(sp.expand(sp.Add(*sizes)) for sizes in (row, streamed, whole)))


def _signed(body: Sequence[Statement], needed: set[str], carried: tuple[str, ...], scope: Scope) -> list[Statement]:
    """The statements with the parameters and results of kernels; `needed` are the scalars that are read after them."""
    done: list[Statement] = []
    for s in reversed(body):
        if isinstance(s, Call):
            done.append(_call(s.kernel, needed, carried, scope))
        elif isinstance(s, ForTiles):
            inside = needed | set(uses_of(s.body, scope.arrays).reads)
            done.append(replace(s, body=tuple(_signed(s.body, inside, s.carried, scope))))
        else:
            done.append(s)
        needed = needed | set(uses_of([s], scope.arrays).reads)
    return done[::-1]


def _call(kernel: Kernel, needed: set[str], carried: tuple[str, ...], scope: Scope) -> Call:
    """The call of a kernel, with its parameters and results in the order in which the kernel uses them. What it carries is both."""
    uses = uses_of(kernel.body, scope.arrays)
    arrays = tuple(n for n in uses.arrays if n not in uses.allocated)
    scalars = tuple(n for n in uses.reads if n in scope.scalars and (n not in uses.assigned or n in carried))
    results = tuple(n for n in uses.assigned if n in needed or n in carried)
    known = {str(s) for n in arrays for s in scope.arrays[n][0]}
    sizes = tuple(dict.fromkeys(name for s, name in scope.sizes.items() if (s in uses.sizes or name in uses.reads) and str(s) not in known))
    bounds = tuple(n for n in scope.bounds if n in uses.reads)
    signed = replace(kernel, arrays=arrays, scalars=scalars, sizes=(*sizes, *bounds), results=results)
    return Call(signed, (*arrays, *scalars, *sizes, *bounds), results)
