"""A launch: threads as lanes of NumPy vectors, their divergence, and barriers.

Groups of lanes stand at places of the program; the group that is farthest behind runs, so that lanes meet again at the first common place.
A branch splits a group. A barrier holds a block's lanes until all are there; who meets at different barriers, or never comes, is at fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from graphc.runtime.cuda.emulator.decode import Kernel
from graphc.runtime.cuda.emulator.memory import Memory
from graphc.runtime.cuda.emulator.types import REGISTERS, KernelFault, dtype

__all__ = ["Lanes", "Machine", "launch"]

WARP = 32
MOST_STEPS = 50_000_000


@dataclass(frozen=True, eq=False)
class Lanes:
    """The lanes that execute; `index` takes their values out of a vector of all lanes."""

    lanes: np.ndarray
    index: Any

    @cached_property
    def count(self) -> int:
        return len(self.lanes)


class Machine:
    """The state of a launch."""

    def __init__(self, kernel: Kernel, grid: Sequence[int], block: Sequence[int], dynamic_shared: int):
        self.kernel = kernel
        self.grid, self.shape = ((*extent, 1, 1)[:3] for extent in (tuple(grid), tuple(block)))
        self.blocks, self.block_threads = int(np.prod(self.grid)), int(np.prod(self.shape))
        self.threads, self.dynamic_shared = self.blocks * self.block_threads, dynamic_shared
        self.all = np.arange(self.threads)
        self.block, self.within = self.all // self.block_threads, self.all % self.block_threads
        self.lane = self.within % WARP
        self.warp = self.all - self.lane                                   # the first lane of one's warp
        self.epoch, self.sync = np.zeros(self.blocks, np.int64), np.zeros(self.threads, np.int64)
        self.counts: Counter[str] = Counter()
        program = kernel.program
        self.registers = [np.zeros(self.threads, REGISTERS[kind]) for kind in program.registers.values()]
        self.carry = np.zeros(self.threads, bool)
        self.parameters: dict[str, np.ndarray] = {}
        self.returns: dict[str, np.ndarray] = {}
        self.memory = Memory(self, program.data, program.shared_size + dynamic_shared, program.local_size)
        self._special: dict[str, np.ndarray] = {}

    def thread(self, lane: int) -> str:
        """How an error names a thread."""
        return f"thread {int(self.within[lane])} of block {int(self.block[lane])}"

    def lanes(self, lanes: np.ndarray) -> Lanes:
        return Lanes(lanes, slice(None) if len(lanes) == self.threads else lanes)

    def special(self, name: str) -> np.ndarray:
        """A special register, of all lanes."""
        if name not in self._special:
            self._special[name] = np.broadcast_to(self._special_value(name), self.threads).astype(np.uint32)
        return self._special[name]

    def _special_value(self, name: str) -> Any:
        name, _, axis = name[1:].partition(".")
        k = "xyz".find(axis)
        before = lambda shape: int(np.prod(shape[:k]))
        match name:
            case "tid":
                return self.within // before(self.shape) % self.shape[k]
            case "ctaid":
                return self.block // before(self.grid) % self.grid[k]
            case "ntid":
                return self.shape[k]
            case "nctaid":
                return self.grid[k]
            case "laneid":
                return self.lane
            case "lanemask_lt":
                return (1 << self.lane) - 1
            case "dynamic_smem_size":
                return self.dynamic_shared
        raise KernelFault(f"the special register %{name} is not modelled")

    def parameter(self, name: str) -> np.ndarray:
        """A parameter's bits, of all lanes."""
        if name not in self.parameters:
            self.parameters[name] = np.zeros(self.threads, np.uint64)
        return self.parameters[name]

    def bind(self, arguments: Sequence[Any], names: Sequence[str]) -> None:
        """The arguments of a launch: arrays by their addresses, numbers by their bits."""
        wanted = self.kernel.parameters
        if len(arguments) != len(wanted):
            raise KernelFault(f"{self.kernel.name} takes {len(wanted)} arguments, and was given {len(arguments)}")
        for parameter, value, name in zip(wanted, arguments, names, strict=True):
            if isinstance(value, np.ndarray):
                value = self.memory.bind(value, name)
            number = np.array(value).astype(dtype(parameter.type))
            self.parameter(parameter.name)[:] = number.view(f"u{number.itemsize}")


def launch(kernel: Kernel, grid: Sequence[int], block: Sequence[int], arguments: Sequence[Any], dynamic_shared: int = 0,
           names: Sequence[str] = (), most_steps: int = MOST_STEPS) -> Counter[str]:
    """Run a kernel on a grid of blocks; the counts of instructions, bytes and sectors. KernelFault if it does what no kernel may."""
    machine = Machine(kernel, grid, block, dynamic_shared)
    machine.bind(arguments, names or [f"argument {k}" for k in range(len(arguments))])
    with np.errstate(all="ignore"):
        _Schedule(machine, most_steps).run()
    return machine.counts


class _Schedule:
    """Who runs next."""

    def __init__(self, machine: Machine, most_steps: int):
        self.machine, self.code, self.left = machine, machine.kernel.code, most_steps
        self.groups = {machine.kernel.start: machine.all}
        self.waiting: dict[int, list[np.ndarray]] = {}
        self.gone = np.zeros(machine.threads, bool)

    def run(self) -> None:
        place = 0
        try:
            while self.groups or self.waiting:
                if not self.groups:
                    self.release(stuck=True)
                    continue
                place = min(self.groups)
                lanes = self.groups.pop(place)
                while True:
                    lanes, after = self.step(place, lanes)
                    if len(lanes) == 0:
                        break
                    place = after
                    if self.groups and min(self.groups) <= place:
                        self.add(place, lanes)
                        break
        except KernelFault as fault:
            raise KernelFault(f"{self.machine.kernel.name}: {fault}\n  at instruction {place}: {self.code[place].text}") from None

    def add(self, place: int, lanes: np.ndarray) -> None:
        if len(lanes):
            self.groups[place] = np.union1d(self.groups[place], lanes) if place in self.groups else lanes

    def step(self, place: int, lanes: np.ndarray) -> tuple[np.ndarray, int]:
        """Execute one instruction: the lanes that go on together, and where. Others were put where they belong."""
        m = self.machine
        self.left -= 1
        if self.left < 0:
            raise KernelFault("the kernel does not end")
        action = self.code[place]
        active, rest = lanes, lanes[:0]
        if action.predicate is not None:
            slot, negated = action.predicate
            taken = m.registers[slot][lanes] != negated
            if not taken.all():
                active, rest = lanes[taken], lanes[~taken]
        m.counts["instructions"] += 1
        m.counts["thread instructions"] += len(active)
        if action.run is not None:
            if len(active):
                action.run(m, m.lanes(active))
            return lanes, place + 1
        return getattr(self, action.control)(action, place, active, rest)      # type: ignore[no-any-return]

    # --- what moves lanes
    def bra(self, action: Any, place: int, active: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, int]:
        if len(active) and len(rest):
            self.machine.counts["divergent branches"] += 1
            self.add(action.target, active)
            self.add(place + 1, rest)
            return rest[:0], place
        return (active, action.target) if len(active) else (rest, place + 1)

    def exit(self, action: Any, place: int, active: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, int]:
        self.gone[active] = True
        self.release()
        return rest, place + 1

    def trap(self, action: Any, place: int, active: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, int]:
        if len(active):
            raise KernelFault(f"trap, in {self.machine.thread(active[0])}")
        return rest, place + 1

    def call(self, action: Any, place: int, active: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, int]:
        m, function = self.machine, self.machine.kernel.program.functions[action.function]
        self.add(place + 1, rest)
        for parameter, name in zip(function.parameters, action.given, strict=True):
            m.parameter(parameter.name)[active] = m.parameter(name)[active]
        m.returns.setdefault(action.function, np.full(m.threads, -1))[active] = place
        return active, function.start

    def ret(self, action: Any, place: int, active: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, int]:
        m, results = self.machine, self.machine.kernel.program.functions[action.function].results
        self.add(place + 1, rest)
        sites = m.returns[action.function][active]
        for site in np.unique(sites):
            back = active[sites == site]
            for result, name in zip(results, self.code[site].results, strict=True):
                m.parameter(name)[back] = m.parameter(result.name)[back]
            self.add(int(site) + 1, back)
        return active[:0], place

    def barrier(self, action: Any, place: int, active: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, int]:
        if len(active):
            self.machine.counts["barriers"] += 1
            self.waiting.setdefault(place, []).append(active)
        self.add(place + 1, rest)
        self.release()
        return rest[:0], place

    def release(self, stuck: bool = False) -> None:
        """Let the blocks go whose lanes have all arrived."""
        if not self.waiting:
            return
        m = self.machine
        at = np.full(m.threads, -1)
        for place, groups in self.waiting.items():
            for lanes in groups:
                at[lanes] = place
        places, gone = at.reshape(m.blocks, -1), self.gone.reshape(m.blocks, -1)
        there: np.ndarray = places >= 0
        full: Any = (there | gone).all(1) & there.any(1)
        if stuck and not full.any():
            raise KernelFault(f"block {int(np.flatnonzero(there.any(1))[0])} waits at a barrier that not all of its threads reach")
        for block in np.flatnonzero(full):
            if gone[block].any():
                raise KernelFault(f"block {block} meets at a barrier after some of its threads returned")
            if (places[block] != places[block, 0]).any():
                raise KernelFault(f"threads of block {block} meet at different barriers")
            m.epoch[block] += 1
        if full.any():
            for place in list(self.waiting):
                lanes = np.concatenate(self.waiting.pop(place))
                free = full[m.block[lanes]]
                self.add(place + 1, np.sort(lanes[free]))
                if not free.all():
                    self.waiting[place] = [lanes[~free]]
