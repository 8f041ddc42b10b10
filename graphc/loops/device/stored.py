r"""Which arrays a program on a GPU keeps in half precision. Arithmetic is float32's: kernels convert what they load and store.

    inputs     as they are given
    outputs    a gradient in the dtype of its parameter, if each element is written once and not read: sums, and what is read again, are float32,
               and are rounded when the program is done
    scratch    what only matrix products read, one of them with a half on the other side: a product takes two arrays of one dtype

So a cotangent that goes into a product is rounded once, by the kernel that makes it, and products of halves add up in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from graphc.loops.device.statements import DeviceProgram, Load, Over, Row, Save
from graphc.loops.statements import Accumulate, HostProgram, Product, Track, values
from graphc.scalar.term import Term, walk

__all__ = ["HALVES", "Types", "stored"]

HALVES = ("float16", "bfloat16")


@dataclass(frozen=True)
class Types:
    """The dtype that is computed in, and the inputs in half precision, by the user's names."""

    real: str
    halves: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return ", ".join([self.real, *(f"{name} {kind}" for name, kind in self.halves)])


def stored(program: HostProgram, mapped: DeviceProgram, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> dict[str, str]:
    """The arrays in half precision by name, given those of the inputs and what is wished of the outputs."""
    uses = _Uses()
    uses.of(mapped.body)
    found = dict(inputs)
    operands = {name for p in uses.products for name in (p.a, p.b)}
    outside = uses.read | uses.added | set(program.inputs) | set(program.outputs)
    free = {name for name in operands - outside if program.arrays[name][1] == "float"}
    while new := {x: found[y] for p in uses.products for x, y in ((p.a, p.b), (p.b, p.a)) if x in free - found.keys() and y in found}:
        found |= new
    return found | {name: kind for name, kind in outputs.items() if name in program.arrays and name not in uses.read | uses.added | operands}


@dataclass
class _Uses:
    """What kernels read, what they or products add to, and the products."""

    read: set[str] = field(default_factory=set)
    added: set[str] = field(default_factory=set)
    products: list[Product] = field(default_factory=list)

    def of(self, x: Any) -> None:
        match x:
            case Product():
                self.products.append(x)
                self.added |= {x.out} if x.add else set()
            case Accumulate(target=target) | Track(target=target):
                self.added |= {target.value} if target.op == "load" else set()
                for value in values(x):
                    self.of(value)
            case Load(row=row):
                self.read.add(row.array)
            case Save():
                pass
            case Over(loads=loads):
                self.read |= {row.array for row in loads}
                self.of(tuple(getattr(x, f.name) for f in fields(x) if f.name not in ("loads", "saves")))
            case Term():
                self.read |= {t.value for t in walk(x) if t.op == "load"}
            case tuple():
                for part in x:
                    self.of(part)
            case _ if is_dataclass(x) and not isinstance(x, Row):
                self.read |= {array} if isinstance(array := getattr(x, "array", None), str) else set()
                self.of(tuple(getattr(x, f.name) for f in fields(x)))
