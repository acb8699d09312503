"""How every figure is made and written: one palette, one canvas, and small SVG of the same bytes each time.

A colour has one meaning throughout: ACCENT is the chosen network, OTHER whatever it is seen beside, SECOND
the second thing of a pair. In the page they become CSS variables, so that one figure suits light and dark.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from coterie.report.numbers import RAISED

INK, MUTED, LINE, OTHER, PAPER = "#1f2429", "#68707a", "#dfe3e8", "#9ea7b3", "#fefefd"
ACCENT, SECOND, THIRD, FOURTH = "#0b66b0", "#c4560b", "#0a8a67", "#a3478f"
NAMED = (ACCENT, SECOND, THIRD, FOURTH)  # told apart by all common kinds of colour vision
MIDDLE = (
    "#3f8fd2",
    "#e07b39",
    "#2fae8a",
    "#c06fae",
    "#b8a136",
    "#8a8f98",
)  # for pixels: fair on light and dark
_VARIABLES = {
    INK: "ink", MUTED: "muted", LINE: "line", OTHER: "other", PAPER: "paper",
    ACCENT: "accent", SECOND: "second", THIRD: "third", FOURTH: "fourth",
}  # fmt: skip

WIDTH, HEIGHT = 5.2, 3.5  # inches; 374 units across: text stays readable on a phone
SMALL = (2.75, 2.3)
_STYLE: list[Any] = [
    "default",
    {
        "font.size": 9.5, "axes.labelsize": 9.5, "axes.labelcolor": INK, "axes.edgecolor": OTHER,
        "axes.linewidth": 0.8, "axes.spines.top": False, "axes.spines.right": False, "axes.facecolor": "none",
        "axes.axisbelow": True, "axes.grid": True, "grid.color": LINE, "grid.linewidth": 0.7,
        "xtick.color": OTHER, "ytick.color": OTHER, "text.color": INK, "axes.unicode_minus": True,
        "figure.facecolor": "white",
    },
]  # fmt: skip


def canvas(ax: Axes | None, width: float = WIDTH, height: float = HEIGHT) -> Axes:
    """The Axes given, left as it is, or those of a new Figure in the house style."""
    if ax is not None:
        return ax
    with matplotlib.style.context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        made = figure.add_subplot()
        made.tick_params(labelsize=8.5, labelcolor=MUTED, length=3)
        made.xaxis.get_offset_text().set(fontsize=8, color=MUTED)
        made.yaxis.get_offset_text().set(fontsize=8, color=MUTED)
    return made


def plain(text: object, limit: int = 22) -> str:
    """User text made safe for a figure: printable, short, no mathematics, never taken for a private label."""
    clean = "".join(c if c.isprintable() else " " for c in str(text)).strip()
    if len(clean) > limit:
        clean = clean[: limit - 1].rstrip() + "…"
    clean = clean.replace("$", r"\$")
    return f" {clean}" if clean.startswith("_") else clean


def legend(ax: Axes, handles: Sequence[Any], labels: Sequence[str], place: str = "best") -> None:
    """A frameless legend in the house style; place "above" is a line over the plot, where it covers
    nothing.
    """
    anchor: dict[str, Any]
    if place == "above":
        anchor = {
            "loc": "lower left",
            "bbox_to_anchor": (-0.01, 1.0),
            "ncols": len(labels),
            "columnspacing": 1.4,
        }
    else:
        anchor = {"loc": place}
    ax.legend(
        handles, labels, **anchor, frameon=False, fontsize=8.5, labelcolor=INK,
        handlelength=1.6, borderaxespad=0.3, labelspacing=0.35,
    )  # fmt: skip


def say(ax: Axes, text: str) -> Axes:
    """Empty axes that say why nothing is drawn."""
    ax.set_axis_off()
    ax.text(
        0.5, 0.5, text, ha="center", va="center", color=MUTED, fontsize=9.5, transform=ax.transAxes, wrap=True
    )
    return ax


def as_array(values: Any) -> np.ndarray:
    """A float64 or integer array of a list, an array or a tensor on any device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    array = np.asarray(values)
    return array.astype(np.float64) if array.dtype.kind in "fO" else array


def powers(value: float, _: object = None) -> str:
    """A tick of a logarithmic axis: "0.01", "1", "10⁻⁵"; nothing at what is no power of ten."""
    exponent = round(np.log10(value)) if value > 0 else 0
    if not np.isclose(value, 10.0**exponent):
        return ""
    return f"{value:g}" if -4 < exponent < 4 else f"10{str(exponent).translate(RAISED)}"


def finite(values: Iterable[Any]) -> np.ndarray:
    """The finite numbers among values (None counts as NaN)."""
    array = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    return array[np.isfinite(array)]


def spaced(order: np.ndarray, limit: int) -> np.ndarray:
    """At most `limit` entries of an ordering, evenly spaced, first and last kept: a subsample without
    chance.
    """
    if len(order) <= limit:
        return order
    return order[np.unique(np.linspace(0, len(order) - 1, limit).round().astype(np.int64))]


def to_svg(ax: Axes, alt: str, key: str) -> str:
    """The figure of `ax` as an `<svg>` element to stand inside HTML; text stays text, ids start with `key`.

    The bytes depend on what is drawn alone: no dates, no random ids.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    buffer = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": "coterie", "path.simplify": True}
    with matplotlib.style.context([*_STYLE, settings]), warnings.catch_warnings():
        # The reader's browser sets the text in its own fonts, so it does not matter which letters ours lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        # As savefig does, without its rehearsal, which costs as much as the drawing itself.
        face, dpi = figure.get_facecolor(), figure.dpi
        figure.set(facecolor="none", dpi=170)
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)
        figure.set(facecolor=face, dpi=dpi)
    return _inline(buffer.getvalue(), alt, key)


def _inline(svg: str, alt: str, key: str) -> str:
    """Matplotlib's document reduced to one element: no metadata, own ids, page colours and page fonts."""
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box is not None, "matplotlib writes a viewBox"
    body = svg[svg.index(">", box.end()) + 1 : svg.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", body, flags=re.S)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', body))
    body = re.sub(
        r'<([^<>]*?) id="([^"]*)"',
        lambda m: f"<{m[1]}" + (f' id="{key}-{m[2]}"' if m[2] in used else ""),
        body,
    )
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{key}-", body).replace("xlink:href", "href")
    body = re.sub(r'(?<= d=")[^"]*', lambda m: _shorter(m[0]), body)
    body = re.sub(r'(?<= [xy]=")[-\d.]+(?=")', lambda m: _shorter(m[0]), body)
    body = re.sub(r'style="([^"]*)"', lambda m: f'style="{_themed(m[1])}"', body)
    body = re.sub(r"\s*\n\s*", "\n", body).replace("<defs>\n</defs>\n", "")
    width, height = float(box[1]), float(box[2])
    return (
        f'<svg class="plot" role="img" aria-label={quoteattr(alt)} viewBox="0 0 {width:g} {height:g}" '
        f'style="max-width: {1.5 * width:.0f}px">{body}</svg>'
    )


def _shorter(numbers: str) -> str:
    numbers = re.sub(r"(\.\d\d)\d+", r"\1", numbers)
    return re.sub(r"\s*\n\s*", " ", numbers).strip()


def _themed(style: str) -> str:
    style = re.sub(
        r"#[0-9a-f]{6}", lambda m: f"var(--{_VARIABLES[m[0]]})" if m[0] in _VARIABLES else m[0], style
    )
    style = re.sub(r"font: ((?:[\w.]+ )*?)([\d.]+px) [^;]*", _font, style)
    return re.sub(r"font-family: [^;]*;?\s*", "", style)


def _font(match: re.Match[str]) -> str:
    weight = "; font-weight: 600" if re.search(r"bold|[6-9]00", match[1]) else ""
    return f"font-size: {match[2]}{weight}"
