"""The reference: values and gradients of formulas as written, against mpmath's own functions and closed forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import graphc as gc
from graphc.analysis.certificate.reference import Formula, Reference, gradient, unit, value
from graphc.errors import DifferentiationError
from graphc.frontend.text import parse

mp = mpmath.mp


def sigmoid(x: Any) -> Any:
    return 1 / (1 + gc.exp(-x))


def near(found: Any, expected: Any) -> bool:
    return bool(found == expected or abs(found - expected) <= mpmath.mpf("1e-20") * abs(expected))


# formula of x, x, its value and derivative in closed form
REGULAR: list[tuple[Callable[[Any], Any], float, Callable[[Any], Any], Callable[[Any], Any]]] = [
    (lambda x: 1 - sigmoid(x), 300.0, lambda x: 1 / (1 + mp.exp(x)), lambda x: -1 / (1 + mp.exp(x)) / (1 + mp.exp(-x))),
    (lambda x: 1 - sigmoid(x), 700.0, lambda x: 1 / (1 + mp.exp(x)), lambda x: -1 / (1 + mp.exp(x)) / (1 + mp.exp(-x))),
    (lambda x: gc.log(1 + gc.exp(x)), -500.0, lambda x: mp.exp(x), lambda x: mp.exp(x)),
    (lambda x: gc.log(1 + gc.exp(x)), 1e200, lambda x: x, lambda x: mpmath.mpf(1)),
    (lambda x: gc.sin(x) / x, 1e200, lambda x: mp.sin(x) / x, lambda x: (x * mp.cos(x) - mp.sin(x)) / x**2),
    (lambda x: gc.sin(x) / x, 1e-310, lambda x: mpmath.mpf(1), lambda x: -x / 3),
    (lambda x: (gc.exp(x) - 1) / x, 1e-9, lambda x: mp.expm1(x) / x, lambda x: (mp.exp(x) * x - mp.expm1(x)) / x**2),
    (lambda x: gc.exp(x) * gc.exp(-x), 800.0, lambda x: mpmath.mpf(1), lambda x: mpmath.mpf(0)),
    (lambda x: gc.erfc(x), 20.0, mp.erfc, lambda x: -2 * mp.exp(-x * x) / mp.sqrt(mp.pi)),
    (lambda x: gc.sqrt((x - 1)**2) - x + 3, 1e200, lambda x: mpmath.mpf(2), lambda x: mpmath.mpf(0)),
    (lambda x: (x - 1)**2, 1.0, lambda x: mpmath.mpf(0), lambda x: mpmath.mpf(0)),
]


@pytest.mark.parametrize("k", range(len(REGULAR)))
def test_as_many_digits_are_taken_as_are_needed(k: int) -> None:
    formula, at, exact, slope = REGULAR[k]
    x = gc.scalar("x")
    with mpmath.workdps(900):
        assert near(value(formula(x), {"x": at}), exact(mpmath.mpf(at)))
        assert near(gradient(formula(x), x, {"x": at}), slope(mpmath.mpf(at)))


# formula of x, x, kinds and ends of the answers for value and derivative
SINGULAR: dict[str, tuple[Callable[[Any], Any], float, tuple[str, float, float], tuple[str, float, float]]] = {
    "sin(x)/x": (lambda x: gc.sin(x) / x, 0.0, ("limit", 1, 1), ("limit", 0, 0)),
    "(1 - cos(x))/x^2": (lambda x: (1 - gc.cos(x)) / x**2, 0.0, ("limit", 0.5, 0.5), ("limit", 0, 0)),
    "x*log(x)": (lambda x: x * gc.log(x), 0.0, ("limit", 0, 0), ("infinite", -np.inf, -np.inf)),
    "x^1.5": (lambda x: x**1.5, 0.0, ("exact", 0, 0), ("limit", 0, 0)),
    "sqrt": (gc.sqrt, 0.0, ("exact", 0, 0), ("infinite", np.inf, np.inf)),
    "cbrt": (gc.cbrt, 0.0, ("exact", 0, 0), ("infinite", np.inf, np.inf)),
    "arccos": (gc.arccos, 1.0, ("exact", 0, 0), ("infinite", -np.inf, -np.inf)),
    "log": (gc.log, 0.0, ("infinite", -np.inf, -np.inf), ("infinite", np.inf, np.inf)),
    "log, outside": (gc.log, -1.0, ("undefined", np.nan, np.nan), ("undefined", np.nan, np.nan)),
    "1/x": (lambda x: 1 / x, 0.0, ("infinite", np.nan, np.nan), ("infinite", -np.inf, -np.inf)),
    "x/|x|": (lambda x: x / abs(x), 0.0, ("undefined", np.nan, np.nan), ("limit", 0, 0)),
    "abs": (abs, 0.0, ("exact", 0, 0), ("kink", -1, 1)),
    "relu(x - 3)": (lambda x: gc.relu(x - 3), 3.0, ("exact", 0, 0), ("kink", 0, 1)),
    "sqrt(x^2)": (lambda x: gc.sqrt(x**2), 0.0, ("exact", 0, 0), ("kink", -1, 1)),
    "relu(x) - relu(-x)": (lambda x: gc.relu(x) - gc.relu(-x), 0.0, ("exact", 0, 0), ("exact", 1, 1)),
    "sign": (gc.sign, 0.0, ("exact", 0, 0), ("limit", 0, 0)),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_kinks_limits_and_poles_are_told_apart(name: str) -> None:
    formula, at, *expected = SINGULAR[name]
    x = gc.scalar("x")
    node = formula(x).node
    reference = Reference(Formula(node), {x.node: np.asarray(at)}, {})                           # type: ignore[dict-item]
    for answer, (kind, low, high) in zip((reference.values[0], reference.slope({x.node: np.ones(())})), expected, strict=True):    # type: ignore[dict-item]
        assert answer.kind == kind
        np.testing.assert_allclose([float(answer.low), float(answer.high)], [low, high], rtol=1e-15)


def test_a_matrix_formula_has_the_gradient_of_its_closed_form() -> None:
    rng = np.random.default_rng(0)
    data = {"X": rng.normal(size=(2, 3)), "W": rng.normal(size=(3, 5)), "Y": rng.normal(size=(2, 5)), "lam": 0.5}
    loss = parse("sum((X@W - Y)**2) + lam*sum(W**2)", X="n d", W="d c param", Y="n c", lam="")
    g = gradient(loss, "W", data)
    by_hand = 2 * data["X"].T @ (data["X"] @ data["W"] - data["Y"]) + data["W"]
    np.testing.assert_allclose(g.astype(float), by_hand, rtol=1e-13)


def test_what_is_held_constant_has_no_derivative() -> None:
    x = gc.tensor("x", "n")
    assert list(map(float, gradient(gc.sum(gc.stop_gradient(x) * x), x, {"x": [0.0, 1.0, 3.0]}))) == [0, 1, 3]
    assert float(gradient(gc.logsumexp(x), x, {"x": [700.0, 0.0]})[0]) == 1.0


def test_infinite_data_are_data() -> None:
    x = gc.tensor("x", "n")
    loss, data = gc.log(gc.sum(gc.exp(x))), {"x": [-np.inf, 0.0, 1.0]}
    with mpmath.workdps(50):
        assert near(value(loss, data), mpmath.log1p(mpmath.e))
    np.testing.assert_allclose(gradient(loss, x, data).astype(float), [0, 0.2689414213699951, 0.7310585786300049], rtol=1e-15)


def test_exponentials_of_exponentials_end() -> None:
    x = gc.scalar("x")
    assert near(value(gc.log(gc.log(gc.exp(gc.exp(x)))), {"x": 700.0}), mpmath.mpf(700))
    assert value(gc.tanh(gc.exp(x)), {"x": 1e200}) == 1
    assert float(mp.log(value(gc.erfc(x), {"x": 1e200})) / mpmath.mpf(1e200)**2) == -1


def test_only_scalars_have_gradients_and_only_by_inputs() -> None:
    x = gc.tensor("x", "n")
    y = x**2
    for formula, wrt in ((y, x), (gc.sum(y), y)):
        with pytest.raises(DifferentiationError, match="must be a scalar"):
            gradient(formula, wrt, {"x": [1.0]})
    assert unit((2, 3), 4).tolist() == [[0, 0, 0], [0, 1, 0]]


def test_a_tiny_number_beside_one_is_not_lost_in_two_precisions_that_agree():
    x = gc.param("x", "n")
    assert float(value(gc.sum((gc.exp(x) - 1) / x), {"x": np.array([-0.5, -2e-308])})) == pytest.approx(float(np.expm1(-0.5) / -0.5) + 1, rel=1e-15)
