"""Indices that a formula computes, kept inside what they index.

    checked(k, n, wrong)    k, if it is in [0, n); else wrong[0] = 1, and 0

A kernel that read past an array could end the device's context for the whole process. So it reads inside, and the call raises when it ends.
"""

from graphc.codegen.cudalib.names import inlined

__all__ = ["checked"]


@inlined
def checked(k, n, wrong):
    """Threads that find one write the same 1, in any order."""
    if 0 <= k < n:
        return k
    wrong[0] = 1
    return k*0
