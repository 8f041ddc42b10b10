"""mathlib in float64."""

from numba import float64

from graphc.codegen.mathlib.library import NAMES, library

globals().update(library(float64))
__all__ = list(NAMES)
