"""gc.kinks against one-sided limits by mpmath; the subgradients that a user chooses against the definition, torch and JAX."""

import mpmath
import numpy as np
import pytest

import graphc as gc
from graphc.ir.interpret import interpret
from graphc.ir.walk import inputs_of
from graphc.scalar.table import ROWS

s, x, y = gc.scalar("s"), gc.tensor("x", "n"), gc.tensor("y", "n")
X, Y, W, lam = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.scalar("lam")
r = X @ W - Y

# --- one variable: where a row says a kink is, the limits from both sides say the same ------------------------------------------------
ONE = {
    "relu": (lambda: gc.relu(s - 2), [(2, "kink", "0")]),
    "abs": (lambda: abs(s + 1) * 3, [(-1, "kink", "0")]),
    "sqrt": (lambda: gc.sqrt(s), [(0, "singular", "inf")]),
    "cbrt": (lambda: gc.cbrt(s), [(0, "singular", "inf")]),
    "power below 1": (lambda: s**0.3, [(0, "singular", "inf")]),
    "arcsin": (lambda: gc.arcsin(s), [(1, "singular", "inf")]),
    "sign": (lambda: gc.sign(s - 3), [(3, "jump", "0, as between the steps")]),
    "floor": (lambda: gc.floor(s), [(5, "jump", "0, as between the steps")]),
    "round": (lambda: gc.round(s), [(2.5, "jump", "0, as between the steps")]),
    "a comparison as a number": (lambda: (s > 2) * gc.exp(s), [(2, "jump", "0")]),
    "maximum": (lambda: gc.maximum(s, 2 - s), [(1, "kink", "1/2 each")]),
    "clip": (lambda: gc.clip(s, -1, 2), [(2, "kink", "1"), (-1, "kink", "1")]),
    "leaky_relu": (lambda: gc.leaky_relu(s), [(0, "kink", "0.01")]),
    "elu": (lambda: gc.elu(s, 2.0), [(0, "kink", "2")]),
    "a selection that jumps": (lambda: gc.where(s > 1, s**2, s + 1), [(1, "jump", "1")]),
    "a selection that bends": (lambda: gc.where(s >= 1, s**2, s), [(1, "kink", "2")]),
    "a selection from an infinite side": (lambda: gc.where(s > 0, gc.log(s), 0), [(0, "jump", "0")]),
    "huber with a wrong constant": (lambda: gc.where(abs(s) <= 1, s**2 / 2, abs(s) - 0.4), [(1, "jump", "of the first branch"), (-1, "jump", "of the first branch")]),
    "under a selection": (lambda: gc.where(s > -3, abs(s), 3), [(-3, "kink", "0"), (0, "kink", "0")]),
}


def one_sided(formula, at):
    """(value, derivative) a little to the left and to the right."""
    nodes = [formula.node, gc.grad(formula, s).node]
    sides = []
    with mpmath.workdps(40):
        for h in (mpmath.mpf("-1e-25"), mpmath.mpf("1e-25")):
            values = interpret(nodes, dict.fromkeys(inputs_of(nodes), np.array(at + h, dtype=object)), {}, digits=40)
            sides.append([values[n].item() for n in nodes])
    return sides


def kind_of(formula, at):
    (a, da), (b, db) = one_sided(formula, at)
    differ = lambda p, q: not (mpmath.isfinite(p) and mpmath.isfinite(q)) or abs(p - q) > 1e-5
    if any(mpmath.isfinite(v) and abs(v) > 1e6 for v in (da, db)):
        return "singular" if not (mpmath.isfinite(a) and mpmath.isfinite(b)) or abs(a - b) < 1e-5 else "jump"
    return "jump" if differ(a, b) else "kink" if differ(da, db) else ""


@pytest.mark.parametrize("name", ONE)
def test_one_sided_limits_agree(name):
    build, expected = ONE[name]
    formula = build()
    assert formula.node.dtype == "float"
    found = {(k.kind, k.chosen) for k in gc.kinks(formula)}
    assert found == {(kind, chosen) for _, kind, chosen in expected}
    assert all(k.certain for k in gc.kinks(formula))
    for at, kind, _ in expected:
        assert kind_of(formula, at) == kind, at


SMOOTH = {
    "huber": (lambda: gc.losses.huber(s, 0.0, delta=1.35), [1.35, -1.35, 0]),
    "huber by hand": (lambda: gc.where(abs(s) <= 1, s**2 / 2, abs(s) - 0.5), [1, -1, 0]),
    "smooth_l1": (lambda: gc.losses.smooth_l1(s, 0.0), [1, -1, 0]),
    "log_cosh": (lambda: gc.losses.log_cosh(s, 0.0), [1, -1, 0]),
    "elu": (lambda: gc.elu(s), [0]),
    "squared relu": (lambda: gc.relu(s)**2, [0]),
    "cubed abs": (lambda: abs(s)**3, [0]),
    "power above 1": (lambda: s**1.5 + s**2, [1]),
    "never 0": (lambda: gc.sqrt(s**2 + 1e-3) + abs(gc.exp(s) + 1), [0]),
    "stopped": (lambda: s * gc.stop_gradient(abs(s)), [1]),
    "not on this side": (lambda: gc.where(s > 1, gc.sqrt(s), s / 2 + 0.5), [1, 0]),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_everywhere(name):
    build, points = SMOOTH[name]
    assert str(gc.kinks(build())) == "smooth everywhere" and len(gc.kinks(build())) == 0
    for at in points:
        assert kind_of(build(), at) == ""


# --- sets, lines, parameters ----------------------------------------------------------------------------------------------------------
SETS = {
    "lasso": (lambda: gc.sum(r**2) + lam * gc.sum(abs(W)), ["W == 0"]),
    "mae": (lambda: gc.losses.mae(X @ W, Y), ["X@W - Y == 0"]),
    "relu": (lambda: gc.losses.cross_entropy(gc.relu(X @ W), gc.labels("t", "n", below="c")), ["X@W == 0"]),
    "max": (lambda: gc.sum(gc.max(r, axis=1)), ['ties of max(X@W - Y, axis="c")']),
    "norm": (lambda: gc.sum(gc.norm(W, axis=0)), ['norm(W, axis="d") == 0']),
    "squared norm": (lambda: gc.norm(W)**2, []),
    "std": (lambda: gc.std(W), ["std(W) == 0"]),
    "batch norm": (lambda: gc.sum((W - gc.mean(W, axis=0)) / gc.sqrt(gc.var(W, axis=0) + 1e-5)), []),
    "softmax": (lambda: gc.sum(gc.softmax(X @ W)**2 + gc.logsumexp(X @ W, axis=1, keepdims=True)), []),
    "data only": (lambda: gc.sum((abs(X) @ W)**2), []),
    "hypot": (lambda: gc.sum(gc.hypot(W, 2 * W)), ["(W == 0) & (2*W == 0)"]),
    "xlogy": (lambda: gc.sum(gc.xlogy(W, W)), ["W == 0", "(W == 0) & (W == 0)"]),
    "mean of hits": (lambda: gc.mean(X @ W > Y), ["X@W == Y"]),
}


@pytest.mark.parametrize("name", SETS)
def test_sets(name):
    build, expected = SETS[name]
    found = gc.kinks(build())
    assert [k.at for k in found] == expected
    assert all(k.origin.file == __file__ for k in found if name != "mae")


C, T, V, U = gc.param("C", "n c"), gc.labels("t", "n", below="c"), gc.param("V", "n c"), gc.tensor("U", "n c")
SMOOTH_LOSSES = {
    "cross_entropy": lambda: gc.losses.cross_entropy(C, T), "smoothed": lambda: gc.losses.cross_entropy(C, T, label_smoothing=0.1), "ignoring": lambda: gc.losses.cross_entropy(C, T, ignore_index=2),
    "weighted": lambda: gc.losses.cross_entropy(C, T, weight=gc.tensor("w", "c")), "probabilities": lambda: gc.losses.cross_entropy(C, U), "nll": lambda: gc.losses.nll(C, T),
    "kl_div": lambda: gc.losses.kl_div(C, U), "log kl_div": lambda: gc.losses.kl_div(C, U, log_target=True), "bce_with_logits": lambda: gc.losses.bce_with_logits(C, U),
    "focal": lambda: gc.losses.focal(C, U), "squared_hinge": lambda: gc.losses.squared_hinge(C, U), "soft_margin": lambda: gc.losses.soft_margin(C, U), "mse": lambda: gc.losses.mse(C, U),
    "huber": lambda: gc.losses.huber(C, U), "smooth_l1": lambda: gc.losses.smooth_l1(C, U), "log_cosh": lambda: gc.losses.log_cosh(C, U), "poisson_nll": lambda: gc.losses.poisson_nll(C, U),
    "gaussian_nll": lambda: gc.losses.gaussian_nll(C, U, V), "softmax": lambda: gc.sum(gc.softmax(C)**2), "log_softmax": lambda: gc.sum(gc.log_softmax(C) * U), "logsumexp": lambda: gc.sum(gc.logsumexp(C, 1)),
}
ROUGH_LOSSES = {
    "mae": (lambda: gc.losses.mae(C, U), 1), "hinge": (lambda: gc.losses.hinge(C, U), 1), "quantile": (lambda: gc.losses.quantile(C, U), 1), "bce": (lambda: gc.losses.bce(C, U), 4),
    "multi_margin": (lambda: gc.losses.multi_margin(C, T), 1), "hinge_embedding": (lambda: gc.losses.hinge_embedding(C, U), 2), "triplet_margin": (lambda: gc.losses.triplet_margin(C, V, U), 3),
}


@pytest.mark.parametrize("name", SMOOTH_LOSSES)
def test_smooth_losses(name):
    """What softmax holds constant, its maximum and how many attain it, is no kink."""
    assert str(gc.kinks(SMOOTH_LOSSES[name]())) == "smooth everywhere"


@pytest.mark.parametrize("name", ROUGH_LOSSES)
def test_rough_losses(name):
    build, sets = ROUGH_LOSSES[name]
    assert len(gc.kinks(build())) == sets


def test_an_argument_held_constant_is_not_looked_at_and_a_count_of_ties_is():
    m = gc.max(x, keepdims=True)
    assert [k.kind for k in gc.kinks(gc.sum(gc.where(x == gc.stop_gradient(m), 1.0, 0.0)))] == ["jump"]


def test_rows_and_table():
    L = gc.sum(gc.relu(X @ W)) + gc.sum(abs(W))
    first, second = gc.kinks(L)
    assert (first.function, first.kind, first.choice, first.origin.line) == ("relu", "kink", "at_zero in [0, 1]", second.origin.line)
    lines = str(gc.kinks(L)).splitlines()
    assert lines[0].split()[:2] == ["set", "function"] and lines[1].startswith("X@W == 0") and lines[1].endswith(f"{__file__}:{first.origin.line}")
    assert [k.at for k in gc.kinks(gc.sum(abs(X) @ W), wrt=X)] == ["X == 0"]


def test_a_gradient_has_jumps_where_the_loss_has_kinks():
    E, t = gc.param("E", "c d"), gc.labels("t", "n", below="c")
    L = gc.sum(gc.relu(E[t])) + gc.sum(abs(E))
    assert [k.kind for k in gc.kinks(L)] == ["kink", "kink"]
    assert sorted((k.at, k.function, k.kind) for k in gc.kinks(gc.grad(L, E))) == [
        ("E == 0", "sign", "jump"), ("array(E[t[i],j] == 0, (i, j))", "where", "jump")]


def test_not_certain():
    """The second branch is another tensor's: what it is on the boundary the formula does not say."""
    found = gc.kinks(gc.sum(gc.where(gc.sum(x) > 0, x, gc.mean(x) * x)))
    assert [(k.certain, k.what) for k in found] == [(False, "may be a kink or a jump")]
    assert gc.kinks(gc.where(s == 0, 1, gc.sin(s) / s))[0].what == "may be a convention"


def test_every_kink_of_the_table_is_found():
    for name, row in ROWS.items():
        if row.kinks and hasattr(gc, name):
            args = (x, y)[:row.arity]
            assert [k.kind for k in gc.kinks(gc.sum(getattr(gc, name)(*args)))] == [k.kind for k in row.kinks], name


# --- choices --------------------------------------------------------------------------------------------------------------------------
CHOICES = {
    "relu(x, at_zero=0.5)": (lambda: gc.relu(x, at_zero=0.5), 0.5),
    "abs(x, at_zero=-0.25)": (lambda: gc.abs(x, at_zero=-0.25), -0.25),
    "maximum(x, 0, at_tie=0.75)": (lambda: gc.maximum(x, 0, at_tie=0.75), 0.75),
    "minimum(0, x, at_tie=0.25)": (lambda: gc.minimum(0, x, at_tie=0.25), 0.75),
    "leaky_relu(x, 0.1, at_zero=0.3)": (lambda: gc.leaky_relu(x, 0.1, at_zero=0.3), 0.3),
    "elu(x, 2, at_zero=1.5)": (lambda: gc.elu(x, 2.0, at_zero=1.5), 1.5),
    "selu": (lambda: gc.selu(x, at_zero=1.25), 1.25),
    "clip(x, -2, 0, at_bound=0.125)": (lambda: gc.clip(x, -2, 0, at_bound=0.125), 0.125),
    "norm": (lambda: gc.norm(x, ord=1, at_zero=0.5), 0.5),
}
PLAIN = {"relu(x, at_zero=0.5)": lambda: gc.relu(x), "abs(x, at_zero=-0.25)": lambda: abs(x), "elu(x, 2, at_zero=1.5)": lambda: gc.elu(x, 2.0)}
AT = np.array([0.0, 1.0, -1.0, 3.0, -3.0])


@pytest.mark.parametrize("name", CHOICES)
def test_a_chosen_subgradient(name):
    """At 0 the chosen number, elsewhere the derivative; in the text, in the text read back, compiled, and at second order: (c x)^2'' = 2 c^2."""
    build, c = CHOICES[name]
    formula = build()
    text = gc.formula(formula)
    assert "(" not in name or text == name
    for f in (formula, gc.parse(text, x=x)):
        square = gc.sum(f**2 + f)
        wanted = [gc.grad(gc.sum(f), x), gc.hessian(square, x) if name != "norm" else gc.grad(square, x)]
        given = [{"x": AT} if inputs_of([t.node]) else {"n": len(AT)} for t in wanted]
        g, h = (gc.evaluate(t, **d) for t, d in zip(wanted, given, strict=True))
        assert g[0] == pytest.approx(c, rel=1e-15)
        for n, at in enumerate(AT[1:], 1):
            assert g[n] == pytest.approx(float(mpmath.diff(lambda v, n=n: gc.evaluate(gc.sum(f), x=np.where(np.arange(5) == n, float(v), AT)), at, h=1e-6)), rel=1e-5)
        if name != "norm":
            assert h[0, 0] == pytest.approx(2 * c * c, rel=1e-14)
    if name.split("(")[0] in ("relu", "minimum", "clip"):
        for v, w in zip(gc.compile(wanted)(x=AT), (g, h), strict=True):
            np.testing.assert_allclose(v, w, rtol=1e-14)


@pytest.mark.parametrize("name", PLAIN)
def test_the_value_costs_nothing(name):
    """The kernel of the value is that of the plain function."""
    body = lambda t: gc.compile(gc.sum(t.named("f")), wrt=()).source.split('"""')[4]
    assert body(CHOICES[name][0]()) == body(PLAIN[name]())


def test_the_first_of_the_ties():
    values = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 0.0]])
    for axis, expected in ((1, [[0, 1, 0], [1, 0, 0]]), (0, [[0, 1, 1], [1, 0, 0]]), (None, [[0, 1, 0], [0, 0, 0]])):
        L = gc.sum(gc.max(X, axis=axis, ties="first"))
        for f in (L, gc.sum(-gc.min(-X, axis=axis, ties="first")), gc.parse(gc.formula(L), X=X)):
            np.testing.assert_array_equal(gc.evaluate(gc.grad(f, X), X=values), expected)
        np.testing.assert_array_equal(gc.compile(gc.grad(L, X))(X=values), expected)
        H = gc.evaluate(gc.hessian(L**2, X), X=values)
        np.testing.assert_array_equal(H, 2 * np.multiply.outer(expected, expected))
    assert "argmax" not in gc.compile(gc.sum(gc.max(X, axis=1, ties="first"))).source.split('"""', 2)[2]


def test_the_choice_is_listed():
    L = gc.sum(gc.relu(x, at_zero=0.5) + gc.maximum(x, y, at_tie=0.25) + gc.leaky_relu(x, at_zero=0.5) + gc.clip(x, -1, 2, at_bound=0))
    assert [k.chosen for k in gc.kinks(L)] == ["0.5", "0.25", "0.5", "0", "0"] and all(k.certain for k in gc.kinks(L))
    assert gc.kinks(gc.max(x, ties="first"))[0].chosen == "1 for the first"


@pytest.mark.parametrize("wrong, words", [
    (lambda: gc.relu(x, at_zero=2), ["relu", "at_zero=2", "[0, 1]"]),
    (lambda: gc.abs(x, at_zero=float("nan")), ["abs", "[-1, 1]"]),
    (lambda: gc.maximum(x, y, at_tie=-0.5), ["maximum", "[0, 1]"]),
    (lambda: gc.leaky_relu(x, 0.25, at_zero=0.125), ["leaky_relu", "[0.25, 1]"]),
    (lambda: gc.elu(x, at_zero=0.5), ["elu", "[1, 1]"]),
    (lambda: gc.clip(x, 0, 1, at_bound=2), ["clip", "[0, 1]"]),
    (lambda: gc.norm(x, at_zero=0.5), ["norm", "[0, 0]"]),
    (lambda: gc.relu(x, at_tie=0.5), ["relu has no keyword at_tie", "at_zero="]),
    (lambda: gc.exp(x, at_zero=0), ["exp has no keyword at_zero"]),
    (lambda: gc.relu(x, at_zero=y), ["a number"]),
    (lambda: gc.max(x, ties="last"), ["'share' or 'first'"]),
    (lambda: gc.parse("relu(x, at_zero=2)", x="n"), ["[0, 1]", "^"]),
])
def test_refused(wrong, words):
    with pytest.raises(gc.FormulaError) as caught:
        wrong()
    for word in words:
        assert word in str(caught.value)


# --- what others choose -----------------------------------------------------------------------------------------------------------------
def test_as_torch():
    torch = pytest.importorskip("torch")

    def theirs(f, *values):
        tensors = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values]
        f(*tensors).sum().backward()
        return [t.grad.numpy() for t in tensors]

    def ours(f, *values):
        tensors = (x, y)[:len(values)]
        L = gc.sum(f(*tensors))
        return gc.evaluate([gc.grad(L, t) for t in tensors], **{t.name: np.array(v) for t, v in zip(tensors, values, strict=True)})
    ties = ([1.0, 3.0, 3.0],)
    for mine, yours, values in [
        (lambda a: gc.relu(a), torch.relu, ([0.0, 1.0],)), (lambda a: abs(a) + 0 * a, torch.abs, ([0.0, -2.0],)),
        (lambda a: gc.max(a), torch.amax, ties), (lambda a: gc.max(a, ties="first"), lambda a: torch.max(a, 0)[0], ties),
        (lambda a: gc.clip(a, -1, 2) + 0 * a, lambda a: torch.clamp(a, -1, 2), ([-1.0, 2.0, 0.0, 5.0],)),
        (lambda a: gc.leaky_relu(a), torch.nn.functional.leaky_relu, ([0.0, 1.0, -1.0],)),
        (lambda a, b: gc.maximum(a, b), torch.maximum, ([1.0, 2.0], [1.0, 0.0])),
    ]:
        for a, b in zip(ours(mine, *values), theirs(yours, *values), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-15)


def test_as_jax():
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    assert [float(g) for g in jax.grad(jnp.maximum, argnums=(0, 1))(1.0, 1.0)] == [0.5, 0.5]
    assert float(jax.grad(jax.nn.relu)(0.0)) == 0.0
    np.testing.assert_array_equal(jax.grad(jnp.max)(jnp.array([1.0, 3.0, 3.0])), [0, 0.5, 0.5])
    assert float(jax.grad(jnp.abs)(0.0)) == 1.0                                  # ours is 0
    np.testing.assert_array_equal(gc.evaluate(gc.grad(gc.sum(gc.abs(x, at_zero=1)), x), x=np.zeros(1)), [1.0])
