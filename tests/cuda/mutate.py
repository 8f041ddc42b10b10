"""How many small changes of generated kernels the emulator and the numbers catch: a measure of both, run by hand.

    PYTHONPATH=tests python tests/cuda/mutate.py [mutants of each program [names of programs]]

A mutant is the PTX of one kernel with one instruction changed that ran: a sum is a difference, a comparison is off by one, a barrier is gone, an offset
is four bytes more. It is caught if the emulator faults, or if a value or gradient is not the interpreter's. Those that live are printed.
"""

from __future__ import annotations

import functools
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import graphc as gc
from graphc.codegen.cudalib import grids
from graphc.runtime.cuda.emulator import device as emulated
from graphc.runtime.cuda.emulator import machine
from graphc.runtime.cuda.emulator.decode import Kernel
from graphc.runtime.cuda.emulator.types import KernelFault
from graphc.runtime.cuda.program import device_of

MOST_STEPS = 60_000
TOLERANCE = 2e-6                # of float32, relative to the greatest
MUTATIONS: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"\badd\.(rn\.f32|s32|s64)", r"sub.\1"), (r"\bsub\.(rn\.f32|s32|s64)", r"add.\1"), (r"\bmul\.rn\.f32", "add.rn.f32"),
    (r"\bmax(\.NaN)?\.f32", r"min\1.f32"), (r"\bfma\.rn\.f32 (.*), (%f\d+);", r"fma.rn.f32 \1, 0f00000000;"),
    (r"\bsetp\.lt", "setp.le"), (r"\bsetp\.le", "setp.lt"), (r"\bsetp\.gt", "setp.ge"), (r"\bsetp\.ge", "setp.gt"),
    (r"\bsetp\.eq", "setp.ne"), (r"\bsetp\.ne", "setp.eq"), (r"\bbar\.(sync|warp).*;", ""), (r"@%p", "@!%p"), (r"@!%p", "@%p"),
    (r"(shfl\.sync\.bfly\.b32.*, )(\d+)(, 31)", r"\g<1>1\g<3>"), (r"(sh[lr]\.[bsu]\d+ .*, )(\d+);", lambda m: f"{m[1]}{int(m[2]) + 1};"),
    (r"\bst\.(shared|global)\S* .*;", ""), (r"\+(\d+)\]", lambda m: f"+{int(m[1]) + 4}]"), (r"(0f3F)8(00000)", r"\g<1>0\2"),
    (r"\bselp\.(\S+) (\S+), (\S+), (\S+),", r"selp.\1 \2, \4, \3,"),
]


def classes(n: int, c: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([n, c])
    return {"y": (4 * rng.normal(size=(n, c))).astype(np.float32), "t": rng.integers(0, c, n)}


def pairs(n: int, c: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([n, c])
    return {"y": rng.normal(size=(n, c)).astype(np.float32), "z": rng.normal(size=(n, c)).astype(np.float32)}


def points(n: int, c: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([n, c])
    return {"y": rng.normal(size=(n, 3)).astype(np.float32), "z": rng.normal(size=(c, 3)).astype(np.float32)}


def rows(n: int, c: int) -> dict[str, np.ndarray]:
    return {"y": pairs(n, c)["y"]}


def tall(n: int, c: int) -> dict[str, np.ndarray]:
    return {k: np.ascontiguousarray(v.T) for k, v in pairs(n, c).items()}


def tall_rows(n: int, c: int) -> dict[str, np.ndarray]:
    return {"y": tall(n, c)["y"]}


Y = gc.param("y", "n c")
I, J, K = gc.indices("i j k")
CROSS_ENTROPY = gc.losses.cross_entropy(Y, gc.labels("t", "n", below="c"))
PAIRS = gc.Sum(gc.exp(-gc.Sum((gc.param("y", "n d")[I, K] - gc.param("z", "c d")[J, K])**2, K)), I, J)
PIECES = {"LONG": 64, "PIECE": 256, "MOST_LANES": 8, "RESIDENT": 4096}     # rows of a thousand are long
PROGRAMS: dict[str, tuple[Any, Callable[[int, int], dict[str, np.ndarray]], dict[str, int]]] = {
    "cross entropy": (CROSS_ENTROPY, classes, {}),
    "huber": (gc.losses.huber(Y, gc.tensor("z", "n c")), pairs, {}),
    "row norms": (gc.mean(gc.sqrt(1 + gc.sum(Y**2, axis=1)) * gc.mean(gc.tensor("z", "n c"), axis=1)), pairs, {}),
    "cross entropy in pieces": (CROSS_ENTROPY, classes, PIECES),
    "pairs in tiles": (PAIRS, points, {"BUSY": 64}),
    "columns": (gc.sum(gc.logsumexp(Y, axis=0) * gc.sum(Y * gc.tensor("z", "n c"), axis=0)), tall, {"MOST_BLOCKS": 2}),
    "columns in pieces": (gc.sum(gc.logsumexp(Y, axis=0)**2), tall_rows, {"SHARE": 1, "FEWEST": 2}),
    "scans": (gc.sum(gc.cumsum(Y, axis=1)**2), rows, PIECES),
}
EXTENTS = ((1, 1), (3, 7), (5, 33), (2, 1000), (37, 31), (2, 1028), (2, 4099), (2, 4999), (311, 4))


def mutants(text: str, ran: set[str]) -> Iterator[tuple[int, str]]:
    """All lines that ran and may be changed, and what they become."""
    lines = text.splitlines()
    for k in range(lines.index("{"), len(lines)):
        if "ld.param" in lines[k] or " ".join(lines[k].split()).rstrip(";") not in ran:
            continue
        for pattern, replacement in MUTATIONS:
            changed = re.sub(pattern, replacement, lines[k], count=1)
            if changed != lines[k]:
                yield k, changed


def verdict(program: Any, cases: list[tuple[dict[str, np.ndarray], list[np.ndarray]]]) -> str:
    """What catches the program as it is loaded, or nothing."""
    for data, wanted in cases:
        try:
            loss, grads = program(**data)
        except KernelFault as fault:
            return re.split(r"[:,(\n]| by | of | at ", str(fault).split(": ", 1)[1])[0].strip()
        except (FloatingPointError, OverflowError, IndexError, ValueError) as error:
            return type(error).__name__
        for found, expected in zip([loss, *grads.values()], wanted, strict=True):
            if not np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max()):
                return "numbers"
    return ""


STEP = machine._Schedule.step


def _noted(step: Callable[..., Any], ran: set[tuple[int, str]]) -> Callable[..., Any]:
    """The emulator's step, which notes the instruction and whose it is: kernels for other constants say the same without doing it."""
    def noted(self: Any, place: int, lanes: np.ndarray) -> Any:
        ran.add((id(self.machine.kernel), self.code[place].text))
        return step(self, place, lanes)
    return noted


def measure(name: str, count: int) -> tuple[Counter[str], list[str]]:
    """The verdicts over so many mutants of a program, and those that live."""
    loss, data, thresholds = PROGRAMS[name]
    usual = {threshold: getattr(grids, threshold) for threshold in thresholds}
    for threshold, value in thresholds.items():
        setattr(grids, threshold, value)
    program = gc.compile(loss, target="cuda", device="emulator", dtype="float32")
    card = device_of("emulator").card
    card._kept.loaded.clear()
    ran: set[tuple[int, str]] = set()
    machine._Schedule.step = _noted(STEP, ran)
    outputs = [loss, *gc.grad(loss).values()]
    cases = []
    for extents in EXTENTS:
        arrays = data(*extents)
        program(**arrays)
        cases.append((arrays, [np.asarray(v) for v in gc.evaluate(outputs, **{k: a.astype(np.float64) if a.dtype == np.float32 else a for k, a in arrays.items()})]))
    machine._Schedule.step = STEP
    loaded = dict(card._kept.loaded)
    assert not verdict(program, cases)
    choices = [(key, k, line) for key, (ptx, kernel) in loaded.items()
               for k, line in mutants(ptx.text, {text for of, text in ran if of == id(kernel)})]
    found, alive = Counter[str](), []
    for key, k, line in random.Random(0).sample(choices, min(count, len(choices))):
        lines = loaded[key][0].text.splitlines()
        before, lines[k] = lines[k], line
        try:
            card._kept.loaded[key] = loaded[key][0], Kernel("\n".join(lines))
            said = verdict(program, cases)
        except KernelFault:
            said = "does not decode"
        card._kept.loaded[key] = loaded[key]
        found[said or "lives"] += 1
        alive += [] if said else [f"{loaded[key][0].entry}: {before.strip()} -> {line.strip() or 'nothing'}"]
    for threshold, value in usual.items():
        setattr(grids, threshold, value)
    return found, alive


def main() -> None:
    emulated.launch = functools.partial(emulated.launch, most_steps=MOST_STEPS)
    count = int(sys.argv[1]) if sys.argv[1:] else 100
    total = Counter[str]()
    for name in sys.argv[2:] or PROGRAMS:
        found, alive = measure(name, count)
        total += found
        print(f"{name}: {sum(found.values()) - found['lives']} of {sum(found.values())} caught; {dict(found.most_common())}")
        print("\n".join(f"    {line}" for line in alive), flush=True)
    print(f"in all {sum(total.values()) - total['lives']} of {sum(total.values())}")


if __name__ == "__main__":
    main()
