r"""Losses of one class out of c: y = scores, t = labels, or q = probabilities; w = weights of the classes.

    cross_entropy   -sum over c of  q[s, c] * w[c] * log softmax(y)[s, c],   q = onehot(t) for labels,   q' = (1 - a) q + a / c  smoothed
    nll             -w[t[s]] * y[s, t[s]],                                   y = log-probabilities
    kl_div          q * (log q - y)

The mean of label losses divides by the sum of the weights of the points that count.
"""

from __future__ import annotations

from typing import Any

from graphc.errors import DimError, FormulaError
from graphc.frontend.declare import size
from graphc.frontend.elementwise import located, where
from graphc.frontend.functions import exp, log
from graphc.frontend.reduce import log_softmax, logsumexp, sum
from graphc.frontend.tensor import Tensor, describe
from graphc.losses.common import REDUCTIONS, number, operand, pair, reduced, same_dims, scores
from graphc.losses.labels import IGNORE_INDEX, at_labels, class_labels, class_weight, classes_last, kept_labels

__all__ = ["cross_entropy", "nll", "kl_div"]


def cross_entropy(input: Any, target: Any, weight: Any = None, ignore_index: int = IGNORE_INDEX, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Tensor:
    """log(sum over c of exp(y[s, c])) - y[s, t[s]], for scores y = input (logits, not probabilities).

    `input` has the dims [n, c], [c] or [n, c, d1, ...]. `target` is labels, of these dims without c; or probabilities, float, of the
    input's dims. `weight` [c] weighs classes. Points with the label `ignore_index`, or with one declared by gc.labels(..., ignore=...),
    do not count. `label_smoothing` a mixes a/c into every class (Szegedy et al., CVPR 2016). The mean divides by the sum of the weights
    of the labels that count; for probabilities, by the number of points. As torch.nn.functional.cross_entropy.

    >>> import graphc as gc
    >>> y, t = gc.tensor("y", "n c"), gc.labels("t", "n", below="c")
    >>> float(gc.evaluate(gc.losses.cross_entropy(y, t), y=[[1000.0, 0.0], [0.0, 1000.0]], t=[0, 0]))
    500.0
    """
    number("cross_entropy", "label_smoothing", label_smoothing, lambda v: 0 <= v <= 1, "between 0 and 1")
    x, t = scores("cross_entropy", input), operand("cross_entropy", target, "target")
    y = classes_last("cross_entropy", x)
    w = class_weight("cross_entropy", y, weight)
    if t.dtype == "float":
        return _soft_cross_entropy(x, t, w, ignore_index, reduction, label_smoothing)
    labels, keep = kept_labels("cross_entropy", class_labels("cross_entropy", y, t), ignore_index)
    total = logsumexp(y, axis=-1)
    losses = total - at_labels(y, labels)
    own = None if w is None else w[labels]
    if own is not None:
        losses = own * losses
    if label_smoothing:
        every = total[..., None] - y
        smooth = sum(every if w is None else w * every, axis=-1) / size(y.dims[-1])
        losses = (1 - label_smoothing) * losses + label_smoothing * smooth
    return _reduce_kept("cross_entropy", losses, own, keep, reduction)


def _soft_cross_entropy(x: Tensor, q: Tensor, w: Tensor | None, ignore_index: int, reduction: str, label_smoothing: float) -> Tensor:
    """-sum over c of q[s, c] w[c] log softmax(y)[s, c]"""
    same_dims("cross_entropy", x, q, "input and a target of probabilities (labels are declared with gc.labels)")
    if ignore_index >= 0:
        raise located(FormulaError(f"cross_entropy: ignore_index={ignore_index} leaves out labels, and the target {describe(q)} is probabilities"))
    y, q = classes_last("cross_entropy", x), classes_last("cross_entropy", q)
    if label_smoothing:
        q = (1 - label_smoothing) * q + label_smoothing / size(y.dims[-1])
    return reduced("cross_entropy", -sum((q if w is None else q * w) * log_softmax(y), axis=-1), reduction)


def _reduce_kept(what: str, losses: Tensor, weights: Tensor | None, keep: Tensor | None, reduction: str) -> Tensor:
    """The reduced losses of the points that count."""
    if keep is not None:
        losses = where(keep, losses, 0.0)
        weights = where(keep, 1.0 if weights is None else weights, 0.0)
    return sum(losses) / sum(weights) if reduction == "mean" and weights is not None else reduced(what, losses, reduction)


def nll(input: Any, target: Any, weight: Any = None, ignore_index: int = IGNORE_INDEX, reduction: str = "mean") -> Tensor:
    """-input[s, t[s]] for log-probabilities `input`; dims, `weight`, `ignore_index` and the mean as in cross_entropy.

    As torch.nn.functional.nll_loss.

    >>> import graphc as gc
    >>> y, t = gc.tensor("y", "n c"), gc.labels("t", "n", below="c")
    >>> float(gc.evaluate(gc.losses.nll(y, t), y=[[-1.0, -2.0], [-3.0, -5.0]], t=[0, 1]))
    3.0
    """
    y = classes_last("nll", scores("nll", input))
    labels, keep = kept_labels("nll", class_labels("nll", y, target), ignore_index)
    w = class_weight("nll", y, weight)
    own = None if w is None else w[labels]
    losses = -at_labels(y, labels) if own is None else -own * at_labels(y, labels)
    return _reduce_kept("nll", losses, own, keep, reduction)


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """q * (log q - y) for log-probabilities y = input and probabilities q = target, or log q = target with `log_target`.

    0 where q is 0, and so are its derivatives. reduction="batchmean", the sum divided by the first dim, is the divergence itself; "mean"
    divides by all elements. As torch.nn.functional.kl_div. Kullback and Leibler, On information and sufficiency, 1951.

    >>> import graphc as gc
    >>> y = gc.tensor("y", 2)
    >>> float(gc.evaluate(gc.losses.kl_div(y, [0.0, 1.0], reduction="sum"), y=[-7.0, -2.0]))
    2.0
    """
    y, q = pair("kl_div", input, target)
    losses = where(q == float("-inf"), 0.0, exp(q) * (q - y)) if log_target else where(q == 0, 0.0, q * (log(q) - y))
    if reduction == "batchmean":
        if not losses.ndim:
            raise located(DimError(f'kl_div: reduction="batchmean" divides by the first dim, and {describe(y)} has none'))
        return sum(losses) / size(losses.dims[0])
    if reduction not in REDUCTIONS:
        raise located(FormulaError(f"kl_div: reduction is 'mean', 'batchmean', 'sum', 'none', not {reduction!r}"))
    return reduced("kl_div", losses, reduction)
