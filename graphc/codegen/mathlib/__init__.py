"""The functions that generated kernels call and `math` lacks, in each precision: `mathlib.float32`, `mathlib.float64`.

They are compiled into the kernel that calls them. Each keeps the dtype of its argument, and IEEE's special values.
"""
