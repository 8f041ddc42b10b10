"""What graphc finds on this machine, what is missing, and the one command that mends it.

    graphc doctor            all parts; fails if what every formula needs does not work
    graphc doctor cuda gpu   fails if one of these does not work

Each part is tried, not looked up: a formula is compiled and run, a picture drawn, a kernel compiled to PTX and to machine code.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphc.codegen.cudalib.toolkit import MEND, parts, reason

__all__ = ["Finding", "NEEDED", "PARTS", "examine", "report"]


@dataclass(frozen=True)
class Finding:
    """A part that was tried: what it is for; what was found, or the problem and the command that mends it."""

    part: str
    purpose: str
    found: str = ""
    problem: str = ""
    mend: str = ""


def _processor() -> str:
    import numpy as np

    import graphc as gc
    value, grads = gc.compile(gc.sum(gc.param("x", "n")**2))(x=np.array([3.0, 4.0]))
    if float(value) != 25.0 or grads["x"].tolist() != [6.0, 8.0]:
        raise ValueError(f"sum(x**2) at [3, 4] is {value}, its gradient {grads['x']}")
    import numba
    return f"Numba {numba.__version__}, NumPy {np.__version__}"


def _threads() -> str:
    from graphc.config import num_threads
    return str(num_threads())


def _cache() -> str:
    from graphc.runtime.cache import cache_folder
    return str(cache_folder())


def _pictures() -> str:
    from graphc.render.backends import draw
    draw("digraph { a }", "svg")
    return "Graphviz draws"


def _cuda() -> str:
    from graphc.codegen.cudalib.assemble import assemble
    from graphc.codegen.cudalib.compile import compile
    from graphc.codegen.cudalib.toolkit import require
    require("numba-cuda", "NVVM")
    ptx = compile(_nothing, (), (9, 0))
    assemble(ptx.text, "sm_90")
    missing = [part.name for part in parts().values() if part.problem]
    found = ", ".join(f"{part.name} {part.version}" for part in parts().values() if part.version)
    return f"{found}; {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing" if missing else found


def _nothing() -> None:
    """A kernel."""


def _gpu() -> str:
    from graphc.codegen.cudalib.toolkit import cards, require
    found = cards()
    require("cuBLAS")
    return ", ".join(found)


def _cuda_extra() -> str:
    """The extra for this machine's driver, which runs what is not newer than itself; the newer one where there is no driver."""
    version = ctypes.c_int(13000)
    try:
        ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except OSError:
        pass
    return MEND if version.value >= 13000 else MEND.replace("cuda13", "cuda12")


def _gpu_way() -> str:
    """Tools can be installed; a driver, and a card, are somebody else's."""
    from graphc.codegen.cudalib.toolkit import cards
    try:
        tools = bool(cards())                          # a card answers: what is missing is cuBLAS
    except Exception:
        tools = bool(parts()["CuPy"].problem)
    return _cuda_extra() if tools else "nvidia-smi        says whether a driver is installed, and what it sees"


_CHECKS: dict[str, tuple[str, Callable[[], str], Callable[[], str]]] = {
    "cpu": ("compiles formulas and runs them", _processor, lambda: "pip install --upgrade graphc"),
    "threads": ("processors that one call may use", _threads, lambda: "unset GRAPHC_NUM_THREADS"),
    "cache": ("keeps machine code between runs", _cache, lambda: "export GRAPHC_CACHE=$HOME/graphc-cache"),
    "pictures": ("draws formulas", _pictures, lambda: "pip install 'graphc[picture]'"),
    "cuda": ("compiles kernels for GPUs, with or without one", _cuda, _cuda_extra),
    "gpu": ("runs them", _gpu, _gpu_way),
}
PARTS, NEEDED = tuple(_CHECKS), ("cpu", "threads", "cache")


def examine() -> list[Finding]:
    """All parts, tried."""
    return [_tried(part) for part in PARTS]


def _tried(part: str) -> Finding:
    purpose, check, mend = _CHECKS[part]
    try:
        return Finding(part, purpose, found=check())
    except Exception as error:                     # a broken installation fails in any way
        return Finding(part, purpose, problem=reason(error), mend=mend())


def report(findings: Sequence[Finding]) -> str:
    """One line for each part, and what mends those that do not work."""
    lines = []
    for f in findings:
        lines.append(f"{'missing' if f.problem else 'ok':8}{f.part:10}{f.purpose}: {f.problem or f.found}")
        lines += [f"{'':18}{f.mend}"] if f.mend else []
    return "\n".join(lines)
