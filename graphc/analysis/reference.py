r"""What mathematics says that a formula and its derivatives are: the formula as written, in mpmath, with as many digits as it takes.

    value    f(x), with 50, 100, 200 ... digits until two agree
    slope    (f(x + h u) - f(x - h u)) / 2h,  h = 10^(-digits/3) of the size of x: two precisions are also two steps
    kink     the slopes to the two sides differ, and go on to as h shrinks: any number between them is a subgradient
    limit    where f is undefined (0/0, 0*inf): f(x + e u) for e = 1e-60 and 1e-120, along several u

No rule of graphc's own derivatives and no rewrite takes part, so that these can judge both. A zero, an infinity or a NaN is believed
only when there are so many digits that nothing which a float could hold is lost: 1 - 1/(1 + exp(-300)) is 0 in 100 digits, and 5e-131.

Differences: Griewank and Walther, Evaluating Derivatives, 2008, ch. 8; one-sided slopes at kinks: Clarke, 1983.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from graphc.errors import DifferentiationError
from graphc.frontend.derivatives import find_wrt
from graphc.frontend.elementwise import as_tensor, located
from graphc.frontend.index import settle
from graphc.frontend.tensor import Tensor, describe
from graphc.ir.bind import Binder
from graphc.ir.interpret import interpret, size_of
from graphc.ir.nodes import Comprehension, Input, Node
from graphc.ir.walk import inputs_of, rebuild, topological
from graphc.scalar.table import op

__all__ = ["Answer", "Formula", "Reference", "value", "gradient", "unit"]

DOUBLINGS = 6                               # 50, 100, ... 1600 digits
SMALLEST = 2.0**-1074                       # of float64: what is far smaller counts as 0
AGREE = mpmath.mpf("1e-22")                 # relative: a millionth of a float64's last place
CORNER = mpmath.mpf("1e-10")                # relative gap between the slopes of a kink
NEAR = (mpmath.mpf(10)**-60, mpmath.mpf(10)**-120)
APPROACHES = 4                              # directions that a limit is looked for along

Arrays = Mapping[Input, np.ndarray]
Direction = Mapping[Input, np.ndarray]


@dataclass(frozen=True)
class Answer:
    """One number, as mathematics has it: in [low, high]. Both ends are equal but at a kink.

    kind ::= exact | limit (undefined there, but has a limit) | kink | infinite | undefined (no limit: whatever is chosen is a convention)
    """

    low: Any
    high: Any
    kind: str

    @property
    def number(self) -> Any:
        """The number; NaN where there is not one."""
        return self.low if self.low == self.high else mpmath.nan


UNDEFINED = Answer(mpmath.nan, mpmath.nan, "undefined")


class Formula:
    """A formula that can be evaluated with what it holds constant (`stop_gradient`) taken from another point."""

    def __init__(self, root: Node):
        self.root = root
        held = [n for n in topological([root]) if isinstance(n, Comprehension) and n.body.has(op("stop_gradient"))]
        self.held: dict[Node, Node] = {n: Input(f"held{k}", n.dtype, n.dims) for k, n in enumerate(held)}
        self.cut = rebuild([root], lambda n: n, self.held)[root]

    def at(self, arrays: Arrays, base: Arrays, extents: Mapping[str, int], digits: int) -> np.ndarray:
        """All elements in a row."""
        if self.held and base is not arrays:
            fixed = interpret(self.held, base, extents, digits=digits)
            arrays = {**arrays, **{i: fixed[n] for n, i in self.held.items()}}                   # type: ignore[misc]
        root = self.cut if self.held and base is not arrays else self.root
        return interpret([root], arrays, extents, digits=digits)[root].reshape(-1)


class Reference:
    """The answers for one formula at one point. `smallest` is the least positive number of the floats that are judged by it."""

    def __init__(self, formula: Formula, arrays: Arrays, extents: Mapping[str, int], digits: int = 50, smallest: float = SMALLEST):
        self.formula, self.extents, self.smallest = formula, extents, mpmath.mpf(smallest)
        self.arrays = {i: _exact(a) if i.dtype == "float" else a for i, a in arrays.items()}
        span = max((abs(int(mpmath.mag(x) * 0.302)) for i, a in self.arrays.items() if i.dtype == "float" for x in a.flat
                    if x and mpmath.isfinite(x)), default=0)
        self.ladder = tuple(digits * 2**k + span for k in range(DOUBLINGS))
        enough = int(1.6 * -float(mpmath.log10(self.smallest))) + span
        self.credible = min((d for d in self.ladder if d >= enough), default=self.ladder[-1])
        self.centres: dict[int, np.ndarray] = {}

    def at(self, arrays: Arrays, digits: int) -> np.ndarray:
        return self.formula.at(arrays, arrays, self.extents, digits)

    def centre(self, digits: int) -> np.ndarray:
        """The elements at the point itself."""
        if digits not in self.centres:
            self.centres[digits] = self.at(self.arrays, digits)
        return self.centres[digits]

    # --- values
    def values(self) -> list[Answer]:
        found = self._settled()
        if all(mpmath.isfinite(v) for v in found):
            return [Answer(v, v, "exact") for v in found]
        limits = self._approach(self.at, corners=False)
        return [Answer(v, v, "exact") if mpmath.isfinite(v) else limit for v, limit in zip(found, limits, strict=True)]

    def _settled(self) -> np.ndarray:
        """Elements that two precisions agree on; NaN or infinite where none do."""
        previous = self.centre(self.ladder[0])
        for digits in self.ladder[1:]:
            if digits < self.credible and all(map(self._says_nothing, previous)):
                continue
            current = self.centre(digits)
            agreed = [self._agree(a, b, digits) for a, b in zip(previous, current, strict=True)]
            if all(agreed):
                return current
            previous = current
        return np.where(agreed, current, mpmath.nan)

    def _says_nothing(self, v: Any) -> bool:
        """A zero may be what cancellation left, an infinity a quotient by such a zero."""
        return not mpmath.isfinite(v) or abs(v) < self.smallest / 1000

    def _agree(self, a: Any, b: Any, digits: int) -> bool:
        if self._says_nothing(a) and self._says_nothing(b):
            return digits >= self.credible
        return bool(abs(a - b) <= AGREE * max(abs(a), abs(b)))

    # --- slopes
    def slope(self, direction: Direction) -> Answer:
        """The derivative of a scalar along a direction."""
        before: tuple[Any, Any] | None = None
        for digits in self.ladder:
            if before and digits < self.credible and self._says_nothing(before[0] + before[1]):
                continue
            back, forth = self._sides(self.arrays, direction, digits)
            if before and mpmath.isfinite(back + forth) and mpmath.isfinite(sum(before)):
                gap, scale = abs(forth - back), max(abs(forth), abs(back))
                if gap > abs(before[1] - before[0]) / 2 and gap > CORNER * scale:
                    if max(abs(back - before[0]), abs(forth - before[1])) <= CORNER * scale:
                        return Answer(min(back, forth), max(back, forth), "kink")
                elif self._agree((back + forth) / 2, sum(before) / 2, digits):
                    return Answer((back + forth) / 2, (back + forth) / 2, "exact")
            elif before and digits >= self.credible:
                break
            before = back, forth
        return self._approach(lambda arrays, d: np.array([sum(self._sides(arrays, direction, d)) / 2]), corners=True)[0]

    def _sides(self, arrays: Arrays, direction: Direction, digits: int) -> tuple[Any, Any]:
        """The slopes backward and forward."""
        with mpmath.workdps(digits):
            sizes = [(abs(x) or 1) / abs(u) for i, v in direction.items() for x, u in zip(arrays[i].flat, v.flat, strict=True)
                     if u and mpmath.isfinite(x)]
            h = mpmath.mpf(10)**(-digits // 3) * min(sizes, default=1)
            centre = (self.centre(digits) if arrays is self.arrays else self.at(arrays, digits))[0]
            down, up = (self.formula.at({**arrays, **{i: _move(arrays[i], s * h, v) for i, v in direction.items()}}, arrays, self.extents, digits)[0]
                        for s in (-1, 1))
            return (centre - down) / h, (up - centre) / h

    # --- limits
    def _approach(self, function: Callable[[Arrays, int], np.ndarray], corners: bool) -> list[Answer]:
        """Where a function tends to; with `corners`, an interval where that depends on the side."""
        digits = max(self.credible, self.ladder[-2])
        tracks = []
        with mpmath.workdps(digits):
            for u in self._neighbours():
                tracks.append([function({i: _move(a, e, u[i] * np.where(a == 0, 1, abs(a))) if i in u else a for i, a in self.arrays.items()}, digits)
                               for e in NEAR])
            return [_common([_tends(a[k], b[k]) for a, b in tracks if not mpmath.isnan(a[k] + b[k])], corners) for k in range(len(tracks[0][0]))]

    def _neighbours(self) -> list[dict[Input, np.ndarray]]:
        """Up, down, and at random there and back: one of these stays within the domain, usually."""
        rng = np.random.default_rng(0)
        u = {i: _exact(rng.uniform(0.5, 1, a.shape)) for i, a in self.arrays.items() if i.dtype == "float"}
        signs = {i: rng.choice([-1, 1], v.shape) for i, v in u.items()}
        return [u, {i: -v for i, v in u.items()}, {i: signs[i] * v for i, v in u.items()}, {i: -signs[i] * v for i, v in u.items()}]


def _exact(a: Any) -> np.ndarray:
    return np.asarray(np.frompyfunc(lambda x: x if isinstance(x, mpmath.mpf) else mpmath.mpf(float(x)), 1, 1)(a), dtype=object)


def _move(a: np.ndarray, h: Any, direction: np.ndarray) -> np.ndarray:
    return np.asarray(np.frompyfunc(lambda x, u: x + h * u if u else x, 2, 1)(a, direction), dtype=object)


def _tends(a: Any, b: Any) -> Any:
    """Where a sequence goes whose terms at distances e and e^2 are a and b; None where that cannot be told."""
    if a == b or abs(a - b) <= AGREE * max(abs(a), abs(b)) < mpmath.inf:
        return b
    if abs(b) <= AGREE * abs(a) < mpmath.inf:
        return mpmath.mpf(0)
    return mpmath.inf * mpmath.sign(b) if abs(b) >= 1.5 * abs(a) and a * b >= 0 else None


def _common(limits: list[Any], corners: bool) -> Answer:
    if not limits or None in limits:
        return UNDEFINED
    if all(map(mpmath.isinf, limits)):
        sign = limits[0] if all(v == limits[0] for v in limits) else mpmath.nan
        return Answer(sign, sign, "infinite")
    low, high = min(limits), max(limits)
    if high - low <= AGREE * max(abs(low), abs(high)):
        return Answer(low, low, "limit")
    return Answer(low, high, "kink") if corners and mpmath.isfinite(high - low) else UNDEFINED


# --- for tests --------------------------------------------------------------------------------------------------------

def _reference(t: Tensor, data: Mapping[str, Any], digits: int) -> Reference:
    bound = Binder(inputs_of([t.node]), [t.node]).bind(data)
    return Reference(Formula(t.node), bound.arrays, bound.extents, digits)


def _numbers(answers: Sequence[Answer], shape: Sequence[int]) -> Any:
    found = np.empty(len(answers), dtype=object)
    found[:] = [a.number for a in answers]
    return found.reshape(shape)[()]


def value(formula: Any, data: Mapping[str, Any], digits: int = 50) -> Any:
    """The value of a tensor at given data: an mpf, or an array of them. NaN where mathematics has none.

    >>> import graphc as gc
    >>> from graphc.analysis.reference import value
    >>> x = gc.scalar("x")
    >>> float(value(1 - 1/(1 + gc.exp(-x)), {"x": -700.0})), float(value(gc.sin(x)/x, {"x": 0.0}))
    (1.0, 1.0)
    """
    t = settle(as_tensor(formula))
    reference = _reference(t, data, digits)
    return _numbers(reference.values(), [size_of(s, reference.extents) for s in t.sizes])


def gradient(formula: Any, wrt: Any, data: Mapping[str, Any], digits: int = 50) -> Any:
    """The gradient of a scalar by one of its inputs, entry by entry. NaN at a kink, and where mathematics has none.
    What is far too small for a float64 may be any such small number.

    Raises DifferentiationError where `formula` is no scalar, or `wrt` no input of it.

    >>> import graphc as gc
    >>> from graphc.analysis.reference import gradient
    >>> x = gc.tensor("x", "n")
    >>> [float(g) for g in gradient(gc.sum(gc.log(1 + gc.exp(x)) + abs(x)), x, {"x": [-800.0, 0.0]})]
    [-1.0, nan]
    """
    t = settle(as_tensor(formula))
    (w,) = find_wrt(t, wrt, "gradient")
    if t.ndim or not isinstance(w.node, Input):
        raise located(DifferentiationError(f"gradient: {describe(t)} must be a scalar, and {describe(w)} an input of it"))
    reference = _reference(t, data, digits)
    shape = reference.arrays[w.node].shape
    return _numbers([reference.slope({w.node: unit(shape, k)}) for k in range(int(np.prod(shape)))], shape)


def unit(shape: Sequence[int], k: int) -> np.ndarray:
    """1 at the k-th entry, else 0."""
    v = np.zeros(shape)
    v.reshape(-1)[k] = 1
    return v
