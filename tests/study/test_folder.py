"""A study's folder: full disks, locked doors, a second process, and files that are not as they were."""

import errno
import json
import multiprocessing
import os
import subprocess
import sys
import warnings

import pytest
from small_studies import begun, patients, remains, tiny

import coterie as ct
from coterie.errors import CoterieError, StudyError
from coterie.study import folder as folders
from coterie.study.events import Stopped
from coterie.study.folder import ASKED, ASSESSMENT, EVENTS, PREDICTIONS, Folder, make_folder
from coterie.training.events import StepEnd

pytestmark = pytest.mark.usefixtures("without_pages", "one_baseline")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return tiny(patients(), "ill", out=tmp_path_factory.mktemp("finished") / "s").folder


@pytest.fixture(scope="module")
def halted(tmp_path_factory):
    """The bytes of a study that was stopped in the middle, to be laid out afresh."""
    study = begun(patients(), "ill", out=tmp_path_factory.mktemp("halted") / "s")
    halt(study, 2)
    return {p.relative_to(study.folder): p.read_bytes() for p in study.folder.rglob("*") if p.is_file()}


def halt(study, steps):
    try:
        for event in study.events():
            steps -= isinstance(event, StepEnd)
            if not steps:
                study.stop()
    except Stopped:
        return
    raise AssertionError("it went on to its end")


def laid(files, path):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


# ---- disks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", range(0, 7))
def test_a_disk_that_fills_up_leaves_a_study_that_goes_on(tmp_path, halted, finished, monkeypatch, moment):
    """Every write of the course, one after another, meets a full disk once."""
    path = laid(halted, tmp_path / "s")
    left = moment

    def replace(*names):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os_replace(*names)

    os_replace = os.replace
    with monkeypatch.context() as patch:
        patch.setattr(folders.os, "replace", replace)
        with pytest.raises(StudyError, match=r"No space left .* `coterie resume`"):
            ct.open_study(path).run()
    assert not list(path.rglob("*.part"))
    assert ct.open_study(path).run().finished
    again, whole = remains(path), remains(finished)
    for name in ("model/model.safetensors", EVENTS, PREDICTIONS):
        assert again[name] == whole[name]


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="needs the right to mount")
def test_a_disk_that_is_really_full(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "coterie", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("no tmpfs to be had here")
    try:
        with pytest.raises(CoterieError, match="No space left"):
            tiny(patients(), "ill", out=disk / "s")
        subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
        if (disk / "s" / ASKED).is_file():
            assert ct.open_study(disk / "s").run().finished
    finally:
        subprocess.run(["umount", disk], check=True)


def test_the_log_on_a_full_disk(tmp_path, halted, monkeypatch):
    path = laid(halted, tmp_path / "s")
    before = (path / EVENTS).read_bytes()

    def full(file, mode="r", *rest, **named):
        if str(file).endswith(EVENTS) and "a" in mode:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return open(file, mode, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(folders, "open", full, raising=False)
        with pytest.raises(StudyError, match="No space left"):
            ct.open_study(path).run()
    assert (path / EVENTS).read_bytes() == before
    assert ct.open_study(path).run().finished


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StudyError, match="writable"):
        begun(patients(), "ill", out=tmp_path / "file" / "s")
    with pytest.raises(StudyError, match="something else"):
        begun(patients(), "ill", out=tmp_path / "file")


def test_no_right_to_write(tmp_path, halted, monkeypatch):
    path = laid(halted, tmp_path / "s")

    def refuse(file, mode="r", *rest, **named):
        if set(mode) & set("wa+"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open(file, mode, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(folders, "open", refuse, raising=False)
        with pytest.raises(StudyError, match="Permission denied"):
            ct.open_study(path).run()
    assert ct.open_study(path).run().finished


def test_nothing_is_trained_or_made_when_the_question_is_wrong(tmp_path):
    for wrong in ({"target": "il"}, {"metric": "beauty"}, {"models": ("mpl",)}, {"fix": {"widht": 3}}):
        with pytest.raises(CoterieError):
            begun(patients(), **{"target": "ill", "out": tmp_path / "s", **wrong})
        assert not (tmp_path / "s").exists()


def test_numbered_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [make_folder(None, "pa tients").path.as_posix() for _ in range(2)] == [
        "runs/pa-tients-1",
        "runs/pa-tients-2",
    ]
    assert make_folder(None, "///").path.name == "study-1"
    (tmp_path / "runs" / "x-1").write_text("a file in the way")
    assert make_folder(None, "x").path.name == "x-2"


def test_a_folder_that_holds_a_study_is_refused(finished):
    before = remains(finished)
    with pytest.raises(StudyError, match="coterie resume"):
        begun(patients(), "ill", out=finished)
    assert remains(finished) == before


# ---- two at once ---------------------------------------------------------------------------------------


def hold(path, held, done):
    lock = Folder(path).lock()
    held.set()
    done.wait(60)
    lock.release()


def test_a_second_process_is_refused(tmp_path, halted):
    path = laid(halted, tmp_path / "s")
    context = multiprocessing.get_context("fork")
    held, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(path, held, done), daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later Pythons: forks beside threads
        other.start()
    assert held.wait(60)
    with pytest.raises(StudyError, match="another is at work"):
        ct.open_study(path).run()
    done.set()
    other.join(60)
    assert ct.open_study(path).run().finished


def test_a_second_study_object_in_the_same_process_is_refused(tmp_path, halted):
    path = laid(halted, tmp_path / "s")
    events = ct.open_study(path).events()
    next(events)
    with pytest.raises(StudyError, match="another is at work"):
        next(ct.open_study(path).events())
    events.close()
    assert ct.open_study(path).run().finished


# ---- foreign, tampered, truncated ----------------------------------------------------------------------


def test_no_study(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(StudyError, match="coterie fit"):
            ct.open_study(path)


def test_the_neighbours_are_named(finished):
    with pytest.raises(StudyError, match=r"There are: s\."):
        ct.open_study(finished.parent / "z")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"a study"',
        b"{}",
        b'{"format": "1"}',
        b'{"format": 1}',
        b'{"format": 99}',
        b'{"format": 1, "question": 3, "name": "", "command": "", "metric": "", "sha256": {}, "tables": {}}',
        b'{"format": 1, "question": {"source": "x", "widht": 1}}',
        b"\xff\xfe\x00",
        b"\x00" * 99,
    ],
)
def test_study_json_of_another_make(tmp_path, content):
    (tmp_path / ASKED).write_bytes(content)
    with pytest.raises(StudyError):
        ct.open_study(tmp_path)


def tampered(data):
    """study.json with one thing changed each time, type after type."""
    for name in data:
        for value in (None, 3, "x", [], {}, {"data": 3}):
            if type(value) is not type(data[name]) or name in ("question", "sha256", "tables"):
                yield {**data, name: value}
    for name in data["question"]:
        for value in (3, "x", [7], {"a": 1}, -1, True, 1e400):
            yield {**data, "question": {**data["question"], name: value}}


def test_study_json_changed_by_hand(tmp_path, halted):
    """Whatever is changed: a clear error, or an answer; never a traceback."""
    path = laid(halted, tmp_path / "s")
    whole = json.loads((path / ASKED).read_text())
    spoilt = []
    for changed in tampered(whole):
        (path / ASKED).write_text(json.dumps(changed))
        try:
            study = ct.open_study(path)
            events = study.events()
            next(events)
            events.close()
        except CoterieError:
            continue
        except Exception as error:
            different = {n: v for n, v in changed.items() if v != whole[n]}
            if "question" in different and isinstance(different["question"], dict):
                different = {n: v for n, v in different["question"].items() if v != whole["question"][n]}
            spoilt.append((different, repr(error)))
    assert not spoilt


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("name", ["checkpoint/now.safetensors"])
def test_a_checkpoint_cut_short(tmp_path, halted, name, share):
    path = laid(halted, tmp_path / "s")
    content = (path / name).read_bytes()
    (path / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(StudyError, match="as Coterie wrote them"):
        ct.open_study(path).run()


@pytest.mark.parametrize("what", ["bits", "another network's", "other facts", "no facts"])
def test_a_checkpoint_of_something_else(tmp_path, halted, what):
    import torch
    from safetensors.torch import save_file

    path = laid(halted, tmp_path / "s")
    now = path / "checkpoint" / "now.safetensors"
    if what == "bits":
        now.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00not json" + now.read_bytes())
    else:
        tensors, facts = Folder(path).read_tensors("checkpoint/now.safetensors")
        if what == "another network's":
            tensors["flat"] = torch.zeros(3, 7)
        if what == "other facts":
            facts = {"cohort": 0}
        metadata = {} if what == "no facts" else {"facts": json.dumps(facts)}
        save_file(tensors, now, metadata)
    with pytest.raises(StudyError, match="as Coterie wrote them"):
        ct.open_study(path).run()


def test_a_log_that_is_not_one(finished, tmp_path):
    files = {p.relative_to(finished): p.read_bytes() for p in finished.rglob("*") if p.is_file()}
    path = laid(files, tmp_path / "s")
    whole = (path / EVENTS).read_bytes()
    lines = whole.splitlines(keepends=True)
    for content in (
        b"\x00\xff\n" + whole,
        whole.replace(b"{", b"(", 1),
        b"[]\n" + whole,
        b'{"event": "epoch"}\n' + whole,
    ):
        (path / EVENTS).write_bytes(content)
        with pytest.raises(StudyError, match="as Coterie wrote them"):
            assert ct.open_study(path).results is None
    (path / EVENTS).write_bytes(b"".join(lines[:-1]) + lines[-1][:20])  # as a kill leaves it
    assert len(ct.open_study(path).results)


@pytest.mark.parametrize("name", [ASSESSMENT, PREDICTIONS])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\x00"])
def test_results_that_cannot_be_read(finished, tmp_path, name, content):
    files = {p.relative_to(finished): p.read_bytes() for p in finished.rglob("*") if p.is_file()}
    path = laid(files, tmp_path / "s")
    (path / name).write_bytes(content)
    with pytest.raises(StudyError, match="as Coterie wrote them"):
        ct.open_study(path).report()


def test_no_pickle_anywhere(finished, halted):
    names = {p.name for p in finished.rglob("*") if p.is_file()} | {p.name for p in halted}
    assert {name.rpartition(".")[2] for name in names} <= {
        "json",
        "jsonl",
        "safetensors",
        "html",
        "md",
        "parquet",
        "lock",
    }
