"""The lecture's rows: each script of examples/ runs, and its numbers are those of the slide, or of plain NumPy."""

from __future__ import annotations

import math
import runpy
import xml.etree.ElementTree as xml
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

FOLDER = Path(__file__).parent.parent / "examples"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a script in a folder of its own; returns its variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["example"])
    return lambda name: runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")


def texts(picture: str) -> str:
    """The words on an SVG."""
    return " ".join(t for t in xml.parse(picture).getroot().itertext() if t.strip())


def softmax(y: np.ndarray) -> np.ndarray:
    e = np.exp(y - y.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_l01_neuron(run: Any, drawing: None) -> None:
    found = list(run("l01_neuron")["outputs"].values())
    a = -3.0                                                      # 0.5*1 - 0.25*2 - 1*3
    assert_allclose(found, [1 / (1 + math.exp(-a)), math.tanh(a), 0, 0.1 * a, a / (1 + abs(a))], rtol=1e-14)
    assert "x" in texts("neuron.svg") and "w" in texts("neuron.svg")


def test_l02_loss_graph(run: Any, drawing: None) -> None:
    v = run("l02_loss_graph")
    x, w, y = (v["data"][k] for k in "xwy")
    p = softmax(x @ w)
    assert_allclose(v["loss"], -np.log(p[np.arange(7), y]).sum() + 0.5 * (w**2).sum(), rtol=1e-13)
    assert_allclose(v["grads"]["w"], x.T @ (p - np.eye(5)[y]) + w, rtol=1e-12)
    assert Path("loss_graph.svg").exists()


def test_l03_backpropagation(run: Any, drawing: None) -> None:
    v = run("l03_backpropagation")
    f = 1 / (1 + math.e)                                          # z = 1*2 - 3 = -1
    assert_allclose([v["values"][k] for k in ("z", "e", "f")], [-1, math.e, f], rtol=1e-15)
    assert_allclose([v["gradients"][k] for k in ("f", "e", "z", "w1", "w0")], [1, -f**2, f * (1 - f), 2 * f * (1 - f), f * (1 - f)], rtol=1e-14)
    assert_allclose(math.prod(v["local"]), v["gradients"]["w1"], rtol=1e-14)
    words = texts("backpropagation.svg")
    assert "0.2689" in words and "0.1966" in words


def test_l04_any_graph(run: Any, drawing: None) -> None:
    v = run("l04_any_graph")
    X, W, u = (v["data"][k] for k in "XWv")

    def L(W: np.ndarray, u: np.ndarray) -> float:
        return float(np.mean(np.log1p(np.exp(-np.tanh(X @ W) @ u))) + np.sqrt((u**2).sum()))

    assert_allclose(v["loss"], L(W, u), rtol=1e-14)
    step = 1e-6
    slope_u = [(L(W, u + step * d) - L(W, u - step * d)) / (2 * step) for d in np.eye(5)]
    slope_W = [(L(W + step * d, u) - L(W - step * d, u)) / (2 * step) for d in np.eye(15).reshape(15, 3, 5)]
    assert_allclose(v["grads"]["v"], slope_u, atol=1e-8)
    assert_allclose(v["grads"]["W"].ravel(), slope_W, atol=1e-8)
    assert Path("any_graph.svg").exists()


def test_l05_matrices(run: Any, drawing: None) -> None:
    v = run("l05_matrices")
    slide = {"a": [[2, 4], [0, 0]], "b": 20, "f": 10, "grad_b f": 0.5, "grad_a f": [[2, 4], [0, 0]], "grad_W f": [[4, 8]], "grad_X f": [[10], [0]]}
    assert {k: x.tolist() for k, x in v["numbers"].items()} == slide
    assert v["value"] == 10
    assert_array_equal(v["grads"]["W"], [[4, 8]])
    assert_array_equal(v["grads"]["X"], [[10], [0]])
    words = texts("matrices.svg")
    assert all(number in words for number in ("20", "10", "0.5"))


def test_l08_multiclass(run: Any) -> None:
    v = run("l08_multiclass")
    y, gt = v["usual"]["y"], v["usual"]["gt"]
    assert_allclose(v["loss"], -np.mean(np.log(softmax(y)[np.arange(7), gt])), rtol=1e-14)
    assert_allclose(v["grads"]["y"], (softmax(y) - np.eye(5)[gt]) / 7, atol=1e-16)
    assert_allclose(v["extreme_loss"], (0 + math.log(2) + 2e4) / 3, rtol=1e-15)
    assert_allclose(v["extreme_grads"]["y"], np.array([[0, 0, 0], [0, 0.5, -0.5], [0, -1, 1]]) / 3, atol=1e-16)


def test_l09_multilabel(run: Any) -> None:
    v = run("l09_multilabel")
    y, gt = v["usual"]["y"], v["usual"]["gt"]
    p = 1 / (1 + np.exp(-y))
    assert_allclose(v["loss"], -np.mean(gt * np.log(p) + (1 - gt) * np.log(1 - p)), rtol=1e-14)
    assert_allclose(v["grads"]["y"], (p - gt) / y.size, atol=1e-16)
    assert_allclose(v["extreme_loss"], (math.log(2) + 2e4) / 6, rtol=1e-15)
    assert_allclose(v["extreme_grads"]["y"], np.array([[0, 0, -0.5], [-1, 0, 1]]) / 6, atol=1e-16)


def test_l10_regression_l2(run: Any) -> None:
    v = run("l10_regression_l2")
    off = v["data"]["y"] - v["data"]["gt"]
    assert_allclose(v["loss"], (off**2).sum() / 128, rtol=1e-14)
    assert_allclose(v["grads"]["y"], 2 * off / 128, rtol=1e-14)


def test_l11_regression_l1(run: Any) -> None:
    v = run("l11_regression_l1")
    off = v["data"]["y"] - v["data"]["gt"]
    assert_allclose(v["loss"], np.abs(off).sum() / 128, rtol=1e-14)
    assert_array_equal(v["grads"]["y"], np.sign(off) / 128)
    assert not v["grads"]["y"][0].any()


def lecture_data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Y, X, W of the slide."""
    random = np.random.RandomState(2)
    return random.randn(2, 5), random.randn(2, 3), random.randn(3, 5)


def test_l13_tensors(run: Any) -> None:
    v = run("l13_tensors")
    Y, X, W = lecture_data()
    assert v["loss"] == ((X @ W - Y)**2).sum() + 0.5 * abs(W).sum()
    assert_allclose(v["compiled_loss"], v["loss"], rtol=1e-15)
    assert_allclose(v["grads"]["W"], 2 * X.T @ (X @ W - Y) + 0.5 * np.sign(W), rtol=1e-13)


def test_l14_autograd(run: Any) -> None:
    v = run("l14_autograd")
    Y, X, W = lecture_data()
    losses = []
    for _ in range(100):
        losses.append(((X @ W - Y)**2).sum() + 0.5 * abs(W).sum())
        W = W - 0.1 * (2 * X.T @ (X @ W - Y) + 0.5 * np.sign(W))
    assert_allclose(v["losses"], losses, rtol=1e-12)
    assert_allclose(v["W_"], W, atol=1e-12)


def test_l19_activations(run: Any) -> None:
    found = run("l19_activations")["results"]
    x = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    assert_array_equal(found["ReLU"]["y"], np.maximum(x, 0))
    assert_array_equal(found["ReLU"]["dy/dx"], [0, 0, 0, 1, 1])                  # at 0: 0
    assert_allclose(found["leaky ReLU"]["y"], np.where(x > 0, x, 0.01 * x), rtol=1e-15)
    assert_allclose(found["leaky ReLU"]["dy/dx"], [0.01, 0.01, 0.01, 1, 1])      # at 0: the slope
    assert_allclose(found["ELU"]["y"], np.where(x > 0, x, 1.5 * np.expm1(x)), rtol=1e-15)
    assert_allclose(found["ELU"]["dy/dx"], [1.5 * math.exp(-2), 1.5 * math.exp(-0.5), 1.5, 1, 1], rtol=1e-15)    # at 0: alpha


def test_each_example_has_a_test() -> None:
    assert sorted(p.stem for p in FOLDER.glob("l*.py")) == sorted(n.removeprefix("test_") for n in globals() if n.startswith("test_l"))
