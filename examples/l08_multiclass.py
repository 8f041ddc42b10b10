"""L8, multi-class classification: softmax p(C = c | x) = e^y_c / sum_i e^y_i and cross-entropy L = -1/n sum_s ln p(c = gt_s | x_s).

Written as on the slide, and right at logits where e^y overflows.
"""

import numpy as np

import graphc as gc

y = gc.param("y", "n c")
gt = gc.labels("gt", "n", below="c")
s, i = gc.indices("s i")
p = gc.exp(y[s, gt[s]]) / gc.Sum(gc.exp(y[s, i]), i)
L = -1 / gc.size("n") * gc.Sum(gc.log(p), s)

f = gc.compile(L)
rng = np.random.default_rng(8)
usual = dict(y=rng.normal(size=(7, 5)), gt=rng.integers(0, 5, size=7))
extreme = dict(y=np.array([[1e4, 0, -1e4], [0, 1e4, 1e4], [-1e4, -1e4, 1e4]]), gt=[0, 2, 1])
loss, grads = f(**usual)
extreme_loss, extreme_grads = f(**extreme)
print("usual logits    L =", loss)
print("extreme logits  L =", extreme_loss)
print(extreme_grads["y"])
