"""NumPy versions of the table's functions that NumPy and SciPy lack."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special


def softplus(x: Any) -> Any:
    """log(1 + exp(x))"""
    return np.logaddexp(x, np.zeros_like(x))


def log1mexp(x: Any) -> Any:
    """log(1 - exp(-x)) (Maechler, Accurately computing log(1 - exp(-|a|)), 2012)."""
    return np.where(x < np.asarray(np.log(2), np.asarray(x).dtype), np.log(-np.expm1(-x)), np.log1p(-np.exp(-x)))


def logerfc(x: Any) -> Any:
    """log(erfc(x)): log1p(-erf(x)), or through exp(x^2) erfc(x) where erfc is small."""
    return np.where(x < 0.5, np.log1p(-special.erf(x)), np.log(special.erfcx(x)) - np.square(x))


def relu(x: Any) -> Any:
    """max(x, 0), NaN kept."""
    return np.maximum(x, np.zeros_like(x))
