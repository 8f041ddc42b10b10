"""The emulated device: what a host program calls."""

from __future__ import annotations

import re
from fractions import Fraction
from types import FunctionType

import numpy as np
import pytest
from numba import njit

from graphc.codegen.cudalib.compile import compile
from graphc.codegen.cudalib.float32 import exp
from graphc.codegen.cudalib.names import cuda, float32, inlined, uint32
from graphc.codegen.cudalib.vectors import load4, store4
from graphc.errors import TargetError
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


def test_ptx_is_the_same_whatever_was_compiled_before():
    kinds = ("float32*", "float32*", "int64")
    first = compile(neighbours, kinds, (9, 0))
    again = compile(FunctionType(neighbours.__code__, neighbours.__globals__, "neighbours"), kinds, (9, 0))
    assert first.text == again.text and (first.entry, first.cc) == ("neighbours", (9, 0))
    assert ".entry neighbours(" in first.text and "shared_0[256]" in first.text and "_ZN" not in first.text and "NumbaEnv" not in first.text
    assert not re.search(r"\t(add|sub|mul)\.f(32|64)", first.text)           # ptxas may fuse what does not say that it is rounded
    assert "shared_0[512]" in compile(neighbours, kinds, (9, 0), {"THREADS": 128}).text


def test_a_card_that_is_too_old_and_a_constant_that_is_not_read_are_errors():
    with pytest.raises(TargetError, match="compute capability 8.0 and newer"):
        compile(neighbours, ("float32*", "float32*", "int64"), (7, 5))
    with pytest.raises(TypeError, match="neighbours reads no global name WIDTH"):
        compile(neighbours, ("float32*", "float32*", "int64"), constants={"WIDTH": 4})


@inlined
def fused(a, b, c):
    return a * b + c


@njit(error_model="numpy", fastmath=False, forceinline=True)
def rounded(a, b, c):
    return a * b + c


def both_ways(a, b, c, out):
    i = cuda.threadIdx.x
    out[i], out[32 + i] = fused(a[i], b[i], c[i]), rounded(a[i], b[i], c[i])


def test_products_are_fused_where_a_function_allows_it_and_nowhere_else():
    a, b = np.random.default_rng(3).normal(size=(2, 32))
    out = np.zeros((2, 32))
    EmulatedDevice().launch(both_ways, 1, 32, a, b, -(a * b), out)
    exact = [float(Fraction(x) * Fraction(y) - Fraction(x * y)) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    np.testing.assert_array_equal(out, [exact, np.zeros(32)])


def test_half_precision_is_stored():
    def halves(x, out):
        i = cuda.threadIdx.x
        out[i] = x[i]*float32(2)
    x, out = np.linspace(-3, 3, 32).astype(np.float16), np.zeros(32, np.float16)
    EmulatedDevice().launch(halves, 1, 32, x, out)
    np.testing.assert_array_equal(out, 2 * x)
