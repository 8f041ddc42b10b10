"""Instructions of LLVM that mean something else to NVVM, or nothing, and what takes their place.

    fmul, where no contraction is allowed     llvm.nvvm.mul.rn: a product that NVVM does not fuse with a sum
    llvm.rint                                 __nv_rint, of libdevice
    llvm.maximum, llvm.minimum                max.NaN in float32; in float64, which has none, max where both are numbers, else their sum
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

__all__ = ["replace"]

_SUFFIX = {"float": "f", "double": ""}
Replacement = Callable[[Any, Any], Any]


def replace(module: Any, function: Any, contracts: bool) -> None:
    """Replace the instructions of a function. Each keeps its name, which others refer to, and is printed as the call that it becomes."""
    for block in function.blocks:
        for instruction in block.instructions:
            wanted = _replacement(instruction, contracts)
            if wanted is not None:
                arguments = instruction.args if isinstance(instruction, ir.CallInstr) else instruction.operands
                instruction.descr = ir.CallInstr(block, wanted(module, instruction.type), list(arguments)).descr
                instruction._clear_string_cache()


def _replacement(instruction: Any, contracts: bool) -> Replacement | None:
    """The function to call instead."""
    if instruction.opname == "fmul":
        return None if contracts or instruction.flags else _product
    if isinstance(instruction, ir.CallInstr):
        return _CALLS.get(".".join(getattr(instruction.callee, "name", "").split(".")[:2]))
    return None


def _of_reals(kind: Any, count: int) -> Any:
    return ir.FunctionType(kind, [kind] * count)


def _product(module: Any, kind: Any) -> Any:
    return module.declare_intrinsic(f"llvm.nvvm.mul.rn.{'f' if str(kind) == 'float' else 'd'}", (), _of_reals(kind, 2))


def _rint(module: Any, kind: Any) -> Any:
    return _declared(module, f"__nv_rint{_SUFFIX[str(kind)]}", _of_reals(kind, 1))


def _declared(module: Any, name: str, kind: Any) -> Any:
    found = module.globals.get(name)
    return found if found is not None else ir.Function(module, kind, name)


def _extreme(word: str) -> Replacement:
    """max or min of two numbers, NaN if either is, -0 < +0."""
    def function(module: Any, kind: Any) -> Any:
        if str(kind) == "float":
            return ir.InlineAsm(_of_reals(kind, 2), f"{word}.NaN.f32 $0, $1, $2;", "=f,f,f")
        name = f"graphc_{word}"
        return module.globals[name] if name in module.globals else _of_numbers(module, kind, word, name)
    return function


def _of_numbers(module: Any, kind: Any, word: str, name: str) -> Any:
    function = ir.Function(module, _of_reals(kind, 2), name)
    function.linkage = "internal"
    function.attributes.add("alwaysinline")
    builder, (a, b) = ir.IRBuilder(function.append_basic_block()), function.args
    numbers = builder.call(_declared(module, f"__nv_f{word}{_SUFFIX[str(kind)]}", _of_reals(kind, 2)), (a, b))
    builder.ret(builder.select(builder.fcmp_unordered("uno", a, b), builder.fadd(a, b), numbers))
    return function


_CALLS: dict[str, Replacement] = {"llvm.rint": _rint, "llvm.maximum": _extreme("max"), "llvm.minimum": _extreme("min")}
