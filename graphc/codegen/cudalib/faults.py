"""An index that was computed, and is outside its dim: a kernel cannot raise, so it says so in a number of its module, and goes on at 0.

`graphc_fault` in the module's memory is 0 until then. A device looks at it when a program has run, and raises what the CPU would.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphc.codegen.cudalib.names import inlined
from graphc.codegen.cudalib.toolkit import tool

__all__ = ["FAULT", "checked"]

FAULT = "graphc_fault"
GLOBAL_MEMORY = 1               # the address space

types, intrinsic = tool("types"), tool("extending").intrinsic


@intrinsic
def _fault(context):                                                       # type: ignore[no-untyped-def]
    """Set the number, in one store that no other disturbs."""
    def generate(ctx: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, module = ir.IntType(32), builder.module
        flag = module.globals.get(FAULT)
        if flag is None:
            flag = ir.GlobalVariable(module, number, FAULT, addrspace=GLOBAL_MEMORY)
            flag.linkage, flag.initializer = "common", ir.Constant(number, 0)
        builder.atomic_rmw("xchg", flag, ir.Constant(number, 1), "monotonic")
        return ctx.get_dummy_value()
    return types.void(), generate


@inlined
def checked(k, n):                                                         # type: ignore[no-untyped-def]
    """k, if it is in [0, n); else 0, and the fault is noted."""
    if k < 0 or k >= n:
        _fault()
        return type(k)(0)
    return k
