"""The verbs of the command line: each calls one of the library, prints what came of it, returns a status.

Heavy libraries are imported inside, once it is known that there is something to do.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from coterie.cli.making import encode, generate, reconstruct, sample
from coterie.cli.stopping import Interrupts
from coterie.cli.values import grouped, once, printable
from coterie.cli.writing import print_json, write, writer
from coterie.errors import DataError, SpecError

if TYPE_CHECKING:
    from coterie.study.study import Study

TRAINING = ("training", "refitting")  # phases in which a study itself saves and stops
UNSAVED = ("", "baselines", "assessing")  # … and those that leave nothing, and are repeated by a resume
SHORT = ("epochs", "batch_size", "patience")


def fit(asked: Namespace) -> int:
    given = _given(asked)
    if "config" in given:
        config, out = given.pop("config"), given.pop("out", None)
        if given:
            raise SpecError(
                "--config repeats a study as it was asked.",
                given=", ".join(name if name == "data" else _option(name) for name in given),
                fix="Leave that out, or leave --config out. --out names another folder.",
            )
        return _follow(lambda verbs: verbs.repeat(config, out=out), asked)
    data, target, test = _data(given), given.pop("target", None), given.pop("test", None)
    out, options = given.pop("out", None), _options(given)
    return _follow(lambda verbs: verbs.prepare(data, target, test=test, out=out, options=options), asked)


def resume(asked: Namespace) -> int:
    return _follow(lambda verbs: verbs.open_study(asked.folder), asked)


def inspect(asked: Namespace) -> int:
    given = _given(asked)
    data, target, test = _data(given), given.pop("target", None), given.pop("test", None)
    from coterie import verbs

    facts = verbs.inspect(data, target, test=test, **_options(given)).to_dict()
    if asked.json:
        print_json(facts)
    else:
        from coterie.cli.tables import show_inspection

        show_inspection(facts)
    return 0


def predict(asked: Namespace) -> int:
    out = getattr(asked, "out", None)
    how = writer(out, asked.data)
    from coterie import verbs

    model, threshold = verbs.load(asked.folder), getattr(asked, "threshold", None)
    if threshold is not None and model.task != "binary":
        raise SpecError(
            "A threshold is for two classes.", given=f"a model for {model.task}", fix="Leave it out."
        )
    dataset = model.dataset(asked.data, skip_bad=asked.skip_bad, keep=getattr(asked, "keep", ()))
    if not asked.quiet:
        for warning in model.warnings(dataset):
            _say(f"warning: {printable(warning)}")
    write(model.predict_table(dataset, threshold), out, how)
    if out not in (None, "-") and not asked.quiet:
        what = "rows and how well they are done" if model.task == "unsupervised" else "predictions"
        _say(f"{len(dataset):,} {what} are in {out}")
    return 0


def evaluate(asked: Namespace) -> int:
    from coterie import verbs

    by = tuple(getattr(asked, "by", ()))
    facts = verbs.open_study(asked.folder).evaluate(asked.data, by=by, skip_bad=asked.skip_bad)
    if asked.json:
        print_json(facts)
    else:
        from coterie.cli.tables import show_evaluation

        show_evaluation(facts, asked.folder)
    return 0


def report(asked: Namespace) -> int:
    from coterie import verbs

    path = verbs.open_study(asked.folder).report(
        getattr(asked, "out", None), rows=getattr(asked, "rows", None)
    )
    if asked.json:
        print_json({"report": str(path)})
    else:
        print(path)
    return 0


def models(asked: Namespace) -> int:
    from coterie import verbs

    given = _given(asked)
    name = given.pop("name", None)
    if name is None and given:
        raise SpecError(
            "One family is drawn.", given=_option(next(iter(given))), fix="Name it: coterie models mlp …"
        )
    zoo = verbs.zoo(name)
    from coterie.cli import structure

    if name is not None:
        zoo[0]["structure"] = structure.structure_of(name, given)
    if asked.json:
        print_json({"models": zoo})
    else:
        from coterie.cli.tables import show_family, show_zoo

        show_zoo(structure.in_groups()) if name is None else show_family(zoo[0])
    return 0


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "fit": fit,
    "inspect": inspect,
    "resume": resume,
    "predict": predict,
    "sample": sample,
    "encode": encode,
    "reconstruct": reconstruct,
    "generate": generate,
    "evaluate": evaluate,
    "report": report,
    "models": models,
}


# ---- a study that runs ---------------------------------------------------------------------------------


def _follow(begin: Callable[[Any], Study], asked: Namespace) -> int:
    """`_lead`, with the other processes at its service where torchrun started several."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return _lead(begin, asked)
    from coterie.training.spread import crew

    with crew() as first:
        return _lead(begin, asked) if first else 0


def _lead(begin: Callable[[Any], Study], asked: Namespace) -> int:
    """Begins a study, shows its events, prints its summary; on Ctrl-C says how to go on."""
    from coterie.study.events import Finished, Phase, Stopped

    study: Study | None = None
    with Interrupts() as interrupts:
        try:
            from coterie.data.telling import listening
            from coterie.display import display

            with (
                display(quiet=asked.quiet or asked.json) as shown,
                listening(lambda said: shown.event(Phase("reading", said))),
            ):
                shown.event(Phase("reading"))
                from coterie import verbs  # seconds: PyTorch comes with it

                study = begin(verbs)

                phase = ""

                def stop() -> None:
                    if phase in UNSAVED:
                        raise KeyboardInterrupt  # of very many rows they take minutes
                    study.stop()
                    shown.stopping()

                interrupts.watch(stop)
                if study.finished:
                    shown.say("Nothing is left to do: this study is finished.")
                else:  # a kill or a power cut will not say it
                    shown.say(f"kept in {quoted(study.folder)}")
                for event in study.events():
                    phase = event.name if isinstance(event, Phase) else phase
                    if interrupts.asked and phase not in TRAINING and not isinstance(event, Finished):
                        raise Stopped  # all members are saved; what follows is repeated by a resume
                    shown.event(event)
            summary, facts = study.summary(), study.facts
        except (KeyboardInterrupt, Stopped):
            if study is None:
                _say("Stopped before anything was begun.")
            else:
                how = (
                    "Stopped, and saved."
                    if interrupts.asked < 2
                    else "Stopped at once; what was saved last is kept."
                )
                _say(f"{how} Go on with: coterie resume {quoted(study.folder)}")
            return interrupts.code
    if asked.json:
        print_json(summary)
    else:
        from coterie.cli.summary import summary_lines

        print("\n".join(summary_lines(facts, summary)))
    return 0


# ---- what was asked ------------------------------------------------------------------------------------


def _given(asked: Namespace) -> dict[str, Any]:
    """The options that were given, by name."""
    return {name: value for name, value in vars(asked).items() if name not in ("verb", "quiet", "json")}


def _data(given: dict[str, Any]) -> str:
    data: str | None = given.pop("data", None)
    if data is None:
        from coterie.data.bundled import SETS

        raise DataError(
            "Name the data: a file, or one of the bundled sets " + ", ".join(SETS) + ".",
            fix="For example: coterie fit digits, or coterie fit patients.csv --target disease.",
        )
    return data


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options as a study's question has them."""
    options = {name: value for name, value in given.items() if name not in SHORT}
    fixed = [*options.pop("fix", []), *((name, str(given[name])) for name in SHORT if name in given)]
    if fixed:
        options["fix"] = once("--fix", fixed, "To try several values, use --grid.")
    if "grid" in options:
        options["grid"] = {name: tuple(values) for name, values in grouped(options["grid"]).items()}
        both = sorted({*options.get("fix", {})} & {*options["grid"]})
        if both:
            raise SpecError(
                "What is fixed cannot vary.", given=f"--fix and --grid of {both[0]}", fix="Keep one."
            )
    if "search" in options:
        options["search"], *more = dict.fromkeys(options["search"])
        if more:
            raise SpecError(
                "One search at a time: a sampler learns from candidates that were trained to their end.",
                given=f"--search {options['search']} and --search {more[0]}",
                fix="Keep one.",
            )
    if "kinds" in options:
        options["kinds"] = once("--kind", options["kinds"], "A column has one kind.")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


def _option(name: str) -> str:
    spelt = {"kinds": "--kind", "rows": "--no-rows"}
    return spelt.get(name, "--" + name.replace("_", "-"))


def quoted(path: object) -> str:
    """A path as it can be typed again."""
    plain = all(letter.isalnum() or letter in "-_./\\:~" for letter in str(path))
    return str(path) if plain else f'"{path}"'


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
