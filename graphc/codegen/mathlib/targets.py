"""Intrinsics of two targets.

Numba asks an intrinsic for its code once for each target, and keeps the last answer for all: after a kernel for CUDA has used `select`, one for the
CPU is given code that is not registered there, or the other way around. So the answer is made once, and is the same for both.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from numba.extending import intrinsic as of_numba

__all__ = ["intrinsic"]


def intrinsic(define: Callable[..., Any]) -> Any:
    """numba.extending.intrinsic, for functions that kernels of the CPU and of CUDA call."""
    answers: dict[tuple[Any, ...], Any] = {}

    @functools.wraps(define)
    def answer(context: Any, *kinds: Any) -> Any:
        if kinds not in answers:
            answers[kinds] = define(context, *kinds)
        return answers[kinds]

    return of_numba(answer)
