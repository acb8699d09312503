"""The displays, fed with events and a clock of our own."""

import io
import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from coterie.display import STOPPING, Lines, Live, Silent, display
from coterie.progress import Progress, length
from coterie.study.events import BatchStart, Finished, Phase, Planned, Saved, StudyEvent
from coterie.training.events import CohortEnd, CohortStart, EpochEnd, Retired, StepEnd

STEPS = 10  # an epoch


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def plan(estimate: float = 8.0, maximise: bool = False) -> Planned:
    return Planned(
        members=8,
        cohorts=2,
        candidates=4,
        families=("linear", "mlp"),
        parameters=100,
        metric="accuracy" if maximise else "log loss",
        maximise=maximise,
        estimate_seconds=estimate,
    )


def course(epochs: int = 3, estimate: float = 8.0) -> Iterator[tuple[float, StudyEvent]]:
    """A study of two cohorts of 2 candidates × 2 folds, a step in 0.1 s, one member retiring an epoch."""
    now = 0.0
    yield now, Phase("reading")
    yield now, plan(estimate)
    yield now, Phase("training")
    for cohort in range(2):
        alive = [(2 * cohort + c, fold, 0) for c in range(2) for fold in range(2)]
        yield now, CohortStart(cohort, len(alive), 100, epochs * STEPS)
        for epoch in range(epochs):
            for step in range(STEPS):
                now += 0.1
                yield now, StepEnd(cohort, epoch, step + 1, STEPS, len(alive))
            last = epoch == epochs - 1
            gone = alive if last else alive[:1]
            scores = tuple(1.0 / (1 + epoch) + 0.1 * candidate for candidate, _, _ in alive)
            retired = tuple(Retired(m, "finished" if last else "diverged", epoch + 1, 1, None) for m in gone)
            yield now, EpochEnd(cohort, epoch + 1, tuple(alive), (0.1,) * len(alive), scores, retired)
            alive = [member for member in alive if member not in gone]
        yield now, CohortEnd(cohort)
    yield now, Saved("checkpoint/now.safetensors")
    for name in ("baselines", "assessing", "report"):
        yield now, Phase(name)
    yield now, Finished("runs/toy-1", now)


def test_members_are_counted_and_every_one_is_somewhere():
    progress = Progress()
    for now, event in course():
        progress.take(event, now)
        if progress.plan and progress.phase == "training":
            assert progress.alive + progress.retired + progress.waiting == 8
    assert (progress.alive, progress.retired, progress.waiting, progress.diverged) == (0, 8, 0, 4)


@pytest.mark.parametrize(("maximise", "candidate", "mean"), [(False, 1, 0.4), (True, 0, 0.9)])
def test_the_best_score_is_a_mean_over_folds_in_the_metrics_own_direction(maximise, candidate, mean):
    progress = Progress()
    progress.take(plan(maximise=maximise), 0)
    progress.take(Phase("training"), 0)
    members = ((0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0), (2, 0, 0))
    flattering = 1.0 if maximise else 0.0  # candidate 2 has been scored on one fold only
    for scores in ((0.9, 0.9, 0.5, 0.5, flattering), (0.7, 0.7, 0.3, 0.6, float("nan"))):
        progress.take(EpochEnd(0, 1, members, (None,) * 5, scores, ()), 1)
    assert progress.best() == (candidate, pytest.approx(mean))
    assert progress.metric in progress.score()


def test_no_validation_no_score():
    progress = Progress()
    progress.take(plan(), 0)
    progress.take(EpochEnd(0, 1, ((0, 0, 0),), (0.5,), (None,), ()), 1)
    assert progress.best() is None
    assert progress.score() == ""


def test_time_left_follows_the_pace():
    progress, seen = Progress(), {}
    for now, event in course():
        progress.take(event, now)
        seen[round(now, 1)] = progress.left(now)
    assert seen[0.1] == 8.0  # nothing measured yet: the plan's estimate
    assert seen[1.0] == pytest.approx(5.0, rel=0.1)  # 2 s of this cohort, 3 s of the next
    assert seen[2.0] == pytest.approx(4.0, rel=0.1)
    assert seen[5.0] == pytest.approx(1.0, rel=0.1)
    assert progress.left(6.0) is None  # training is over


def test_a_resume_into_the_last_cohort_counts_the_others_as_retired():
    progress = Progress()
    for event in (plan(), Phase("training"), CohortStart(1, 3, 100, 20)):
        progress.take(event, 0)
    assert progress.members() == "3 alive, 5 retired"


def test_batches_are_counted_and_all_but_the_first_begin_with_what_is_done():
    progress = Progress()
    progress.take(replace(plan(), batches=2, cohorts=1), 0.0)
    assert progress.planned() == "8 members (4 candidates of linear and mlp) in 2 batches"
    progress.take(Phase("training"), 0.0)
    progress.take(BatchStart(0, 2, 2, 0, 1, 0), 0.0)
    progress.take(CohortStart(0, 4, 100, 30), 0.0)
    assert progress.place() == "batch 1 of 2, cohort 1 of 1, epoch 0"
    assert (progress.alive, progress.waiting) == (4, 4)
    progress.take(BatchStart(1, 2, 2, 1, 2, 4), 3.0)  # as after a resume: nobody's end was seen
    progress.take(CohortStart(1, 2, 100, 30), 3.0)
    assert progress.place() == "batch 2 of 2, cohort 1 of 2, epoch 0"
    assert (progress.alive, progress.retired, progress.waiting) == (2, 4, 2)
    progress.take(CohortStart(2, 2, 100, 30), 4.0)
    assert (progress.alive, progress.retired, progress.waiting) == (2, 6, 0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59.4, "59 s"), (61, "1 min"), (134, "2 min 10 s"), (1300, "22 min"), (5400, "1 h 30 min"),
     (3599, "1 h"), (599.9, "10 min"), (1e6, "277 h")],
)  # fmt: skip
def test_lengths_of_time(seconds, words):
    assert length(seconds) == words


def lines(events, **options) -> list[tuple[float, str]]:
    clock, stream = Clock(), io.StringIO()
    shown, said = Lines(stream, clock), []
    with shown:
        for now, event in events:
            clock.now = now
            before = stream.tell()
            shown.event(event)
            said += [(now, line) for line in stream.getvalue()[before:].splitlines()]
    return said


def test_plain_lines_name_the_phases_and_are_rare():
    said = lines(course(epochs=30))
    texts = [line for _, line in said]
    assert texts[:3] == [
        "reading the data",
        "8 members (4 candidates of linear and mlp) in 2 cohorts",
        "training",
    ]
    assert texts[-3:] == [
        "fitting simple baselines for comparison",
        "scoring the winner",
        "writing the report",
    ]
    running = [now for now, line in said if "alive" in line]
    assert 5 < len(running) < 31
    assert min(b - a for a, b in itertools.pairwise(running)) > 1.99
    assert any("cohort 2 of 2, epoch" in line and "best validation log loss" in line for line in texts)
    assert all("\x1b" not in line for line in texts)


def test_plain_lines_get_rarer_with_time():
    said = [now for now, line in lines(course(epochs=1500)) if "alive" in line]
    assert said[-1] > 2900
    assert 50 < len(said) < 500


def test_a_long_start_is_announced_with_a_way_out():
    texts = [line for _, line in lines(course(estimate=4000))]
    assert any("about 1 h 10 min" in line and "--time-limit" in line for line in texts)
    assert not any("--time-limit" in line for _, line in lines(course(estimate=20)))


def test_being_asked_to_stop_is_acknowledged_once():
    clock, stream = Clock(), io.StringIO()
    shown = Lines(stream, clock)
    shown.stopping()
    assert stream.getvalue() == ""  # it is called from a signal handler, and writes nothing itself
    for event in (CohortStart(0, 4, 1, 10), StepEnd(0, 0, 1, 10, 4)):
        shown.event(event)
    assert stream.getvalue().splitlines() == [STOPPING]


def panel(live: Live, width: int) -> list[str]:
    page = Console(width=width, file=io.StringIO(), record=True)
    page.print(live.draw())
    return page.export_text().splitlines()


@pytest.mark.parametrize("width", [30, 80, 200])
def test_the_panel_fits_and_keeps_its_height(width):
    clock = Clock()
    live = Live(Console(file=io.StringIO(), force_terminal=True, width=width, height=24), clock)
    heights = set()
    for now, event in course():
        clock.now = now
        live.event(event)
        drawn = panel(live, width)
        assert max(len(line) for line in drawn) <= width
        if live.progress.phase == "training" and live.progress.cohort is not None:
            heights.add(len(drawn))
            text = "\n".join(drawn)
            assert "alive" in text
            assert "gone" in text
    assert heights == {7}
    assert len(panel(live, width)) == 1


def test_the_panel_is_drawn_and_leaves_only_what_was_said():
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, height=24)
    clock = Clock()
    with Live(console, clock) as live:
        for now, event in course(estimate=4000):
            clock.now = now
            live.event(event)
        live.stopping()
        assert STOPPING in "\n".join(panel(live, 80))
    assert "This may take about 1 h 10 min" in stream.getvalue()
    assert stream.getvalue().rstrip().endswith("\x1b[2K")  # the panel is erased


def test_quiet_and_pipes(monkeypatch, capsys):
    assert isinstance(display(quiet=True), Silent)
    assert isinstance(display(), Lines)
    with display(quiet=True) as shown:
        for _, event in course():
            shown.event(event)
        shown.say("no")
        shown.stopping()
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(display(), Lines)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert isinstance(display(), Live)


def test_why_steps_run_otherwise_is_said_once():
    """Each cohort finds out by itself that there is no compiler, say; one line is enough."""
    why = "not compiled: there is no C++ compiler on this machine"
    events = [Phase("training"), *[Phase("compiling", "once"), Phase("training", why)] * 3]
    stream, panel = io.StringIO(), io.StringIO()
    lines = Lines(stream, Clock())
    with Live(Console(file=panel, force_terminal=True, width=80, height=24), Clock()) as live:
        for event in events:
            lines.event(event)
            live.event(event)
    assert stream.getvalue().count(why) == 1
    assert panel.getvalue().count(why) == 1
