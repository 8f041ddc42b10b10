"""What the losses share: the reductions, and the checks of their arguments.

    mean   sum of the losses / their number        sum   sum of the losses        none   a loss for each element
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

from graphc.errors import DimError, DtypeError, FormulaError
from graphc.frontend.elementwise import as_tensor, broadcast, located, to_float
from graphc.frontend.reduce import mean, sum
from graphc.frontend.tensor import Tensor, describe, dims_text
from graphc.ir.access import same_size

__all__ = ["REDUCTIONS", "reduced", "operand", "scores", "targets", "pair", "same_dims", "number"]

REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {"mean": mean, "sum": sum, "none": lambda losses: losses}


def reduced(what: str, losses: Tensor, reduction: str) -> Tensor:
    """The losses, reduced as the user asked."""
    if not isinstance(reduction, str) or reduction not in REDUCTIONS:
        raise located(FormulaError(f"{what}: reduction is {', '.join(map(repr, REDUCTIONS))}, not {reduction!r}"))
    return REDUCTIONS[reduction](losses)


def operand(what: str, value: Any, role: str) -> Tensor:
    """What the user gave, as a tensor."""
    try:
        return as_tensor(value, f"{role} of {what}")
    except (DtypeError, FormulaError) as error:
        raise located(error) from None


def scores(what: str, value: Any, role: str = "input") -> Tensor:
    """What a model computes: float."""
    x = operand(what, value, role)
    if x.dtype != "float":
        raise located(DtypeError(f"{what}: the {role} {describe(x)} is {x.dtype}, and must be float. Usually input and target are exchanged: "
                                 f"write gc.losses.{what}(input, target)"))
    return x


def targets(what: str, value: Any, role: str = "target") -> Tensor:
    """What the data say: float; integers and booleans are promoted, as NumPy promotes them."""
    return to_float(operand(what, value, role))


def pair(what: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Scores and targets; one of them has the dims of the result, so that [n] against [n, 1] is no silent [n, n]."""
    x, t = scores(what, input), targets(what, target)
    try:
        dims = broadcast([x, t], what)
    except DimError as error:
        raise located(error) from None
    if not any(len(a.sizes) == len(dims) and all(map(same_size, a.sizes, dims)) for a in (x, t)):
        raise located(DimError(f"{what}: the input {describe(x)} and the target {describe(t)} stretch each other to {dims_text(dims)}. Usually "
                               "an axis of size 1 is left over: drop it with x[:, 0], or add it to both with [:, None]"))
    return x, t


def same_dims(what: str, a: Tensor, b: Tensor, roles: str) -> None:
    """Refuse two tensors that are to have the same dims, and have not."""
    if len(a.sizes) != len(b.sizes) or not all(map(same_size, a.sizes, b.sizes)):
        raise located(DimError(f"{what}: {roles} must have the same dims, and {describe(a)} and {describe(b)} differ. "
                               "gc.broadcast_to(x, dims) stretches a tensor, x[:, None] adds an axis"))


def number(what: str, name: str, value: Any, holds: Callable[[Any], bool], text: str) -> None:
    """Refuse an option that is not a number with the property that `text` states."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise located(DtypeError(f"{what}: {name} is a number, not {value!r}"))
    if not holds(value):
        raise located(FormulaError(f"{what}: {name} must be {text}, not {value!r}"))
