"""Policies: what a schedule and its loops are made for.

    CPU    one core runs a kernel's rows in order: sums of many rows may add to one array row by row, rows of scratch stay in its cache
    GPU    thousands of threads run rows at once: a nest of loops begins with the axes of what it makes, so that its rows are independent
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Policy", "CPU", "GPU"]


@dataclass(frozen=True)
class Policy:
    """axes_first: a reduction's own axes are bound before what it is reduced over. peel: loops do not ask for a certain index. tuned: copies for
    strides, sums in chunks, shared storage and parts of rows, as one core wants them."""

    axes_first: bool
    peel: bool
    tuned: bool


CPU = Policy(axes_first=False, peel=True, tuned=True)
GPU = Policy(axes_first=True, peel=False, tuned=False)
