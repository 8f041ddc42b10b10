"""Measures the functions of the table and writes measured.json, from which docs/functions.md has its figures.

    python -m tests.accuracy [--stride 1] [--samples 1000000] [--spot 20000] [NAME ...]        all in all, hours; names alone keep the others' figures
"""

from __future__ import annotations

import argparse
import datetime
import json
import warnings

from .measure import FILE, NAMES, REASONS, measure


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {' '.join(NAMES)}")
    parser.add_argument("--stride", type=int, default=1, help="float32: each so many-th value")
    parser.add_argument("--samples", type=int, default=1_000_000, help="float64, and functions of two arguments: samples")
    parser.add_argument("--spot", type=int, default=20_000, help="float64: samples compared with mpmath")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for name in given.names or NAMES:
        known[name] = {"date": datetime.date.today().isoformat(), "reason": REASONS.get(name, "")}
        for dtype in ("float32", "float64"):
            found, how = measure(name, dtype, given.samples, given.spot, given.stride)
            known[name][dtype] = {"how": how, **{kind: {"ulp": round(error, 2), "at": at} for kind, (error, at) in found.items()}}
        FILE.write_text(json.dumps({n: known[n] for n in NAMES if n in known}, indent=1) + "\n", encoding="utf-8")
        print(name, {d: {k: known[name][d][k]["ulp"] for k in ("numpy", "jit")} for d in ("float32", "float64")}, flush=True)


if __name__ == "__main__":
    main()
