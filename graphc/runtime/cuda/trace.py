"""Which kernels a host program launches for given sizes: `run` with a device that computes nothing, on arrays that hold nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.codegen.cudalib.compile import Ptx, argument_type
from graphc.runtime.cuda.kernels import ptx_of
from graphc.runtime.cuda.products import Products

__all__ = ["Launched", "Trace", "hollow"]


@dataclass(frozen=True)
class Launched:
    """A kernel as it is compiled: for arguments of these types, and these constants."""

    kernel: Callable[..., Any]
    types: tuple[str, ...]
    constants: tuple[tuple[str, Any], ...]

    @property
    def name(self) -> str:
        return self.kernel.__name__

    def ptx(self, cc: tuple[int, int]) -> Ptx:
        return ptx_of(self.kernel, self.types, cc, dict(self.constants))

    def __str__(self) -> str:
        constants = ", ".join(f"{k}={v}" for k, v in self.constants)
        return f"{self.name}({', '.join(self.types)}){f' with {constants}' if constants else ''}"


def hollow(shape: Sequence[int], dtype: Any) -> np.ndarray:
    """An array of this shape and no memory."""
    return np.broadcast_to(np.zeros((), dtype), tuple(shape))


class Trace(Products):
    """`d` of a host program. `launched` has each kernel once, in order."""

    processors = 1

    def __init__(self) -> None:
        self.launched: dict[Launched, None] = {}
        self.empty, self.wrong = hollow, hollow((1,), np.uint8)

    def launch(self, kernel: Callable[..., Any], blocks: Any, threads: Any, *args: Any, **constants: Any) -> None:
        self.launched[Launched(kernel, tuple(map(argument_type, args)), tuple(sorted(constants.items())))] = None

    @property
    def converted(self) -> Callable[..., Any]:
        from graphc.codegen.cudalib.kernels import converted
        return converted

    def multiply(self, a: Any, b: Any, out: Any, add: bool) -> None:
        pass

    def check_labels(self, name: str, labels: Any, below: int, others: tuple[int, ...] = ()) -> Any:
        from graphc.codegen.cudalib.kernels import fenced
        safe = hollow(labels.shape, np.int64)
        self.launch(fenced, 1, 1, labels, safe, self.wrong, 1, 1, OTHERS=tuple(others) or (0,), COUNT=len(others))
        return safe
