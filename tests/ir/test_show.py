"""Graphs as lines of index notation, and the names of nodes."""

import graphc as gc
from graphc.ir.names import identifier, names_of
from graphc.ir.show import meaning_of, show
from graphc.ir.walk import topological

X, Y, W, lam = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.scalar("lam")


def names(*tensors, **options):
    order = topological([t.node for t in tensors])
    return names_of(order, **options)


def test_demo():
    r = X @ W - Y
    L = gc.sum(r**2) + lam * gc.sum(abs(W))
    assert show([L.node, gc.grad(L, W).node]).splitlines() == [
        "X: float[n, d] data",
        "W: float[d, c] parameter",
        "Y: float[n, c] data",
        "lam: float data",
        "XW[n,c] = sum over d of X[n,d]*W[d,c]",
        "r[n,c] = XW[n,c] - Y[n,c]",
        "square_r[n,c] = r[n,c]**2",
        "sum_square_r = sum over n, c of square_r[n,c]",
        "abs_W[d,c] = abs(W[d,c])",
        "sum_abs_W = sum over d, c of abs_W[d,c]",
        "product = lam*sum_abs_W",
        "L = sum_square_r + product",
        *show([L.node, gc.grad(L, W).node]).splitlines()[12:]]
    assert show([L.node, gc.grad(L, W).node]).splitlines()[-1].startswith("W_bar[d,c] = ")


def test_indices_keep_clear_of_tensors_extents_and_each_other():
    n = gc.tensor("n", "n")
    gram = X @ X.T
    scaled = X[:, 0] / gc.size("n")
    shifted = gc.cumsum(n)
    lines = show([gram.node, scaled.node, shifted.node]).splitlines()
    assert "gram[i,j] = sum over d of X[i,d]*X[j,d]" in lines
    assert "scaled[i] = X[i,0]/n" in lines
    assert lines[-1] == "shifted[i] = sum over j of where(j <= i, n[j], 0)"


def test_gathers_and_scatters():
    E, words = gc.param("E", "v d"), gc.labels("w", "n", below="v")
    loss = gc.sum((E[words] - X)**2)
    lines = show([loss.node, gc.grad(loss, E).node]).splitlines()
    assert lines[:3] == ["E: float[v, d] parameter", "w: int[n] data below v", "X: float[n, d] data"]
    assert any(line.startswith("E_bar[w[n],d] += ") and line.endswith(" for n, d") for line in lines)


def test_every_node_has_a_line_and_one_name():
    L = gc.losses.cross_entropy(X @ W, gc.labels("t", "n", below="c"))
    order = topological([L.node, gc.grad(L, W).node])
    given = names_of(order)
    assert len(set(given.values())) == len(order)
    assert all(v.isidentifier() and v.isascii() for v in given.values())
    lines = meaning_of(order, given)
    assert [line.split("[")[0].split(" ")[0].rstrip(":") for line in lines.values()] == list(given.values())


def test_the_users_line_names_the_last_operation():
    logits = X @ W + gc.param("b", "c")
    probabilities: gc.Tensor = gc.softmax(logits)
    found = names(probabilities)
    assert found[logits.node] == "logits" and found[probabilities.node] == "probabilities"


def test_a_derivative_does_not_take_the_name_of_what_it_leaves_out():
    L = gc.sum(gc.log(1 + X @ W))
    assert "L" not in names(gc.grad(L, W)).values()


def test_reserved_preferred_and_clashing_names():
    exp = gc.exp(X)
    d = exp + 1
    found = names(d, reserved={"exp", "math"}, preferred={d.node: "math"})
    assert found[exp.node] == "exp_2" and found[d.node] == "math_2"
    d = gc.exp(X)
    assert names(d)[d.node] == "d_2"            # d is a dim


def test_named_tensors_and_cotangents():
    h = gc.tanh(X @ W).named("hidden")
    found = names(gc.grad(gc.sum(h**2), W))
    assert "hidden" in found.values() and "W_bar" in found.values()


def test_identifiers():
    assert [identifier(n) for n in ("λ", "Ω_1", "naïve", "class", "x y", "1st", "日")] == \
        ["lam", "Omega_1", "naive", "class_", "x_y", "v1st", "_"]


def test_deterministic():
    def build():
        t = gc.labels("t", "n", below="c")
        L = gc.losses.cross_entropy(X @ W, t)
        return show([L.node, gc.grad(L, W).node])
    assert build() == build()
