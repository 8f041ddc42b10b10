"""L4, the general scheme: the backward graph of any formula, beside its forward graph. Writes any_graph.svg."""

import numpy as np

import graphc as gc

X, W, v = gc.tensor("X", "n d"), gc.param("W", "d h"), gc.param("v", "h")
hidden = gc.tanh(X @ W)
L = gc.mean(gc.log(1 + gc.exp(-hidden @ v))) + gc.norm(v)

for name, gradient in gc.grad(L).items():
    print(f"dL/d{name}:\n{gc.formula(gradient)}\n")

rng = np.random.default_rng(4)
data = dict(X=rng.normal(size=(7, 3)), W=rng.normal(size=(3, 5)), v=rng.normal(size=5))
loss, grads = gc.compile(L)(**data)
print("L =", loss)

gc.render(L, "any_graph.svg", backward=True)
