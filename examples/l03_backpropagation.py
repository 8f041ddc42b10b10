"""L3, backpropagation: f(g(x)), df/dx = df/dg dg/dx, on f(x, w) = 1 / (1 + e^-(w1 x + w0)).

Writes backpropagation.svg: at each node its value and its gradient.
"""

import graphc as gc

x, w1, w0 = gc.scalar("x"), gc.param("w1"), gc.param("w0")
z = (w1 * x + w0).named("z")
e = gc.exp(-z).named("e")
f = (1 / (1 + e)).named("f")
nodes = {"w0": w0, "w1": w1, "z": z, "e": e, "f": f}

given = dict(x=2.0, w1=1.0, w0=-3.0)
values = gc.evaluate(nodes, **given)
gradients = gc.evaluate({name: gc.grad(f, node) for name, node in nodes.items()}, **given)
for name in nodes:
    print(f"{name:3} = {values[name]:8.5f}     df/d{name:3} = {gradients[name]:8.5f}")

local = gc.evaluate([gc.grad(f, e), gc.grad(e, z), gc.grad(z, w1)], **given)
print("df/dw1 = df/de * de/dz * dz/dw1 =", " * ".join(f"{v:.5f}" for v in local))

gc.render(f, "backpropagation.svg", backward=True, values=given)
