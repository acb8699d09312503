"""The fitted thing: an ensemble of members with their preparation inside. Predict, save, load.

On disk it is the Hugging Face layout: `config.json` (what it is), `model.safetensors` (stacked weights) and
`README.md` (the model card). Loading runs no code from the folder, and refuses what was changed.

M members, N rows, K outputs.
"""

from __future__ import annotations

import copy
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
from torch.func import functional_call

from coterie import making
from coterie.data.arrange import Arrangement, arrange
from coterie.data.checks import outside_warnings
from coterie.data.dataset import Dataset
from coterie.data.later import encode_later
from coterie.data.read import read
from coterie.data.schema import Schema, Target
from coterie.data.table import Table
from coterie.errors import ModelError, SpecError
from coterie.models.answers import answer_table, beside_names, decided
from coterie.models.catalogue import FAMILIES
from coterie.models.coefficients import coefficients
from coterie.models.family import Family
from coterie.models.layers import Keyed
from coterie.models.shape import Shape
from coterie.models.skeleton import skeleton
from coterie.saved import CARD, CONFIG, FORMAT, WEIGHTS, checksum, read_bytes, read_config, spoilt
from coterie.spec import read as read_value
from coterie.training.cost import cost_of
from coterie.training.layout import Layout
from coterie.training.outputs import outputs
from coterie.training.step import NETWORK, Step, View

AT_ONCE = 1 << 24  # numbers of all members that are held before they are averaged


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
        network = skeleton(family, schema)
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

    def holding(self, flat: Tensor, buffers: dict[str, Tensor]) -> Model:
        """The same structure with other weights (M, P) and buffers (M, …), as many members as it has."""
        assert flat.shape == self.flat.shape
        other = copy.copy(self)
        other.flat = flat
        other.buffers = {name: b for name, b in buffers.items() if name.startswith(NETWORK)}
        return other

    # ---- predicting ------------------------------------------------------------------------------------

    def dataset(
        self, data: Any, with_target: bool = False, skip_bad: bool = False, keep: Sequence[str] = ()
    ) -> Dataset:
        """Rows as tensors by the model's schema; data is what `coterie.fit` takes. No target is needed.

        Whatever takes data takes such a dataset, too, and reads it no second time. skip_bad: leave out rows
        whose image files cannot be read; `rows` says which are left, and `warnings` how many are not. keep:
        columns of the data, such as a patient's number, that tables of answers and codes have beside them.
        """
        if isinstance(data, Dataset):
            return data
        table = self.table(data, with_target)
        return encode_later(table, self.schema, with_target=with_target, skip_bad=skip_bad, keep=keep)

    def table(self, data: Any, with_target: bool) -> Table:
        """A table of examples: where the model learned from a table of steps, arranged as that was."""
        table = data if isinstance(data, Table) else read(data)
        known = self.about.get("arrangement")
        return table if known is None else arrange(table, Arrangement.from_dict(known), with_target)

    def member_output(self, data: Any, rows: np.ndarray | None = None) -> Tensor:
        """What each member says: (M, N, K) probabilities or values; (M, N, T, K) where steps answer.

        rows: of these rows alone.

        Of a text to be written: how probable each true token was, and whether it would have been said; the
        data must have that text.
        """
        at, inputs = self._asked(data, rows)
        if not len(at):
            return self.flat.new_zeros(len(self.flat), 0, self.target.outputs)
        return outputs(self._step, self.flat, self.buffers, at, inputs)

    def output(self, data: Any, rows: np.ndarray | None = None) -> Tensor:
        """The members' average: (N, K) probabilities or values; rows: of these rows alone."""
        at, inputs = self._asked(data, rows)
        if not len(at):
            return torch.zeros(0, self.target.outputs, dtype=torch.float64)
        parts = at.split(max(1, AT_ONCE // (len(self.flat) * self.schema.said)))
        said = (outputs(self._step, self.flat, self.buffers, part, inputs) for part in parts)
        return torch.cat([one.double().mean(0) for one in said])

    def predict_proba(self, data: Any, *, skip_bad: bool = False) -> np.ndarray:
        """(N, K) probabilities, columns as in `classes`; `ModelError` for values and texts.

        skip_bad: as in `predict`.
        """
        if self.task in ("regression", "text", "unsupervised"):
            what = {"regression": "values", "text": "texts", "unsupervised": "rows without a target"}
            raise ModelError("Probabilities are for classes.", given=f"a model of {what[self.task]}")
        return self.output(self.dataset(data, skip_bad=skip_bad)).numpy()

    def predict(self, data: Any, *, skip_bad: bool = False) -> np.ndarray:
        """(N,) labels in the user's own type, values, texts; (N, K) for several labels (0 or 1) or targets.

        With a T behind N where every step has an answer. skip_bad: leave out rows whose image files cannot be
        read, of which there is then no answer: `dataset(data, skip_bad=True).rows` are those that are left.
        """
        dataset = self.dataset(data, skip_bad=skip_bad)
        if self.task == "text":
            return np.array(self.write(dataset), dtype=object)
        if self.task == "unsupervised":
            raise making.nothing_to_predict(self)
        return decided(self.target, self.output(dataset))

    def predict_table(
        self, data: Any, threshold: float | None = None, *, skip_bad: bool = False
    ) -> pl.DataFrame:
        """One row for each given row: classes and probabilities, values with their interval, or texts;
        where nothing was to be predicted how well the row is done, by every measure that the family has.

        Image files stand before it by their names. skip_bad: leave out rows whose image files cannot be
        read; each row's number in the given table, from 0, then stands first.
        """
        dataset = self.dataset(data, skip_bad=skip_bad)
        known = self.about.get("intervals") or {}
        if self.task == "text":
            answers = pl.DataFrame({"prediction": self.write(dataset)}, schema={"prediction": pl.String})
        elif self.task == "unsupervised":
            answers = making.measures(self, dataset)
        else:
            answers = answer_table(
                self.target,
                self.output(dataset),
                length=dataset.inputs.get("length"),
                half_width=known.get("half_width"),
                threshold=threshold,
            )
        return beside_names(answers, dataset.names)

    # ---- making ----------------------------------------------------------------------------------------

    def write(self, data: Any = None, **how: Any) -> list[str]:
        """Texts of the first member's own, one for each row of data: see `making.write`."""
        return making.write(self, data, **how)

    def generate(self, prompt: str = "", length: int = 0, temperature: float = 1.0, **how: Any) -> str:
        """One text that goes on from a prompt, of `length` tokens: see `making.write`."""
        (text,) = making.write(self, begin=prompt, longest=length, temperature=temperature, **how)
        return text

    def reconstruct(self, data: Any) -> making.Made:
        """The rows as they come back from their codes: images as an array (N, C, H, W), others as a table."""
        return making.reconstruct(self, data)

    def decode(self, codes: Any) -> making.Made:
        """The rows of codes (N, K), as `reconstruct` gives them."""
        return making.decode(self, codes)

    def sample(self, n: int = 1, *, label: Any = None, seed: int = 0) -> making.Made:
        """n rows of the model's own; label: of this class, where it was told classes."""
        return making.sample(self, n, label=label, seed=seed)

    def score_samples(self, data: Any) -> np.ndarray:
        """(N,) the logarithm of each row's density, in the unit of the data, or of its probability; nats."""
        return making.score_samples(self, data)

    def encode(self, data: Any, member: int = 0) -> np.ndarray:
        """(N, D) what the last layer is given: features to use elsewhere.

        Of one member, since each has found features of its own; of all steps, (N, T, D), where each answers.
        Of a text to be written, of the tokens of the text that the data have. `ModelError` for a family that
        learned without labels and has no codes.
        """
        if self.task == "unsupervised":
            making.require(self, "encode")
        inputs = self._inputs_by_parts(self.dataset(data, with_target=self.task == "text"))
        if not len(inputs["numeric"]):
            return self.call("features", inputs, member).numpy()
        at = torch.arange(len(inputs["numeric"]))
        one = {name: buffer[[member]] for name, buffer in self.buffers.items()}
        return outputs(self._step, self.flat[[member]], one, at, inputs, "features")[0].numpy()

    def encode_table(self, data: Any, member: int = 0) -> pl.DataFrame:
        """What `encode` says, as columns code_0, code_1, …; of steps one after the other."""
        dataset = self.dataset(data)
        codes = self.encode(dataset, member).reshape(len(dataset), -1)
        named = {f"code_{place}": codes[:, place] for place in range(codes.shape[1])}
        return beside_names(pl.DataFrame(named), dataset.names)

    def attention(self, data: Any) -> np.ndarray:
        """(N, T, S): how much each token of a given answer looked at each step of what was read."""
        if self.task != "text" or not self.schema.features:
            raise ModelError(
                "Attention is of a model that writes a text from what it reads.",
                given=f"a model of the family {self.family.name}",
            )
        inputs = self.inputs(self.dataset(data, with_target=True))
        return self.call("attention", inputs, 0).numpy()

    def coefficients(self) -> pl.DataFrame:
        """The weights of a model that is linear in them, in the units of the data: see `coefficients.py`."""
        return coefficients(self.family, self.schema, self.layout.views(self.flat), self.buffers)

    def warnings(self, data: Any, *, skip_bad: bool = False) -> list[str]:
        """What of the data is left out, cut off, or unlike what the model was trained on."""
        dataset = self.dataset(data, skip_bad=skip_bad)
        return [*dataset.notes, *outside_warnings(self.schema, dataset)]

    def inputs(self, dataset: Dataset) -> dict[str, Tensor]:
        """The inputs of a dataset, in the precision of the weights."""
        return {n: t.to(self.flat.dtype) if t.is_floating_point() else t for n, t in dataset.inputs.items()}

    def _asked(self, data: Any, rows: np.ndarray | None) -> tuple[Tensor, dict[str, Tensor]]:
        """The places of rows, None for all, and the inputs that they are places in."""
        dataset = self.dataset(data, with_target=self.task == "text")
        at = torch.arange(len(dataset)) if rows is None else torch.from_numpy(np.asarray(rows))
        return at, self._inputs_by_parts(dataset)

    def _inputs_by_parts(self, dataset: Dataset) -> dict[str, Tensor]:
        """For what takes some rows at a time, and casts them: memory may have no room for all."""
        return dataset.inputs if dataset.mapped else self.inputs(dataset)

    def call(self, method: str, inputs: dict[str, Tensor], member: int, **how: Any) -> Any:
        """A method of one member's network."""
        network = self.skeleton().eval()
        tensors = {NETWORK + n: t[member] for n, t in self.layout.views(self.flat).items()}
        tensors |= {n: b[member] for n, b in self.buffers.items()}
        key = torch.zeros((), dtype=torch.int64)
        tensors |= {f"{NETWORK}{n}.key": key for n, m in network.named_modules() if isinstance(m, Keyed)}
        with torch.no_grad():
            return functional_call(View(network, method), tensors, (inputs,), how, tie_weights=False)

    def skeleton(self) -> Any:
        """A network of this structure without numbers, on PyTorch's meta device."""
        return skeleton(self.family, self.schema)

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
        config["checksum"] = checksum(config)
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
        config, weights = read_config(folder), read_bytes(folder / WEIGHTS)
        if hashlib.sha256(weights).hexdigest() != config.get("weights_sha256"):
            raise spoilt(folder / WEIGHTS, "bytes other than its config.json names: changed or cut short")
        try:
            named = load_tensors(weights)
            family_class = FAMILIES[config["family"]]
            values = {n: read_value(family_class, n, v) for n, v in config["structure"].items()}
            family = family_class(**values)
            schema = Schema.from_dict(config["schema"])
            assert isinstance(config["about"], dict)
            layout = Layout.of(skeleton(family, schema))
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
            raise spoilt(folder, f"contents that do not fit together ({error})") from error

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
