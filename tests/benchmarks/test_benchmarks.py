"""The workloads' formulas against PyTorch's at tiny sizes, and the benchmark's own arithmetic."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.benchmarks import functions, page, peers, scaling
from tests.benchmarks.floor import SIDE, Floor
from tests.benchmarks.measure import agree, best, bounded, interleaved, leaves
from tests.benchmarks.scaling import cliffs
from tests.benchmarks.workloads import (
    WORKLOADS,
    Workload,
    batch_norm,
    cross_entropy,
    curvature,
    info_nce,
    l2_l1,
    layer_norm,
    linear_cross_entropy,
    logistic,
    mixture,
    mlp,
    rbf,
    rows,
    soft_labels,
    triplet,
)

TINY = [l2_l1(7, 3, 5), cross_entropy(7, 5), *rows(11), mlp(7, 3, 5, 2), linear_cross_entropy(7, 3, 5), info_nce(7, 3), rbf(7, 5, 3), layer_norm(7, 5),
        logistic(11, 3), batch_norm(7, 5), soft_labels(7, 5), mixture(11, 2, 3), triplet(7, 5), curvature(7, 5, "product"), curvature(7, 5, "diagonal")]


def kind(w: Workload) -> str:
    return w.name.rsplit(" ", 1)[0]


def test_every_kind_of_workload_is_tested() -> None:
    assert {kind(w) for w in WORKLOADS} == {kind(w) for w in TINY}


@pytest.mark.parametrize("w", TINY, ids=kind)
def test_formula_agrees_with_torch(w: Workload) -> None:
    pytest.importorskip("torch")
    arrays = w.data(np.random.default_rng(0))
    agree(leaves(interpreted(w, arrays)), leaves(peers.torch(w, arrays, "out")()), w.name)


def interpreted(w: Workload, arrays: dict[str, Any]) -> Any:
    formula = w.formula()
    if w.task == "values":
        return {k: gc.evaluate(t, **{n: arrays[n] for n in gc.compile(t).inputs}) for k, t in formula.items()}
    if w.task != "gradient":
        return gc.evaluate(formula, **arrays)
    return gc.evaluate(formula, **arrays), {k: gc.evaluate(gc.grad(formula, k), **arrays) for k in w.wrt}


def test_curves_that_cannot_be_drawn_are_refused_before_they_are_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(scaling, "find_spec", lambda name: None)
    monkeypatch.setattr("sys.argv", ["scaling", "--write"])
    with pytest.raises(SystemExit):
        scaling.main()
    assert ".[plots]" in capsys.readouterr().err


def test_what_is_wrong_is_found() -> None:
    with pytest.raises(AssertionError, match="here: result 1"):
        agree([np.array(1.0), np.array([1.0, 2.0])], [np.array(1.0), np.array([1.0, 2.1])], "here")


def test_graphc_steps_write_into_their_buffers() -> None:
    w = l2_l1(7, 3, 5)
    arrays = w.data(np.random.default_rng(0))
    for call in ("out", "bind"):
        step = peers.graphc(w, arrays, call)
        assert step()[1]["W"] is step()[1]["W"]


def test_rounds_are_interleaved() -> None:
    calls: list[str] = []
    times = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3, least=0.0)
    assert "".join(calls) == "aabb" + "ab" * 3
    assert best(times).keys() == {"a", "b"} and all(len(t) == 3 for t in times.values())


def test_floor_is_the_greatest_part() -> None:
    w = linear_cross_entropy(64, 64, 64)
    floor = Floor(w, [np.zeros(500, np.float32)])
    assert floor.steps().keys() == {"memory", "products", "functions"}
    assert floor.of({"memory": 2.0, "products": 1.0, "functions": 1.0, "graphc": 9.0}) == (2.0, "memory")
    assert floor.of({"memory": 2.0, "products": 100.0, "functions": 1.0}) == (pytest.approx(100 * 2 * (64 / SIDE)**3), "products")


def test_a_peer_is_stopped() -> None:
    with pytest.raises(TimeoutError, match="more than 0.05 s"), bounded(0.05):
        while True:
            pass


def test_page_takes_a_new_table() -> None:
    text = "a\n<!-- t -->\nold\n<!-- end -->\n<!-- u -->\nother\n<!-- end -->\n"
    assert page.replaced(text, "t", page.table(["x"], [["1"]])) == text.replace("old", "| x |\n| --- |\n| 1 |")
    with pytest.raises(ValueError, match=re.escape("no single part <!-- v -->")):
        page.replaced(text, "v", "")


@pytest.mark.parametrize("name", ["benchmarks, threads: 1", "benchmarks, threads: 2", "scaling, size", "scaling, depth", "functions", "calls", "start"])
def test_performance_page_has_a_place_for_each_table(name: str) -> None:
    text = (page.DOCS / "performance.md").read_text(encoding="utf-8")
    assert "| x |" in page.replaced(text, name, "| x |")


def test_a_cliff_is_a_step_up() -> None:
    curve = {"100": 50.0, "300": 20.0, "1000": 21.0, "3000": 45.0}
    assert cliffs({"loss": curve}) == ["Cliff: loss, 3000: 45 after 21 at 1000."]


def test_every_function_is_timed() -> None:
    names = functions.measured()
    assert {"exp", "power", "sigmoid"} <= set(names) and functions.library("exp") is np.exp
    for name in ("exp", "sech", "power"):
        ours, theirs = functions.times(name, "float32", size=64, rounds=1)
        assert ours > 0 and (theirs is None) == (name == "sech")
