"""Softmax regression on a CUDA device: python examples/softmax_on_a_gpu.py [DEVICE], the number of a card or emulator (default).

The formula, its gradient and the loop are those of the processor. On a card, give arrays of CuPy or PyTorch, and nothing leaves it.
"""

import sys

import numpy as np

import graphc as gc

device = sys.argv[1] if len(sys.argv) > 1 else "emulator"
X, W, t = gc.tensor("X", "n d"), gc.param("W", "d c"), gc.labels("t", "n", below="c")
L = gc.losses.cross_entropy(X @ W, t)
f = gc.compile(L, target="cuda", device=device if device == "emulator" else int(device), capture=True)

rng = np.random.default_rng(0)
centres = rng.normal(size=(5, 3)) * 3
t_ = rng.integers(0, 5, size=67)
X_ = centres[t_] + rng.normal(size=(67, 3))
W_ = np.zeros((3, 5))
losses = []
for _ in range(30):
    loss, grads = f(X=X_, t=t_, W=W_)
    W_ -= 0.3 * grads["W"]
    losses.append(float(loss))
print(f"loss {losses[0]:.4f} -> {losses[-1]:.4f}, right {np.mean((X_ @ W_).argmax(axis=1) == t_):.0%}")
print("kernels:", ", ".join(line[4:line.index("(")] for line in f.source.split("\n") if line.startswith("def ") and "run(" not in line))
