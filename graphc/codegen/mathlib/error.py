r"""The error function without branches and calls, so that loops over it vectorise.

    |x| < 1:  erf(x) = x + x P(x^2);   otherwise  erf(x) = sign(x) (1 - exp(-x^2) Q((|x| - 3)/(|x| + 3)))

Both are computed and one is selected. Q is exp(x^2) erfc(x), which varies slowly, over a variable in which it is nearly a polynomial;
beyond the end of its interval erf rounds to 1. At most 1.2 ULP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.codegen.mathlib.coefficients import ERF_END, ERF_FAR, ERF_NEAR
from graphc.codegen.mathlib.formats import contracted, polynomial, select

__all__ = ["error_function"]


def error_function(real: Any, exp: Callable[..., Any]) -> Callable[..., Any]:
    """erf in the precision `real`."""
    zero, one, three, end = map(real, (0.0, 1.0, 3.0, ERF_END[real]))
    near, scaled = polynomial(real, ERF_NEAR[real]), polynomial(real, ERF_FAR[real])

    @contracted
    def erf(given):                                                        # type: ignore[no-untyped-def]
        x = real(given)
        size = abs(x)
        z = x * x
        y = select(size < end, size, end)
        far = one - exp(-z) * scaled((y - three) / (y + three))
        return select(size < one, x + x * near(z), select(x < zero, -far, far))

    return erf
