"""What was asked: every option of a study as one plain record, written to study.json and read back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from coterie.errors import SpecError, StudyError
from coterie.spec import show

Values = dict[str, Any]
SAMPLERS = ("tpe", "gp")  # searches that ask one of Optuna's samplers, batch by batch
IN_MEMORY = ("sqlite://", "sqlite:///", "sqlite:///:memory:")  # which no other process sees
CHOICES = {
    "search": ("full", "halving", *SAMPLERS),
    "compile": ("auto", "on", "off"),
    "fit_image": ("resize", "crop", "pad"),
    "tokenizer": ("auto", "bytes", "characters", "words", "bpe"),
}


@dataclass(frozen=True)
class Question:
    """The options of `coterie.fit`; `source` and `test` are paths or bundled names."""

    source: str
    target: tuple[str, ...] = ()
    test: str | None = None
    test_size: float = 0.2
    folds: int | None = None
    seeds: int = 1
    seed: int = 0
    candidates: int | None = None
    search: str = "full"
    storage: str | None = None
    models: tuple[str, ...] = ()
    metric: str | None = None
    fix: Values = field(default_factory=dict)
    grid: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    weight: str | None = None
    group: str | None = None
    time: str | None = None
    ignore: tuple[str, ...] = ()
    kinds: dict[str, str] = field(default_factory=dict)
    task: str | None = None
    positive: str | None = None
    prefer: str = "best"
    refit: bool = False
    by: tuple[str, ...] = ()
    rows: bool = True
    time_limit: float | None = None
    device: str = "auto"
    compile: str = "auto"
    image_size: int = 0
    fit_image: str = "resize"
    skip_bad: bool = False
    tokenizer: str = "auto"
    vocabulary: int = 0
    longest: int = 0
    sequence: str | None = None
    horizon: int = 0
    window: int = 0
    init: str | None = None

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if not _is(value, str(f.type)):
                raise SpecError(f"{f.name} must be {_words(str(f.type))}.", given=repr(value))
        _whole("folds", self.folds, 0, optional=True)
        _whole("seeds", self.seeds, 1)
        _whole("seed", self.seed, 0)
        _whole("candidates", self.candidates, 1, optional=True)
        for name in ("image_size", "vocabulary", "longest", "horizon", "window"):
            _whole(name, getattr(self, name), 0)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                given = repr(getattr(self, name))
                raise SpecError(f"{name} must be one of {', '.join(choices)}.", given=given)
        self._check_search()
        if self.prefer not in ("best", "simple"):
            raise SpecError("prefer must be best or simple.", given=repr(self.prefer), fix="Use prefer=best.")
        if self.time_limit is not None and not self.time_limit > 0:
            raise SpecError("time_limit must be a number of seconds above 0.", given=self.time_limit)
        if isinstance(self.test_size, bool) or not self.test_size >= 0:
            raise SpecError(
                "test_size must be a share from 0 to below 1, or a number of rows.",
                given=self.test_size,
                fix="For example 0.2; 0 sets nothing aside.",
            )

    def _check_search(self) -> None:
        if self.storage is not None and self.search not in SAMPLERS:
            raise SpecError(
                f"A storage is shared by searches that ask a sampler: {', '.join(SAMPLERS)}.",
                given=f"search={self.search}",
                fix="Use search=tpe, or leave the storage out.",
            )
        if self.storage in ("", *IN_MEMORY):
            raise SpecError(
                "A storage is where others find the search: a database or a file.",
                given=repr(self.storage),
                fix="Name it: sqlite:///trials.db, a database's URL, or a file.",
            )
        if self.storage is not None and "://" in self.storage and urlsplit(self.storage).password:
            raise SpecError(
                "A storage is written into the study and its report, so it must hold no password.",
                given="a URL with one",
                fix="Let the database's driver find it, as PostgreSQL's does in ~/.pgpass.",
            )
        if self.grid and self.search in SAMPLERS:
            raise SpecError(
                "A grid is tried whole; a sampler chooses.",
                given=f"a grid and search={self.search}",
                fix="Leave one of them out.",
            )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> Question:
        known = {f.name for f in fields(cls)}
        if not isinstance(data, dict) or "source" not in data or not set(data) <= known:
            raise StudyError(
                "study.json must be as Coterie wrote it.", given="a question that cannot be read"
            )
        lists = {name: tuple(v) for name, v in data.items() if isinstance(v, list)}
        made = {**data, **lists}
        if isinstance(data.get("grid"), dict):
            made["grid"] = {n: tuple(v) if isinstance(v, list) else v for n, v in data["grid"].items()}
        return cls(**made)

    def command(self, out: str | None = None) -> str:
        """The command line that asks the same."""
        source = f"./{self.source}" if self.source.startswith("-") else self.source
        words = ["coterie fit", _quoted(source)]
        default = Question(self.source)
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "source" or value == getattr(default, f.name):
                continue
            option = {"kinds": "--kind", "rows": "--no-rows"}.get(f.name, "--" + f.name.replace("_", "-"))
            if isinstance(value, bool):
                words.append(option)
            elif isinstance(value, dict):
                for name, one in value.items():
                    many = one if f.name == "grid" else (one,)
                    words += [_said(option, f"{name}={show(v)}") for v in many]
            else:
                words.append(_said(option, value))
        return " ".join(words + ([_said("--out", out)] if out else []))


def _whole(name: str, value: Any, least: int, optional: bool = False) -> None:
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SpecError(f"{name} must be a whole number from {least} upwards.", given=repr(value))


def _is(value: Any, kind: str) -> bool:
    """Whether a value is of a field's kind, which is as its annotation says."""
    if kind.endswith(" | None"):
        return value is None or _is(value, kind.removesuffix(" | None"))
    if kind == "tuple[str, ...]":
        return isinstance(value, tuple) and all(isinstance(v, str) for v in value)
    if kind.startswith("dict"):
        of = tuple if "tuple" in kind else str
        return isinstance(value, dict) and all(isinstance(v, of) for v in value.values())
    kinds: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "bool": bool, "Values": dict}
    return isinstance(value, kinds[kind]) and (kind == "bool" or not isinstance(value, bool))


def _words(kind: str) -> str:
    """A field's kind as a person says it."""
    said = {
        "str": "text",
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "tuple[str, ...]": "names",
        "dict[str, str]": "names with a text each",
        "Values": "names with a value each",
        "dict[str, tuple[Any, ...]]": "names with a list of values each",
    }
    return said[kind.removesuffix(" | None")]


def _said(option: str, value: Any) -> str:
    """An option and its value, as the command line reads them back."""
    if isinstance(value, tuple):  # names: a comma within one is kept by quotes
        text = ",".join('"' + n.replace('"', '""') + '"' if {*n} & {*',"'} else n for n in value)
    else:
        text = f"{value:.15g}" if isinstance(value, float) and option == "--time-limit" else show(value)
    return f"{option}={_quoted(text)}" if text.startswith("-") else f"{option} {_quoted(text)}"


def _quoted(text: str) -> str:
    plain = (
        text.replace("-", "")
        .replace("_", "")
        .replace("/", "")
        .replace(".", "")
        .replace("=", "")
        .replace(",", "")
    )
    return text if plain.isalnum() else "'" + text.replace("'", "'\\''") + "'"
