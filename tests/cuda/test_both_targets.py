"""One process that compiles for the CPU and for CUDA, in turns: each keeps working, and maps have the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

import graphc as gc
from graphc.codegen.cudalib.names import cuda
from graphc.codegen.mathlib.float64 import log1p, tanh
from graphc.runtime.cuda.emulator.device import EmulatedDevice

pytestmark = pytest.mark.emu


def kernel_of(f):
    def kernel(x, out):
        i = cuda.threadIdx.x
        out[i] = f(x[i])
    return kernel


def loop_of(f):
    @njit(error_model="numpy")
    def loop(x, out):
        for i in range(x.size):
            out[i] = f(x[i])
    return loop


def test_functions_compile_for_both_in_turns():
    x, device = np.linspace(0.1, 2, 32), EmulatedDevice()
    for f, exact in ((log1p, np.log1p), (tanh, np.tanh), (log1p, np.log1p)):
        on_card, on_cpu = np.zeros(32), np.zeros(32)
        device.launch(kernel_of(f), 1, 32, x, on_card)
        loop_of(f)(x, on_cpu)
        np.testing.assert_allclose(on_card, exact(x), rtol=1e-15)
        np.testing.assert_allclose(on_cpu, exact(x), rtol=1e-15)


X, Y, B = gc.param("x", "n c"), gc.tensor("y", "n c"), gc.tensor("b", "c")
MAPS = {"rows": X * B + Y, "ratio": (B * Y + 1) / (2 + Y * Y), "differences": gc.where(X > Y, 1 - X * Y, Y - X * X), "hypotenuse": gc.sqrt(X**2 + B**2),
        "gradient of mse": gc.grad(gc.losses.mse(X, Y), X), "gradient of huber": gc.grad(gc.losses.huber(X, Y), X)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_maps_have_the_same_bits(dtype):
    """No product is in two of them: which of its sums it is fused with is each compiler's choice. Both multiply by the reciprocal of an extent."""
    rng = np.random.default_rng(7)
    data = {"x": rng.normal(size=(13, 36)).astype(dtype), "y": rng.normal(size=(13, 36)).astype(dtype), "b": rng.normal(size=36).astype(dtype)}
    on_cpu, on_card = (gc.compile(MAPS, wrt=(), dtype=dtype, **where)(**data) for where in ({}, {"target": "cuda", "device": "emulator"}))
    for name in MAPS:
        np.testing.assert_array_equal(on_card[name], on_cpu[name], err_msg=name)
