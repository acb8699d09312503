"""What --init means: an earlier model's weights, by name, for the members of a new study to start from.

What carries over: every layer whose name and shape are the same; the output layer only where the answer is
the same; what belongs to a table's columns only where the columns are. An earlier tokenizer is kept, so
that a token means what it meant, and an image's centre and scale where the new images are of that kind.
All of it is copied beside the study, which then needs the earlier folder no more.

What was learned without labels starts a family that learns from them: see `heirs.py`.

E earlier members.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coterie import spec
from coterie.data.cells import Reading
from coterie.data.schema import Column, Schema, Target
from coterie.data.table import Table
from coterie.data.tokens import LONGEST, Tokenizer
from coterie.errors import ModelError, SpecError, StudyError
from coterie.model import Model
from coterie.models.backbones import backbone, download
from coterie.models.catalogue import family_named
from coterie.models.family import Family, TableFamily
from coterie.models.shape import Shape
from coterie.models.skeleton import skeleton
from coterie.models.unsupervised import UnsupervisedFamily
from coterie.saved import CONFIG
from coterie.study.folder import ASKED, MODEL, Folder, spoilt
from coterie.study.heirs import heir_of, inherited
from coterie.study.planning import candidates_of
from coterie.study.problem import Problem, pose, reading_of
from coterie.study.question import Question
from coterie.training.plan import Candidate
from coterie.training.start import SETTINGS, Start
from coterie.training.step import NETWORK

KEPT = "initial.safetensors"  # in the study's folder
RICH = ("image", "sequence", "text")
HEAD, COLUMNS = ("body.head.", "output."), ("body.columns.", "body.beside.")
KINDS = ("prepare.image.", "prepare.sequence.")  # of a preparation, what is not about columns
LOOKED_AT = 1000  # rows by which the scale of new images and sequences is judged


@dataclass(frozen=True)
class Initial:
    """What an earlier model gives. structure: the hyperparameters that fix its shapes; schema: of its
    inputs and its answer, None for a backbone, which has neither; coding: a backbone's tokenizer.
    """

    source: str
    family: str
    structure: dict[str, Any]
    tensors: dict[str, Tensor]  # (E, …) by name in the network
    schema: Schema | None = None
    coding: str = ""
    reach: float = 4.0  # deviations of an image's values that its scale is, at most

    @property
    def sha256(self) -> str:
        """Of the content, wherever it lies."""
        digest = hashlib.sha256(json.dumps(self._facts(), sort_keys=True).encode())
        for name in sorted(self.tensors):
            tensor = self.tensors[name].contiguous()
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()

    def _facts(self) -> dict[str, Any]:
        return {
            "family": self.family,
            "structure": self.structure,
            "schema": None if self.schema is None else self.schema.to_dict(),
            "coding": self.coding,
        }

    # ---- what a study asks -----------------------------------------------------------------------------

    def asked(self, question: Question) -> Question:
        """The question with this family, which it must not contradict."""
        heir = self.heir()
        suited = (self.family,) if heir is None else (self.family, heir.name)
        without_labels = family_named(self.family).tasks == ("unsupervised",)
        if (
            heir is None
            and without_labels
            and question.models != suited
            and (question.models or question.target)
        ):
            raise ModelError(
                "What was learned without labels starts a family that has the same layers.",
                given=f"'{self.source}' of the family {self.family}, whose layers no other family has",
                fix="Start from an autoencoder with --fix layers=dense, a dbn or simclr; or learn on without "
                f"labels: --models {self.family}.",
            )
        if len(question.models) > 1 or not set(question.models) <= {*suited}:
            raise SpecError(
                "A study with --init trains the family that it starts from"
                f"{', or learns a target on top of it' if heir else ''}.",
                given=f"--models {','.join(question.models)} and a model of the family {self.family}",
                fix=f"Leave --models out, or name {' or '.join(suited)}.",
            )
        if self._codings() != ("", "") and (question.tokenizer != "auto" or question.vocabulary):
            raise SpecError(
                "With --init texts are cut as the earlier model cuts them.",
                given="--tokenizer or --vocabulary",
                fix="Leave it out.",
            )
        if question.models:
            return question
        return replace(question, models=(heir.name if heir and question.target else self.family,))

    def heir(self) -> Family | None:
        """The family, as built, that can learn a target on top of what was learned without one."""
        if self.schema is None:
            return None
        return heir_of(self._made(), self.tensors, Shape.of(self.schema))

    def inherited(self) -> Initial:
        """The same as a model of its heir."""
        heir, schema = self.heir(), self.schema
        assert heir is not None
        assert schema is not None
        tensors = inherited(self.tensors, Shape.of(schema))
        made = self._made()
        ranged = (
            isinstance(made, UnsupervisedFamily) and made.scaled() == "unit"
        )  # by the range, not deviation
        reach = 20.0 if ranged else self.reach
        return replace(self, family=heir.name, structure=_structure(heir), tensors=tensors, reach=reach)

    def _made(self) -> Family:
        family = family_named(self.family)
        return family(**{name: spec.read(family, name, value) for name, value in self.structure.items()})

    def held(self, question: Question) -> dict[str, Any]:
        """Hyperparameters that candidates take from the earlier model, unless the question says otherwise."""
        return {n: v for n, v in self.structure.items() if n not in question.grid}

    def reading(self, question: Question) -> Reading:
        features, target = self._codings()
        longest = question.longest
        if "longest" in self.structure and (features or target):  # steps that have a learned place
            usual = LONGEST[Tokenizer.from_text(features or target).kind]
            longest = min(longest or usual, int(self.structure["longest"]))
        return replace(reading_of(question), given=features, given_target=target, longest=longest)

    def _codings(self) -> tuple[str, str]:
        """The tokenizers of what is read and of what is written."""
        if self.schema is None:
            return self.coding, ""
        found = [c.coding for c in self.schema.features if c.kind == "text"]
        return (found[0] if found else ""), (self.schema.target.coding if self.schema.target else "")

    # ---- what is taken ---------------------------------------------------------------------------------

    def start(self, problem: Problem) -> Start:
        """The weights that mean the same for this problem. `ModelError` for a table of other columns."""
        family, schema, old = family_named(self.family), problem.schema, self.schema
        columns = old is not None and _columns(old) == _columns(schema)
        if issubclass(family, TableFamily) and not columns:
            raise ModelError(
                "A table's weights carry over to the same columns alone.",
                given=f"'{self.source}', whose columns or categories are others",
                fix="Leave --init out, or give a table of the same columns.",
            )
        same = old is not None and _same_answer(old.target, schema.target)
        left = (*(() if same else HEAD), *(() if columns else COLUMNS))
        tensors = {n: t for n, t in self.tensors.items() if not n.startswith(left)}
        if not columns:
            tensors = {
                n: t for n, t in tensors.items() if n.startswith(KINDS) or not n.startswith("prepare.")
            }
        shape = Shape.of(schema)
        if shape.image is not None and shape.image[0] == 1:
            tensors = {name: _grey(name, tensor) for name, tensor in tensors.items()}
        for kind in ("image", "sequence"):
            prefix = f"prepare.{kind}."
            if f"{prefix}center" in tensors and not _alike(kind, tensors, problem, self.reach):
                tensors = {n: t for n, t in tensors.items() if not n.startswith(prefix)}
        return Start(tensors)

    def notes(self, start: Start, candidate: Candidate, problem: Problem) -> tuple[str, ...]:
        """What a candidate's network takes and what is new in it. `ModelError` if nothing fits."""
        network = skeleton(candidate.family, problem.schema)
        taken = {*start.taken(network)}
        parameters = dict(network.named_parameters())
        known = [p.numel() for n, p in parameters.items() if n in taken]
        if not any(n.startswith("body.") and not n.startswith(HEAD[0]) for n in taken & {*parameters}):
            raise ModelError(
                "A network must be built as the one that it starts from, to take its weights.",
                given=f"'{self.source}', of which no layer fits",
                fix="Leave out --fix of what shapes the network.",
            )
        new = list(dict.fromkeys(n.rpartition(".")[0] for n in parameters if n not in taken))
        total = sum(p.numel() for p in parameters.values())
        said = f"Networks start from {self.source} ({self.family}): "
        said += f"{sum(known):,} of {total:,} weights are taken"
        said += f"; new: {', '.join(new[:8])}{' …' if len(new) > 8 else ''}." if new else "; nothing is new."
        rich = [k for k in ("image", "sequence") if f"prepare.{k}.center" in {*dict(network.named_buffers())}]
        told = [f"The {k}s are centred and scaled as there." for k in rich if f"prepare.{k}.center" in taken]
        return (said, *told)

    # ---- beside the study ------------------------------------------------------------------------------

    def save(self, folder: Folder) -> None:
        folder.write_tensors(KEPT, self.tensors, {"source": self.source, **self._facts()})

    @classmethod
    def kept(cls, folder: Folder, sha256: str) -> Initial:
        """What `save` wrote, if it is that of this hash."""
        tensors, facts = folder.read_tensors(KEPT)
        try:
            schema = None if facts["schema"] is None else Schema.from_dict(facts["schema"])
            made = cls(facts["source"], facts["family"], facts["structure"], tensors, schema, facts["coding"])
        except (KeyError, TypeError) as error:
            raise spoilt(folder / KEPT, str(error)) from error
        if made.sha256 != sha256:
            raise spoilt(folder / KEPT, "changed: its hash is another")
        return made


def open_initial(given: str | os.PathLike[str] | Model) -> Initial:
    """A model in memory, a study's folder, a model's, a folder of Hugging Face's libraries, or hf:NAME."""
    if isinstance(given, Model):
        return of_model(given, "a model in memory")
    text = os.fspath(given)
    if text.startswith("hf:"):
        return _of_backbone(download(text.removeprefix("hf:")), text)
    folder = Path(text)
    if not (folder / CONFIG).is_file():
        if (folder / MODEL / CONFIG).is_file():
            folder = folder / MODEL
        elif (folder / ASKED).is_file():
            raise StudyError(
                "Only a finished study has a model to start from.",
                given=f"'{text}'",
                fix=f"Finish it: `coterie resume {text}`.",
            )
        else:
            raise ModelError(
                "--init names a study's folder, a model's, or hf:NAME.",
                given=f"'{text}', which {'holds no model' if folder.exists() else 'does not exist'}",
                fix="For example: --init runs/NAME-1.",
            )
    if _library(folder) == "coterie":
        return of_model(Model.load(folder), text)
    return _of_backbone(folder, text)


def of_model(model: Model, source: str) -> Initial:
    """All that a Coterie model has to give."""
    parameters = model.layout.views(model.flat)
    # a buffer of one number is a hyperparameter, such as a dropout rate, which the new study sets itself
    buffers = {n.removeprefix(NETWORK): b for n, b in model.buffers.items() if b.ndim > 1}
    tensors = {n: t.detach().cpu().contiguous() for n, t in {**parameters, **buffers}.items()}
    return Initial(source, model.family.name, _structure(model.family), tensors, model.schema)


def _structure(family: Family) -> dict[str, Any]:
    """The hyperparameters that fix a network's shapes, as they are written."""
    known = spec.hypers(type(family))
    structure = {n: v for n, v in family.values().items() if not known[n].stacked}
    return {n: list(v) if isinstance(v, tuple) else v for n, v in structure.items()}


@dataclass(frozen=True)
class Posed:
    """All that is fixed before training: the problem, what is tried on it, and the weights to start from.

    candidates: all, or the first batch where a sampler is asked for more. held: see `candidates_of`.
    """

    problem: Problem
    candidates: tuple[Candidate, ...]
    start: Start | None
    held: Mapping[str, Any] = field(default_factory=dict)


def posed(question: Question, table: Table, test: Table | None, initial: Initial | None) -> Posed:
    """As `pose` and `candidates_of`, and with an earlier model read and built as that is."""
    if initial is None:
        problem = pose(question, table, test)
        candidates = candidates_of(question, problem)
        _refuse_settings(candidates)
        return Posed(problem, candidates, None)
    if question.models != (initial.family,):
        initial = initial.inherited()
    problem = pose(question, table, test, initial.reading(question))
    held = initial.held(question)
    candidates = candidates_of(question, problem, held)
    start = initial.start(problem)
    structures = {candidate.family.structure(): candidate for candidate in reversed(candidates)}
    notes = {c.index: initial.notes(start, c, problem) for c in structures.values()}
    problem = replace(problem, notes=(*problem.notes, *notes[min(notes)]))
    return Posed(problem, candidates, start, held)


def _refuse_settings(candidates: Sequence[Candidate]) -> None:
    """What is about taken weights has no use without them."""
    for candidate in candidates:
        for name in SETTINGS:
            if getattr(candidate.recipe, name) != spec.default(type(candidate.recipe), name):
                raise SpecError(
                    f"{name} is about weights that are taken from an earlier model.",
                    given=f"{name} without --init",
                    fix="Give --init, or leave it out.",
                )


def _of_backbone(folder: Path, source: str) -> Initial:
    found = backbone(folder, source)
    tensors = {name: tensor[None].contiguous() for name, tensor in found.tensors.items()}
    return Initial(source, found.family, found.structure, tensors, None, found.coding)


def _library(folder: Path) -> str:
    try:
        config = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError):
        return "coterie"  # which then says what is wrong with it
    return str(config.get("library_name", "")) if isinstance(config, dict) else "coterie"


def _columns(schema: Schema) -> list[tuple[Any, ...]]:
    """What numbers and categories mean to a network."""

    def meaning(c: Column) -> tuple[Any, ...]:
        return (c.name, c.kind, c.vocabulary, c.has_missing, c.format, c.origin, c.parts)

    return [meaning(c) for c in schema.features if c.kind not in RICH]


def _same_answer(old: Target | None, new: Target | None) -> bool:
    if old is None or new is None or old.task != new.task or old.coding != new.coding:
        return False
    return old.classes == new.classes if old.classes else old.names == new.names


def _grey(name: str, tensor: Tensor) -> Tensor:
    """For images of one channel: a first convolution of three gives what it gave for three equal ones."""
    if tensor.ndim == 5 and tensor.shape[2] == 3:
        return tensor.sum(2, keepdim=True)
    if name.startswith("prepare.image.") and tensor.shape[1:] == (3, 1, 1):
        return tensor.mean(1, keepdim=True)
    return tensor


def _alike(kind: str, tensors: Mapping[str, Tensor], problem: Problem, reach: float) -> bool:
    """Whether the new values are of about the earlier centre and scale, channel by channel."""
    rows = torch.from_numpy(problem.development[:LOOKED_AT])
    x = problem.dataset.inputs[kind][rows].double()
    if kind == "image":
        channels = x.movedim(1, 0).flatten(1)
    else:  # real steps alone
        length = problem.dataset.inputs["length"][rows]
        channels = x[torch.arange(x.shape[1]) < length[:, None]].T
    center, scale = (tensors[f"prepare.{kind}.{n}"].double().mean(0).flatten() for n in ("center", "scale"))
    if len(channels) != len(center):
        return False
    for values, old_center, old_scale in zip(channels, center.tolist(), scale.tolist(), strict=True):
        values = values[values.isfinite()]
        spread = float(values.std(correction=0)) if len(values) else 0.0
        if not old_scale / reach <= spread <= 4 * old_scale:
            return False
        if abs(float(values.mean()) - old_center) > 2 * old_scale:
            return False
    return True
