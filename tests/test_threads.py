"""Kernels in parts: the same bits on any number of threads, from many threads at once, and after a fork."""

import multiprocessing
import threading

import numpy as np
import pytest
import scipy.special

import graphc as gc
from graphc.loops.ways import Way
from graphc.runtime import host
from graphc.runtime.threads import Helpers, combined, in_parts

RNG = np.random.default_rng(11)
x, y, t = gc.param("x", "n d"), gc.tensor("y", "n d"), gc.labels("t", "n", below="d")
i, j, k = gc.indices("i j k")
DATA = dict(x=RNG.normal(size=(97, 7)), y=RNG.normal(size=(97, 7)), t=RNG.integers(0, 7, 97))

FORMULAS = {
    "sum": gc.losses.mse(x, y),
    "rows": gc.losses.cross_entropy(x, t),
    "pairs": gc.Sum(gc.exp(-gc.Sum((x[i, k] - y[j, k]) ** 2, k)), i, j),
    "row number": gc.Sum(gc.where(j <= i, x[i, k] * y[j, k], 0), i, j, k),
    "two sums": gc.sum(gc.tanh(x) * y) + gc.sum(gc.prod(x, axis=1)),
    "extremes": {"max": gc.max(x), "min": gc.min(x * y), "labels": gc.sum(t), "product": gc.prod(1 + x / 9)},
    "column sums": gc.sum(gc.sum(x * y, axis=0) ** 2),
}


@pytest.fixture
def always_in_parts(monkeypatch):
    monkeypatch.setattr(host, "LEAST_NS", 0)
    monkeypatch.setattr(host, "PART_NS", 30)


def flat(result):
    parts = result if isinstance(result, tuple) else (result,)
    return {str(n): v for n, part in enumerate(parts) for n, v in (part.items() if isinstance(part, dict) else [(n, part)])}


@pytest.mark.parametrize(("name", "dtype"), [(name, f"float{(32, 64)[n % 2]}") for n, name in enumerate(FORMULAS)])
def test_the_number_of_threads_changes_no_bit(name, dtype, always_in_parts, monkeypatch):
    data = {k: v.astype(dtype) if k != "t" else v for k, v in DATA.items()}
    f = gc.compile(FORMULAS[name])
    data = {k: v for k, v in data.items() if k in f.inputs}
    results = {}
    for threads in (1, 2, 5):
        monkeypatch.setenv("GRAPHC_NUM_THREADS", str(threads))
        results[threads] = flat(f(**data))
    expected = flat(gc.evaluate(FORMULAS[name], **{k: v for k, v in DATA.items() if k in f.inputs}))
    for key, value in results[1].items():
        assert value.dtype == results[5][key].dtype
        for threads in (2, 5):
            np.testing.assert_array_equal(results[threads][key], value)
        if key in expected:
            np.testing.assert_allclose(value, expected[key], rtol=1e-5 if dtype == "float32" else 1e-12)


def test_sections_of_a_long_program_run_in_parts(always_in_parts, monkeypatch):
    w = gc.tensor("w", "b n n")
    h, expected = gc.tensor("h", "b n n"), RNG.normal(size=(3, 7, 7))
    data = {"h": expected, "w": RNG.normal(size=(3, 7, 7))}
    for _ in range(25):
        h, expected = gc.softmax(w @ h, axis=2), scipy.special.softmax(data["w"] @ expected, axis=2)
    f = gc.compile(h)
    assert f.source.count("@section") == 1 and f.source.count("    section_1(") == 25
    results = []
    for threads in (1, 3):
        monkeypatch.setenv("GRAPHC_NUM_THREADS", str(threads))
        results.append(f(**data))
    np.testing.assert_array_equal(*results)
    np.testing.assert_allclose(results[0], expected, rtol=1e-11)


def test_kernels_of_rows_run_in_parts(always_in_parts):
    """All of the formulas but the column sums, whose rows add to the same places."""
    found = {name for name, L in FORMULAS.items() if gc.compile(L)._source_of(("float64", Way())).calls}
    assert found >= {"sum", "rows", "pairs", "row number", "two sums"}


def test_results_equal_those_of_one_part(always_in_parts, monkeypatch):
    f = gc.compile(FORMULAS["rows"])
    arrays = {k: DATA[k] for k in f.inputs}
    value, grads = f(**arrays)
    monkeypatch.undo()
    once, whole = gc.compile(FORMULAS["rows"])(**arrays)
    np.testing.assert_allclose(value, once, rtol=1e-14)
    np.testing.assert_array_equal(grads["x"], whole["x"])


def test_numbers_are_taken_in_every_form(always_in_parts):
    """One specialisation of the kernel for all, which Numba would make anew for Python's int."""
    weight, shift = gc.scalar("weight"), gc.tensor("shift", "", dtype="int")
    f = gc.compile(gc.sum(weight * x[:, 0] ** 2) + gc.sum(x[:, 0] * shift))
    x_ = DATA["x"].astype(np.float32)
    expected = 2 * (x_[:, 0] ** 2).sum() + 3 * x_[:, 0].sum()
    for number in (2, 2.0, np.float32(2), np.array(2, np.float32)):
        for whole in (3, np.int64(3), np.array(3)):
            data = {"x": x_, "weight": number, "shift": whole}
            for value, _ in (f(**data), f(**data), f.bind(**data)()):
                assert value.dtype == np.float32
                np.testing.assert_allclose(value, expected, rtol=1e-6)
    kernel = f._load(*f._last)._in_parts._run.__globals__["over_n"].kernel
    assert len(kernel.signatures) == 1


def test_not_a_number_and_infinity_in_parts(always_in_parts):
    f = gc.compile({"max": gc.max(x), "min": gc.min(x), "sum": gc.sum(x)})
    data = DATA["x"].copy()
    data[53, 2] = np.nan
    assert all(np.isnan(v) for v in f(x=data).values())
    data[53, 2] = -np.inf
    assert f(x=data)["min"] == f(x=data)["sum"] == -np.inf


def test_labels_are_checked_in_parts(always_in_parts):
    f = gc.compile(FORMULAS["rows"])
    wrong = DATA["t"].copy()
    wrong[61] = 7
    with pytest.raises(gc.BindingError, match=r"t\[61\] = 7"):
        f(x=DATA["x"], t=wrong)


def test_many_threads_call_at_once(always_in_parts, monkeypatch):
    monkeypatch.setenv("GRAPHC_NUM_THREADS", "3")
    f = gc.compile(FORMULAS["rows"])
    arrays = {k: DATA[k] for k in f.inputs}
    expected, failures = f(**arrays), []

    def work():
        for _ in range(20):
            value, grads = f(**arrays)
            if value != expected[0] or not np.array_equal(grads["x"], expected[1]["x"]):
                failures.append(value)
    callers = [threading.Thread(target=work) for _ in range(4)]
    for c in callers:
        c.start()
    for c in callers:
        c.join()
    assert not failures


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="the platform cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    def square(k):
        return k * k

    def child(queue):
        queue.put(in_parts(square, 9, 3))
    assert in_parts(square, 9, 3) == [k * k for k in range(9)]
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    process.join(30)
    assert process.exitcode == 0 and queue.get() == [k * k for k in range(9)]


def test_parts_run_at_the_same_time():
    """Each waits for the others, which it would do in vain on one thread."""
    meeting = threading.Barrier(3, timeout=30)
    in_parts(lambda k: meeting.wait(), 3, 3)


def test_an_error_in_a_part_is_raised():
    def fail(k):
        if k == 5:
            raise IndexError("part 5")
        return k
    for threads in (1, 3):
        with pytest.raises(IndexError, match="part 5"):
            in_parts(fail, 11, threads)


def test_parts_combine_in_a_tree():
    values = [2.0**-k for k in range(11)]
    assert combined("sum", values) == sum(values)
    assert combined("prod", [3.0, 5.0, 7.0]) == 105.0
    a, b, c, d, e = 1e16, 1.0, -1e16, 1.0, 3.0
    assert combined("sum", [a, b, c, d, e]) == ((a + b) + (c + d)) + e != (((a + b) + c) + d) + e


def test_helpers_that_do_not_help_are_left_out():
    helpers = Helpers()
    used = []
    for _ in range(200):
        way = helpers.wanted()
        used.append(way)
        helpers.note(way, 3.0 if way else 1.0)
    assert 2 <= sum(used) <= 8
    for _ in range(200):
        way = helpers.wanted()
        helpers.note(way, 0.5 if way else 1.0)
    assert helpers.mean[True] < helpers.mean[False]


def test_helpers_are_not_judged_by_a_cold_call():
    helpers = Helpers()
    used = []
    for n in range(100):
        way = helpers.wanted()
        used.append(way)
        helpers.note(way, 20.0 if n == 0 else 2.0 if way else 4.0)
    assert sum(used) >= 95


def test_a_way_tried_again_is_judged_by_what_it_took_then():
    helpers = Helpers()
    used = []
    for n in range(300):
        way = helpers.wanted()
        used.append(way)
        helpers.note(way, (40.0 if n < 5 else 2.0) if way else 4.0)
    assert sum(used[-60:]) >= 57


@pytest.mark.parametrize("given", ["0", "-1", "many", "2.5"])
def test_a_number_of_threads_that_is_none(given, always_in_parts, monkeypatch):
    monkeypatch.setenv("GRAPHC_NUM_THREADS", given)
    f = gc.compile(FORMULAS["sum"])
    with pytest.raises(gc.TargetError, match="GRAPHC_NUM_THREADS"):
        f(x=DATA["x"], y=DATA["y"])
