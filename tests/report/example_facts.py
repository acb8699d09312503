"""Facts of four small studies, one a task, in the shape that a study hands to the report (see
make_examples.py).
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np

TASKS = ("binary", "multiclass", "multilabel", "regression")


def example(task: str) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """The task's facts, arrays and curves; a fresh copy each time."""
    path = pathlib.Path(__file__).parent / "examples" / f"{task}.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    return (
        stored["facts"],
        {key: np.array(value) for key, value in stored["arrays"].items()},
        stored["curves"],
    )
