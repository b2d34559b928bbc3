"""`poof select` before there are labels: the survey of a video and the placing of labels."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poof.errors import PoofError
from poof.planning import survey as surveying
from poof.planning.placement import allot, place_diversely, place_evenly
from poof.planning.select import select_frames
from poof.planning.survey import Survey, describe, survey
from poof.synthetic import sample
from poof.video import open_video
from poof.video.base import ArrayVideo


def plain(
    count: int,
    cuts: tuple[int, ...] = (),
    blurred: tuple[int, ...] = (),
    repeats: tuple[int, ...] = (),
    looks: np.ndarray | None = None,
) -> Survey:
    """A survey with given findings; all frames look alike unless `looks` are given."""
    sharpness = np.ones(count)
    sharpness[list(blurred)] = 0.1
    again = np.zeros(count, bool)
    again[list(repeats)] = True
    return Survey(list(cuts), sharpness, again, np.zeros((count, 1)) if looks is None else looks, np.arange(count))


def everything(seen: Survey) -> np.ndarray:
    """All frames are usable."""
    return np.ones(seen.count, bool)


def moving(seed: int, frames: int, velocity: tuple[float, float] = (2.0, 1.0)) -> list[np.ndarray]:
    """A texture that moves."""
    scene = sample("constant", seed=seed, velocity=velocity, frames=frames)
    return [scene.image(number) for number in range(frames)]


# ------------------------------------------------------------------------------------------------------- the survey


def test_cuts_blur_and_repeats_are_found_where_they_are() -> None:
    images = moving(0, 20) + moving(5, 20)
    images[7] = cv2.GaussianBlur(images[7], (0, 0), 2.5)
    images[30] = cv2.GaussianBlur(images[30], (0, 0), 2.5)
    images[12] = images[11]
    images[25] = images[26] = images[24]
    seen = survey(ArrayVideo(images))
    assert seen.count == 40
    assert seen.cuts == [20]
    assert seen.scenes == [range(20), range(20, 40)]
    assert np.flatnonzero(seen.blurred).tolist() == [7, 30]
    assert np.flatnonzero(seen.repeats).tolist() == [12, 25, 26]


def test_traces_of_compression_are_no_change_and_a_small_moving_thing_is_one() -> None:
    rng = np.random.default_rng(0)
    still = moving(1, 1)[0].astype(int)
    images = [np.clip(still + rng.normal(0, 0.7, still.shape), 0, 255).astype(np.uint8) for _ in range(8)]
    for number in range(4, 8):
        x = 20 + 6 * number
        images[number][50:62, x : x + 12] = 255
    assert survey(ArrayVideo(images)).repeats.tolist() == [False, True, True, True, False, False, False, False]


def test_a_video_of_one_frame() -> None:
    seen = survey(ArrayVideo(moving(0, 1)))
    assert (seen.count, seen.cuts, seen.scenes) == (1, [], [range(1)])
    assert not seen.blurred.any() and not seen.repeats.any()


def test_appearance_tells_what_the_eye_would() -> None:
    a, b = moving(0, 2)
    other = moving(5, 1)[0]
    brighter = np.clip(a.astype(int) + 8, 0, 255).astype(np.uint8)

    def apart(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.linalg.norm(describe(x) - describe(y)))

    assert apart(a, a.copy()) == 0
    assert 0 < apart(a, brighter) < 0.5 * apart(a, other)
    assert 0 < apart(a, b) < apart(a, other)


def test_descriptions_are_thinned_when_the_video_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    images = moving(0, 30)
    full = survey(ArrayVideo(images))
    monkeypatch.setattr(surveying, "MOST_LOOKS", 9)
    thin = survey(ArrayVideo(images))
    assert thin.looked_at.tolist() == list(range(0, 30, 4))
    np.testing.assert_array_equal(thin.looks, full.looks[::4])
    np.testing.assert_array_equal(thin.looks_of([0, 3, 4, 29]), full.looks[[0, 0, 4, 28]])
    np.testing.assert_array_equal(thin.sharpness, full.sharpness)


# ---------------------------------------------------------------------------------------------------- even spacing


def test_the_middles_of_equal_parts() -> None:
    seen = plain(100)
    assert place_evenly(seen, 5, 10, everything(seen)) == [9, 29, 49, 69, 89]
    assert place_evenly(seen, 1, 10, everything(seen)) == [49]
    assert place_evenly(seen, 3, 10, everything(seen)) == [16, 49, 83]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 300), st.integers(1, 20), st.integers(1, 15), st.integers(0, 2**31), st.lists(st.integers(1, 299))
)
def test_frames_lie_two_radii_apart_where_the_video_is_long_enough(
    length: int, count: int, radius: int, seed: int, cuts: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    seen = plain(length, tuple(sorted({c for c in cuts[:3] if c < length})), looks=rng.random((length, 4)))
    frames = place_evenly(seen, count, radius, everything(seen))
    assert frames == sorted(set(frames)) and len(frames) == min(count, length)
    assert place_evenly(seen, count, radius, everything(seen)) == frames
    for scene in seen.scenes:
        own = [f for f in frames if f in scene]
        if own and len(scene) / len(own) >= 2 * radius:
            assert all(b - a >= 2 * radius for a, b in pairwise(own))
        if own:  # and no part of the scene is forgotten: 0.65 spacings are half of one and 15 % to wander
            spacing = len(scene) / len(own)
            assert own[0] - scene.start <= 0.65 * spacing and scene.stop - 1 - own[-1] <= 0.65 * spacing


def test_a_blurred_middle_gives_way_to_the_nearest_sharp_frame() -> None:
    seen = plain(100, blurred=(28, 29, 30, 69))
    frames = place_evenly(seen, 5, 10, ~seen.blurred)
    assert frames == [9, 31, 49, 70, 89]  # the places are 29.5 and 69.5


def test_frozen_frames_take_no_time() -> None:
    seen = plain(60, repeats=tuple(range(21, 50)))  # 0-20 move, 20 stands until 49, 50-59 move
    frames = place_evenly(seen, 3, 10, ~seen.repeats)
    assert frames == [5, 15, 54]  # the middles of thirds of the 31 frames that differ: the 5th, 15th and 25th


def test_scenes_get_labels_where_these_cover_most_frames() -> None:
    # By hand, R = 10: the first five labels of 100 frames cover 11, 11, 11, 11 and 10.5, the first of 10 frames 7.7.
    assert allot([100, 10], [100, 10], 5, 10) == [5, 0]
    assert allot([100, 10], [100, 10], 6, 10) == [5, 1]
    assert allot([100, 10], [2, 10], 6, 10) == [2, 4]  # no more fit into the first
    assert allot([30, 30, 30], [30, 30, 30], 2, 10) == [1, 1, 0]
    assert allot([4], [4], 9, 10) == [4]


def test_every_scene_is_served_for_itself_away_from_its_cuts() -> None:
    seen = plain(90, cuts=(30, 60))
    assert place_evenly(seen, 3, 10, everything(seen)) == [14, 44, 74]


def test_what_spacing_leaves_open_is_chosen_by_looks() -> None:
    looks = np.zeros((200, 1))
    looks[44] = 1.0  # near the middle of the first part, 49
    looks[140] = -1.0  # near that of the second, 149
    looks[110] = 9.0  # too far away to be reached
    seen = plain(200, looks=looks)
    assert place_evenly(seen, 2, 10, everything(seen)) == [44, 140]
    assert place_evenly(seen, 2, 50, everything(seen)) == [49, 149]  # nothing is left open


# ------------------------------------------------------------------------------------------------- different looks


def test_diverse_frames_show_every_look_once() -> None:
    rng = np.random.default_rng(0)
    look = np.repeat([0, 3, 1, 2], [60, 5, 60, 5])  # two of the four looks are rare
    centres = np.array([[0, 0], [4, 0], [0, 4], [4, 4.0]])
    seen = plain(130, looks=centres[look] + rng.normal(0, 0.01, (130, 2)))
    frames = place_diversely(seen, 4, 2, everything(seen))
    assert sorted(look[frames]) == [0, 1, 2, 3]
    assert frames == place_diversely(seen, 4, 2, everything(seen))


def test_diverse_frames_keep_their_distance_also_from_cuts() -> None:
    rng = np.random.default_rng(1)
    seen = plain(200, cuts=(100,), looks=rng.random((200, 3)))
    frames = place_diversely(seen, 6, 10, everything(seen))
    assert len(frames) == 6
    for scene in seen.scenes:
        own = [f for f in frames if f in scene]
        assert all(b - a >= 20 for a, b in pairwise(own))
    assert all(abs(f - 100) >= 10 for f in frames)
    assert place_diversely(seen, 500, 10, everything(seen)) == list(range(200))


# ------------------------------------------------------------------------------------------------ the public function


def test_more_frames_than_there_are() -> None:
    images = moving(0, 6)
    images[3] = images[2]
    chosen = select_frames(ArrayVideo(images), 20)
    assert chosen.frames == [0, 1, 2, 4, 5]
    assert any("only 5 of 20 frames" in note for note in chosen.notes)
    assert any("less than twice the radius 10" in note for note in chosen.notes)


@pytest.mark.parametrize("strategy", ["even", "diverse"])
def test_blurred_frames_are_the_last_resort(strategy: str) -> None:
    images = moving(0, 12)
    for number in (2, 3, 8):
        images[number] = cv2.GaussianBlur(images[number], (0, 0), 2.5)
    video = ArrayVideo(images)
    chosen = select_frames(video, 9, 1, strategy)
    assert chosen.frames == [0, 1, 4, 5, 6, 7, 9, 10, 11]
    assert not any("blurred" in note for note in chosen.notes)
    every = select_frames(video, 10, 1, strategy, seen=chosen.seen)
    assert len(every.frames) == 10
    assert any("blurred" in note for note in every.notes)


def test_scenes_without_a_label_are_told() -> None:
    chosen = select_frames(ArrayVideo(moving(0, 20) + moving(5, 12)), 1)
    assert chosen.frames == [9]
    assert "1 of 2 scenes get no label (frames 20-31)" in chosen.notes


def test_candidates() -> None:
    video = ArrayVideo(moving(0, 30))
    assert select_frames(video, 2, 5, candidates=[1, 2, 9, 20, 28]).frames == [9, 20]
    with pytest.raises(PoofError, match="there is no frame 30; the video's are 0 to 29"):
        select_frames(video, 2, candidates=[3, 30])


def test_options_that_make_no_sense() -> None:
    video = ArrayVideo(moving(0, 3))
    with pytest.raises(PoofError, match="-n 0"):
        select_frames(video, 0)
    with pytest.raises(PoofError, match="--radius 0"):
        select_frames(video, 2, 0)
    with pytest.raises(PoofError, match="valid are even, diverse"):
        select_frames(video, 2, strategy="kmeans")


@pytest.mark.slow  # quick: the same on made frames, above
def test_a_real_clip(data: Path) -> None:
    video = open_video(data / "dlc-reaching" / "vid.avi")
    even = select_frames(video, 8)
    assert len(even.frames) == 8 and even.seen.count == 256 and even.seen.cuts == []
    assert all(b - a >= 20 for a, b in pairwise(even.frames))
    assert not even.seen.repeats[even.frames].any() and not even.seen.blurred[even.frames].any()
    diverse = select_frames(video, 8, strategy="diverse", seen=even.seen)
    assert len(diverse.frames) == 8 and all(b - a >= 20 for a, b in pairwise(diverse.frames))

    def unlike(frames: list[int]) -> float:
        looks = even.seen.looks_of(frames)
        apart = np.linalg.norm(looks[:, None] - looks[None], axis=2) + 9 * np.eye(len(frames))
        return float(apart.min())

    assert unlike(diverse.frames) > unlike(even.frames)


def test_the_command(tmp_path: Path) -> None:
    import typer
    from PIL import Image
    from typer.testing import CliRunner

    from poof.cli.select import select

    folder = tmp_path / "clip"
    folder.mkdir()
    images = moving(0, 30)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"shot_{number:03d}.png")
    app = typer.Typer()
    app.command()(select)
    paths = {name: tmp_path / name for name in ("list.txt", "list.json", "sheet.png", "frames")}
    arguments = [str(folder), "-n", "3", "-r", "5", "-o", str(paths["list.txt"]), "--json", str(paths["list.json"])]
    arguments += ["--sheet", str(paths["sheet.png"]), "--images", str(paths["frames"])]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert paths["list.txt"].read_text() == "4\n14\n24\n"
    told = json.loads(paths["list.json"].read_text())
    assert [row["frame"] for row in told["frames"]] == [4, 14, 24]
    assert [row["seconds"] for row in told["frames"]] == [0.16, 0.56, 0.96]
    assert sorted(p.name for p in paths["frames"].iterdir()) == ["shot_004.png", "shot_014.png", "shot_024.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(paths["frames"] / "shot_014.png")), images[14])
    assert paths["sheet.png"].stat().st_size > 5000
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0, again.output  # its own outputs are replaced
    (paths["frames"] / "mine.png").write_bytes(b"mine")
    again = CliRunner().invoke(app, arguments)
    assert isinstance(again.exception, PoofError) and "--force" in str(again.exception)
