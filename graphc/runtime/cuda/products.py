"""Matrix products of host programs, of arrays of any dtypes. A saved program has a copy of this file: it imports nothing of graphc.

    both sides of one dtype                cuBLAS's; halves are added up in float32, into float32 or halves
    a half, and float32                    the other side is rounded to the half, in scratch memory
    float16 and bfloat16                   both are made float32
"""

import ctypes
from typing import Any

__all__ = ["Products", "multiply"]

BLOCK, MOST_BLOCKS = 256, 2048
TYPES = {"float32": 0, "float16": 2, "bfloat16": 14}            # CUDA_R_32F, CUDA_R_16F, CUDA_R_16BF
PLAIN, TRANSPOSED, COMPUTE_32F, ANY_ALGORITHM = 0, 1, 68, -1


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
    """By cuBLAS, as CuPy has it, of two arrays of one dtype."""
    if not (a.size and b.size):
        if out.size and not add:
            out.data.memset_async(0, out.nbytes)
    elif a.dtype.itemsize > 2:
        cp.cublas.gemm("N", "N", a, b, out=out, alpha=1.0, beta=float(add))
    else:
        _of_halves(cp, a, b, out, add)


def _of_halves(cp: Any, a: Any, b: Any, out: Any, add: bool) -> None:
    """cuBLAS has columns where these arrays have rows: the transposed product, of transposed arrays."""
    one, beta = ctypes.c_float(1), ctypes.c_float(add)
    sides = [(PLAIN, x.shape[1]) if x.flags.c_contiguous else (TRANSPOSED, x.shape[0]) for x in (b, a)]
    (op_b, rows_b), (op_a, rows_a) = sides
    cp.cuda.cublas.gemmEx(cp.cuda.device.get_cublas_handle(), op_b, op_a, b.shape[1], a.shape[0], a.shape[1], ctypes.addressof(one),
                          b.data.ptr, TYPES[b.dtype.name], rows_b, a.data.ptr, TYPES[a.dtype.name], rows_a, ctypes.addressof(beta),
                          out.data.ptr, TYPES[out.dtype.name], b.shape[1], COMPUTE_32F, ANY_ALGORITHM)
