"""The curves of scaling.py as SVG, the same bytes for the same figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["depths", "sizes"]

Points = dict[str, float]


def sizes(curves: dict[str, Points], folder: Path) -> None:
    """scaling-size.svg"""
    figure, axes = _begun()
    names = list(dict.fromkeys(name.rsplit(",", 1)[0] for name in curves))
    for name, points in curves.items():
        loss, threads = name.rsplit(",", 1)
        axes.plot([int(n) for n in points], list(points.values()), label=name, color=f"C{names.index(loss)}",
                  linestyle="-" if threads == " 1 thread" else "--", marker=".")
    _finish(figure, axes, "elements", "nanoseconds an element", folder / "scaling-size.svg")


def depths(layers: dict[int, dict[str, float]], folder: Path) -> None:
    """scaling-depth.svg"""
    figure, axes = _begun()
    for key, label, unit in (("symbolic", "symbolic stages", 1e3), ("first", "first call", 1e3), ("call", "a later call", 1e-3)):
        axes.plot(list(layers), [t[key] * unit for t in layers.values()], label=label, marker=".")
    _finish(figure, axes, "layers", "milliseconds", folder / "scaling-depth.svg")


def _begun() -> tuple[Any, Any]:
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "graphc", "svg.fonttype": "none", "font.family": "sans-serif", "axes.spines.top": False,
                            "axes.spines.right": False, "axes.grid": True, "grid.color": "#e5e5e5", "legend.frameon": False}
    import matplotlib.pyplot as plt
    return plt.subplots(figsize=(7.5, 4))


def _finish(figure: Any, axes: Any, x: str, y: str, file: Path) -> None:
    axes.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
    axes.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
