"""What one side of a choice alone reads is computed there."""

import numpy as np
import pytest

import graphc as gc

RNG = np.random.default_rng(5)


def worst_of_the_others(scale):
    """max over j != i of scale(S[i, j]), and its gradient, which reads the same values in another loop."""
    S, (i, j) = gc.param("S", "n n"), gc.indices("i j")
    return gc.Sum(gc.Max(gc.where(i != j, scale(S[i, j]), -1e30), j), i)


@pytest.mark.parametrize("scale", [lambda x: 0.25 * x, lambda x: x - 3, lambda x: -x, lambda x: x * x])
def test_values_and_gradients_stay(scale):
    L, given = worst_of_the_others(scale), {"S": RNG.normal(size=(7, 7))}
    value, grads = gc.compile(L)(**given)
    np.testing.assert_allclose(value, gc.evaluate(L, **given), rtol=1e-14)
    np.testing.assert_allclose(grads["S"], gc.evaluate(gc.grad(L, "S"), **given), rtol=1e-14)


def test_a_product_that_a_choice_alone_reads_is_in_it():
    source = gc.compile(worst_of_the_others(lambda x: 0.25 * x), wrt=()).source
    assert "= real(0.25)*S[i, j] if first + i != j else" in source


def test_what_is_read_twice_has_its_variable():
    x, c = gc.tensor("x", "n"), gc.tensor("c", "n")
    L = gc.sum(gc.where(c > 0, 3 * x, 0) * (3 * x))
    given = {"x": RNG.normal(size=11), "c": RNG.normal(size=11)}
    np.testing.assert_allclose(gc.compile(L)(**given), gc.evaluate(L, **given), rtol=1e-14)
