"""L5, now with matrices: f = 1/2 ||X W||^2, with the numbers of the slide. Writes matrices.svg."""

import graphc as gc

X, W = gc.param("X", (2, 1)), gc.param("W", (1, 2))
a = (X @ W).named("a")
b = gc.sum(a**2).named("b")
f = b / 2

values = dict(X=[[2], [0]], W=[[1, 2]])
numbers = gc.evaluate({"a": a, "b": b, "f": f, **{f"grad_{w.name} f": gc.grad(f, w) for w in (b, a, W, X)}}, **values)
for name, value in numbers.items():
    print(f"{name} = {value.tolist()}")

value, grads = gc.compile(f)(**values)
gc.render(f, "matrices.svg", backward=True, values=values)
