"""Labels against their bound: 0 <= t < bound, or t is one of the values let through. One pass without branches, which vectorises."""

from numba import njit

__all__ = ["check_label", "check_labels"]


@njit(nogil=True, error_model="numpy")
def _is_wrong(t, bound, others):                                           # type: ignore[no-untyped-def]
    wrong = (t < 0) | (t >= bound)
    if others is not None:
        for k in range(len(others)):
            wrong &= t != others[k]
    return wrong


@njit(nogil=True, error_model="numpy")
def check_label(t, bound, others=None):                                    # type: ignore[no-untyped-def]
    """IndexError where a label is wrong."""
    if _is_wrong(t, bound, others):
        raise IndexError("a label is outside its bound")


@njit(nogil=True, error_model="numpy")
def check_labels(t, bound, others=None):                                   # type: ignore[no-untyped-def]
    """The same for an array."""
    wrong = False
    for value in t.reshape(t.size):
        wrong |= _is_wrong(value, bound, others)
    if wrong:
        raise IndexError("a label is outside its bound")
