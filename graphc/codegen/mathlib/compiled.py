"""How generated functions are compiled: by Numba's njit, without the lock of the interpreter, with IEEE division.

    @compiled(fastmath=...)                        when first called, for the types that it is called with
    @compiled((float64[:, ::1], ...), cache=True)  at once, for these; machine code from disk, if it is there

Before it reads machine code from disk, Numba fills the tables of its compiler with some thousand functions, and imports scipy.linalg: 0.35 s. Machine
code needs Numba's runtime alone, so the tables are left to the first function that is compiled, and are filled without scipy.linalg.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

from graphc.codegen.mathlib.blas import pointers_alone
from graphc.codegen.mathlib.pipeline import Called, Pipeline, add

__all__ = ["compiled"]


class _Cache(FunctionCache):
    """Numba's cache of a function."""

    def load_overload(self, signature: Any, context: Any) -> Any:
        rtsys.initialize(context)
        with self._guard_against_spurious_io_errors():
            found = self._load_overload(signature, context)
            if found is None:
                with pointers_alone():
                    context.refresh()                                      # as the compiler is about to do
            return found

    def save_overload(self, signature: Any, made: Any) -> None:
        if isinstance(made.library, Called):                               # without machine code so far
            made.library.save = lambda: super(_Cache, self).save_overload(signature, made)
        else:
            super().save_overload(signature, made)


def compiled(types: tuple[Any, ...] | None = None, cache: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """The decorator; `options` are Numba's. With `types` it takes arrays and numbers of these alone."""
    settings: dict[str, Any] = {"nogil": True, "error_model": "numpy", "pipeline_class": Pipeline,
                                "no_cfunc_wrapper": True, **options}                       # which is not in njit's types
    numba = njit(**settings)

    def decorate(function: Callable[..., Any]) -> Any:
        made = numba(function)
        made.add_overload = lambda result: add(made, result)
        if cache:
            made._cache = _Cache(function)
        if types is not None:
            made.compile(types)
            made.disable_compile()
        return made
    return decorate
