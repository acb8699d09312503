"""The command line's grammar: verbs, their options, and what their help says. It imports no heavy library.

An option that is not given is absent from what is parsed, so that defaults stand in one place: the verbs.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from coterie import __version__
from coterie.cli.values import (
    at_least_zero,
    column_kind,
    duration,
    names,
    pair,
    probability,
    share_or_count,
    whole,
)
from coterie.cli.words import DATA, DESCRIPTION, VERBS
from coterie.errors import SpecError


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are raised, as every mistake of a user is."""

    def error(self, message: str) -> NoReturn:
        text = message.removeprefix("argument ")
        rule = text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")
        raise SpecError(rule, fix=f"See `{self.prog} --help`.")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """What was asked; `SpecError` that names the nearest verb or option where a word is unknown.

    Help and the version are printed, and leave by SystemExit(0).
    """
    parser, verbs = build()
    if words and not words[0].startswith("-") and words[0] not in verbs:
        raise _no_verb(words, list(verbs))
    asked, left = parser.parse_known_args(words)
    if left:
        raise _not_understood(left, verbs[asked.verb])
    return asked


def build() -> tuple[Parser, dict[str, Parser]]:
    """The parser, and that of each verb by name."""
    shape: dict[str, Any] = {
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,
        "argument_default": argparse.SUPPRESS,
    }
    parser = Parser("coterie", description=DESCRIPTION, usage="coterie VERB …", **shape)
    parser.add_argument(
        "--version", action="version", version=f"coterie {__version__}", help="print the version and leave"
    )
    verbs = parser.add_subparsers(
        dest="verb", required=True, metavar="VERB", prog="coterie", help=argparse.SUPPRESS
    )
    made: dict[str, Parser] = {}
    for name, verb in VERBS.items():
        usage = f"coterie {name} {verb.usage}"
        made[name] = verbs.add_parser(name, usage=usage, description=verb.says, epilog=verb.end, **shape)
    _fit(made["fit"])
    _inspect(made["inspect"])
    _others(made)
    return parser, made


def _fit(fit: Parser) -> None:
    fit.add_argument("data", nargs="?", help=DATA)
    fit.add_argument("--out", metavar="DIR", help="the study's folder (default: runs/NAME-N)")
    fit.add_argument("--config", metavar="FILE", help="repeat a study from its own study.json")
    _roles(fit)
    _read(fit)
    _tried(fit)
    _judged(fit)
    _run(fit)


def _inspect(inspect: Parser) -> None:
    inspect.add_argument("data", nargs="?", help=DATA)
    _roles(inspect)
    _read(inspect)
    _tried(inspect)
    _judged(inspect)
    _json(inspect)


def _others(made: dict[str, Parser]) -> None:
    """The short verbs."""
    resume = made["resume"]
    resume.add_argument("folder", help="the study's folder, such as runs/patients-1")
    _quiet(resume)
    _json(resume)

    predict = made["predict"]
    predict.add_argument("folder", help="a study's folder, or a model's")
    predict.add_argument("data", help=DATA)
    predict.add_argument(
        "-o", "--out", metavar="FILE", help=".csv, .tsv, .jsonl or .parquet (default: CSV to stdout)"
    )
    predict.add_argument(
        "--threshold",
        type=probability,
        metavar="P",
        help="of two classes: call a row positive from this probability on (default: 0.5)",
    )
    _keep(predict)
    _skip_bad(predict, default=False)
    predict.add_argument("--quiet", action="store_true", default=False, help="no warnings")

    evaluate = made["evaluate"]
    evaluate.add_argument("folder", help="the study's folder")
    evaluate.add_argument("data", help=DATA)
    _by(evaluate)
    _skip_bad(evaluate, default=False)
    _json(evaluate)

    _makers(made)
    report = made["report"]
    report.add_argument("folder", help="the study's folder")
    report.add_argument(
        "-o", "--out", metavar="FILE", help="where to (default: report.html in the study's folder)"
    )
    _no_rows(report)
    _json(report)

    models = made["models"]
    models.add_argument("name", nargs="?", help="a family, such as mlp")
    _drawn(models)
    _json(models)


def _makers(made: dict[str, Parser]) -> None:
    """The verbs of what a model makes."""
    written = ".csv, .tsv, .jsonl or .parquet; of images .png or .npy"
    drawn = made["sample"]
    drawn.add_argument("folder", help="a study's folder, or a model's")
    drawn.add_argument("-n", type=whole(1), metavar="N", help="how many (default: 64)")
    drawn.add_argument("--label", metavar="CLASS", help="of this class, where the family was told classes")
    drawn.add_argument("--seed", type=whole(0), metavar="N", help="of what is drawn (default: 0)")
    drawn.add_argument("-o", "--out", metavar="FILE", help=f"{written} (default: CSV to stdout)")
    drawn.add_argument("--quiet", action="store_true", default=False, help="no word but errors")
    for name in ("encode", "reconstruct"):
        verb = made[name]
        verb.add_argument("folder", help="a study's folder, or a model's")
        verb.add_argument("data", help=DATA)
        forms = ".csv, .tsv, .jsonl, .parquet or .npy" if name == "encode" else written
        verb.add_argument("-o", "--out", metavar="FILE", help=f"{forms} (default: CSV to stdout)")
        if name == "encode":
            _keep(verb)
        _skip_bad(verb, default=False)
        verb.add_argument("--quiet", action="store_true", default=False, help="no warnings")
    said = made["generate"]
    said.add_argument("folder", help="a study's folder, or a model's")
    said.add_argument("--prompt", metavar="TEXT", help="what the text begins with")
    said.add_argument("--length", type=whole(1), metavar="N", help="tokens at most (default: 300)")
    said.add_argument(
        "--temperature",
        type=at_least_zero,
        metavar="T",
        help="(default: 1) as bold as what was learned; below: safer; 0: always the most probable token",
    )
    said.add_argument("--top-k", type=whole(1), metavar="K", help="draw among the K most probable tokens")
    said.add_argument(
        "--top-p", type=probability, metavar="P", help="draw among the most probable that have this share"
    )
    said.add_argument("--seed", type=whole(0), metavar="N", help="of what is drawn (default: 0)")


def _drawn(verb: Parser) -> None:
    group = verb.add_argument_group("what the drawn network is given (default: typical of the family)")
    group.add_argument("--image", metavar="C,H,W", help="an image: channels, height, width")
    group.add_argument("--steps", metavar="T,F", help="a sequence: steps, numbers a step")
    group.add_argument("--words", metavar="T,V", help="a text: tokens, entries of the vocabulary")
    group.add_argument("--columns", type=whole(1), metavar="N", help="a table's row: columns of numbers")
    group.add_argument("--classes", type=whole(2), metavar="K", help="what it answers (default: 10 classes)")
    group.add_argument(
        "--fix", action="append", type=pair, metavar="NAME=VALUE", help="a hyperparameter; may be given again"
    )


def _roles(verb: Parser) -> None:
    group = verb.add_argument_group("the table")
    many: dict[str, Any] = {"action": "extend", "type": names, "metavar": "COLUMN"}
    group.add_argument("--target", **many, help="what to predict; several with commas, or given again")
    group.add_argument(
        "--task", metavar="TASK", help="binary, multiclass, multilabel or regression (default: found out)"
    )
    group.add_argument("--positive", metavar="CLASS", help="of two classes, the one that is looked for")
    group.add_argument("--weight", metavar="COLUMN", help="how much each row counts")
    group.add_argument(
        "--group", metavar="COLUMN", help="rows that belong together and are never split, such as a patient"
    )
    group.add_argument("--time", metavar="COLUMN", help="train on earlier rows, judge on later ones")
    group.add_argument("--ignore", **many, help="leave columns out; several with commas, or given again")
    group.add_argument(
        "--kind",
        dest="kinds",
        action="append",
        type=column_kind,
        metavar="COLUMN=KIND",
        help="what a column is: numeric, category, boolean, datetime, …; may be given again",
    )


def _read(verb: Parser) -> None:
    group = verb.add_argument_group("images, texts, sequences")
    group.add_argument(
        "--image-size", type=whole(1), metavar="N", help="side in pixels (default: by the files)"
    )
    group.add_argument(
        "--fit-image", choices=("resize", "crop", "pad"), help="how sizes are made equal (default: resize)"
    )
    _skip_bad(group)
    group.add_argument(
        "--tokenizer",
        choices=("words", "characters", "bytes", "bpe"),
        help="how texts are cut (default: by the texts)",
    )
    group.add_argument(
        "--vocabulary", type=whole(8), metavar="N", help="tokens known, at most (default: 10000)"
    )
    group.add_argument("--longest", type=whole(2), metavar="N", help="tokens of a text, at most")
    group.add_argument(
        "--sequence", metavar="COLUMN", help="rows of one value here are the steps of one sequence, by --time"
    )
    group.add_argument(
        "--horizon",
        type=whole(1),
        metavar="N",
        help="forecast the target N steps ahead, in the order of --time",
    )
    group.add_argument("--window", type=whole(1), metavar="N", help="steps that a forecast is made from")


def _tried(verb: Parser) -> None:
    group = verb.add_argument_group("what is tried")
    group.add_argument(
        "--models",
        action="extend",
        type=names,
        metavar="NAME",
        help="families, with commas (default: all that suit; `coterie models` lists them)",
    )
    group.add_argument(
        "--init",
        metavar="FOLDER",
        help="start from the weights of an earlier study or model, or of hf:NAME; see freeze, thaw, discount",
    )
    group.add_argument(
        "--candidates", type=whole(1), metavar="N", help="how many (16; 4 of images, sequences, texts, games)"
    )
    group.add_argument(
        "--search",
        action="append",
        choices=("full", "halving", "tpe", "gp"),
        help="full: all are trained to the end (the default); halving: those that fall behind leave early; "
        "tpe, gp: Optuna chooses, in four batches, by what the earlier came to",
    )
    shared = "with tpe, gp: search together with others, through sqlite:///FILE, a database's URL or a file"
    group.add_argument("--storage", metavar="WHERE", help=shared)
    many: dict[str, Any] = {"action": "append", "type": pair, "metavar": "NAME=VALUE"}
    same = "the same for all, such as lr=1e-3, lr=auto (range test) or hidden=64,64; may be given again"
    group.add_argument("--fix", **many, help=same)
    group.add_argument("--grid", **many, help="given again for each value: all combinations are tried")
    group.add_argument("--epochs", type=whole(1), metavar="N", help="short for --fix epochs=N")
    group.add_argument("--batch-size", type=whole(1), metavar="N", help="short for --fix batch_size=N")
    group.add_argument(
        "--patience", type=whole(0), metavar="N", help="short for --fix patience=N; 0: no early stopping"
    )


def _judged(verb: Parser) -> None:
    group = verb.add_argument_group("how it is judged")
    group.add_argument(
        "--metric", metavar="NAME", help="what to choose by (default: log loss for classes, RMSE for values)"
    )
    group.add_argument("--test", metavar="FILE", help="a test set of its own")
    group.add_argument(
        "--test-size", type=share_or_count, metavar="SHARE", help="share or number of rows (default: 0.2)"
    )
    group.add_argument(
        "--folds",
        type=whole(0),
        metavar="N",
        help="(default: 5) 1: one validation part, the default above 100,000 rows; 0: none",
    )
    group.add_argument(
        "--seeds", type=whole(1), metavar="N", help="networks for each candidate and fold (default: 1)"
    )
    group.add_argument("--seed", type=whole(0), metavar="N", help="of all that is random (default: 0)")


def _run(fit: Parser) -> None:
    chosen = fit.add_argument_group("the winner")
    chosen.add_argument(
        "--prefer",
        choices=("best", "simple"),
        help="best: by mean score; simple: the simplest within one standard error of it",
    )
    chosen.add_argument("--refit", action="store_true", help="train the winner again on all training rows")
    _by(chosen)
    _no_rows(chosen)
    group = fit.add_argument_group("running")
    group.add_argument(
        "--time-limit",
        type=duration,
        metavar="TIME",
        help="such as 90 (seconds), 10m, 1h30m: then the best so far",
    )
    group.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), help="(default: auto)")
    group.add_argument(
        "--compile",
        choices=("auto", "on", "off"),
        help="compile the steps; auto: where it costs less than it saves on this machine (default: auto)",
    )
    _quiet(group)
    _json(group)


def _by(verb: Any) -> None:
    verb.add_argument(
        "--by", action="extend", type=names, metavar="COLUMN", help="scores for each value of a column"
    )


def _keep(verb: Any) -> None:
    verb.add_argument(
        "--keep",
        action="extend",
        type=names,
        metavar="COLUMN",
        help="columns of the data to put beside what is written, such as a patient's number",
    )


def _skip_bad(verb: Any, default: Any = argparse.SUPPRESS) -> None:
    verb.add_argument(
        "--skip-bad",
        action="store_true",
        default=default,
        help="leave out image files that cannot be read, and say which",
    )


def _no_rows(verb: Any) -> None:
    verb.add_argument("--no-rows", dest="rows", action="store_false", help="no row of the data in the report")


def _quiet(verb: Any) -> None:
    verb.add_argument(
        "--quiet", action="store_true", default=False, help="no progress; only the summary at the end"
    )


def _json(verb: Any) -> None:
    verb.add_argument(
        "--json", action="store_true", default=False, help="print one JSON object and nothing else"
    )


def _no_verb(words: Sequence[str], verbs: Sequence[str]) -> SpecError:
    near = difflib.get_close_matches(words[0], verbs, n=1)
    as_data = "." in words[0] or words[0] in DATA.replace(",", "").split()
    if near:
        fix = f"Did you mean `coterie {near[0]}`?"
    elif as_data:
        fix = f"Did you mean `coterie fit {' '.join(words)}`?"
    else:
        fix = "See `coterie --help`."
    return SpecError(f"A verb must be one of {', '.join(verbs)}.", given=repr(words[0]), fix=fix)


def _not_understood(left: Sequence[str], verb: Parser) -> SpecError:
    options = [word.partition("=")[0] for word in left if word.startswith("-") and word != "-"]
    if not options:
        return SpecError(
            "Only one of each thing can be named.", given=" ".join(left), fix=f"See `{verb.prog} --help`."
        )
    near = difflib.get_close_matches(options[0], list(_known(verb)), n=1)
    fix = f"Did you mean {near[0]}?" if near else f"See `{verb.prog} --help`."
    return SpecError(f"An option must be one that `{verb.prog}` has.", given=options[0], fix=fix)


def _known(verb: Parser) -> Iterator[str]:
    for action in verb._actions:  # argparse has no public list of its options
        yield from (option for option in action.option_strings if option.startswith("--"))
