"""A study that is killed or stopped and taken up again ends as if nothing had happened."""

import polars as pl
import pytest
from small_studies import begun, patients, remains, stop_after, tiny

import coterie as ct
from coterie.errors import StudyError
from coterie.study import fitting
from coterie.study.events import Finished, Phase, Saved, Stopped
from coterie.training.events import CohortEnd, EpochEnd, StepEnd

pytestmark = pytest.mark.usefixtures("without_pages", "one_baseline")

STEPS = {"fix": {"epochs": 3, "hidden": "8", "batch_size": 8}}  # three an epoch


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    study = tiny(patients(), "ill", out=tmp_path_factory.mktemp("whole") / "s", **STEPS)
    return remains(study.folder)


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        (StepEnd, (2, 3, 8, 1)),
        (EpochEnd, (1, 2, 1)),
        (CohortEnd, (1,)),
    ],
)
def test_stopped_anywhere_and_resumed(tmp_path, undisturbed, kind, counts):
    study = begun(patients(), "ill", out=tmp_path / "s", **STEPS)
    for count in counts:
        assert stop_after(study, kind, count)
        assert not study.finished
        study = ct.open_study(tmp_path / "s")
    assert remains(study.run().folder) == undisturbed


@pytest.mark.parametrize("phase", ["training", "baselines", "assessing", "report"])
def test_left_at_a_phase_and_resumed(tmp_path, undisturbed, phase):
    """As a kill leaves it: nothing is saved at that moment, and the events are never asked for again."""
    events = begun(patients(), "ill", out=tmp_path / "s", **STEPS).events()
    next(e for e in events if isinstance(e, Phase) and e.name == phase)
    events.close()
    assert remains(ct.open_study(tmp_path / "s").run().folder) == undisturbed


def test_saving_at_every_step_changes_nothing(tmp_path, undisturbed, monkeypatch):
    monkeypatch.setattr(fitting, "SAVE_EVERY", -1.0)
    study = begun(patients(), "ill", out=tmp_path / "s", **STEPS)
    assert sum(isinstance(event, Saved) for event in study.events()) > 10
    assert remains(study.folder) == undisturbed


def test_a_kill_between_the_log_and_the_checkpoint_repeats_no_line(tmp_path, undisturbed, monkeypatch):
    study = begun(patients(), "ill", out=tmp_path / "s", **STEPS)
    assert stop_after(study, EpochEnd, 2)
    log = tmp_path / "s" / "events.jsonl"
    with log.open("ab") as file:
        file.write(b'{"event": "epoch", "cohort": 0, "epoch": 3, "members": [[0, 0')
    assert remains(ct.open_study(tmp_path / "s").run().folder) == undisturbed


@pytest.mark.parametrize("broken", ["report.html", "assessment.json", "predictions.safetensors", "model"])
def test_a_kill_while_the_results_are_written(tmp_path, undisturbed, monkeypatch, broken):
    """The checkpoint goes last, so whatever was half written is made again."""
    from coterie.study.folder import Folder

    class Killed(BaseException):
        pass

    def fatal(method):
        def call(self, name, *rest):
            if name == broken:
                raise Killed
            return method(self, name, *rest)

        return call

    study = begun(patients(), "ill", out=tmp_path / "s", **STEPS)
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", fatal(Folder.write))
        patch.setattr(Folder, "replace", fatal(Folder.replace))
        with pytest.raises(Killed):
            study.run()
    again = ct.open_study(tmp_path / "s")
    assert not again.finished
    assert remains(again.run().folder) == undisturbed


def test_a_finished_study_has_nothing_left_to_do(tmp_path, undisturbed):
    folder = tiny(patients(), "ill", out=tmp_path / "s", **STEPS).folder
    assert remains(folder) == undisturbed  # the same question twice, the same answer
    (event,) = ct.open_study(folder).events()
    assert isinstance(event, Finished)
    assert remains(folder) == undisturbed


def test_seeds_refit_and_time_survive_a_stop(tmp_path):
    options = {"seeds": 2, "refit": True, "fix": {"epochs": 3, "hidden": "8", "dropout": 0.2}}
    whole = tiny(patients(), "ill", out=tmp_path / "a" / "s", **options)
    study = begun(patients(), "ill", out=tmp_path / "b" / "s", **options)
    stops = 0
    for count in (2, 3, 40):
        stops += stop_after(study, StepEnd, count)
        study = ct.open_study(tmp_path / "b" / "s")
    study.run()
    assert stops >= 2
    assert remains(study.folder) == remains(whole.folder)


def test_refit_is_stopped_and_resumed(tmp_path):
    whole = tiny(patients(), "ill", out=tmp_path / "a" / "s", refit=True)
    study = begun(patients(), "ill", out=tmp_path / "b" / "s", refit=True)
    events = study.events()
    next(e for e in events if isinstance(e, Phase) and e.name == "refitting")
    next(e for e in events if isinstance(e, StepEnd))
    study.stop()
    with pytest.raises(Stopped):
        list(events)
    assert (study.folder / fitting.NOW).is_file()  # it stopped within the training, not after it
    study = ct.open_study(tmp_path / "b" / "s").run()
    assert remains(study.folder) == remains(whole.folder)


def test_a_resume_wants_the_data_it_began_with(tmp_path):
    pl.DataFrame(patients()).write_csv(tmp_path / "p.csv")
    study = begun(tmp_path / "p.csv", "ill", out=tmp_path / "s")
    assert stop_after(study, EpochEnd, 1)
    pl.DataFrame(patients(seed=1)).write_csv(tmp_path / "p.csv")
    with pytest.raises(StudyError, match="changed"):
        ct.open_study(tmp_path / "s").run()
    pl.DataFrame(patients()).write_csv(tmp_path / "p.csv")
    assert ct.open_study(tmp_path / "s").run().finished
