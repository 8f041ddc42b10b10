"""The functions of mathlib in float32, for kernels of CUDA."""

from numba import float32

from graphc.codegen.cudalib.faults import checked
from graphc.codegen.mathlib.library import NAMES, library

globals().update(library(float32, alone=True) | {"checked": checked})
__all__ = list(NAMES)
