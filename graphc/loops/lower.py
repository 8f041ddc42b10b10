"""Lowering: a schedule becomes a loop program.

Each top loop is a kernel; matrix products and scalar work between them belong to the host program. A reduction gets its
neutral element before its outermost reduced loop and is complete after it. Values that are kept live in arrays: a buffer of
the host where several kernels use it, scratch of the kernel otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

import sympy as sp

from graphc.ir.access import same_size
from graphc.ir.nodes import Comprehension, Input, Node, Operation, Read, Scatter, Size
from graphc.loops.blocks import in_blocks
from graphc.loops.chunks import chunked
from graphc.loops.device.host import mapped
from graphc.loops.device.statements import DeviceProgram
from graphc.loops.host import Scope, assemble
from graphc.loops.names import RESERVED, Letters, size_names
from graphc.loops.pack import packed
from graphc.loops.peel import peel
from graphc.loops.reciprocals import reciprocals
from graphc.loops.share import share_kernels
from graphc.loops.split import split_rows
from graphc.loops.statements import (
    Accumulate,
    Assign,
    Call,
    For,
    ForTiles,
    HostProgram,
    Kernel,
    Note,
    Product,
    Statement,
    Store,
    Track,
    load,
    rebuilt,
    var,
)
from graphc.loops.storage import share_storage
from graphc.scalar.symbols import Extent, axis_index
from graphc.scalar.term import Term, freeze, walk
from graphc.schedule.memory import kept_axes
from graphc.schedule.plan import Compute, Item, Library, Loop, Tiles, walk_computes
from graphc.schedule.policy import CPU, GPU
from graphc.schedule.scan import Scan, along_symbol
from graphc.schedule.tile import tile_axes

__all__ = ["lower", "lower_for_device"]

NEUTRAL = {"sum": 0, "prod": 1, "max": float("-inf"), "min": float("inf"), "argmax": float("-inf"), "argmin": float("inf")}
INT_NEUTRAL = {"sum": 0, "prod": 1, "max": -(2**63), "min": 2**63 - 1, "argmax": -(2**63), "argmin": 2**63 - 1}


def lower(items: Sequence[Item], inputs: Sequence[Input], roots: Sequence[Node], names: Mapping[Node, str],
          meaning: Mapping[Node, str], checked: frozenset[Input] = frozenset(), kernels: str = "over_") -> HostProgram:
    """`meaning` is the line of index notation for each node; `checked` are index inputs verified when the program is called; `kernels`
    begins the names of kernels."""
    return _Lowering(items, inputs, roots, names, meaning, checked, kernels, CPU).program()


def lower_for_device(items: Sequence[Item], inputs: Sequence[Input], roots: Sequence[Node], names: Mapping[Node, str], meaning: Mapping[Node, str],
                     checked: frozenset[Input], few: Sequence[Size]) -> tuple[HostProgram, DeviceProgram, Callable[[str], str]]:
    """The loop program for a GPU, its mapping, and what makes names beside those of both. `few` are extents that are short."""
    lowering = _Lowering(items, inputs, roots, names, meaning, checked, "over_", GPU)
    program = lowering.program()
    return program, mapped(program, lowering.bounds, few, lowering.own), lowering.own


class _Lowering:
    def __init__(self, items, inputs, roots, names, meaning, checked, kernels, policy):          # type: ignore[no-untyped-def]
        self.items, self.inputs, self.roots, self.names, self.meaning, self.checked = items, inputs, roots, names, meaning, checked
        self.kernels, self.policy = kernels, policy
        self.kept = kept_axes(items, roots)
        self.repeated = _repeated(items)
        self.size_names = size_names(names.values(), items, inputs)
        self.letters = Letters(set(names.values()) | set(self.size_names.values()))
        self.taken = set(names.values()) | set(self.size_names.values()) | set(self.letters.pool) | RESERVED
        self.own_names: dict[str, str] = {}
        self.inverses: dict[Term, str] = {}
        self.calls: dict[str, int] = {}
        self.arrays: dict[str, tuple[tuple[Size, ...], str]] = {}
        self.scalars: dict[str, str] = {}
        self.bounds = self.own("start"), self.own("stop")
        self.local = tile_axes(items, roots)
        names_of_rows = [self.own("rows" if k == 0 else f"rows_{k + 1}") for k, _ in enumerate(i for i in items if isinstance(i, Tiles))]
        self.rows = {t: Extent(name) for t, name in zip((i for i in items if isinstance(i, Tiles)), names_of_rows, strict=True)}
        self.row_names = {e: e.name for e in self.rows.values()}
        for i in inputs:
            self.declare(i, range(len(i.dims)))
        for node, axes in self.kept.items():
            self.declare(node, sorted(axes))

    def declare(self, node: Node, axes: Sequence[int]) -> None:
        name = self.names[node]
        if axes:
            axis, tiles = self.local.get(node, (None, None))
            self.arrays[name] = (tuple(self.rows[tiles] if m == axis else node.dims[m] for m in axes), node.dtype)   # type: ignore[index]
        else:
            self.scalars[name] = node.dtype

    # --- the host program
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
        """The program with the rows of kernels in blocks, where that pays."""
        made: dict[Kernel, Kernel] = {}

        def size(e: sp.Expr) -> Term:
            return self.term(freeze(e, ()), {}, [])

        def visit(s: Statement) -> list[Statement]:
            if isinstance(s, Call):
                if s.kernel not in made:
                    made[s.kernel] = in_blocks(s.kernel, size, self.own)
                s = replace(s, kernel=made[s.kernel])
            return [s]
        return replace(program, body=tuple(rebuilt(program.body, visit)), rows={**program.rows, Extent(self.own("block")): self.own("block")})

    def own(self, name: str) -> str:
        """A name of lowering's own for something beside a node: kept apart from the user's names by trailing underscores."""
        if name not in self.own_names:
            free = name
            while free in self.taken:
                free += "_"
            self.taken.add(free)
            self.own_names[name] = free
        return self.own_names[name]

    def inverse(self, divisor: Term) -> str:
        """A name for the reciprocal of a divisor."""
        if divisor not in self.inverses:
            base = "inv_" + "_".join(dict.fromkeys(t.value for t in walk(divisor) if t.op == "var"))
            same = sum(base == name.rstrip("_0123456789") for name in self.inverses.values())
            self.inverses[divisor] = self.own(f"{base}_{same + 1}" if same else base)
        return self.inverses[divisor]

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
        carried = [c for c in walk_computes(item.items) if _carrier(c) is item]
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

    # --- kernels
    def kernel(self, loop: Loop, name: str) -> Kernel:
        body = self.loop(loop)
        meaning = tuple(dict.fromkeys(self.meaning[c.node] for c in walk_computes([loop]) if not c.again))
        wide = tuple(dict.fromkeys(self.names[c.node] for c in walk_computes([loop]) if self.is_wide(c)))
        if self.policy.tuned:
            body = list(chunked(packed(body, self.arrays, self.own, self.letters.pool), wide, self.own))
            body = list(reciprocals(body, self.size_names.values(), self.inverse))
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
        carried = [c for c in walk_computes([loop]) if _carrier(c) is loop]
        before: list[Statement] = []
        after: list[Statement] = []
        for c in carried:
            before += self.initialise(c)
            after += self.complete(c)
        computes = next(walk_computes([loop]))
        letter = self.letters.of(loop, computes.path.index(loop), computes.path)
        first, last = (var(b, "int") for b in self.bounds) if loop.tiles else (None, None)
        whole = For(letter, loop.extent, tuple(self.block(loop.items)), loop.reverse, first, last)
        peeled = peel(whole, self.own) if self.policy.peel else [whole]
        return [*before, *peeled, *after]

    # --- one node
    def inside(self, c: Compute) -> list[tuple[int, Loop]]:
        """The axes whose loops run inside the outermost reduced loop."""
        reduced = c.reduced_loops()
        if isinstance(c.node, Scatter) or not reduced:
            return []
        outermost = min(map(c.path.index, reduced))
        return [(m, loop) for m, loop in c.axis_loops() if c.path.index(loop) > outermost]

    def place(self, c: Compute) -> tuple[Term, ...]:
        """The index of a node's kept element at the point of its computation."""
        loops = dict(c.axis_loops())
        return tuple(self.in_tile(c.node, m, self.index_var(loops[m])) for m in sorted(self.kept[c.node]))

    def in_tile(self, node: Node, m: int, index: Term) -> Term:
        """An index as a place in the array, which may hold the rows of one tile."""
        if self.local.get(node, (None,))[0] != m:
            return index
        return Term("sub", (index, var(self.bounds[0], "int")), None, "int")

    def index_var(self, loop: Loop) -> Term:
        return var(self.letters[loop], "int")

    def running(self, c: Compute, suffix: str = "") -> Term:
        """Where a reduction accumulates: a local variable, or the kept array if axes run inside."""
        node, name = c.node, self.names[c.node]
        name = self.own(name + suffix) if suffix else name
        if isinstance(node, Scatter):
            place = {s: c.bound[s] for s in node.ranges}
            return load(name, tuple(self.index(e, size, place) for e, size in zip(node.at, node.dims, strict=True)), node.dtype)
        if self.inside(c):
            return load(name, self.place(c), node.dtype)
        if not self.kept[node]:
            return var(name, node.dtype)
        local = self.own(name + "_" + "".join(self.letters[loop] for m, loop in c.axis_loops() if m in self.kept[node]))
        self.scalars[local] = node.dtype
        return var(local, node.dtype)

    def is_wide(self, c: Compute) -> bool:
        """Whether a sum runs over a whole kernel into one number. It is carried in double precision: a narrow total of many terms
        loses digits and saves nothing."""
        node = c.node
        return (isinstance(node, Comprehension) and node.reduce == "sum" and node.dtype == "float" and not self.kept.get(node)
                and _carrier(c) is c.path[0])

    def neutral(self, node: Operation) -> Term:
        kind = node.dtype if node.reduce not in ("argmax", "argmin") else freeze(node.body, node.kinds).kind
        table = NEUTRAL if kind == "float" else INT_NEUTRAL
        return Term("const", (), table[node.reduce], kind)                                       # type: ignore[index]

    def initialise(self, c: Compute) -> list[Statement]:
        node = c.node
        if isinstance(node, Scan):
            running = self.running_total(c)
            self.scalars[running.value] = node.dtype
            neutral = Term("const", (), NEUTRAL[node.accumulate], node.dtype)
            return [Note(self.meaning[node]), Assign(running.value, neutral)]
        if isinstance(node, Input) or not node.reduce:
            return []
        note = Note(self.meaning[node])
        if isinstance(node, Scatter):
            name, letters = self.names[node], self.letters.fresh(len(node.dims))
            index = tuple(var(x, "int") for x in letters)
            return [note, *self.nest(letters, node.dims, Store(name, index, self.neutral(node)))]
        for loop in c.path[isinstance(c.path[0], Tiles):]:
            self.letters.of(loop, c.path.index(loop), c.path)
        parts: list[Statement] = [note]
        if node.reduce in ("argmax", "argmin"):
            best = replace(self.running(c, "_best"), kind="float")
            if best.op == "load":
                self.arrays[best.value] = (self.arrays[self.names[node]][0], "float")
            else:
                self.scalars[best.value] = "float"
            parts += self.set(c, best, self.neutral(node)) + self.set(c, self.running(c), Term("const", (), 0, "int"))
            return parts
        neutral = replace(self.neutral(node), kind="wide") if self.is_wide(c) else self.neutral(node)
        return parts + self.set(c, self.running(c), neutral)

    def set(self, c: Compute, target: Term, value: Term) -> list[Statement]:
        """target = value, over the axes that run inside the reduction."""
        if target.op == "var":
            return [Assign(target.value, value)]
        loops = self.inside(c)
        letters = [self.letters[loop] for _, loop in loops]
        return self.nest(letters, [loop.extent for _, loop in loops], Store(target.value, target.args, value))

    @staticmethod
    def nest(letters: Sequence[str], extents: Sequence[Size], inner: Statement) -> list[Statement]:
        body = inner
        for letter, extent in reversed(list(zip(letters, extents, strict=True))):
            body = For(letter, extent, (body,))
        return [body]

    def compute(self, c: Compute) -> list[Statement]:
        node = c.node
        value = self.value(c)
        if node.reduce in ("argmax", "argmin"):
            best = replace(self.running(c, "_best"), kind=value.kind)
            return [Track(node.reduce, self.running(c), best, value, self.flat_position(c))]
        if node.reduce:
            return [Accumulate(node.reduce, self.running(c), value)]
        if isinstance(node, Scan):
            add = Accumulate(node.accumulate, self.running_total(c), value)
            keep = self.keep(c, self.running_total(c))
            return [add, keep] if node.inclusive else [keep, add]
        return [self.keep(c, value)]

    def keep(self, c: Compute, value: Term) -> Statement:
        """The value of a node, to its kept place or its variable."""
        name = self.names[c.node]
        if self.kept.get(c.node) and not c.again:
            return Store(name, self.place(c), value)
        name = self.variable(c.node, [loop for _, loop in sorted(c.axis_loops(), key=itemgetter(0))])
        self.scalars[name] = c.node.dtype
        return Assign(name, value)

    def variable(self, node: Node, point: Sequence[Loop]) -> str:
        """The variable of a value at a point; with the point's letters, where the value is computed at several."""
        name = self.names[node]
        return self.own(f"{name}_{''.join(self.letters[loop] for loop in point)}") if node in self.repeated else name

    def running_total(self, c: Compute) -> Term:
        return var(self.own(f"{self.names[c.node]}_so_far"), c.node.dtype)

    def complete(self, c: Compute) -> list[Statement]:
        """A reduction held in a local variable goes to its kept place."""
        node = c.node
        if isinstance(node, Scatter | Scan) or not self.kept.get(node) or self.inside(c):
            return []
        return [Store(self.names[node], self.place(c), self.running(c))]

    def flat_position(self, c: Compute) -> Term:
        flat: sp.Expr = sp.Integer(0)
        for s, size in list(c.node.ranges.items())[len(c.node.axes):]:                           # type: ignore[union-attr]
            flat = sp.expand(flat * size + s)
        return self.term(freeze(flat, ()), c.bound, [])

    # --- expressions
    def value(self, c: Compute) -> Term:
        node = c.node
        frozen = freeze(node.body, node.kinds)                                                   # type: ignore[union-attr]
        term = self.term(frozen, c.bound, node.reads)
        if node.reduce in ("argmax", "argmin") or term.kind == node.dtype:
            return term
        return Term("cast", (term,), None, node.dtype)

    def term(self, t: Term, bound: Mapping[sp.Symbol, Loop], reads: Sequence[Read]) -> Term:
        if t.op == "read":
            return self.read(reads[t.value], bound)
        if t.op == "index":
            return self.index_var(bound[t.value])
        if t.op == "extent":
            return var(self.size_names[t.value], "int")
        return replace(t, args=tuple(self.term(a, bound, reads) for a in t.args))

    def read(self, read: Read, bound: Mapping[sp.Symbol, Loop]) -> Term:
        node, name = read.operand, self.names[read.operand]
        axes = range(len(node.dims)) if isinstance(node, Input) else sorted(self.kept.get(node, ()))
        index = tuple(self.in_tile(node, m, self.index(read.index[m], node.dims[m], bound)) for m in axes)
        if index:
            return load(name, index, node.dtype)
        return var(self.variable(node, [bound[e] for e in read.index]) if node in self.repeated else name, node.dtype)   # type: ignore[index]

    def index(self, e: object, size: Size, bound: Mapping[sp.Symbol, Loop]) -> Term:
        if isinstance(e, Read):
            inner = self.read(e, bound)
            if isinstance(e.operand, Input) and e.operand in self.checked and e.operand.below is not None and same_size(e.operand.below, size):
                return inner
            return Term("checked", (inner, self.term(freeze(size, ()), bound, [])), None, "int")
        return self.term(freeze(e, ()), bound, [])                                               # type: ignore[arg-type]


def _repeated(items: Sequence[Item]) -> set[Node]:
    """The nodes that are computed at several points of a loop nest: f(a[i]) and f(a[j])."""
    depths: dict[Node, set[tuple[int, ...]]] = {}
    for c in walk_computes(list(items)):
        depths.setdefault(c.node, set()).add(tuple(c.path.index(loop) for _, loop in sorted(c.axis_loops(), key=itemgetter(0))))
    return {node for node, found in depths.items() if len(found) > 1}


def _carrier(c: Compute) -> Loop | None:
    """The loop before which a running value starts: the outermost reduced one, or the axis of a scan."""
    if isinstance(c.node, Scan):
        return c.bound[along_symbol(c.node)]
    reduced = c.reduced_loops()
    return min(reduced, key=c.path.index) if reduced else None
