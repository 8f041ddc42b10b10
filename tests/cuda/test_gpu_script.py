"""The script for a machine with a card, run where there is none: with a stand-in for CuPy, and peers that compute on the processor."""

from __future__ import annotations

import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from cupy_standin import CUDARuntimeError, standing_in

pytest.importorskip("tests.cuda.gpu_rows", reason="started outside of the repository (cuda)")
from tests.benchmarks.workloads import adam, cross_entropy, mlp
from tests.cuda import gpu, gpu_rows

SMALL = [gpu_rows.narrow(cross_entropy(7, 16)), mlp(2, 3, 10, 3), adam(1009)]


@pytest.fixture
def cp(monkeypatch):
    monkeypatch.setattr(gpu_rows, "SECONDS", 0)
    monkeypatch.setattr(gpu_rows, "WARM", 1)
    with standing_in(monkeypatch) as found:
        yield found


@pytest.fixture
def on_processor(monkeypatch):
    torch, jax = pytest.importorskip("torch", reason="torch is not installed"), pytest.importorskip("jax", reason="jax is not installed")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "set_default_device", lambda device: None)
    monkeypatch.setattr(torch, "compile", lambda f, **options: f)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


RATE = {"copy": 1e6, "float32": 1e6, "float16": 1e7}


@pytest.mark.parametrize("w", SMALL, ids=lambda w: w.name)
@pytest.mark.filterwarnings("ignore:To copy construct from a tensor")
def test_a_row_has_every_cell(w, cp, on_processor):
    *notes, line = gpu_rows.row(cp, w, 1, RATE)
    assert not notes and line.count("|") == gpu_rows.HEAD.splitlines()[0].count("|") and "|  |" not in line


def test_what_cannot_be_measured_is_a_note_and_a_lost_device_is_the_end(cp, monkeypatch):
    import torch
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    *notes, line = gpu_rows.row(cp, SMALL[0], 1, RATE)
    assert [n.split(": ")[1] for n in notes] == ["torch", "torch.compile", "jax"] and line.count("|  |") + line.count("|  ") >= 2
    cp.broken = 700
    with pytest.raises(CUDARuntimeError, match="illegal memory access"):
        list(gpu_rows.row(cp, SMALL[0], 1, RATE))


def test_results_that_differ_are_said_to(cp, on_processor):
    wrong = gpu_rows.replace(SMALL[1], loss=lambda m, **given: 2 * SMALL[1].loss(m, **given))
    *notes, _ = gpu_rows.row(cp, wrong, 1, RATE)
    assert sum("differs: by" in n for n in notes) == 3


def test_rates_and_the_head(cp):
    found = gpu_rows.rates(cp, 1 << 10, 16)
    assert set(found) == set(RATE) and all(v > 0 for v in found.values())
    assert "Stand-in (cc 9.0), driver for CUDA 13.0" in gpu_rows.machine(cp) and "captured and bound" in gpu_rows.overhead(cp, 1, 3)


def test_a_process_that_fails_or_hangs_costs_its_row_alone(tmp_path, monkeypatch):
    """The parent of rows: with processes that say a row, break off, hang, and say the rest."""
    log, script = gpu.Log(tmp_path / "deep" / "gpu.txt"), tmp_path / "rows.py"
    script.write_text("import sys, time\n_, rounds, known, *names = sys.argv\nfor n in names:\n    print(f'| {n} | 1 |', flush=True)\n"
                      "    if n == 'first': sys.exit(3)\n    if n == 'third': time.sleep(60)\n")
    monkeypatch.setattr(gpu, "chosen", lambda names: [SimpleNamespace(name=n) for n in ("first", "second", "third", "fourth", "fifth")])
    monkeypatch.setattr(gpu, "ROW", 1.0)
    monkeypatch.setattr(gpu, "FIRST", 4.0)
    original = gpu.lines
    monkeypatch.setattr(gpu, "lines", lambda command, *given: original([sys.executable, str(script), *command[3:]], *given))
    assert gpu.times(SimpleNamespace(names=[], rounds=1), log, time.monotonic() + 60) == 1
    text = (tmp_path / "deep" / "gpu.txt").read_text()
    assert [line.split()[1] for line in text.splitlines() if line.startswith("| ")][1:] == ["first", "second", "third", "fourth", "fifth"]
    assert text.count("broke off") == 2 and "(no word for too long" in text


def test_without_a_card_it_says_so():
    done = subprocess.run([sys.executable, "-m", "tests.cuda.gpu"], capture_output=True, text=True)
    if done.returncode and "no CUDA device" in done.stdout:
        return
    pytest.skip("gpu: there is a card here")


def test_arrays_are_compared_by_norm():
    w = SMALL[0]
    arrays = {k: np.asarray(a) for k, a in w.data(np.random.default_rng(0)).items()}
    a = [np.ones(9)]
    assert not gpu_rows.differs(a, [np.ones(9) * 1.01], w, arrays) and "of the norm" in gpu_rows.differs(a, [np.ones(9) * np.nan], w, arrays)
