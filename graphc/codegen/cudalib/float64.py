"""The functions of mathlib in float64, for kernels of CUDA."""

from graphc.codegen.mathlib.float64 import *  # noqa: F403
