"""Every loss against torch.nn.functional: values, gradients by every float input, Hessians; and what the losses refuse.

A row is a loss, its torch function, its inputs and its options. Inputs are called as torch calls its arguments.
"""

from __future__ import annotations

import doctest
import importlib
import inspect

import numpy as np
import pytest

import graphc as gc
import graphc.losses

torch = pytest.importorskip("torch")
F = torch.nn.functional

EXTENTS = {"n": 7, "c": 5, "d": 3, "h": 2}
TOLERANCE = {np.float64: 1e-10, np.float32: 2e-5}


# --- references that torch.nn.functional lacks, in torch ----------------------------------------------------------------

def _reduced(losses, reduction="mean"):
    return {"mean": torch.mean, "sum": torch.sum, "none": lambda x: x}[reduction](losses)


def torch_hinge(input, target, reduction="mean"):
    return _reduced(torch.relu(1 - target * input), reduction)


def torch_squared_hinge(input, target, reduction="mean"):
    return _reduced(torch.relu(1 - target * input)**2, reduction)


def torch_log_cosh(input, target, reduction="mean"):
    return _reduced(torch.log(torch.cosh(input - target)), reduction)


def torch_quantile(input, target, q=0.5, reduction="mean"):
    d = target - input
    return _reduced(torch.maximum(q * d, (q - 1) * d), reduction)


def torch_focal(input, target, alpha=0.25, gamma=2.0, reduction="mean"):
    """torchvision.ops.sigmoid_focal_loss, as published there."""
    p = torch.sigmoid(input)
    loss = F.binary_cross_entropy_with_logits(input, target, reduction="none") * (1 - p * target - (1 - p) * (1 - target))**gamma
    return _reduced(loss if alpha < 0 else (alpha * target + (1 - alpha) * (1 - target)) * loss, reduction)


# --- the table ----------------------------------------------------------------------------------------------------------
# loss: (torch function, inputs, options ...); an input is a distribution and dims

PAIR = {"input": "normal n d", "target": "normal n d"}
LABELS = {"input": "normal n c", "target": "labels n"}
SPATIAL = {"input": "normal n c d h", "target": "labels n d h"}
SOFT = {"input": "normal n c", "target": "simplex n c"}
WEIGHTED = LABELS | {"weight": "positive c"}
TWO = {"input1": "normal n d", "input2": "normal n d", "target": "sign n"}
SIGNS = {"input": "normal n d", "target": "sign n d"}
TRIPLET = {name: "normal n d" for name in ("anchor", "positive", "negative")}
LOGITS = {"input": "normal n d", "target": "unit n d"}

TABLE = [
    ("mse", F.mse_loss, PAIR, {}, {"reduction": "sum"}, {"reduction": "none"}),
    ("mse", F.mse_loss, PAIR | {"weight": "positive n d"}, {}, {"reduction": "sum"}, {"reduction": "none"}),
    ("mae", F.l1_loss, PAIR, {}, {"reduction": "sum"}, {"reduction": "none"}),
    ("mae", F.l1_loss, PAIR | {"weight": "positive n d"}, {}, {"reduction": "none"}),
    ("huber", F.huber_loss, PAIR, {}, {"delta": 0.3}, {"reduction": "none", "delta": 2}),
    ("huber", F.huber_loss, PAIR | {"weight": "positive n d"}, {"delta": 0.7}, {"reduction": "sum"}),
    ("smooth_l1", F.smooth_l1_loss, PAIR, {}, {"beta": 0.3}, {"beta": 0}, {"reduction": "sum", "beta": 2.5}),
    ("log_cosh", torch_log_cosh, PAIR, {}, {"reduction": "none"}),
    ("quantile", torch_quantile, PAIR, {}, {"q": 0.9}, {"q": 0.2, "reduction": "sum"}),
    ("poisson_nll", F.poisson_nll_loss, {"input": "normal n d", "target": "counts n d"}, {}, {"full": True}, {"reduction": "sum"}),
    ("poisson_nll", F.poisson_nll_loss, {"input": "positive n d", "target": "counts n d"}, {"log_input": False},
     {"log_input": False, "full": True, "eps": 0.1}),
    ("gaussian_nll", F.gaussian_nll_loss, PAIR | {"var": "positive n d"}, {}, {"full": True}, {"reduction": "none"}, {"eps": 1.0}),
    ("gaussian_nll", F.gaussian_nll_loss, PAIR | {"var": "positive n"}, {}),
    ("gaussian_nll", F.gaussian_nll_loss, PAIR | {"var": "positive n 1"}, {}),
    ("gaussian_nll", F.gaussian_nll_loss, PAIR, {"var": 2.0}),
    ("cross_entropy", F.cross_entropy, LABELS, {}, {"reduction": "sum"}, {"reduction": "none"}, {"label_smoothing": 0.1}, {"ignore_index": 2},
     {"ignore_index": -100}, {"ignore_index": 2, "label_smoothing": 0.3, "reduction": "none"}),
    ("cross_entropy", F.cross_entropy, WEIGHTED, {}, {"reduction": "sum"}, {"reduction": "none"}, {"label_smoothing": 0.2},
     {"label_smoothing": 0.2, "ignore_index": 1}, {"label_smoothing": 0.2, "ignore_index": 1, "reduction": "sum"}, {"label_smoothing": 1.0}),
    ("cross_entropy", F.cross_entropy, SPATIAL, {}, {"label_smoothing": 0.1}, {"ignore_index": 0}, {"reduction": "none"}),
    ("cross_entropy", F.cross_entropy, SPATIAL | {"weight": "positive c"}, {}, {"label_smoothing": 0.1, "ignore_index": 4}),
    ("cross_entropy", F.cross_entropy, {"input": "normal n c d", "target": "labels n d"}, {}, {"label_smoothing": 0.1}),
    ("cross_entropy", F.cross_entropy, {"input": "normal c", "target": "labels"}, {}, {"label_smoothing": 0.4}),
    ("cross_entropy", F.cross_entropy, {"input": "normal c", "target": "simplex c"}, {}),
    ("cross_entropy", F.cross_entropy, SOFT, {}, {"label_smoothing": 0.1}, {"reduction": "none"}, {"reduction": "sum"}),
    ("cross_entropy", F.cross_entropy, SOFT | {"weight": "positive c"}, {}, {"label_smoothing": 0.1}),
    ("cross_entropy", F.cross_entropy, {"input": "normal n c d h", "target": "simplex n c d h", "weight": "positive c"}, {},
     {"label_smoothing": 0.1}),
    ("nll", F.nll_loss, {"input": "normal n c", "target": "labels n"}, {}, {"reduction": "sum"}, {"reduction": "none"}, {"ignore_index": 3}),
    ("nll", F.nll_loss, WEIGHTED, {}, {"ignore_index": 0}, {"reduction": "none"}),
    ("nll", F.nll_loss, SPATIAL | {"weight": "positive c"}, {}, {"ignore_index": 0, "reduction": "sum"}),
    ("nll", F.nll_loss, {"input": "normal c", "target": "labels"}, {}),
    ("kl_div", F.kl_div, SOFT, {}, {"reduction": "sum"}, {"reduction": "none"}, {"reduction": "batchmean"}),
    ("kl_div", F.kl_div, {"input": "normal n c", "target": "normal n c"}, {"log_target": True}, {"log_target": True, "reduction": "batchmean"}),
    ("bce", F.binary_cross_entropy, {"input": "unit n d", "target": "unit n d"}, {}, {"reduction": "sum"}, {"reduction": "none"}),
    ("bce", F.binary_cross_entropy, {"input": "unit n d", "target": "unit n d", "weight": "positive d"}, {}),
    ("bce_with_logits", F.binary_cross_entropy_with_logits, LOGITS, {}, {"reduction": "sum"}, {"reduction": "none"}),
    ("bce_with_logits", F.binary_cross_entropy_with_logits, LOGITS | {"pos_weight": "positive d", "weight": "positive n 1"}, {},
     {"reduction": "none"}),
    ("focal", torch_focal, LOGITS, {}, {"gamma": 0}, {"gamma": 1.5, "alpha": 0.6}, {"alpha": -1, "reduction": "sum"}),
    ("hinge", torch_hinge, SIGNS, {}, {"reduction": "sum"}, {"reduction": "none"}),
    ("squared_hinge", torch_squared_hinge, SIGNS, {}, {"reduction": "sum"}),
    ("soft_margin", F.soft_margin_loss, SIGNS, {}, {"reduction": "sum"}, {"reduction": "none"}),
    ("multi_margin", F.multi_margin_loss, LABELS, {}, {"p": 2}, {"margin": 0.4}, {"reduction": "none"}),
    ("multi_margin", F.multi_margin_loss, WEIGHTED, {"p": 2, "margin": 1.7}, {"reduction": "sum"}),
    ("multi_margin", F.multi_margin_loss, {"input": "normal c", "target": "labels"}, {}),
    ("multilabel_margin", F.multilabel_margin_loss, {"input": "normal n c", "target": "sets n c"}, {}, {"reduction": "sum"}, {"reduction": "none"}),
    ("multilabel_margin", F.multilabel_margin_loss, {"input": "normal c", "target": "sets c"}, {}),
    ("margin_ranking", F.margin_ranking_loss, TWO | {"input1": "normal n", "input2": "normal n"}, {}, {"margin": 0.5},
     {"margin": 0.5, "reduction": "none"}),
    ("hinge_embedding", F.hinge_embedding_loss, {"input": "positive n d", "target": "sign n d"}, {}, {"margin": 0.4}, {"reduction": "none"}),
    ("cosine_embedding", F.cosine_embedding_loss, TWO, {}, {"margin": 0.2}, {"reduction": "none"}, {"reduction": "sum", "margin": -0.5}),
    ("cosine_embedding", F.cosine_embedding_loss, {"input1": "normal d", "input2": "normal d", "target": "sign"}, {}),
    ("triplet_margin", F.triplet_margin_loss, TRIPLET, {}, {"swap": True}, {"p": 1}, {"p": 3, "swap": True, "margin": 0.4}, {"p": 1.5},
     {"p": float("inf")}, {"eps": 0.1, "reduction": "none"}, {"reduction": "sum"}),
]
CASES = [pytest.param(name, reference, inputs, more, id=f"{name}-{k}") for k, (name, reference, inputs, *more) in enumerate(TABLE)]

# torch has no derivative by these arguments; ours are compared with the formula in torch further down
WITHOUT_TORCH_DERIVATIVE = {("cross_entropy", "weight"), ("nll", "weight"), ("multi_margin", "weight"), ("bce", "weight"),
                            ("bce_with_logits", "weight"), ("bce_with_logits", "pos_weight"), ("soft_margin", "target")}


# --- data ---------------------------------------------------------------------------------------------------------------

def sets(shape, rng):
    """Different classes, then -1, then classes that do not count."""
    rows = []
    for _ in range(int(np.prod(shape[:-1]))):
        row = rng.permutation(shape[-1])
        row[rng.integers(0, shape[-1])] = -1
        rows.append(row)
    return np.array(rows).reshape(shape)


DISTRIBUTIONS = {
    "normal": lambda shape, rng: rng.normal(size=shape),
    "positive": lambda shape, rng: rng.uniform(0.2, 2.0, size=shape),
    "unit": lambda shape, rng: rng.uniform(0.05, 0.95, size=shape),
    "simplex": lambda shape, rng: rng.dirichlet(np.ones(7), size=shape)[..., 0],
    "sign": lambda shape, rng: np.where(rng.random(shape) < 0.5, -1.0, 1.0),
    "counts": lambda shape, rng: 1.0 + rng.poisson(2.0, size=shape),
    "labels": lambda shape, rng: rng.integers(0, EXTENTS["c"], size=shape),
    "sets": sets,
}


def make(inputs, dtype):
    """(declared tensors, arrays) for a row of the table."""
    rng = np.random.default_rng(len(str(inputs)))
    tensors, arrays = {}, {}
    for name, text in inputs.items():
        kind, *dims = text.split()
        shape = tuple(EXTENTS.get(d) or int(d) for d in dims)
        a = np.asarray(DISTRIBUTIONS[kind](shape, rng))
        arrays[name] = a.astype(dtype) if a.dtype.kind == "f" else a
        tensors[name] = gc.tensor(name, dims) if a.dtype.kind == "f" else gc.labels(name, dims, below="c")
    return tensors, arrays


def values_and_grads(losses, data, dtype, compiled=True):
    """Losses and their gradients by all float inputs, in one program or by the interpreter (by the sum of squares, where a loss is not a scalar)."""
    names = [n for n, a in data.items() if a.dtype.kind == "f"]
    tensors = {(k, n): t for k, loss in enumerate(losses)
               for n, t in {"": loss, **dict(zip(names, gc.grad(gc.sum(loss**2) if loss.ndim else loss, names), strict=True))}.items()}
    results = gc.compile(tensors)(**data) if compiled else dict(zip(tensors, gc.evaluate(list(tensors.values()), **data), strict=True))
    assert all(np.asarray(results[k, ""]).dtype == dtype for k in range(len(losses)))
    return [(results[k, ""], {n: results[k, n] for n in names}) for k in range(len(losses))]


def value_and_grads(loss, data, dtype):
    return values_and_grads([loss], data, dtype)[0]


def torch_value_and_grads(reference, arrays, options, skip=()):
    tensors = {n: torch.tensor(a.astype(np.float64) if a.dtype.kind == "f" else a) for n, a in arrays.items()}
    wrt = [n for n, t in tensors.items() if t.is_floating_point() and n not in skip]
    for n in wrt:
        tensors[n].requires_grad_()
    value = reference(**tensors, **options)
    grads = torch.autograd.grad((value**2).sum() if value.ndim else value, [tensors[n] for n in wrt], allow_unused=True)
    return value.detach().numpy(), {n: np.zeros(arrays[n].shape) if g is None else g.numpy() for n, g in zip(wrt, grads, strict=True)}


def close(ours, theirs, dtype, what=""):
    ours = np.asarray(ours, dtype=np.float64)
    assert ours.shape == theirs.shape, what
    assert np.abs(ours - theirs).max(initial=0.0) <= TOLERANCE[dtype] * max(np.abs(theirs).max(initial=0.0), 1e-3), what


# --- values and gradients -----------------------------------------------------------------------------------------------

@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda d: d.__name__)
@pytest.mark.parametrize("name, reference, inputs, every", CASES)
def test_value_and_gradients_are_torch_s(name, reference, inputs, every, dtype):
    """The first and the last options of a row in one program, which compiles in half the time; those between, of the same nodes, by the interpreter."""
    tensors, arrays = make(inputs, dtype)
    skip = [n for n in inputs if (name, n) in WITHOUT_TORCH_DERIVATIVE]
    for compiled, some in ((True, [every[0], *every[1:][-1:]]), *([(False, every[1:-1])] if every[1:-1] else [])):
        losses = [getattr(gc.losses, name)(**tensors, **options) for options in some]
        for options, (ours, our_grads) in zip(some, values_and_grads(losses, arrays, dtype, compiled), strict=True):
            value, grads = torch_value_and_grads(reference, arrays, options, skip)
            close(ours, value, dtype, options)
            for n, g in grads.items():
                close(our_grads[n], g, dtype, (options, n))


POINTS_OF_ROWS = torch.arange(EXTENTS["n"])


def written_cross_entropy(input, target, weight):
    return -(weight[target] * torch.log_softmax(input, -1)[POINTS_OF_ROWS, target]).sum() / weight[target].sum()


def written_nll(input, target, weight):
    return -(weight[target] * input[POINTS_OF_ROWS, target]).sum() / weight[target].sum()


def written_multi_margin(input, target, weight):
    z = torch.relu(1 - input[POINTS_OF_ROWS, target][:, None] + input) * (1 - F.one_hot(target, EXTENTS["c"]))
    return (weight[target] * z.mean(1)).mean()


def written_bce(input, target, weight):
    return -(weight * (target * torch.log(input) + (1 - target) * torch.log(1 - input))).mean()


def written_bce_with_logits(input, target, weight, pos_weight):
    return -(weight * (pos_weight * target * F.logsigmoid(input) + (1 - target) * F.logsigmoid(-input))).mean()


def written_soft_margin(input, target):
    return F.softplus(-target * input).mean()


@pytest.mark.parametrize("reference, inputs", [
    (written_cross_entropy, WEIGHTED), (written_nll, WEIGHTED), (written_multi_margin, WEIGHTED), (written_soft_margin, SIGNS),
    (written_bce, {"input": "unit n d", "target": "unit n d", "weight": "positive d"}),
    (written_bce_with_logits, LOGITS | {"weight": "positive n 1", "pos_weight": "positive d"}),
])
def test_gradients_that_torch_lacks(reference, inputs):
    tensors, arrays = make(inputs, np.float64)
    value, grads = torch_value_and_grads(reference, arrays, {})
    ours, our_grads = value_and_grads(getattr(gc.losses, reference.__name__.removeprefix("written_"))(**tensors), arrays, np.float64)
    close(ours, value, np.float64)
    for n, g in grads.items():
        close(our_grads[n], g, np.float64)


# --- points where a formula needs care ----------------------------------------------------------------------------------

def at(name, options, **data):
    """Value and gradients of a loss at given numbers, with dims of literal size."""
    data = {k: np.asarray(v) for k, v in data.items()}
    tensors = {k: gc.tensor(k, a.shape) if a.dtype.kind == "f" else gc.labels(k, a.shape) for k, a in data.items()}
    return value_and_grads(getattr(gc.losses, name)(**tensors, **options), data, np.float64)


POINTS = {   # kinks and edges, at which torch's derivative is ours
    "mae": (F.l1_loss, {}, {"input": [1.0, 2.0, 3.0], "target": [1.0, 2.5, 2.0]}),
    "huber": (F.huber_loss, {}, {"input": [1.0, 2.0, 3.0], "target": [0.0, 3.0, 3.0]}),
    "smooth_l1": (F.smooth_l1_loss, {"beta": 0}, {"input": [1.0, 2.0, 3.0], "target": [0.0, 3.0, 3.0]}),
    "bce": (F.binary_cross_entropy, {"reduction": "sum"},
            {"input": [0.0, 0.0, 1.0, 1.0, 0.0, 1e-13, 1 - 1e-13, 1e-40], "target": [0.0, 1.0, 0.0, 1.0, 0.3, 0.0, 0.4, 1.0]}),
    "gaussian_nll": (F.gaussian_nll_loss, {"eps": 0.1}, {"input": [1.0, 2.0, 3.0], "target": [0.0, 3.0, 3.0], "var": [0.01, 0.0, 0.1]}),
    "kl_div": (F.kl_div, {"reduction": "sum"}, {"input": [-1.0, -2.0, -3.0], "target": [0.0, 0.5, 1.0]}),
    "poisson_nll": (F.poisson_nll_loss, {"full": True}, {"input": [-1.0, -2.0, -3.0], "target": [0.0, 1.0, 2.0]}),
    "hinge_embedding": (F.hinge_embedding_loss, {}, {"input": [1.0, 1.0, 0.0, 2.0], "target": [-1.0, 1.0, 0.0, 0.0]}),
    "margin_ranking": (F.margin_ranking_loss, {}, {"input1": [1.0, 2.0, 3.0], "input2": [1.0, 4.0, 1.0], "target": [1.0, 1.0, 1.0]}),
    "multi_margin": (F.multi_margin_loss, {}, {"input": [[1.0, 0.0, 2.0], [3.0, 2.0, 2.0]], "target": [0, 0]}),
    "multilabel_margin": (F.multilabel_margin_loss, {}, {"input": [[1.0, 0.0, 2.0], [3.0, 2.0, 2.0]], "target": [[0, -1, 2], [-1, -1, -1]]}),
    "cosine_embedding": (F.cosine_embedding_loss, {}, {"input1": [[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]], "input2": [[0.0, 1.0], [1.0, 2.0], [1.0, 1.0]],
                                                      "target": [-1.0, 1.0, 0.0]}),
    "triplet_margin": (F.triplet_margin_loss, {"eps": 0.0, "swap": True},
                       {"anchor": [[1.0, 0.0]], "positive": [[1.0, 2.0]], "negative": [[1.0, 1.0]]}),
}


@pytest.mark.parametrize("name", POINTS)
def test_kinks_and_edges_are_torch_s(name):
    reference, options, data = POINTS[name]
    without = {"kl_div": ["target"], "poisson_nll": ["target"], "bce": ["target"]}.get(name, [])   # torch has NaN or infinity there
    value, grads = torch_value_and_grads(reference, {k: np.asarray(v) for k, v in data.items()}, options, without)
    ours, our_grads = at(name, options, **data)
    close(ours, value, np.float64)
    for n, g in grads.items():
        np.testing.assert_allclose(our_grads[n], g, rtol=1e-8, atol=1e-14, err_msg=n)   # torch's 1e-12 is a float32
    for n in without:
        assert np.isfinite(our_grads[n]).all(), n


def test_kl_div_of_impossible_events():
    """q = 0 contributes nothing, also where the log-probability, or log q, is -infinity."""
    value, grads = at("kl_div", {"reduction": "sum"}, input=[-np.inf, -2.0], target=[0.0, 1.0])
    assert value == 2.0 and grads["input"].tolist() == [0.0, -1.0] and grads["target"][0] == 0.0
    value, grads = at("kl_div", {"reduction": "sum", "log_target": True}, input=[-3.0, -2.0], target=[-np.inf, 0.0])
    assert value == 2.0 and grads["input"].tolist() == [0.0, -1.0] and grads["target"].tolist() == [0.0, 3.0]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda d: d.__name__)
@pytest.mark.parametrize("name, target, value, slope", [
    ("bce_with_logits", [0.0, 1.0, 0.0, 1.0], [0.0, 1e4, 1e4, 0.0], [0.0, -1.0, 1.0, 0.0]),
    ("soft_margin", [-1.0, 1.0, -1.0, 1.0], [0.0, 1e4, 1e4, 0.0], [0.0, -1.0, 1.0, 0.0]),
    ("focal", [0.0, 1.0, 0.0, 1.0], [0.0, 2500.0, 7500.0, 0.0], [0.0, -0.25, 0.75, 0.0]),
    ("log_cosh", [0.0, 0.0, 0.0, 0.0], [1e4 - np.log(2)] * 4, [-1.0, -1.0, 1.0, 1.0]),
])
def test_large_scores_are_exact(name, target, value, slope, dtype):
    x, t = gc.tensor("x", 4), gc.tensor("t", 4)
    losses = getattr(gc.losses, name)(x, t, reduction="none")
    data = {"x": np.array([-1e4, -1e4, 1e4, 1e4], dtype), "t": np.array(target, dtype)}
    ours, grad = gc.evaluate([losses, gc.grad(gc.sum(losses), x)], **data)
    np.testing.assert_allclose(ours, value, rtol=1e-6)
    np.testing.assert_allclose(grad, slope, rtol=1e-6)


def test_small_differences_keep_their_digits():
    """log cosh d = d^2/2 - d^4/12 + ..., with derivative d - d^3/3: log(cosh(d)) itself would give 0 for d = 1e-9."""
    value, grads = at("log_cosh", {"reduction": "sum"}, input=[1e-9], target=[0.0])
    np.testing.assert_allclose([value, grads["input"][0]], [5e-19, 1e-9], rtol=1e-12)
    value, grads = at("bce_with_logits", {"reduction": "sum"}, input=[-40.0], target=[0.0])
    np.testing.assert_allclose([value, grads["input"][0]], [np.exp(-40), np.exp(-40)], rtol=1e-12)


def test_cross_entropy_of_large_logits():
    value, grads = at("cross_entropy", {"reduction": "sum"}, input=[[1e4, 0.0], [-1e4, 1e4]], target=[1, 1])
    assert value == 1e4 and grads["input"].tolist() == [[1.0, -1.0], [0.0, 0.0]]


def test_quantile_of_one_half_is_half_the_absolute_error():
    value, grads = at("quantile", {"reduction": "sum"}, input=[1.0, 2.0, 3.0], target=[1.0, 0.0, 7.0])
    assert value == 3.0 and grads["input"].tolist() == [0.0, 0.5, -0.5]


# --- second derivatives -------------------------------------------------------------------------------------------------

HESSIANS = [
    ("mse", F.mse_loss, PAIR, "input", {}),
    ("huber", F.huber_loss, PAIR, "input", {"delta": 0.7}),
    ("smooth_l1", F.smooth_l1_loss, PAIR, "input", {}),
    ("log_cosh", torch_log_cosh, PAIR, "input", {}),
    ("poisson_nll", F.poisson_nll_loss, {"input": "normal n d", "target": "counts n d"}, "input", {}),
    ("gaussian_nll", F.gaussian_nll_loss, PAIR | {"var": "positive n d"}, "var", {}),
    ("cross_entropy", F.cross_entropy, LABELS, "input", {}),
    ("cross_entropy", F.cross_entropy, WEIGHTED, "input", {"label_smoothing": 0.1, "ignore_index": 2}),
    ("cross_entropy", F.cross_entropy, SOFT, "input", {}),
    ("cross_entropy", F.cross_entropy, {"input": "normal 2 c d", "target": "labels 2 d"}, "input", {}),
    ("bce", F.binary_cross_entropy, {"input": "unit n d", "target": "unit n d"}, "input", {}),
    ("bce_with_logits", F.binary_cross_entropy_with_logits, LOGITS, "input", {}),
    ("focal", torch_focal, LOGITS, "input", {}),
    ("soft_margin", F.soft_margin_loss, SIGNS, "input", {}),
    ("squared_hinge", torch_squared_hinge, SIGNS, "input", {}),
    ("kl_div", F.kl_div, SOFT, "target", {"reduction": "sum"}),
    ("cosine_embedding", F.cosine_embedding_loss, TWO, "input1", {"margin": -2.0}),
    ("triplet_margin", F.triplet_margin_loss, TRIPLET, "anchor", {"margin": 5.0}),
    ("triplet_margin", F.triplet_margin_loss, TRIPLET, "negative", {"margin": 5.0, "p": 3, "swap": True}),
]


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("name, reference, inputs, wrt, options", HESSIANS, ids=[f"{k}-{h[0]}" for k, h in enumerate(HESSIANS)])
def test_hessians_are_torch_s(name, reference, inputs, wrt, options):
    tensors, arrays = make(inputs, np.float64)
    loss = getattr(gc.losses, name)(**tensors, **options)
    ours = gc.compile([gc.hessian(loss, tensors[wrt]), loss])(**arrays)[0]
    others = {n: torch.tensor(a) for n, a in arrays.items()}
    theirs = torch.autograd.functional.hessian(lambda x: reference(**(others | {wrt: x}), **options), others[wrt])
    close(ours, theirs.numpy(), np.float64)


def test_smooth_losses_are_smooth_at_zero():
    for name, curvature in (("log_cosh", 1.0), ("bce_with_logits", 0.25), ("soft_margin", 0.25)):
        x = gc.tensor("x", ())
        loss = getattr(gc.losses, name)(x, 0.0 if name != "soft_margin" else 1.0)
        assert gc.evaluate([gc.hessian(loss, x), loss], x=0.0)[0] == pytest.approx(curvature, rel=1e-15), name


# --- labels -------------------------------------------------------------------------------------------------------------

Y = np.random.default_rng(5).normal(size=(7, 5))
T = np.array([0, 4, 2, 2, 1, 3, 0])


def ce(t, data, **options):
    """cross_entropy of Y and declared labels."""
    return gc.evaluate(gc.losses.cross_entropy(gc.tensor("y", "n c"), t, **options), y=Y, t=np.asarray(data))


def torch_ce(data, **options):
    return F.cross_entropy(torch.tensor(Y), torch.tensor(data), **options).numpy()


def test_default_ignore_index_masks_only_labels_that_may_have_it():
    from graphc.ir.walk import topological
    y = gc.tensor("y", "n c")

    def compares(t):
        loss = gc.losses.cross_entropy(y, t)
        return any("ne(" in str(getattr(node, "body", "")) for node in topological([loss.node]))
    bounded = gc.labels("t", "n", below="c")
    assert not compares(bounded)
    assert not compares(gc.labels("t", "n+1", below="c")[1:])
    assert compares(gc.labels("t", "n", below="c", ignore=-1))
    assert compares(gc.labels("t", "n"))
    assert gc.losses.cross_entropy(y, bounded, ignore_index=-100) is not None
    with pytest.raises(gc.BindingError, match=r"t\[1\] = -100"):
        ce(bounded, np.where(T == 4, -100, T))


@pytest.mark.parametrize("labels, ignored, options", [
    ({"below": "c"}, -100, {"ignore_index": -100}), ({"below": "c"}, 255, {"ignore_index": 255}), ({"below": "c", "ignore": (-1,)}, -1, {}),
    ({"below": "c", "ignore": (-100,)}, -100, {}), ({}, -100, {}), ({"below": "c"}, 2, {"ignore_index": 2}),
])
def test_points_are_left_out(labels, ignored, options):
    data = np.where(T == 2, ignored, T)
    ours = ce(gc.labels("t", "n", **labels), data, **options)
    assert ours == pytest.approx(torch_ce(data, ignore_index=ignored), rel=1e-12)


def test_declared_and_given_values_are_left_out_together():
    data = np.where(T == 2, -1, T)
    ours = ce(gc.labels("t", "n", below="c", ignore=-1), data, ignore_index=0)
    assert ours == pytest.approx(torch_ce(np.where(data == 0, -1, data), ignore_index=-1), rel=1e-12)


def test_nothing_left_is_nan_as_in_torch():
    data = np.full(7, -100)
    assert np.isnan(torch_ce(data)) and np.isnan(ce(gc.labels("t", "n", below="c"), data, ignore_index=-100))
    assert ce(gc.labels("t", "n", below="c"), data, ignore_index=-100, reduction="sum") == 0.0


def test_labels_out_of_range_are_refused():
    for wrong in (5, -1, -100):
        with pytest.raises(gc.BindingError, match=rf"t\[1\] = {wrong} is not in \[0, c = 5\)"):
            ce(gc.labels("t", "n", below="c"), np.where(T == 4, wrong, T))
    with pytest.raises(gc.BindingError, match="7 is not in"):
        ce(gc.labels("t", "n", below="c"), np.where(T == 4, 7, T), ignore_index=-1)


def test_next_token_prediction():
    """Labels through a slice, scores of three dims."""
    y, t = gc.tensor("y", "b s v"), gc.labels("t", "b s", below="v")
    loss = gc.losses.cross_entropy(gc.swapaxes(y[:, :-1], 1, 2), t[:, 1:])
    rng = np.random.default_rng(1)
    data = {"y": rng.normal(size=(3, 5, 7)), "t": rng.integers(0, 7, size=(3, 5))}
    theirs = F.cross_entropy(torch.tensor(data["y"])[:, :-1].reshape(-1, 7), torch.tensor(data["t"])[:, 1:].reshape(-1))
    assert gc.evaluate(loss, **data) == pytest.approx(theirs.item(), rel=1e-12)


def test_free_indices_stay_free():
    y, t = gc.tensor("y", "n c"), gc.labels("t", "n", below="c")
    s, = gc.indices("s")
    each = gc.array(gc.losses.cross_entropy(y[s, :], t[s]), (s,))
    np.testing.assert_allclose(gc.evaluate(each, y=Y, t=T), torch_ce(T, reduction="none"), rtol=1e-12)
    total = gc.Sum(gc.losses.mse(y[s, :], 0.0), s)
    assert gc.evaluate(total, y=Y) == pytest.approx((Y**2).mean(1).sum(), rel=1e-12)


def test_integer_and_boolean_targets_are_numbers():
    x = gc.tensor("x", 3)
    data = np.array([0.3, -2.0, 1.0])
    for target in (gc.tensor("t", 3, dtype="int"), gc.tensor("t", 3, dtype="bool")):
        given = np.array([1, 0, 1]).astype(bool if target.dtype == "bool" else int)
        ours = gc.evaluate(gc.losses.bce_with_logits(x, target), x=data, t=given)
        theirs = F.binary_cross_entropy_with_logits(torch.tensor(data), torch.tensor(given.astype(float)))
        assert ours == pytest.approx(theirs.item(), rel=1e-12)


# --- what is refused ----------------------------------------------------------------------------------------------------

x, y, t = gc.tensor("x", "n c"), gc.tensor("y", "n c"), gc.labels("t", "n", below="c")
REFUSED = {
    "reduction": (lambda: gc.losses.mse(x, y, reduction="avg"), gc.FormulaError, "mse: reduction is 'mean', 'sum', 'none', not 'avg'"),
    "reduction, weighted": (lambda: gc.losses.nll(x, t, weight=gc.tensor("w", "c"), reduction="avg"), gc.FormulaError, "nll: reduction is"),
    "batchmean": (lambda: gc.losses.mse(x, y, reduction="batchmean"), gc.FormulaError, "not 'batchmean'"),
    "batchmean of a scalar": (lambda: gc.losses.kl_div(gc.scalar("a"), 1.0, reduction="batchmean"), gc.DimError, "first dim"),
    "reduction of kl_div": (lambda: gc.losses.kl_div(x, y, reduction="avg"), gc.FormulaError, "'batchmean'"),
    "reduction as True": (lambda: gc.losses.kl_div(x, y, True), gc.FormulaError, "kl_div: reduction is"),
    "dims": (lambda: gc.losses.mse(x, gc.tensor("z", "n d")), gc.DimError, r"mse: dims clash: x\[n, c\] has c where z\[n, d\] has d"),
    "column against row": (lambda: gc.losses.mse(gc.tensor("a", "n 1"), gc.tensor("b", "n")), gc.DimError, r"stretch each other to \[n, n\]"),
    "weight": (lambda: gc.losses.mse(x, y, weight=gc.tensor("w", "n")), gc.DimError, "weight and losses must have the same dims"),
    "delta": (lambda: gc.losses.huber(x, y, delta=0.0), gc.FormulaError, "huber: delta must be > 0, not 0.0"),
    "beta": (lambda: gc.losses.smooth_l1(x, y, beta=-1.0), gc.FormulaError, "beta must be >= 0"),
    "beta as text": (lambda: gc.losses.smooth_l1(x, y, beta="1"), gc.DtypeError, "beta is a number, not '1'"),
    "q": (lambda: gc.losses.quantile(x, y, q=90), gc.FormulaError, "q must be between 0 and 1"),
    "eps": (lambda: gc.losses.gaussian_nll(x, y, 1.0, eps=0.0), gc.FormulaError, "eps must be > 0"),
    "var": (lambda: gc.losses.gaussian_nll(x, y, gc.tensor("v", "c")), gc.DimError, r"var v\[c\] must have the dims of the input"),
    "negative var": (lambda: gc.losses.gaussian_nll(x, y, -1.0), gc.FormulaError, "var must be >= 0"),
    "input as text": (lambda: gc.losses.mse("x", y), gc.FormulaError, "the input of mse 'x' is text"),
    "input None": (lambda: gc.losses.mse(x, None), gc.DtypeError, "the target of mse is a NoneType"),
    "labels None": (lambda: gc.losses.cross_entropy(x, None), gc.DtypeError, "the target of cross_entropy is a NoneType"),
    "exchanged": (lambda: gc.losses.cross_entropy(t, x), gc.DtypeError, "input and target are exchanged"),
    "label smoothing": (lambda: gc.losses.cross_entropy(x, t, label_smoothing=-0.1), gc.FormulaError, "label_smoothing must be between 0 and 1"),
    "bool labels": (lambda: gc.losses.cross_entropy(x, gc.tensor("b", "n", dtype="bool")), gc.DtypeError,
                    "must be integer labels: declare them with gc.labels"),
    "float labels": (lambda: gc.losses.cross_entropy(x, gc.tensor("b", "n")), gc.DimError, "labels are declared with gc.labels"),
    "float labels of nll": (lambda: gc.losses.nll(x, y), gc.DtypeError, "nll: the target"),
    "labels of another dim": (lambda: gc.losses.cross_entropy(x, gc.labels("u", "m", below="c")), gc.DimError, r"u\[m\] must have .* dims .*\[n\]"),
    "labels of another rank": (lambda: gc.losses.cross_entropy(x, gc.labels("u", "n c", below="c")), gc.DimError, "without that of the classes"),
    "labels below another dim": (lambda: gc.losses.cross_entropy(x, gc.labels("u", "n", below="k")), gc.DimError, "declared below k"),
    "a scalar": (lambda: gc.losses.cross_entropy(gc.scalar("a"), t), gc.DimError, "no axis of classes"),
    "class weight": (lambda: gc.losses.cross_entropy(x, t, weight=gc.tensor("w", "n")), gc.DimError, r"one number for each class, so the dims \[c\]"),
    "ignore_index": (lambda: gc.losses.cross_entropy(x, t, ignore_index=1.5), gc.DtypeError, "ignore_index is an integer"),
    "ignored probabilities": (lambda: gc.losses.cross_entropy(x, y, ignore_index=1), gc.FormulaError, "leaves out labels"),
    "p": (lambda: gc.losses.multi_margin(x, t, p=3), gc.FormulaError, "p must be 1 or 2, not 3"),
    "ignored in multi_margin": (lambda: gc.losses.multi_margin(x, gc.labels("u", "n", below="c", ignore=-1)), gc.FormulaError,
                                "cannot leave out labels"),
    "rank of multi_margin": (lambda: gc.losses.multi_margin(gc.tensor("z", "n c d"), t), gc.DimError, r"\[n, c\] or \[c\]"),
    "sets": (lambda: gc.losses.multilabel_margin(x, y), gc.DtypeError, "must be classes, integers"),
    "sets below another dim": (lambda: gc.losses.multilabel_margin(x, gc.labels("u", "n c", below="k")), gc.DimError, "declared below k"),
    "dims of sets": (lambda: gc.losses.multilabel_margin(x, t), gc.DimError, "same dims"),
    "margin": (lambda: gc.losses.triplet_margin(x, x, x, margin=0), gc.FormulaError, "margin must be > 0"),
    "dims of a triplet": (lambda: gc.losses.triplet_margin(x, x, gc.tensor("z", "m c")), gc.DimError, "anchor and negative"),
    "cosine target": (lambda: gc.losses.cosine_embedding(x, y, y), gc.DimError, "without the last one"),
    "alpha": (lambda: gc.losses.focal(x, y, alpha=2), gc.FormulaError, "alpha must be at most 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_errors_say_what_and_where(name):
    make_loss, error, message = REFUSED[name]
    with pytest.raises(error, match=message) as caught:
        make_loss()
    assert f"{__file__}:" in str(caught.value)


# --- what is promised ---------------------------------------------------------------------------------------------------

def test_arguments_and_defaults_are_torch_s():
    seen = set()
    for name, reference, *_ in TABLE:
        if reference.__name__.startswith("torch_"):
            continue
        seen.add(name)
        ours = [(p.name, p.default) for p in inspect.signature(getattr(gc.losses, name)).parameters.values()]
        theirs = [(p.name, p.default) for p in inspect.signature(reference).parameters.values() if p.name not in ("size_average", "reduce")]
        assert ours[:len(theirs)] == theirs, name
    assert set(gc.losses.__all__) - seen == {"hinge", "squared_hinge", "log_cosh", "focal", "quantile"}


@pytest.mark.parametrize("module", ["binary", "classification", "margins", "regression"])
def test_examples_run(module):
    result = doctest.testmod(importlib.import_module(f"graphc.losses.{module}"))
    assert result.attempted and not result.failed
