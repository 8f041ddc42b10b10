r"""tanh without branches and calls, so that loops over it vectorise.

    |x| < 1:  tanh(x) = x + x^3 P(x^2);   otherwise  tanh(x) = sign(x) (1 - 2/(exp(2|x|) + 1))

Both are computed and one is selected. P is fitted on [0, 1].
At most 1.4 ULP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from graphc.codegen.mathlib.coefficients import TANH
from graphc.codegen.mathlib.formats import polynomial, select

__all__ = ["hyperbolic_tangent"]


def hyperbolic_tangent(real: Any, exp: Callable[..., Any]) -> Callable[..., Any]:
    """tanh in the precision `real`."""
    zero, one, two = map(real, (0.0, 1.0, 2.0))
    near = polynomial(real, TANH[real])

    @njit(error_model="numpy", fastmath={"contract"}, forceinline=True)
    def tanh(given):                                                       # type: ignore[no-untyped-def]
        x = real(given)
        size = abs(x)
        z = x * x
        far = one - two / (exp(two * size) + one)
        value = select(size < one, x + x * z * near(z), select(x < zero, -far, far))
        return select(x == zero, x, value)                                 # the sign of 0

    return tanh
