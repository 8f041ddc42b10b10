"""A small part of what `python -m tests.accuracy` measures; and that its figures are complete and within the bound, or explained."""

from __future__ import annotations

import functools
import json
import math

import numpy as np
import pytest
from accuracy import measure

MEASURED = json.loads(measure.FILE.read_text(encoding="utf-8"))
REPEATED = "log2 sin tan arctan sinh arcsinh cbrt power hypot arctan2".split()
compiled = functools.cache(measure.generated)


def test_every_function_was_measured():
    assert list(MEASURED) == measure.NAMES


@pytest.mark.parametrize("name", measure.NAMES)
def test_errors_above_the_bound_have_a_reason(name):
    worst = max(MEASURED[name][dtype]["jit"]["ulp"] for dtype in ("float32", "float64"))
    assert worst <= 2 or name in measure.REASONS


@pytest.mark.parametrize("name", REPEATED)
def test_the_error_is_as_measured(name, monkeypatch):
    monkeypatch.setattr(measure, "generated", compiled)
    for dtype in ("float32", "float64"):
        found, _ = measure.measure(name, dtype, 8000, 400, 1_000_003)
        assert found["jit"][0] <= MEASURED[name][dtype]["jit"]["ulp"] + 0.2


@pytest.mark.parametrize("name", REPEATED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values_are_those_of_numpy(name, dtype):
    values = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 1e30, -1e30, 1e-30, 1e-40, -1e-40, math.inf, -math.inf, math.nan]
    grid = np.meshgrid(*[np.array(values, dtype)] * measure.arity(name))
    arguments = [g.ravel() for g in grid]
    with np.errstate(all="ignore"):
        expected = measure.oracle(name)(*arguments)
    got = compiled(name, dtype)(*arguments)
    np.testing.assert_allclose(got, expected, 8 * float(np.finfo(dtype).eps))
    kept = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[kept]), np.signbit(expected[kept]))
