"""The table of docs/numerics.md: `python tests/numerics` runs every case of nasty.json and writes the table between the page's markers.

The columns of torch and JAX are what the file records of PyTorch 2.13.0 (CPU, eager) and JAX 0.10.2 (jit), float64.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import nasty_cases as nasty  # noqa: E402

PAGE = Path(__file__).resolve().parents[2] / "docs" / "numerics.md"
START, END = "<!-- nasty: made by `python tests/numerics` -->", "<!-- end -->"
PEERS = ("torch_naive", "torch_builtin", "jax_naive", "jax_builtin")


def verdict(error: float, allowed: float) -> str:
    return "ok" if error <= allowed else "wrong" if math.isinf(error) or error > 2000 else f"{error:.0f} ULP"


def worst(case: Any, program: Any) -> float:
    """The greatest error of value and gradients, in ULP; 0 for a subgradient."""
    value, gradients = nasty.measure(case, program)
    dtype = next(iter(case.inputs.values())).dtype
    errors = [nasty.ulps(value, case.value, dtype)]
    for name, exact in case.gradient.items():
        for i, (a, e) in enumerate(zip(gradients[name], exact, strict=False)):
            allowed = case.sets.get(name)
            errors.append(0.0 if allowed and allowed[i][0] <= float(a) <= allowed[i][1] else nasty.ulps(a, e, dtype))
    return max(errors)


def table() -> str:
    raw = {c["name"]: c for c in json.loads(nasty.FILE.read_text())["cases"]}
    lines = ["| case | formula | kind | graphc, naive | graphc, by name | torch, naive | torch, by name | JAX, naive | JAX, by name |",
             "|---|---|---|---|---|---|---|---|---|"]
    for case in nasty.load("f64"):
        c = raw[case.name]
        naive, *named = (verdict(worst(case, program), max(4.0, 2 * case.cond)) for program in nasty.CASES[case.name])
        naive = "NaN" if naive == "wrong" and case.kind == "convention" else naive
        formula = c["formula"].replace("|", "\\|")
        peers = ["-" if p not in c["f64"]["observed"] else _shown(c["f64"]["observed"][p].get("verdict", ["error"])) for p in PEERS]
        lines.append(f"| {case.name} | `{formula}` | {case.kind} | {naive} | {', '.join(named) or '-'} | {' | '.join(peers)} |")
    return "\n".join(lines)


def _shown(verdicts: Any) -> str:
    return "ok" if all(v == "ok" for v in verdicts) else " / ".join(v.replace("WRONG ", "").replace("~", "") for v in verdicts)


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(START)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{START}\n{table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
