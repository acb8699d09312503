"""What the numbers of samples and codes can tell, and what they cannot: a few words for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# of `study/made.py`'s facts: name there, name for people, what it says and what it does not
TELLING = (
    (
        "told_apart",
        "telling samples from rows",
        "Whether a classifier that goes by nearest neighbours sees a difference. Copies of training rows "
        "pass, and among many columns neighbours say little: near a half is needed, but not enough.",
    ),
    (
        "discrepancy",
        "discrepancy (MMD²)",
        "Whether samples as a whole lie where rows lie, to kernels from as wide as the data to an eighth of "
        "that. It overlooks what is finer, such as narrow groups that ran together; and copies pass.",
    ),
    (
        "copying",
        "distance to training rows",
        "Well below 1, samples are copies of training rows; well above 1, they are unlike any. About 1 says "
        "neither that they are varied nor that they are good.",
    ),
    (
        "modes",
        "modes",
        "Which groups are made at all, where the truth is known; not whether each has its share or its form.",
    ),
    (
        "energy",
        "free energy",
        "Only the gap between rows that were trained on and others means something: wide, the machine knows "
        "its own rows better. Near 0 says that it is not overfitted, not that it is good.",
    ),
    (
        "neighbours",
        "neighbours and probe",
        "Whether codes hold what this one label says, near by or in a plain form. They may be worth much for "
        "another question and little for this one.",
    ),
    (
        "clusters",
        "clusters",
        "Whether groups that k-means finds among the codes are the label’s. That depends on how many and of "
        "what form they are: a low value does not mean that the label is not in the codes.",
    ),
)


def telling(made: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, text) of each number that was found."""
    there = {**made, **made.get("samples", {}), **made.get("codes", {})}
    return [(name, text) for key, name, text in TELLING if key in there]
