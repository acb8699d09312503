"""What is said of a search that asked a sampler for candidates, batch by batch.

The sampler is a record of the study's assessment: "name", "batches" (how many candidates each had) and, of a
shared search, "others" (how many candidates of other studies were known when the last batch was asked for).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coterie.report.numbers import count, listed

SAMPLERS = {"tpe": "TPE (tree-structured Parzen estimators)", "gp": "GP (a Gaussian process)"}


def about_sampler(sampler: Mapping[str, Any]) -> str:
    """Who chose the candidates, and by what, as sentences."""
    sizes = [str(size) for size in sampler["batches"]]
    said = f"Candidates were chosen by Optuna’s sampler {SAMPLERS[sampler['name']]}"
    if len(sizes) > 1:
        said += (
            f", in {len(sizes)} batches of {listed(sizes)}: the first are defaults and quasi-random draws, "
            "and each later batch was chosen by the validation scores of those before."
        )
    else:
        said += ", which was asked for one batch: defaults and quasi-random draws."
    if "others" in sampler:
        others = f"{count(sampler['others'], 'candidate')} {'was' if sampler['others'] == 1 else 'were'}"
        said += (
            f" Other studies shared the search: {others} known of them when the last batch was chosen. The "
            "winner is the best of this study’s own."
        )
    return said
