"""What a loss says in each library: `Words` writes losses over a few functions of a library, and a library's own fused functions take their place."""

from __future__ import annotations

from types import ModuleType
from typing import Any

__all__ = ["Jax", "PyTensor", "Torch", "TorchEager"]


class Words:
    """Losses over abs, exp, log, log1p, maximum, relu, sigmoid, sqrt, where, logsumexp(y) and at(y, t) of a library."""

    def __init__(self, library: ModuleType):
        self.library = library

    def __getattr__(self, name: str) -> Any:
        return getattr(self.library, name)

    def softplus(self, x: Any) -> Any:
        return self.maximum(x, 0) + self.log1p(self.exp(-self.abs(x)))

    def cross_entropy(self, y: Any, t: Any) -> Any:
        return (self.logsumexp(y) - self.at(y, t)).mean()

    def soft_labels(self, y: Any, q: Any) -> Any:
        return (q * (self.logsumexp(y)[:, None] - y)).sum(-1).mean()

    def own_row(self, S: Any) -> Any:
        """Cross-entropy with the row itself as the label."""
        return (self.logsumexp(S) - self.diagonal(S)).mean()

    def huber(self, x: Any, y: Any) -> Any:
        r = self.abs(x - y)
        return self.where(r < 1, 0.5 * r**2, r - 0.5).mean()

    def bce_with_logits(self, x: Any, y: Any) -> Any:
        return (self.softplus(x) - x * y).mean()

    def focal(self, x: Any, y: Any) -> Any:
        p, loss = self.sigmoid(x), self.softplus(x) - x * y
        return ((0.25 * y + 0.75 * (1 - y)) * (1 - p * y - (1 - p) * (1 - y)) ** 2 * loss).mean()

    def kl_div(self, x: Any, q: Any) -> Any:
        return (q * (self.log(q) - x)).mean()

    def gaussian_nll(self, x: Any, y: Any, v: Any) -> Any:
        v = self.maximum(v, 1e-6)
        return (0.5 * (self.log(v) + (x - y) ** 2 / v)).mean()

    def layer_norm(self, x: Any, g: Any, b: Any) -> Any:
        mean = x.mean(-1)[:, None]
        variance = ((x - mean) ** 2).mean(-1)[:, None]
        return (x - mean) / self.sqrt(variance + 1e-5) * g + b

    def adam(self, p: Any, g: Any, m: Any, v: Any, step: Any) -> dict[str, Any]:
        """Kingma and Ba, ICLR 2015."""
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        return {"m": m, "p": p - 1e-3 * m / (1 - 0.9**step) / (self.sqrt(v / (1 - 0.999**step)) + 1e-8), "v": v}


class Jax(Words):
    def __init__(self) -> None:
        import jax
        super().__init__(jax.numpy)
        self.nn, self.relu, self.sigmoid, self.softplus = jax.nn, jax.nn.relu, jax.nn.sigmoid, jax.nn.softplus

    def logsumexp(self, y: Any) -> Any:
        return self.nn.logsumexp(y, axis=1)

    def at(self, y: Any, t: Any) -> Any:
        return self.take_along_axis(y, t[:, None], axis=1)[:, 0]


class PyTensor(Words):
    def __init__(self) -> None:
        import pytensor.tensor as pt
        super().__init__(pt)
        self.where, self.softplus = pt.switch, pt.softplus

    def relu(self, x: Any) -> Any:
        return self.maximum(x, 0)

    def logsumexp(self, y: Any) -> Any:
        return self.library.logsumexp(y, axis=1)

    def at(self, y: Any, t: Any) -> Any:
        return y[self.arange(t.shape[0]), t]


class Torch(Words):
    """torch.nn.functional where it has the loss. torch.compile takes these, too."""

    def __init__(self) -> None:
        import torch
        import torch.nn.functional as F
        super().__init__(torch)
        self.F, self.cross_entropy, self.softplus = F, F.cross_entropy, F.softplus
        self.huber, self.bce_with_logits = F.huber_loss, F.binary_cross_entropy_with_logits

    def logsumexp(self, y: Any) -> Any:
        return self.library.logsumexp(y, 1)

    def soft_labels(self, y: Any, q: Any) -> Any:
        return self.F.cross_entropy(y, q)

    def own_row(self, S: Any) -> Any:
        return self.F.cross_entropy(S, self.arange(S.shape[0]))

    def kl_div(self, x: Any, q: Any) -> Any:
        return self.F.kl_div(x, q, reduction="sum") / x.numel()            # "mean" warns that it is going to change

    def gaussian_nll(self, x: Any, y: Any, v: Any) -> Any:
        return self.F.gaussian_nll_loss(x, y, v)

    def layer_norm(self, x: Any, g: Any, b: Any) -> Any:
        return self.F.layer_norm(x, g.shape, g, b)


class TorchEager(Torch):
    def adam(self, p: Any, g: Any, m: Any, v: Any, step: Any) -> dict[str, Any]:
        """PyTorch's fused step, in place; its own m and v begin as zeros."""
        if "optimizer" not in vars(self):
            p.grad = g
            self.optimizer = self.optim.Adam([p], lr=1e-3, fused=True)
        self.optimizer.step()
        state = self.optimizer.state[p]
        return {"m": state["exp_avg"], "p": p, "v": state["exp_avg_sq"]}
