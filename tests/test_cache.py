"""Generated modules on disk: compiled once, safe between processes, private."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.compiler import compile

ROOT = Path(__file__).parent.parent
SCRIPT = """
import numpy as np
import graphc as gc
from graphc.compiler import compile
y, t = gc.param("y", "n c"), gc.labels("t", "n", below="c")
f = compile(gc.mean(gc.logsumexp(y, axis=1) - y[gc.arange("n"), t]))
value, grads = f(y=np.arange(10.0).reshape(2, 5), t=[1, 4])
import sys
run = sys.modules[f"graphc_{f.path.stem}"].run
print(repr(float(value)), float(grads["y"].sum()) < 1e-12, sum(run.stats.cache_hits.values()))
"""


def start(cache):
    environment = {**os.environ, "GRAPHC_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split()


def test_a_second_process_does_not_compile(tmp_path):
    first = finish(start(tmp_path / "cache"))
    second = finish(start(tmp_path / "cache"))
    assert first[:2] == second[:2]
    assert (first[2], second[2]) == ("0", "1")


def test_two_processes_at_once(tmp_path):
    processes = [start(tmp_path / "cache") for _ in range(2)]
    assert len({tuple(finish(p)[:2]) for p in processes}) == 1
    assert finish(start(tmp_path / "cache"))[2] == "1"


def test_what_a_killed_process_leaves_behind_is_harmless(tmp_path):
    process = start(tmp_path)
    while not list(tmp_path.glob("kernels_*.py")) and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    process.communicate()
    (tmp_path / ".kernels_dead.tmp").write_text("half a mod")
    assert finish(start(tmp_path))[1] == "True"


def test_the_folder_is_private(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHC_CACHE", str(tmp_path / "cache"))
    compile(gc.sum(gc.tensor("private", "n"))).path  # noqa: B018
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_a_folder_that_others_can_write_is_refused(tmp_path, monkeypatch):
    tmp_path.chmod(0o777)
    monkeypatch.setenv("GRAPHC_CACHE", str(tmp_path))
    with pytest.raises(gc.CacheError, match="other users"):
        compile(gc.sum(gc.tensor("shared", "n")))(shared=np.zeros(3))


def test_a_path_that_cannot_be_a_folder_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRAPHC_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(gc.CacheError, match="GRAPHC_CACHE"):
        compile(gc.sum(gc.tensor("nowhere", "n")))(nowhere=np.zeros(3))


def test_the_source_is_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHC_CACHE", str(tmp_path))
    f = compile(gc.sum(gc.tensor("shown", "n")) * 3)
    f(shown=np.zeros(3, np.float32))
    assert f.path.read_text() == f.source and "float32" in f.source

PRODUCTS = """
import sys
import numpy as np
import graphc as gc
X, W = gc.tensor("X", "n d"), gc.param("W", "d c")
f = gc.compile(X @ W)
for n, d, c in ((2, 3, 5), (19, 23, 29)):
    X_, W_ = np.random.default_rng(0).normal(size=(n, d)), np.random.default_rng(1).normal(size=(d, c))
    np.testing.assert_allclose(f(X=X_, W=W_), X_ @ W_, rtol=1e-12, atol=1e-12)
    print("scipy.linalg" in sys.modules, "numba.np.arraymath" in sys.modules)
if len(sys.argv) > 1:
    import scipy.linalg
    assert scipy.linalg.cython_blas.__pyx_capi__ and abs(scipy.linalg.blas.ddot([1.0, 2.0], [3.0, 4.0]) - 11) < 1e-15
    g = gc.compile(gc.tanh(X @ W), dtype="float32")                            # found nowhere: compiled after what was found
    np.testing.assert_allclose(g(X=X_.astype(np.float32), W=W_.astype(np.float32)), np.tanh(X_ @ W_), rtol=1e-4, atol=1e-5)
"""


def test_scipy_linalg_is_not_imported_and_the_compiler_only_to_compile(tmp_path):
    environment = {**os.environ, "GRAPHC_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", PRODUCTS]
    first, second = (subprocess.run([*words, *more], env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
                     for more in ((), ("more",)))
    assert first == ["False", "True"] * 2 and second == ["False", "False"] * 2
