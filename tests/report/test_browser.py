"""The page in a real browser: nothing sticks out at desktop or phone width. Skipped where Chromium is not."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from example_facts import example
from test_closeups import EXTRAS, PNG
from test_made import MADE, unlabelled

from coterie.report.page import render

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTHS = (390, 1280)
# the page forbids scripts; a copy without that rule is measured in frames as wide as a phone and a screen
FRAMES = """<!doctype html><body style="margin:0">{frames}<script>onload = () => {{
document.title = [...document.querySelectorAll('iframe')].map(({{ contentDocument: d }}) =>
'width ' + d.documentElement.scrollWidth + ' text ' + d.body.innerText.length).join(', '); }}</script>"""
FRAME = '<iframe src="page.html" width="{width}" height="900" style="border:0"></iframe>'


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("task", ["binary", "regression", "multiclass", "unsupervised"])
def test_nothing_sticks_out(task: str, tmp_path: Path) -> None:
    facts, arrays, curves = example(task) if task != "unsupervised" else (*unlabelled(MADE), [])
    if task == "multiclass":
        facts["closeup"] = EXTRAS
        cell = {"image": {"image": PNG}}
        facts["worst"] = [{**row, "values": cell} for row in facts["worst"]]
    page = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", render(facts, arrays, curves))
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    frames = "".join(FRAME.format(width=width) for width in WIDTHS)
    (tmp_path / "frame.html").write_text(FRAMES.format(frames=frames), encoding="utf-8")
    result = subprocess.run(
        [
            CHROMIUM or "",
            *FLAGS,
            "--allow-file-access-from-files",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1400,1000",
            "--dump-dom",
            (tmp_path / "frame.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    title = re.search(r"<title>(.*)</title>", result.stdout)
    found = re.findall(r"width (\d+) text (\d+)", title[1] if title else "")
    assert len(found) == len(WIDTHS), result.stdout[-500:] + result.stderr[-500:]
    for width, (needed, letters) in zip(WIDTHS, found, strict=True):
        assert int(needed) <= width
        assert int(letters) > 2000
