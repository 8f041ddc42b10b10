"""mathlib in float32."""

from numba import float32

from graphc.codegen.mathlib.library import NAMES, library

globals().update(library(float32))
__all__ = list(NAMES)
