"""What the assembler says of generated kernels, for cards that are not here: registers, and that nothing spills into local memory."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.cudalib import grids
from graphc.codegen.cudalib.assemble import assemble
from graphc.runtime.cuda.emulator.decode import Kernel
from graphc.runtime.cuda.program import device_of

pytestmark = [pytest.mark.emu, pytest.mark.ptxas]
ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
Y, Z = gc.param("y", "n c"), gc.tensor("z", "n c")
# registers of a thread in float32: a map; a row that is held in registers. float64 takes up to twice as many.
LOSSES = {
    "cross entropy": (gc.losses.cross_entropy(Y, gc.labels("t", "n", below="c")), 120),
    "huber": (gc.losses.huber(Y, Z), 64),
    "squares of a linear layer": (gc.sum((gc.tensor("x", "n d") @ gc.param("w", "d c") - Z)**2), 64),
    "softmax of rows": (gc.sum(gc.softmax(Y, axis=1) * Z), 120),
    "softmax of columns": (gc.sum(gc.softmax(Y, axis=0) * Z), 64),
}
EXTENTS = {"n": 7, "c": 1031, "d": 5}
X, Z2 = gc.param("x", "n d"), gc.param("z", "c d")
I, J, K = gc.indices("i j k")
PIECES = {"PIECE": 1, "FEWEST": 2, "MOST_LANES": 8}                        # rows of 4096 are long
SPECIAL = {
    "a loss of long rows": (LOSSES["cross entropy"][0], {"c": 4096}, PIECES, 96),
    "scans of long rows": (gc.sum(gc.cumsum(Y, axis=1)**2), {"c": 4096}, PIECES, 88),
    "scans of rows": (gc.sum(gc.cumsum(Y, axis=1)**2), {}, {}, 72),
    "pairs in tiles": (gc.Sum(gc.exp(-gc.Sum((X[I, K] - Z2[J, K])**2, K)), I, J), {"n": 8, "c": 36}, {"BUSY": 64}, 88),
}


def kernels(loss, dtype, extents=EXTENTS):
    """The PTX of all kernels that a call launches."""
    program, card = gc.compile(loss, target="cuda", device="emulator", dtype=dtype), device_of("emulator").card
    card._kept.loaded.clear()
    rng = np.random.default_rng(0)
    program(**{i.name: rng.integers(0, 3, extents["n"]) if i.name == "t" else rng.normal(size=[extents[str(d)] for d in i.dims]).astype(dtype)
               for i in program._inputs})
    return [ptx for ptx, _ in card._kept.loaded.values()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
def test_generated_kernels_fit_the_registers(name, dtype):
    loss, budget = LOSSES[name]
    fit(kernels(loss, dtype), budget, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SPECIAL)
def test_kernels_for_certain_extents_fit_the_registers(name, dtype, monkeypatch):
    loss, extents, thresholds, budget = SPECIAL[name]
    for threshold, value in thresholds.items():
        monkeypatch.setattr(grids, threshold, value)
    found = kernels(loss, dtype, EXTENTS | extents)
    assert any("pieces" in x.entry for x in found) == ("long" in name) and any("shared" in x.text for x in found)
    fit(found, budget, dtype)


def fit(found, budget, dtype):
    assert found
    for ptx in found:
        opcodes = Kernel(ptx.text).opcodes
        assert not [o for o in opcodes if "local" in o], ptx.entry
        for arch in ARCHITECTURES:
            cubin = assemble(ptx.text.replace(".target sm_90", ".target sm_80"), arch)
            assert (cubin.spills, cubin.stack) == (0, 0), (ptx.entry, arch, cubin.log)
            assert cubin.registers <= budget * (1 if dtype == "float32" else 2), (ptx.entry, arch, cubin.registers)
            assert cubin.shared <= 48 * 1024, (ptx.entry, arch, cubin.shared)
