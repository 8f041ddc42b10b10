"""Generated kernels on the emulator, which executes the PTX that a card would be given, against the interpreter: losses, extents, structure.

Outputs and scratch are NaN before; a race, a read past an array, and a barrier that not all reach are faults.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed (cuda)")

import graphc as gc
from corpus import CORPUS
from graphc.codegen.cudalib import grids
from graphc.runtime.cuda.program import device_of

pytestmark = [pytest.mark.emu, pytest.mark.filterwarnings("ignore:reduction")]
TOLERANCE = {"float32": 3e-5, "float64": 1e-11}


def agrees(L, data, wrt=None, dtype="float32"):
    """Value and gradients on the emulator are the interpreter's; the launches that ran."""
    names = [n for n, a in data.items() if np.asarray(a).dtype.kind == "f"] if wrt is None else wrt
    outputs = [L, *gc.grad(gc.sum(L**2) if L.ndim else L, names)] if names else [L]
    program = gc.compile(outputs, target="cuda", device="emulator", dtype=dtype)
    card = device_of("emulator").card
    card.launches.clear()
    rounded = {n: np.asarray(a, dtype) if np.asarray(a).dtype.kind == "f" else a for n, a in data.items()}
    found = program(**rounded)
    wide = {n: np.asarray(a, np.float64) if np.asarray(a).dtype.kind == "f" else a for n, a in rounded.items()}
    for ours, expected in zip(found, gc.evaluate(outputs, **wide), strict=True):
        expected = np.asarray(expected)
        scale = np.abs(expected[np.isfinite(expected)]).max(initial=1e-6)
        np.testing.assert_allclose(ours, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)
    return list(card.launches)


def classes(n, c, scale=4.0):
    rng = np.random.default_rng([n, c])
    return {"y": rng.normal(size=(n, c)) * scale, "t": rng.permutation(np.arange(n) % c)}


def cross_entropy():
    return gc.losses.cross_entropy(gc.param("y", "n c"), gc.labels("t", "n", below="c"))
