"""The functions of mathlib in float32, for kernels of CUDA."""

from graphc.codegen.mathlib.float32 import *  # noqa: F403
