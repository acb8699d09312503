"""What a model makes: texts, samples, reconstructions, rows of codes; and how likely it holds rows.

Rows come back as a person gave them: of images alone as an array of images, all others as a table with the
columns that were learned.

N rows, K numbers of a code, C channels, H height, W width.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import polars as pl
import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.read import read
from coterie.data.schema import Column, Schema, Target
from coterie.data.tokens import Tokenizer
from coterie.errors import ModelError
from coterie.metrics.catalogue import METRICS
from coterie.metrics.unsupervised import JUDGED
from coterie.models.agents import Acting
from coterie.models.family import Family
from coterie.models.outline import one_row
from coterie.models.shape import Shape
from coterie.models.skeleton import shapes_only
from coterie.models.unsupervised import Unlabelled
from coterie.randomness import bits, fold

ABLE = {
    "encode": "encode",
    "decode": "decode",
    "reconstruct": "reconstruct",
    "sample": "sample",
    "episodes": "sample",  # what an agent makes
    "log_density": "score_samples",
}
Made = np.ndarray | pl.DataFrame
SECONDS_A_DAY = 86400.0
BEGUN = 0x62656775  # a word for the numbers of episodes


class Model(Protocol):
    """What is asked of a model here."""

    schema: Schema
    target: Target
    family: Family
    flat: Tensor

    @property
    def task(self) -> str: ...

    def dataset(self, data: Any) -> Dataset: ...

    def inputs(self, dataset: Dataset) -> dict[str, Tensor]: ...

    def call(self, method: str, inputs: dict[str, Tensor], member: int, **how: Any) -> Any: ...

    def skeleton(self) -> Any: ...


def write(
    model: Model,
    data: Any = None,
    *,
    begin: str = "",
    longest: int = 0,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
) -> list[str]:
    """Texts of the first member's own, one for each row of data.

    data: what there is to read; a model that only goes on from a text takes none, and begins with `begin`.
    longest: tokens at most (default: as many as the longest it has learned from). temperature: 0 takes
    the most probable token each time; else tokens are drawn, 1 being as they were learned, top_k: from the
    so many most probable, top_p: from the most probable that together have this share.
    """
    if model.task != "text":
        raise ModelError(
            "Only a model that learned to write can write.",
            given=f"a model of the family {model.family.name}",
            fix=_instead(model),
        )
    if temperature < 0 or top_k < 0 or not 0 < top_p <= 1:
        raise ModelError(
            "temperature and top_k are 0 or more, top_p is above 0 and at most 1.",
            given=f"temperature={temperature}, top_k={top_k}, top_p={top_p}",
        )
    tokenizer = Tokenizer.from_text(model.target.coding)
    how: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    how["generator"] = torch.Generator().manual_seed(seed)
    if model.schema.features:
        inputs = model.inputs(model.dataset(data))
    else:
        begun = tokenizer.encode([begin], None)[0][:-1]
        rows = 1 if data is None else len(data if isinstance(data, Dataset) else read(data).frame)
        inputs = {"answer": torch.tensor([begun] * rows), "numeric": model.flat.new_zeros(rows, 0)}
        inputs["category"] = torch.zeros(rows, 0, dtype=torch.int64)
        how |= {"longest": longest, "ends": not longest}
    said = model.call("write", inputs, 0, **how)
    return [tokenizer.decode(ids) for ids in said.tolist()]


def able(model: Model) -> list[str]:
    """What the family can do with rows, by the names of a model's methods."""
    network = model.skeleton()
    return [said for name, said in ABLE.items() if isinstance(network, Unlabelled) and network.has(name)]


def require(model: Model, what: str) -> None:
    """ModelError, which names what the family has, where it has not what is asked for."""
    known = able(model)
    if ABLE[what] not in known:
        raise ModelError(
            f"{ABLE[what]} needs a family that can do it.",
            given=f"a model of the family {model.family.name}",
            fix=_instead(model),
        )


def _instead(model: Model) -> str:
    """What the family can do, in a sentence."""
    if known := able(model):
        return f"It has {', '.join(known)}."
    if model.task == "text":
        return f"It learned to write: use {'predict' if model.schema.features else 'generate'} or encode."
    return "It learned to predict: use predict or encode."


def nothing_to_predict(model: Model) -> ModelError:
    """What is said where a prediction is asked of a model without a target."""
    return ModelError(
        "A prediction needs a target that was learned.",
        given=f"a model of the family {model.family.name}, which learned rows without one",
        fix=f"It has {', '.join(able(model))}; predict_table says how well it does each row.",
    )


def measures(model: Model, dataset: Dataset) -> pl.DataFrame:
    """How well each row is done, (N,) by every measure of a row that the family has."""
    said = model.call("raw", model.inputs(dataset), 0).numpy()
    known = [place for place in range(len(JUDGED)) if len(said) and not np.isnan(said[:, place]).all()]
    return pl.DataFrame({METRICS[JUDGED[place]].label: said[:, place] for place in known})


def reconstruct(model: Model, data: Any) -> Made:
    """The rows as they come back from their codes."""
    require(model, "reconstruct")
    inputs = model.inputs(model.dataset(data))
    return presented(model.schema, model.call("reconstruct", inputs, 0))


def decode(model: Model, codes: Any) -> Made:
    """The rows of codes (N, K)."""
    require(model, "decode")
    given = torch.as_tensor(np.asarray(codes), dtype=model.flat.dtype)
    width = codes_of(model)
    if given.ndim != 2 or width not in (None, given.shape[1]):
        raise ModelError(
            f"Codes are a table of {width} numbers a row.",
            given=f"an array of shape {tuple(given.shape)}",
            fix="Make them with encode.",
        )
    return presented(model.schema, model.call("decode", {"codes": given}, 0))


def sample(model: Model, n: int = 1, *, label: Any = None, seed: int = 0) -> Made:
    """n rows of the model's own; label: of this class, for a family that was told classes.

    Of an agent: episodes that it plays, from starts that `seed` draws; what it gained, and in how many steps.
    """
    require(model, "sample")
    place = torch.arange(n)
    if isinstance(model.skeleton(), Acting):
        return _episodes(model, bits(fold(torch.tensor(seed), BEGUN), n))
    inputs = {
        "place": place,
        "key": torch.tensor(seed),
        "label": torch.full_like(place, _class(model, label)),
    }
    return presented(model.schema, model.call("sample", inputs, 0))


def _episodes(model: Model, numbers: Tensor) -> pl.DataFrame:
    nothing = torch.full_like(numbers, -1)
    inputs = {"episode": numbers, "label": nothing, "place": torch.arange(len(numbers))}
    found = model.call("episodes", inputs, 0)
    table = {"episode": numbers.numpy(), "return": found[:, 0].numpy(), "steps": found[:, 1].long().numpy()}
    return pl.DataFrame(table)


def score_samples(model: Model, data: Any) -> np.ndarray:
    """(N,) the logarithm of the density, or of the probability, of each row, in nats."""
    require(model, "log_density")
    return model.call("log_density", model.inputs(model.dataset(data)), 0).double().numpy()


def _class(model: Model, label: Any) -> int:
    if label is None:
        return -1
    if not model.target.classes or not getattr(model.family, "conditional", False):
        raise ModelError(
            "A class can be asked for where a family was told classes.",
            given=f"label={label!r} and a model of the family {model.family.name}",
            fix="Fit it with --target COLUMN and --fix conditional=true.",
        )
    if str(label) not in model.target.classes:
        raise ModelError(f"A label must be one of {', '.join(model.target.classes)}.", given=repr(label))
    return model.target.classes.index(str(label))


def codes_of(model: Model) -> int | None:
    """K: how many numbers a code has; None for a family without codes."""
    network = model.skeleton()
    if not (isinstance(network, Unlabelled) and network.has("encode")):
        return None
    with shapes_only():
        return int(network.eval().features(one_row(Shape.of(model.schema))).shape[1])


# ---- as a person knows them ----------------------------------------------------------------------------


def presented(schema: Schema, made: dict[str, Tensor]) -> Made:
    """Raw inputs (N, …) as what was given: images alone as an array, else a table."""
    columns = schema.features
    if [column.kind for column in columns] == ["image"]:
        return _pixels(made["image"])
    # in the precision of the weights: more digits would say nothing
    numeric, category = made["numeric"].numpy(), made["category"].numpy()
    frame: dict[str, Any] = {}
    f = c = v = 0
    for column in columns:
        if column.kind == "category":
            words = [*column.vocabulary, None, None]
            frame[column.name] = [words[code] for code in category[:, c]]
            c += 1
        elif column.kind == "image":
            frame[column.name] = pl.Series(_pixels(made["image"]))
        elif column.kind == "sequence":
            width = column.shape[1]
            steps = made["sequence"][..., v : v + width].numpy()
            frame[column.name] = (steps[..., 0] if width == 1 else steps).tolist()
            v += width
        else:
            values = numeric[:, f : f + len(column.numeric_inputs)]
            frame[column.name] = _cells(values, column)
            f += values.shape[1]
    return pl.DataFrame(frame)


def _cells(values: np.ndarray, column: Column) -> Any:
    """A column's cells of its numeric inputs (N, P)."""
    if column.kind == "boolean":
        words = column.vocabulary or ("0", "1")
        return [words[int(value > 0.5)] for value in values[:, 0]]
    if column.kind == "datetime":
        if "elapsed" not in column.parts:
            return values[:, 0]
        days = values[:, column.parts.index("elapsed")].astype(np.float64)
        if _whole_days(column):
            days = days.round()
        seconds = np.round(days * SECONDS_A_DAY + (column.origin or 0.0))
        times = pl.Series((seconds * 1000).astype(np.int64)).cast(pl.Datetime("ms"))
        return times.cast(pl.Date) if _whole_days(column) else times
    return values[:, 0]


def _whole_days(column: Column) -> bool:
    """Whether the data's own times are dates: they begin at midnight, and no part of them tells an hour."""
    return not any("hour" in part for part in column.parts) and (column.origin or 0.0) % SECONDS_A_DAY == 0


def _pixels(images: Tensor) -> np.ndarray:
    """(N, C, H, W) in the unit of the data."""
    return images.float().numpy()
