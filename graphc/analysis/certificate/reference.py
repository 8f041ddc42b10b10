r"""What mathematics says that a formula and its derivatives are: the formula as written, in mpmath, with as many digits as it takes.

    value    f(x), with 50, 100, 200 ... digits until two agree, and as many more as the smallest input has zeros after the point
             and the square of the largest before it
    slope    (f(x + h u) - f(x - h u)) / 2h,  h = 10^(-digits/3) max(1, |x|): two precisions are also two steps
    kink     the slopes to the two sides differ, and go on to as h shrinks: any number between them is a subgradient
    limit    where f is undefined (0/0, 0*inf): f(x + e u) for e = 1e-60 and 1e-120, along several u

No rule of graphc's own derivatives and no rewrite takes part, so that these can judge both. A zero, an infinity or a NaN is believed
only when there are so many digits that nothing which a float could hold is lost: 1 - 1/(1 + exp(-300)) is 0 in 100 digits, and 5e-131.
Where that would take more than 3000 digits, as beside a term of exp(1e4), the answer is `unsettled`.

Differences: Griewank and Walther, Evaluating Derivatives, 2008, ch. 8; one-sided slopes at kinks: Clarke, 1983.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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

__all__ = ["Answer", "Formula", "Reference", "UNKNOWN", "value", "gradient", "unit"]

DOUBLINGS = 6                               # 50, 100, ... 1600 digits
SMALLEST = 2.0**-1074                       # of float64: what is far smaller counts as 0
AGREE = mpmath.mpf("1e-22")                 # relative: a millionth of a float64's last place
VANISHED = mpmath.mpf("1e-25")              # how much less at e^2 than at e a number is that goes to 0
CORNER = mpmath.mpf("1e-10")                # relative gap between the slopes of a kink
NEAR = (mpmath.mpf(10)**-60, mpmath.mpf(10)**-120)
MOST = 3000                                 # digits
APPROACH, APPROACH_SLOPE = 400, 800         # digits of limits

Arrays = Mapping[Input, np.ndarray]
Direction = Mapping[Input, np.ndarray]


@dataclass(frozen=True)
class Answer:
    """One number, as mathematics has it: in [low, high]. Both ends are equal but at a kink.

    kind ::= exact | limit (undefined there, but has a limit) | kink | infinite
          |  undefined (no limit: whatever is chosen is a convention) | unsettled (takes too many digits)
    """

    low: Any
    high: Any
    kind: str

    @property
    def number(self) -> Any:
        """The number; NaN where there is not one."""
        return self.low if self.low == self.high else mpmath.nan


UNDEFINED = Answer(mpmath.nan, mpmath.nan, "undefined")
UNSETTLED = Answer(mpmath.nan, mpmath.nan, "unsettled")
UNKNOWN = ("undefined", "unsettled")


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
        found = interpret([root], arrays, extents, digits=digits)[root].reshape(-1)
        return found if root.dtype == "float" else _exact(found)


class Reference:
    """The answers for one formula at one point. `smallest` is the least positive number of the floats that are judged by it."""

    def __init__(self, formula: Formula, arrays: Arrays, extents: Mapping[str, int], digits: int = 50, smallest: float = SMALLEST):
        self.formula, self.extents, self.smallest = formula, extents, mpmath.mpf(smallest)
        self.arrays = {i: _exact(a) if i.dtype == "float" else a for i, a in arrays.items()}
        self.ladder = tuple(_apart(arrays) + digits * 2**k for k in range(DOUBLINGS))
        self.nothing = -float(mpmath.log10(self.smallest)) + 6                                   # digits after which a float sees nothing
        self.span = max((_log10(x) for i, a in self.arrays.items() if i.dtype == "float" for x in a.flat), default=0.0)
        self.centres: dict[int, np.ndarray] = {}

    def at(self, arrays: Arrays, digits: int) -> np.ndarray:
        return self.formula.at(arrays, arrays, self.extents, digits)

    def centre(self, digits: int) -> np.ndarray:
        """The elements at the point itself."""
        if digits not in self.centres:
            self.centres[digits] = self.at(self.arrays, digits)
        return self.centres[digits]

    # --- values
    @cached_property
    def values(self) -> list[Answer]:
        """One for each element."""
        found = self._settled()
        if all(mpmath.isfinite(v) for v in found):
            return [Answer(v, v, "exact") for v in found]
        infinite = {i: np.asarray(np.frompyfunc(mpmath.isinf, 1, 1)(a), dtype=bool) for i, a in self.arrays.items() if i.dtype == "float"}
        limits = self._approach(self.at, [infinite, self._everything()], APPROACH + self.span, corners=False)
        return [Answer(v, v, "exact") if mpmath.isfinite(v) else limit for v, limit in zip(found, limits, strict=True)]

    def _settled(self) -> np.ndarray:
        """Elements that two precisions agree on; NaN or infinite where none do."""
        enough = int(1.1 * (self.nothing + self.span))
        previous = self.centre(self.ladder[0])
        for digits in sorted({*self.ladder[1:], enough, enough + 50}):
            if digits < enough and all(map(self._says_nothing, previous)):
                continue
            current = self.centre(digits)
            agreed = [self._agree(a, b, digits >= enough) for a, b in zip(previous, current, strict=True)]
            if all(agreed):
                return current
            previous = current
        return np.where(agreed, current, mpmath.nan)

    def _says_nothing(self, v: Any) -> bool:
        """A zero may be what cancellation left, an infinity a quotient by such a zero."""
        return not mpmath.isfinite(v) or abs(v) < self.smallest / 1000

    def _agree(self, a: Any, b: Any, enough: bool) -> bool:
        if self._says_nothing(a) and self._says_nothing(b):
            return enough
        return bool(abs(a - b) <= AGREE * max(abs(a), abs(b)))

    # --- slopes
    def slope(self, direction: Direction) -> Answer:
        """The derivative of a scalar along a direction."""
        sizes = [abs(x) for i, v in direction.items() for x, u in zip(self.arrays[i].flat, v.flat, strict=True) if u and mpmath.isfinite(x)]
        enough = int(1.5 * (self.nothing + _log10(self.centre(self.ladder[0])[0])))              # |f| / h * 10^-digits is then nothing
        before: tuple[Any, Any] | None = None
        for digits in sorted({*self.ladder, *([enough, enough + 60] if enough + 60 <= MOST else [])}):
            if before and digits < enough and self._says_nothing(before[0] + before[1]):
                continue
            with mpmath.workdps(digits):
                h = mpmath.mpf(10)**(-digits // 3) * max(1, min(sizes, default=1))
                sides = self._sides(direction, h, digits)
                answer = self._slope(before, sides, digits >= enough) if before else None
                near_kink = answer is not None and answer.kind == "kink" and any(0 < x < 1000 * h for x in sizes)
            if answer is not None and not near_kink:
                return answer
            before = sides
        if enough + 60 > MOST and self._says_nothing(before[0] + before[1]):                     # type: ignore[index]
            return UNSETTLED
        own = {i: np.full(self.arrays[i].shape, i in direction) for i, a in self.arrays.items() if i.dtype == "float"}
        return self._approach(lambda arrays, d: self._middle(arrays, direction, d), [own, self._everything()], APPROACH_SLOPE + self.span, True)[0]

    def _slope(self, before: tuple[Any, Any], sides: tuple[Any, Any], enough: bool) -> Answer | None:
        """What two steps say together, if they agree: one slope, or one for each side."""
        back, forth = sides
        if not mpmath.isfinite(back + forth + before[0] + before[1]):
            return None
        gap, scale = abs(forth - back), max(abs(forth), abs(back))
        if gap > abs(before[1] - before[0]) / 2 and gap > CORNER * scale:
            stay = max(abs(back - before[0]), abs(forth - before[1])) <= CORNER * scale
            return Answer(min(back, forth), max(back, forth), "kink") if stay else None
        middle = (back + forth) / 2
        return Answer(middle, middle, "exact") if self._agree((before[0] + before[1]) / 2, middle, enough) else None

    def _sides(self, direction: Direction, h: Any, digits: int) -> tuple[Any, Any]:
        """The slopes backward and forward."""
        centre = self.centre(digits)[0]
        return (centre - self._beside(self.arrays, direction, -h, digits)) / h, (self._beside(self.arrays, direction, h, digits) - centre) / h

    def _middle(self, arrays: Arrays, direction: Direction, digits: int) -> np.ndarray:
        """The central difference at another point; its step is small against the distance from the singular one."""
        sizes = [abs(x) for i, v in direction.items() for x, u in zip(arrays[i].flat, v.flat, strict=True) if u and mpmath.isfinite(x) and x]
        h = mpmath.mpf(10)**(-digits // 3) * min(sizes, default=1)
        return np.array([(self._beside(arrays, direction, h, digits) - self._beside(arrays, direction, -h, digits)) / (2 * h)])

    def _beside(self, arrays: Arrays, direction: Direction, h: Any, digits: int) -> Any:
        moved = {i: _move(arrays[i], h, v) for i, v in direction.items()}
        return self.formula.at({**arrays, **moved}, arrays, self.extents, digits)[0]

    # --- limits
    def _everything(self) -> dict[Input, np.ndarray]:
        return {i: np.ones(a.shape, bool) for i, a in self.arrays.items() if i.dtype == "float"}

    def _approach(self, function: Callable[[Arrays, int], np.ndarray], masks: Sequence[Mapping[Input, np.ndarray]], digits: float,
                  corners: bool) -> list[Answer]:
        """Where a function tends to, element by element, as the entries of the first mask that helps come close to their place."""
        with mpmath.workdps(int(digits)):
            answers: list[Answer] = []
            for mask in masks:
                if not any(m.any() for m in mask.values()):
                    continue
                tracks = [[function(self._near(u, e, mask), int(digits)) for e in NEAR] for u in self._neighbours()]
                found = [_common([_tends(a[k], b[k]) for a, b in tracks if not mpmath.isnan(a[k] + b[k])], corners) for k in range(len(tracks[0][0]))]
                answers = [a if a.kind != "undefined" else b for a, b in zip(answers or found, found, strict=True)]
                if all(a.kind != "undefined" for a in answers):
                    break
            return answers or [UNDEFINED] * len(self.centre(self.ladder[0]))

    def _near(self, u: Mapping[Input, np.ndarray], e: Any, mask: Mapping[Input, np.ndarray]) -> dict[Input, np.ndarray]:
        """The point with masked entries moved by e: to x + e u |x|, from 0 to e u, from an infinity to 1/e of its sign."""
        def move(x: Any, v: Any, m: Any) -> Any:
            if not m or mpmath.isnan(x):
                return x
            return mpmath.sign(x) * abs(v) / e if mpmath.isinf(x) else x + e * v * (abs(x) or 1)

        return {i: np.asarray(np.frompyfunc(move, 3, 1)(a, u[i], mask[i]), dtype=object) if i in mask else a for i, a in self.arrays.items()}

    def _neighbours(self) -> list[dict[Input, np.ndarray]]:
        """Directions: up, down, and at random there and back. One of these stays within the domain, usually."""
        rng = np.random.default_rng(0)
        floats = {i: a.shape for i, a in self.arrays.items() if i.dtype == "float"}
        up, down = ({i: _exact(s * rng.uniform(0.25, 1, shape)) for i, shape in floats.items()} for s in (1, -1))
        there, other = ({i: _exact(rng.choice([-1, 1], shape) * rng.uniform(0.25, 1, shape)) for i, shape in floats.items()} for _ in range(2))
        return [up, down, there, {i: -v for i, v in there.items()}, other]


def _log10(x: Any) -> float:
    """How many digits a number has before the point; 0 for small ones and for what is no number."""
    return max(0.0, min(int(mpmath.mag(x)), 10**6) * 0.30103) if x and mpmath.isfinite(x) else 0.0


def _exact(a: Any) -> np.ndarray:
    return np.asarray(np.frompyfunc(lambda x: x if isinstance(x, mpmath.mpf) else mpmath.mpf(float(x)), 1, 1)(a), dtype=object)


def _move(a: np.ndarray, h: Any, direction: np.ndarray) -> np.ndarray:
    return np.asarray(np.frompyfunc(lambda x, u: x + h * u if u else x, 2, 1)(a, direction), dtype=object)


def _tends(a: Any, b: Any) -> Any:
    """Where a sequence goes whose terms at distances e and e^2 are a and b; None where that cannot be told."""
    if a == b or abs(a - b) <= AGREE * max(abs(a), abs(b)) < mpmath.inf:
        return b
    if abs(b) <= VANISHED * abs(a) < mpmath.inf:
        return mpmath.mpf(0)
    return mpmath.inf * mpmath.sign(b) if abs(b) >= 1.5 * abs(a) and a * b >= 0 else None


def _common(limits: list[Any], corners: bool) -> Answer:
    if not limits or None in limits:
        return UNDEFINED
    if all(map(mpmath.isinf, limits)):
        sign = limits[0] if all(v == limits[0] for v in limits) else mpmath.nan
        return Answer(sign, sign, "infinite")
    if any(map(mpmath.isinf, limits)):
        return UNDEFINED
    low, high = min(limits), max(limits)
    if high - low <= AGREE * max(abs(low), abs(high)):
        return Answer(low, low, "limit")
    return Answer(low, high, "kink") if corners else UNDEFINED


# --- for tests --------------------------------------------------------------------------------------------------------

def _apart(arrays: Arrays) -> int:
    """Digits that a number far below 1 needs beside 1, and 1 beside the square of one far above: without them exp(1e-300) - 1 and
    sqrt((1 - 1e200)^2) - 1e200 are 0 in 50 digits and in 100, which agree."""
    floats = [np.abs(a[(a != 0) & np.isfinite(a)]) for a in map(np.asarray, arrays.values()) if a.dtype.kind == "f"]
    least = min((float(a.min()) for a in floats if a.size), default=1.0)
    greatest = max((float(a.max()) for a in floats if a.size), default=1.0)
    return int(-np.log10(least) if least < 1e-20 else 0) + int(2 * np.log10(greatest) if greatest > 1e20 else 0)


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
    >>> from graphc.analysis.certificate.reference import value
    >>> x = gc.scalar("x")
    >>> float(value(1 - 1/(1 + gc.exp(-x)), {"x": -700.0})), float(value(gc.sin(x)/x, {"x": 0.0}))
    (1.0, 1.0)
    """
    t = settle(as_tensor(formula))
    reference = _reference(t, data, digits)
    return _numbers(reference.values, [size_of(s, reference.extents) for s in t.sizes])


def gradient(formula: Any, wrt: Any, data: Mapping[str, Any], digits: int = 50) -> Any:
    """The gradient of a scalar by one of its inputs, entry by entry. NaN at a kink, and where mathematics has none.
    What is far too small for a float64 may be any such small number.

    Raises DifferentiationError where `formula` is no scalar, or `wrt` no input of it.

    >>> import graphc as gc
    >>> from graphc.analysis.certificate.reference import gradient
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
