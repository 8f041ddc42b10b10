"""The emulator: what kernels compute is what NumPy computes; what no kernel may do is a fault, named."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graphc.codegen.cudalib.names import cuda, float32, float64, int32, uint32
from graphc.codegen.cudalib.vectors import load4
from graphc.runtime.cuda.emulator.decode import Kernel
from graphc.runtime.cuda.emulator.device import EmulatedDevice
from graphc.runtime.cuda.emulator.machine import launch
from graphc.runtime.cuda.emulator.types import KernelFault

pytestmark = pytest.mark.emu
FULL = 0xFFFFFFFF
rng = np.random.default_rng(1)


@pytest.fixture(scope="module")
def device():
    return EmulatedDevice()


# --- what kernels compute ---------------------------------------------------------------------------------------------
def by_libdevice(x, y, o, n):
    i = cuda.grid(1)
    if i < n:
        o[i], o[n + i], o[2 * n + i], o[3 * n + i] = math.sin(x[i]), math.tanh(x[i]), math.lgamma(y[i]), math.asin(x[i] / float64(10))
        o[4 * n + i], o[5 * n + i], o[6 * n + i], o[7 * n + i] = x[i] / y[i], math.sqrt(y[i]), y[i]**x[i], math.atan(x[i])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reals_and_what_libdevice_makes_of_them(device, dtype):
    n = 251
    x, y = rng.uniform(-9, 9, n).astype(dtype), rng.uniform(0.1, 9, n).astype(dtype)
    out = device.empty((8, n), dtype)
    device.launch(by_libdevice, 2, 128, x, y, out, n)
    u, v = x.astype(float), y.astype(float)
    wanted = [np.sin(u), np.tanh(u), [math.lgamma(a) for a in v], np.arcsin(u / 10), u / v, np.sqrt(v), v**u, np.arctan(u)]
    np.testing.assert_allclose(out, wanted, rtol=3e-6 if dtype == "float32" else 1e-14, atol=1e-6 if dtype == "float32" else 1e-15)


def of_integers(a, b, o, n):
    i = cuda.grid(1)
    if i < n:
        o[i], o[n + i], o[2 * n + i], o[3 * n + i] = a[i] // b[i], a[i] % b[i], a[i] * b[i], a[i] >> 2
        o[4 * n + i], o[5 * n + i], o[6 * n + i], o[7 * n + i] = cuda.popc(a[i]), abs(a[i]), cuda.clz(a[i]), cuda.brev(uint32(a[i]))
        o[8 * n + i], o[9 * n + i] = int(float32(a[i]) / float32(7)), min(a[i], b[i]) ^ (a[i] << 3)


def test_integers_and_their_bits(device):
    n = 251
    a, b = rng.integers(-1000, 1000, n).astype(np.int32), rng.integers(1, 50, n).astype(np.int32)
    out = device.empty((10, n), np.int64)
    device.launch(of_integers, 2, 128, a, b, out, n)
    bits = [int(v) & FULL for v in a]
    wanted = [a // b, a % b, a * b, a >> 2, [v.bit_count() for v in bits], abs(a), [32 - v.bit_length() for v in bits],
              [int(f"{v:032b}"[::-1], 2) for v in bits], np.trunc(a.astype(np.float32) / np.float32(7)), np.minimum(a, b) ^ (a << 3)]
    np.testing.assert_array_equal(out, np.array(wanted).astype(np.int64))


def histogram(x, h):
    s, t = cuda.shared.array(16, int32), cuda.threadIdx.x
    if t < 16:
        s[t] = 0
    cuda.syncthreads()
    cuda.atomic.add(s, x[cuda.grid(1)], 1)
    cuda.syncthreads()
    if t < 16:
        h[16 * cuda.blockIdx.x + t] = s[t]


def test_shared_memory_and_atomics(device):
    x = rng.integers(0, 16, 256).astype(np.int32)
    h = device.empty((2, 16), np.int32)
    device.launch(histogram, 2, 128, x, h)
    np.testing.assert_array_equal(h, [np.bincount(part, minlength=16) for part in x.reshape(2, 128)])
    assert device.launches[-1].counts["atomics"] == 256


def of_warps(u):
    t = cuda.threadIdx.x
    m = cuda.ballot_sync(FULL, t % 3 == 0)
    u[t], u[128 + t], u[256 + t] = cuda.popc(m), cuda.any_sync(FULL, t == 40), cuda.all_sync(FULL, t < 64)
    u[384 + t], u[512 + t], u[640 + t] = cuda.shfl_down_sync(FULL, t, 1), cuda.shfl_up_sync(FULL, t, 1), cuda.shfl_xor_sync(FULL, t, 5)
    u[768 + t] = cuda.shfl_sync(FULL, t, 7)


def test_votes_and_shuffles(device):
    u, t = device.empty((7, 128), np.int32), np.arange(128)
    device.launch(of_warps, 1, 128, u)
    votes = (t % 3 == 0).reshape(4, 32).sum(1).repeat(32)
    np.testing.assert_array_equal(u, [votes, t // 32 == 1, t < 64, np.where(t % 32 < 31, t + 1, t), np.where(t % 32 > 0, t - 1, t), t ^ 5, t // 32 * 32 + 7])


def transposed(x, o, rows, columns):
    s = cuda.shared.array((32, 33), float64)
    i, j = cuda.blockIdx.y * 32 + cuda.threadIdx.y, cuda.blockIdx.x * 32 + cuda.threadIdx.x
    if i < rows and j < columns:
        s[cuda.threadIdx.y, cuda.threadIdx.x] = x[i * columns + j]
    cuda.syncthreads()
    i, j = cuda.blockIdx.x * 32 + cuda.threadIdx.y, cuda.blockIdx.y * 32 + cuda.threadIdx.x
    if i < columns and j < rows:
        o[i * rows + j] = s[cuda.threadIdx.x, cuda.threadIdx.y]


def test_blocks_of_two_axes(device):
    x, out = rng.standard_normal((41, 53)), device.empty((53, 41), np.float64)
    device.launch(transposed, (2, 2), (32, 32), x, out, 41, 53)
    np.testing.assert_array_equal(out, x.T)


def local(x, o):
    a, i = cuda.local.array(8, float32), cuda.grid(1)
    for j in range(8):
        a[j] = x[(i + j) % 128]
    s = float32(0)
    for j in range(8):
        s += a[(j * 3 + i) % 8]
    o[i] = s


def test_local_memory(device):
    x, out = rng.integers(-9, 9, 128).astype(np.float32), device.empty(128, np.float32)
    device.launch(local, 1, 128, x, out)
    np.testing.assert_array_equal(out, sum(np.roll(x, -j) for j in range(8)))


# Instructions that Numba does not write today, as the manual gives them: opcode, operands of type, result.
WRITTEN = """.version 8.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 p0)
{
    .reg .b32 %r<9>; .reg .b64 %rd<3>; .reg .f32 %f<9>; .reg .pred %p<3>;
    ld.param.u64 %rd1, [p0];
    mov.u32 %r1, 0x80001234; mov.u32 %r2, 0x0000fff0;
    BODY
    st.global.b32 [%rd1], %r3;
    ret;
}
"""


@pytest.mark.parametrize(("body", "wanted"), [
    ("lop3.b32 %r3, %r1, %r2, 7, 0x96;", 0x80001234 ^ 0xFFF0 ^ 7), ("prmt.b32 %r3, %r1, %r2, 0x5410;", 0xFFF01234),
    ("shf.l.wrap.b32 %r3, %r1, %r2, 8;", 0x00FFF080), ("shf.r.clamp.b32 %r3, %r1, %r2, 40;", 0x0000FFF0),
    ("bfe.u32 %r3, %r1, 4, 8;", 0x23), ("bfe.s32 %r3, %r1, 28, 4;", 0xFFFFFFF8), ("bfi.b32 %r3, %r2, %r1, 8, 4;", 0x80001034),
    ("mul.hi.u32 %r3, %r1, %r2;", (0x80001234 * 0xFFF0) >> 32), ("shr.s32 %r3, %r1, 40;", FULL), ("shl.b32 %r3, %r1, 32;", 0),
    ("add.cc.u32 %r4, %r1, %r1; addc.u32 %r3, 0, 0;", 1), ("sub.cc.u32 %r4, %r2, %r1; subc.u32 %r3, 0, 0;", FULL),
    ("cvt.rni.s32.f32 %r3, 0f40200000;", 2), ("cvt.rzi.u32.f32 %r3, 0fC0200000;", 0), ("cvt.rzi.s32.f32 %r3, 0f7FC00000;", 0),
    ("max.f32 %f1, 0f7FC00000, 0f3F800000; mov.b32 %r3, %f1;", 0x3F800000), ("max.NaN.f32 %f1, 0f7FC00000, 0f3F800000; mov.b32 %r3, %f1;", 0x7FC00000),
    ("max.f32 %f1, 0f80000000, 0f00000000; mov.b32 %r3, %f1;", 0), ("add.rz.f32 %f1, 0f3F800000, 0f33FFFFFF; mov.b32 %r3, %f1;", 0x3F800000),
    ("add.rp.f32 %f1, 0f3F800000, 0f00000001; mov.b32 %r3, %f1;", 0x3F800001), ("mul.ftz.f32 %f1, 0f00000001, 0f3F800000; mov.b32 %r3, %f1;", 0),
    ("fma.rn.f32 %f1, 0f3F800001, 0f3F7FFFFE, 0fBF800000; mov.b32 %r3, %f1;", 0xA8800000),
    ("setp.lt.or.u32 %p1, %r1, %r2, %p0; selp.b32 %r3, 5, 6, %p1;", 6), ("setp.neu.f32 %p1, 0f7FC00000, 0f0; selp.b32 %r3, 5, 6, %p1;", 5)])
def test_instructions_by_hand(body, wanted):
    out = np.zeros(1, np.uint32)
    launch(Kernel(WRITTEN.replace("BODY", body).replace("0f0;", "0f00000000;").replace("0f0,", "0f00000000,")), (1,), (1,), [out])
    assert out[0] == wanted, hex(out[0])


# --- what no kernel may do --------------------------------------------------------------------------------------------
def no_barrier(x, o):
    s, t = cuda.shared.array(64, float32), cuda.threadIdx.x
    s[t] = x[t]
    o[t] = s[63 - t]


def read_then_written(x, o):
    s, t = cuda.shared.array(64, float32), cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    v = s[63 - t]
    s[t] = v * float32(2)
    cuda.syncthreads()
    o[t] = s[t]


def unwritten(x, o):
    s, t = cuda.shared.array(64, float32), cuda.threadIdx.x
    if t > 0:
        s[t] = x[t]
    cuda.syncthreads()
    o[t] = s[t]


def no_bounds(x, o):
    o[cuda.grid(1) + 1] = x[cuda.grid(1)]


def part_of_a_block(x, o):
    t = cuda.threadIdx.x
    if t < 16:
        cuda.syncthreads()
    o[t] = x[t]


def absent_lanes(x, o):
    t = cuda.threadIdx.x
    v = x[t]
    if t < 16:
        v += cuda.shfl_down_sync(FULL, v, 8)
    o[t] = v


def misaligned(x, o):
    a, b, c, d = load4(x, cuda.threadIdx.x + 2)
    o[cuda.threadIdx.x] = a + b + c + d


def one_word(x, o):
    o[cuda.threadIdx.x // 2] = x[cuda.threadIdx.x]


def from_another_block(x, o):
    if cuda.blockIdx.x == 0:
        o[cuda.threadIdx.x] = x[cuda.threadIdx.x]
    else:
        o[32 + cuda.threadIdx.x] = o[cuda.threadIdx.x]


def endless(x, o):
    while x[0] == float32(0):
        o[cuda.threadIdx.x] = x[0]


@pytest.mark.parametrize(("kernel", "blocks", "threads", "fault"), [
    (no_barrier, 1, 64, "race: read by thread 0 of block 0 of a word that thread 63 of block 0 wrote"), (read_then_written, 1, 64, "race: write by thread 0 of block 0 of a word that thread 63 of block 0 read"),
    (unwritten, 1, 64, "read of shared memory that nothing wrote"), (no_bounds, 1, 64, "out of bounds: bytes 256 to 260 of o, which has 256, by thread 63 of block 0"),
    (part_of_a_block, 1, 64, "barrier"), (absent_lanes, 1, 64, "names lanes that do not execute it"), (misaligned, 1, 8, "misaligned access of 16 bytes"),
    (one_word, 1, 64, "race: two threads store one word"), (from_another_block, 2, 32, "race: write by thread 0 of block 0 of a word that thread 0 of block 1 read")])
def test_faults(device, kernel, blocks, threads, fault):
    with pytest.raises(KernelFault, match=fault):
        device.launch(kernel, blocks, threads, np.arange(64, dtype=np.float32), np.zeros(64, np.float32))


def test_a_kernel_that_does_not_end_and_one_of_an_unknown_instruction(device):
    x = np.zeros(64, np.float32)
    with pytest.raises(KernelFault, match="does not end"):
        launch(device.kernel(endless, x, x.copy())[1], (1,), (32,), [x, x.copy()], most_steps=1000)
    with pytest.raises(KernelFault, match="the opcode wgmma is not modelled"):
        Kernel(WRITTEN.replace("BODY", "wgmma.fence.sync.aligned.f32 %f1;"))


def chosen(a, b, o):
    t = cuda.threadIdx.x
    o[t] = (a if t % 3 else b)[t]


def test_lanes_may_read_from_different_arrays(device):
    """One load of pointers that lanes have chosen; each address is in bounds of its own array."""
    a, b, o = device.array(np.arange(64.0)), device.array(-np.arange(64.0)), device.empty(64, np.float64)
    device.launch(chosen, 1, 64, a, b, o)
    np.testing.assert_array_equal(o, np.where(np.arange(64) % 3, a, b))
    with pytest.raises(KernelFault, match="out of bounds"):
        device.launch(chosen, 1, 64, a, device.array(b[:60]), o)
