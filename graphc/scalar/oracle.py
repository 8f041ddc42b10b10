"""NumPy versions of the table's functions that NumPy and SciPy lack."""

from __future__ import annotations

from typing import Any

import numpy as np


def softplus(x: Any) -> Any:
    """log(1 + exp(x))"""
    return np.logaddexp(x, np.zeros_like(x))


def relu(x: Any) -> Any:
    """max(x, 0), NaN kept."""
    return np.maximum(x, np.zeros_like(x))


def at_kink(condition: Any, line: Any, value: Any) -> Any:
    """The value: what is chosen at a kink is a matter of derivatives."""
    return value
