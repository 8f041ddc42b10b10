"""L1, a neuron: o = f(sum_i w_i x_i), with any activation f. Writes neuron.svg."""

import graphc as gc

x, w = gc.tensor("x", "n"), gc.param("w", "n")
(i,) = gc.indices("i")
total = gc.Sum(w[i] * x[i], i)

x_, w_ = [1.0, -2.0, 3.0], [0.5, 0.25, -1.0]
outputs = {}
for activation in (gc.sigmoid, gc.tanh, gc.relu, lambda a: gc.leaky_relu(a, 0.1), lambda a: a / (1 + abs(a))):
    o = activation(total)
    value, grads = gc.compile(o)(x=x_, w=w_)
    outputs[gc.formula(o)] = value
    print(f"{gc.formula(o):40} o = {value:8.5f}   do/dw = {grads['w'].round(5)}")

gc.render(gc.sigmoid(total), "neuron.svg")
