"""L19, activations: ReLU, leaky ReLU (0.01) and ELU alpha (e^x - 1), with their derivatives and the value chosen at the kink."""

import graphc as gc

x = gc.tensor("x", "n")
activations = {"ReLU": gc.relu(x), "leaky ReLU": gc.leaky_relu(x, 0.01), "ELU": gc.elu(x, alpha=1.5)}
results = {}
for name, y in activations.items():
    f = gc.compile({"y": y, "dy/dx": gc.grad(gc.sum(y), x)})
    results[name] = f(x=[-2.0, -0.5, 0.0, 0.5, 2.0])
    print(f"{name:10}  y     = {results[name]['y'].round(5)}")
    print(f"{'':10}  dy/dx = {results[name]['dy/dx'].round(5)}")
