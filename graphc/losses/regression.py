r"""Losses of numbers against numbers: d = input - target.

    mse     d^2                      huber      d^2/2 where |d| < delta, else delta (|d| - delta/2)
    mae     |d|                      smooth_l1  huber / delta
    log_cosh  log cosh d             quantile   max(q (-d), (1 - q) d)
    poisson_nll, gaussian_nll        minus the log of a density
"""

from __future__ import annotations

import math
from typing import Any

from graphc.errors import DimError
from graphc.frontend.derivatives import stop_gradient
from graphc.frontend.elementwise import located, where
from graphc.frontend.functions import abs, exp, log, log1p, maximum, sinh
from graphc.frontend.reduce import sum
from graphc.frontend.tensor import Tensor, describe
from graphc.ir.access import same_size
from graphc.losses.common import number, pair, reduced, same_dims, targets

__all__ = ["mse", "mae", "huber", "smooth_l1", "log_cosh", "quantile", "poisson_nll", "gaussian_nll"]


def mse(input: Any, target: Any, reduction: str = "mean", weight: Any = None) -> Tensor:
    """Mean squared error: mean of (input - target)^2. With `weight`, of the input's dims: sum(weight * (input - target)^2) / sum(weight).

    As torch.nn.functional.mse_loss.

    >>> import graphc as gc
    >>> y = gc.tensor("y", "n")
    >>> float(gc.evaluate(gc.losses.mse(y, 1.0), y=[1.0, 3.0]))
    2.0
    """
    x, t = pair("mse", input, target)
    return _weighted("mse", (x - t)**2, weight, reduction)


def mae(input: Any, target: Any, reduction: str = "mean", weight: Any = None) -> Tensor:
    """Mean absolute error: mean of |input - target|, with the derivative 0 where they are equal. `weight` as in mse.

    As torch.nn.functional.l1_loss.

    >>> import graphc as gc
    >>> y = gc.tensor("y", "n")
    >>> float(gc.evaluate(gc.losses.mae(y, 1.0), y=[1.0, 3.0]))
    1.0
    """
    x, t = pair("mae", input, target)
    return _weighted("mae", abs(x - t), weight, reduction)


def _weighted(what: str, losses: Tensor, weight: Any, reduction: str) -> Tensor:
    if weight is None:
        return reduced(what, losses, reduction)
    w = targets(what, weight, "weight")
    same_dims(what, w, losses, "weight and losses")
    return sum(w * losses) / sum(w) if reduction == "mean" else reduced(what, w * losses, reduction)


def huber(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Tensor:
    """d^2 / 2 where |d| < delta, else delta * (|d| - delta/2), d = input - target; times `weight`, if given.

    As torch.nn.functional.huber_loss: the mean divides by the number of elements, not by the weights' sum. Huber, Robust estimation of
    a location parameter, Annals of Mathematical Statistics 35, 1964.

    >>> import graphc as gc
    >>> y = gc.tensor("y", "n")
    >>> gc.evaluate(gc.losses.huber(y, 0.0, reduction="none"), y=[0.5, 3.0]).tolist()
    [0.125, 2.5]
    """
    number("huber", "delta", delta, lambda v: v > 0, "> 0")
    x, t = pair("huber", input, target)
    d = x - t
    losses = where(abs(d) < delta, 0.5 * d**2, delta * (abs(d) - 0.5 * delta))
    if weight is not None:
        w = targets("huber", weight, "weight")
        same_dims("huber", w, losses, "weight and losses")
        losses = w * losses
    return reduced("huber", losses, reduction)


def smooth_l1(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 beta) where |d| < beta, else |d| - beta/2, d = input - target; mae for beta = 0.

    As torch.nn.functional.smooth_l1_loss. Girshick, Fast R-CNN, ICCV 2015.

    >>> import graphc as gc
    >>> y = gc.tensor("y", "n")
    >>> gc.evaluate(gc.losses.smooth_l1(y, 0.0, reduction="none", beta=2.0), y=[1.0, 3.0]).tolist()
    [0.25, 2.0]
    """
    number("smooth_l1", "beta", beta, lambda v: v >= 0, ">= 0")
    x, t = pair("smooth_l1", input, target)
    d = x - t
    losses = abs(d) if beta == 0 else where(abs(d) < beta, 0.5 * d**2 / beta, abs(d) - 0.5 * beta)
    return reduced("smooth_l1", losses, reduction)


def log_cosh(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """log(cosh(input - target)): d^2 / 2 near 0, |d| - log 2 far away, and smooth.

    In the form log1p(sinh(d)^2) / 2 near 0, |d| + log1p(exp(-2 |d|)) - log 2 elsewhere: no overflow, and no cancellation. Saleh and
    Saleh, Statistical properties of the log-cosh loss function, arXiv 2208.04564, 2022.

    >>> import graphc as gc
    >>> y = gc.tensor("y", "n")
    >>> float(gc.evaluate(gc.losses.log_cosh(y, 0.0), y=[0.0, 0.0]))
    0.0
    """
    x, t = pair("log_cosh", input, target)
    d = x - t
    far = abs(d) + log1p(exp(-2 * abs(d))) - math.log(2)
    return reduced("log_cosh", where(abs(d) < 1, 0.5 * log1p(sinh(d)**2), far), reduction)


def quantile(input: Any, target: Any, q: Any = 0.5, reduction: str = "mean") -> Tensor:
    """The pinball loss max(q * d, (q - 1) * d), d = target - input: least where `input` is the q-quantile of the target.

    `q` is a number in [0, 1], or a tensor of them that broadcasts. At d = 0 the derivative is the middle, (1 - 2 q) / 2.
    Koenker and Bassett, Regression quantiles, Econometrica 46, 1978. For q = 0.5 it is mae / 2; it is scikit-learn's mean_pinball_loss.

    >>> import graphc as gc
    >>> y = gc.tensor("y", "n")
    >>> gc.evaluate(gc.losses.quantile(y, 0.0, q=0.75, reduction="none"), y=[-1.0, 1.0]).tolist()
    [0.75, 0.25]
    """
    if not isinstance(q, Tensor | list | tuple):
        number("quantile", "q", q, lambda v: 0 <= v <= 1, "between 0 and 1")
    x, t = pair("quantile", input, target)
    level = targets("quantile", q, "q")
    return reduced("quantile", maximum(level * (t - x), (level - 1) * (t - x)), reduction)


def poisson_nll(input: Any, target: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> Tensor:
    """Counts: exp(input) - target * input where `input` is the log of the rate, else input - target * log(input + eps).

    `full` adds Stirling's log(target!) = t log t - t + log(2 pi t) / 2 where target > 1. As torch.nn.functional.poisson_nll_loss.

    >>> import graphc as gc
    >>> y = gc.tensor("y", "n")
    >>> float(gc.evaluate(gc.losses.poisson_nll(y, 3), y=[0.0, 0.0]))
    1.0
    """
    number("poisson_nll", "eps", eps, lambda v: v >= 0, ">= 0")
    x, t = pair("poisson_nll", input, target)
    losses = exp(x) - t * x if log_input else x - t * log(x + eps)
    if full:
        losses = losses + where(t > 1, t * log(t) - t + 0.5 * log(2 * math.pi * t), 0.0)
    return reduced("poisson_nll", losses, reduction)


def gaussian_nll(input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> Tensor:
    """(log v + (input - target)^2 / v) / 2 with v = max(var, eps); `full` adds log(2 pi) / 2.

    `var` has the input's dims, or lacks the last one, or has size 1 in its place, or is a number. As torch.nn.functional.gaussian_nll_loss,
    the derivative by var is taken at v, also where var < eps. Nix and Weigend, ICNN 1994.

    >>> import graphc as gc
    >>> y = gc.tensor("y", "n")
    >>> float(gc.evaluate(gc.losses.gaussian_nll(y, 0.0, 1.0), y=[1.0, 3.0]))
    2.5
    """
    number("gaussian_nll", "eps", eps, lambda v: v > 0, "> 0")
    x, t = pair("gaussian_nll", input, target)
    given = _variance(x, var)
    v = where(given < eps, eps + (given - stop_gradient(given)), given)
    losses = 0.5 * (log(v) + (x - t)**2 / v)
    return reduced("gaussian_nll", losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def _variance(x: Tensor, var: Any) -> Tensor:
    if not isinstance(var, Tensor):
        number("gaussian_nll", "var", var, lambda v: v >= 0, ">= 0")
    v = targets("gaussian_nll", var, "var")
    if v.ndim == 0:
        return v
    if v.ndim == x.ndim - 1 and all(map(same_size, v.sizes, x.sizes)):
        return v[..., None]
    if v.ndim != x.ndim or not all(a == 1 or same_size(a, b) for a, b in zip(v.sizes, x.sizes, strict=True)):
        raise located(DimError(f"gaussian_nll: var {describe(v)} must have the dims of the input {describe(x)}, or these without the last one, "
                               "or size 1 where it is shared"))
    return v
