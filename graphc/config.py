"""Settings, each an environment variable: GRAPHC_CACHE (see runtime.cache), GRAPHC_NUM_THREADS."""

from __future__ import annotations

import os

from graphc.errors import TargetError

__all__ = ["num_threads"]


def num_threads() -> int:
    """How many threads one call of a Program may use: GRAPHC_NUM_THREADS, or as many as the process may use processors."""
    given = os.environ.get("GRAPHC_NUM_THREADS")
    if given:
        if not given.isascii() or not given.isdigit() or int(given) < 1:
            raise TargetError(f"GRAPHC_NUM_THREADS is the number of threads that a call may use, 1 or more, given {given!r}")
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
