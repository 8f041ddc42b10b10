"""gc.formula and gc.latex: tensors as the mathematics that they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.frontend.elementwise import as_tensor
from graphc.frontend.index import settle
from graphc.ir.formula import formula_of
from graphc.ir.latex import latex_of

__all__ = ["formula", "latex"]


def formula(what: Any) -> Any:
    """A tensor as the text that a user would write; a list or dict of tensors as a list or dict of texts.

    Where the text is one expression, `gc.parse` reads it back. What is long has the parts that it repeats on lines of their own
    first. An extent is written as its dim's name: `sum(x)/n`. The shift of a stable logsumexp is written as the maximum. A
    Program gives the formulas of its outputs.

    >>> import graphc as gc
    >>> X, Y, W, lam = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.scalar("lam")
    >>> L = gc.sum((X @ W - Y)**2) + lam * gc.sum(abs(W))
    >>> gc.formula({"loss": L, "gradient": gc.grad(L, W)})
    {'loss': 'sum((X@W - Y)**2) + lam*sum(abs(W))', 'gradient': '2*X.T @ (X@W - Y) + lam*sign(W)'}
    """
    return _each(what, formula_of)


def latex(what: Any) -> Any:
    r"""A tensor in LaTeX, without dollar signs; a list or dict of tensors as a list or dict of texts.

    >>> import graphc as gc
    >>> X, W = gc.tensor("X", "n d"), gc.param("W", "d c")
    >>> print(gc.latex(gc.exp(X @ W) / 2))
    \frac{e^{X W}}{2}
    """
    return _each(what, latex_of)


def _each(what: Any, text: Callable[..., str]) -> Any:
    if isinstance(what, dict):
        return {k: _each(v, text) for k, v in what.items()}
    if isinstance(what, list | tuple):
        return [_each(v, text) for v in what]
    if hasattr(what, "outputs"):
        return _each(what.outputs, text)
    t = settle(as_tensor(what))
    return text(t.node, letters=t.free)
