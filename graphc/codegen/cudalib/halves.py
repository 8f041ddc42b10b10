"""Arrays in half precision: kernels read them as float32, and round what they store. Arithmetic is in float32 alone.

    x[i]              float32 of the 16 bits there: exact
    x[i] = value      the nearest half, ties to even; infinite where the value is beyond the greatest half

`Halves` is the type of a pointer to such an array. Everything else of a kernel is as for a pointer to float32, so one text serves all storage types.
Neighbours share a word of 32 bits, the first in its lower half: `words` and `parts` go between values and words, for vector loads and stores.

    float16      cvt.f32.f16; cvt.rn.f16x2.f32 makes a word of two values
    bfloat16     the upper half of a float32: a shift or a mask; cvt.rn.bf16x2.f32
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from graphc.codegen.cudalib.toolkit import tool

__all__ = ["HALVES", "Halves", "words", "parts"]

HALVES = {"float16": "f16", "bfloat16": "bf16"}         # by NumPy's name, that of PTX
WORD, HALF, REAL = ir.IntType(32), ir.IntType(16), ir.FloatType()
types, models, lower = tool("types"), tool("models"), tool("extending").lower_builtin


class Halves(types.CPointer):                                              # type: ignore[misc, name-defined]
    """A pointer to float16 or bfloat16, whose elements are float32 to a kernel."""

    def __init__(self, stored: str):
        self.stored = stored
        super().__init__(types.float32)
        self.name = f"{stored}*"

    @property
    def key(self) -> tuple[str]:
        return (self.stored,)


@models.register_model(Halves)
class _Model(models.PrimitiveModel):                                       # type: ignore[misc, name-defined]
    def __init__(self, dmm: Any, fe_type: Halves):
        super().__init__(dmm, fe_type, HALF.as_pointer())


@lower(operator.getitem, Halves, types.Integer)
def _load(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
    return _widened(builder, signature.args[0], builder.load(builder.gep(arguments[0], [arguments[1]])))


@lower(operator.setitem, Halves, types.Integer, types.Any)
def _store(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> None:
    pointer, index, value = arguments
    name = HALVES[signature.args[0].stored]
    builder.store(_asm(builder, HALF, f"cvt.rn.{name}.f32 $0, $1;", "=h,f", value), builder.gep(pointer, [index]))


def parts(builder: Any, pointer: Halves, word: Any) -> list[Any]:
    """The two values of a word."""
    if pointer.stored == "bfloat16":
        upper = builder.and_(word, ir.Constant(WORD, 0xFFFF0000))
        return [builder.bitcast(x, REAL) for x in (builder.shl(word, ir.Constant(WORD, 16)), upper)]
    halves = (word, builder.lshr(word, ir.Constant(WORD, 16)))
    return [_widened(builder, pointer, builder.trunc(x, HALF)) for x in halves]


def words(builder: Any, pointer: Halves, values: Sequence[Any]) -> list[Any]:
    """Values, two in a word."""
    text = f"cvt.rn.{HALVES[pointer.stored]}x2.f32 $0, $2, $1;"            # the upper half stands first
    return [_asm(builder, WORD, text, "=r,f,f", *values[k:k + 2]) for k in range(0, len(values), 2)]


def _widened(builder: Any, pointer: Halves, half: Any) -> Any:
    if pointer.stored == "bfloat16":
        return builder.bitcast(builder.shl(builder.zext(half, WORD), ir.Constant(WORD, 16)), REAL)
    return _asm(builder, REAL, "cvt.f32.f16 $0, $1;", "=f,h", half)


def _asm(builder: Any, result: Any, text: str, constraints: str, *values: Any) -> Any:
    return builder.asm(ir.FunctionType(result, [v.type for v in values]), text, constraints, values, False)
