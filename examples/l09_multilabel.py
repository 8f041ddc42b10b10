"""L9, multi-label classification: independent yes/no labels, sigmoid and binary cross-entropy, right at any logit."""

import numpy as np

import graphc as gc

y, gt = gc.param("y", "n c"), gc.tensor("gt", "n c")
p = 1 / (1 + gc.exp(-y))
L = -gc.mean(gt * gc.log(p) + (1 - gt) * gc.log(1 - p))

f = gc.compile(L)
rng = np.random.default_rng(9)
usual = dict(y=rng.normal(size=(7, 5)), gt=rng.integers(0, 2, size=(7, 5)).astype(float))
extreme = dict(y=np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]]), gt=np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]))
loss, grads = f(**usual)
extreme_loss, extreme_grads = f(**extreme)
print("usual logits    L =", loss)
print("extreme logits  L =", extreme_loss)
print(extreme_grads["y"])
