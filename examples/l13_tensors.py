"""L13, tensors: L = ||X W - Y||^2 + lambda ||W||_1, the NumPy script of the slide and the same in graphc."""

import numpy as np

import graphc as gc

np.random.seed(2)
Y = np.random.randn(2, 5)
X = np.random.randn(2, 3)
W = np.random.randn(3, 5)
lam = 0.5

pred = X.dot(W)
pred_loss = np.sum((pred - Y)**2)
reg_loss = lam * np.sum(np.abs(W))
loss = pred_loss + reg_loss
print("NumPy   loss =", loss)

values = dict(X=X, Y=Y, W=W, lam=lam)
Y, X, W, lam = gc.tensor("Y", "n c"), gc.tensor("X", "n d"), gc.param("W", "d c"), gc.scalar("lam")

pred = X.dot(W)
pred_loss = np.sum((pred - Y)**2)
reg_loss = lam * np.sum(np.abs(W))
compiled_loss, grads = gc.compile(pred_loss + reg_loss)(**values)
print("graphc  loss =", compiled_loss)
print("dL/dW =", gc.formula(gc.grad(pred_loss + reg_loss, W)))
print(grads["W"].round(5))
