"""A tile's gradient is written where the tile was, if nobody wants the tile after; the emulator would see a race, and the interpreter a wrong number."""

from __future__ import annotations

import re

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.cudalib import grids
from graphc.loops.device import inplace
from graphc.runtime.cuda.emulator.types import KernelFault

pytestmark = pytest.mark.emu
RNG = np.random.default_rng(11)
X, W, T = gc.tensor("X", "n d"), gc.param("W", "d c"), gc.labels("t", "n", below="c")
CROSS_ENTROPY = gc.losses.cross_entropy(X @ W, T)


def agrees(n, d, c, monkeypatch):
    """In tiles of 16 rows; the source."""
    monkeypatch.setattr(grids, "TILE", 16 * c)
    data = {"X": RNG.normal(size=(n, d)).astype(np.float32), "W": RNG.normal(size=(d, c)).astype(np.float32), "t": RNG.integers(0, c, n)}
    f = gc.compile(CROSS_ENTROPY, target="cuda", device="emulator")
    value, grads = f(**data)
    expected, gradient = gc.evaluate([CROSS_ENTROPY, gc.grad(CROSS_ENTROPY, "W")], **data)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(grads["W"], gradient, rtol=1e-4, atol=1e-5 * np.abs(gradient).max())
    return f.source


@pytest.mark.parametrize("n, c", [(37, 11), (35, 300), (5, 4099)])
def test_logits_become_their_gradient(n, c, monkeypatch):
    """A part of a warp, a block, and rows in parts; in several tiles, the last of which is not full."""
    source = agrees(n, 5, c, monkeypatch)
    assert len(re.findall(r"\n    \w+ = device\.empty\(\(rows, c\)", source)) == 1 and re.search(r"\w+ = XW .*# in place", source)
    assert "grids.tile_rows(n, c)" in source and re.search(r"barrier\(THREADS\)\n +save_row", source)


def test_without_a_barrier_threads_would_race_for_the_labels_logit(monkeypatch):
    monkeypatch.setattr(inplace, "_in_order", lambda kernel, *_: kernel)
    with pytest.raises(KernelFault, match="race"):
        agrees(37, 5, 300, monkeypatch)


def test_what_is_wanted_after_stays():
    """The logits are a result, or a later kernel reads them."""
    H = X @ W
    assert "# in place" not in gc.compile([gc.sum(H**2), gc.grad(gc.sum(H**2), "W"), H], target="cuda", device="emulator").source
    column = gc.sum(gc.tanh(gc.max(H, axis=0))) + gc.sum(gc.sin(H))
    assert "# in place" not in gc.compile(column, target="cuda", device="emulator").source


def test_halves_have_memory_of_their_own(monkeypatch):
    f = gc.compile(CROSS_ENTROPY, target="cuda", device="emulator")
    f(X=RNG.normal(size=(7, 5)).astype(np.float16), W=RNG.normal(size=(5, 3)).astype(np.float16), t=RNG.integers(0, 3, 7))
    assert "# in place" not in f.source and "device.empty((rows, c), 'float16')" in f.source
