"""Names of loop indices and sizes in a loop program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from keyword import iskeyword

import sympy as sp

from graphc.ir.nodes import Input, Size
from graphc.scalar.symbols import Extent
from graphc.scalar.table import ROWS
from graphc.scalar.term import Term, freeze
from graphc.schedule.plan import Item, Loop, Tiles, walk_computes, walk_libraries

__all__ = ["Letters", "named", "size_names", "RESERVED"]

RESERVED = frozenset("""math np real int64 range kernel run FLAGS inf nan checked abs round min max sum where plus times greatest least
    select inlined rint square powi int_powi int_sign int_maximum int_minimum int_relu check_labels value rows_kernel first last matmul
    matvec vecmat tile_rows at CHUNK add_part settled along across boolean float32 float64 device grids lane group groups block barrier
    load_row save_row load_part save_part registers BUCKETS THREADS WIDTH VECTOR BLOCK float fold_sum fold_prod fold_max fold_min
    fold_argmax fold_argmin uint32 int32 cuda gathered_sum gathered_prod gathered_max gathered_min gathered_argmax gathered_argmin neighbour
    odd fitting scan_sum scan_prod scan_max scan_min load_tile load_column mask quotient TILE uint64 compiled section""".split()) | {
    name for row in ROWS.values() if (name := row.jit.rpartition(".")[2]).isidentifier() and not iskeyword(name)}   # functions that kernels import
_LETTERS = "ijklpqruvw"


class Letters:
    """The index letter of each loop: i for an outermost loop, j inside it, and so on, never a name of the program."""

    def __init__(self, taken: set[str]):
        self.pool = [x for x in _LETTERS if x not in taken] + [f"i{k}" for k in range(1, 40) if f"i{k}" not in taken]
        self.given: dict[Loop, str] = {}

    def of(self, loop: Loop, depth: int, path: Sequence[Loop]) -> str:
        return self.given.setdefault(loop, self.pool[depth - sum(isinstance(outer, Tiles) for outer in path[:depth])])

    def __getitem__(self, loop: Loop) -> str:
        return self.given[loop]

    def fresh(self, number: int) -> list[str]:
        return self.pool[:number]


def named(size: Size, names: Mapping[Extent, str]) -> Term:
    """A size as a term over the variables of extents."""
    def visit(t: Term) -> Term:
        return Term("var", (), names[t.value], "int") if t.op == "extent" else Term(t.op, tuple(map(visit, t.args)), t.value, t.kind)
    return visit(freeze(size, ()))


def size_names(taken: Iterable[str], items: Sequence[Item], inputs: Sequence[Input]) -> dict[Extent, str]:
    """A variable for each extent: its own name, unless a tensor has it."""
    found: dict[Extent, str] = {}
    used = set(taken) | RESERVED
    sizes: list[Size] = [s for i in inputs for s in i.dims]
    for c in walk_computes(list(items)):
        sizes += [*c.node.dims, *getattr(c.node, "over", ()), c.node.body]                       # type: ignore[union-attr]
        for read in c.node.reads:
            sizes += [e for e in read.index if isinstance(e, sp.Expr)] + list(read.operand.dims)
    for item in walk_libraries(list(items)):
        sizes += [*item.node.dims, *item.node.over]
    for size in sizes:
        for s in sorted((x for x in size.free_symbols if isinstance(x, Extent)), key=str):
            if s not in found:
                name = s.name if s.name not in used and s.name.isascii() else f"size_{len(found)}" if not s.name.isascii() else f"size_{s.name}"
                found[s] = name
                used.add(name)
    return found
