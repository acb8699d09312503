"""A module imports only what stands above it: the list is the order in which the program can be read.

Every import counts, also those inside functions and those for type checking. The package root may be
imported by anyone, for its version, and imports nothing heavy itself.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import coterie

ROOT = Path(coterie.__file__).parent
ORDER = (
    "errors",
    "randomness",
    "spec",
    "metrics",
    "data",
    "lifting",
    "objectives",
    "models",
    "training",
    "making",
    "saved",
    "model",
    "report",
    "study",
    "verbs",
    "estimators",
    "progress",
    "display",
    "cli",
    "__main__",
)
# Known to point down, each with its reason: none is added without one.
EXCEPTIONS = {
    ("coterie.model", "coterie.report.notebook"): "a notebook asks the object itself for its HTML",
}
MODULES = {
    ".".join(("coterie", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}


def imported(module: str, source: str) -> Iterator[tuple[int, str]]:
    """(line, full name) of everything of this package that a module's source imports, wherever it does."""
    package = module if MODULES.get(module, Path()).name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (start, node.module) if part)
            within = [f"{base}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else base for name in within]
        yield from ((node.lineno, name) for name in names if name.split(".")[0] == "coterie")


def place(module: str) -> int:
    part = module.split(".")[1]
    assert part in ORDER, f"{module} has no place in the order of imports: give '{part}' one in {__file__}"
    return ORDER.index(part)


def points_down(module: str, source: str) -> list[str]:
    return [
        f"{module}:{line} imports {name}"
        for line, name in imported(module, source)
        if name != "coterie" and place(name) > place(module) and (module, name) not in EXCEPTIONS
    ]


@pytest.mark.parametrize("module", [name for name in MODULES if name != "coterie"])
def test_imports_point_up(module: str) -> None:
    assert not points_down(module, MODULES[module].read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        "import coterie.study.study",
        "from coterie import verbs",
        "from coterie.report.page import render",
        "from ..study import search",
        "def late():\n    from coterie.cli import main",
        "if TYPE_CHECKING:\n    from coterie.model import Model",
    ],
)
def test_one_that_points_down_is_found(source: str) -> None:
    assert len(points_down("coterie.training.loop", source)) == 1
    assert not points_down(
        "coterie.training.loop", "import torch\nfrom coterie import spec, __version__\nfrom . import step"
    )


def test_exceptions_are_still_needed() -> None:
    for module, name in EXCEPTIONS:
        names = [found for _, found in imported(module, MODULES[module].read_text(encoding="utf-8"))]
        assert name in names, f"{module} no longer imports {name}"


def test_every_module_that_is_imported_exists() -> None:
    for module, path in MODULES.items():
        for line, name in imported(module, path.read_text(encoding="utf-8")):
            assert name in MODULES, f"{module}:{line} imports {name}"


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("coterie", ("torch", "sklearn", "polars", "matplotlib", "pandas", "numpy")),
        ("coterie.verbs", ("sklearn", "matplotlib", "pandas", "scipy")),  # needed by what follows training
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(module: str, heavy: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert found.stdout == "[]\n"
    assert coterie.__version__
