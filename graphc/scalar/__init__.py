"""Pointwise mathematics, the home of sympy: symbols, the function table, derivatives, freezing to typed terms."""
