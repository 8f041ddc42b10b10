"""L2, the graph of a regularised loss: L = -sum_j ln p(c = y_j | x_j) + lambda R(w). Writes loss_graph.svg."""

import numpy as np

import graphc as gc

x, w = gc.tensor("x", "n d"), gc.param("w", "d k")
y = gc.labels("y", "n", below="k")
lam = gc.scalar("lambda_")
j, c, m = gc.indices("j c m")

score = x @ w
p = gc.array(gc.exp(score[j, c]) / gc.Sum(gc.exp(score[j, m]), m), (j, c))       # p(c | x_j)
R = gc.sum(w**2)
L = -gc.Sum(gc.log(p[j, y[j]]), j) + lam * R

rng = np.random.default_rng(2)
data = dict(x=rng.normal(size=(7, 3)), w=rng.normal(size=(3, 5)), y=rng.integers(0, 5, size=7), lambda_=0.5)
loss, grads = gc.compile(L)(**data)
print("L =", loss)
print("dL/dw =\n", grads["w"].round(5))

gc.render(L, "loss_graph.svg")
