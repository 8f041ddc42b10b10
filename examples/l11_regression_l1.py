"""L11, regression with the L1 loss: L = 1/n sum_s sum_i |y_i - gt_i|. Where y_i = gt_i the derivative is chosen as 0."""

import numpy as np

import graphc as gc

y, gt = gc.param("y", "n k"), gc.tensor("gt", "n k")
s, i = gc.indices("s i")
L = gc.Sum(abs(y[s, i] - gt[s, i]), s, i) / gc.size("n")
print("dL/dy =", gc.formula(gc.grad(L, y)))

rng = np.random.default_rng(11)
data = dict(y=rng.normal(size=(128, 6)), gt=rng.normal(size=(128, 6)))
data["y"][0] = data["gt"][0]
loss, grads = gc.compile(L)(**data)
print("L =", loss)
print("dL/dy[:2] =\n", grads["y"][:2])
