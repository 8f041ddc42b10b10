"""The graph: one kind of computation, the comprehension; its laws, its meaning, its text."""
