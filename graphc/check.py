r"""Is the gradient right? The derivative that graphc makes, against differences of the loss itself at high precision.

    entry       dL/dw[p]        ~  (L(w + h e_p) - L(w - h e_p)) / 2h
    direction   <dL/dw, v>      ~  (L(w + h v)   - L(w - h v))   / 2h           v random

With h = 1e-15 and 50 digits the right side errs by h^2 = 1e-30, so what is left is the error of the left side. Where the slopes to
the two sides differ (a kink: |x| at 0, ties of a maximum), any value between them is a subgradient.

Central differences: Griewank and Walther, Evaluating Derivatives, 2008, ch. 8; the mean of one-sided slopes at kinks: Clarke, 1983.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mpmath
import numpy as np

from graphc.analysis.sampling import bound_at_random
from graphc.errors import DifferentiationError
from graphc.frontend.derivatives import find_wrt, grad, parameters_of
from graphc.frontend.elementwise import as_tensor, located
from graphc.frontend.index import settle
from graphc.frontend.tensor import Tensor, describe, dims_text
from graphc.ir.bind import Binder, Bound
from graphc.ir.formula import formula_of
from graphc.ir.interpret import interpret
from graphc.ir.nodes import Input, Node
from graphc.ir.walk import inputs_of

__all__ = ["Report", "Row", "check_gradient", "compiled_gradients", "TOLERANCE"]

STEP = 15            # decimal places of h
TOLERANCE = 1e-9     # relative, of a float64 gradient
ALL_ENTRIES = 64     # tensors up to this size are checked entry by entry
SAMPLED = 16         # random entries of larger ones,
DIRECTIONS = 4       # and as many random directions

Gradients = Callable[[Mapping[str, np.ndarray]], Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """The check of one tensor."""

    tensor: str
    dims: str
    checked: str
    error: float
    worst: str
    kinks: int
    ok: bool


@dataclass(frozen=True)
class Report:
    """What `check_gradient` found: `.ok`, `.rows`, and a table as text."""

    loss: str
    data: str
    digits: int
    value: float
    rows: tuple[Row, ...] = field(default=())

    @property
    def ok(self) -> bool:
        return all(r.ok for r in self.rows)

    def __str__(self) -> str:
        head = ("tensor", "dims", "checked", "max rel. error", "at", "")
        body = [(r.tensor, r.dims, r.checked + f", {r.kinks} at a kink" * bool(r.kinks), f"{r.error:.1e}", r.worst, "ok" if r.ok else "WRONG")
                for r in self.rows]
        widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in (head, *body)]
        return "\n".join([f"gradient of  {self.loss}", f"against      central differences of step 1e-{STEP}, in {self.digits} digits",
                          f"data         {self.data}", f"loss         {self.value:.6g}", "", *lines])


def check_gradient(loss: Any, wrt: Any = None, data: Mapping[str, Any] | None = None, *, seed: int = 0, digits: int = 50,
                   gradients: Gradients | None = None) -> Report:
    """Compare the gradient of a scalar with finite differences of it.

    `wrt` as in `gc.grad`; without it the parameters, or all float inputs where there are none. `data` are arrays by name; without
    them random ones are drawn from `seed`, with distinct prime extents. `gradients` computes what is checked, from data by name to
    gradients by name; without it `gc.grad`, evaluated in float64.

    >>> import graphc as gc
    >>> from graphc.check import check_gradient
    >>> x = gc.tensor("x", "n")
    >>> check_gradient(gc.sum(gc.exp(x)**2)).ok
    True
    """
    loss = settle(as_tensor(loss))
    tensors = find_wrt(loss, wrt if wrt is not None else _default_wrt(loss), "check")
    tensors = [t for t in tensors if _is_input(t)]
    if not tensors:
        raise located(DifferentiationError("check: wrt names no tensor"))
    symbolic = dict(zip([t.name for t in tensors], grad(loss, tensors), strict=True))
    rng = np.random.default_rng(seed)
    if data is None:
        bound, distribution = bound_at_random(loss, rng)
        described = f"random, {distribution}, seed {seed}"
    else:
        bound, described = Binder(inputs_of([loss.node]), [loss.node]).bind(_double(loss, data)), "as given"
    arrays = {i.name: a for i, a in bound.arrays.items()}
    found = gradients(arrays) if gradients else _interpreted(symbolic, bound)
    probe = _Probe(loss.node, bound, digits)
    rows = tuple(_row(probe, t, np.asarray(found[t.name], dtype=np.float64), rng) for t in tensors)
    extents = ", ".join(f"{name} = {n}" for name, n in bound.extents.items())
    return Report(formula_of(loss.node, budget=100), "; ".join(filter(None, (described, extents))), digits, float(probe.centre), rows)


def compiled_gradients(loss: Any, wrt: Any = None) -> Gradients:
    """The gradients that the compiled kernels return, for `check_gradient(..., gradients=...)`."""
    from graphc.compiler import compile
    loss = settle(as_tensor(loss))
    program = compile(loss, wrt=wrt if wrt is not None else _default_wrt(loss))
    return lambda data: program(**data)[1]                                                       # type: ignore[no-any-return]


def _default_wrt(loss: Tensor) -> list[Tensor]:
    chosen = parameters_of(loss) or [Tensor(i) for i in inputs_of([loss.node]) if i.dtype == "float"]
    if not chosen:
        raise located(DifferentiationError(f"check: {describe(loss)} has no float input to differentiate by"))
    return chosen


def _is_input(t: Tensor) -> bool:
    if not isinstance(t.node, Input):
        raise located(DifferentiationError(f"check: {describe(t)} is no input, so its value cannot be changed; name an input"))
    return True


def _double(loss: Tensor, data: Mapping[str, Any]) -> dict[str, Any]:
    """Data in float64, whatever precision they came in."""
    kinds = {i.name: i for i in inputs_of([loss.node])}
    return {name: np.asarray(value, dtype=np.float64) if name in kinds and kinds[name].dtype == "float" and kinds[name].precision != "float32"
            and np.asarray(value).dtype.kind == "f" else value for name, value in data.items()}


# --- differences ------------------------------------------------------------------------------------------------------

def _interpreted(symbolic: Mapping[str, Tensor], bound: Bound) -> dict[str, np.ndarray]:
    values = interpret([g.node for g in symbolic.values()], bound.arrays, bound.extents, np.float64)
    return {name: values[g.node] for name, g in symbolic.items()}


class _Probe:
    """The loss at high precision, at and around the data."""

    def __init__(self, loss: Node, bound: Bound, digits: int):
        self.loss, self.bound, self.digits = loss, bound, digits
        self.centre = self.at(bound.arrays)

    def at(self, arrays: Mapping[Input, Any]) -> Any:
        return interpret([self.loss], arrays, self.bound.extents, digits=self.digits)[self.loss][()]

    def slopes(self, i: Input, direction: np.ndarray) -> tuple[Any, Any]:
        """The one-sided slopes, backward and forward, along a direction in the space of one input."""
        with mpmath.workdps(self.digits):
            h = mpmath.mpf(10)**-STEP
            move = np.frompyfunc(lambda x, v: mpmath.mpf(float(x)) + h * mpmath.mpf(float(v)), 2, 1)
            up, down = (self.at({**self.bound.arrays, i: np.asarray(move(self.bound.arrays[i], s * direction), dtype=object)}) for s in (1, -1))
            return (self.centre - down) / h, (up - self.centre) / h


def _row(probe: _Probe, t: Tensor, gradient: np.ndarray, rng: np.random.Generator) -> Row:
    shape = probe.bound.arrays[t.node].shape                                                     # type: ignore[index]
    if gradient.shape != shape:
        raise located(DifferentiationError(f"check: the gradient by {describe(t)} has the shape {gradient.shape}, not {shape}"))
    directions = _directions(shape, rng)
    exact, kinks = [], 0
    for _, v in directions:
        backward, forward = map(float, probe.slopes(t.node, v))                                  # type: ignore[arg-type]
        along = float((gradient * v).sum())
        kink = abs(forward - backward) > 1e-6 * (1 + abs(forward) + abs(backward))
        kinks += kink
        between = min(forward, backward) - TOLERANCE <= along <= max(forward, backward) + TOLERANCE
        exact.append(along if kink and between else (forward + backward) / 2)
    errors = _relative([float((gradient * v).sum()) for _, v in directions], exact)
    worst = int(np.argmax(errors)) if len(errors) else 0
    error = float(errors[worst]) if len(errors) else 0.0
    single = sum(name.startswith("[") for name, _ in directions)
    checked = f"{single} of {gradient.size}" + f" and {DIRECTIONS} directions" * (single < len(directions))
    return Row(t.name, dims_text(t.sizes), checked, error, directions[worst][0] if directions else "", kinks, error <= TOLERANCE)


def _directions(shape: tuple[int, ...], rng: np.random.Generator) -> list[tuple[str, np.ndarray]]:
    """What to move along: unit vectors, all of them or a sample, and for large tensors random vectors too."""
    size = int(np.prod(shape))
    chosen = range(size) if size <= ALL_ENTRIES else sorted(int(k) for k in rng.choice(size, SAMPLED, replace=False))
    found = []
    for k in chosen:
        at = np.unravel_index(k, shape)
        unit = np.zeros(shape)
        unit[at] = 1
        found.append((f"[{', '.join(map(str, map(int, at)))}]", unit))
    if size > ALL_ENTRIES:
        found += [(f"direction {k + 1}", rng.normal(size=shape)) for k in range(DIRECTIONS)]
    return found


def _relative(found: Sequence[float], exact: Sequence[float]) -> np.ndarray:
    """Errors relative to each slope, or to a thousandth of the largest where a slope is smaller than that. NaN counts as infinite."""
    a, b = np.asarray(found), np.asarray(exact)
    if not b.size:
        return b
    scale = np.maximum(np.abs(b), max(1e-3 * float(np.nanmax(np.abs(b), initial=0.0)), 1e-300))
    errors = np.abs(a - b) / scale
    return np.where(np.isnan(errors), np.inf, errors)
