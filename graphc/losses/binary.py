r"""Losses of yes or no: target t in {0, 1} or a probability, s(x) = 1 / (1 + exp(-x)); and margins with target +1 or -1.

    bce               -t log p - (1 - t) log(1 - p)           hinge           max(0, 1 - t x)
    bce_with_logits   the same at p = s(x)                    squared_hinge   max(0, 1 - t x)^2
    focal             (1 - p_t)^gamma * bce_with_logits       soft_margin     log(1 + exp(-t x))
"""

from __future__ import annotations

from typing import Any

from graphc.frontend.derivatives import stop_gradient
from graphc.frontend.elementwise import where
from graphc.frontend.functions import log, log1p, maximum, relu, sigmoid, softplus
from graphc.frontend.tensor import Tensor
from graphc.losses.common import number, pair, reduced, targets

__all__ = ["bce", "bce_with_logits", "focal", "hinge", "squared_hinge", "soft_margin"]


def bce(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Tensor:
    """-(t log p + (1 - t) log(1 - p)) with logs of at least -100, for probabilities p = input; times `weight`, which broadcasts.

    As torch.nn.functional.binary_cross_entropy: the derivative by p is (p - t) / max(p (1 - p), 1e-12). From logits, bce_with_logits is
    exact and cheaper. NaN where p is outside [0, 1].

    >>> import graphc as gc
    >>> p = gc.tensor("p", "n")
    >>> gc.evaluate(gc.losses.bce(p, 1, reduction="none"), p=[0.0, 1.0]).tolist()
    [100.0, 0.0]
    """
    p, t = pair("bce", input, target)
    edge = p * (1 - p) < 1e-12
    held = where(edge, stop_gradient(p), p)                                        # near 0 and 1 the logs are constants ...
    slope = where(edge, 1e12 * (p - stop_gradient(p)) * (stop_gradient(p) - t), 0.0)   # ... and this 0 has the derivative (p - t) / 1e-12
    losses = slope - t * maximum(log(held), -100.0) - (1 - t) * maximum(log1p(-held), -100.0)
    return reduced("bce", losses if weight is None else targets("bce", weight, "weight") * losses, reduction)


def bce_with_logits(input: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> Tensor:
    """-(pos_weight t log s(x) + (1 - t) log s(-x)), s the sigmoid, x = input; times `weight`. Both weights broadcast.

    By softplus(x) = -log s(-x), exact for every logit. As torch.nn.functional.binary_cross_entropy_with_logits.

    >>> import graphc as gc
    >>> x = gc.tensor("x", "n")
    >>> gc.evaluate(gc.losses.bce_with_logits(x, 1, reduction="none"), x=[-1000.0, 1000.0]).tolist()
    [1000.0, 0.0]
    """
    x, t = pair("bce_with_logits", input, target)
    yes = t if pos_weight is None else targets("bce_with_logits", pos_weight, "pos_weight") * t
    losses = yes * softplus(-x) + (1 - t) * softplus(x)
    return reduced("bce_with_logits", losses if weight is None else targets("bce_with_logits", weight, "weight") * losses, reduction)


def focal(input: Any, target: Any, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "mean") -> Tensor:
    """a_t (1 - p_t)^gamma bce_with_logits(x, t), p_t = s(x) where t = 1 and s(-x) where t = 0, a_t = alpha and 1 - alpha likewise.

    A negative `alpha` leaves a_t out. Values as torchvision.ops.sigmoid_focal_loss, whose reduction is "none" by default.
    Lin et al., Focal loss for dense object detection, ICCV 2017.

    >>> import graphc as gc
    >>> x = gc.tensor("x", "n")
    >>> gc.evaluate(gc.losses.focal(x, 1, reduction="none"), x=[-1000.0, 1000.0]).tolist()
    [250.0, 0.0]
    """
    number("focal", "alpha", alpha, lambda v: v <= 1, "at most 1 (negative for none)")
    number("focal", "gamma", gamma, lambda v: v >= 0, ">= 0")
    x, t = pair("focal", input, target)
    missed = t * sigmoid(-x) + (1 - t) * sigmoid(x)
    losses = missed**gamma * (t * softplus(-x) + (1 - t) * softplus(x))
    return reduced("focal", losses if alpha < 0 else (alpha * t + (1 - alpha) * (1 - t)) * losses, reduction)


def hinge(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """max(0, 1 - target * input), target +1 or -1; the derivative at the kink is 0.

    Cortes and Vapnik, Support-vector networks, Machine Learning 20, 1995.

    >>> import graphc as gc
    >>> x = gc.tensor("x", "n")
    >>> gc.evaluate(gc.losses.hinge(x, -1, reduction="none"), x=[-2.0, 0.5]).tolist()
    [0.0, 1.5]
    """
    x, t = pair("hinge", input, target)
    return reduced("hinge", relu(1 - t * x), reduction)


def squared_hinge(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """max(0, 1 - target * input)^2, target +1 or -1.

    Tang, Deep learning using linear support vector machines, ICML workshop 2013.

    >>> import graphc as gc
    >>> x = gc.tensor("x", "n")
    >>> gc.evaluate(gc.losses.squared_hinge(x, -1, reduction="none"), x=[-2.0, 0.5]).tolist()
    [0.0, 2.25]
    """
    x, t = pair("squared_hinge", input, target)
    return reduced("squared_hinge", relu(1 - t * x)**2, reduction)


def soft_margin(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target * input)), target +1 or -1: the logistic loss. As torch.nn.functional.soft_margin_loss.

    >>> import graphc as gc
    >>> x = gc.tensor("x", "n")
    >>> gc.evaluate(gc.losses.soft_margin(x, -1, reduction="none"), x=[-1000.0, 1000.0]).tolist()
    [0.0, 1000.0]
    """
    x, t = pair("soft_margin", input, target)
    return reduced("soft_margin", softplus(-t * x), reduction)
