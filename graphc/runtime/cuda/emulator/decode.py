"""A kernel, ready to run: each instruction decoded to a function of the machine, by the table of its opcode.

    kernel = Kernel(ptx)            kernel.opcodes, kernel.parameters, kernel.count("ld.global.v4")
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphc.runtime.cuda.emulator import accesses, conversions, integers, moves, reals, warps
from graphc.runtime.cuda.emulator.operands import Operands, Run
from graphc.runtime.cuda.emulator.parse import Instruction, Parameter, parse
from graphc.runtime.cuda.emulator.types import DTYPES, KernelFault, size

__all__ = ["Action", "Kernel"]

Build = Callable[[Instruction, Operands], Run]
BUILDERS: dict[str, Build] = {**moves.BUILDERS, **conversions.BUILDERS, **warps.BUILDERS, **accesses.BUILDERS}
ACCESSES = ("ld", "st", "atom", "red")


@dataclass(frozen=True, eq=False)
class Action:
    """An instruction to run; or one that moves lanes (`control`), with where they go."""

    text: str
    predicate: tuple[int, bool] | None
    run: Run | None = None
    control: str = ""
    target: int = 0
    function: str = ""
    given: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


class Kernel:
    """The first entry of a PTX module, or the named one."""

    def __init__(self, ptx: str, entry: str | None = None):
        self.program = parse(ptx, entry)
        self.operands = Operands(self.program)
        self.code = [self._action(i) for i in self.program.code]
        self.grain = min([4, *(size(i.type) for i in self.program.code if "shared" in i.words and i.words[0] in ACCESSES)])

    @property
    def name(self) -> str:
        return self.program.entry

    @property
    def start(self) -> int:
        return self.program.functions[self.name].start

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.program.functions[self.name].parameters

    @property
    def opcodes(self) -> list[str]:
        return self.program.opcodes

    def count(self, opcode: str) -> int:
        """How many instructions of the text begin with these words."""
        words = tuple(opcode.split("."))
        return sum(i.words[:len(words)] == words for i in self.program.code)

    def _action(self, i: Instruction) -> Action:
        predicate = (self.operands.slots[i.predicate[0]], i.predicate[1]) if i.predicate else None
        control = _control(i)
        if control == "bra":
            return Action(i.text, predicate, control=control, target=self.program.labels[i.operands[0]])
        if control == "call":
            return self._call(i, predicate)
        if control:
            return Action(i.text, predicate, control=control, function=i.scope[:-2])
        try:
            return Action(i.text, predicate, run=_builder(i)(i, self.operands))
        except KernelFault as fault:
            raise KernelFault(f"{self.program.entry}: {fault}\n  in: {i.text}") from None
        except (KeyError, IndexError, StopIteration):
            raise KernelFault(f"{self.program.entry}: the instruction {i.text} is not modelled") from None

    def _call(self, i: Instruction, predicate: tuple[int, bool] | None) -> Action:
        at = next((k for k, o in enumerate(i.operands) if o in self.program.functions), None)
        if at is None:
            raise KernelFault(f"a call of a function that the module does not define: {i.text}")
        groups = [tuple(i.scope + n for n in o.strip("() ").replace(" ", "").split(",") if n) for o in i.operands]
        return Action(i.text, predicate, control="call", function=i.operands[at],
                      results=groups[0] if at else (), given=groups[at + 1] if len(groups) > at + 1 else ())


def _control(i: Instruction) -> str:
    """The method of the schedule that this instruction is, if it moves lanes."""
    word = i.words[0]
    if word == "ret":
        return "ret" if i.scope else "exit"
    if word in ("bar", "barrier") and "warp" not in i.words:
        return "barrier"
    return word if word in ("bra", "call", "exit", "trap") else ""


def _builder(i: Instruction) -> Build:
    if i.words[0] in BUILDERS:
        return BUILDERS[i.words[0]]
    kind = DTYPES.get(i.type)
    if kind is None:
        raise KernelFault(f"the opcode {'.'.join(i.words)} is not modelled")
    return {"f": reals.build, "b": moves.logic}.get(kind.kind, integers.build)
