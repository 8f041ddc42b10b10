"""Loop programs: statements over named arrays, and lowering a schedule to them."""
