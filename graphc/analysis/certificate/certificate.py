r"""gc.check: is what the compiled kernels return right? Values and gradients against mathematics, at random, extreme and given points.

    value        y(x)                  against the formula as written, in 50 and more digits        (`reference`)
    gradient     dy/dw[p]              against central differences of that formula; an interval at a kink
    reverse      sum of dy/dw * u      against the difference along a random u: all entries at once
    forward      the tangent along u   against the same, so that forward and reverse mode agree: <v, J u> = <J^T v, u>

Each number may be off by a few units in its last place, more where the problem itself is ill-conditioned (`ulps`).

Adjoints against tangents: Griewank and Walther, Evaluating Derivatives, 2008, ch. 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.analysis.certificate.judge import Judge
from graphc.analysis.certificate.points import Point, extreme_points, mixed_points, random_points, rounded, tied_points
from graphc.analysis.certificate.report import Report
from graphc.analysis.certificate.sampling import Sampler, intervals
from graphc.analysis.certificate.subject import Subject, subject_of
from graphc.analysis.certificate.ulps import FORMATS
from graphc.errors import BindingError, TargetError
from graphc.frontend.elementwise import located
from graphc.ir.bind import Binder
from graphc.ir.interpret import size_of
from graphc.ir.nodes import Input

__all__ = ["check"]


def check(target: Any, data: Any = None, *, wrt: Any = None, seed: int = 0, digits: int = 50, dtype: str | None = None,
          extreme: bool = True, within: Mapping[str, tuple[float, float]] | None = None) -> Report:
    """Judge the compiled kernels of a formula by mathematics: its values and gradients in ulps, with the worst input found.

    `target` is a tensor, a list or dict of tensors, or a compiled Program. `data` are arrays by name to judge it at besides random and
    extreme points: a dict, or a list of dicts. `wrt` as in `gc.grad`; without it the parameters, or all float inputs where there are
    none. `dtype` is "float32" or "float64"; without it both are checked. `extreme=False` leaves extreme points out. `within` are
    intervals of inputs by name, for a formula that is made for some numbers: targets in (0, 1). The report repeats for a seed.

    Raises BindingError where data do not fit, for an interval that is none or no float input's, and where no data are given and no random
    ones suit the formula, DifferentiationError where there is nothing to differentiate by, TargetError for a dtype that the program does not
    compute in.

    >>> import graphc as gc
    >>> x = gc.tensor("x", "n")
    >>> gc.check(gc.sum(gc.log(1 + gc.exp(x))), dtype="float64").ok
    True
    """
    subject = subject_of(target, wrt)
    dtypes, notes = _dtypes(subject, dtype)
    rng = np.random.default_rng(seed)
    judge = Judge(subject, digits, seed)
    judge.notes += notes
    box = intervals(within or {}, subject.inputs)
    for given in _given(subject, data, dtypes, rng):
        judge.at(given)
    try:
        sampler = Sampler([o.tensor for o in subject.outputs], rng, [o.scalar for o in subject.outputs if o.scalar is not None], box)
    except BindingError as error:
        if data is None:
            raise
        judge.notes.append(f"random and extreme points: {error}")
        return judge.report(f"{judge.tried.get('given', 0)} given")
    for p in random_points(sampler, rng, dtypes):
        judge.at(p)
    if extreme:
        _explore(judge, sampler, rng, dtypes)
    else:
        judge.notes.append("extreme points")
    counts = ", ".join(f"{n} {kind}" for kind, n in judge.tried.items())
    return judge.report(f"{counts}; {sampler.described}, seed {seed}; {_sizes(sampler.extents)}")


def _dtypes(subject: Subject, wanted: str | None) -> tuple[tuple[str, ...], list[str]]:
    """The dtypes to check, and why not the others."""
    if wanted not in (None, *FORMATS):
        raise located(TargetError(f"dtype {wanted!r} is not float32 or float64"))
    problems = {d: p for d in FORMATS if (p := _problem(subject, d))}
    chosen = [wanted] if wanted else [d for d in FORMATS if d not in problems]
    if not chosen or chosen[0] in problems:
        raise located(TargetError(f"check: {problems[chosen[0] if chosen else 'float64']}"))
    return tuple(chosen), [f"{d}: {problems.get(d, 'another dtype was asked for')}" for d in FORMATS if d not in chosen]


def _problem(subject: Subject, dtype: str) -> str:
    """Why a program does not compute in a dtype."""
    fixed = subject.program._dtype
    if fixed not in (None, dtype):
        return f"the program was compiled for {fixed}"
    given = [i.precision or dtype for i in subject.inputs if i.dtype == "float"]
    if given and np.result_type(*given) != dtype:
        return f"an input is declared {np.result_type(*given)}, so that nothing is computed in {dtype}"
    return ""


def _given(subject: Subject, data: Any, dtypes: Sequence[str], rng: np.random.Generator) -> Iterator[Point]:
    """The user's points, rounded to each dtype."""
    roots = [o.tensor.node for o in subject.outputs]
    inputs = [i for i in subject.inputs if i not in subject.seeds]
    several = isinstance(data, list | tuple)
    for k, one in enumerate([] if data is None else data if several else [data]):
        bound = Binder(inputs, roots).bind(_widened(inputs, one))
        arrays = {i: np.asarray(a, dtype=np.float64) if i.dtype == "float" and not i.precision else a for i, a in bound.arrays.items()}
        arrays |= {i: rng.normal(size=[size_of(s, bound.extents) for s in i.dims]) for i in subject.inputs if i in subject.seeds}
        for dtype in dtypes:
            yield Point(f"given {k + 1}" if several else "the given data", rounded(arrays, dtype), bound.extents, (dtype,), "given")


def _widened(inputs: Sequence[Input], data: Any) -> dict[str, Any]:
    """Data by name; float16, float32 and whole numbers for a float input are exact in float64."""
    if not isinstance(data, Mapping):
        raise located(BindingError(f"check: data are arrays by name, a dict or a list of dicts, not {type(data).__name__}"))
    wide = {i.name for i in inputs if i.dtype == "float" and not i.precision}
    return {n: np.asarray(a, dtype=np.float64) if n in wide and np.asarray(a).dtype.kind == "f" else a for n, a in data.items()}


def _explore(judge: Judge, sampler: Sampler, rng: np.random.Generator, dtypes: Sequence[str]) -> None:
    """Judge extreme, mixed and tied points."""
    floats = [i for i in sampler.floats if i not in judge.subject.seeds]
    admissible: dict[Input, list[float]] = {i: [] for i in floats}
    every = [p for p in extreme_points(sampler, rng, dtypes, floats) if p.dtypes]
    chosen = judge.affordable(every)
    for p in chosen:
        if judge.at(p) and p.value is not None:
            admissible[next(iter(p.focus))].append(p.value)
    if len(chosen) < len(every):
        judge.notes.append(f"{len(every) - len(chosen)} of {len(every)} extreme points: the formula is too large for all of them")
    for p in (*mixed_points(sampler, rng, dtypes, admissible), *tied_points(sampler, rng, dtypes, floats)):
        judge.at(p)


def _sizes(extents: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {n}" for name, n in extents.items()) or "no dims"
