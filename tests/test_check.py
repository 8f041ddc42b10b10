"""check_gradient: right gradients pass, wrong ones fail, at the place where they are wrong."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

import graphc as gc
from graphc.analysis.sampling import random_data
from graphc.check import ALL_ENTRIES, DIRECTIONS, SAMPLED, Report, check_gradient
from graphc.errors import BindingError, DifferentiationError
from graphc.frontend.text import parse

LOSS = MappingProxyType({"X": "n d", "W": "d c param", "Y": "n c", "lam": ""})
RIDGE = "sum((X@W - Y)**2) + lam*sum(W**2)"


def by_hand(factor: float):                                                                      # type: ignore[no-untyped-def]
    return lambda d: {"W": factor * (2 * d["X"].T @ (d["X"] @ d["W"] - d["Y"]) + 2 * d["lam"] * d["W"])}


def test_a_gradient_made_by_hand_passes_and_one_a_millionth_off_fails() -> None:
    loss = parse(RIDGE, **LOSS)
    assert check_gradient(loss, gradients=by_hand(1.0)).ok
    report = check_gradient(loss, gradients=by_hand(1 + 1e-6))
    assert not report.ok
    assert report.rows[0].error == pytest.approx(1e-6, rel=1e-3)
    assert "WRONG" in str(report)


def test_the_worst_entry_is_named() -> None:
    def one_wrong(d):                                                                            # type: ignore[no-untyped-def]
        g = by_hand(1.0)(d)["W"]
        g[2, 4] += 1
        return {"W": g}
    (row,) = check_gradient(parse(RIDGE, **LOSS), gradients=one_wrong).rows
    assert (row.worst, row.ok) == ("[2, 4]", False)


def test_parameters_are_checked_or_else_all_float_inputs() -> None:
    assert [r.tensor for r in check_gradient(parse(RIDGE, **LOSS)).rows] == ["W"]
    report = check_gradient(parse("sum(x*y[t])", x="n", y="c", t="n int<c"))
    assert ([r.tensor for r in report.rows], report.ok) == (["x", "y"], True)
    assert [r.tensor for r in check_gradient(parse(RIDGE, **LOSS), wrt=["X", "lam"]).rows] == ["X", "lam"]


def test_large_tensors_are_sampled_and_an_error_spread_out_is_found_by_directions() -> None:
    loss = parse("sum(x**2)", x="11 13")
    assert 11 * 13 > ALL_ENTRIES
    report = check_gradient(loss)
    assert report.ok
    assert report.rows[0].checked == f"{SAMPLED} of 143 and {DIRECTIONS} directions"

    def one_wrong(d):                                                                            # type: ignore[no-untyped-def]
        g = 2 * d["x"]
        g[10, 12] = np.nan
        return {"x": g}
    assert not check_gradient(loss, gradients=one_wrong).ok


def test_any_subgradient_is_right_at_a_kink_and_others_are_not() -> None:
    loss, data = parse("sum(abs(x))", x="n"), {"x": [0.0, 2.0, -3.0]}
    report = check_gradient(loss, data=data)
    assert (report.ok, report.rows[0].kinks) == (True, 1)
    assert check_gradient(loss, data=data, gradients=lambda d: {"x": np.array([-0.7, 1, -1])}).ok
    assert not check_gradient(loss, data=data, gradients=lambda d: {"x": np.array([1.2, 1, -1])}).ok


def test_data_suit_domains_subscripts_and_labels() -> None:
    for formula, dims in (("sum(log(x)) + sum(arcsin(x))", {"x": "n"}), ("sum(arccosh(x))", {"x": "n"}), ("sum(x[20:]*2)", {"x": "n"}),
                          ("sum(y[arange('n'), t])", {"y": "n c", "t": "n int"}), ("sum(where(m, x, 0))", {"x": "n", "m": "n bool"})):
        assert check_gradient(parse(formula, **dims)).ok, formula
    drawn = random_data(parse(RIDGE, **LOSS), np.random.default_rng(0))
    extents = {drawn["X"].shape, drawn["W"].shape}
    assert len({n for shape in extents for n in shape}) == 3


def test_the_report_repeats_and_depends_on_the_seed() -> None:
    loss = parse("sum(exp(x)*y)", x="n", y="n")
    assert str(check_gradient(loss, seed=3)) == str(check_gradient(loss, seed=3))
    assert check_gradient(loss, seed=3).value != check_gradient(loss, seed=4).value


def test_given_data_of_float32_are_checked_in_double() -> None:
    report = check_gradient(parse("sum(tanh(x)**3)", x="n"), data={"x": np.array([0.1, -0.7, 1.3], dtype=np.float32)})
    assert isinstance(report, Report)
    assert report.rows[0].error < 1e-12


def test_what_cannot_be_checked_says_so() -> None:
    with pytest.raises(DifferentiationError, match="no float input"):
        check_gradient(parse("sum(t)*1.0", t="n int"))
    with pytest.raises(DifferentiationError, match="not a scalar"):
        check_gradient(parse("x*2", x="n"))
    with pytest.raises(BindingError, match="missing: Y"):
        check_gradient(parse(RIDGE, **LOSS), data={"X": np.ones((2, 3)), "W": np.ones((3, 5)), "lam": 1.0})
    with pytest.raises(DifferentiationError, match="names no tensor"):
        check_gradient(parse("sum(x)", x="n"), wrt=[])
    x = gc.tensor("x", "n")
    y = x**2
    with pytest.raises(DifferentiationError, match="no input"):
        check_gradient(gc.sum(y), wrt=y)
