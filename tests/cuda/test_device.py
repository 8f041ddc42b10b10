"""The emulated device: what a host program calls."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.codegen.cudalib.float32 import exp
from graphc.codegen.cudalib.names import cuda, float32, uint32
from graphc.codegen.cudalib.vectors import load4, store4
from graphc.runtime.cuda.emulator.device import EmulatedDevice
from graphc.runtime.cuda.emulator.types import KernelFault

THREADS = 64
pytestmark = pytest.mark.emu


def neighbours(x, out, n):
    """exp of the neighbour in the block."""
    shared = cuda.shared.array(THREADS, float32)
    t = uint32(cuda.threadIdx.x)
    i = uint32(cuda.blockIdx.x) * uint32(THREADS) + t
    shared[t] = x[i] if i < uint32(n) else float32(0)
    cuda.syncthreads()
    if i < uint32(n):
        out[i] = exp(shared[t ^ uint32(1)])


def reversed4(x, out):
    i = uint32(cuda.threadIdx.x) * uint32(4)
    a, b, c, d = load4(x, i)
    store4(out, i, d, c, b, a)


def test_a_launch_runs_the_kernel_with_its_constants_and_counts_what_it_moved():
    d, x = EmulatedDevice(), np.random.default_rng(0).normal(size=1000).astype(np.float32)
    out = d.empty(1000, np.float32)
    assert np.isnan(out).all()
    d.launch(neighbours, 8, 128, x, out, 1000, THREADS=128)
    np.testing.assert_allclose(out, np.exp(x.reshape(-1, 2)[:, ::-1].reshape(-1)), rtol=2e-7)
    counts = d.launches[-1].counts
    assert (counts["bytes loaded"], counts["bytes stored"], counts["sectors"], counts["barriers"]) == (4000, 4000, 250, 1)


def test_a_fault_names_the_array_and_the_thread():
    d, x = EmulatedDevice(), np.zeros(1000, np.float32)
    with pytest.raises(KernelFault, match=r"neighbours: out of bounds: bytes 4000 to 4004 of x, which has 4000, by thread 40 of block 15"):
        d.launch(neighbours, 16, 64, x, d.empty(1000, np.float32), 1001)


def test_vector_loads_and_stores_are_one_instruction_and_want_alignment():
    d, x = EmulatedDevice(), np.arange(129, dtype=np.float32)
    out = d.empty(128, np.float32)
    d.launch(reversed4, 1, 32, x, out)
    np.testing.assert_array_equal(out, x[:128].reshape(-1, 4)[:, ::-1].reshape(-1))
    ptx, kernel = d.kernel(reversed4, x, out)
    assert kernel.count("ld.global.v4.f32") == kernel.count("st.global.v4.f32") == 1
