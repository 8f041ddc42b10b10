"""Matrix products of host programs, of arrays of any dtypes. A saved program has a copy of this file: it imports nothing of graphc.

    both sides of one dtype                cuBLAS's; halves are added up in float32, into float32 or halves
    a half, and float32                    the other side is rounded to the half, in scratch memory
    float16 and bfloat16                   both are made float32
"""

import ctypes
from typing import Any

__all__ = ["Products", "multiply"]

BLOCK, MOST_BLOCKS = 256, 2048
COMPUTE_32F, COMPUTE_64F = 68, 70
TYPES = {"float32": (0, COMPUTE_32F), "float64": (1, COMPUTE_64F), "float16": (2, COMPUTE_32F), "bfloat16": (14, COMPUTE_32F)}    # as cuBLAS says
PLAIN, TRANSPOSED, ANY_ALGORITHM = 0, 1, -1


class Products:
    """What a device does for `device.matmul`, with its `empty` and `launch`, `multiply` for arrays of one dtype, and the kernel `converted`."""

    empty: Any
    launch: Any
    multiply: Any
    converted: Any

    def matmul(self, a: Any, b: Any, out: Any, add: bool = False) -> None:
        """out = a @ b, or out += a @ b."""
        if a.dtype == b.dtype and out.dtype.itemsize >= a.dtype.itemsize:
            return self.multiply(a, b, out, add)
        halves = {x.dtype.name for x in (a, b) if x.dtype.itemsize == 2}
        kind = halves.pop() if len(halves) == 1 else "float32"
        made = out if out.dtype.name in ("float32", kind) else self.empty(out.shape, "float32")
        self.multiply(self.as_kind(a, kind), self.as_kind(b, kind), made, add)
        if made is not out:
            self.convert(made, out)

    def as_kind(self, x: Any, kind: str) -> Any:
        """A matrix, or one that is transposed, in a dtype."""
        if x.dtype.name == kind:
            return x
        if x.flags.f_contiguous and not x.flags.c_contiguous:
            return self.as_kind(x.T, kind).T
        inside = self.empty(x.shape, kind)
        self.convert(x, inside)
        return inside

    def convert(self, source: Any, target: Any) -> None:
        """Elements of one C-contiguous array into another, between float32 and halves."""
        self.launch(self.converted, min(-(-source.size // BLOCK), MOST_BLOCKS), BLOCK, source, target, source.size)


def multiply(cp: Any, a: Any, b: Any, out: Any, add: bool) -> None:
    """By cuBLAS, as CuPy has it, of two arrays of one dtype. It has columns where these arrays have rows: the transposed product, of transposed
    arrays. Numbers are rounded nowhere but at the end: no TF32, unless the environment asks for it."""
    if not (a.size and b.size):
        if out.size and not add:
            out.data.memset_async(0, out.nbytes)
        return
    number = ctypes.c_double if a.dtype.name == "float64" else ctypes.c_float
    one, beta = number(1), number(add)
    (op_b, leads_b), (op_a, leads_a) = ((PLAIN, x.shape[1]) if x.flags.c_contiguous else (TRANSPOSED, x.shape[0]) for x in (b, a))
    (type_b, compute), (type_a, _), (type_out, _) = (TYPES[x.dtype.name] for x in (b, a, out))
    cp.cuda.cublas.gemmEx(cp.cuda.device.get_cublas_handle(), op_b, op_a, b.shape[1], a.shape[0], a.shape[1],
                          ctypes.addressof(one), b.data.ptr, type_b, leads_b, a.data.ptr, type_a, leads_a,
                          ctypes.addressof(beta), out.data.ptr, type_out, b.shape[1], compute, ANY_ALGORITHM)
