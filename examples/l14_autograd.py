"""L14, autograd: the loss of L13 and 100 steps W -= 0.1 dL/dW."""

import numpy as np

import graphc as gc

Y, X, W = gc.tensor("Y", "n c"), gc.tensor("X", "n d"), gc.param("W", "d c")
l = 0.5
pred = X @ W
pred_loss = gc.sum((pred - Y)**2)
reg_loss = l * gc.sum(abs(W))
f = gc.compile(pred_loss + reg_loss)

np.random.seed(2)
Y_ = np.random.randn(2, 5)
X_ = np.random.randn(2, 3)
W_ = np.random.randn(3, 5)

losses = []
for i in range(100):
    loss, grads = f(X=X_, Y=Y_, W=W_)
    W_ += -0.1 * grads["W"]
    losses.append(loss)
    if i % 20 == 0:
        print(f"step {i:2}   loss = {loss:.6f}")
print("W =\n", W_.round(5))
