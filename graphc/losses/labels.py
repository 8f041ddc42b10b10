"""What the losses with labels share: scores at labels, labels to leave out, weights of classes.

A label loss has scores x[.., c] and integers t[..] in [0, c): the score of point i is x[i, t[i]].
"""

from __future__ import annotations

from typing import Any

from graphc.errors import DimError, DtypeError, FormulaError
from graphc.frontend.elementwise import located, where
from graphc.frontend.shape import arange, transpose
from graphc.frontend.tensor import Dim, Tensor, describe, dims_text
from graphc.ir.access import same_size
from graphc.ir.build import constant_value, is_view
from graphc.ir.nodes import Input
from graphc.losses.common import operand, targets

__all__ = ["IGNORE_INDEX", "at_labels", "classes_last", "class_labels", "below_classes", "kept_labels", "no_ignored", "class_weight"]


class _Default(int):
    """An option that the user left as it is."""


IGNORE_INDEX = _Default(-100)


def classes_last(what: str, x: Tensor) -> Tensor:
    """Scores [n, c, d1, ..] as [n, d1, .., c]; [n, c] and [c] as they are."""
    if x.ndim == 0:
        raise located(DimError(f"{what}: the input {describe(x)} has no axis of classes; its dims are [c], [n, c] or [n, c, d1, ...]"))
    return transpose(x, (0, *range(2, x.ndim), 1)) if x.ndim > 2 else x


def at_labels(x: Tensor, t: Tensor) -> Tensor:
    """x[i, .., t[i, ..]]: the score of each point's own class."""
    rank = x.ndim - 1
    points = [arange(n)[(slice(None), *[None] * (rank - 1 - k))] for k, n in enumerate(x.dims[:-1])]
    return x[(*points, t)]


def class_labels(what: str, x: Tensor, target: Any) -> Tensor:
    """The labels, checked against scores whose last axis is the classes."""
    t = operand(what, target, "target")
    if t.dtype != "int":
        raise located(DtypeError(f"{what}: the target {describe(t)} is {t.dtype}, and must be integer labels: declare them with "
                                 f'gc.labels("t", {dims_text(x.sizes[:-1])}, below="{x.dims[-1]}")'))
    if t.ndim != x.ndim - 1 or not all(map(same_size, t.sizes, x.sizes)):
        raise located(DimError(f"{what}: the labels {describe(t)} must have the input's dims without that of the classes, "
                               f"{dims_text(x.sizes[:-1])}. Usually a sum over points is missing, or the class axis is not where torch has it: "
                               "[c], [n, c] or [n, c, d1, ...]"))
    below_classes(what, x, t)
    return t


def below_classes(what: str, x: Tensor, t: Tensor) -> None:
    """Refuse labels whose declared bound is not that of the classes, the last axis of the scores."""
    below, classes = getattr(declared(t), "below", None), x.sizes[-1]
    if below is not None and not same_size(below, classes) and not (below.is_Integer and classes.is_Integer and below < classes):
        raise located(DimError(f"{what}: the labels {describe(t)} are declared below {Dim(below)}, and the input {describe(x)} has {Dim(classes)} "
                               f'classes. Declare them with below="{Dim(classes)}"'))


def declared(t: Tensor) -> Input | None:
    """The declaration of labels, also through slices and transposes."""
    node = t.node
    while is_view(node):
        node = node.reads[0].operand
    return node if isinstance(node, Input) else None


def kept_labels(what: str, t: Tensor, ignore_index: Any) -> tuple[Tensor, Tensor | None]:
    """(labels that are safe to look up, which points count); None where all do.

    Points are left out by `ignore_index`, and by the values that gc.labels(..., ignore=...) declares. Labels that are checked to be
    below a bound cannot be the default -100, and need no mask.
    """
    if isinstance(ignore_index, bool) or not hasattr(ignore_index, "__index__") or isinstance(ignore_index, Tensor):
        raise located(DtypeError(f"{what}: ignore_index is an integer, not {ignore_index!r}"))
    source = declared(t)
    ignored = list(source.ignore) if source is not None else []
    if not (isinstance(ignore_index, _Default) and source is not None and source.below is not None):
        ignored.append(int(ignore_index))
    literal = constant_value(t.node)
    if not ignored or literal is not None and literal.is_Integer and int(literal) not in ignored:
        return t, None
    keep = t != ignored[0]
    for value in ignored[1:]:
        keep = keep & (t != value)
    return where(keep, t, 0), keep


def class_weight(what: str, x: Tensor, weight: Any) -> Tensor | None:
    """A weight for each class, checked."""
    if weight is None:
        return None
    w = targets(what, weight, "weight")
    if w.ndim != 1 or not same_size(w.sizes[0], x.sizes[-1]):
        raise located(DimError(f"{what}: weight {describe(w)} must have one number for each class, so the dims {dims_text(x.sizes[-1:])}; a weight "
                               "for each point multiplies the losses of reduction=\"none\""))
    return w


def no_ignored(what: str, t: Tensor) -> Tensor:
    """Refuse labels that are declared to have values outside the classes, where the loss cannot leave points out."""
    source = declared(t)
    if source is not None and source.ignore:
        raise located(FormulaError(f"{what} cannot leave out labels, and {describe(t)} is declared with ignore={source.ignore}"))
    return t
