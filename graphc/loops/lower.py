"""Lowering: a schedule becomes a loop program.

Each top loop is a kernel; matrix products and scalar work between them belong to the host program. A reduction gets its
neutral element before its outermost reduced loop and is complete after it. Values that are kept live in arrays: a buffer of
the host where several kernels use it, scratch of the kernel otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sympy as sp

from graphc.ir.nodes import Input, Node, Size
from graphc.loops.blocks import in_blocks
from graphc.loops.chunks import chunked
from graphc.loops.computes import Computes, carrier
from graphc.loops.flatten import flattened
from graphc.loops.host import Scope, assemble
from graphc.loops.lanes import in_lanes
from graphc.loops.pack import packed
from graphc.loops.peel import peel
from graphc.loops.reciprocals import reciprocals
from graphc.loops.share import share_kernels
from graphc.loops.sides import computed_in_sides
from graphc.loops.split import split_rows
from graphc.loops.statements import (
    Assign,
    Call,
    For,
    ForTiles,
    HostProgram,
    Kernel,
    Product,
    Statement,
    rebuilt,
    var,
)
from graphc.loops.storage import share_storage
from graphc.loops.turned import with_turned_reads
from graphc.scalar.symbols import Extent, axis_index
from graphc.scalar.term import Term, freeze
from graphc.schedule.plan import Compute, Item, Library, Loop, Tiles, walk_computes
from graphc.schedule.policy import CPU, GPU

if TYPE_CHECKING:
    from graphc.loops.device.statements import DeviceProgram

__all__ = ["lower", "lower_for_device"]


def lower(items: Sequence[Item], inputs: Sequence[Input], roots: Sequence[Node], names: Mapping[Node, str],
          meaning: Mapping[Node, str], checked: frozenset[Input] = frozenset(), kernels: str = "over_") -> HostProgram:
    """`meaning` is the line of index notation for each node; `checked` are index inputs verified when the program is called; `kernels`
    begins the names of kernels."""
    return _Lowering(items, inputs, roots, names, meaning, checked, kernels, CPU).program()


def lower_for_device(items: Sequence[Item], inputs: Sequence[Input], roots: Sequence[Node], names: Mapping[Node, str], meaning: Mapping[Node, str],
                     checked: frozenset[Input], few: Sequence[Size]) -> tuple[HostProgram, DeviceProgram, Callable[[str], str]]:
    """The loop program for a GPU, its mapping, and what makes names beside those of both. `few` are extents that are short."""
    from graphc.loops.device.host import mapped
    lowering = _Lowering(items, inputs, roots, names, meaning, checked, "over_", GPU)
    program = lowering.program()
    return program, mapped(program, lowering.bounds, few, lowering.own), lowering.own


class _Lowering(Computes):
    """Loops, kernels and the host program."""

    def program(self) -> HostProgram:
        body: list[Statement] = []
        for item in self.items:
            if isinstance(item, Tiles):
                body += self.tiles(item)
            elif isinstance(item, Loop):
                body.append(Call(self.kernel(item, self.kernel_name(item))))
            elif isinstance(item, Library):
                body.append(self.product(item))
            else:
                body += self.initialise(item) + self.compute(item)
        inputs, outputs = tuple(self.names[i] for i in self.inputs), tuple(self.names[r] for r in self.roots)
        if self.policy.tuned:
            body = share_storage(body, self.arrays, frozenset(inputs), frozenset(outputs), self.own)
        given, found = frozenset((*inputs, *outputs)), frozenset(outputs)
        body = assemble(body, Scope(self.arrays, self.scalars, self.size_names, given, found, self.bounds))
        results = {o: self.own(f"{o}_out") for o in outputs if o in self.scalars}
        whole = HostProgram(inputs, outputs, results, self.arrays, self.scalars, tuple(body), self.size_names, tuple(self.letters.pool),
                            self.row_names)
        return self.in_blocks(share_kernels(split_rows(whole))) if self.policy.tuned else whole

    def in_blocks(self, program: HostProgram) -> HostProgram:
        """The program with the rows of kernels in lanes or in blocks, where that pays."""
        made: dict[Kernel, Kernel] = {}
        tiles = {rows: item.extent for item, rows in self.rows.items()}
        arrays = {name: (tuple(tiles.get(x, x) for x in sizes), kind) for name, (sizes, kind) in self.arrays.items()}      # type: ignore[call-overload]

        def size(e: sp.Expr) -> Term:
            return self.term(freeze(e, ()), {}, [])

        def visit(s: Statement) -> list[Statement]:
            if isinstance(s, Call):
                if s.kernel not in made:
                    short = self.kernels == "over_"
                    laid = in_lanes(s.kernel, in_blocks(s.kernel, size, self.own), arrays, size, self.own, short)
                    laid = with_turned_reads(laid, arrays, self.own) if laid is s.kernel else laid
                    made[s.kernel] = flattened(laid, size)
                s = replace(s, kernel=made[s.kernel])
            return [s]
        counts = {Extent(name): name for name in (self.own("height"), self.own("lanes"))}
        return replace(program, body=tuple(rebuilt(program.body, visit)), rows={**program.rows, **counts})

    def kernel_name(self, loop: Loop) -> str:
        """Kernels are called after the outermost dim that they run over: over_n, over_n_2, ..."""
        base = self.kernels + ("_".join(sorted(map(str, loop.extent.free_symbols))) or str(loop.extent))
        self.calls[base] = self.calls.get(base, 0) + 1
        return self.own(base if self.calls[base] == 1 else f"{base}_{self.calls[base]}")

    def product(self, item: Library) -> Product:
        shape = item.shape
        out, *operands = self.parts(item)
        parts = (out, *(operands if shape.a is item.node.reads[0] else operands[::-1]))
        names = (self.names[n] for n in (item.node, shape.a.operand, shape.b.operand))
        summed = item.symbol is not None and item.symbol.name[0] == "j"
        return Product(*names, shape, parts, self.bounds if item.tiles else (), summed)          # type: ignore[call-arg, arg-type]

    def tiles(self, item: Tiles) -> list[Statement]:
        """The loop over blocks of rows; what sums over all rows is set before it."""
        carried = [c for c in walk_computes(item.items) if carrier(c) is item]
        before = [s for c in carried for s in self.initialise(c)]
        wide = list(dict.fromkeys(self.names[c.node] for c in carried if self.is_wide(c)))
        after = [Assign(name, Term("cast", (var(name, "wide"),), None, "float")) for name in wide]
        body = [self.product(i) if isinstance(i, Library) else Call(self.kernel(i, self.kernel_name(i))) for i in item.items]  # type: ignore[arg-type]
        sums = tuple(dict.fromkeys(s.name for s in before if isinstance(s, Assign)))
        return [*before, ForTiles(item.extent, self.rows[item], *self.bounds, sums, tuple(body)), *after]

    def parts(self, item: Library) -> tuple[str, ...]:
        """Which rows of the result and of the operands a product means (see Product)."""
        def part(node: Node, index: Sequence[Any]) -> str:
            if item.symbol not in index:
                return "all"
            return "tile" if node in self.local else "rows"
        axes = [axis_index(k) for k in range(len(item.node.dims))]
        return part(item.node, axes), *(part(r.operand, r.index) for r in item.node.reads)

    def kernel(self, loop: Loop, name: str) -> Kernel:
        body = self.loop(loop)
        meaning = tuple(dict.fromkeys(self.meaning[c.node] for c in walk_computes([loop]) if not c.again))
        wide = tuple(dict.fromkeys(self.names[c.node] for c in walk_computes([loop]) if self.is_wide(c)))
        if self.policy.tuned:
            body = list(chunked(packed(body, self.arrays, self.own, self.letters.pool), wide, self.own))
        body = list(reciprocals(body, self.size_names.values(), self.scales, self.inverse))
        body = computed_in_sides(body) if self.policy.tuned else body
        return Kernel(name, (), (), (), tuple(body), (), meaning, () if loop.tiles else wide)

    def block(self, items: Sequence[Item]) -> list[Statement]:
        out: list[Statement] = []
        for item in items:
            if isinstance(item, Loop):
                out += self.loop(item)
            else:
                assert isinstance(item, Compute)
                out += self.initialise(item) if not item.reduced_loops() and item.node.reduce else []
                out += self.compute(item)
        return out

    def loop(self, loop: Loop) -> list[Statement]:
        """The loop, with what comes before and after it for the reductions that it carries."""
        carried = [c for c in walk_computes([loop]) if carrier(c) is loop]
        before: list[Statement] = []
        after: list[Statement] = []
        for c in carried:
            before += self.initialise(c)
            after += self.complete(c)
        computes = next(walk_computes([loop]))
        letter = self.letters.of(loop, computes.path.index(loop), computes.path)
        first, last = (var(b, "int") for b in self.bounds) if loop.tiles else (None, None)
        whole = For(letter, loop.extent, tuple(self.block(loop.items)), loop.reverse, first, last)
        size = self.term(freeze(loop.extent, ()), {}, []) if letter != self.letters.pool[0] else None
        peeled = peel(whole, self.own, size) if self.policy.peel else [whole]
        return [*before, *peeled, *after]
