"""Programs for CUDA from compile to result, on the emulator: the PTX that a card would be given is executed."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed (cuda)")

import graphc as gc
from graphc.runtime.cuda.program import device_of

ROOT = Path(__file__).parent.parent.parent
RNG = np.random.default_rng(11)
DATA = dict(X=RNG.normal(size=(7, 3)), Y=RNG.normal(size=(7, 5)), W=RNG.normal(size=(3, 5)), lam=0.5)


def on_emulator(L, **options):
    return gc.compile(L, target="cuda", device="emulator", **options)


@pytest.fixture(scope="module")
def loss():
    X, Y, W, lam = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.scalar("lam")
    return gc.sum((X @ W - Y) ** 2) + lam * gc.sum(abs(W))


@pytest.fixture(scope="module")
def program(loss):
    return on_emulator(loss)


@pytest.fixture(scope="module")
def expected(loss):
    return gc.compile(loss)(**DATA)


def same(found, expected, rtol=1e-13):
    np.testing.assert_allclose(found[0], expected[0], rtol=rtol)
    np.testing.assert_allclose(found[1]["W"], expected[1]["W"], rtol=rtol, atol=rtol)


def test_values_and_gradients(program, expected):
    found = program(**DATA)
    same(found, expected)
    assert type(found[0]) is np.float64 and type(found[1]["W"]) is np.ndarray
    narrow = program(**{k: np.float32(v) for k, v in DATA.items()})
    same(narrow, expected, 3e-6)
    assert narrow[0].dtype == narrow[1]["W"].dtype == np.float32


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2], lambda a: a.tolist(), lambda a: a.astype(">f8")])
def test_layouts(program, expected, layout):
    same(program(**{k: layout(v) if np.ndim(v) else v for k, v in DATA.items()}), expected)


def test_tensors_of_torch_on_the_processor(program, expected):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    same(program(**{k: torch.tensor(v, requires_grad=True) if np.ndim(v) else v for k, v in DATA.items()}), expected)


@pytest.mark.parametrize("without_numbers", ["meta", "sparse"])
def test_tensors_of_torch_that_have_no_array_are_named(program, without_numbers):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    X = torch.zeros(DATA["X"].shape, device="meta") if without_numbers == "meta" else torch.tensor(DATA["X"]).to_sparse()
    with pytest.raises(gc.BindingError, match=r"X: torch does not hand this array over \(.*; give one of CuPy or NumPy\n  declared at .*test_host_emulator.py"):
        program(**{**DATA, "X": X})


def test_empty_arrays(program):
    value, grads = program(X=np.empty((0, 3)), Y=np.empty((0, 5)), W=DATA["W"], lam=1)
    np.testing.assert_allclose(value, abs(DATA["W"]).sum(), rtol=1e-14)
    np.testing.assert_array_equal(grads["W"], np.sign(DATA["W"]))


def test_by_position_with_buffers_and_bound(program, expected):
    buffer = np.empty((3, 5))
    found = program(*(DATA[name] for name in program.inputs), out={"W": buffer})
    same(found, expected)
    assert found[1]["W"] is buffer
    data = {k: np.copy(v) for k, v in DATA.items()}
    step = program.bind(**data)
    same(step(), expected)
    data["W"] *= 0
    assert step()[0] == pytest.approx((DATA["Y"] ** 2).sum(), rel=1e-13)


def test_capture_repeats_the_same_launches(loss, expected):
    f, card = on_emulator(loss, capture=True), device_of("emulator").card
    ran = []
    for _ in range(4):
        before = len(card.launches)
        same(f(**DATA), expected)
        ran.append([(entry.kernel, entry.blocks) for entry in card.launches[before:]])
    assert ran[0] and ran[0] == ran[1] == ran[2] == ran[3]


@pytest.mark.parametrize("capture", [False, True])
def test_labels_out_of_range_are_named(capture):
    f = on_emulator(gc.sum(gc.param("w", "k")[gc.labels("t", "n", below="k", ignore=-100)]), capture=capture)
    w, t = RNG.normal(size=7), RNG.integers(0, 7, 1009)
    for _ in range(3):
        assert f(w=w, t=t)[0] == pytest.approx(w[t].sum())
    for wrong in (7, -1):
        with pytest.raises(gc.BindingError, match=rf"t\[1003\] = {wrong} is not in \[0, k = 7\)"):
            f(w=w, t=np.where(np.arange(1009) == 1003, wrong, t))
    assert f(w=w, t=t)[0] == pytest.approx(w[t].sum())


def test_an_index_that_the_formula_computes_runs_past_what_it_indexes():
    w, t = gc.param("w", "k"), gc.labels("t", "n", below="k")
    f = on_emulator(gc.sum(w[2 * t]))
    assert f(w=np.arange(7.0), t=[0, 3, 1])[0] == 8
    with pytest.raises(gc.BindingError, match="an index that the formula computes runs past the tensor that it subscripts"):
        f(w=np.arange(7.0), t=[0, 4, 1])
    assert f(w=np.arange(7.0), t=[0, 3, 1])[0] == 8


def test_sizes_that_no_array_shows_are_given(program):
    x = gc.param("x", "n")
    f = on_emulator(gc.sum(x) / gc.size("m"))
    assert f(x=np.ones(7), m=2)[0] == 3.5
    with pytest.raises(gc.BindingError, match="missing: m"):
        f(x=np.ones(7))


def test_errors_of_a_call_are_those_of_the_processor(program):
    with pytest.raises(gc.BindingError, match="dim n is 7 in X"):
        program(**{**DATA, "Y": DATA["Y"][:-1]})
    with pytest.raises(gc.BindingError, match="missing: lam"):
        program(X=DATA["X"], Y=DATA["Y"], W=DATA["W"])
    with pytest.raises(gc.BindingError, match="shares memory with an input"):
        program(**DATA, out={"W": DATA["W"]})


def test_a_nan_is_located():
    x = gc.tensor("x", "n")
    found = on_emulator(gc.sum(gc.exp(x) + gc.log(x))).locate_nan(x=[1.0, -2.0])
    assert str(found).splitlines()[0] == "log(x) is nan at [1] (n = 1), where x[1] = -2.0"


# --- without a device

def test_without_a_device_all_but_calls_work(loss, program):
    f = gc.compile(loss, target="cuda", dtype="float32")
    assert "def over_d(" in f.source and "float32" in f.source and f.path.read_text() == f.source
    assert "== schedule ==" in f.explain() and "def run(device" in f.explain()
    assert f.inputs == program.inputs and ".target sm_80" in f.ptx and ".visible .entry over_d" in f.ptx
    assert ".target sm_90" in f.ptx_for((9, 0), n=128) and "THREADS" in re.findall("^// over_n.*", f.ptx_for(c=100), re.M)[0]
    with pytest.raises(gc.BindingError, match="there is no dim q; the dims are n, d, c"):
        f.ptx_for(q=3)


def test_calling_without_a_device_says_how_to_go_on(loss):
    from graphc.runtime.cuda.gpu import cards
    if cards():
        pytest.skip("this machine has a gpu")
    f = gc.compile(loss, target="cuda")
    for call in (lambda: f(**DATA), lambda: f.bind(**DATA)):
        with pytest.raises(gc.TargetError, match=r'this machine has no CUDA device .*device="emulator"'):
            call()


@pytest.mark.parametrize("options, message", [
    (dict(target="cuda", device="gpu"), "device= is the number of a CUDA device, or 'emulator', given 'gpu'"),
    (dict(target="cuda", device=-1), "given -1"), (dict(target="cuda", device=True), "given True"),
    (dict(device=0), "belong to target='cuda'"), (dict(capture=True), "belong to target='cuda'"), (dict(target="tpu"), "is not one of: cpu, cuda")])
def test_targets_that_make_no_sense(loss, options, message):
    with pytest.raises(gc.TargetError, match=message):
        gc.compile(loss, **options)


# --- the lecture

def test_the_lectures_script_with_the_target_changed_and_nothing_else(tmp_path, capsys):
    script = (ROOT / "examples" / "l14_autograd.py").read_text()
    changed = script.replace("f = gc.compile(pred_loss + reg_loss)", "f = gc.compile(pred_loss + reg_loss, target='cuda', device='emulator')")
    assert changed != script
    found = []
    for text in (script, changed):
        path = tmp_path / "l14.py"
        path.write_text(text)
        found.append((runpy.run_path(str(path)), capsys.readouterr().out))
    (on_cpu, printed), (on_cuda, printed_too) = found
    assert printed == printed_too and "step 80" in printed
    np.testing.assert_allclose(on_cuda["losses"], on_cpu["losses"], rtol=1e-12)
    np.testing.assert_allclose(on_cuda["W_"], on_cpu["W_"], rtol=1e-11)


def test_the_example_trains(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["softmax_on_a_gpu.py"])
    found = runpy.run_path(str(ROOT / "examples" / "softmax_on_a_gpu.py"))
    assert found["losses"][0] == pytest.approx(np.log(5)) and found["losses"][-1] < 0.7
    on_cpu = gc.compile(found["L"])(X=found["X_"], t=found["t_"], W=np.zeros((3, 5)))
    assert found["losses"][0] == pytest.approx(on_cpu[0], rel=1e-13) and "kernels: over_n" in capsys.readouterr().out
