"""The text of `run`, the host program: scratch, grids, launches and matrix products."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import sympy as sp

from graphc.codegen.cuda.context import Context
from graphc.ir.nodes import Size
from graphc.loops.device.placed import extents_of
from graphc.loops.device.statements import Alias, Finish, GroupKernel, Launch
from graphc.loops.statements import Allocate, ForTiles, Height, Product
from graphc.scalar.symbols import Extent

__all__ = ["Host"]


class Host(Context):
    """`run`: what it allocates and calls, in order."""

    def run(self) -> str:
        p = self.program
        shaped = {self.sizes[s] for name in p.inputs if name in p.arrays for s in p.arrays[name][0] if isinstance(s, Extent)}
        extra = [s for s in p.sizes.values() if s not in shaped]
        body = [*self.checks(), *self.host(self.mapped.body)]
        made = [s for s in self.mapped.scalars if s not in p.results]
        body = [*(f"{s} = device.empty((1,), {self.array(p.scalars[s])})" for s in made), *body]
        outputs = [p.results.get(o, o) for o in p.outputs]
        lines = [f"def run({', '.join(('device', *p.inputs, *outputs, *extra))}):"]
        return "\n".join([*lines, *("    " + x for x in (*self.shapes(p.inputs, body), *body))])

    def checks(self) -> list[str]:
        return [f"{name} = device.check_labels({name!r}, {name}, {self.print.size(below, self.sizes)}, {others})"
                for name, below, others in self.labels]

    def host(self, body: Iterable[Any]) -> list[str]:
        lines: list[str] = []
        p = self.print
        p.offset = {}
        for s in body:
            match s:
                case Allocate(name, sizes, kind):
                    stored = repr(self.stored[name]) if name in self.stored else self.array(kind)
                    lines.append(f"{name} = device.empty(({self.shape(sizes)}), {stored})")
                case Alias():
                    lines += self.alias(s)
                case Launch():
                    lines += self.launch(s)
                case Finish():
                    lines += self.launch_finish(s)
                case Product():
                    lines += self.product(s)
                case ForTiles(extent, rows, start, stop, _, inner):
                    size, height = p.size(extent, self.sizes), self.sizes[rows]
                    loop = [f"{stop} = min({start} + {height}, {size})", *self.host(inner)]
                    before = [x for x in loop if re.match(r"\w+ = (device\.empty|grids\.|.*# in place)|\w+, \w+ = grid", x)]
                    lines += [*before, f"for {start} in range(0, max({size}, 1), {height}):", *("    " + x for x in loop if x not in before)]
                case Height(rows, extent, held):
                    lines.append(f"{self.sizes[rows]} = grids.tile_rows({p.size(extent, self.sizes)}, {p.size(held, self.sizes)})")
                case _:
                    raise TypeError(f"no text for {type(s).__name__}")
        return lines

    def alias(self, s: Alias) -> list[str]:
        """An array in the memory of another, or its own."""
        (new,) = self.host([s.made])
        if self.stored.get(s.name) != self.stored.get(s.other):
            return [new]
        own = f" if {s.unless} == 1 else {new.partition(' = ')[2]}" if s.unless else ""
        return [f"{f'{s.name} = {s.other}{own}':<40}  # in place"]

    def shape(self, sizes: Sequence[Size]) -> str:
        return ", ".join(self.print.size(x, self.sizes) for x in sizes) + "," * (len(sizes) == 1)

    def launch(self, s: Launch) -> list[str]:
        k, cut = s.kernel, s.cut
        self.grids += 1
        grid = self.own("grid" if self.grids == 1 else f"grid_{self.grids}")
        lines = [f"{grid} = {self.grid(k, cut is not None)}"]
        for t in k.totals:
            self.parts[t.name] = grid
            lines.append(f"{self.part(t)} = device.empty(({grid}.blocks,), {self.array(t.kind)})")
        if cut is not None:
            lines.append(f"{cut.number}, {cut.span} = {grid}.pieces, {grid}.span")
            lines += [f"{a.name} = device.empty(({self.shape(a.sizes)}), {self.array(a.kind)}) if {cut.number} > 1 else None" for a in cut.arrays]
        choices = [(f"{cut.number} > 1", cut.kernels)] if cut is not None else []
        choices += [(f"{grid}.fits", (k,)), ("", (s.long,))] if s.long is not None else [("", (k,))]
        return [*lines, *self.scratch(s, grid), *self.chosen([(c, [self.call(x, grid) for x in kernels]) for c, kernels in choices])]

    def scratch(self, s: Launch, grid: str) -> list[str]:
        """Memory of groups, for those variants that use it."""
        lines, variants = [], {"": s.kernel} if s.long is None else {f"{grid}.fits": s.kernel, f"not {grid}.fits": s.long}
        for a in {a.name: a for k in variants.values() for a in k.scratch if self.in_memory(k, a)}.values():
            group = [] if a.name in s.kernel.shared else [f"{grid}.blocks*{grid}.threads//{grid}.lanes"]
            shape = ", ".join([*group, *(self.print.size(x, self.sizes) for x in a.sizes)])
            users = [test for test, k in variants.items() if any(self.in_memory(k, b) for b in k.scratch if b.name == a.name)]
            when = " and ".join([*([f"{s.cut.number} == 1"] if s.cut is not None else []), *(users if len(users) < len(variants) else [])])
            new = f"device.empty(({shape}{',' * (len(a.sizes) + len(group) == 1)}), {self.array(a.kind)})"
            lines.append(f"{a.name} = {new}{f' if {when} else None' if when else ''}")
        return lines

    @staticmethod
    def chosen(choices: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
        """The lines of the first choice whose condition holds; the last has none."""
        if len(choices) == 1:
            return list(choices[0][1])
        words = ["if", *["elif"] * (len(choices) - 2), "else"]
        return [x for word, (condition, lines) in zip(words, choices, strict=True)
                for x in (f"{word} {condition}".rstrip() + ":", *(f"    {line}" for line in lines))]

    def grid(self, k: GroupKernel, cut: bool) -> str:
        p = self.print
        extents = extents_of(k.rows, k.tile)
        number = p.size(sp.Mul(*extents), self.sizes)
        size = "4" if self.dtype == "float32" else "8"
        halves = ", stored=2" if any(a in self.stored for a in k.arrays) else ""
        if k.alone:
            return f"grids.alone({p.size(k.width, self.sizes) if k.width is not None else 1}{f', {size}' if cut else ''})"
        if k.deals:
            columns = sp.Mul(*(loop.extent for loop in k.rows[1:]))
            return f"grids.dealt({p.size(columns, self.sizes)}, {p.size(sp.Mul(*p.arrays[k.deals][0]), self.sizes)})"
        if k.depth is not None:
            outer, size = p.size(sp.Mul(*extents[:-1]), self.sizes), p.size(extents[-1], self.sizes)
            return f"grids.columns({outer}, {size}, {p.size(k.depth, self.sizes)})"
        if k.flat:
            return f"grids.elements({number}, {size}{halves})"
        if k.width is None:
            return f"grids.points({number})"
        if k.tiles:
            sizes = list(dict.fromkeys(p.size(t.size, self.sizes) for t in k.tiles))
            features = sizes[0] if len(sizes) == 1 else f"max({', '.join(sizes)})"
            return f"grids.pairs({number}, {p.size(k.width, self.sizes)}, {features}, {len(k.tiles)}, {size}{halves})"
        return f"grids.{'long_rows' if cut else 'rows'}({number}, {p.size(k.width, self.sizes)}, {k.held}, {size}, {k.work}{halves})"

    def call(self, k: GroupKernel, grid: str) -> str:
        scratch = [a.name for a in k.scratch if self.in_memory(k, a)]
        size = [*([self.print.size(sp.Mul(*(loop.extent for loop in k.rows)), self.sizes)] if k.flat else []), *k.sizes]
        arguments = [*k.arrays, *map(self.place, k.scalars), *(self.part(t) for t in k.totals), *map(self.place, k.results), *scratch, *size]
        constants = {"COLUMNS": f"{grid}.columns", "DEEP": f"{grid}.lanes", "THREADS": f"{grid}.lanes", "WIDTH": f"{grid}.width",
                     "VECTOR": f"{grid}.vector", "BLOCK": f"{grid}.threads", "TILE": f"{grid}.tile"}
        deep = k.depth is not None
        wanted = {"COLUMNS": deep, "DEEP": deep, "THREADS": self.has_team(k) and not deep, "WIDTH": bool(k.registers),
                  "VECTOR": bool(k.registers) or k.flat, "BLOCK": bool(k.totals), "TILE": bool(k.tiles)}
        given = ["device.wrong"] * (k.name in self.indexing) + [f"BUCKETS={grid}.buckets"] * bool(k.deals)
        given += [f"{c}={v}" for c, v in constants.items() if wanted[c]]
        blocks = "1" if k.alone else f"{grid}.blocks"
        return f"device.launch({', '.join([self.same[k.name], blocks, f'{grid}.threads', *arguments, *given])})"

    def place(self, scalar: str) -> str:
        """The array of one element that has a number."""
        return self.program.results.get(scalar, scalar)

    def launch_finish(self, f: Finish) -> list[str]:
        counts = dict.fromkeys(self.parts[t.name] for t in f.totals)
        arguments = [*(self.part(t) for t in f.totals), *map(self.place, f.scalars), *map(self.place, f.results),
                     *(f"{g}.blocks" for g in counts), *f.sizes]
        threads = "256" if f.totals else "1"
        return [f"device.launch({', '.join([f.name, '1', threads, *arguments, *(['BLOCK=256'] if f.totals else [])])})"]

    def matmul(self, operands: Sequence[str]) -> str:
        return f"device.matmul({', '.join(operands)})"
