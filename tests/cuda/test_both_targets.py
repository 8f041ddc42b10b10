"""One process that compiles for the CPU and for CUDA, in turns: each keeps working."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

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
