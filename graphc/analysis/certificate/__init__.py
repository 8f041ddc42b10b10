"""gc.check: is it right? Kernels against mathematics, in ULPs."""
