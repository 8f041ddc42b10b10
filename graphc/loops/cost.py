r"""The roofline of a loop program, in symbols: what each kernel and product moves and computes, as polynomials in the extents.

    bytes      each array that a kernel touches, once: a row stays in cache while it is worked on, and so does a tile
    flops      arithmetic operations; functions (exp, log, ...) are counted apart
    intensity  flops/bytes where extents are large; below some ten flops a byte, memory is the limit of one core

Then what the decisions saved: tiles, shared storage, and values that are computed again in place of being kept.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp

from graphc.ir.nodes import Node
from graphc.loops.statements import (
    Accumulate,
    Allocate,
    Assign,
    Blocks,
    Call,
    For,
    ForTiles,
    HostProgram,
    Kernel,
    Product,
    Short,
    Statement,
    Store,
    Track,
    leaves,
)
from graphc.scalar.term import Term, freeze, walk
from graphc.schedule.cost import functions, operations
from graphc.schedule.plan import Item, walk_computes

__all__ = ["Cost", "cost_of", "show_cost"]

BYTES = {"float": 4, "int": 8, "bool": 1}           # float32; twice the reals in float64


@dataclass
class Cost:
    """Bytes read and written, flops, and calls of functions by name."""

    reads: sp.Expr = sp.Integer(0)
    writes: sp.Expr = sp.Integer(0)
    flops: sp.Expr = sp.Integer(0)
    calls: dict[str, sp.Expr] = field(default_factory=dict)

    def __str__(self) -> str:
        calls = "".join(f", {_text(count)} {name}" for name, count in self.calls.items())
        return f"reads {_text(self.reads)}, writes {_text(self.writes)} bytes; {_text(self.flops)} flops{calls}{self.intensity()}"

    def intensity(self) -> str:
        """Flops and calls a byte, by the terms of highest degree."""
        work, moved = sp.Add(self.flops, *self.calls.values()), self.reads + self.writes
        if not work or not moved:
            return ""
        return f"; {_text(sp.cancel(_leading(work) / _leading(moved)))} a byte"


def cost_of(statement: Statement, program: HostProgram, cached: Collection[str] = ()) -> Cost:
    """The cost of a kernel's call or of a product, over the whole extents; `cached` arrays are still there from the step before."""
    local = set(cached) | {
        name for name, (sizes, _) in program.arrays.items() if any(rows in s.free_symbols for s in sizes for rows in program.rows)}
    if isinstance(statement, Product):
        return _product(statement, program, local)
    assert isinstance(statement, Call)
    return _kernel(statement.kernel, program, local)


def _product(s: Product, program: HostProgram, local: set[str]) -> Cost:
    def moved(*names: str) -> sp.Expr:
        return sp.Add(*(4 * math.prod(program.arrays[n][0]) for n in dict.fromkeys(names) if n not in local))
    shape = s.shape
    points = math.prod((*shape.batch, *shape.rows, *shape.inner, *shape.columns))
    return Cost(sp.expand(moved(s.a, s.b)), sp.expand(moved(s.out)), sp.expand(2 * points))


def _kernel(kernel: Kernel, program: HostProgram, local: set[str]) -> Cost:
    cost = Cost()
    touched: dict[tuple[bool, str], sp.Expr] = {}
    own = local | {s.name for s in kernel.body if isinstance(s, Allocate)}
    for s, loops in _walk(kernel.body, {}):
        points = math.prod(loops.values(), start=sp.Integer(1))
        for term in _terms(s):
            cost.flops += points * operations(term)
            for name, count in functions(term).items():
                cost.calls[name] = sp.expand(cost.calls.get(name, 0) + points * count)
        cost.flops += points * int(isinstance(s, Accumulate))
        for write, name, index in _accesses(s):
            if name not in own:
                size, kind = program.arrays[name]
                whole = all(t.op == "var" and t.value in loops for t in index)
                known = touched.get((write, name), sp.Integer(0))
                touched[write, name] = BYTES[kind] * math.prod(size) if whole else known or BYTES[kind] * points
    cost.reads = sp.expand(sp.Add(*(e for (write, n), e in touched.items() if not write and not _stored_first(kernel, n))))
    cost.writes, cost.flops = sp.expand(sp.Add(*(e for (write, _), e in touched.items() if write))), sp.expand(cost.flops)
    return cost


def _stored_first(kernel: Kernel, name: str) -> bool:
    """Whether an array's values are made in the kernel: what it reads is still in cache."""
    return next((w for s, _ in _walk(kernel.body, {}) for w, n, _ in _accesses(s) if n == name), False)


def _walk(body: Iterable[Statement], loops: Mapping[str, sp.Expr]) -> Iterator[tuple[Statement, dict[str, sp.Expr]]]:
    """The statements in loops, with the extents of the loops around."""
    for s in body:
        if isinstance(s, Blocks | Short):
            s = s.loop
        if isinstance(s, For):
            yield from _walk(s.body, {**loops, s.index: sp.Integer(not s.rest) if s.single or s.rest else s.extent})
        else:
            yield s, dict(loops)


def _terms(s: Statement) -> tuple[Term, ...]:
    match s:
        case Assign(_, value) | Store(_, _, value) | Accumulate(_, _, value):
            return (value,)
        case Track(_, _, _, value, _):
            return (value,)
    return ()


def _accesses(s: Statement) -> Iterator[tuple[bool, str, tuple[Term, ...]]]:
    """(written, array, index) of a statement."""
    for t in (p for term in _terms(s) for p in walk(term) if p.op == "load"):
        yield False, t.value, t.args
    if isinstance(s, Store):
        yield True, s.name, s.index
    target = getattr(s, "target", None)
    if target is not None and target.op == "load":
        yield True, target.value, target.args


# --- text -------------------------------------------------------------------------------------------------------------

def show_cost(program: HostProgram, schedule: Sequence[Item], names: Mapping[Node, str]) -> str:
    """The roofline of each kernel and product, and what was saved."""
    steps, cached = [], set[str]()
    for s in leaves(program.body):
        if isinstance(s, Call | Product):
            steps.append((_title(s), cost_of(s, program, cached)))
        if isinstance(s, Product):                                         # the rows that a tile takes stay in cache until its end
            cached |= {name for name, part in zip((s.out, s.a, s.b), s.parts, strict=True) if part == "rows"}
    width = max((len(title) for title, _ in steps), default=0)
    lines = ["in float32; each array once for each kernel, tiles and rows of scratch in cache", *(f"{t:<{width}}  {c}" for t, c in steps)]
    return "\n".join([*lines, *_saved_by_tiles(program), *_saved_by_storage(program), *_saved_by_repeating(schedule, names)])


def _title(s: Call | Product) -> str:
    if isinstance(s, Call):
        return s.kernel.name
    return f"{s.out} = {s.a}{'.T' * s.shape.transpose_a} @ {s.b}{'.T' * s.shape.transpose_b}"


def _saved_by_tiles(program: HostProgram) -> Iterator[str]:
    for s in program.body:
        if isinstance(s, ForTiles):
            for a in program.body:
                if isinstance(a, Allocate) and s.rows in a.sizes:
                    whole = math.prod(s.extent if x == s.rows else x for x in a.sizes)
                    yield f"tiles of {s.extent}: {a.name} has {_text(math.prod(a.sizes))} elements, {_text(whole)} without tiles"


def _saved_by_storage(program: HostProgram) -> Iterator[str]:
    for s in leaves(program.body):
        if isinstance(s, Call):
            for line in s.kernel.meaning:
                name = line.split(" is kept in ")[0]
                if name in program.arrays and name != line:
                    yield f"{s.kernel.name}: {line}, {_text(math.prod(program.arrays[name][0]))} elements less"


def _saved_by_repeating(schedule: Sequence[Item], names: Mapping[Node, str]) -> Iterator[str]:
    again = Counter(c.node for c in walk_computes(list(schedule)) if c.again)
    for node, times in again.items():
        flops = operations(freeze(node.body, node.kinds))                                        # type: ignore[union-attr]
        yield (f"{names[node]} is computed again, {times} time{'s' * (times > 1)}: {flops} flops each in place of keeping "
               f"{_text(math.prod(node.dims))} elements")


def _leading(e: sp.Expr) -> sp.Expr:
    """The terms of highest degree."""
    parts = sp.Add.make_args(sp.expand(e))
    degrees = [sum(p.as_powers_dict().get(s, 0) for s in p.free_symbols) for p in parts]
    return sp.Add(*(p for p, d in zip(parts, degrees, strict=True) if d == max(degrees)))


def _text(e: sp.Expr | int) -> str:
    return str(sp.expand(e) if not isinstance(e, int) else e).replace("**", "^")
