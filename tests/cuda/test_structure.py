"""What PTX and the assembler say of generated kernels, and grids, which depend on extents alone."""

from __future__ import annotations

import dataclasses
import os
import re
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed (cuda)")

from formulas import EXTENTS, formulas

import graphc as gc
from graphc.codegen.cudalib import grids
from graphc.codegen.cudalib.assemble import assemble
from graphc.codegen.cudalib.compile import compile as compile_ptx
from graphc.codegen.cudalib.toolkit import parts

GOLDEN = Path(__file__).parent.parent / "golden"
ARGUMENTS = {"t": "int64*", "n": "int64", "c": "int64", "size": "int64"}


def cross_entropy():
    y, t = gc.param("y", "n c"), gc.labels("t", "n", below="c")
    return gc.losses.cross_entropy(y, t)


def mse():
    return gc.losses.mse(gc.param("y", "n c"), gc.tensor("x", "n c"))


def source(L, dtype="float32"):
    return gc.compile(L, target="cuda", device="emulator", dtype=dtype).source


def by_ptxas(text, arch):
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(parts(), "nvJitLink", dataclasses.replace(parts()["nvJitLink"], problem="not asked"))
        return assemble(text, arch)


def kernel(text, name, cc, dtype="float32", **constants):
    """The PTX of a kernel of a module."""
    module = types.ModuleType("generated")
    exec(compile(text, "generated", "exec"), module.__dict__)
    function = getattr(module, name)
    names = function.__code__.co_varnames[:function.__code__.co_argcount]
    kinds = [ARGUMENTS.get(n, "float64*" if n.endswith("_parts") else f"{dtype}*") for n in names]
    return compile_ptx(function, kinds, cc, constants).text


def test_a_module_is_as_it_was():
    path = GOLDEN / "cuda_cross_entropy.py.txt"
    text = source(cross_entropy())
    if os.environ.get("GRAPHC_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("threads, width", [(8, 4), (256, 4), (512, 8)])
def test_a_row_is_in_registers(threads, width):
    """Every load and store of a row moves 128 bits, the row is nowhere in local memory, and double precision is the total's alone."""
    text = kernel(source(cross_entropy()), "over_n", (9, 0), THREADS=threads, WIDTH=width, VECTOR=4, BLOCK=max(threads, 128))
    assert ".local" not in text
    assert text.count("ld.global.v4.f32") == text.count("st.global.v4.f32") == width // 4
    doubles = {line.split()[0].removeprefix("@") for line in text.splitlines() if re.match(r"\t(mul|div|fma|rcp|ex2)\S*\.f64", line)}
    assert not doubles and text.count("bar.sync") == (2 if threads <= 32 else 6)


def test_elements_are_moved_128_bits_at_a_time():
    text = kernel(source(mse()), "over_n", (9, 0), VECTOR=4, BLOCK=256)
    assert text.count("ld.global.v4.f32") == 2 and text.count("st.global.v4.f32") == 1 and ".local" not in text


@pytest.mark.ptxas
@pytest.mark.parametrize("arch, cc", [("sm_80", (8, 0)), ("sm_90", (9, 0)), ("sm_100", (10, 0))])
def test_registers_suffice(arch, cc):
    """No spills, and the 65536 registers of a multiprocessor are enough for a block of 512 threads, by either assembler."""
    for threads, width, vector, dtype in ((512, 8, 4, "float32"), (512, 4, 2, "float64"), (8, 4, 4, "float32")):
        text = kernel(source(cross_entropy(), dtype), "over_n", cc, dtype, THREADS=threads, WIDTH=width, VECTOR=vector, BLOCK=max(threads, 128))
        assert (".maxntid 512, 1, 1" in text) == (threads == 512)
        for made in (assemble, *([by_ptxas] if not parts()["ptxas"].problem else [])):
            found = made(text, arch)
            assert found.spills == found.stack == 0 and found.registers <= 112
    found = assemble(kernel(source(mse()), "over_n", cc, VECTOR=4, BLOCK=256), arch)
    assert found.spills == 0 and found.registers <= 56


@given(st.one_of(st.integers(0, 1 << 20), st.integers(0, 70)), st.integers(1, 1 << 20), st.integers(1, 6), st.sampled_from([4, 8]), st.integers(1, 4000))
def test_grids_take_every_row_and_every_element(number, width, held, size, work):
    g = grids.rows(number, width, held, size, work)
    assert g.lanes & (g.lanes - 1) == 0 and g.threads % g.lanes == 0 and (g.lanes <= 32 or g.threads == g.lanes)
    assert g.width % g.vector == 0 and width % g.vector == 0 and g.vector * size <= 16
    assert not g.fits or g.lanes * g.width >= width
    assert 1 <= g.blocks <= grids.MOST_BLOCKS and g.threads <= 1024
    long = grids.long_rows(number, width, held, size, work)
    if long.pieces == 1:
        assert long == g
    else:
        assert (long.pieces - 1) * long.span < width <= long.pieces * long.span and long.pieces >= grids.FEWEST and long.span >= grids.PIECE
        assert long.span % (long.threads * long.vector) == 0 and long.blocks == number * long.pieces <= grids.RESIDENT // grids.LONG and not long.fits


@pytest.mark.emu
@settings(max_examples=5)
@given(formulas())
def test_random_formulas(case):
    """Value and gradients of what hypothesis thinks of."""
    loss, arrays = case
    names = [n for n, a in arrays.items() if a.dtype.kind == "f"]
    program = gc.compile(loss, wrt=names, target="cuda", device="emulator", dtype="float64")
    value, grads = program(**arrays, **{n: EXTENTS[n] for n in program.sizes})
    expected = gc.evaluate([loss, *gc.grad(loss, names)], **arrays, **{n: EXTENTS[n] for n in program.sizes})
    for ours, theirs in zip([value, *grads.values()], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)
