"""Folders of images."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

from poof.endings import IMAGE_ENDINGS
from poof.errors import PoofError
from poof.video import Damage, open_video
from poof.video.folder import natural

WIDTH, HEIGHT = 48, 32


def flat(value: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """One colour throughout, which survives JPEG."""
    return np.full((height, width, 3), (value, 255 - value, value // 2), np.uint8)


def save(path: Path, image: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)
    return path


def test_numbers_in_names_are_numbers(tmp_path: Path) -> None:
    names = ["img10.png", "img2.png", "img1.png", "img100.png", "img020.png"]
    for name in names:
        save(tmp_path / name, flat(int(name[3:-4])))
    video = open_video(tmp_path)
    assert video.frame_names == ("img1.png", "img2.png", "img10.png", "img020.png", "img100.png")
    assert [int(image[0, 0, 0]) for _, image in video.frames()] == [1, 2, 10, 20, 100]
    assert (video.size, video.fps, video.count(), video.damage) == ((WIDTH, HEIGHT), 25.0, 5, None)


@given(st.permutations([f"take{t}_frame{n}.png" for t in (1, 2, 11) for n in (0, 3, 21, 100)]))
def test_natural_order_does_not_depend_on_the_order_found(names: list[str]) -> None:
    assert sorted(names, key=natural) == [f"take{t}_frame{n}.png" for t in (1, 2, 11) for n in (0, 3, 21, 100)]


@given(st.lists(st.text(min_size=1, max_size=8), max_size=8))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    ordered = sorted(names, key=natural)
    assert all(natural(first) <= natural(second) for first, second in pairwise(ordered))


def test_every_kind_of_image(tmp_path: Path) -> None:
    for number, suffix in enumerate(IMAGE_ENDINGS):
        save(tmp_path / f"f{number}{suffix.upper() if number % 2 else suffix}", flat(20 * number))
    for number, image in open_video(tmp_path).frames():
        assert np.abs(image.astype(int) - flat(20 * number)).max() <= 3, IMAGE_ENDINGS[number]


def test_other_files_are_ignored(tmp_path: Path) -> None:
    save(tmp_path / "a.png", flat(7))
    (tmp_path / "labels.csv").write_text("frame,x\n")
    (tmp_path / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "._a.png").write_bytes(b"AppleDouble")
    (tmp_path / "masks.png").mkdir()
    save(tmp_path / "masks.png" / "b.png", flat(8))
    assert open_video(tmp_path).frame_names == ("a.png",)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:16, :16], image[:16, 32:], image[16:, :16] = (240, 0, 0), (0, 240, 0), (0, 0, 240)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(image).save(path, exif=exif, **({"quality": 98, "subsampling": 0} if suffix == ".jpg" else {}))
    shown = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB")).astype(int)
    video = open_video(tmp_path)
    got = video.read([0])[0]
    assert got.shape == shown.shape and video.size == (shown.shape[1], shown.shape[0])
    assert np.abs(got - shown).max() <= 2


def test_images_that_differ_only_by_their_turn_are_of_different_size(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(flat(3)).save(tmp_path / "0.jpg")
    Image.fromarray(flat(3)).save(tmp_path / "1.jpg", exif=exif)
    with pytest.raises(PoofError, match=r"1\.jpg: is 32x48 but the images before it are 48x32"):
        open_video(tmp_path)


def test_turned_and_straight_images_of_the_same_size_are_fine(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(flat(3)).save(tmp_path / "0.png")
    Image.fromarray(flat(5, HEIGHT, WIDTH)).save(tmp_path / "1.png", exif=exif)
    assert [image.shape for _, image in open_video(tmp_path).frames()] == [(HEIGHT, WIDTH, 3)] * 2


def test_sixteen_bits_grey_and_alpha(tmp_path: Path) -> None:
    deep = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 42
    save(tmp_path / "0.png", deep)
    save(tmp_path / "1.tif", np.dstack([deep] * 3))
    grey = (deep >> 8).astype(np.uint8)
    save(tmp_path / "2.png", grey)
    Image.fromarray(np.dstack([flat(90), grey])).save(tmp_path / "3.png")
    images = dict(open_video(tmp_path).frames())
    for number in (0, 1, 2):
        assert images[number].dtype == np.uint8
        # OpenCV cuts off the lower bits of some kinds and rounds others.
        assert np.abs(images[number] - deep[..., None] / 257).max() <= 1
    assert np.array_equal(images[3], flat(90))


def ten(folder: Path, suffix: str = ".png") -> Path:
    noise = np.random.default_rng(0).integers(0, 255, (10, HEIGHT, WIDTH, 3)).astype(np.uint8)
    for number, image in enumerate(noise):
        save(folder / f"{number}{suffix}", image)
    return folder


@pytest.mark.parametrize("suffix", IMAGE_ENDINGS)
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.98])
def test_a_broken_image_is_damage(tmp_path: Path, suffix: str, kept: float) -> None:
    broken = ten(tmp_path, suffix) / f"6{suffix}"
    content = broken.read_bytes()
    broken.write_bytes(content[: int(len(content) * kept)])
    video = open_video(tmp_path)
    assert [number for number, _ in video.frames()] == list(range(6))
    assert video.damage == Damage(6, f"6{suffix} cannot be read")
    assert video.count() == 6
    assert sorted(video.read([1, 8])) == [1, 8], "an image needs no other one"
    with pytest.raises(PoofError, match=rf"frame 6 cannot be read, the video is damaged from frame 6 on \(6\{suffix} "):
        video.read([1, 6])


def test_the_first_of_two_broken_images_counts(tmp_path: Path) -> None:
    for name in ("4.png", "8.png"):
        (ten(tmp_path) if name == "4.png" else tmp_path).joinpath(name).write_bytes(b"no image")
    video = open_video(tmp_path)
    assert list(video.frames(8)) == []
    assert video.damage is not None and video.damage.frame == 8
    assert video.count() == 4 and video.damage.frame == 4
    assert [number for number, _ in video.frames(0, 3)] == [0, 1, 2] and video.count() == 4
    assert list(video.frames(8)) == [] and video.damage.frame == 4, "still the first"


def test_an_image_that_vanishes_is_damage(tmp_path: Path) -> None:
    video = open_video(ten(tmp_path))
    (tmp_path / "3.png").unlink()
    assert len(list(video.frames())) == 3
    assert video.damage == Damage(3, "3.png cannot be read")


def test_a_preview_in_a_jpeg_does_not_hide_a_missing_end(tmp_path: Path) -> None:
    ten(tmp_path, ".jpg")
    preview = cv2.imencode(".jpg", flat(1, 8, 8))[1].tobytes()
    content = (tmp_path / "6.jpg").read_bytes()
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    whole = content[:2] + segment + content[2:]
    (tmp_path / "6.jpg").write_bytes(whole)
    assert open_video(tmp_path).count() == 10
    (tmp_path / "6.jpg").write_bytes(whole[:-40])
    assert open_video(tmp_path).count() == 6


def test_parts(tmp_path: Path) -> None:
    video = open_video(ten(tmp_path))
    assert [number for number, _ in video.frames(3, 6)] == [3, 4, 5]
    assert [number for number, _ in video.frames(8)] == [8, 9]
    assert list(video.frames(6, 3)) == list(video.frames(10)) == []
    assert list(video.read([7, 2, 7])) == [2, 7]
    with pytest.raises(PoofError, match="has no frame 10; its frames are 0 to 9"):
        video.read([10])


def test_images_of_different_sizes(tmp_path: Path) -> None:
    ten(tmp_path)
    save(tmp_path / "7.png", flat(1, WIDTH + 2, HEIGHT))
    save(tmp_path / "9.png", flat(1, WIDTH + 4, HEIGHT))
    with pytest.raises(
        PoofError, match=r"/7\.png: is 50x32 but the images before it are 48x32; make all images one size"
    ):
        open_video(tmp_path)


def test_an_image_that_changes_its_size_while_it_is_read(tmp_path: Path) -> None:
    video = open_video(ten(tmp_path))
    save(tmp_path / "4.png", flat(1, WIDTH, HEIGHT + 1))
    with pytest.raises(PoofError, match=r"4\.png: is 48x33"):
        list(video.frames())


def test_one_name_in_two_kinds(tmp_path: Path) -> None:
    save(ten(tmp_path) / "3.jpg", flat(1))
    with pytest.raises(PoofError, match=r"3\.jpg and 3\.png would be two frames; keep one kind"):
        open_video(tmp_path)


def test_no_images(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing")
    with pytest.raises(PoofError, match=r"holds no images \(\.jpg, .*give the folder of frames"):
        open_video(tmp_path)


def test_the_first_image_is_broken(tmp_path: Path) -> None:
    (ten(tmp_path) / "0.png").write_bytes(b"\x89PNG")
    with pytest.raises(PoofError, match=r"0\.png: the first image cannot be read; repair or remove it"):
        open_video(tmp_path)


def test_a_folder_that_must_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(PoofError, match="may not be read; give yourself the right"):
        open_video(tmp_path)


def test_names_in_any_script(tmp_path: Path) -> None:
    folder = tmp_path / "Übung 第1回"
    folder.mkdir()
    Image.fromarray(flat(9)).save(folder / "кадр 1.png")
    assert np.array_equal(open_video(folder).read([0])[0], flat(9))


def test_a_real_folder(data: Path) -> None:
    folder = next(path for path in (data / "jhmdb").iterdir() if path.is_dir())
    video = open_video(folder)
    assert (video.count(), video.size, video.damage) == (40, (320, 240), None)
    assert video.frame_names is not None and video.frame_names[39] == "00040.png"
    assert np.array_equal(video.read([17])[17], np.asarray(Image.open(folder / "00018.png").convert("RGB")))


def test_a_real_folder_of_jpegs(data: Path) -> None:
    video = open_video(data / "badja" / "dog")
    assert (video.count(), video.size) == (60, (854, 480))
