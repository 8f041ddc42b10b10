"""The text of kernels: parameters, the loop over rows or elements, and what a block hands on of totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from graphc.codegen.cuda.context import TYPES, atom
from graphc.codegen.cuda.statements import GroupStatements
from graphc.loops.accesses import accesses
from graphc.loops.device.statements import Finish, GroupKernel, Total
from graphc.loops.statements import Accumulate, Assign, ForTiles, Store
from graphc.scalar.term import Term

__all__ = ["Kernels"]


class Kernels(GroupStatements):
    """Kernels, and the finishing ones that add up what their blocks have found."""

    def kernel(self, k: GroupKernel) -> str:
        self.print.shared = {t.name for t in k.tiles}
        body = self.body(k)
        self.indexing |= {k.name} if any("checked(" in x for x in body) else set()
        parameters = [*k.arrays, *k.scalars, *(self.part(t) for t in k.totals), *(self.out(r) for r in k.results),
                      *(a.name for a in k.scratch if self.in_memory(k, a)), *([self.own("size")] if k.flat else []), *k.sizes,
                      *([self.wrong] if k.name in self.indexing else [])]
        lines = [f"def {k.name}({', '.join(parameters)}):", *self.docstring(k.meaning)]
        lines += ["    " + x for x in (*(f"{s} = {s}[0]" for s in k.scalars), *body)]
        return "\n".join(lines)

    def body(self, k: GroupKernel) -> list[str]:
        threads = "THREADS" if self.has_team(k) else "1"
        self.group, self.live = k, k.live
        self.print.offset = {}
        team = self.has_team(k)
        lines = [f"{self.here} = {self.use('lane', threads)}"] if team and k.depth is None else []
        for r in k.registers:
            lines.append(f"{r.name} = cuda.local.array(WIDTH, real)")
        for tile in k.tiles:
            lines += [f"{tile.name} = cuda.shared.array(TILE, real)", f"{tile.step} = {self.use('odd', self.print.size(tile.size, self.sizes))}"]
        for a in k.scratch:
            if self.in_memory(k, a) and a.name not in k.shared:
                size = self.print.size(sp.Mul(*a.sizes), self.sizes)
                at = self.own(f"{a.name}_at")
                lines.append(f"{at} = {self.use('group', threads)}*{atom(size)}")
                self.print.offset[a.name] = at
        lines += self.block(k.before)
        lines += [f"{t.name} = {self.neutral(t)}" for t in k.totals]
        lines += self.flat(k) if k.flat else self.rows(k, threads)
        for t in k.totals:
            lines += self.give(t)
        for name in k.results:
            lines += [f"if {self.here} == 0:", f"    {self.out(name)}[0] = {name}"] if team else [f"{self.out(name)}[0] = {name}"]
        return lines

    def docstring(self, meaning: Sequence[str]) -> list[str]:
        text = [m.replace("\\", "\\\\").replace('"""', "'''") for m in meaning]
        if len(text) < 2:
            return [f'    """{m}"""' for m in text]
        return [f'    """{text[0]}', *(f"    {m}" for m in text[1:]), '    """']

    def give(self, t: Total) -> list[str]:
        """A block's part of a total, stored; over tiles, added to what tiles before have found."""
        kind = TYPES[t.kind]
        part, at = self.part(t), self.use("block")
        folded = self.use(f"fold_{t.op}", t.name, kind, "BLOCK")
        lines = [f"{t.name} = {folded}", f"if {self.use('lane', 'BLOCK')} == 0:"]
        if t.carried:
            start = self.bound()
            lines += [f"    if {start} > 0:", f"        {t.name} = {self.combine(t.op, f'{part}[{at}]', t.name, t.kind)}"]
        return [*lines, f"    {part}[{at}] = {t.name}"]

    def bound(self) -> str:
        """The variable of a tile's first row."""
        return next(s.start for s in self.mapped.body if isinstance(s, ForTiles))

    def rows(self, k: GroupKernel, threads: str) -> list[str]:
        """The loop over a group's rows."""
        body = self.block(k.body)
        if not k.rows:
            return body
        if k.depth is not None:
            return self.strips(k, body)
        letters = [loop.index for loop in k.rows]
        extents = [self.print.size(loop.extent, self.sizes) for loop in k.rows]
        first, last = (None if t is None else self.print(t) for t in (k.rows[0].first, k.rows[0].last))
        if len(k.rows) == 1:
            r, split = letters[0], []
            start, stop = f"{first} + " if first else "", last or extents[0]
        else:
            extents[0] = f"({last} - {first})" if first else extents[0]
            r, start, stop = self.own("row"), "", "*".join(map(atom, extents))
            split = self.split(r, letters, extents, first)
        loop = [*split, *body, f"{r} += {self.use('groups', threads)}"]
        here = r
        if k.tiles:                                                        # as long as the block's first group has a row
            here, loop = f"{r} - {self.use('neighbour', threads)}", [f"{k.live} = {r} < {stop}", *loop]
        return [f"{r} = {start}{self.use('group', threads)}", f"while {here} < {stop}:", *("    " + x for x in loop)]

    def strips(self, k: GroupKernel, body: list[str]) -> list[str]:
        """The loop over a block's strips of neighbouring rows."""
        sizes = [self.print.size(loop.extent, self.sizes) for loop in k.rows]
        strip, i, size = self.own("strip"), k.rows[-1].index, sizes[-1]
        number = self.own("number")
        letters, extents = [*(loop.index for loop in k.rows[:-1]), strip], [*sizes[:-1], number]
        r = self.own("row") if len(letters) > 1 else strip
        least = self.print.apply("int_minimum", [i, f"{atom(size)} - 1"])
        lines = [*self.split(r, letters, extents, None), f"{i} = {self.use('across', strip, 'COLUMNS')}",
                 f"{self.here} = {self.use('down', i, size, 'COLUMNS')}", f"{i} = {least}", *body, f"{r} += {self.use('blocks')}"]
        before = [f"{number} = {self.use('strips', size, 'COLUMNS')}", f"{r} = {self.use('block')}"]
        return [*before, f"while {r} < {'*'.join(map(atom, extents))}:", *("    " + x for x in lines)]

    def split(self, r: str, letters: Sequence[str], extents: Sequence[str], first: str | None) -> list[str]:
        """The indices of a row's number."""
        lines, rest = [], r
        for k in range(len(letters) - 1, 0, -1):
            size, above = atom(extents[k]), letters[0] if k == 1 and not first else self.own("rest")
            lines += [f"{above} = {self.use('quotient', rest, size)}", f"{letters[k]} = {rest} - {above}*{size}"]
            rest = above
        return [*lines, f"{letters[0]} = {first} + {rest}"] if first else lines

    def flat(self, k: GroupKernel) -> list[str]:
        """Every thread takes VECTOR elements of each array, then the next that no other takes."""
        size, first = self.own("size"), self.own("place")
        loads, saves = self.flat_rows(k)
        lines = [f"{a}_row = cuda.local.array(VECTOR, {self.kind(a)})" for a in dict.fromkeys((*loads, *saves))]
        lines += [f"{first} = {self.use('group', 1)}*VECTOR", f"while {first} < {size}:"]
        body = [self.use("load_part", f"{a}_row", a, first, size, "VECTOR") for a in loads]
        wide = [t for t in k.totals if t.kind == "wide"]
        parts = {t.name: self.own(f"{t.name}_part_of") for t in wide}
        body += [f"{part} = real(0)" for part in parts.values()]
        at = Term("add", (Term("var", (), first, "int"), Term("var", (), self.e, "int")), None, "int")
        inner = self.block([flattened(s, set(loads) | set(saves), parts, self.e, at) for s in k.body])
        body += [f"for {self.e} in range(VECTOR):", f"    if {first} + {self.e} < {size}:", *("        " + x for x in inner)]
        body += [self.use("save_part", f"{a}_row", a, first, size, "VECTOR") for a in saves]
        body += [f"{name} += {part}" for name, part in parts.items()]
        return [*lines, *("    " + x for x in (*body, f"{first} += {self.use('groups', 1)}*VECTOR"))]

    def flat_rows(self, k: GroupKernel) -> tuple[list[str], list[str]]:
        """The arrays of reals that a flat kernel loads, and those that it saves."""
        found = [a for a in accesses(k.body) if self.program.arrays[a.name][1] == "float"]
        saves = list(dict.fromkeys(a.name for a in found if a.write))
        first = {a.name: a.write for a in reversed(found)}
        return [n for n in dict.fromkeys(a.name for a in found) if not first[n] or n not in saves], saves

    def finish(self, f: Finish) -> str:
        counts = dict.fromkeys(self.parts[t.name] for t in f.totals)
        parameters = [*(self.part(t) for t in f.totals), *f.scalars, *(self.out(r) for r in f.results),
                      *(f"{g}_blocks" for g in counts), *f.sizes]
        lines = [f"{s} = {s}[0]" for s in f.scalars]
        for t in f.totals:
            here = self.use("lane", "BLOCK")
            shares = self.use(f"gathered_{t.op}", self.part(t), 0, 1, f"{self.parts[t.name]}_blocks", self.neutral(t), here, "BLOCK")
            found = self.use(f"fold_{t.op}", shares, TYPES[t.kind], "BLOCK")
            lines.append(f"{t.name} = {f'real({found})' if t.kind == 'wide' and self.dtype == 'float32' else found}")
        body = self.block([*f.body])
        lines += body
        stores = [f"{self.out(r)}[0] = {r}" for r in f.results]
        if f.totals:
            stores = [f"if {self.use('lane', 'BLOCK')} == 0:", *("    " + x for x in stores)]
        return "\n".join([f"def {f.name}({', '.join(parameters)}):", *("    " + x for x in (*lines, *stores))])


def flattened(x: Any, rows: set[str], parts: dict[str, str], e: str, at: Term) -> Any:
    """A statement with its arrays' rows at e, other arrays' elements at their place, and narrow parts in place of wide totals."""
    if isinstance(x, tuple):
        return tuple(flattened(p, rows, parts, e, at) for p in x)
    here = (Term("var", (), e, "int"),)
    match x:
        case Term(op="load", value=name) if name in rows:
            return Term("load", here, f"{name}_row", x.kind)
        case Term(op="load", value=name):
            return Term("load", (at,), name, x.kind)
        case Term():
            return replace(x, args=flattened(x.args, rows, parts, e, at)) if x.args else x
        case Assign(name, value):
            return Assign(name, flattened(value, rows, parts, e, at))
        case Store(name, _, value) if name not in rows:
            return Store(name, (at,), flattened(value, rows, parts, e, at))
        case Store(name, _, value):
            return Store(f"{name}_row", here, flattened(value, rows, parts, e, at))
        case Accumulate(op, target, value):
            return Accumulate(op, replace(target, value=parts.get(target.value, target.value)), flattened(value, rows, parts, e, at))
    return x
