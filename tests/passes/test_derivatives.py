"""Derivatives against JAX in float64: gradient, Hessian, forward mode and Hessian-vector products of the same formula."""

import functools

import numpy as np
import pytest

import graphc as gc
from graphc.ir.walk import inputs_of

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_disable_most_optimizations", True)     # compile quickly
jnp = jax.numpy

EXTENTS = {"n": 5, "d": 3, "c": 7, "m": 2, "h": 4}
FLOATS = {"x": "n d", "y": "n d", "u": "d", "v": "n", "W": "d c", "B": "m n d", "C": "m d c", "S": "d d", "s": "", "p": "n d", "q": "d", "o": "1 d", "w6": "6",
          "r": "n", "E": "c d", "K": "n h", "V": "n h", "A": "n h"}
LABELS = {"t": ("n", "c"), "k": ("n", "d"), "g": ("m n", "d"), "z": ("c", "n")}


def data(name):
    rng = np.random.default_rng(sum(map(ord, name)))
    if name in LABELS:
        return rng.integers(0, EXTENTS[LABELS[name][1]], [EXTENTS[e] for e in LABELS[name][0].split()])
    shape = [int(e) if e.isdigit() else EXTENTS[e] for e in FLOATS[name].split()]
    return rng.random(shape) + 0.2 if name in "pqr" else rng.normal(size=shape)


def symbol(name):
    return gc.labels(name, LABELS[name][0], below=LABELS[name][1]) if name in LABELS else gc.param(name, FLOATS[name])


class Names:
    """One vocabulary over both libraries."""

    def __init__(self, library, **more):
        self.library, self.more = library, more

    def __getattr__(self, name):
        return self.more.get(name) or getattr(self.library, name)


def _size(name):
    return EXTENTS[name]


GC = Names(gc)
JAX = Names(jnp, softmax=jax.nn.softmax, log_softmax=jax.nn.log_softmax, logsumexp=jax.nn.logsumexp, sigmoid=jax.nn.sigmoid, softplus=jax.nn.softplus, relu=jax.nn.relu,
            gelu=lambda x: jax.nn.gelu(x, approximate=False), silu=jax.nn.silu, elu=jax.nn.elu, logsigmoid=jax.nn.log_sigmoid, erf=jax.scipy.special.erf,
            norm=lambda x, axis=None, ord=None, keepdims=False: jnp.linalg.vector_norm(x, axis=axis, ord=2 if ord is None else ord, keepdims=keepdims),
            lgamma=jax.scipy.special.gammaln, digamma=jax.scipy.special.digamma, xlogy=jax.scipy.special.xlogy, arange=lambda n: jnp.arange(_size(n)), size=_size,
            stop_gradient=jax.lax.stop_gradient, one_hot=lambda t, n: jax.nn.one_hot(t, _size(n)), eye=lambda n: jnp.eye(_size(n)))


def run(result, arrays):
    single = isinstance(result, gc.Tensor)
    tensors = [result] if single else list(result)
    needed = {i.name for i in inputs_of([t.node for t in tensors])}
    given = {n: a for n, a in arrays.items() if n in needed}
    from graphc.ir.bind import extents_of
    known = {e for i in inputs_of([t.node for t in tensors]) for e in map(str, i.dims)}
    given |= {e: EXTENTS[e] for e in extents_of([t.node for t in tensors]) if e not in known}
    values = gc.evaluate(tensors, **given)
    return values[0] if single else values


def close(got, expected, rel=1e-10):
    expected = np.asarray(expected)
    assert np.shape(got) == expected.shape
    scale = max(1.0, float(abs(expected[np.isfinite(expected)]).max(initial=0.0)))
    np.testing.assert_allclose(got, expected, rtol=rel, atol=rel * scale)


FORMULAS = {
    "least squares": lambda l, x, W: l.sum((x @ W - 1)**2),
    "least squares with l1": lambda l, x, u, s: l.sum((x @ u - 0.5)**2) + s * l.sum(abs(u)),
    "ridge": lambda l, x, S: l.mean((x @ S)**2) + 0.1 * l.sum(S**2),
    "broadcast rows": lambda l, x, u: l.sum(l.sin(x + u)**2 * u),
    "broadcast columns": lambda l, x, v: l.sum(l.exp(-x * v[:, None]) * v[:, None]),
    "broadcast a literal 1": lambda l, x, o: l.sum(l.tanh(x * o) * o),
    "broadcast a scalar": lambda l, x, s: l.sum(l.cos(s * x) / (1 + s * s)),
    "broadcast both ways": lambda l, u, v: l.sum(l.exp(l.sin(u[None, :] * v[:, None])) * u),
    "quotient": lambda l, x, y: l.sum(x / (2 + y * y) - y / (1 + l.exp(x))),
    "powers": lambda l, p, s: l.sum(p**3 - p**0.5 + p**-1.5 + 2**p) * s,
    "power by tensor": lambda l, p, y: l.sum(p**y),
    "power by power": lambda l, p, q: l.sum((p**q)**q),
    "mod": lambda l, x: l.sum((x % 0.7)**2),
    "mod by a tensor": lambda l, x, q: l.sum((x % q)**2),
    "roots": lambda l, p: l.sum(l.sqrt(p) * l.cbrt(p + 1) + l.log1p(p) * l.log2(p)),
    "trigonometry": lambda l, x: l.sum(l.sin(x) * l.cos(2 * x) + l.tan(x / 4) + l.arctan(x)),
    "inverse trigonometry": lambda l, x: l.sum(l.arcsin(l.tanh(x) / 2) + l.arccos(l.tanh(x) / 3)),
    "hyperbolic": lambda l, x: l.sum(l.sinh(x) - l.cosh(x) + l.arcsinh(x) + l.arctanh(l.sin(x) / 2) + l.arccosh(2 + x * x)),
    "two arguments": lambda l, x, y: l.sum(l.arctan2(x, y) + l.hypot(x, y) + l.logaddexp(x, y)),
    "special functions": lambda l, p: l.sum(l.lgamma(p) + l.erf(p) * l.digamma(p + 1)),
    "activations": lambda l, x: l.sum(l.sigmoid(x) * l.softplus(x) + l.gelu(x) + l.silu(x) + l.logsigmoid(x)),
    "kinked activations": lambda l, x: l.sum(l.relu(x)**2 + l.elu(x) + abs(x)),
    "extrema": lambda l, x, y: l.sum(l.maximum(x, y)**2 + l.minimum(x, 0.3 * y)**3),
    "clip": lambda l, x: l.sum(l.clip(x, -0.5, 0.8)**2),
    "where": lambda l, x, y: l.sum(l.where(x > y, x * y, x**3)),
    "where of a row": lambda l, x, u: l.sum(l.where(u > 0, x * u, u**2)),
    "nested where": lambda l, x, y: l.sum(l.where(x > 0, l.where(y > 0, x * y, x**2), l.where(y > x, y**3, x))),
    "expm1": lambda l, x: l.sum(l.expm1(x) * l.exp(-x / 2)),
    "sum over an axis": lambda l, x: l.sum(l.sum(x, axis=0)**3),
    "sum, keepdims": lambda l, x: l.sum((x - l.sum(x, axis=1, keepdims=True))**3),
    "mean": lambda l, x: l.mean(l.mean(x**2, axis=1)**2),
    "variance": lambda l, x: l.sum(l.var(x, axis=0, ddof=1) * l.std(x, axis=0)),
    "standardise": lambda l, x: l.sum(((x - l.mean(x, axis=0)) / l.sqrt(l.var(x, axis=0) + 0.1))**3),
    "max": lambda l, x: l.sum(l.max(x, axis=0)**2) + l.max(x)**3,
    "min": lambda l, x: l.sum(l.min(x, axis=1)**3),
    "max of a product": lambda l, x, S: l.sum(l.max(x @ S, axis=1)**2),
    "prod": lambda l, x: l.sum(l.prod(x, axis=0)**2),
    "prod of all": lambda l, x: l.prod(x + 1.5),
    "prod of exp": lambda l, x: l.sum(l.prod(l.sin(x), axis=1)),
    "cumsum": lambda l, x: l.sum(l.cumsum(x, axis=0)**3),
    "cumprod": lambda l, x: l.sum(l.cumprod(x, axis=1)**2),
    "cumsum of a vector": lambda l, v: l.sum(l.sin(l.cumsum(v)) * v),
    "softmax": lambda l, x, y: l.sum(l.softmax(x, axis=-1) * y),
    "softmax, first axis": lambda l, x, y: l.sum(l.softmax(x, axis=0) * l.sin(y)),
    "log-softmax": lambda l, x, k: -l.mean(l.log_softmax(x, axis=-1)[l.arange("n"), k]),
    "log-sum-exp": lambda l, x: l.logsumexp(x) + l.sum(l.logsumexp(x, axis=0)**2),
    "attention": lambda l, K, V, A: l.sum(l.softmax(A @ K.T / 2, axis=-1) @ V * A),
    "matmul chain": lambda l, x, S, W: l.sum(l.tanh(l.tanh(x @ S) @ W)**2),
    "batched matmul": lambda l, B, C: l.sum((B @ C)**2),
    "batched with one matrix": lambda l, B, S: l.sum(l.sin(B @ S)),
    "matrix against batch": lambda l, x, C: l.sum((x @ C)**3),
    "batched, literal 1": lambda l, B, C: l.sum(l.sin(B[:1] @ C)),
    "matrix-vector": lambda l, x, u, v: l.sum((x @ u)**2) * (v @ x @ u),
    "vector-batch": lambda l, B, v: l.sum(l.cos(v @ B)),
    "quadratic form": lambda l, u, S: u @ S @ u,
    "gram": lambda l, x: l.sum((x @ x.T)**2),
    "gram of columns": lambda l, x: l.sum(l.exp(x.T @ x / 5)),
    "trace": lambda l, S: l.trace(S @ S @ S.T),
    "trace of a product": lambda l, x, S: l.trace(x @ S @ x.T)**2,
    "outer": lambda l, u, v: l.sum(l.outer(u, v)**3),
    "einsum": lambda l, x, W: l.sum(l.einsum("ij,jk->ki", x, W)**2),
    "einsum of three": lambda l, x, S, W: l.sum(l.sin(l.einsum("ij,jk,kl->li", x, S, W))),
    "einsum, diagonal": lambda l, S, u: l.sum(l.einsum("ii,i->i", S, u)**2),
    "einsum, batch": lambda l, B, C: l.sum(l.einsum("bij,bjk->ik", B, C)**2),
    "norm": lambda l, x: l.norm(x) + l.sum(l.norm(x, axis=1)**3),
    "norms": lambda l, x: l.norm(x, ord=1) + l.norm(x, ord=3) * l.norm(x, ord=np.inf),
    "concatenate": lambda l, x, y: l.sum(l.concatenate([x, x * y])**3),
    "concatenate columns": lambda l, x, v: l.sum(l.cumsum(l.concatenate([x, v[:, None]], axis=1), axis=1)**2),
    "stack": lambda l, x, y: l.sum(l.prod(l.stack([x, y, x + y]), axis=0)),
    "slices": lambda l, x: l.sum((x[1:] - x[:-1])**4) + l.sum(x[2:, 1]**3),
    "strides": lambda l, x: l.sum(x[::2]**3) + l.sum(x[::-1][1:] * x[1:]) + l.sum(x[3:0:-2, ::2]**2),
    "strides of strides": lambda l, v: l.sum(v[1:][::2][:2]**3 * v[::-2][:2]),
    "positions": lambda l, x: x[0, 1]**2 * x[-1, 2] + l.sum(x[2] * x[-2]**2),
    "a whole slice of one": lambda l, x: l.sum(x[0:1] * x**2),
    "reshape merge": lambda l, x: l.sum(l.reshape(x, -1)[2:]**3),
    "reshape split": lambda l, w6: l.sum(l.reshape(w6, (2, 3))[1] * l.reshape(w6, (3, 2))[:, 0]**2),
    "reshape and transpose": lambda l, w6: l.sum(l.cumsum(l.reshape(w6, (2, 3)).T, axis=0)**3),
    "transpose": lambda l, x, S: l.sum((x.T @ x - S)**2),
    "transposes of three axes": lambda l, B: l.sum(l.swapaxes(B, 0, 2)[1:]**3 * l.transpose(B, (2, 1, 0))[1:]),
    "new axes": lambda l, u, v: l.sum((u[None, :] - v[:, None])**4),
    "broadcast to": lambda l, u, x: l.sum(l.broadcast_to(u, x.shape)**2 * x),
    "squeeze": lambda l, o, u: l.sum(l.squeeze(o)**2 * u),
    "pairwise distances": lambda l, x: l.sum(l.exp(-l.sum((x[:, None] - x[None])**2, axis=-1))),
    "pairwise of two": lambda l, x, E: l.sum(l.exp(-l.sum((x[:, None] - E[None])**2, axis=-1) / 3)),
    "embedding": lambda l, E, t: l.sum(l.sin(E[t])**2),
    "embedding, repeated labels": lambda l, x, z: l.sum(x[z]**3),
    "embedding of a matrix of labels": lambda l, S, g: l.sum(l.exp(S[g] / 3)),
    "embedding and product": lambda l, E, t, S: l.sum(l.tanh(E[t] @ S)**2),
    "lookup in two axes": lambda l, E, t, k: l.sum(E[t, k]**3),
    "lookup of columns": lambda l, x, k: l.sum(x[:, k]**3),
    "lookup by row": lambda l, x, k: l.sum(x[l.arange("n"), k]**3),
    "lookup of a lookup": lambda l, E, t, z: l.sum(E[t[z]]**2 * E),
    "lookup of a sum": lambda l, x, k: l.sum(l.sum(x**2, axis=0)[k]**2),
    "lookup by a comparison": lambda l, x, k: l.sum(x[l.where(k > 1, 0, k)]**3),
    "lookup at shifted labels": lambda l, x, k: l.sum(x[k + 1]**3),
    "lookup under where": lambda l, x, k: l.sum(l.where((k > 0)[:, None], x[k]**3, x)),
    "one-hot": lambda l, x, k: l.sum(x * l.one_hot(k, "d"))**2,
    "eye": lambda l, S: l.sum((S @ S - l.eye("d"))**2),
    "argmax as label": lambda l, x: l.sum(x[l.argmax(x, axis=0)]**2),
    "stop gradient": lambda l, x: l.sum(x * l.stop_gradient(l.sin(x))),
    "stop gradient inside": lambda l, x: l.sum((x - l.stop_gradient(l.mean(x, axis=0)))**3),
    "same tensor many times": lambda l, s: s * s * l.sin(s) + s / (1 + s * s) - s**3,
    "reads of one tensor": lambda l, x: l.sum(x * x[::-1] * x[:, ::-1]),
    "size": lambda l, x: l.sum(x**2) / l.size("n"),
    "gaussian likelihood": lambda l, x, u, q: l.mean(l.log(q) + (x - u)**2 / q),
    "mixture": lambda l, v, u, q: -l.mean(l.logsumexp(-((v[:, None] - u) / q)**2 / 2 - l.log(q), axis=1)),
    "infonce": lambda l, x, y: -l.mean(l.log_softmax(x @ y.T / 0.5, axis=1)[l.arange("n"), l.arange("n")]),
    "cosine": lambda l, x, y: l.sum(l.sum(x * y, axis=1) / (l.norm(x, axis=1) * l.norm(y, axis=1))),
    "determinant of two": lambda l, S: S[0, 0] * S[1, 1] - S[0, 1] * S[1, 0],
    "focal": lambda l, x, k: -l.mean((1 - l.exp(l.log_softmax(x, axis=1)[l.arange("n"), k]))**2 * l.log_softmax(x, axis=1)[l.arange("n"), k]),
    "layer norm": lambda l, x, u: l.sum(l.sin(u * (x - l.mean(x, axis=1, keepdims=True)) / l.sqrt(l.var(x, axis=1, keepdims=True) + 1e-3))),
    "logistic": lambda l, x, u, v: l.mean(l.softplus(-v * (x @ u))),
    "entropy": lambda l, x: -l.sum(l.softmax(x, axis=1) * l.log_softmax(x, axis=1)),
    "kl": lambda l, p, x: l.sum(l.xlogy(p, p) - p * l.log_softmax(x, axis=1)),
    "autoregression": lambda l, v, u: l.sum((v[2:] - u[0] * v[1:-1] - u[1] * v[:-2])**2),
    "convolution": lambda l, v, u: l.sum((u[0] * v[:-2] + u[1] * v[1:-1] + u[2] * v[2:])**3),
    "total variation": lambda l, x: l.sum(l.sqrt((x[1:, 1:] - x[:-1, 1:])**2 + (x[1:, 1:] - x[1:, :-1])**2 + 1e-2)),
    "prod of slices": lambda l, x: l.sum(l.prod(x[1:], axis=0) * l.cumsum(x[0])),
    "max of a gather": lambda l, E, t: l.sum(l.max(E[t], axis=0)**2),
    "prod of a gather": lambda l, E, t: l.sum(l.prod(E[t], axis=0)),
    "cumsum of a gather": lambda l, E, t: l.sum(l.cumsum(E[t], axis=0)**2),
    "softmax of a gather": lambda l, E, t, u: l.sum(l.softmax(E[t], axis=0) @ u),
    "gather of a softmax": lambda l, E, t: l.sum(l.log(l.softmax(E, axis=0)[t])),
    "norm of a gather": lambda l, E, t: l.norm(E[t] - E[t[::-1]] + 0.1),
}


def tensors_of(formula):
    return formula.__code__.co_varnames[1:formula.__code__.co_argcount]


@functools.cache
def both(name):
    """The formula in graphc with its parameters and data; and JAX's value, gradients, and blocks of the Hessian."""
    formula = FORMULAS[name]
    names = tensors_of(formula)
    arrays = {n: data(n) for n in names}
    floats = [n for n in names if n in FLOATS]
    tensors = {n: symbol(n) for n in names}
    every = range(len(floats))

    def reference(*values):
        return formula(JAX, **{**{n: jnp.asarray(a) for n, a in arrays.items()}, **dict(zip(floats, values, strict=True))})

    peer = jax.jit(lambda *at: (reference(*at), jax.grad(reference, every)(*at), jax.hessian(reference, every)(*at)))
    expected = jax.tree.map(np.asarray, peer(*(jnp.asarray(arrays[n]) for n in floats)))
    return formula(GC, **tensors), [tensors[n] for n in floats], arrays, expected


@pytest.mark.parametrize("name", FORMULAS)
def test_gradient(name):
    loss, params, arrays, (value, slopes, _) = both(name)
    close(run(loss, arrays), value)
    gradients = gc.grad(loss, params)
    for g, e in zip(run(gradients, arrays), slopes, strict=True):
        close(g, e)
    assert all([str(d) for d in g.dims] == [str(d) for d in w.dims] for g, w in zip(gradients, params, strict=True))


@pytest.mark.parametrize("name", FORMULAS)
def test_hessian(name):
    loss, params, arrays, (_, _, expected) = both(name)
    for a, w in enumerate(params):
        close(run(gc.hessian(loss, w), arrays), expected[a][a], 1e-9)
        g = gc.grad(loss, w)
        others = [(b, v) for b, v in enumerate(params) if b != a and v.node in inputs_of([g.node])]
        for (b, _), block in zip(others, run(gc.jacobian(g, [v for _, v in others]), arrays) if others else [], strict=True):
            close(block, expected[a][b], 1e-9)
        for b in set(range(len(params))) - {a} - {b for b, _ in others}:
            assert not expected[a][b].any()


@pytest.mark.parametrize("name", FORMULAS)
def test_forward_mode_and_hessian_vector_products(name):
    loss, params, arrays, (_, slopes, blocks) = both(name)
    rng = np.random.default_rng(5)
    directions = [rng.normal(size=e.shape) for e in slopes]
    tangents = [alike(f"{w.name}_dot", w) for w in params]
    arrays = arrays | {f"{w.name}_dot": d for w, d in zip(params, directions, strict=True)}
    close(run(gc.jvp(loss, params, tangents), arrays), sum(np.vdot(e, d) for e, d in zip(slopes, directions, strict=True)))
    for g, row in zip(run(gc.hvp(loss, params, tangents), arrays), blocks, strict=True):
        close(g, sum(np.tensordot(block, d, d.ndim) for block, d in zip(row, directions, strict=True)), 1e-9)


def alike(name, t):
    """A tensor of t's dims."""
    return gc.tensor(name, [int(str(d)) if str(d).isdigit() else d for d in t.dims])


VECTORS = {
    "map": lambda l, x: l.sin(x) * x,
    "product": lambda l, x, S: l.tanh(x @ S),
    "row sums": lambda l, x, u: l.sum(x * u, axis=1)**2,
    "softmax": lambda l, x: l.softmax(x, axis=1),
    "softmax of a vector": lambda l, u: l.softmax(u, axis=0),
    "gather": lambda l, E, t: E[t]**2,
    "gather of labels in a matrix": lambda l, S, g: l.sum(S[g], axis=-1)**2,
    "transpose": lambda l, x: x.T**2,
    "slice": lambda l, x: x[1:, ::-1]**2,
    "strides": lambda l, x: x[::2]**2,
    "cumsum": lambda l, v: l.cumsum(v)**2,
    "cumprod": lambda l, u: l.cumprod(u),
    "reshape": lambda l, x: l.reshape(x, -1)**2,
    "concatenate": lambda l, x, y: l.concatenate([x * y, y], axis=1),
    "outer": lambda l, u, v: l.outer(u, v)**2,
    "view": lambda l, x: x.T,
    "identity": lambda l, x: x,
    "broadcast": lambda l, u, x: u + 0 * x,
    "norm": lambda l, x: l.norm(x, axis=1),
    "max": lambda l, x: l.max(x, axis=1),
    "prod": lambda l, x: l.prod(x, axis=0),
    "einsum": lambda l, x, W: l.einsum("ij,jk->ki", x, W)**2,
    "batched": lambda l, B, C: (B @ C)**2,
    "where": lambda l, x, y: l.where(x > y, x * y, 0),
    "mean": lambda l, x: x - l.mean(x, axis=0),
    "diagonal": lambda l, S: l.einsum("ii->i", S)**2,
    "scalar": lambda l, s: l.sin(s),
    "norm of rows": lambda l, x: x / l.norm(x, axis=1, keepdims=True),
}


@pytest.mark.parametrize("name", VECTORS)
def test_jacobian_vjp_and_jvp(name):
    formula = VECTORS[name]
    names = tensors_of(formula)
    arrays = {n: data(n) for n in names}
    floats = [n for n in names if n in FLOATS]
    tensors = {n: symbol(n) for n in names}
    params = [tensors[n] for n in floats]
    y = formula(GC, **tensors)
    every = range(len(floats))

    def reference(*values):
        return formula(JAX, **{**{n: jnp.asarray(a) for n, a in arrays.items()}, **dict(zip(floats, values, strict=True))})

    def square(*values):
        return (reference(*values)**2).sum()

    peer = jax.jit(lambda *at: (reference(*at), jax.jacobian(reference, every)(*at), jax.hessian(square, every)(*at)))
    value, jacobians, blocks = jax.tree.map(np.asarray, peer(*(jnp.asarray(arrays[n]) for n in floats)))
    for got, expected in zip(run(gc.jacobian(y, params), arrays), jacobians, strict=True):
        close(got, expected)
    rng = np.random.default_rng(3)
    seed, directions = rng.normal(size=value.shape), [rng.normal(size=arrays[n].shape) for n in floats]
    bars = run(gc.vjp(y, params, alike("bar", y)), arrays | {"bar": seed})
    for got, expected in zip(bars, jacobians, strict=True):
        close(got, np.tensordot(seed, expected, seed.ndim))
    tangents = [alike(f"{w.name}_dot", w) for w in params]
    given = arrays | {f"{w.name}_dot": d for w, d in zip(params, directions, strict=True)}
    close(run(gc.jvp(y, params, tangents), given), sum(np.tensordot(e, d, d.ndim) for e, d in zip(jacobians, directions, strict=True)))
    total = gc.sum(y**2)                     # the Hessian of |y|^2 through the vector
    for a, w in enumerate(params):
        close(run(gc.hessian(total, w), arrays), blocks[a][a], 1e-9)


INDEXED = {
    "pairwise": (lambda i, j, k, x, v, t: gc.Sum(gc.exp(-gc.Sum((x[i, k] - x[j, k])**2, k)) * v[i] * v[j], i, j),
                 lambda x, v, t: jnp.sum(jnp.exp(-jnp.sum((x[:, None] - x[None])**2, -1)) * v[:, None] * v)),
    "cox": (lambda i, j, k, x, v, t: -gc.Sum(v[i] - gc.log(gc.Sum(gc.where(t[j] >= t[i], gc.exp(v[j]), 0), j)), i) + 0 * gc.sum(x),
            lambda x, v, t: -jnp.sum(v - jnp.log(jnp.sum(jnp.where(t[None] >= t[:, None], jnp.exp(v), 0), 1)))),
    "diagonal": (lambda i, j, k, x, v, t: gc.Sum(gc.where(i == j, gc.array(gc.Sum(x[i, k] * x[j, k], k), (i, j))[i, j]**2, 0), i, j) + 0 * gc.sum(v),
                 lambda x, v, t: jnp.sum(jnp.diag(x @ x.T)**2)),
    "diagonal by index": (lambda i, j, k, x, v, t: gc.Sum((x @ x.T)[i, i]**2 * v[i], i), lambda x, v, t: jnp.sum(jnp.diag(x @ x.T)**2 * v)),
    "triplets": (lambda i, j, k, x, v, t: gc.Sum(gc.where((t[i] == t[j]) & (i != j), gc.softplus(v[i] - v[j]) * gc.sum(x[i] * x[j]), 0.0), i, j),
                 lambda x, v, t: jnp.sum(jnp.where((t[:, None] == t) & ~jnp.eye(5, dtype=bool), jax.nn.softplus(v[:, None] - v) * (x @ x.T), 0.0))),
    "shift": (lambda i, j, k, x, v, t: gc.Sum(v[i + 1]**3, i) + gc.Sum(x[i + 1, k]**2 * x[i + 2, k], i, k),
              lambda x, v, t: jnp.sum(v[1:]**3) + jnp.sum(x[1:-1]**2 * x[2:])),
    "mirror": (lambda i, j, k, x, v, t: gc.Sum(v[i]**2 * v[gc.size("n") - 1 - i], i) + 0 * gc.sum(x), lambda x, v, t: jnp.sum(v**2 * v[::-1])),
    "autocorrelation": (lambda i, j, k, x, v, t: gc.sum(gc.array(gc.Sum(gc.where(i + j < gc.size("n"), v[i] * v[gc.minimum(i + j, gc.size("n") - 1)], 0) + 0 * v[j], i), j)**2)
                        + 0 * gc.sum(x), lambda x, v, t: sum(jnp.sum(v[:5 - lag] * v[lag:])**2 for lag in range(5))),
    "gather by label": (lambda i, j, k, x, v, t: gc.Sum(x[t[i], k]**2 * v[i], i, k), lambda x, v, t: jnp.sum(x[t]**2 * v[:, None])),
    "prod": (lambda i, j, k, x, v, t: gc.Prod(x[i, k] + v[i], i, k), lambda x, v, t: jnp.prod(x + v[:, None])),
    "max of a row": (lambda i, j, k, x, v, t: gc.Sum(gc.Max(x[i, k], k)**2 * v[i], i), lambda x, v, t: jnp.sum(jnp.max(x, 1)**2 * v)),
    "weights by index": (lambda i, j, k, x, v, t: gc.Sum((i + 1.0) * v[i]**2 / (1 + k) * x[i, k], i, k),
                         lambda x, v, t: jnp.sum((jnp.arange(5.0) + 1)[:, None] * v[:, None]**2 / (1 + jnp.arange(3)) * x)),
    "repeated in the sum": (lambda i, j, k, x, v, t: gc.Sum(v[i], i) * gc.Sum(v[i]**2 * x[i, 0], i), lambda x, v, t: jnp.sum(v) * jnp.sum(v**2 * x[:, 0])),
}


@pytest.mark.parametrize("name", INDEXED)
def test_index_notation(name):
    formula, reference = INDEXED[name]
    x, v, t = gc.param("x", "n d"), gc.param("v", "n"), gc.labels("t", "n", below="n")
    arrays = {"x": data("x"), "v": data("v"), "t": np.array([4, 0, 2, 0, 1])}
    loss = formula(*gc.indices("i j k"), x, v, t)
    labels, every = jnp.asarray(arrays["t"]), (0, 1)
    peer = jax.jit(lambda *at: (reference(*at, labels), jax.grad(reference, every)(*at, labels), jax.hessian(reference, every)(*at, labels)))
    value, slopes, blocks = jax.tree.map(np.asarray, peer(arrays["x"], arrays["v"]))
    close(run(loss, arrays), value)
    for got, expected in zip(run(gc.grad(loss, [x, v]), arrays), slopes, strict=True):
        close(got, expected)
    for a, w in enumerate((x, v)):
        close(run(gc.hessian(loss, w), arrays), blocks[a][a], 1e-9)
    directions = [np.cos(np.arange(e.size)).reshape(e.shape) for e in slopes]
    products = run(gc.hvp(loss, [x, v], [alike("x_", x), alike("v_", v)]), arrays | {"x_": directions[0], "v_": directions[1]})
    for got, row in zip(products, blocks, strict=True):
        close(got, sum(np.tensordot(block, d, d.ndim) for block, d in zip(row, directions, strict=True)), 1e-9)
