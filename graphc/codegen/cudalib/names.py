"""What generated CUDA modules import to be kernels of numba-cuda: `cuda` (threadIdx, shared.array, syncthreads, shfl_xor_sync ...) and types.

    from graphc.codegen.cudalib.names import cuda, float32, uint32

The import itself raises TargetError where the tools are missing.
"""

from numba import boolean, float32, float64, int32, int64, njit, uint32, uint64

from graphc.codegen.cudalib.toolkit import tool

__all__ = ["cuda", "boolean", "float32", "float64", "int32", "int64", "uint32", "uint64", "inlined"]

cuda = tool("")
inlined = njit(error_model="numpy", forceinline=True, fastmath={"contract"})        # a device function of a generated module
