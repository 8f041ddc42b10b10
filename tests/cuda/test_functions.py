"""Every row of the function table, value and first derivatives, compiled to PTX, executed, and compared with mathematics."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from cuda_rows import Case, cases, expected, launched, parts
from llvmlite.binding import get_host_cpu_features
from numba import njit

from graphc.codegen.cudalib.assemble import assemble
from graphc.codegen.cudalib.compile import compile
from graphc.codegen.cudalib.names import cuda, inlined
from graphc.codegen.mathlib.float64 import maximum
from graphc.runtime.cuda.emulator.decode import Kernel
from graphc.runtime.cuda.emulator.device import EmulatedDevice

PRECISIONS = ("float32", "float64")
pytestmark = pytest.mark.emu

# Units in the last place: of functions, of derivatives, which are formulas of several, and of what cancels.
ULPS = {0: 4, 1: 16, 2: 16, 3: 16}
LOSES = {"digamma": 8}                      # total and shift cancel near 1
EXEMPT = {                                  # where a point is beyond what a formula promises
    ("binade", 0): lambda x: abs(x) < 1e-37,                               # subnormal: the least scale whose inverse is finite
    ("erfcx", 1): lambda x: x > 1,                                          # 2 x erfcx(x) - 2/sqrt(pi)
    ("power", 1): lambda x, p: np.isneginf(x),                             # p*power(-inf, 0.5) is inf as in C, and no real number
    ("lgamma", 0): np.isneginf, ("digamma", 1): np.isneginf,               # C's lgamma is inf, and polygamma is NaN
}


@pytest.fixture(scope="module", params=PRECISIONS)
def computed(request):
    """The PTX of each kernel with its cases, and what each case computed."""
    device = EmulatedDevice()
    return request.param, [(part, *launched(device, part, request.param)) for part in parts(list(cases(request.param)))]


def errors(case: Case, got: np.ndarray, dtype: str) -> np.ndarray:
    """Units in the last place, infinite where a value is not of the kind that it should be."""
    wanted, limits = expected(case), np.finfo(dtype)
    with np.errstate(all="ignore"):
        same = (wanted.astype(dtype) == got) | (np.isnan(wanted) & np.isnan(got))
        unit = np.maximum(np.abs(wanted) * float(limits.eps), 64 * float(limits.smallest_subnormal))
        return np.where(same, 0, np.nan_to_num(np.abs(got.astype(float) - wanted) / unit, nan=np.inf))


def test_values_and_derivatives_are_those_of_mathematics(computed):
    dtype, kernels = computed
    wrong, seen = [], 0
    for part, _, out in kernels:
        for case, got in zip(part, out, strict=True):
            bound = LOSES.get(case.name, 0) or ULPS[case.order]
            bad = errors(case, got, dtype) > bound
            if rule := EXEMPT.get((case.name, case.order)):
                bad &= ~np.array([bool(rule(*point)) for point in case.points])
            wrong += [(case.name, case.order, tuple(case.points[k]), got[k]) for k in np.flatnonzero(bad)]
            seen += 1
    assert not wrong
    assert seen > 150


def test_kernels_are_self_contained_and_of_one_precision(computed):
    dtype, kernels = computed
    for part, ptx, _ in kernels:
        wide = {name for name in ("lgamma", "digamma", "polygamma") if any(c.name.startswith(name) for c in part)}
        program = Kernel(ptx.text)
        assert ".extern" not in ptx.text and not any("local" in o for o in program.opcodes), [c.name for c in part]
        if dtype == "float32" and not wide:
            assert not [o for o in program.opcodes if "f64" in o], [c.name for c in part]


# --- the CPU's bits ---------------------------------------------------------------------------------------------------
@inlined
def plain(a, b, c):
    """Maps without transcendentals, of which the CPU fuses products and sums."""
    return a * b + c, (a - b) * (a - b), a / b - c, maximum(a, c) * b, abs(a) - b if abs(a) < abs(b) else a * a * c


def plain_on_cpu(a, b, c, out):
    for i in range(a.size):
        out[0, i], out[1, i], out[2, i], out[3, i], out[4, i] = plain(a[i], b[i], c[i])


def plain_on_card(a, b, c, out, n):
    i = cuda.grid(1)
    if i < n:
        out[i], out[n + i], out[2 * n + i], out[3 * n + i], out[4 * n + i] = plain(a[i], b[i], c[i])


SMOOTH = ("exp", "expm1", "log", "log1p", "tanh", "erf", "sigmoid", "softplus", "hypot1")


def smooth_kernels(dtype):
    """A loop and a kernel of functions whose polynomials the two compilers may fuse differently."""
    cpu, card = (importlib.import_module(f"graphc.codegen.{library}.{dtype}") for library in ("mathlib", "cudalib"))
    one = np.dtype(dtype).type(1)
    scopes = [{**{f: getattr(m, f) for f in SMOOTH if f != "hypot1"}, "hypot": m.hypot, "one": one, "cuda": cuda} for m in (cpu, card)]
    calls = [f"{f}(a[i])" if f != "hypot1" else "hypot(a[i], one)" for f in SMOOTH]
    exec("def loop(a, out):\n for i in range(a.size):\n" + "".join(f"  out[{r}, i] = {c}\n" for r, c in enumerate(calls)), scopes[0])
    exec("def kernel(a, out, n):\n i = cuda.grid(1)\n if i < n:\n" + "".join(f"  out[{r} * n + i] = {c}\n" for r, c in enumerate(calls)), scopes[1])
    return njit(error_model="numpy", fastmath={"contract"})(scopes[0]["loop"]), scopes[1]["kernel"]


@pytest.mark.skipif(not get_host_cpu_features().get("fma"), reason="this processor has no fused multiply-add, and a card has")
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_maps_without_transcendentals_have_the_bits_of_the_cpu(dtype):
    a, b, c = np.random.default_rng(5).normal(size=(3, 1021)).astype(dtype) * np.array([[4], [1], [0.1]], dtype)
    on_cpu, on_card = np.empty((5, a.size), dtype), np.empty((5, a.size), dtype)
    njit(error_model="numpy", fastmath={"contract"})(plain_on_cpu)(a, b, c, on_cpu)
    EmulatedDevice().launch(plain_on_card, 8, 128, a, b, c, on_card, a.size)
    np.testing.assert_array_equal(on_card.view(f"i{a.itemsize}"), on_cpu.view(f"i{a.itemsize}"))


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_functions_agree_with_the_cpu_within_two_units(dtype):
    a = np.abs(np.random.default_rng(6).normal(size=1021)).astype(dtype) * np.dtype(dtype).type(4)
    loop, kernel = smooth_kernels(dtype)
    on_cpu, on_card = np.empty((len(SMOOTH), a.size), dtype), np.empty((len(SMOOTH), a.size), dtype)
    loop(a, on_cpu)
    EmulatedDevice().launch(kernel, 8, 128, a, on_card, a.size)
    apart = np.abs(on_cpu - on_card) / np.spacing(np.abs(on_cpu))
    assert apart.max() <= 2, dict(zip(SMOOTH, apart.max(1), strict=True))


# --- resources --------------------------------------------------------------------------------------------------------
BUDGET = {"exp": 24, "log": 28, "tanh": 32, "sin": 40, "power": 40, "erf": 32}       # registers of a map in float32; twice that in float64


@pytest.mark.ptxas
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_functions_take_few_registers_and_spill_none(dtype):
    library = importlib.import_module(f"graphc.codegen.cudalib.{dtype}")
    for name, budget in BUDGET.items():
        scope = {"f": getattr(library, name), "cuda": cuda}
        exec(f"def kernel(x, out, n):\n i = cuda.grid(1)\n if i < n:\n  out[i] = f(x[i]{', out[i]' if name == 'power' else ''})\n", scope)
        ptx = compile(scope["kernel"], (f"{dtype}*", f"{dtype}*", "int64"), (8, 0))
        for arch in ("sm_80", "sm_90", "sm_100"):
            cubin = assemble(ptx.text, arch)
            assert (cubin.spills, cubin.stack) == (0, 0), (name, arch, cubin.log)
            assert 0 < cubin.registers <= budget * (1 if dtype == "float32" else 2), (name, arch, cubin.registers)
