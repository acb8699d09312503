"""Figures that suit the kind of the data: filters and feature maps, attention, forecasts, augmentation.

What they show was found by the study (`study/closeup.py`) and is plain data; pictures are embedded PNGs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from coterie.report.augmented import augmented
from coterie.report.drawing import as_array
from coterie.report.illustrations import Album, Mosaic, Plate
from coterie.report.made import without_rows
from coterie.report.numbers import count
from coterie.report.sequences import attention_map, forecast_lines
from coterie.report.thumbnails import line
from coterie.report.traces import weight_paths

OF_ROWS = (
    "maps",
    "attention",
    "highlights",
    "writings",
    "samples",
    "forecasts",
    "augmented",
)  # not without single rows

Facts = dict[str, Any]


def allowed(facts: Facts) -> Facts:
    """What of the study's close-up may be shown: nothing of single rows where they are to be left out."""
    found: Facts = facts["closeup"] or {}
    if not facts["rows_left_out"]:
        return found
    found = {n: v for n, v in found.items() if n not in OF_ROWS}
    return found | ({"made": without_rows(found["made"])} if "made" in found else {})


def inside(found: Facts) -> bool:
    """Whether there is anything to show of how the network works."""
    shown = {"filters", "maps", "attention", "highlights", "forecasts", "augmented", "coefficients", "trace"}
    return bool(shown & set(found))


def of_network(found: Facts) -> list[Mosaic]:
    """The first filters, and what they make of one image."""
    mosaics = []
    if "filters" in found:
        item = found["filters"]
        kind = (
            "Colours as they are looked for, around grey."
            if item["channels"] == 3
            else "Brown counts for, blue against."
            + (f" The mean of {item['channels']} channels." if item["channels"] > 1 else "")
        )
        caption = f"{_shown(item, 'filter')} of the first convolution, each {_size(item)}. {kind}"
        alt = f"{_shown(item, 'filter')}, each {_size(item)}"
        mosaics.append(Mosaic("The first filters", (("", item["image"], alt),), caption))
    if "maps" in found:
        item = found["maps"]
        caption = (
            f"Row {item['row']}, one of the {found['part']} rows, and the {_shown(item, 'feature map')} that "
            f"the first convolution makes of it, each {_size(item)}: bright is where its filter answers most."
        )
        alt = f"{_shown(item, 'feature map')} of row {item['row']}"
        panels = (
            ("the image", item["original"], "The image itself"),
            ("its feature maps", item["image"], alt),
        )
        mosaics.append(Mosaic("What the first filters see", panels, caption))
    return mosaics


def of_episode(found: Facts) -> list[Mosaic]:
    """Moments of an episode that an agent played, and of a grid the way that it took."""
    item = found.get("episode", {})
    if "image" not in item:
        return []
    moments = ", ".join(str(step) for step in item["shown"][:-1]) + f" and {item['shown'][-1]}"
    caption = f"From left to right, line by line: after {moments} steps."
    drawn = [Mosaic("An episode, moment by moment", (("", item["image"], caption),), caption)]
    if "path" in item:
        alt = "The grid with every cell that was trodden"
        drawn.append(
            Mosaic("The way it took", (("", item["path"], alt),), "Brown is where it was, green the goal.")
        )
    return drawn


def of_sequences(album: Album, found: Facts, arrays: Facts) -> list[Plate]:
    """Attention maps, forecasts over the truth, and augmented examples.

    arrays: "augmented_before" and "augmented_after", (N, C, H, W) or (N, T, F).
    """
    plates = [
        album.plate(
            f"Where it looks, row {item['row']}",
            attention_map(item["weights"], item["down"], item["across"]),
            "The darker, the more the written token (from above, the true text being given word by word) "
            f"looked at this step of what was read. The row is one of the {found['part']} rows.",
            f"Attention of {count(len(item['down']), 'written token')} over "
            f"{count(len(item['across']), 'step')} that were read.",
        )
        for item in found.get("attention", [])
    ]
    if "trace" in found:
        item = found["trace"]
        plates.append(
            album.plate(
                "The weights while it learned",
                weight_paths(item["names"], item["steps"], item["values"]),
                "Every weight of one network, from its start on, step by step.",
            )
        )
    if "forecasts" in found:
        item = found["forecasts"]
        ax = forecast_lines(item["truth"], item["origins"], name=item["name"], half_width=item["half_width"])
        steps = len(item["origins"][0]["values"])
        band = " The band is the prediction interval of each step." if item["half_width"] else ""
        plates.append(
            album.plate(
                "Forecasts over the truth",
                ax,
                f"The last {count(len(item['origins']), 'forecast')} among the {found['part']} rows, each of "
                f"{count(steps, 'step')} from where a dotted line stands.{band}",
            )
        )
    if "augmented" in found and "augmented_before" in arrays:
        before, after = (as_array(arrays[f"augmented_{when}"]) for when in ("before", "after"))
        plates.append(
            album.plate(
                "What training made of examples",
                augmented(before, after),
                "Training rows as they are, and under each one of the forms in which the network met it.",
            )
        )
    return plates


def cell(value: Any) -> Facts:
    """A cell of a row as the page's template tells them apart: {"text"}, {"image"} or {"line"}."""
    if isinstance(value, dict) and "image" in value:
        return {"image": value["image"]}
    if isinstance(value, dict) and "sequence" in value:
        steps = np.array(value["sequence"], dtype=np.float64)
        return {"line": line(steps.reshape(len(steps), -1) if steps.size else np.zeros((len(steps), 1)))}
    return {"text": value}


def gallery(rows: list[Facts]) -> list[Facts]:
    """The worst rows as pictures with a line each, where a row has an image and nothing else; else []."""
    shown = []
    for row in rows:
        cells = [cell(value) for value in row["values"].values()]
        if len(cells) != 1 or "image" not in cells[0]:
            return []
        shown.append({"image": cells[0]["image"], **{n: row[n] for n in ("row", "truth", "prediction")}})
    return shown


def _shown(item: Facts, what: str) -> str:
    some = item["shown"] < item["count"]
    return f"{item['shown']} of {count(item['count'], what)}" if some else count(item["count"], what)


def _size(item: Facts) -> str:
    return f"{item['height']} × {item['width']}"
