"""A small part of what `python -m tests.accuracy` measures; and that its figures are complete and within the bound, or explained."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from accuracy import measure, references
from accuracy.cases import CASES, NAMES, generated
from accuracy.samples import samples

from graphc.scalar.table import ROWS

MEASURED = json.loads(measure.FILE.read_text(encoding="utf-8"))
BOTH = ("float32", "float64")
# what is compiled here: those that no other test compiles, and whose errors are nearest to the bound
REPEATED = "sin arctan2 cbrt power over_hypot sech logcosh log_product3 exp_difference digamma powi8".split()
# what has no error to measure: chosen, stored or copied
EXACT = {"where", "stop_gradient", "at_kink", "grouped", "binade"}


def test_every_function_that_kernels_call_was_measured():
    assert {case.row or name for name, case in CASES.items()} - {"powi"} == {r.name for r in ROWS.values() if r.result != "bool" and r.definition is None} - EXACT
    assert list(MEASURED) == NAMES
    assert all(set(found) == {"within", "reason", *(f"{d} {k}" for d in BOTH for k in ("jit", "numpy"))} for found in MEASURED.values())


@pytest.mark.parametrize("name", NAMES)
def test_errors_above_the_bound_have_a_reason(name):
    assert max(MEASURED[name][f"{dtype} {kind}"]["ulp"] for dtype in BOTH for kind in ("jit", "numpy")) <= 2 or MEASURED[name]["reason"]
    assert max(MEASURED[name][f"{dtype} jit"]["ulp"] for dtype in BOTH) <= 2 or name in measure.REASONS


def test_no_reason_is_left_over():
    assert {n for n in measure.REASONS if max(MEASURED[n][f"{d} jit"]["ulp"] for d in BOTH) <= 2} == set()


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("name", REPEATED)
def test_errors_are_as_measured(name, dtype):
    """At the worst arguments that were found, and at some of the samples."""
    found = MEASURED[name][f"{dtype} jit"]
    worst = tuple(np.array([x], dtype) for x in found["at"])
    some = references.known(name, samples(name, 4000, dtype), 400)
    arguments = tuple(map(np.concatenate, zip(worst, some, strict=True)))
    error, _ = measure.greatest(generated(name, dtype), references.exactly(name, arguments), arguments, dtype)
    assert error <= found["ulp"] + 0.2 or name in measure.REASONS
    assert measure.greatest(generated(name, dtype), references.exactly(name, worst), worst, dtype)[0] <= found["ulp"] + 2e-3


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("name", REPEATED)
def test_special_values_are_those_of_the_oracle(name, dtype):
    measure.check_special_values(name, dtype)


@pytest.mark.parametrize("name", sorted(measure.SYMMETRIC & set(REPEATED)))
def test_functions_measured_from_zero_on_are_odd_or_even(name):
    x = samples(name, 100_000, "float32")[0]
    ahead, back = (np.abs(generated(name, "float32")(v)) for v in (x, -x))
    np.testing.assert_array_equal(ahead, back)


def test_the_compiled_measure_of_an_error_is_that_of_numpy():
    rng = np.random.default_rng(5)
    reference = np.concatenate([rng.integers(0, 2**63, 4000).view(np.float64), 2.0**rng.uniform(-160, 130, 4000), [0.0, math.inf, math.nan, 2.0**128, 3.4028235677973366e38]])
    reference = np.concatenate([reference, -reference])
    with np.errstate(all="ignore"):
        close = (reference * (1 + rng.integers(-9, 10, len(reference)) * 2.0**-24)).astype(np.float32)
        values = np.concatenate([close, rng.permutation(close), np.full(len(close), np.nan, np.float32)])
    for k, (c, r) in enumerate(zip(values, np.tile(reference, 3), strict=True)):
        c, r = np.array([c]), np.array([r])
        if k % 40 == 0 or not np.isfinite(r[0]):
            assert measure.units32(c, r)[0] == measure.units(c, r, "float32")[0]
