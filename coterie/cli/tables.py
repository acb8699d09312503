"""Tables of facts for a terminal: what an inspection found, an evaluation's scores, the zoo.

Names and values from files are shown as they are, never read as markup.
"""

from __future__ import annotations

import inspect
import os
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from coterie.cli.values import printable
from coterie.report.numbers import count, interval, listed, percent, rounded, significant
from coterie.report.words import SPLITS, TASKS, measure

if TYPE_CHECKING:
    from rich.console import Console

Facts = Mapping[str, Any]
COLUMNS = 60  # of a table that are listed; the rest is counted
CLASSES = 12
SETTING = 26  # width of "name=default"


def console() -> Console:
    """Where tables go. A pipe or a file gets lines wide enough for all that is said."""
    from rich.console import Console

    class Out(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # `main` knows what to do; rich would leave with a status of its own

    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
    return Out(highlight=False, markup=False, emoji=False, width=wide)


def show_inspection(facts: Facts) -> None:
    """What would be trained on and what looks wrong, warnings last, where the eye is."""
    out = console()
    _line(out, f"{facts['source']}: {count(facts['rows'], 'row')}, {count(len(facts['columns']), 'column')}")
    if facts["unusable_rows"]:
        _line(out, f"{count(facts['unusable_rows'], 'row')} cannot be used.")
    out.print()
    rows = [
        [c["name"], c["kind"], c["role"].replace("_", " "), percent(c["missing"]) if c["missing"] else "",
         f"{c['distinct']:,}", c["note"]]
        for c in facts["columns"][:COLUMNS]
    ]  # fmt: skip
    _table(out, ["column", "kind", "role", "missing", "distinct", "why"], rows, right=(3, 4))
    if len(facts["columns"]) > COLUMNS:
        _line(out, f"… and {count(len(facts['columns']) - COLUMNS, 'more column')} (--json has all)")
    out.print()
    of = f", target {listed(list(facts['target']))}" if facts["target"] else ""
    _line(out, f"Task:   {TASKS[facts['task']]} ({facts['task']}){of}", 8)
    _distribution(out, facts)
    folds = count(facts["folds"], "fold") if facts["folds"] else "no folds"
    test = f"{count(facts['test'], 'row')} set aside as the test" if facts["test"] else "no test set"
    split = SPLITS.get(facts["split"], facts["split"])
    _line(out, f"Split:  {count(facts['development'], 'row')} to learn from in {folds}, {test}; {split}", 8)
    families = listed([f"{count(n, 'candidate')} of {name}" for name, n in facts["families"].items()])
    networks = f"{count(facts['members'], 'member')} ({families}) on {facts['inputs']}"
    largest = f"at most {count(facts['parameters'], 'parameter')} each"
    _line(out, f"Trains: {networks}, {largest}; chosen by {measure(facts['metric'])}", 8)
    for note in facts["notes"]:
        _line(out, f"- {note}", 2)
    for warning in facts["warnings"]:
        _line(out, f"! {warning}", 2, style="yellow")
    if not facts["warnings"]:
        _line(out, "Nothing looks wrong.")


def _distribution(out: Console, facts: Facts) -> None:
    """How the target is distributed: rows of each class or label, or quartiles of values."""
    classes = sorted(facts["classes"].items(), key=lambda item: -item[1])
    total = max(1, facts["rows"] - facts["unusable_rows"])
    if classes:
        shares = [f"{name} {n:,} ({percent(n / total)})" for name, n in classes[:CLASSES]]
        more = [f"{len(classes) - CLASSES} more"] if len(classes) > CLASSES else []
        _line(out, f"        {', '.join(shares + more)}", 8)
    for name, five in (facts.get("quartiles") or {}).items():
        low, first, middle, third, high = (significant(value) for value in five)
        _line(out, f"        {name}: {low} to {high}, half between {first} and {third}, median {middle}")


def show_evaluation(facts: Facts, folder: str) -> None:
    """Scores with intervals, then each subgroup's, then what to know of them."""
    out = console()
    _line(out, f"{facts['source']}: {count(facts['rows'], 'row')} scored by the model of {folder}")
    out.print()
    first = (facts.get("look_at") or {}).get("name")
    scores = {name: facts["scores"][name] for name in sorted(facts["scores"], key=lambda name: name != first)}
    rows = [
        [measure(name), rounded(s["value"], s["low"], s["high"]), interval(s)] for name, s in scores.items()
    ]
    _table(out, ["measure", "score", "95 % interval"], rows)
    held = facts.get("intervals") or {}
    shares = held.get("coverage") or []
    for place, share in enumerate(shares):
        of = f" of {facts['target'][place]}" if len(shares) > 1 else ""
        _line(out, f"{percent(share)} of the true values{of} lie in the {percent(held['level'])} intervals.")
    groups = facts.get("subgroups") or []
    names = list(scores)[:2]
    for column in dict.fromkeys(group["column"] for group in groups):
        own = [group for group in groups if group["column"] == column]
        out.print()
        cells = [
            [group["value"], f"{group['rows']:,}", *(_cell(group["scores"].get(name)) for name in names)]
            for group in own
        ]
        _table(out, [f"by {printable(column)}", "rows", *map(measure, names)], cells, right=(1,))
    out.print()
    if facts.get("times_scored"):
        times = {1: "once", 2: "twice"}.get(facts["times_scored"], f"{facts['times_scored']} times")
        _line(out, f"Recorded in the study: these rows have now been scored {times}.")
    for warning in facts.get("warnings") or []:
        _line(out, f"! {warning}", 2, style="yellow")


def _cell(score: Facts | None) -> str:
    if score is None:
        return ""
    between = interval(dict(score))
    return rounded(score["value"], score["low"], score["high"]) + (f" ({between})" if between else "")


def show_zoo(groups: Mapping[str, Sequence[Facts]]) -> None:
    """The families, a line each, under headings."""
    out = console()
    for heading, families in groups.items():
        name = max(len(family["name"]) for family in families) + 2
        title = max(len(family["title"]) for family in families) + 1
        _line(out, heading, style="bold")
        for family in families:
            what = f"{family['name']:<{name}}{family['title']:<{title}}{' '.join(family['reads'])}"
            _line(out, what, name + title)
        out.print()
    _line(
        out,
        "The last column is what a family can read. `coterie models NAME` draws its network and lists all "
        "that --fix and --grid can set, with bounds and search ranges.",
    )


def show_family(family: Facts) -> None:
    """What one family is, its network drawn, and all that is declared of it, its own before training's."""
    from coterie.cli.structure import learns, reads

    out = console()
    _line(out, f"{family['name']}: {family['title']}", style="bold")
    for paragraph in inspect.cleandoc(family["about"]).split("\n\n"):
        if not paragraph.startswith(">>>"):
            out.print()
            _line(out, " ".join(paragraph.split()))
    structure = family["structure"]
    out.print()
    _line(out, f"Source: {family['source']}", 8)
    _line(out, f"Reads:  {reads(structure['reads'])}", 8)
    _line(out, f"Learns: {learns(structure['learns'])}", 8)
    _draw(out, structure)
    for title, key in (("Its own hyperparameters", "hyperparameters"), ("How it is trained", "recipe")):
        out.print()
        _line(out, title, style="bold")
        for hyper in family[key]:
            may = hyper["bounds"] + (f"; searched: {hyper['search']}" if hyper["search"] else "")
            _line(
                out,
                f"  {hyper['name']}={hyper['default']:<{SETTING - len(hyper['name']) - 4}} {hyper['help']}",
                SETTING,
            )
            _line(out, f"{'':{SETTING}}{may}", SETTING, style="dim")
    out.print()
    first = family["hyperparameters"][0] if family["hyperparameters"] else family["recipe"][0]
    fixed = f"--models {family['name']} --fix {first['name']}={first['default']}"
    data = EXAMPLES.get(family["name"]) or EXAMPLES[structure["reads"][0]]
    _line(out, f"For example: coterie fit {data} {fixed}")


def _draw(out: Console, structure: Facts) -> None:
    """The network's layers as a tree, a line each: what it is, what it puts out, its parameters."""
    given = [GIVEN[kind](*size) for kind, size in structure["input"].items()]
    answer = structure["answer"]
    told = "learn without a target"
    if "classes" in answer:
        told = count(answer["classes"], "class", "classes")
    elif "text" in answer:
        told = GIVEN["text"](*answer["text"])
    fixed = [f"{name}={value}" for name, value in structure["fixed"].items()]
    out.print()
    alone = "text" in answer and structure["reads"] == ["text"]  # what it reads is what it writes
    title = f"Its structure for {told}" if alone else f"Its structure from {' and '.join(given)} to {told}"
    _line(out, title + (f", with {', '.join(fixed)}" if fixed else ""), 2, style="bold")
    lines = structure["lines"]
    rows = [
        (_branch(lines, place), _label(line), _sides(line["shape"]), _weights(line))
        for place, line in enumerate(lines)
    ]
    shape, weights = (max((len(row[column]) for row in rows), default=0) for column in (2, 3))
    whole = max((len(branch) + len(label) for branch, label, _, _ in rows), default=0)
    room = max(24, min(whole, out.width - shape - weights - 6))
    for place, (branch, label, sides, own) in enumerate(rows):
        first, *more = textwrap.wrap(label, max(12, room - len(branch)), subsequent_indent="  ")
        _raw(out, f"  {branch + first:<{room}}  {sides:<{shape}}  {own:>{weights}}")
        for rest in more:
            _raw(out, f"  {_branch(lines, place, continued=True)}{rest}")
    every, work = structure["parameters"], structure["multiply_adds"]
    cost = f"{count(every, 'parameter')}; about {_about(work)} for the answer to one row."
    _line(out, cost, 0)


EXAMPLES = {
    "table": "digits",
    "image": "digits-images",
    "sequence": "signals",
    "text": "texts.csv --target topic",
    "episode": "CartPole-v1",
    "gpt": "markov-text",
    "transformer": "reversal",
    "seq2seq": "reversal",
}
GIVEN: dict[str, Callable[..., str]] = {
    "table": lambda n: count(n, "column"),
    "image": lambda c, h, w: f"an image of {c} × {h} × {w}",
    "sequence": lambda t, f: f"{count(t, 'step')} of {count(f, 'number')}",
    "episode": lambda name: f"episodes of {name}",
    "text": lambda t, v: f"a text of {count(t, 'token')} out of {v:,}",
}


def _branch(lines: Sequence[Facts], place: int, continued: bool = False) -> str:
    """What stands before a line of a tree: a stroke for every block that goes on below it."""
    depth, strokes = lines[place]["depth"], ""
    for level in range(1, depth + 1):
        later = next((line["depth"] for line in lines[place + 1 :] if line["depth"] <= level), 0)
        goes_on = later == level
        if level < depth or continued:
            strokes += "│  " if goes_on else "   "
        else:
            strokes += "├─ " if goes_on else "└─ "
    return strokes


def _label(line: Facts) -> str:
    name, kind = line["name"], line["kind"]
    if name and kind == "Sequential":
        label = name
    else:
        label = kind if not name or name == kind.lower() else f"{name}: {kind}"
    label += f" × {line['repeat']}" if line["repeat"] > 1 else ""
    label += f", {line['calls']:,} times" if line["calls"] > 1 else ""
    return label + (", as above" if line["again"] else "")


def _sides(shape: Sequence[int]) -> str:
    return " × ".join(f"{side:,}" for side in shape)


def _weights(line: Facts) -> str:
    if not line["parameters"]:
        return ""
    return (f"{line['repeat']} × " if line["repeat"] > 1 else "") + f"{line['parameters']:,}"


def _about(n: int) -> str:
    """Multiply–adds in three digits: "4.09 billion"."""
    for size, name in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if n >= size:
            return (
                f"{n / size:,.{0 if n >= 100 * size else 1 if n >= 10 * size else 2}f} {name} multiply–adds"
            )
    return count(n, "multiply–add")


def _table(
    out: Console, heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, head in enumerate(heads):
        last = place == len(heads) - 1
        width = None if last else 36
        table.add_column(
            Text(head), justify="right" if place in right else "left", overflow="fold", max_width=width
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    out.print(table)


def _line(out: Console, text: str, hang: int = 0, style: str = "") -> None:
    """A line, whose continuations are set in by `hang`."""
    from rich.text import Text

    safe = "".join(letter if letter.isprintable() else "�" for letter in text)
    for line in textwrap.wrap(safe, out.width, subsequent_indent=" " * hang):
        out.print(Text(line, style=style), soft_wrap=True)


def _raw(out: Console, text: str) -> None:
    """A line as it is, too long or not."""
    from rich.text import Text

    out.print(Text(text.rstrip()), soft_wrap=True)
