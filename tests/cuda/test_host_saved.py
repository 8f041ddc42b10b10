"""A saved program runs without graphc: its folder is imported, with a stand-in for CuPy whose kernels the emulator executes."""

from __future__ import annotations

import importlib
import json
import sys

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed (cuda)")

from cupy_standin import CUDARuntimeError, standing_in

import graphc as gc

RNG = np.random.default_rng(17)


def loaded(path, monkeypatch):
    monkeypatch.syspath_prepend(str(path.parent))
    monkeypatch.delitem(sys.modules, path.name, raising=False)
    return importlib.import_module(path.name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    w, t, lam = gc.param("w", "k"), gc.labels("t", "n", below="k"), gc.scalar("lam")
    f = gc.compile(lam * gc.sum(w[t]) + gc.sum(w**2), target="cuda", dtype="float32")
    with pytest.raises(gc.TargetError, match=r"for which sizes: f.save\(path, sizes=\{'k': ..., 'n': ...\}\)"):
        f.save(tmp_path_factory.mktemp("nothing") / "saved")
    return f.save(tmp_path_factory.mktemp("host") / "saved_gather", sizes=dict(k=7, n=31))


def test_files(folder):
    table = json.loads((folder / "saved.json").read_text())
    kernels = table["kernels"].values()
    assert [name for name, _, _ in table["inputs"]] == ["lam", "w", "t"] or {name for name, _, _ in table["inputs"]} == {"lam", "w", "t"}
    for k in kernels:
        assert f".entry {k['entry']}(" in (folder / k["ptx"]).read_text() and set(k["cubin"]) == {"80", "90", "100"}
        assert all((folder / file).read_bytes()[:4] == b"\x7fELF" for file in k["cubin"].values())
    assert "import graphc" not in "".join((folder / name).read_text() for name in ("__init__.py", "host.py", "grids.py"))


def test_it_computes_and_checks(folder, monkeypatch):
    w, t = RNG.normal(size=7).astype(np.float32), RNG.integers(0, 7, 31)
    with standing_in(monkeypatch, capability=(12, 0)) as cp:                 # no machine code for it: from PTX
        saved = loaded(folder, monkeypatch)
        found = {k: v.host for k, v in saved.call(w=cp.asarray(w), t=t, lam=0.5).items()}
        with pytest.raises(IndexError, match="a label is out of its range.*: look at t"):
            saved.call(w=w, t=np.where(t == t[0], 7, t), lam=0.5)
        with pytest.raises(ValueError, match="w has dims"):
            saved.call(w=w[None], t=t, lam=0.5)
        with pytest.raises(TypeError, match="missing: lam. The inputs are"):
            saved.call(w=w, t=t)
    value, gradient = (found[k] for k in found)
    np.testing.assert_allclose(value, 0.5 * w[t].sum() + (w**2).sum(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient, 0.5 * np.bincount(t, minlength=7) + 2 * w, rtol=1e-5)


def test_sizes_are_those_of_calls(tmp_path, monkeypatch):
    X, W = gc.tensor("X", "n d"), gc.param("W", "d c")
    f = gc.compile(gc.sum((X @ W) ** 2), target="cuda", device="emulator")
    data = dict(X=RNG.normal(size=(11, 3)), W=RNG.normal(size=(3, 5)))
    value, grads = f(**data)
    folder = f.save(tmp_path / "saved_product", architectures=[(9, 0)])
    with standing_in(monkeypatch, capability=(12, 0)):
        saved = loaded(folder, monkeypatch)
        found = [v.host for v in saved.call(**data).values()]
        with pytest.raises(LookupError, match="no kernel .* was saved; save the program for these sizes"):
            saved.call(X=data["X"], W=np.ones((3, 300)))
    np.testing.assert_allclose(found[0], value, rtol=1e-13)
    np.testing.assert_allclose(found[1], grads["W"], rtol=1e-13)


def test_sizes_that_are_sums_are_checked(tmp_path, monkeypatch):
    x, y = gc.tensor("x", "n"), gc.tensor("y", "n+1")
    f = gc.compile(gc.sum(x) * gc.sum(y), target="cuda", device="emulator", dtype="float32")
    folder = f.save(tmp_path / "saved_sums", sizes={"n": 31}, architectures=[(9, 0)])
    with standing_in(monkeypatch, capability=(12, 0)):
        saved = loaded(folder, monkeypatch)
        with pytest.raises(ValueError, match=r"y has dims \(n \+ 1\) = \(32,\), given an array of shape \(31,\)"):
            saved.call(x=np.ones(31, np.float32), y=np.ones(31, np.float32))
        with pytest.raises(TypeError, match="unknown: z. The inputs are x, y"):
            saved.call(x=np.ones(31, np.float32), y=np.ones(32, np.float32), z=3)
        (value,) = saved.call(x=np.ones(31, np.float32), y=np.ones(32, np.float32)).values()
    assert value.host == 31 * 32


def test_a_folder_is_saved_again_and_has_a_name_to_import(folder, tmp_path):
    f = gc.compile(gc.sum(gc.param("x", "n") ** 2), target="cuda", device="emulator", dtype="float32")
    path = f.save(tmp_path / "saved_twice", sizes={"n": 31}, architectures=[(8, 0), (9, 0)])
    (path / "notes.txt").write_text("mine")
    f.save(path, sizes={"n": 31}, architectures=[(9, 0)])
    assert not list(path.glob("*.sm_80.cubin")) and list(path.glob("*.sm_90.cubin")) and (path / "notes.txt").exists()
    with pytest.raises(gc.BindingError, match="'saved-loss' is to be the name of a Python package"):
        f.save(tmp_path / "saved-loss", sizes={"n": 31})
    with pytest.raises(gc.BindingError, match="architectures= names the compute capabilities"):
        f.save(tmp_path / "saved_none", sizes={"n": 31}, architectures=[])
    with pytest.raises(gc.TargetError, match="8.0 and newer"):
        f.save(tmp_path / "saved_old", sizes={"n": 31}, architectures=[(7, 5)])
    assert not (tmp_path / "saved_old").exists()


def test_machine_code_of_the_same_generation_is_taken(folder, monkeypatch):
    """sm_86 runs that of sm_80, and not that of sm_90."""
    with standing_in(monkeypatch, capability=(8, 6)) as cp:
        saved = loaded(folder, monkeypatch)
        with pytest.raises(CUDARuntimeError, match="no kernel image"):          # the stand-in takes PTX alone
            saved.call(w=cp.asarray(np.ones(7, np.float32)), t=np.zeros(31, int), lam=0.5)
