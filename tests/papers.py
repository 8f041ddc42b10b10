"""Losses and structures as papers and users write them, each with data on prime extents.

`FORMULAS` maps a name to a function without arguments that builds the loss; `DATA` holds the arrays of all inputs by name.
"""

import numpy as np

import graphc as gc

RNG = np.random.default_rng(0)
n, d, c, k = 7, 3, 5, 11
DATA = dict(
    X=RNG.normal(size=(n, d)), Y=RNG.normal(size=(n, c)), W=RNG.normal(size=(d, c)), v=RNG.normal(size=d), u=RNG.normal(size=n),
    A=RNG.normal(size=(n, n)), B3=RNG.normal(size=(2, n, d)), C3=RNG.normal(size=(2, d, c)), E=RNG.normal(size=(k, d)), lam=np.float64(0.5),
    t=np.array([0, 1, 2, 1, 0, 4, 3]), r=RNG.integers(0, k, n), Z=RNG.normal(size=(n, d)), P=RNG.normal(size=(c, d)), tau=np.float64(0.5),
    ls=RNG.normal(size=k) * 0.3, pi=RNG.normal(size=k), T=RNG.permutation(n).astype(float), event=RNG.random(n) > 0.4, image=RNG.normal(size=(5, 7)),
    target=RNG.random(n), users=RNG.normal(size=(11, d)), items=RNG.normal(size=(13, d)), who=RNG.integers(0, 11, 17), what=RNG.integers(0, 13, 17),
    stars=RNG.normal(size=17), atoms=RNG.normal(size=(5, 3)) * 2, Q=RNG.normal(size=(2, n, d)), K=RNG.normal(size=(2, 13, d)),
)

X, Y, W, v, u = gc.param("X", "n d"), gc.param("Y", "n c"), gc.param("W", "d c"), gc.param("v", "d"), gc.param("u", "n")
A, B3, C3, E, lam = gc.param("A", "n n"), gc.param("B3", "b n d"), gc.param("C3", "b d c"), gc.param("E", "k d"), gc.param("lam")
t, r, Z, P, tau = gc.labels("t", "n", below="c"), gc.labels("r", "n", below="k"), gc.param("Z", "n d"), gc.param("P", "c d"), gc.scalar("tau")
ls, pi, T, event = gc.param("ls", "k"), gc.param("pi", "k"), gc.tensor("T", "n"), gc.tensor("event", "n", dtype="bool")
image, target = gc.param("image", "h w"), gc.tensor("target", "n")
users, items, stars, atoms = gc.param("users", "u d"), gc.param("items", "m d"), gc.tensor("stars", "r"), gc.param("atoms", "p 3")
who, what, Q, K = gc.labels("who", "r", below="u"), gc.labels("what", "r", below="m"), gc.param("Q", "b n d"), gc.param("K", "b m d")
i, j, l, s = gc.indices("i j l s")
FORMULAS = {}


def formula(function):
    FORMULAS[function.__name__] = function
    return function


def unit(x):
    return x / gc.norm(x, axis=-1, keepdims=True)


def standard(x):
    return (x - gc.mean(x, 0)) / gc.std(x, 0)


# --- contrastive and metric losses ------------------------------------------------------------------------------------

@formula
def supervised_contrastive():
    similarity = unit(X) @ unit(X).T / tau
    itself = gc.arange("n")[:, None] == gc.arange("n")[None, :]
    same = (t[:, None] == t[None, :]) & ~itself
    log_z = gc.logsumexp(gc.where(itself, -np.inf, similarity), axis=1)
    return -gc.mean(gc.sum(gc.where(same, similarity - log_z[:, None], 0), axis=1) / gc.maximum(gc.sum(same, axis=1), 1))


@formula
def nt_xent():
    both = gc.concatenate([X, Z])
    similarity = unit(both) @ unit(both).T / tau
    at = gc.arange("n+n")
    log_z = gc.logsumexp(gc.where(at[:, None] == at[None, :], -1e9, similarity), axis=1)
    return gc.mean(log_z - similarity[at, (at + gc.size("n")) % (2 * gc.size("n"))])


@formula
def info_nce():
    return gc.mean(gc.logsumexp(X @ X.T, axis=1) - gc.sum(X * X, axis=1))


@formula
def arcface():
    cosine = unit(X) @ unit(P).T
    angle = gc.arccos(gc.clip(cosine, -1 + 1e-7, 1 - 1e-7))
    return gc.losses.cross_entropy(30 * gc.where(gc.one_hot(t) > 0, gc.cos(angle + 0.5), cosine), t)


@formula
def center():
    return 0.5 * gc.sum((X - P[t]) ** 2) / gc.size("n")


@formula
def barlow_twins():
    C = standard(X).T @ standard(Z) / gc.size("n")
    return gc.sum((1 - gc.Sum(C[i, i], i)) ** 2) + 0.005 * gc.Sum(gc.where(i != j, C[i, j] ** 2, 0), i, j)


@formula
def vicreg():
    centred = X - gc.mean(X, 0)
    covariance = centred.T @ centred / (gc.size("n") - 1)
    return gc.mean(gc.relu(1 - gc.sqrt(gc.var(X, 0, ddof=1) + 1e-4))) + gc.mean((X - Z) ** 2) + gc.sum((covariance * (1 - gc.eye("d"))) ** 2)


# --- likelihoods ------------------------------------------------------------------------------------------------------

@formula
def gaussian_mixture():
    log_p = -0.5 * gc.sum((X[:, None, :] - E[None]) ** 2 * gc.exp(-2 * ls)[None, :, None], axis=2) - gc.size("d") * ls
    return -gc.mean(gc.logsumexp(gc.log_softmax(pi, 0)[None, :] + log_p, axis=1))


@formula
def cox():
    at_risk = gc.Sum(gc.where(T[j] >= T[i], gc.exp(u[j]), 0), j)
    return -gc.sum(gc.where(event, u - gc.log(gc.array(at_risk, (i,))), 0))


@formula
def negative_binomial():
    size = gc.exp(u)
    return gc.sum(gc.lgamma(T + size) - gc.lgamma(size) - gc.lgamma(T + 1) + size * gc.log(0.3))


@formula
def beta_function():
    a, b = gc.exp(u), gc.exp(-u)
    return gc.mean(gc.lgamma(a) + gc.lgamma(b) - gc.lgamma(a + b))


@formula
def student_t():
    return gc.mean(gc.log1p(u**2 / 3) * 2)


@formula
def vae_divergence():
    return gc.mean(-0.5 * gc.sum(1 + X - Z**2 - gc.exp(X), axis=1))


@formula
def gaussian_crps():
    scale = gc.exp(u)
    x = target / scale
    return gc.mean(scale * (x * gc.erf(x / 2**0.5) + 2 * gc.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi)))


@formula
def literal_cross_entropy():
    y = X @ W
    return -gc.Sum(gc.log(gc.exp(y[s, t[s]]) / gc.Sum(gc.exp(y[s, j]), j)), s) / gc.size("n")


@formula
def entropy():
    return -gc.sum(gc.softmax(Y) * gc.log_softmax(Y))


# --- ranking, recommendation, reinforcement ---------------------------------------------------------------------------

@formula
def pairwise_ranking():
    return gc.Sum(gc.where(T[i] > T[j], gc.softplus(-(u[i] - u[j])), 0), i, j) / gc.Sum(T[i] > T[j], i, j)


@formula
def list_mle():
    return gc.mean(gc.log(gc.cumsum(gc.exp(u[::-1]))[::-1]) - u)


@formula
def matrix_factorisation():
    return gc.mean((stars - gc.sum(users[who] * items[what], axis=1)) ** 2) + 0.1 * gc.sum(users**2)


@formula
def matrix_factorisation_by_index():
    return gc.Sum((stars[s] - gc.Sum(users[who[s], l] * items[what[s], l], l)) ** 2, s)


@formula
def ppo():
    ratio = gc.exp(u - target)
    return -gc.mean(gc.minimum(ratio * T, gc.clip(ratio, 0.8, 1.2) * T))


@formula
def dpo():
    return -gc.mean(gc.logsigmoid(0.1 * (u - target)))


# --- images, physics, kernels -----------------------------------------------------------------------------------------

@formula
def total_variation():
    return gc.sum(gc.sqrt((image[1:, :-1] - image[:-1, :-1]) ** 2 + (image[:-1, 1:] - image[:-1, :-1]) ** 2 + 1e-8))


@formula
def convolution():
    return gc.Sum(gc.Sum(image[i, j + l] * gc.stack([1.0, 2.0, 1.0])[l], l) ** 2, i, j)


@formula
def dice():
    p = gc.sigmoid(u)
    return 1 - (2 * gc.sum(p * target) + 1) / (gc.sum(p) + gc.sum(target) + 1)


@formula
def wing():
    e = abs(u - target)
    return gc.mean(gc.where(e < 1, gc.log(1 + e / 0.5), e - 1 + np.log(3)))


@formula
def lennard_jones():
    r2 = gc.Sum((atoms[i, l] - atoms[j, l]) ** 2, l)
    return gc.Sum(gc.where(i < j, 4 * (r2**-6 - r2**-3), 0), i, j)


@formula
def rbf():
    return gc.Sum(gc.exp(-gc.Sum((X[i, l] - E[j, l]) ** 2, l)), i, j)


@formula
def mmd():
    return gc.mean(gc.exp(-gc.sum((X[:, None] - X[None]) ** 2, -1))) - 2 * gc.mean(gc.exp(-gc.sum((X[:, None] - Z[None]) ** 2, -1)))


@formula
def hsic():
    centring = gc.eye("n") - 1 / gc.size("n")
    return gc.trace((X @ X.T) @ centring @ (Z @ Z.T) @ centring)


# --- structures -------------------------------------------------------------------------------------------------------

@formula
def ridge_and_lasso():
    return gc.sum((X @ W - Y) ** 2) + lam * gc.sum(abs(W))


@formula
def logistic_regression():
    return gc.mean(gc.softplus(-u * (X @ v))) + lam * gc.sum(v**2)


@formula
def multilayer():
    return gc.sum((gc.tanh(gc.relu(X @ W) @ W.T) @ W - Y) ** 2)


@formula
def attention():
    weights = gc.softmax(gc.einsum("bnd,bmd->bnm", Q, K) / gc.sqrt(gc.size("d")), axis=-1)
    return gc.sum((weights @ K) ** 2)


@formula
def layer_norm():
    return gc.sum(((X - gc.mean(X, 1, keepdims=True)) / gc.sqrt(gc.var(X, 1, keepdims=True) + 1e-5) * v) ** 3)


@formula
def column_statistics():
    return gc.sum(gc.std(X, 0, ddof=1) * v) + gc.sum(gc.max(X, axis=0))


@formula
def embedding():
    return gc.sum(gc.sin(E[r]) * X) + gc.sum(gc.prod(E[r], axis=0))


@formula
def running_totals():
    return gc.sum(gc.cumsum(u) ** 3) + gc.sum(gc.cumprod(X, axis=1)) + gc.sum(gc.prod(X, axis=1))


@formula
def joined():
    return gc.sum(gc.concatenate([X, E, X**2]) ** 3 * gc.concatenate([X, E, X]))


@formula
def sliced():
    return gc.sum((X[1:] - X[:-1]) ** 2 * X[:-1]) + gc.sum(A[::2] ** 2) + gc.sum(A[1:, ::-2] ** 3)


@formula
def reshaped():
    flat = gc.reshape(X, "n*d")
    return gc.sum(flat[1:] * flat[:-1]) + gc.sum(gc.reshape(flat**2, ("n", "d")) * X)


@formula
def traces():
    return gc.trace(A @ A) + gc.sum(A * A.T) + gc.sum(gc.array(A[i, i], (i,)) ** 2 * u)


@formula
def batched():
    return gc.sum(gc.tanh(B3 @ C3)) + gc.sum(gc.tanh(B3 @ W))


@formula
def einsums():
    return gc.sum(gc.einsum("bnd,bdc,dc->nc", B3, C3, W) ** 2) + gc.sum(gc.outer(u, v) * X)


@formula
def quadratic_forms():
    return u @ A @ u + gc.norm(A) + gc.norm(W, ord=1) + gc.norm(W, ord=np.inf) + gc.norm(W, axis=1, ord=3).sum()


@formula
def choices():
    return gc.sum(gc.where(X > 0, gc.log(X), X**2)) + gc.sum(gc.minimum(X, v) * gc.maximum(X, 0.3))


@formula
def positions():
    return gc.sum(X[gc.arange("n"), gc.argmax(X, axis=1)] ** 2) + gc.sum(gc.one_hot(t) * Y) + gc.sum(gc.arange("n") * u)


@formula
def by_numpy():
    return np.mean(np.log(1 + np.exp(-u * np.tanh(u)))) + np.linalg.norm(X) + np.sum(np.maximum(X, 0) * Z)


@formula
def scalars():
    return lam**2 * 3 + gc.exp(lam)


@formula
def gradient_penalty():
    slope = gc.grad(gc.sum(gc.tanh(X @ P.T)), X)
    return gc.mean((gc.norm(slope, axis=1) - 1) ** 2)
