r"""The host program for a GPU: kernels, matrix products, and `finish` kernels between them.

A number that a kernel or a scalar statement makes lives in an array of one element: nothing waits for the device. What is computed of numbers
alone is put off until a kernel reads it, or the end, so that one `finish` adds up the parts of all totals and does all scalar statements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.device.inplace import in_place
from graphc.loops.device.mapping import Mapper
from graphc.loops.device.statements import DeviceProgram, Finish, Launch, Total
from graphc.loops.statements import Allocate, Assign, Call, For, ForTiles, HostProgram, Kernel, Note, Statement, leaves
from graphc.loops.uses import uses_of

__all__ = ["mapped"]


def mapped(program: HostProgram, bounds: Sequence[str], few: Sequence[Size], own: Callable[[str], str]) -> DeviceProgram:
    """The program for a GPU. `bounds` are the variables of tiles, `few` the extents that are short; `own` makes names."""
    wide = {w for s in leaves(program.body) if isinstance(s, Call) for w in s.kernel.wide}
    wide |= {s.name for s in program.body if isinstance(s, Assign) and s.value.kind == "wide" and s.value.op == "const"}
    mapper = Mapper(program.arrays, program.scalars, program.sizes, program.rows, bounds, wide, few, own)
    host = _Host(program, mapper, own)
    return in_place(DeviceProgram(tuple(host.run()), tuple(host.made)))


@dataclass
class _Host:
    program: HostProgram
    mapper: Mapper
    own: Callable[[str], str]
    totals: list[Total] = field(default_factory=list)
    scalar: list[Statement] = field(default_factory=list)
    made: dict[str, None] = field(default_factory=dict)           # scalars that an array of one element holds
    finishes: int = 0
    begins: int = 0

    def run(self) -> list[Any]:
        done = self.block(self.program.body, set())
        return [*done, *self.finish(set(self.program.outputs))]

    def block(self, body: Sequence[Statement], later: set[str]) -> list[Any]:
        done: list[Any] = []
        for k, s in enumerate(body):
            after = later | set(uses_of(body[k + 1:], self.program.arrays).reads) | set(self.program.outputs)
            if isinstance(s, Assign):
                self.assign(s)
            elif isinstance(s, Call):
                reads = {n for n in s.kernel.scalars if n not in s.kernel.results}
                done += self.finish(after | reads) if reads & self.waiting() else []
                done += self.call(s.kernel)
            elif isinstance(s, ForTiles):
                self.scalar = [x for x in self.scalar if not (isinstance(x, Assign) and x.name in s.carried)]
                reads = {n for n in uses_of(s.body, self.program.arrays).reads if n not in s.carried}
                done += self.finish(after | reads) if reads & self.waiting() else []
                self.mapper.tile = s.rows
                done.append(replace(s, body=tuple(self.block(s.body, after))))
                self.mapper.tile = None
            elif isinstance(s, For):
                done += self.call(self.mapper_kernel(s))
            elif not isinstance(s, Note):
                done.append(s)
        return done

    def mapper_kernel(self, nest: For) -> Kernel:
        """A nest of the host program, such as the start of a sum over tiles, as a kernel."""
        self.begins += 1
        return Kernel(self.own("begin" if self.begins == 1 else f"begin_{self.begins}"), (), (), (), (nest,), ())

    def assign(self, s: Assign) -> None:
        """A scalar statement; the start of a total, and its end in the program's precision, are the kernel's and the finish's business."""
        begins = s.value.kind == "wide" and s.value.op == "const"
        ends = s.value.op == "cast" and s.value.args[0].kind == "wide" and s.value.args[0].value == s.name
        self.scalar += [] if begins or ends else [s]

    def call(self, kernel: Kernel) -> list[Any]:
        done: list[Any] = []
        for s in self.mapper.launches(kernel):
            done.append(s)
            if isinstance(s, Launch):
                known = {t.name for t in self.totals}
                self.totals += [t for t in s.kernel.totals if t.name not in known]
                self.made |= dict.fromkeys(s.kernel.results)
            else:
                assert isinstance(s, Allocate)
        return done

    def waiting(self) -> set[str]:
        return {t.name for t in self.totals} | {s.name for s in self.scalar if isinstance(s, Assign)}

    def finish(self, needed: set[str]) -> list[Finish]:
        """The kernel for what waits."""
        if not self.totals and not any(isinstance(s, Assign) for s in self.scalar):
            return []
        self.finishes += 1
        name = self.own("finish" if self.finishes == 1 else f"finish_{self.finishes}")
        uses = uses_of(self.scalar, self.program.arrays)
        inside = self.waiting()
        results = tuple(n for n in dict.fromkeys([*(t.name for t in self.totals), *uses.assigned]) if n in needed)
        scalars = tuple(n for n in uses.reads if n in self.program.scalars and n not in inside)
        sizes = tuple(name for s, name in self.program.sizes.items() if s in uses.sizes or name in uses.reads)
        made = Finish(name, tuple(self.totals), tuple(self.scalar), scalars, sizes, results)
        self.made |= dict.fromkeys(results)
        self.totals, self.scalar = [], []
        return [made]
