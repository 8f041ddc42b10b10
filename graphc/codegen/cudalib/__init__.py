"""What CUDA kernels are made with: the tools that compile them, and the functions that they call.

    toolkit      numba-cuda, NVVM, nvJitLink: what is installed, and the one way to their names
    compile      a Python function -> PTX, with no device and no driver
    assemble     PTX -> machine code, registers, spills, shared memory
    names        `cuda` and the types, as generated modules import them
    float32, float64     the functions of mathlib, for kernels
    vectors      loads and stores of 128 bits

Nothing here imports numba-cuda before it is asked to: `toolkit.require()` says what is missing, and what mends it.
"""
