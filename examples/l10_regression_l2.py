"""L10, regression with the L2 loss: L = 1/n sum_s sum_i |y_i - gt_i|^2, for 128 images and the coordinates of noses and eyes."""

import numpy as np

import graphc as gc

y, gt = gc.param("y", "n k"), gc.tensor("gt", "n k")
s, i = gc.indices("s i")
L = gc.Sum(abs(y[s, i] - gt[s, i]) ** 2, s, i) / gc.size("n")
print("dL/dy =", gc.formula(gc.grad(L, y)))

rng = np.random.default_rng(10)
data = dict(y=rng.normal(size=(128, 6)), gt=rng.normal(size=(128, 6)))
loss, grads = gc.compile(L)(**data)
print("L =", loss)
