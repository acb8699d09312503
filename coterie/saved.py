"""A model's folder on disk, and how to tell that it is as it was written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from coterie.errors import CoterieError, ModelError

FORMAT = 1  # of the folder; a later version reads all earlier ones
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json says; `ModelError` if the folder is no model's, or was changed."""
    if not (folder / CONFIG).is_file():
        raise ModelError(
            f"A model folder holds {CONFIG} and {WEIGHTS}.",
            given=f"'{folder}', which {'does not exist' if not folder.exists() else f'has no {CONFIG}'}",
            fix="Name a study's folder (runs/NAME-N) or its model/.",
        )
    try:
        config = json.loads(read_bytes(folder / CONFIG))
    except ValueError as error:
        raise spoilt(folder / CONFIG, "text that is not JSON: changed or cut short") from error
    if not isinstance(config, dict) or config.get("library_name") != "coterie":
        raise spoilt(folder, "a model of another program")
    if not isinstance(config.get("format"), int) or config["format"] > FORMAT:
        raise ModelError(
            "A model must be of a format that this version knows.",
            given=f"format {config.get('format')} in '{folder}'; this is {FORMAT}",
            fix="Upgrade coterie.",
        )
    if config.get("checksum") != checksum(config):
        raise spoilt(folder / CONFIG, "contents that do not match their checksum: changed by hand")
    return config


def read_bytes(path: Path) -> bytes:
    """A file of the folder, whole."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise spoilt(path, f"a file that cannot be read ({error.strerror})") from error


def checksum(facts: dict[str, Any]) -> str:
    """Of JSON-able facts, but for the checksum among them: what was changed by hand is known by it."""
    rest = {name: value for name, value in facts.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def spoilt(path: Path, given: str) -> CoterieError:
    """What is said of a folder that is not as it was written."""
    return ModelError(
        "A model folder must be as Coterie wrote it.",
        given=f"'{path}', {given}",
        fix="Use an unchanged copy.",
    )
