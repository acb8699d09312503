"""Facts made whole: what an unfinished study has not found out yet is filled with what stands for nothing."""

from __future__ import annotations

import copy
from typing import Any

_NOTHING: dict[str, Any] = {
    "name": "study", "folder": "", "target": [], "classes": [], "finished": True, "verdict": "",
    "look_at": None, "warnings": [], "test": {}, "per_class": [], "validation": {}, "winner": None,
    "candidates": [], "searched": {}, "baselines": [], "comparison": None, "confusion": None,
    "thresholds": [], "threshold": None, "intervals": None, "importance": [], "worst": [],
    "rows_left_out": False,
    "response": None, "subgroups": [], "test_scored": 0, "closeup": {}, "compute": None,
    "reproduce": {}, "data": {},
}  # fmt: skip
_NO_DATA: dict[str, Any] = {
    "source": "", "sha256": "", "notes": [], "rows": 0, "unusable_rows": 0, "development": 0, "test": 0,
    "judged": 0, "split": "", "folds": 0, "columns": [],
}  # fmt: skip


def complete(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts with every key present; the caller's own are not changed. "task" and "metric" must be
    there.
    """
    known = {key: value for key, value in facts.items() if value is not None}
    whole = copy.deepcopy(_NOTHING) | known
    whole["data"] = copy.deepcopy(_NO_DATA) | whole["data"]
    whole["data"]["judged"] = whole["data"]["judged"] or whole["data"]["test"]
    return whole
