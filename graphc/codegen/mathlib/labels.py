"""Labels against their bound: 0 <= t < bound, or t is one of the values let through. One pass without branches, which vectorises."""

from graphc.codegen.mathlib.compiled import compiled

__all__ = ["check_labels"]


@compiled()
def check_labels(t, bound, others=None):                                   # type: ignore[no-untyped-def]
    """IndexError where a label of a vector is wrong."""
    wrong = False
    for value in t:
        outside = (value < 0) | (value >= bound)
        if others is not None:
            for k in range(len(others)):
                outside &= value != others[k]
        wrong |= outside
    if wrong:
        raise IndexError("a label is outside its bound")
