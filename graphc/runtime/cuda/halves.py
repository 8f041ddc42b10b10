"""float16 and bfloat16 on the host. NumPy has no bfloat16: ml_dtypes, which CuPy and JAX use, adds it."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from graphc.errors import TargetError
from graphc.loops.device.stored import HALVES

__all__ = ["dtype_of", "half_of", "on_host"]


def dtype_of(name: str) -> np.dtype:
    """NumPy's dtype of this name; TargetError if it is bfloat16, and ml_dtypes is missing."""
    if name == "bfloat16":
        try:
            importlib.import_module("ml_dtypes")
        except ImportError:
            raise TargetError("bfloat16 arrays need ml_dtypes, which is not installed: pip install ml_dtypes") from None
    return np.dtype(name)


def half_of(value: Any) -> str | None:
    """The half precision that an array is stored in, or None."""
    name = getattr(getattr(value, "dtype", None), "name", None)
    return name if name in HALVES else None


def on_host(tensor: Any) -> np.ndarray:
    """A tensor of PyTorch in NumPy. It has no bfloat16 to give, but its bits."""
    import torch
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        return np.asarray(tensor.view(torch.int16)).view(dtype_of("bfloat16"))
    return np.asarray(tensor)
