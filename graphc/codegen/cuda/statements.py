"""The text of a kernel's statements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from graphc.codegen.cuda.context import SIGN, TYPES, Context, atom
from graphc.loops.device.statements import Barrier, Fold, Gather, GroupKernel, Load, Once, Over, Row, Save, Scan, When
from graphc.loops.statements import Accumulate, Assign, For, Store, var
from graphc.scalar.term import Term

__all__ = ["GroupStatements"]


class GroupStatements(Context):
    """Loops, sums and stores of a kernel."""

    group: GroupKernel                                     # the kernel whose statements these are
    live = ""                                              # its condition that a group has a row

    @property
    def team(self) -> tuple[str, ...]:
        """The constants that say how many threads a row has, the last one, and of what neighbours."""
        return ("THREADS",) if self.group.depth is None else ("COLUMNS", "DEEP")

    def folded(self, op: str, *arguments: Any) -> str:
        """The fold over the threads of a row."""
        return self.use(f"{'fold' if self.group.depth is None else 'deep'}_{op}", *arguments, *self.team)

    def block(self, statements: Sequence[Any]) -> list[str]:
        """Lines in which one condition follows itself ask it once."""
        lines: list[str] = []
        asked = False
        for x in super().block(statements):
            again = x == f"if {self.live}:"
            lines += [] if again and asked else [x]
            asked = again or asked and x.startswith("    ")
        return lines

    def statement(self, s: Any) -> list[str]:
        p = self.print
        match s:
            case Store(name, index, value):
                return [f"{name}[{p.place(name, index)}] = {p(value)}"]
            case Accumulate(op, target, value):
                if op in SIGN:
                    return [f"{p(target)} {SIGN[op]}= {p(value, 61 if op == 'prod' else 0)}"]
                if op == "fade":
                    return [f"{p(target)} = {p.apply('faded', [p(target), p(value)])}"]
                return [f"{p(target)} = {p(Term({'max': 'maximum', 'min': 'minimum'}[op], (target, value), None, target.kind))}"]
            case For(index, extent, body, reverse, begin, end):            # Numba's range() keeps two more counters
                start, stop = "0" if begin is None else p(begin), p.size(extent, self.sizes) if end is None else p(end)
                first, last, step = (f"{stop} - 1", start, "-= 1") if reverse else (start, stop, "+= 1")
                edge = last if re.fullmatch(r"\w+", last) else self.own("until")
                lines = [] if edge == last else [f"{edge} = {last}"]
                loop = f"while {index} {'>=' if reverse else '<'} {edge}:"
                return [*lines, f"{index} = {first}", loop, *("    " + x for x in (*self.block(body), f"{index} {step}"))]
            case Over():
                return self.over(s)
            case Scan():
                return self.scan(s)
            case Once(body):
                return [f"if {self.here} == 0:", *("    " + x for x in self.block(body))]
            case When(condition, body):
                return [f"if {p(condition)}:", *("    " + x for x in self.block(body))]
            case Gather():
                return self.gather(s)
            case Barrier():
                return [self.use("barrier", "*".join(self.team))]
            case Load(row):
                return [self.use("load_row", row.name, row.array, *self.ends(row))]
            case Save(row):
                return [self.use("save_row", row.name, row.array, *self.ends(row))]
        return super().statement(s)

    def ends(self, row: Row) -> tuple[str, ...]:
        """Where a row begins, its size, and how threads share it out."""
        assert row.first is not None and self.group.width is not None
        return (self.print.place(row.array, row.first.args), self.print.size(self.group.width, self.sizes), self.here, "THREADS", "WIDTH", "VECTOR")

    def over(self, s: Over) -> list[str]:
        """A loop that the group shares out, and its folds."""
        loop, lines = s.loop, []
        for f in s.folds:
            if f.part:
                lines.append(f"{f.part} = {self.print(f.neutral)}")                              # type: ignore[arg-type]
        first = "0" if loop.first is None else self.print(loop.first)
        stop = self.print.size(loop.extent, self.sizes) if loop.last is None else self.print(loop.last)
        maxima = s.online.maxima if s.online is not None else ()
        lines += [f"{m.best} = {self.print(f.neutral)}" for m, f in zip(maxima, s.folds, strict=False)]                  # type: ignore[arg-type]
        body = self.block(loop.body if s.online is None or s.staged else self.stepped(s))
        if s.staged:
            inner = self.unrolled(s, stop, body)
            lines += self.chunks(s, first, stop, inner) if s.chunk else inner
        elif s.tiles:
            lines += self.tiled(s, stop, body)
        else:
            start = self.here if first == "0" else f"{first} + {self.here}"
            lines += [f"{loop.index} = {start}", f"while {loop.index} < {stop}:", *("    " + x for x in (*body, f"{loop.index} += {self.team[-1]}"))]
        folds = [x for f in s.folds for x in self.fold(f)] if s.online is None else self.lowered(s)
        if not s.tiles or not folds:
            return [*lines, *folds]
        return [*lines, f"if {self.live}:", *("    " + x for x in folds)]

    def unrolled(self, s: Over, stop: str, body: list[str]) -> list[str]:
        """A loop over what a thread holds in registers; a maximum's goes before."""
        place = self.use("at", self.e, self.here, "THREADS", "VECTOR")
        j, begin = s.loop.index, f"{s.chunk} + " if s.chunk else ""
        head = [f"for {self.e} in range(WIDTH):", f"    {j} = {begin}{place}", f"    if {j} < {stop}:"]
        lines = [*head, *("        " + x for x in body)]
        if s.online is None:
            return lines
        greatest = [*head, *("        " + x for x in self.block(s.online.loop.body))]
        return [*(f"{m.now} = {m.best}" for m in s.online.maxima), *greatest, *self.block(s.online.steps), *lines]

    @staticmethod
    def stepped(s: Over) -> list[Any]:
        """The statements at a point: the maximum so far, what it lowers, the sums."""
        o = s.online
        assert o is not None
        return [*(Assign(m.now, var(m.best, "float")) for m in o.maxima), *o.loop.body, *o.steps, *(x for x in s.loop.body if x not in o.loop.body)]

    def lowered(self, s: Over) -> list[str]:
        """The maxima of what threads have found, and the sums below them."""
        assert s.online is not None
        count = len(s.online.maxima)
        found = [f"{f.name} = {self.folded(f.op, m.best, TYPES[f.kind])}" for m, f in zip(s.online.maxima, s.folds, strict=False)]
        return [*found, *self.block(s.online.ends), *(x for f in s.folds[count:] for x in self.fold(f))]

    def scan(self, s: Scan) -> list[str]:
        """A loop over stretches of a point a thread: the value, the sums at the point, the rest."""
        p, loop, begin = self.print, s.loop, self.own("stretch")
        first, stop = "0" if loop.first is None else p(loop.first), p.size(loop.extent, self.sizes) if loop.last is None else p(loop.last)
        neutral, place = p(s.neutral), f"{begin} + {self.here}"
        index = f"{'' if first == '0' else f'{first} + '}{stop} - 1 - {begin} - {self.here}" if loop.reverse else place
        sums, value, given = f"{s.before}, {s.now}, {s.total.value}", [*self.block(s.made), f"{s.before} = {p(s.value)}"], s.before
        start = [f"{s.before} = {neutral}"]
        if s.fade is not None:
            sums, given = f"{s.before}, {s.total.value}", f"{s.now}, {s.before}"
            start.append(f"{s.now} = {TYPES[s.total.kind]}(1)")
            value.append(f"{s.now} = {p(s.fade)}")
            if s.after:
                value.append(f"{s.before} = {p.apply('faded', [s.before, s.now])}")
        found = self.use(f"scan_{s.op}", given, s.total.value, *([neutral] if s.fade is None else []), TYPES[s.total.kind], "THREADS")
        inner = [f"{loop.index} = {index}", *start, f"if {place} < {stop}:", *("    " + x for x in value), f"{sums} = {found}"]
        if rest := self.block(s.rest.loop.body):
            inner += [f"if {place} < {stop}:", *("    " + x for x in rest)]
        parts = [f"{f.part} = {p(f.neutral)}" for f in s.rest.folds if f.part and f.neutral is not None]
        lines = [*parts, f"{begin} = {first}", f"while {begin} < {stop}:", *("    " + x for x in (*inner, f"{begin} += THREADS"))]
        return [*lines, *(x for f in s.rest.folds for x in self.fold(f))]

    def tiled(self, s: Over, stop: str, body: list[str]) -> list[str]:
        """A loop over tiles, each loaded by all threads of a block and read by those that have a row."""
        p, j, height = self.print, s.loop.index, self.own("height")
        lines = []
        for t in s.tiles:
            size = p.size(t.size, self.sizes)
            if t.column is None:
                lines.append(self.use("load_tile", t.name, t.array, f"{s.chunk}*{atom(size)}", height, size, t.step))
            else:
                lines.append(self.use("load_column", t.name, t.array, f"{s.chunk}*{atom(size)} + {p(t.column, 51)}", height, size))
        most = self.use("fitting", "TILE", self.steps(s), "THREADS")
        inner = [f"{j} = {s.chunk} + {self.here}", f"while {j} < {s.chunk} + {height}:", *("    " + x for x in (*body, f"{j} += THREADS"))]
        lines.insert(0, f"{height} = {p.apply('int_minimum', [most, f'{stop} - {s.chunk}'])}")
        lines += [f"if {self.live}:", *("    " + x for x in inner)]
        return [f"{s.chunk} = 0", f"while {s.chunk} < {stop}:", *("    " + x for x in (*lines, f"{s.chunk} += {height}"))]

    def steps(self, s: Over) -> str:
        """The places of the widest row of a loop's tiles."""
        text, *others = [t.step for t in s.tiles if t.column is None] or ["1"]
        for other in others:
            text = self.print.apply("int_maximum", [text, other])
        return text

    def chunks(self, s: Over, first: str, stop: str, inner: list[str]) -> list[str]:
        """A loop over parts of a row: loaded, worked on, saved."""
        def rows(function: str, found: Sequence[Row]) -> list[str]:
            return [self.use(function, r.name, r.array, f"{self.print.place(r.array, r.first.args)} + {s.chunk}", f"{stop} - {s.chunk}",   # type: ignore[union-attr]
                             self.here, "THREADS", "WIDTH", "VECTOR") for r in found]
        body = [*rows("load_row", s.loads), *inner, *rows("save_row", s.saves), f"{s.chunk} += THREADS*WIDTH"]
        return [f"{s.chunk} = {first}", f"while {s.chunk} < {stop}:", *("    " + x for x in body)]

    def gather(self, s: Gather) -> list[str]:
        """A row's number of those of its pieces."""
        f, p = s.fold, self.print
        if s.over is not None:
            return [f"{f.name} = {p(f.neutral)}", *self.over(s.over)]                                                    # type: ignore[arg-type]
        arrays = [str(x.value) for x in s.parts]
        place = p.place(arrays[0], s.parts[0].args)
        step, number, neutral = p.size(s.step, self.sizes), p(s.number), p(f.neutral)                            # type: ignore[arg-type]
        found = self.use(f"gathered_{f.op}", *arrays, place, step, number, neutral, self.here, self.team[-1])
        if f.best:
            return [f"{f.best}, {f.name} = {found}", *self.fold(f)]
        found = self.folded(f.op, found, TYPES[f.kind])
        return [f"{f.name} = {self.combine(f.op, f.name, found, f.kind) if f.part else found}"]

    def fold(self, f: Fold) -> list[str]:
        kind = TYPES[f.kind]
        if f.best:
            return [f"{f.best}, {f.name} = {self.folded(f.op, f.best, f.name, kind)}"]
        if f.own:
            return [f"{f.name} = {self.combine(f.op, f.name, f.part, f.kind)}"] if f.part else []
        found = self.folded(f.op, f.part or f.name, kind)
        return [f"{f.name} = {self.combine(f.op, f.name, found, f.kind) if f.part else found}"]
