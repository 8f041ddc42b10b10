"""gc.check: right formulas pass, wrong ones fail, at the place where they are wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import mpmath
import numpy as np
import pytest
from sympy.core.cache import clear_cache

import graphc as gc
from graphc.analysis.certificate import judge
from graphc.analysis.certificate.reference import Answer
from graphc.analysis.certificate.report import Report, Row
from graphc.analysis.certificate.sampling import Sampler
from graphc.analysis.certificate.ulps import FORMATS, distance, half_ulp_away
from graphc.errors import BindingError, BindingTypeError, DifferentiationError, FormulaError, TargetError
from graphc.frontend.text import parse
from graphc.runtime.cpu import CpuProgram
from graphc.scalar.derivative import derivative
from graphc.scalar.table import ROWS, op

LOSS = MappingProxyType({"X": "n d", "W": "d c param", "Y": "n c", "lam": ""})
RIDGE = "sum((X@W - Y)**2) + lam*sum(W**2)"


def row(report: Report, result: str, dtype: str = "float64") -> Row:
    (found,) = (r for r in report.rows if (r.result, r.dtype) == (result, dtype))
    return found


def returning(monkeypatch: pytest.MonkeyPatch, change: Callable[[list[Any], dict[str, Any]], Any]) -> None:
    """What programs compiled from formulas return, changed: [value, gradients ...]."""
    right = CpuProgram.__call__

    def call(self: CpuProgram, **data: Any) -> Any:
        results = [np.array(r) for r in right(self, **data)]
        change(results, data)
        return results
    monkeypatch.setattr(CpuProgram, "__call__", call)


# --- what is right passes ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("formula, declared", [(RIDGE, LOSS), ("mean(log(1 + exp(-y*x)))", {"x": "n param", "y": "n"}), ("sum(abs(x)) + max(x)", {"x": "n"})])
def test_right_losses_pass(formula: str, declared: Any) -> None:
    report = gc.check(parse(formula, **declared), dtype="float64", extreme="lam" not in declared)
    assert report.ok, report
    assert row(report, "value").numbers >= 3


def test_both_dtypes_are_checked() -> None:
    report = gc.check(parse("sum(y[t])/2", y="c", t="n int<c"))
    assert report.ok, report
    assert {r.dtype for r in report.rows} == {"float32", "float64"}


def test_tensors_lists_dicts_and_programs_are_judged() -> None:
    x, w = gc.tensor("x", "n d"), gc.param("w", "d")
    y = (x @ w).named("y")
    report = gc.check(y, extreme=False, dtype="float64")
    assert (report.ok, row(report, "dy/dw").numbers) == (True, 9)
    report = gc.check({"y": y, "best": gc.argmax(y), "loss": gc.sum(y**2)}, wrt=["w", x], extreme=False, dtype="float64")
    assert report.ok
    assert {r.result for r in report.rows} >= {"y", "best", "loss", "dy/dw", "dy/dx", "dloss/dw"}
    report = gc.check(gc.compile(gc.sum(gc.tanh(y)), dtype="float32"), extreme=False)
    assert (report.ok, {r.dtype for r in report.rows}) == (True, {"float32"})
    assert "float64: the program was compiled for float32" in report.untested
    report = gc.check(gc.compile([gc.sum(y), y]), extreme=False, dtype="float64")
    assert (report.ok, "gradients: the program computes none" in report.untested) == (True, True)


def test_parameters_are_checked_or_else_all_float_inputs() -> None:
    assert {r.result for r in gc.check(parse(RIDGE, **LOSS), extreme=False, dtype="float64").rows} >= {"d/dW", "d along u, reverse", "d along u, forward"}
    assert {r.result for r in gc.check(parse("sum(x*y[t])", x="n", y="c", t="n int<c"), extreme=False, dtype="float64").rows} >= {"d/dx", "d/dy"}
    report = gc.check(parse(RIDGE, **LOSS), wrt=["X", "lam"], extreme=False, dtype="float64")
    assert {"d/dX", "d/dlam"} == {r.result for r in report.rows if "/" in r.result}


# --- what is wrong fails ----------------------------------------------------------------------------------------------

@pytest.fixture
def forgotten() -> Iterator[None]:
    """No derivative is remembered from before the test, nor after it."""
    derivative.cache_clear()
    clear_cache()
    yield
    derivative.cache_clear()
    clear_cache()


@pytest.mark.usefixtures("forgotten")
def test_a_derivative_that_is_off_by_1e_10_fails_where_it_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    off = replace(ROWS["arctan"], derivatives=(lambda x, y: (1 + 1e-10) / (1 + x**2),))
    monkeypatch.setattr(op("arctan"), "row", off)
    x = gc.tensor("x", "n")
    report = gc.check(gc.sum(gc.arctan(0.73 * x)), extreme=False)
    assert row(report, "value").ok
    assert row(report, "d/dx", "float32").ok
    for result in ("d/dx", "d along u, reverse", "d along u, forward"):
        assert row(report, result).wrong
        assert 1e5 < row(report, result).worst < 1e6                                             # 1e-10 of 2^-53
    assert not report.ok
    assert "WRONG" in str(report)


def test_the_worst_entry_and_its_point_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_wrong(results: list[Any], data: dict[str, Any]) -> None:
        results[1][1, 4] += 1
    returning(monkeypatch, one_wrong)
    report = gc.check(parse(RIDGE, **LOSS), dtype="float64", extreme=False)
    worst = row(report, "d/dW")
    assert (worst.entry, worst.wrong, row(report, "value").wrong) == ("[1, 4]", 3, 0)
    assert worst.at.startswith("random")
    expected = 2 * worst.data["X"].T @ (worst.data["X"] @ worst.data["W"] - worst.data["Y"]) + 2 * worst.data["lam"] * worst.data["W"]
    assert float(worst.exact) == pytest.approx(expected[1, 4])
    assert worst.found == pytest.approx(expected[1, 4] + 1)
    assert "d/dW[1, 4] in float64 is" in str(report)


def test_an_error_in_an_entry_that_is_not_sampled_is_found_along_u(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_wrong(results: list[Any], data: dict[str, Any]) -> None:
        results[1][10, 12] = np.nan
    returning(monkeypatch, one_wrong)
    report = gc.check(parse("sum(x**2)", x="11 13"), dtype="float64", extreme=False)
    assert 11 * 13 > judge.ALL_ENTRIES
    assert f"d/dx at random and given points: all but {judge.SAMPLED} of 143 entries, but for the sum along u" in report.untested
    assert row(report, "d along u, reverse").wrong == 3


def test_an_unstable_formula_fails_with_its_input() -> None:
    x = gc.scalar("x")
    report = gc.check((gc.erfc(x) * gc.exp(x**2)).named("erfcx"), dtype="float64")
    worst = row(report, "erfcx")
    assert not worst.ok
    assert float(worst.data["x"]) in (20.0, 40.0, 100.0, 700.0, 1e4, 1e200, -20.0, -40.0) or abs(float(worst.data["x"])) > 1e29
    assert np.isnan(worst.found) or worst.worst > 1e3
    assert row(report, "derfcx along u, reverse").ok                                             # random points are usual ones


# --- kinks ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("slope, ok", [(0.0, True), (-0.7, True), (1.0, True), (1.2, False), (np.nan, False)])
def test_any_subgradient_is_right_at_a_kink_and_others_are_not(slope: float, ok: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(results: list[Any], data: dict[str, Any]) -> None:
        results[1][data["x"] == 0] = slope
    returning(monkeypatch, chosen)
    report = gc.check(parse("sum(abs(x))", x="n"), {"x": [0.0, 2.0, -3.0]}, dtype="float64", extreme=False)
    assert (row(report, "d/dx").ok, row(report, "d/dx").kinks) == (ok, 1)


# --- data -------------------------------------------------------------------------------------------------------------

def test_given_points_are_judged_too() -> None:
    loss = parse("sum(sqrt(x))", x="n")
    report = gc.check(loss, [{"x": [1.0, 4.0]}, {"x": np.float32([0.25])}], extreme=False)
    assert report.ok
    assert report.points.startswith("4 given, 6 random")                                         # 2 and 3, in two dtypes
    bad = gc.tensor("x", "n")
    report = gc.check(gc.sum(gc.where(bad > 1e6, gc.log(bad), gc.log(-1 - bad**2))), {"x": [1e7]}, dtype="float64")
    assert report.ok
    assert any("random and extreme points" in line for line in report.untested)


def test_nothing_judged_is_not_right() -> None:
    x = gc.tensor("x", "n")
    report = gc.check(gc.sum(gc.log(-1 - x**2)), {"x": [1.0]}, dtype="float64")
    assert (report.ok, report.rows) == (False, ())
    assert "1 points where the formula has no value" in str(report)


def test_data_suit_domains_subscripts_and_labels() -> None:
    for formula, dims in (("sum(log(x)) + sum(arcsin(x))", {"x": "n"}), ("sum(arccosh(x))", {"x": "n"}), ("sum(x[20:]*2)", {"x": "n"}),
                          ("sum(y[arange('n'), t])", {"y": "n c", "t": "n int"}), ("sum(where(m, x, 0))", {"x": "n", "m": "n bool"}),
                          ("sum(log(x)*arccosh(y))", {"x": "n", "y": "n"})):
        assert gc.check(parse(formula, **dims), dtype="float64", extreme=False).ok, formula
    drawn = {i.name: a for i, a in Sampler([parse(RIDGE, **LOSS)], np.random.default_rng(0)).draw(np.random.default_rng(0)).items()}
    assert len({n for name in ("X", "W") for n in drawn[name].shape}) == 3


def test_the_report_repeats_and_depends_on_the_seed() -> None:
    program = gc.compile(parse("sum(exp(x))", x="n param"), dtype="float64")
    assert str(gc.check(program, seed=3)) == str(gc.check(program, seed=3))
    assert str(gc.check(program, seed=3)) != str(gc.check(program, seed=4))


def test_what_is_not_tested_is_said() -> None:
    x = gc.tensor("x", "n", dtype="float32")
    report = gc.check(gc.sum(gc.log(x) + gc.floor(x)))
    text = str(report)
    assert {r.dtype for r in report.rows} == {"float32"}
    assert "float64: an input is declared float32, so that nothing is computed in float64" in text
    assert "points where the formula has no value" in text
    assert "NaN in the data" in text


def test_what_cannot_be_checked_says_so() -> None:
    x = gc.tensor("x", "n")
    y = x**2
    s = gc.indices("s")[0]
    cases: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (DifferentiationError, "no float input", lambda: gc.check(parse("sum(t)*1.0", t="n int"))),
        (BindingTypeError, "missing: Y", lambda: gc.check(parse(RIDGE, **LOSS), {"X": np.ones((2, 3)), "W": np.ones((3, 5)), "lam": 1.0})),
        (DifferentiationError, "names no tensor", lambda: gc.check(gc.sum(x), wrt=[])),
        (DifferentiationError, "no input", lambda: gc.check(gc.sum(y), wrt=y)),
        (DifferentiationError, "chosen already", lambda: gc.check(gc.compile(gc.sum(y)), wrt=x)),
        (FormulaError, "not int", lambda: gc.check(3)),
        (FormulaError, "at least one", lambda: gc.check([])),
        (ValueError, "free indices", lambda: gc.check(x[s])),
        (TargetError, "not float32 or float64", lambda: gc.check(gc.sum(y), dtype="float16")),
        (TargetError, "compiled for float64", lambda: gc.check(gc.compile(gc.sum(y), dtype="float64"), dtype="float32")),
        (BindingError, "give smaller data", lambda: gc.check(gc.sum(y), {"x": np.ones(10**6)})),
        (BindingError, "arrays by name", lambda: gc.check(gc.sum(y), [3])),
        (BindingError, "arrays by name", lambda: gc.check(gc.sum(y), 3)),
        (BindingError, "give data", lambda: gc.check(gc.sum(gc.log(-1 - y)))),
    ]
    for kind, says, call in cases:
        with pytest.raises(kind, match=says):
            call()


# --- ulps -------------------------------------------------------------------------------------------------------------

def exact(text: str) -> Answer:
    with mpmath.workdps(50):
        return Answer(mpmath.mpf(text), mpmath.mpf(text), "exact")


@pytest.mark.parametrize("found, answer, dtype, ulps", [
    (1.0, exact("1"), "float64", 0), (1 + 2.0**-52, exact("1"), "float64", 1), (np.float32(1) + np.float32(2.0**-23), exact("1"), "float32", 1),
    (0.0, exact("5e-324"), "float64", 1.012), (0.0, exact("0"), "float64", 0), (1e-320, exact("0"), "float64", 2024), (np.inf, exact("1e400"), "float64", 0),
    (np.inf, exact("1e39"), "float32", 0), (-np.inf, exact("1e400"), "float64", np.inf), (np.inf, exact("1e38"), "float32", np.inf), (np.nan, exact("2"), "float64", np.inf),
    (np.inf, Answer(mpmath.inf, mpmath.inf, "infinite"), "float64", 0), (-np.inf, Answer(mpmath.inf, mpmath.inf, "infinite"), "float64", np.inf),
    (3.0, Answer(mpmath.inf, mpmath.inf, "infinite"), "float64", np.inf), (-np.inf, Answer(mpmath.nan, mpmath.nan, "infinite"), "float64", 0),
    (0.3, Answer(mpmath.mpf(-1), mpmath.mpf(1), "kink"), "float64", 0), (1 + 2.0**-51, Answer(mpmath.mpf(-1), mpmath.mpf(1), "kink"), "float64", 2),
    (7.0, Answer(mpmath.nan, mpmath.nan, "undefined"), "float64", None),
])
def test_distance_in_units_in_the_last_place(found: float, answer: Answer, dtype: str, ulps: float | None) -> None:
    measured = distance(found, answer, FORMATS[dtype])
    assert measured == (ulps if ulps is None else pytest.approx(ulps, rel=1e-3))


def test_half_a_last_place() -> None:
    moved = half_ulp_away(np.array([1.0, 0.0, -3.0, np.inf]), FORMATS["float64"], np.random.default_rng(0))
    assert [float(abs(m - x) * 2**53) for m, x in zip(moved[[0, 2]], (1.0, -3.0), strict=True)] == [1.0, 2.0]
    assert (moved[1], moved[3]) == (0, mpmath.inf)


def test_points_are_within_the_intervals_that_are_given():
    x, t = gc.param("x", "n"), gc.tensor("t", "n")
    assert gc.check(gc.losses.focal(x, t), within={"t": (0, 1)}, dtype="float64").ok
    assert "t in [0, 1]" in str(gc.check(gc.losses.bce_with_logits(x, t), within={"t": (0, 1)}, dtype="float32"))
    assert gc.check(gc.sum(gc.where(x < 2, x, gc.sqrt(1 - x))), within={"x": (-3, 1.5)}, dtype="float64").ok


@pytest.mark.parametrize("within, said", [({"z": (0, 1)}, "no float input is called z"), ({"x": (1, 0)}, "give \\(least, greatest\\)"), ({"x": (0, float("nan"))}, "interval of x")])
def test_intervals_that_are_none(within, said):
    x = gc.param("x", "n")
    with pytest.raises(gc.BindingError, match=said):
        gc.check(gc.sum(x), data={"x": [1.0]}, within=within)
