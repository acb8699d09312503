"""What a study does where its turns are recorded as graphs: it says if they are not, and times few steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_studies import begun, patients, tiny

from coterie.study import fitting
from coterie.study.compiling import TIMED, WARM
from coterie.study.events import Phase
from coterie.training import cohort
from coterie.training.captured import Captured

FIX = {"hidden": "8", "epochs": 4, "batch_size": 4, "patience": 0}
MLP: dict[str, Any] = {"models": ("mlp",), "candidates": 1, "folds": 2, "fix": FIX}


class Refusing:
    """A recorder that cannot."""

    def warm(self, work: Any) -> Any:
        return work()

    def record(self, work: Any, beside: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing")


def test_what_cannot_be_recorded_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = tiny(patients(), "ill", out=tmp_path / "plain", **MLP)

    def refused(turns: Any, device: Any) -> Any:
        return {name: Captured(turn, Refusing()) for name, turn in turns.items()}

    monkeypatch.setattr(cohort, "captured", refused)
    study = begun(patients(), "ill", out=tmp_path / "s", **MLP)
    said = [event.detail for event in study.events() if isinstance(event, Phase)]
    assert said.count("not recorded as a graph: operation not permitted when stream is capturing") == 1
    assert study.model.flat.tolist() == plain.model.flat.tolist()


def test_a_gpu_is_waited_for_while_its_pace_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def took(cohort: Any, since: float, wanted: bool) -> float | None:
        asked.append(wanted)
        return 1e-3 if wanted else None

    monkeypatch.setattr(fitting, "_took", took)
    tiny(patients(), "ill", out=tmp_path / "s", compile="auto", **MLP)
    events = WARM + TIMED + 4  # the start, and ends of epochs between
    assert all(asked[: WARM + TIMED])
    assert len(asked) > events
    assert not any(asked[events:])
