"""The loss library: each loss is a few lines of the language, to be read, copied and changed.

    gc.losses.cross_entropy(X @ W, t)             a scalar: reduction="mean"
    gc.losses.mse(y, target, reduction="none")    a loss for each element; "sum" adds them up

Names, arguments, defaults and values are those of torch.nn.functional (mse is mse_loss, mae is l1_loss, nll is nll_loss, bce is
binary_cross_entropy ...); its deprecated size_average and reduce are left out. hinge, squared_hinge, log_cosh, focal and quantile
have no twin there; their docstrings name the formula's source.

    regression       mse mae huber smooth_l1 log_cosh quantile poisson_nll gaussian_nll
    classification   cross_entropy nll kl_div
    binary           bce bce_with_logits focal hinge squared_hinge soft_margin
    margins          multi_margin multilabel_margin margin_ranking hinge_embedding cosine_embedding triplet_margin

Every loss raises DimError where dims clash, DtypeError where an argument is of the wrong kind, and FormulaError where an option has a
value that it cannot have. Free indices (`gc.losses.mse(y[s, :], t[s, :])`) stay free: a loss for each of their values.
"""

from graphc.losses.binary import bce, bce_with_logits, focal, hinge, soft_margin, squared_hinge
from graphc.losses.classification import cross_entropy, kl_div, nll
from graphc.losses.margins import cosine_embedding, hinge_embedding, margin_ranking, multi_margin, multilabel_margin, triplet_margin
from graphc.losses.regression import gaussian_nll, huber, log_cosh, mae, mse, poisson_nll, quantile, smooth_l1

__all__ = [
    "bce", "bce_with_logits", "cosine_embedding", "cross_entropy", "focal", "gaussian_nll", "hinge", "hinge_embedding", "huber", "kl_div",
    "log_cosh", "mae", "margin_ranking", "mse", "multi_margin", "multilabel_margin", "nll", "poisson_nll", "quantile", "smooth_l1",
    "soft_margin", "squared_hinge", "triplet_margin",
]
