"""Measures the functions of the table and writes measured.json, from which docs/functions.md has its figures.

    python -m tests.accuracy [--stride 1] [--samples 4000000] [--spot 20000] [--dtype float32] [--kind jit] [NAME ...]

Names, precisions and kinds alone keep the others' figures.

All float32 values of one function take 15 seconds of a core, half of that where it is odd or even; the oracle is measured at each 101st.
"""

from __future__ import annotations

import argparse
import datetime
import json
import time
import warnings
from typing import Any

from .cases import CASES, NAMES
from .measure import FILE, ORACLE_REASONS, REASONS, check_special_values, measure

ORACLE_STRIDE = 101
DTYPES, KINDS = ("float32", "float64"), ("jit", "numpy")


def written(known: dict[str, Any]) -> str:
    """JSON with one line for each function, precision and kind."""
    def block(items: list[tuple[str, str]], indent: str) -> str:
        return "{\n" + ",\n".join(f"{indent} {json.dumps(key)}: {text}" for key, text in items) + f"\n{indent}}}"
    return block([(name, block([(part, json.dumps(found)) for part, found in known[name].items()], " ")) for name in NAMES if name in known], "") + "\n"


def explained(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """The figures, and before them where they hold and why one is above the bound."""
    figures = {key: found[key] for d in DTYPES for k in KINDS if (key := f"{d} {k}") in found}
    reasons = [table[name] for kind, table in zip(KINDS, (REASONS, ORACLE_REASONS), strict=True)
               if any(part["ulp"] > 2 for key, part in figures.items() if key.endswith(kind)) and name in table]
    return {"within": CASES[name].within, "reason": "; ".join(dict.fromkeys(reasons)), **figures}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {' '.join(NAMES)}")
    parser.add_argument("--stride", type=int, default=1, help="float32, generated: each so many-th value")
    parser.add_argument("--samples", type=int, default=4_000_000, help="float64, and functions of more arguments: samples")
    parser.add_argument("--spot", type=int, default=20_000, help="samples compared with mpmath")
    parser.add_argument("--dtype", choices=DTYPES, action="append", help="one precision only")
    parser.add_argument("--kind", choices=KINDS, action="append", help="generated code, or the oracle; both unless given")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in given.names or NAMES:
        for dtype in DTYPES:
            check_special_values(name, dtype)
        for dtype in given.dtype or DTYPES:
            for kind in given.kind or KINDS:
                start = time.perf_counter()
                (error, at), how = measure(name, dtype, kind, given.samples, given.spot, given.stride if kind == "jit" else max(given.stride, ORACLE_STRIDE))
                known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
                known.setdefault(name, {})[f"{dtype} {kind}"] = {"ulp": round(error, 4), "at": at, "how": how, "date": datetime.date.today().isoformat()}
                FILE.write_text(written({n: explained(n, found) for n, found in known.items()}), encoding="utf-8")
                print(f"{name:12} {dtype} {kind:5} {error:9.4g} at {at}  {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
