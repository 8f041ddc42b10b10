r"""Losses that are 0 beyond a margin m: [z]+ = max(0, z).

    multi_margin        sum over j != t of  [m - x[t] + x[j]]+^p / c        margin_ranking     [m - t (x1 - x2)]+
    multilabel_margin   sum over k in T, j not in T of  [1 - x[k] + x[j]]+ / c
    hinge_embedding     x where t = 1, [m - x]+ where t = -1                triplet_margin     [m + |a - p| - |a - n|]+
    cosine_embedding    1 - cos(x1, x2) where t = 1, [cos(x1, x2) - m]+ where t = -1

At a kink, multi_margin and multilabel_margin have the derivative 0, the others that of z: as torch has them.
"""

from __future__ import annotations

from typing import Any

from graphc.errors import DimError, DtypeError
from graphc.frontend.declare import size
from graphc.frontend.elementwise import clip, located, where
from graphc.frontend.functions import minimum, relu, sqrt
from graphc.frontend.linear import cumsum, norm
from graphc.frontend.reduce import sum
from graphc.frontend.shape import arange
from graphc.frontend.tensor import Tensor, describe, dims_text
from graphc.ir.access import same_size
from graphc.losses.common import number, operand, pair, reduced, same_dims, scores, targets
from graphc.losses.labels import at_labels, below_classes, class_labels, class_weight, no_ignored

__all__ = ["multi_margin", "multilabel_margin", "margin_ranking", "hinge_embedding", "cosine_embedding", "triplet_margin"]


def multi_margin(input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean") -> Tensor:
    """w[t] * sum over j != t of max(0, margin - x[t] + x[j])^p / c, for scores x = input, [n, c] or [c], labels t, p 1 or 2.

    As torch.nn.functional.multi_margin_loss. Weston and Watkins, Support vector machines for multi-class pattern recognition, 1999.

    >>> import graphc as gc
    >>> x, t = gc.tensor("x", "n c"), gc.labels("t", "n", below="c")
    >>> float(gc.evaluate(gc.losses.multi_margin(x, t), x=[[0.0, 1.0]], t=[0]))
    1.0
    """
    number("multi_margin", "p", p, lambda v: v in (1, 2), "1 or 2")
    x = _matrix("multi_margin", scores("multi_margin", input))
    t = no_ignored("multi_margin", class_labels("multi_margin", x, target))
    w = class_weight("multi_margin", x, weight)
    z = relu(margin - at_labels(x, t)[..., None] + x)**p
    losses = sum(where(arange(x.dims[-1]) != t[..., None], z, 0.0), axis=-1) / size(x.dims[-1])
    return reduced("multi_margin", losses if w is None else w[t] * losses, reduction)


def _matrix(what: str, x: Tensor) -> Tensor:
    if x.ndim not in (1, 2):
        raise located(DimError(f"{what}: the input {describe(x)} must have the dims [n, c] or [c]"))
    return x


def multilabel_margin(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """sum over k in T, j not in T of max(0, 1 - x[k] + x[j]) / c, for scores x = input and classes T, both [n, c] or [c].

    T[s] is target[s, :] up to its first -1: [3, 0, -1, ...] says the classes 3 and 0. As torch.nn.functional.multilabel_margin_loss.

    >>> import graphc as gc
    >>> x, t = gc.tensor("x", "n c"), gc.labels("t", "n c", below="c")
    >>> float(gc.evaluate(gc.losses.multilabel_margin(x, t), x=[[0.0, 1.0, -0.5]], t=[[1, 2, -1]]))
    0.5
    """
    x = _matrix("multilabel_margin", scores("multilabel_margin", input))
    t = operand("multilabel_margin", target, "target")
    if t.dtype != "int":
        raise located(DtypeError(f"multilabel_margin: the target {describe(t)} is {t.dtype}, and must be classes, integers; declare it with "
                                 f'gc.labels("t", {dims_text(x.sizes)}, below="{x.dims[-1]}")'))
    same_dims("multilabel_margin", x, t, "input and target")
    below_classes("multilabel_margin", x, t)
    classes = arange(x.dims[-1])
    listed = cumsum(t == -1, axis=-1) == 0                                                  # [.., k]: no -1 up to k
    labels = where(t == -1, 0, t)
    among = sum(listed[..., None, :] & (labels[..., None, :] == classes[:, None]), axis=-1)  # [.., j]: how often T names j
    own = x[labels] if x.ndim == 1 else x[arange(x.dims[0])[:, None], labels]               # [.., k]
    z = relu(1 - own[..., :, None] + x[..., None, :])
    losses = sum(where(listed[..., :, None] & (among == 0)[..., None, :], z, 0.0), axis=(-2, -1)) / size(x.dims[-1])
    return reduced("multilabel_margin", losses, reduction)


def margin_ranking(input1: Any, input2: Any, target: Any, margin: float = 0, reduction: str = "mean") -> Tensor:
    """max(0, margin - target * (input1 - input2)): target 1 says that input1 ranks higher, -1 that input2 does.

    As torch.nn.functional.margin_ranking_loss. Herbrich et al., Large margin rank boundaries for ordinal regression, 2000.

    >>> import graphc as gc
    >>> a, b = gc.tensor("a", "n"), gc.tensor("b", "n")
    >>> float(gc.evaluate(gc.losses.margin_ranking(a, b, 1), a=[1.0, 1.0], b=[0.0, 3.0]))
    1.0
    """
    a, b = pair("margin_ranking", input1, scores("margin_ranking", input2, "input2"))
    difference, t = pair("margin_ranking", a - b, target)
    return reduced("margin_ranking", clip(margin - t * difference, low=0), reduction)


def hinge_embedding(input: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """x where target = 1, max(0, margin - x) where target = -1, for distances x = input.

    As torch.nn.functional.hinge_embedding_loss. Hadsell et al., Dimensionality reduction by learning an invariant mapping, CVPR 2006.

    >>> import graphc as gc
    >>> x = gc.tensor("x", "n")
    >>> gc.evaluate(gc.losses.hinge_embedding(x, -1, reduction="none"), x=[0.25, 3.0]).tolist()
    [0.75, 0.0]
    """
    x, t = pair("hinge_embedding", input, target)
    both = clip(x, low=margin)                                  # x + max(0, margin - x), for any other target
    losses = where(t == 1, x, where(t == -1, clip(margin - x, low=0), both))
    return reduced("hinge_embedding", losses, reduction)


def cosine_embedding(input1: Any, input2: Any, target: Any, margin: float = 0, reduction: str = "mean") -> Tensor:
    """1 - cos where target = 1, max(0, cos - margin) where target = -1, else 0.

    cos = sum(x1 x2) / sqrt((sum(x1^2) + 1e-12) (sum(x2^2) + 1e-12)) over the last axis, x1 = input1 [n, d] or [d], x2 = input2;
    target [n] or []. As torch.nn.functional.cosine_embedding_loss.

    >>> import graphc as gc
    >>> a, b, t = gc.tensor("a", "n d"), gc.tensor("b", "n d"), gc.tensor("t", "n")
    >>> float(gc.evaluate(gc.losses.cosine_embedding(a, b, t), a=[[1.0, 0.0]], b=[[0.0, 2.0]], t=[1.0]))
    1.0
    """
    a, b, t = scores("cosine_embedding", input1, "input1"), scores("cosine_embedding", input2, "input2"), targets("cosine_embedding", target)
    same_dims("cosine_embedding", a, b, "input1 and input2")
    if a.ndim == 0 or t.ndim and (t.ndim != a.ndim - 1 or not all(map(same_size, t.sizes, a.sizes))):
        raise located(DimError(f"cosine_embedding: the target {describe(t)} must have the dims of {describe(a)} without the last one, along which "
                               "the cosine is taken"))
    cos = sum(a * b, axis=-1) / (sqrt(sum(a**2, axis=-1) + 1e-12) * sqrt(sum(b**2, axis=-1) + 1e-12))
    losses = where(t == 1, 1 - cos, 0.0) + where(t == -1, clip(cos - margin, low=0), 0.0)
    return reduced("cosine_embedding", losses, reduction)


def triplet_margin(anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2, eps: float = 1e-6, swap: bool = False,
                   reduction: str = "mean") -> Tensor:
    """max(0, margin + D(anchor, positive) - D(anchor, negative)), D(a, b) = |a - b + eps| in the p-norm over the last axis.

    With `swap`, D(positive, negative) takes the place of D(anchor, negative) where it is smaller. As
    torch.nn.functional.triplet_margin_loss. Balntas et al., Learning local feature descriptors with triplets, BMVC 2016.

    >>> import graphc as gc
    >>> a = gc.tensor("a", "n d")
    >>> float(gc.evaluate(gc.losses.triplet_margin(a, a, a), a=[[0.0, 0.0]]))
    1.0
    """
    number("triplet_margin", "margin", margin, lambda v: v > 0, "> 0")
    number("triplet_margin", "p", p, lambda v: v > 0, "> 0")
    number("triplet_margin", "eps", eps, lambda v: v >= 0, ">= 0")
    a, b, c = (scores("triplet_margin", x, role) for x, role in ((anchor, "anchor"), (positive, "positive"), (negative, "negative")))
    same_dims("triplet_margin", a, b, "anchor and positive")
    same_dims("triplet_margin", a, c, "anchor and negative")
    far = norm(a - c + eps, axis=-1, ord=p)
    if swap:
        far = minimum(far, norm(b - c + eps, axis=-1, ord=p))
    return reduced("triplet_margin", clip(margin + norm(a - b + eps, axis=-1, ord=p) - far, low=0), reduction)
