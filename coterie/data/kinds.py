"""What one column of numbers, dates or words is, from its development values alone.

A number may be a quantity, yes or no, a code or an identifier; a word a category, an identifier or free text.
Whatever is left out or read in a way that is not plain has a note that says so. N development rows.
"""

from dataclasses import replace

import numpy as np
import polars as pl

from coterie.data.dates import features, find_format, seconds, varying_parts
from coterie.data.numbers import MISSING_CODES, codes_for_missing, different, why_category, why_identifier
from coterie.data.roles import name_parts
from coterie.data.schema import Column
from coterie.data.targets import PARSED
from coterie.data.values import (
    FALSE,
    LARGEST,
    TRUE,
    is_date,
    is_nested,
    is_text,
    raw_numbers,
    says_missing,
    truth,
    words,
)
from coterie.errors import DataError

VOCABULARY = 1000  # the most frequent values of a category that are known to a model
MANY = 50  # text with more different values than this, …
MOSTLY = 0.5  # … in more than this share of its rows, is no category
ID_NAMES = ("id", "ids", "uuid", "guid", "ssn", "mrn", "identifier", "pk", "file", "filename", "path")
FREE_TEXT = "Free text: choose a family that reads it, such as --models bag."


def feature_column(seen: pl.Series, rows: np.ndarray, asked: str | None, must: bool = True) -> Column:
    """What a feature column is, from its development values."""
    name = seen.name
    if isinstance(seen.dtype, pl.List) and isinstance(seen.dtype.inner, pl.String):
        return left_out(name, "text", FREE_TEXT)
    if is_nested(seen.dtype):
        empty_lists = isinstance(seen.dtype, pl.List) and not bool((seen.list.len() > 0).any())
        why = "No row has a step in it." if empty_lists else ""
        return left_out(name, "identifier", why or f"Each cell holds a {seen.dtype}, which no model reads.")
    if asked == "identifier":
        return left_out(name, asked, "Left out, as it was said to be identifier.")
    if asked == "text":
        return left_out(name, asked, "")
    values = raw_numbers(seen)
    empty = values.null_count() == len(values)
    if asked is None and not is_text(seen.dtype) and not is_date(seen.dtype) and not empty:
        return _number(seen, None, values, rows)  # the fast way: no text was looked at
    if asked is None and isinstance(seen.dtype, pl.String) and values.null_count() == 0 and not _padded(seen):
        return _number(seen, None, values, rows)

    text = words(seen)
    known = ~says_missing(text)
    count = int(known.sum())
    gaps = [] if count == len(seen) else text.filter(~known).drop_nulls().unique().sort().to_list()
    if "-" in gaps and is_text(seen.dtype) and bool((text == "+").any()):
        known |= (text == "-").fill_null(False)  # a sign, not a gap
        count = int(known.sum())
        gaps.remove("-")
    if count == 0:
        return left_out(name, "constant", "It has no value in the development rows.")
    missing = tuple(gap for gap in gaps if gap)
    column = _typed(seen, text, known, values, rows, asked, must)
    if len(column.vocabulary) == 1 and count == len(seen):
        return left_out(name, "constant", f"It is '{column.vocabulary[0]}' in every development row.")
    if column.role == "feature":
        column = replace(
            column,
            missing=tuple(dict.fromkeys((*missing, *column.missing))),
            has_missing=column.has_missing or count < len(seen),
        )
    return column


def _typed(
    seen: pl.Series,
    text: pl.Series,
    known: pl.Series,
    values: pl.Series,
    rows: np.ndarray,
    asked: str | None,
    must: bool,
) -> Column:
    """The column by its kind: a number, yes or no, a date, a category, or text."""
    name, said = seen.name, text.filter(known)
    count = len(said)
    declared = isinstance(seen.dtype, pl.Categorical | pl.Enum)
    if asked == "category" or (declared and asked is None):
        return _category(said, "A category, as asked." if asked else "")
    if asked in (None, "boolean") and not is_date(seen.dtype):
        first = said.unique().head(7)  # a word may come in many capitals, but more is no yes and no
        words_seen = set(first.str.to_lowercase().to_list()) if len(first) < 7 else {""}
        pair = [(f, t) for f, t in zip(FALSE, TRUE, strict=True) if words_seen <= {f, t}]
        if pair and (len(words_seen) == 2 or asked == "boolean"):
            return Column(name, "boolean", "feature", vocabulary=pair[0], low=0.0, high=1.0)
        if asked == "boolean" and must:
            yes = truth(seen)
            if yes.filter(known).null_count():
                raise no_such(name, asked, text.filter(known & yes.is_null())[0])
            return Column(name, "boolean", "feature", vocabulary=("no", "yes"), low=0.0, high=1.0)
    padded = asked is None and is_text(seen.dtype) and _padded(said)
    if not is_date(seen.dtype) and asked in (None, "numeric"):
        good = int((known & values.is_not_null()).sum())
        if asked == "numeric" and must and good == 0:
            raise no_such(name, asked, said[0])
        if asked == "numeric" or (good >= PARSED * count and not padded):
            return _number(seen, known & values.is_null(), values, rows, asked == "numeric")
    if asked in (None, "datetime"):
        date = _date(seen, text, known)
        if date is not None:
            return date
        if asked == "datetime" and must:
            raise no_such(name, asked, said[0])
    return _text(said, padded)


def no_such(name: str, asked: str, example: str) -> DataError:
    return DataError(
        f"A column can be {asked} only if its values are.",
        given=f"{example!r} in '{name}'",
        fix="Take it out of kinds, or give another kind.",
    )


def left_out(name: str, kind: str, note: str) -> Column:
    return Column(name, kind, "left_out", note=note)


def _padded(text: pl.Series) -> bool:
    """Whether whole numbers are written with zeros in front: 00123 is a code, and no quantity."""
    if not text.str.contains(r"^0\d").any():
        return False
    return int(text.str.contains(r"^\d+$").sum()) >= PARSED * text.count()


def _number(
    seen: pl.Series, words_in: pl.Series | None, values: pl.Series, rows: np.ndarray, asked: bool = False
) -> Column:
    """A column of numbers: a quantity, yes or no, a code, or an identifier.

    words_in: (N,) bool, cells that hold something which is no number; values: (N,) with NaN and ±inf.
    """
    name = seen.name
    notes = []
    x = values.to_numpy().astype(np.float64, copy=False)
    gone = np.isnan(x)
    infinite = int(np.isinf(x).sum())
    finite = x[np.isfinite(x)]
    if words_in is not None and (strange := int(words_in.sum())):
        example = seen.filter(words_in)[0]
        notes.append(
            f"{strange} values that are no numbers, such as {str(example)[:40]!r}, count as missing."
        )
    if infinite:
        notes.append(f"{infinite} infinite values count as missing.")
    if large := int((np.abs(finite) > LARGEST).sum()):
        notes.append(f"{large} values beyond 1e30 are cut to it.")
    if len(finite) == 0:
        return left_out(name, "constant", "It has no finite number in the development rows.")
    np.clip(finite, -LARGEST, LARGEST, out=finite)
    # all different values are needed of whole numbers alone, or where some may stand for missing
    whole = bool((finite == np.round(finite)).all())
    if whole or np.isin(finite, MISSING_CODES).any():
        distinct, counts = different(finite)
    else:
        distinct, counts = np.unique([finite.min(), finite.max()]), np.ones(2, dtype=np.int64)
    codes = codes_for_missing(distinct, counts)
    if codes:
        lost = int(counts[np.isin(distinct, codes)].sum())
        which = " and ".join(f"{code:g}" for code in codes)
        notes.append(f"{which} ({lost} times, far from all other values) counts as missing.")
        stays = ~np.isin(distinct, codes)
        distinct, counts = distinct[stays], counts[stays]
    has_missing = bool(codes) or len(finite) < len(x)
    missing = tuple(f"{code:g}" for code in codes)
    if len(distinct) == 1 and not has_missing:
        return left_out(name, "constant", f"It is {distinct[0]:g} in every development row.")
    if isinstance(seen.dtype, pl.Boolean) or (whole and distinct.tolist() == [0.0, 1.0] and not asked):
        pair = ("False", "True") if isinstance(seen.dtype, pl.Boolean) else ("0", "1")
        return Column(
            name, "boolean", "feature", missing, pair, has_missing, low=0.0, high=1.0, note=" ".join(notes)
        )
    if whole and not asked and not is_date(seen.dtype):
        date = _date(seen, words(seen), ~pl.Series(gone)) if distinct[0] > 19000100 else None
        if date is not None:
            return date
        place = np.flatnonzero(np.isfinite(x))
        unique = len(distinct) == len(finite)
        if not unique and distinct[-1] >= 2.0**53:  # different integers may be one float there
            unique = seen.n_unique() == len(seen)
        identifier = why_identifier(name_parts(name), distinct, unique, x[place] - rows[place], len(finite))
        if identifier:
            return left_out(name, "identifier", identifier)
        category = why_category(name_parts(name), distinct, counts)
        if category:
            known = ~pl.Series(~np.isfinite(x) | np.isin(x, codes))
            column = _category(words(seen, as_number=True).filter(known), category)
            return replace(column, missing=missing, has_missing=has_missing)
    return Column(
        name,
        "numeric",
        "feature",
        missing,
        has_missing=has_missing,
        low=float(distinct[0]),
        high=float(distinct[-1]),
        note=" ".join(notes),
    )


def _date(seen: pl.Series, text: pl.Series, known: pl.Series) -> Column | None:
    """A column of dates, if nearly all of its values are."""
    name = seen.name
    form, how = find_format((seen if is_date(seen.dtype) else text).filter(known))
    if not form and not is_date(seen.dtype):
        return None
    values = seconds(seen if is_date(seen.dtype) else text, form).to_numpy().astype(np.float64)
    dates = values[~np.isnan(values)]
    count = int(known.sum())
    if len(dates) < PARSED * count or (form == "%Y%m%d" and (len(dates) < count or count < 20)):
        return None
    notes = [how] if how else []
    if len(dates) < count:
        notes.append(f"{count - len(dates)} values that are no such dates count as missing.")
    if np.ptp(dates) == 0 and len(dates) == len(values):
        return left_out(name, "constant", "It is the same date in every development row.")
    origin = float(dates.min())
    elapsed = features(dates, origin)["elapsed"]
    return Column(
        name,
        "datetime",
        "feature",
        has_missing=len(dates) < len(values),
        format=form,
        origin=origin,
        parts=varying_parts(dates),
        low=0.0,
        high=float(elapsed.max()),
        note=" ".join(notes),
    )


def _text(known: pl.Series, padded: bool) -> Column:
    """A column of words: a category, an identifier, or free text. known: its non-missing values."""
    name, count, distinct = known.name, len(known), known.n_unique()
    named = any(part in ID_NAMES for part in name_parts(name))
    spaces = float(known.head(1000).str.count_matches(r"\s+").cast(pl.Float64).to_numpy().mean())
    if spaces >= 3.0 and distinct > 5 and distinct > MOSTLY * count:
        return left_out(name, "text", FREE_TEXT)
    if distinct > MANY and (distinct > MOSTLY * count or (named and distinct > 0.02 * count)):
        return left_out(
            name, "identifier", f"It has {distinct:,} different values in {count:,} rows: it names rows."
        )
    if named and distinct == count and count > 2:
        return left_out(name, "identifier", "Its name says identifier, and no value occurs twice.")
    return _category(known, "Codes with leading zeros, read as a category." if padded else "")


def _category(known: pl.Series, note: str) -> Column:
    """A category with its vocabulary: the most frequent values, in alphabetical or numerical order."""
    counts = known.value_counts().sort(["count", known.name], descending=[True, False])
    kept = counts[known.name].head(VOCABULARY)
    values = raw_numbers(kept)
    plain = values.null_count() == 0 and not _padded(kept)
    if plain:
        kept = words(kept, as_number=True)
        order = pl.DataFrame({"value": raw_numbers(kept), "word": kept}).sort(["value", "word"])["word"]
        vocabulary = tuple(dict.fromkeys(order.to_list()))
    else:
        vocabulary = tuple(kept.sort().to_list())
    rare = len(counts) - len(kept)
    if rare > 0:
        lost = int(counts["count"].tail(rare).sum())
        note = f"{note} The {VOCABULARY} most frequent values are known; {rare:,} rarer ones ({lost:,} rows) "
        note = f"{note.strip()} count as unseen."
    return Column(
        known.name, "category", "feature", vocabulary=vocabulary, format="number" if plain else "", note=note
    )
