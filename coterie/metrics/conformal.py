"""Prediction intervals for values, from how wrong out-of-fold predictions were. N rows, K targets."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from coterie.errors import DataError

# ⌈(n + 1) · level⌉ must not be pushed up by rounding: 0.07 · 100 is 7.000000000000001.
ROUNDING = 1e-9


def residual_half_width(absolute_residuals: Tensor, level: float = 0.9) -> Tensor:
    """Half the width of an interval around a prediction that should hold a share `level` of new values, (K,).

    absolute_residuals: |truth − prediction| (N, K) of rows that the predicting network was not trained on, in
    the target's unit. The answer is the ⌈(n + 1) · level⌉-th smallest of each column: infinite where n is too
    small for that (n < level / (1 − level)). Rows whose residual is NaN are left out.

    What this rests on. With one network and rows set aside for calibration (split conformal prediction;
    Papadopoulos et al., 2002; Vovk et al., 2005) the interval holds a new value with probability at least
    `level`, for any network and any distribution, if new rows and calibration rows are exchangeable. Here
    the residuals are pooled over the folds of a cross-validation (cross-conformal prediction; Vovk, 2015),
    which uses every row but is not exact: what is proved for its kind is coverage of about 2 · level − 1 at
    the worst (CV+ and jackknife+; Barber et al., 2021), and what is seen is close to `level`. Our model
    averages the folds' members, whose errors tend to be smaller than one member's, so the interval is rather
    too wide than too narrow.

    What is not promised: the right coverage for every kind of row (the width is the same everywhere, so rows
    that are hard to predict are covered less often, and easy ones more); all targets at once (each has
    `level` by itself); anything for rows that are not like those of the study — grouped rows, later times.

    >>> residual_half_width(torch.arange(1.0, 20.0).unsqueeze(-1), level=0.9)
    tensor([18.], dtype=torch.float64)
    """
    if not 0 < level < 1:
        raise DataError("The level of an interval lies between 0 and 1.", given=level, fix="0.9 is usual.")
    widths = []
    for residuals in absolute_residuals.detach().to("cpu", torch.float64).unbind(-1):
        known = residuals[~torch.isnan(residuals)].sort().values
        rank = math.ceil((len(known) + 1) * level - ROUNDING)
        widths.append(float(known[rank - 1]) if rank <= len(known) else math.inf)
    return torch.tensor(widths, dtype=torch.float64)
