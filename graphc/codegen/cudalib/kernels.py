"""Kernels of the runtime's own.

    fenced      safe[k] = labels[k] where that is in [0, below) or one of OTHERS; else the flag is set, and safe[k] is one that is
    converted   target[k] = source[k], between float32 and halves

A kernel that read past an array by a wrong label could end the device's context for the whole process, long before an error can be raised.
"""

from graphc.codegen.cudalib.names import cuda

__all__ = ["fenced", "converted", "BLOCK", "MOST_BLOCKS"]

BLOCK, MOST_BLOCKS = 256, 2048
OTHERS, COUNT = (0,), 0         # constants of a launch; a tuple that is compiled has an element, whether or not it counts


def fenced(labels, safe, flag, n, below):
    """Threads that find a wrong label all write the same 1, in any order."""
    k = cuda.grid(1)
    while k < n:
        label = labels[k]
        inside = label >= 0 and label < below
        for other in range(COUNT):
            inside = inside or label == OTHERS[other]
        safe[k] = label if inside else OTHERS[0]
        if not inside:
            flag[0] = 1
        k += cuda.gridsize(1)


def converted(source, target, n):
    k = cuda.grid(1)
    while k < n:
        target[k] = source[k]
        k += cuda.gridsize(1)
