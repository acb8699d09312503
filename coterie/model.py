"""The fitted thing: an ensemble of members with their preparation inside. Predict, save, load.

On disk it is the Hugging Face layout: `config.json` (what it is), `model.safetensors` (stacked weights) and
`README.md` (the model card). Loading runs no code from the folder, and refuses what was changed.

M members, N rows, K outputs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from coterie.data.checks import outside_warnings
from coterie.data.dataset import Dataset
from coterie.data.encode import encode
from coterie.data.read import read
from coterie.data.schema import Schema, Target
from coterie.errors import CoterieError, ModelError, SpecError
from coterie.models.catalogue import FAMILIES
from coterie.models.family import Family
from coterie.models.shape import Shape
from coterie.spec import read as read_value
from coterie.training.cost import cost_of
from coterie.training.layout import Layout
from coterie.training.outputs import outputs
from coterie.training.step import NETWORK, Step, View

FORMAT = 1  # of the folder; a later version reads all earlier ones
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


class Model:
    """An ensemble whose outputs are averaged: probabilities for classes, values for regression.

    schema: how a table becomes inputs; family: of all members; flat (M, P) and buffers (M, …) by name:
    their weights; members: which fold and seed each is; about: facts of the study that made it
    (metric, threshold, intervals, versions), as JSON-able data.

    >>> model = ct.load("runs/heart-1")         # doctest: +SKIP
    >>> model.predict({"age": [63], "chol": [233]})  # doctest: +SKIP
    array(['yes'], dtype='<U3')
    """

    def __init__(
        self,
        schema: Schema,
        family: Family,
        flat: Tensor,
        buffers: dict[str, Tensor],
        members: Sequence[dict[str, int]],
        about: dict[str, Any],
    ) -> None:
        assert schema.target is not None
        assert len(flat) == len(members)
        self.schema, self.family, self.members, self.about = schema, family, list(members), about
        self.target: Target = schema.target
        self.flat = flat
        self.buffers = {name: b for name, b in buffers.items() if name.startswith(NETWORK)}
        network = _skeleton(family, schema)
        self.layout = Layout.of(network)
        cost = cost_of(family, Shape.of(schema), self.target.task, self.target.outputs)
        self._step = Step(View(network, "forward"), self.layout, cost.widest)

    @property
    def task(self) -> str:
        return self.target.task

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels of the K outputs, as text: of classes, or the names of labels or targets."""
        return self.target.classes or self.target.names

    @property
    def hyperparameters(self) -> dict[str, Any]:
        return dict(self.about.get("hyperparameters", self.family.values()))

    def subset(self, places: Sequence[int]) -> Model:
        """The ensemble of some members."""
        at = torch.tensor(list(places), dtype=torch.int64)
        buffers = {name: b[at] for name, b in self.buffers.items()}
        return Model(
            self.schema, self.family, self.flat[at], buffers, [self.members[p] for p in places], self.about
        )

    # ---- predicting ------------------------------------------------------------------------------------

    def encode(self, data: Any) -> Dataset:
        """Rows as tensors by the model's schema; data is what `coterie.fit` takes. No target is needed."""
        return data if isinstance(data, Dataset) else encode(read(data), self.schema, with_target=False)

    def member_output(self, data: Any) -> Tensor:
        """What each member says: (M, N, K) probabilities or values."""
        dataset = self.encode(data)
        inputs = {n: t.to(self.flat.dtype) if t.is_floating_point() else t for n, t in dataset.inputs.items()}
        if not len(dataset):
            return self.flat.new_zeros(len(self.flat), 0, self.target.outputs)
        return outputs(self._step, self.flat, self.buffers, torch.arange(len(dataset)), inputs)

    def output(self, data: Any) -> Tensor:
        """The members' average: (N, K) probabilities or values."""
        return self.member_output(data).double().mean(0)

    def predict_proba(self, data: Any) -> np.ndarray:
        """(N, K) probabilities, columns as in `classes`; `ModelError` for regression."""
        if self.task == "regression":
            raise ModelError(
                "Probabilities are for classes.",
                given="a regression model",
                fix="Use predict for its values.",
            )
        return self.output(data).numpy()

    def predict(self, data: Any) -> np.ndarray:
        """(N,) labels in the user's own type or values; (N, K) for several labels (0 or 1) or targets."""
        return self.labels(self.output(data))

    def labels(self, output: Tensor, threshold: float | None = None) -> np.ndarray:
        """Decisions from outputs (N, K); threshold: of the positive class, binary only (default ½)."""
        if self.task == "regression":
            return output[:, 0].numpy() if output.shape[1] == 1 else output.numpy()
        if self.task == "multilabel":
            return (output >= 0.5).numpy().astype(np.int64)
        index = output.argmax(1) if threshold is None else (output[:, 1] >= threshold).long()
        names = np.array([self.target.label(k) for k in range(self.target.outputs)])
        return names[index.numpy()]

    def predict_table(self, data: Any, threshold: float | None = None) -> pl.DataFrame:
        """One row for each given row, in order: classes and probabilities, or values with their interval."""
        output = self.output(data)
        decided = self.labels(output, threshold)
        if self.task == "regression":
            columns: dict[str, Any] = {}
            widths = (self.about.get("intervals") or {}).get("half_width") or [None] * output.shape[1]
            for k, name in enumerate(self.target.names):
                lead = "" if output.shape[1] == 1 else f"{name} "
                columns[f"{lead}prediction"] = output[:, k].numpy()
                if widths[k] is not None:
                    columns[f"{lead}low"] = output[:, k].numpy() - widths[k]
                    columns[f"{lead}high"] = output[:, k].numpy() + widths[k]
            return pl.DataFrame(columns)
        if self.task == "multilabel":
            columns = {name: decided[:, k] for k, name in enumerate(self.classes)}
        else:
            columns = {"prediction": decided}
        return pl.DataFrame(
            columns | {f"probability {c}": output[:, k].numpy() for k, c in enumerate(self.classes)}
        )

    def warnings(self, data: Any) -> list[str]:
        """What of the data is unlike what the model was trained on."""
        return outside_warnings(self.schema, self.encode(data))

    # ---- on disk ---------------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str], card: str | None = None) -> Path:
        """Writes the folder; card: the text of its README.md."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = save_tensors({n: t.contiguous() for n, t in self._tensors().items()}, {"format": "pt"})
        config: dict[str, Any] = {
            "format": FORMAT,
            "library_name": "coterie",
            "family": self.family.name,
            "structure": self.family.values(),
            "schema": self.schema.to_dict(),
            "members": self.members,
            "about": self.about,
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
        }
        config["checksum"] = _checksum(config)
        (folder / WEIGHTS).write_bytes(weights)
        (folder / CONFIG).write_text(json.dumps(config, indent=1, ensure_ascii=False), encoding="utf-8")
        if card is not None:
            (folder / CARD).write_text(card, encoding="utf-8")
        return folder

    def _tensors(self) -> dict[str, Tensor]:
        named = {f"parameter.{n}": t for n, t in self.layout.views(self.flat).items()}
        return named | {f"buffer.{n.removeprefix(NETWORK)}": b for n, b in self.buffers.items()}

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Model:
        """Reads a folder that `save` wrote; `ModelError` for any other, or one that was changed."""
        folder = Path(folder)
        config, weights = _read_config(folder), _read_bytes(folder / WEIGHTS)
        if hashlib.sha256(weights).hexdigest() != config.get("weights_sha256"):
            raise _spoilt(folder / WEIGHTS, "bytes other than its config.json names: changed or cut short")
        try:
            named = load_tensors(weights)
            family_class = FAMILIES[config["family"]]
            values = {n: read_value(family_class, n, v) for n, v in config["structure"].items()}
            family = family_class(**values)
            schema = Schema.from_dict(config["schema"])
            layout = Layout.of(_skeleton(family, schema))
            flat = layout.flat({n: named[f"parameter.{n}"] for n in layout.names}, lead=1)
            buffers = {
                NETWORK + n.removeprefix("buffer."): t for n, t in named.items() if n.startswith("buffer.")
            }
            return cls(schema, family, flat, buffers, config["members"], config["about"])
        except (
            SafetensorError,
            SpecError,
            KeyError,
            TypeError,
            AttributeError,
            RuntimeError,
            AssertionError,
        ) as error:
            raise _spoilt(folder, f"contents that do not fit together ({error})") from error

    def _repr_html_(self) -> str:
        from coterie.report.notebook import model_html

        return model_html(self.summary())

    def summary(self) -> dict[str, Any]:
        """What the model is, as plain data."""
        return {
            "family": self.family.name,
            "task": self.task,
            "target": list(self.target.names),
            "classes": list(self.target.classes),
            "members": len(self.members),
            "parameters": self.layout.parameters,
            "features": [column.name for column in self.schema.features],
            "hyperparameters": self.hyperparameters,
            "study": self.about.get("study"),
        }

    def __repr__(self) -> str:
        what = f"{self.task} of {', '.join(self.target.names)}"
        return f"<coterie Model: {len(self.members)} × {self.family.name}, {what}>"


def _skeleton(family: Family, schema: Schema) -> Any:
    assert schema.target is not None
    with torch.device("meta"):
        return family.network(Shape.of(schema), schema.target.task, schema.target.outputs)


def _read_config(folder: Path) -> dict[str, Any]:
    if not (folder / CONFIG).is_file():
        raise ModelError(
            f"A model folder holds {CONFIG} and {WEIGHTS}.",
            given=f"'{folder}', which {'does not exist' if not folder.exists() else f'has no {CONFIG}'}",
            fix="Name a study's folder (runs/NAME-N) or its model/.",
        )
    try:
        config = json.loads(_read_bytes(folder / CONFIG))
    except ValueError as error:
        raise _spoilt(folder / CONFIG, "text that is not JSON: changed or cut short") from error
    if not isinstance(config, dict) or config.get("library_name") != "coterie":
        raise _spoilt(folder, "a model of another program")
    if not isinstance(config.get("format"), int) or config["format"] > FORMAT:
        raise ModelError(
            "A model must be of a format that this version knows.",
            given=f"format {config.get('format')} in '{folder}'; this is {FORMAT}",
            fix="Upgrade coterie.",
        )
    if config.get("checksum") != _checksum(config):
        raise _spoilt(folder / CONFIG, "contents that do not match their checksum: changed by hand")
    return config


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _spoilt(path, f"a file that cannot be read ({error.strerror})") from error


def _checksum(config: dict[str, Any]) -> str:
    rest = {name: value for name, value in config.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _spoilt(path: Path, given: str) -> CoterieError:
    return ModelError(
        "A model folder must be as Coterie wrote it.",
        given=f"'{path}', {given}",
        fix="Use an unchanged copy.",
    )
