r"""Products that a difference takes: one instruction, as NVVM makes of a product and a sum, and LLVM of both on a processor.

    mul p, x, y;  sub d, a, p      neg p, x;  fma d, p, y, a          a - x*y
    mul p, x, y;  sub d, p, b      neg p, b;  fma d, x, y, p          x*y - b

Only products that NVVM may fuse (`mul`, not `mul.rn`), that nothing else reads, in one stretch of instructions without a jump. The assembler negates
for nothing.
"""

from __future__ import annotations

import re
from collections import Counter

__all__ = ["fused"]

_REGISTER = re.compile(r"%fd?\d+")
_PRODUCT = re.compile(r"\tmul\.(f32|f64) \t(%fd?\d+), (\S+), (\S+);")
_DIFFERENCE = re.compile(r"\tsub\.(f32|f64) \t(%fd?\d+), (\S+), (\S+);")
_JUMP = re.compile(r"\$\w+:|.*\b(bra|call|ret)\b|[{}]")
_TARGETS = re.compile(r"\t(?:@!?%p\d+ )?[\w.:]+ \t?(\{[^}]*\}|[^,;]*)")


def fused(text: str) -> str:
    """The PTX with differences of products in one instruction."""
    uses = Counter(_REGISTER.findall(text))
    lines: list[str | None] = list(text.split("\n"))
    products: dict[str, tuple[int, str, str]] = {}             # register -> its line and factors
    for k, line in enumerate(text.split("\n")):
        if _JUMP.match(line):
            products.clear()
        elif (found := _DIFFERENCE.fullmatch(line)) and (p := next((r for r in (found[4], found[3]) if r in products), "")):
            at, x, y = products.pop(p)
            lines[at] = None
            lines[k] = _difference(found, p, x, y)
        written = _REGISTER.findall(made[1]) if (made := _TARGETS.match(line)) else []
        products = {p: parts for p, parts in products.items() if p not in written and not {*parts[1:]} & {*written}}
        if (found := _PRODUCT.fullmatch(line)) and uses[found[2]] == 2:
            products[found[2]] = k, found[3], found[4]
    return "\n".join(line for line in lines if line is not None)


def _difference(found: re.Match[str], p: str, x: str, y: str) -> str:
    """The instructions of a difference; `p` is a register for what is negated."""
    kind, d, a, b = found.groups()
    if b == p:
        x, y = (x, y) if x.startswith("%") else (y, x)
        return f"\tneg.{kind} \t{p}, {x};\n\tfma.rn.{kind} \t{d}, {p}, {y}, {a};"
    return f"\tneg.{kind} \t{p}, {b};\n\tfma.rn.{kind} \t{d}, {x}, {y}, {p};"
