"""Figures of what a model makes: reconstructions, samples, walks through its codes, the plane of the codes.

What they show was found by the study (`study/made.py`) and is plain data; pictures are embedded PNGs.
"""

from __future__ import annotations

from typing import Any

from coterie.report.illustrations import Album, Mosaic, Plate
from coterie.report.numbers import count, significant
from coterie.report.over_training import growth_clouds
from coterie.report.planes import clouds, code_plane

Facts = dict[str, Any]


def without_rows(found: Facts) -> Facts:
    """The same without what shows single rows of the data."""
    found = {name: item for name, item in found.items() if name != "reconstructions"}
    if "samples" in found:
        found["samples"] = {name: item for name, item in found["samples"].items() if name != "nearest"}
    return found


def mosaics(found: Facts, part: str) -> list[Mosaic]:
    """Pictures: of `study/made.py`'s facts; part: what kind of rows they are of."""
    made = []
    again = found.get("reconstructions", {})
    if "image" in again:
        caption = (
            f"Above, the first of the {part} rows, which it was not trained on; below, as they come back."
        )
        made.append(Mosaic("Rows and what comes back", (("", again["image"], caption),), caption))
    drawn = found.get("samples", {})
    if "image" in drawn:
        panels = (("", drawn["image"], f"{drawn['count']} samples"),)
        made.append(Mosaic("Samples", panels, "Rows of its own, the first ones drawn: none was picked."))
    grown = [look for look in found.get("growth", []) if "image" in look]
    if grown:
        lines = tuple(
            (f"epoch {look['epoch']}{' (kept)' if look is grown[-1] else ''}", look["image"],
             f"Samples at epoch {look['epoch']}")
            for look in grown
        )  # fmt: skip
        caption = "What one network made at a few epochs, each column always of the same noise."
        made.append(Mosaic("Samples over training", lines, caption, lined=True))
    if "nearest" in drawn:
        caption = "Above, the first samples; below each the training row that is nearest to it."
        made.append(Mosaic("Are they copies?", (("", drawn["nearest"]["image"], caption),), caption))
    if "walk" in found:
        item = found["walk"]
        ends = f"{significant(item['low'])} to {significant(item['high'])}"
        caption = (
            f"Each line changes one of the {count(item['codes'], 'code number')} that vary most, from "
            f"{ends} deviations; the others stay at their means."
        )
        made.append(Mosaic("A walk through the codes", (("", item["image"], caption),), caption))
    if "chain" in found:
        item = found["chain"]
        caption = f"{count(item['rows'], 'sample')}, from noise on the left to what is drawn on the right."
        made.append(Mosaic("From noise to a sample", (("", item["image"], caption),), caption))
    return made


def plates(album: Album, found: Facts, arrays: Facts) -> list[Plate]:
    """The plane of the codes, and samples beside rows where these are points of a plane."""
    drawn = []
    if "plane" in arrays and "codes" in found:
        item = found["codes"]
        names = (
            ("first direction", "second direction") if item.get("flat") else ("first number", "second number")
        )
        caption = f"{count(item['rows'], 'row')} that it was not trained on, each at its code"
        caption += (
            f"; of {item['width']} numbers the two directions in which they vary most are shown."
            if item.get("flat")
            else "."
        )
        if "label" in item:
            caption += f" Colours are what “{item['label']}” says, which it was never told."
        ax = code_plane(arrays["plane"], arrays["plane_label"], item.get("classes", ()), names=names)
        drawn.append(album.plate("The codes", ax, caption))
    if "cloud_real" in arrays and "samples" in found:
        ax = clouds(arrays["cloud_real"], arrays["cloud_made"], names=found["samples"]["axes"])
        drawn.append(album.plate("Samples beside rows", ax, "As many samples as rows, none of them picked."))
        grown = [look for look in found.get("growth", []) if "points" in look]
        if grown:
            ax = growth_clouds(grown, arrays["cloud_real"], names=found["samples"]["axes"])
            caption = "What one network made at a few epochs, of the same noise; rows in grey."
            drawn.append(album.plate("Samples over training", ax, caption))
    return drawn
