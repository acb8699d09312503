"""What looks wrong with a table, in sentences: nothing here changes what is trained.

Each check is one function that returns warnings; `check` runs them all. N rows, F inputs.
"""

import numpy as np
import polars as pl

from coterie.data.dataset import Dataset
from coterie.data.encode import encode
from coterie.data.roles import Roles, listed
from coterie.data.scanned import loaded
from coterie.data.schema import PART_OF, Schema
from coterie.data.table import Table
from coterie.data.values import is_nested, words

MOST = 5  # columns that are named in one kind of warning
CELLS = 5_000_000  # how many cells the search for leaks looks at, at most …
LEAK_ROWS = 20_000  # … and rows
LEAK = 0.01  # a feature that leaves so little of the target open is a suspect
CAPACITY = 100  # parameters a row that early stopping and averaging can still hold in check


def check(
    table: Table, roles: Roles, schema: Schema, development: np.ndarray, test: np.ndarray, folds: int
) -> list[str]:
    """Warnings about the table and its split, the gravest first.

    development, test: row numbers; test may be empty. folds: how many there will be (0: none).
    """
    hashes = _row_hashes(table, schema)
    return [
        *leaks(table, roles, schema, development),
        *shared(table, schema, development, table, test, hashes),
        *duplicates(table, schema, np.concatenate([development, test]), hashes),
        *classes(roles, development, folds),
        *repeated_identifiers(table, roles, schema, development),
        *constants(schema),
        *few_rows(development),
    ]


def duplicates(table: Table, schema: Schema, rows: np.ndarray, hashes: np.ndarray | None = None) -> list[str]:
    """Rows that equal an earlier one in every feature and the target; hashes: as of `_row_hashes`.

    Silent where equal rows are only natural: few columns of few values.
    """
    ordered = np.sort((_row_hashes(table, schema) if hashes is None else hashes)[rows])
    repeated = int((ordered[1:] == ordered[:-1]).sum())
    if repeated == 0 or not _rows_differ(table, schema, rows):
        return []
    return [
        f"{_count(repeated, 'row')} of {len(rows):,} {_is(repeated)} the same as an earlier one: copies that "
        "fall on both sides of a split make scores too good. Remove them, or name their origin with --group."
    ]


def shared(
    table: Table,
    schema: Schema,
    rows: np.ndarray,
    test: Table,
    test_rows: np.ndarray,
    hashes: np.ndarray | None = None,
) -> list[str]:
    """Test rows that equal a development row in every feature and the target; the tables may differ.

    hashes: of both tables' rows, where they are the same table.
    """
    if len(rows) == 0 or len(test_rows) == 0:
        return []
    texts = table.frame.schema != test.frame.schema
    own = np.sort((_row_hashes(table, schema, texts) if hashes is None else hashes)[rows])
    others = (_row_hashes(test, schema, texts) if hashes is None else hashes)[test_rows]
    places = np.minimum(np.searchsorted(own, others), len(own) - 1)
    same = int((own[places] == others).sum())
    if same == 0 or not _rows_differ(table, schema, rows):
        return []
    return [
        f"{_count(same, 'test row')} of {len(test_rows):,} {_is(same)} also among the development rows: "
        "the test score is too good. Remove the copies, or name their origin with --group."
    ]


def _compared(schema: Schema) -> list[str]:
    return [column.name for column in schema.columns if column.role in ("feature", "target")]


def _row_hashes(table: Table, schema: Schema, texts: bool = False) -> np.ndarray:
    """(N,) a 64-bit number for each row of a table, the same for rows of the same values.

    texts: compare the spelling of values, for tables whose types differ.
    """
    frame = table.frame.select(_compared(schema))
    if texts:
        frame = pl.DataFrame(
            [s if is_nested(s.dtype) else words(s, as_number=True) for s in loaded(frame).iter_columns()]
        )
    return frame.hash_rows(seed=0).to_numpy()


def _rows_differ(table: Table, schema: Schema, rows: np.ndarray) -> bool:
    """Whether the columns allow so many different rows that equal ones are no accident."""
    possible = 1.0
    if any(is_nested(table.frame[name].dtype) for name in _compared(schema)):
        return True
    for name in _compared(schema):
        possible *= max(1, table.frame[name].gather(rows[:100_000]).n_unique())
        if possible > 100.0 * len(rows):
            return True
    return False


def leaks(table: Table, roles: Roles, schema: Schema, rows: np.ndarray) -> list[str]:
    """Features that alone settle the target: known only after the fact, most often.

    Rows are sorted by the feature, and each is compared with its neighbour: where the feature settles the
    target, neighbours agree. That is the one-nearest-neighbour rule with each row left out, so it needs
    no fit and does not flatter small tables; for values it is von Neumann's ratio of successive
    differences, on ranks ("Distribution of the ratio of the mean square successive difference to the
    variance", 1941).
    """
    inputs = len(schema.numeric) + len(schema.category)
    if len(schema.features) < 2 or len(rows) < 30 or not inputs or roles.target.each_step:
        return []
    most = max(300, min(LEAK_ROWS, CELLS // max(1, inputs)))
    shuffled = np.random.default_rng(0).permutation(rows)[:most]  # sorting may not keep the table's order
    data = encode(table, schema, shuffled, with_target=False, with_cells=False)
    names = [*schema.numeric, *schema.category]
    parts = {name: column.name for column in schema.features for name in column.numeric_inputs}
    x = np.concatenate(
        [data.inputs["numeric"].numpy(), data.inputs["category"].numpy()], axis=1, dtype=np.float32
    )
    order = np.argsort(x, axis=0, kind="stable")
    found: list[str] = []
    targets = roles.y[shuffled]
    for y in [targets] if targets.ndim == 1 else list(targets.T):
        left_open = _left_open(y, order, roles.target.task == "regression")
        found += [parts.get(names[f], names[f]) for f in np.flatnonzero(left_open <= LEAK)]
    return [
        f"'{name}' alone predicts the target almost perfectly. Is it known before the target is? "
        f"If not, leave it out with --ignore {_quoted(name)}."
        for name in list(dict.fromkeys(found))[:MOST]
    ]


def _left_open(y: np.ndarray, order: np.ndarray, values: bool) -> np.ndarray:
    """(F,) share of the target's variety that is left between neighbours: 0 settled, 1 chance.

    y: (N,) class or value; order: (N, F) rows in the order of each feature.
    """
    n = len(y)
    if values:
        y = pl.Series(y).rank().to_numpy()
        spread = 2.0 * n * y.var()
        return (
            (np.diff(y[order], axis=0) ** 2).sum(axis=0) / spread if spread > 0 else np.ones(order.shape[1])
        )
    _, counts = np.unique(y, return_counts=True)
    chance = n * (1.0 - ((counts / n) ** 2).sum())  # neighbours that differ in a random order
    if chance < 10 or counts.min() < 5:
        return np.ones(order.shape[1])  # too few of the rarer class to tell
    changes = (np.diff(y[order], axis=0) != 0).sum(axis=0)
    return np.maximum(0, changes - (len(counts) - 1)) / chance


def classes(roles: Roles, rows: np.ndarray, folds: int) -> list[str]:
    """Classes with fewer members than folds, and classes that are heavily outnumbered."""
    target, y = roles.target, roles.y[rows]
    found = []
    if target.classes:
        counts = np.bincount(y[y >= 0], minlength=len(target.classes))
        rare = [name for name, count in zip(target.classes, counts, strict=True) if count < folds]
        if rare:
            be = "has" if len(rare) == 1 else "have"
            found.append(
                f"{_plural(len(rare), 'The class', 'The classes')} {listed(rare, MOST)} {be} fewer rows "
                f"than there are folds ({folds}): some folds cannot learn or judge that. "
                "Join classes, or use fewer folds."
            )
        small, large = int(counts.argmin()), int(counts.argmax())
        if 0 < counts[small] * 20 <= counts[large]:
            share = counts[small] / counts.sum()
            found.append(
                f"The classes are heavily unbalanced: '{target.classes[small]}' is {share:.1%} of the rows "
                f"and '{target.classes[large]}' {counts[large] / counts.sum():.0%}. "
                "Accuracy says little here."
            )
    elif target.task == "multilabel":
        share = np.nanmean(y, axis=0)
        odd = [n for n, p in zip(target.names, share, strict=True) if p < 1 / 21 or p > 20 / 21]
        if odd:
            found.append(
                f"Labels that are heavily unbalanced: {listed(odd, MOST)}. Accuracy says little there."
            )
    return found


def repeated_identifiers(table: Table, roles: Roles, schema: Schema, rows: np.ndarray) -> list[str]:
    """Identifiers that occur in several rows: the same patient on both sides of a split."""
    if roles.group is not None:
        return []
    for column in schema.columns:
        if column.kind == "identifier" and column.role == "left_out":
            values = table.frame[column.name].gather(rows).drop_nulls()
            distinct = values.n_unique()
            if distinct < 0.99 * len(values):
                return [
                    f"'{column.name}' names {distinct:,} things in {len(values):,} rows: rows of the same "
                    "one fall on both sides of a split and make scores too good. "
                    f"Keep them together with --group {_quoted(column.name)}."
                ]
    return []


def constants(schema: Schema) -> list[str]:
    """Columns that say nothing."""
    names = [c.name for c in schema.columns if c.kind == "constant" and c.role == "left_out"]
    if not names:
        return []
    which = _plural(len(names), "The column", "The columns")
    return [f"{which} {listed(names, MOST)} {_is(len(names))} constant or empty, and left out."]


def few_rows(rows: np.ndarray) -> list[str]:
    """So little data that a score is hardly worth its name."""
    if len(rows) >= 50:
        return []
    return [
        f"There {_is(len(rows))} only {_count(len(rows), 'row')} to learn from: read every score with care."
    ]


def capacity_warning(parameters: int, rows: int) -> str | None:
    """Whether a network has more parameters than its training rows can carry.

    Networks that are stopped early and averaged do well with several parameters a row (a 64-64 network
    has 6 a row on digits, 40 on iris); beyond 100 a row, most of what they learn is chance.

    >>> capacity_warning(9_000, 1_400) is None
    True
    """
    if parameters <= CAPACITY * max(1, rows):
        return None
    return (
        f"The largest network has {parameters:,} parameters for {_count(rows, 'row')}: most of them learn "
        f"chance. Try the linear family, smaller widths, fewer columns or more rows."
    )


def outside_warnings(schema: Schema, dataset: Dataset) -> list[str]:
    """Rows to predict that are unlike the development rows: numbers far outside, unseen categories.

    Far is beyond the range by more than its width, on either side.
    """
    found = []
    column_of = {name: column for column in schema.features for name in column.numeric_inputs}
    for f, name in enumerate(schema.numeric):
        column = column_of[name]
        words_only = column.kind == "boolean" and column.vocabulary != ("0", "1")
        if column.low is None or column.high is None or words_only:
            continue
        if column.kind == "datetime" and name != f"{column.name}{PART_OF}elapsed":
            continue
        x = dataset.inputs["numeric"][:, f]
        width = max(column.high - column.low, 1e-6 * max(abs(column.low), abs(column.high)), 1e-30)
        far = int(((x < column.low - width) | (x > column.high + width)).sum())
        if far:
            known = f"{column.low:.6g} to {column.high:.6g}"
            known = f"a span of {column.high:.0f} days" if column.kind == "datetime" else known
            found.append(
                f"{_count(far, 'value')} of '{column.name}' {_lies(far)} far outside "
                f"what was trained on ({known})."
            )
    for c, name in enumerate(schema.category):
        column = schema.column(name)
        unseen = int((dataset.inputs["category"][:, c] == len(column.vocabulary)).sum())
        if unseen:
            found.append(f"{_count(unseen, 'value')} of '{name}' {_was(unseen)} not seen in training.")
    more = len(found) - 2 * MOST
    return [*found[: 2 * MOST], f"{more} more columns are like this."] if more > 0 else found


def _quoted(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}" + ("" if n == 1 else "s")


def _plural(n: int, one: str, many: str) -> str:
    return one if n == 1 else many


def _is(n: int) -> str:
    return _plural(n, "is", "are")


def _was(n: int) -> str:
    return _plural(n, "was", "were")


def _lies(n: int) -> str:
    return _plural(n, "lies", "lie")
