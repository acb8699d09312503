"""Table → Dataset, exactly as the schema says: the same cell is the same number today and in a year.

N rows, F numeric inputs, C category inputs, K labels or values.
"""

import numpy as np
import polars as pl
import torch

from coterie.data.cells import answers, encode_cells
from coterie.data.dataset import Dataset
from coterie.data.dates import features, seconds
from coterie.data.roles import find_column, listed
from coterie.data.scanned import Frame
from coterie.data.schema import Column, Schema, Target
from coterie.data.table import Table
from coterie.data.targets import target_values
from coterie.data.values import numbers, says_missing, truth, words
from coterie.errors import DataError

EPISODES = 2**32  # numbers that an episode can have


def encode(
    table: Table,
    schema: Schema,
    rows: np.ndarray | None = None,
    with_target: bool = True,
    with_cells: bool = True,
) -> Dataset:
    """The rows of a table as tensors, in the order of `rows` (all of them when None).

    Any table with the schema's features will do, whatever its types and however many columns more it
    has: numbers that cannot be read are NaN, unseen categories have an index of their own. Raises
    DataError when features or the target are missing, or a row has no target or one of an unknown class
    (`usable_rows` finds those that have one). with_cells=False leaves images, sequences and texts out.

    >>> from coterie.data.schema import Column
    >>> schema = Schema.of([Column("size", "numeric", "feature")], None)
    >>> encode(Table(pl.DataFrame({"size": ["1", "?"]}), "t", "a frame", ""), schema).inputs["numeric"]
    tensor([[1.],
            [nan]])
    """
    frame = table.frame
    present = set(frame.columns)
    absent = [column.name for column in schema.features if column.name not in present]
    if absent:
        if len(absent) == 1:
            find_column(table, absent[0], "The feature")
        raise DataError(
            f"'{table.name}' must have every column that the model was trained on.",
            given=f"a table without {listed(absent)}",
            fix="Add them; a value that is not known may be left empty.",
        )
    take = np.arange(frame.height) if rows is None else np.asarray(rows, dtype=np.int64)
    whole = len(take) == frame.height and bool((take == np.arange(len(take))).all())

    def cells(name: str) -> pl.Series:
        return frame[name] if whole else frame[name].gather(take)

    numeric = np.empty((len(take), len(schema.numeric)), dtype=np.float64)
    category = np.empty((len(take), len(schema.category)), dtype=np.int64)
    f = c = 0
    for column in schema.features:
        if column.kind in ("image", "sequence", "text", "episode"):
            continue
        series = cells(column.name)
        if column.kind == "category":
            category[:, c] = category_codes(series, column)
            c += 1
        elif column.kind == "datetime":
            parts = features(_array(seconds(series, column.format)), column.origin or 0.0)
            for part in column.parts:
                numeric[:, f] = parts[part]
                f += 1
        else:
            numeric[:, f] = (
                _flags(series, column) if column.kind == "boolean" else numbers(series, column.missing)
            )
            f += 1
    assert (f, c) == (len(schema.numeric), len(schema.category))

    inputs = {"numeric": torch.from_numpy(numeric), "category": torch.from_numpy(category)}
    inputs |= encode_cells(table, schema, take) if with_cells else {}
    for column in schema.of_kind("episode"):
        inputs["episode"] = torch.from_numpy(_episodes(cells(column.name)))
    target = None
    if schema.target is not None and schema.target.task == "unsupervised":
        target = _label(frame, take, schema.target)
        inputs |= {"label": target, "place": torch.from_numpy(take.astype(np.int64))}
    elif with_target and schema.target is not None and schema.target.task == "text":
        written = torch.from_numpy(
            answers(cells(find_column(table, schema.target.names[0], "The target")), schema.target)
        )
        inputs["answer"] = written
        target = torch.where(written > 0, written, -1)[:, 1:]
    elif with_target and schema.target is not None:
        answers_of = [cells(find_column(table, n, "The target")) for n in schema.target.names]
        target = _target(table, answers_of, schema.target, take)
        if schema.target.each_step and schema.sequence is not None:
            target = _beside(target, answers_of[0], schema.sequence[0], inputs.get("length"), take)
    weights = [column.name for column in schema.columns if column.role == "weight"]
    weight = None
    if with_target and weights and weights[0] in present:
        weight = torch.from_numpy(_weights(cells(weights[0])))
    return Dataset(schema, inputs, target, weight, take)


def answered(y: np.ndarray) -> np.ndarray:
    """(N,) bool: the row has its target; of one that answers every step, at least one step."""
    good: np.ndarray = np.asarray(y >= 0 if y.dtype.kind == "i" else ~np.isnan(y).any(axis=-1))
    return np.asarray(good.any(axis=1)) if good.ndim == 2 else good


def usable_rows(table: Table, schema: Schema) -> tuple[np.ndarray, list[str]]:
    """The rows of a later table that have a target to judge by, and what was left out, in sentences.

    Raises DataError when there is no target column, no such row, or a class the model does not know.
    """
    target = schema.target
    assert target is not None
    if target.task == "unsupervised":
        return np.arange(table.frame.height), []
    y, unknown = target_values(
        [table.frame[find_column(table, n, "The target")] for n in target.names], target
    )
    _refuse_unknown(unknown, target)
    good = answered(y)
    if not good.any():
        raise DataError(
            "At least one row must have its target.",
            given=f"no such row of {len(good)} in '{table.source}'",
            fix="Fill in the target, or use predict, which needs none.",
        )
    lost = int((~good).sum())
    notes = [f"{lost:,} of {len(good):,} rows have no usable target and are left out."] if lost else []
    return np.flatnonzero(good), notes


def category_codes(series: pl.Series, column: Column) -> np.ndarray:
    """(N,) int64: index in the vocabulary; its length for unseen values, one more for missing ones."""
    unseen = len(column.vocabulary)
    text = words(series, as_number=column.format == "number")
    index = text.replace_strict(
        list(column.vocabulary), list(range(unseen)), default=None, return_dtype=pl.Int64
    )
    if index.null_count() == 0:
        return index.to_numpy()
    missing = says_missing(text)
    codes = [code for code in column.missing if code not in column.vocabulary]
    if codes:
        missing |= text.is_in(codes).fill_null(True)
    elsewhere = np.where(missing.to_numpy(), unseen + 1, unseen)
    return np.where(index.is_null().to_numpy(), elsewhere, index.fill_null(0).to_numpy())


def _flags(series: pl.Series, column: Column) -> np.ndarray:
    """(N,) 0 and 1; where the words were 0 and 1, any other number is itself: a count, rarely above 1."""
    said = _array(truth(series))
    if column.vocabulary == ("0", "1") and np.isnan(said).any():
        return np.where(np.isnan(said), numbers(series, column.missing), said)
    return said


def _label(frame: Frame, take: np.ndarray, target: Target) -> torch.Tensor:
    """(N,) int64: the class of a label that is not learned, −1 where it is not known."""
    if not target.classes or target.names[0] not in frame.columns:
        return torch.full((len(take),), -1)
    y, _ = target_values([frame[target.names[0]].gather(take)], target)
    return torch.from_numpy(y)


def _episodes(series: pl.Series) -> np.ndarray:
    """(N,) int64: episodes by their numbers."""
    values = numbers(series)
    if not ((values >= 0) & (values < EPISODES) & (values == np.floor(values))).all():
        raise DataError(
            f"Episodes in '{series.name}' must be whole numbers from 0 to {EPISODES - 1:,}: any will do.",
            given="others, or missing ones",
            fix="Number them 0, 1, 2 and so on.",
        )
    return values.astype(np.int64)


def _array(series: pl.Series) -> np.ndarray:
    return series.to_numpy().astype(np.float64, copy=False)


def _weights(series: pl.Series) -> np.ndarray:
    values = numbers(series)
    if not (values >= 0).all():
        raise DataError(
            f"Weights in '{series.name}' must be finite numbers of at least 0.",
            given=f"{int((~(values >= 0)).sum())} rows whose weight is negative, missing or no number",
            fix="Correct these rows.",
        )
    return values.astype(np.float32)


def _refuse_unknown(unknown: np.ndarray, target: Target) -> None:
    if len(unknown):
        raise DataError(
            f"A class must be one that the model was trained on: {listed(target.classes)}.",
            given=f"{listed(unknown.tolist(), 5)} in '{target.names[0]}'",
            fix="Correct these labels, or leave these rows out.",
        )


def _target(table: Table, columns: list[pl.Series], target: Target, take: np.ndarray) -> torch.Tensor:
    y, unknown = target_values(columns, target)
    _refuse_unknown(unknown, target)
    bad = ~answered(y)
    if bad.any():
        raise DataError(
            "Every row must have its target.",
            given=f"{int(bad.sum())} rows of '{table.name}' without, the first being row {take[bad][0]}",
            fix="Fill it in, or leave these rows out.",
        )
    return torch.from_numpy(y)


def _beside(
    target: torch.Tensor, lists: pl.Series, steps: int, length: torch.Tensor | None, take: np.ndarray
) -> torch.Tensor:
    """Answers (N, T[, K]) of every step with as many steps as the sequences have; longer ones are cut as
    these are. DataError where a row has other than one answer a step (a missing one counts)."""
    own = torch.from_numpy(lists.list.len().to_numpy().astype(np.int64))
    odd = torch.zeros(0) if length is None else (own.clamp_max(steps) != length).nonzero()
    if len(odd):
        row = int(odd[0])
        raise DataError(
            "A sequence must have an answer for every step, which may be empty.",
            given=f"{int(own[row])} in '{lists.name}' for {int(length[row])} steps in row {take[row]}",  # type: ignore[index]
            fix="Fill in what is missing, or leave these rows out.",
        )
    none = torch.nan if target.is_floating_point() else -1
    room = target.new_full((len(target), max(0, steps - target.shape[1]), *target.shape[2:]), none)
    return torch.cat([target[:, :steps], room], dim=1)
