"""The functions of mathlib in float64, for kernels of CUDA."""

from numba import float64

from graphc.codegen.cudalib.faults import checked
from graphc.codegen.mathlib.library import NAMES, library

globals().update(library(float64, alone=True) | {"checked": checked})
__all__ = list(NAMES)
