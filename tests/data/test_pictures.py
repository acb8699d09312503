"""Image files of every kind, sound and spoilt, as arrays."""

import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from coterie.data import pictures
from coterie.data.decoding import bad_pictures, load_pictures
from coterie.data.pictures import choose_size, fitted, open_picture, probe
from coterie.errors import DataError

RNG = np.random.default_rng(0)
RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves(size: tuple[int, int] = (40, 24)) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, size[0], size[1]))
    return image


def near(pixel: np.ndarray, colour: tuple[int, int, int], within: int = 12) -> bool:
    return bool((np.abs(pixel.astype(int) - np.array(colour)) <= within).all())


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif", "bmp", "gif"])
def test_every_format(tmp_path: Path, ending: str) -> None:
    halves().save(tmp_path / f"a.{ending}")
    array = open_picture(tmp_path / f"a.{ending}")
    assert array.shape == (3, 24, 40)
    assert array.dtype == np.uint8
    assert near(array[:, 12, 5], RED)
    assert near(array[:, 12, 35], BLUE)
    assert probe([tmp_path / f"a.{ending}"]) == ([(24, 40)], 3)


def test_grey_stays_one_channel_unless_colour_is_wanted(tmp_path: Path) -> None:
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(tmp_path / "g.png")
    Image.fromarray(np.eye(4, dtype=bool)).save(tmp_path / "b.png")
    assert open_picture(tmp_path / "g.png").tolist() == [np.arange(12).reshape(3, 4).tolist()]
    assert open_picture(tmp_path / "g.png", colour=True).shape == (3, 3, 4)
    assert open_picture(tmp_path / "b.png").tolist() == [(255 * np.eye(4, dtype=int)).tolist()]
    assert probe([tmp_path / "g.png", tmp_path / "b.png"]) == ([(3, 4), (4, 4)], 1)
    halves().save(tmp_path / "c.png")
    assert open_picture(tmp_path / "c.png", colour=False).shape == (1, 24, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_exif_rotation(tmp_path: Path, orientation: int, ending: str) -> None:
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16] = RED
    upright[16:, 32:] = BLUE
    undo = {1: None, 2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
            6: "ROTATE_90", 7: "TRANSVERSE", 8: "ROTATE_270"}[orientation]  # fmt: skip
    image = Image.fromarray(upright)
    image = image.transpose(Image.Transpose[undo]) if undo else image
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    image.save(path, exif=exif, **({} if ending == "png" else {"quality": 95}))
    array = open_picture(path).transpose(1, 2, 0).astype(int)
    assert array.shape == (32, 48, 3)
    assert np.abs(array - upright).mean() < 12
    assert probe([path]) == ([(32, 48)], 3)


def test_sixteen_bits_keep_their_range(tmp_path: Path) -> None:
    deep = np.array([[0, 1, 300], [4095, 65534, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "d.png")
    Image.fromarray(deep).save(tmp_path / "d.tif")
    Image.fromarray(deep.astype(np.float32) / 7).save(tmp_path / "f.tif")
    Image.fromarray(deep.astype(np.int32) - 1000).save(tmp_path / "i.tif")
    for name in ("d.png", "d.tif"):
        array = open_picture(tmp_path / name)
        assert array.dtype == np.float32
        assert array.tolist() == [deep.astype(float).tolist()]
    assert np.allclose(open_picture(tmp_path / "f.tif")[0], deep / 7)
    assert open_picture(tmp_path / "i.tif")[0].tolist() == (deep.astype(int) - 1000).tolist()
    assert open_picture(tmp_path / "d.png", colour=True).shape == (3, 2, 3)
    assert probe([tmp_path / "d.png"]) == ([(2, 3)], 1)
    halves((3, 2)).save(tmp_path / "c.png")
    both = load_pictures([tmp_path / "d.png", tmp_path / "c.png"], (1, 2, 3))
    assert both.dtype == np.float32
    assert both[0, 0, 1, 2] == 65535


def test_sixteen_bits_turned_and_scaled_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = np.tile(np.linspace(0, 65535, 200).astype(np.uint16), (100, 1))
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(deep).save(tmp_path / "d.png", exif=exif)
    monkeypatch.setattr(pictures, "LARGEST", 50)
    array = open_picture(tmp_path / "d.png")
    assert array.shape == (1, 25, 50)
    assert array[0, 10, 0] > 64000
    assert array[0, 10, -1] < 1500


def test_cmyk(tmp_path: Path) -> None:
    halves().convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    array = open_picture(tmp_path / "a.jpg")
    assert array.shape == (3, 24, 40)
    assert near(array[:, 12, 5], RED)
    assert open_picture(tmp_path / "a.jpg", colour=False).shape == (1, 24, 40)


def test_transparent_parts_are_white(tmp_path: Path) -> None:
    image = halves().convert("RGBA")
    image.putalpha(Image.fromarray(np.repeat(np.array([[0] * 20 + [255] * 20], np.uint8), 24, 0)))
    image.save(tmp_path / "rgba.png")
    image.save(tmp_path / "a.webp", lossless=True)
    palette = Image.new("P", (40, 24), 0)
    palette.putpalette([*RED, *BLUE])
    palette.paste(1, (20, 0, 40, 24))
    palette.save(tmp_path / "p.png", transparency=0)
    palette.save(tmp_path / "pb.png", transparency=bytes([0, 255]))
    palette.save(tmp_path / "p.gif", transparency=0)
    for name in ("rgba.png", "a.webp", "p.png", "pb.png", "p.gif"):
        array = open_picture(tmp_path / name)
        assert array.shape == (3, 24, 40), name
        assert near(array[:, 12, 5], (255, 255, 255)), name
        assert near(array[:, 12, 35], BLUE), name
    grey = Image.fromarray(np.full((2, 2), 9, np.uint8))
    grey.save(tmp_path / "l.png", transparency=9)
    Image.merge("LA", [grey, Image.new("L", (2, 2), 0)]).save(tmp_path / "la.png")
    for name in ("l.png", "la.png"):
        assert open_picture(tmp_path / name).tolist() == [[[255, 255], [255, 255]]], name


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame(tmp_path: Path, ending: str) -> None:
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)
    first.save(tmp_path / f"a.{ending}", save_all=True, append_images=[second], duration=50)
    assert near(open_picture(tmp_path / f"a.{ending}")[:, 4, 4], RED)


def test_spoilt_files_are_named(tmp_path: Path) -> None:
    noise = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    paths = []
    for ending in ("jpg", "png", "webp", "tif", "gif", "bmp"):
        path = tmp_path / f"cut.{ending}"
        noise.save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        paths.append(path)
    text = tmp_path / "text.png"
    text.write_text("This is no image.")
    empty = tmp_path / "empty.jpg"
    empty.touch()
    paths += [text, empty, tmp_path / "gone.png", tmp_path]
    for path in paths:
        with pytest.raises(DataError, match=path.name):
            open_picture(path)
    good = tmp_path / "good.png"
    halves().save(good)
    assert bad_pictures([good, *paths, good]) == list(range(1, len(paths) + 1))
    with pytest.raises(DataError, match=r"(?s)cut\.jpg.*cut\.gif.*; and 5 more.*--skip-bad"):
        load_pictures([good, *paths], (3, 8, 8))


def test_a_program_is_never_run_for_an_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    with pytest.raises(DataError, match="no image"):
        open_picture(tmp_path / "a.png")


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "words"
    for ending in ("jpg", "png", "webp", "tif", "gif", "bmp"):
        path = tmp_path / f"a.{ending}"
        halves((20, 16)).save(path, **({"exif": exif} if ending in ("jpg", "png", "webp") else {}))
        sound = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(60):
            spoilt = sound.copy()
            where = RNG.integers(0, min(len(spoilt), 200), 3)
            spoilt[where] = RNG.integers(0, 256, 3)
            path.write_bytes(spoilt.tobytes())
            probe([path])
            try:
                array = open_picture(path)
            except DataError:
                continue
            assert array.ndim == 3


def test_spoilt_notes_do_not_spoil_a_sound_image(tmp_path: Path) -> None:
    for exif in (b"Exif\0\0rubbish", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0"):
        halves().save(tmp_path / "a.jpg", exif=exif)
        assert open_picture(tmp_path / "a.jpg").shape == (3, 24, 40)
        assert probe([tmp_path / "a.jpg"]) == ([(24, 40)], 3)


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), RED).save(tmp_path / "a.png")
    for how in ("resize", "crop", "pad"):
        array = load_pictures([tmp_path / "a.png"], (3, 5, 7), how)
        assert array.shape == (1, 3, 5, 7)
        assert near(array[0, :, 2, 3], RED, 0)


def test_huge_images(tmp_path: Path) -> None:
    huge = Image.new("1", (20_000, 10_000))  # Pillow itself refuses so many pixels
    huge.save(tmp_path / "grey.png")
    halves((9000, 10)).save(tmp_path / "wide.jpg")
    array = open_picture(tmp_path / "grey.png")
    assert array.shape == (1, pictures.LARGEST // 2, pictures.LARGEST)
    assert max(open_picture(tmp_path / "wide.jpg").shape) <= pictures.LARGEST


@pytest.mark.parametrize("side", [20_000, 400_000])
def test_a_huge_header_is_refused_without_reading_on(tmp_path: Path, side: int) -> None:
    halves().save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(bytes(data))
    with pytest.raises(DataError, match=f"a.png, {side} × {side} pixels, more than can be read"):
        open_picture(tmp_path / "a.png")


def test_large_palettes_are_averaged_as_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "LARGEST", 16)
    halves((64, 64)).quantize(4).save(tmp_path / "p.png")
    array = open_picture(tmp_path / "p.png")
    assert array.shape == (3, 16, 16)
    assert near(array[:, 8, 2], RED)


def test_many_threads_leave_the_settings_as_they_were(tmp_path: Path) -> None:
    before, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    info = PngImagePlugin.PngInfo()
    halves((64, 64)).quantize(4).save(tmp_path / "a.png", pnginfo=info, transparency=bytes([9, 8, 7, 6]))
    workers = [threading.Thread(target=load_pictures, args=([tmp_path / "a.png"] * 50, (3, 8, 8)))
               for _ in range(4)]  # fmt: skip
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert before == Image.MAX_IMAGE_PIXELS
    assert list(warnings.filters) == filters
    assert not pictures._lenient


def test_order_is_kept_and_fits_are_what_they_say(tmp_path: Path) -> None:
    paths = []
    for i in range(20):
        paths.append(tmp_path / f"{i}.png")
        Image.new("L", (5 + i, 9), 10 * i).save(paths[-1])
    array = load_pictures(paths, (1, 6, 6))
    assert array[:, 0, 3, 3].tolist() == [10 * i for i in range(20)]
    wide = np.zeros((1, 10, 30), np.uint8)
    wide[:, :, 10:20] = 200
    assert (fitted(wide, 10, 10, "crop") == 200).all()
    padded = fitted(wide, 30, 30, "pad")
    assert (padded[:, :10] == 0).all()
    assert padded[0, 15, 15] == 200
    assert fitted(wide, 5, 15, "resize").shape == (1, 5, 15)
    assert load_pictures([], (1, 4, 4)).shape == (0, 1, 4, 4)


def test_sizes() -> None:
    assert choose_size([(28, 28)] * 3, 1) == (1, 28, 28)
    assert choose_size([(480, 640)] * 3, 3) == (3, 48, 64)
    assert choose_size([(10, 20), (30, 40), (50, 60)], 3) == (3, 30, 40)
    assert choose_size([(10, 20)], 3, side=96) == (3, 96, 96)
    assert choose_size([], 1) == (1, 64, 64)
    assert choose_size([(1, 9000)], 1) == (1, 1, 64)
