"""Many image files: by threads and by workers, in order, the same pixels; what is wrong is named."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coterie.data import decoding, pictures, telling
from coterie.data.decoding import _Worker, bad_pictures, load_pictures
from coterie.data.telling import listening
from coterie.errors import DataError

RNG = np.random.default_rng(0)
SHAPE = (3, 6, 8)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Thirty images of many sizes and kinds."""
    folder = tmp_path_factory.mktemp("images")
    made = []
    for i in range(30):
        size = (5 + i, 40 - i)
        noise = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
        image = Image.fromarray(noise if i % 3 else noise[..., 0])
        made.append(folder / f"{i:02} é.{('png', 'jpg', 'webp')[i % 3]}")
        image.save(made[-1])
    return made


@pytest.fixture(scope="module")
def pixels(paths: list[Path]) -> np.ndarray:
    found = [pictures.read_picture(path, SHAPE, "crop") for path in paths]
    return np.stack([image for image in found if image is not None])


@pytest.mark.parametrize("processes", [0, 2])
@pytest.mark.parametrize("memory", [None, 0])
def test_every_way_gives_the_same_pixels(
    paths: list[Path], pixels: np.ndarray, processes: int, memory: int | None
) -> None:
    images = load_pictures(paths, SHAPE, "crop", memory=memory, processes=processes)
    assert images.dtype == np.uint8
    assert np.array_equal(images, pixels)


@pytest.mark.parametrize("processes", [0, 1])
def test_one_deep_image_among_many(
    tmp_path: Path, paths: list[Path], pixels: np.ndarray, processes: int
) -> None:
    deep = RNG.integers(0, 65536, SHAPE[1:]).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    many = [*paths, *paths, tmp_path / "deep.png", *paths]  # no header that is looked at beforehand
    for memory in (None, 0):
        images = load_pictures(many, SHAPE, "crop", memory=memory, processes=processes)
        assert images.dtype == np.float32
        assert np.array_equal(images[60], np.stack([deep] * 3).astype(np.float32))
        assert np.array_equal(np.delete(images, 60, 0), np.concatenate([pixels] * 3).astype(np.float32))


@pytest.mark.parametrize("processes", [0, 2])
def test_bad_files_are_named_in_order(tmp_path: Path, paths: list[Path], processes: int) -> None:
    bad = [tmp_path / f"bad{i}.png" for i in range(7)]
    for path in bad[1:]:
        path.write_text("This is no image.")
    many = [*bad[:1], *paths, *bad[1:]]
    with pytest.raises(
        DataError, match=r"bad0\.png, which does not exist; .*bad4\.png.*; and 2 more.*--skip-bad"
    ):
        load_pictures(many, SHAPE, processes=processes)
    assert bad_pictures(many, processes=processes) == [0, *range(31, 37)]


def test_very_large_images_are_left_to_the_one_that_asks(
    tmp_path: Path, paths: list[Path], pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("1", (6000, 3000), 1).save(tmp_path / "large.png")
    assert pictures.LARGE < 6000 * 3000
    worker = _Worker()
    try:
        part = worker.ask([paths[0], tmp_path / "large.png"], SHAPE, "crop")
        assert (part.left, part.bad) == ((1,), {})
        assert np.array_equal(part.images[0], pixels[0])
    finally:
        worker.process.kill()
        worker.close()
    cut = tmp_path / "cut.png"
    cut.write_bytes((tmp_path / "large.png").read_bytes()[:400])
    images = load_pictures([paths[0], tmp_path / "large.png", paths[1]], SHAPE, "crop", processes=1)
    assert np.array_equal(images[[0, 2]], pixels[:2])
    assert (images[1] == 255).all()
    assert bad_pictures([paths[0], cut, tmp_path / "large.png"], processes=1) == [1]


def test_a_worker_that_dies_is_an_error_that_names_files(paths: list[Path]) -> None:
    worker = _Worker()
    worker.process.kill()
    worker.process.wait()
    with pytest.raises(DataError, match=r"one of the 30 files from .*00 é\.png to .*29 é\.webp"):
        worker.ask(paths, SHAPE, "resize")
    worker.close()


def test_no_worker_outlives_an_interruption(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[_Worker] = []
    start = _Worker.__init__

    def noted(worker: _Worker) -> None:
        start(worker)
        begun.append(worker)

    def interrupt(count: telling.Count, number: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_Worker, "__init__", noted)
    monkeypatch.setattr(telling.Count, "add", interrupt)
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        load_pictures(paths * 30, SHAPE, processes=2)
    assert len(begun) == 2
    assert all(worker.process.returncode is not None for worker in begun)
    assert threading.active_count() == threads


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_ctrl_c_leaves_no_trace(tmp_path: Path, paths: list[Path]) -> None:
    """A program that is not guarded against being run again decodes with workers, and is interrupted."""
    program = tmp_path / "program.py"
    program.write_text(
        "import json, sys\n"
        "from coterie.data.decoding import load_pictures\n"
        "print('begun', flush=True)\n"
        f"load_pictures(json.loads(sys.stdin.readline()) * 2000, {SHAPE}, processes=2, memory=0)\n"
    )
    environment = os.environ | {
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    with subprocess.Popen(
        [sys.executable, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps([str(path) for path in paths]).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode != 0
    assert out == b""
    assert err.decode().count("Traceback") <= 1 + err.decode().count("During handling"), err.decode()
    assert err.decode().rstrip().endswith("KeyboardInterrupt")
    assert [path.name for path in tmp_path.iterdir()] == ["program.py"]


def test_what_takes_long_says_how_far_it_is(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    with listening(said.append):
        load_pictures(paths, SHAPE)
    assert said == []
    monkeypatch.setattr(telling.Count.__init__, "__defaults__", (0.0,))
    monkeypatch.setattr(telling, "EVERY", 0.0)
    with listening(said.append):
        load_pictures(paths, SHAPE)
    assert len(said) > 1
    assert said[-1] == "30 of 30 images"
    load_pictures(paths, SHAPE)
    assert said.count("30 of 30 images") == 1, "nobody listens any more"


def test_few_images_start_no_program(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    crew = decoding._Crew

    def noted(processes: int) -> decoding._Crew:
        asked.append(processes)
        return crew(0)

    monkeypatch.setattr(decoding, "_Crew", noted)
    monkeypatch.setattr(decoding, "_cores", lambda: 4)
    monkeypatch.setattr(decoding, "MANY", 60)
    load_pictures(paths, SHAPE)
    load_pictures(paths * 2, SHAPE)
    assert asked == [0, 4]


def test_a_photo_is_decoded_at_a_size_that_is_ample(tmp_path: Path) -> None:
    rough = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(rough).resize((1600, 1200), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=92)
    whole = pictures.fitted(pictures.open_picture(tmp_path / "a.jpg"), 48, 64, "resize")
    ample = pictures.read_picture(tmp_path / "a.jpg", (3, 48, 64), "resize")
    assert ample is not None
    assert np.abs(whole.astype(int) - ample).mean() < 1.5
    with Image.open(tmp_path / "a.jpg") as image:
        assert pictures._array(image, True, "a.jpg", 2 * 64, True).shape == (3, 150, 200)
