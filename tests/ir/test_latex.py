"""gc.latex: golden texts."""

import pytest

import graphc as gc
from graphc.ir.latex import latex_name
from graphc.printing import latex

X, Y, W, lam = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.scalar("lam")
x, labels = gc.tensor("x", "n"), gc.labels("t", "n", below="c")
y = X @ W
i, k = gc.indices("i k")
loss = gc.sum((y - Y)**2) + lam * gc.sum(abs(W))

GOLDEN = {
    r"\sum_{i,j} \left(\left(X W\right)_{i,j} - Y_{i,j}\right)^{2} + \lambda \sum_{i,j} \left|W_{i,j}\right|": loss,
    r"2 X^{\top} \left(X W - Y\right) + \lambda \mathrm{sign}\left(W\right)": gc.grad(loss, W),
    r"\frac{2}{c n} X^{\top} \left(X W - Y\right)": gc.grad(gc.mean((y - Y)**2), W),
    r"\frac{\sum_{i,j} X_{i,j}}{d n}": gc.mean(X),
    r"e^{-\frac{x^{2}}{2}}": gc.exp(-x**2 / 2),
    r"\frac{1}{\sqrt{x}}": x**-0.5,
    r"x^{\top} x": x @ x,
    r"X X^{\top}": X @ X.T,
    r"x \odot \sigma\left(-x\right)": x * gc.sigmoid(-x),
    r"\begin{cases} \ln\left(x\right) & x > 0 \wedge x \le 2 \\ 0 & \text{otherwise} \end{cases}": gc.where((x > 0) & (x <= 2), gc.log(x), 0),
    r"\operatorname{softmax}\left(X W\right)": gc.softmax(y),
    r"-\frac{\sum_{i} \operatorname{log\_softmax}\left(X W\right)_{i,t_{i}}}{n}": -gc.mean(gc.log_softmax(y)[gc.arange("n"), labels]),
    r"\left[\max_{j} \left(X W\right)_{i,j}\right]_{i}": gc.max(y, axis=1),
    r"\left\lfloor x \right\rfloor": gc.floor(x),
    r"\frac{2 e^{-x^{2}}}{\sqrt{\pi}}": gc.grad(gc.sum(gc.erf(x)), x),
    r"\sum_{j} 2 X_{i,j}": gc.Sum(2 * X[i, k], k),
    r"3 \cdot 10^{-7} x": x * 3e-7,
}


@pytest.mark.parametrize("text", GOLDEN)
def test_text(text):
    assert latex(GOLDEN[text]) == text


@pytest.mark.parametrize(("name", "text"), [
    ("X", "X"), ("lam", r"\lambda"), ("W_1", "W_{1}"), ("W1", "W_{1}"), ("W_bar", r"\bar{W}"), ("y_hat", r"\hat{y}"), ("theta_12", r"\theta_{12}"),
    ("loss", r"\mathrm{loss}"), ("σ", r"\sigma"), ("W_hat_2", r"\hat{W}_{2}"), ("alpha_max", r"\alpha_{\mathrm{max}}")])
def test_names(name, text):
    assert latex_name(name) == text


def test_braces_and_brackets_balance():
    """Long formulas too: every \\left has its \\right on the same line, every brace closes."""
    for tensor in (gc.grad(gc.losses.cross_entropy(y, labels), W), gc.losses.bce(gc.sigmoid(x), x), gc.hessian(gc.sum(gc.softplus(x)), x)):
        for line in latex(tensor).splitlines():
            assert line.count(r"\left") == line.count(r"\right")
            assert line.count("{") == line.count("}")
            assert line.count(r"\begin{cases}") == line.count(r"\end{cases}")


def test_a_notebook_shows_an_equation():
    assert y._repr_latex_() == r"$\displaystyle X W$"
    long = gc.grad(gc.losses.cross_entropy(y, labels), W)._repr_latex_()
    assert long.startswith(r"$\begin{aligned}") and long.endswith(r"\end{aligned}$")
