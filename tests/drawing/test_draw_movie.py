"""The overlay video: codec, frame count, which frames, what is refused."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from poof.drawing import Style, render_overlay
from poof.drawing.movie import picture_scale
from poof.drawing.style import confidence_colour
from poof.errors import PoofError, PoofWarning
from poof.files import write_bytes
from poof.labels.model import LabelSet, Points
from poof.video import ArrayVideo, Damage, open_video


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_it_is_h264_with_the_videos_rate_and_the_frames_near_labels(tmp_path, grey_video, labels):
    path = tmp_path / "overlay.mp4"
    count = render_overlay(grey_video, labels, path, around=2, scale=1)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == pytest.approx(20.0)
    frames = decoded(path)
    assert count == len(frames) == 15  # 3 .. 17
    # The frames are those of the video: frame n is uniformly 60 + n, and the corner has no label.
    corners = [frame[2:8, 2:8].mean() for frame in frames]
    assert corners == pytest.approx([60 + n for n in range(3, 18)], abs=1.5)


def test_points_stand_where_the_labels_say(tmp_path, grey_video, labels):
    path = tmp_path / "overlay.mp4"
    render_overlay(grey_video, labels, path, around=0, scale=1, style=Style(radius=7))
    image = decoded(path)[2]  # frame 7: confidence 0.7, head at (94, 50)
    assert image[50, 94].astype(int) == pytest.approx(confidence_colour(np.array([0.7]))[0].astype(int), abs=30)
    assert image[50, 120].astype(int) == pytest.approx([67, 67, 67], abs=6)


def test_every_frame_on_request(tmp_path, grey_video, labels):
    assert render_overlay(grey_video, labels, tmp_path / "all.mp4", span="all") == 30
    assert len(decoded(tmp_path / "all.mp4")) == 30


def test_long_stretches_without_labels_are_left_out(tmp_path, grey_video, skeleton):
    sparse = LabelSet(skeleton)
    for frame in (2, 25):
        sparse.add(frame, 0, Points.human(frame, np.array([(50, 50), (80, 80), (60, 120)])))
    path = tmp_path / "sparse.mp4"
    assert render_overlay(grey_video, sparse, path, around=3, scale=1) == 6 + 7
    corners = [frame[2:8, 2:8].mean() for frame in decoded(path)]
    assert corners == pytest.approx([60 + n for n in (*range(6), *range(22, 29))], abs=1.5)


def test_small_footage_is_enlarged(tmp_path, grey_video, labels):
    assert picture_scale((320, 240)) == 2 and picture_scale((100, 100)) == 5
    assert picture_scale((640, 480)) == 1 and picture_scale((1080, 1920)) == 1
    render_overlay(grey_video, labels, tmp_path / "big.mp4", around=0)
    assert decoded(tmp_path / "big.mp4")[0].shape[1] == 600


@pytest.mark.parametrize("size", [(101, 99), (64, 48)])
def test_odd_sizes_are_written(tmp_path, skeleton, size):
    video = ArrayVideo([np.zeros((size[1], size[0], 3), np.uint8)] * 3)
    one = LabelSet(skeleton)
    one.add(1, 0, Points.human(1, np.array([(5, 5), (20, 20), (30, 10)])))
    assert render_overlay(video, one, tmp_path / "odd.mp4", scale=1) == 3
    assert len(decoded(tmp_path / "odd.mp4")) == 3


def test_a_file_of_others_stays_and_an_own_one_is_replaced(tmp_path, grey_video, labels):
    path = tmp_path / "overlay.mp4"
    path.write_bytes(b"mine")
    with pytest.raises(PoofError, match=r"overlay\.mp4: exists already.*never overwritten"):
        render_overlay(grey_video, labels, path, force=True)
    assert path.read_bytes() == b"mine"
    path.unlink()
    render_overlay(grey_video, labels, path, around=0)
    render_overlay(grey_video, labels, path)
    assert len(decoded(path)) == 26  # 0 .. 25


def test_the_video_itself_is_never_overwritten(tmp_path, grey_video, labels):
    path = tmp_path / "overlay.mp4"
    render_overlay(grey_video, labels, path, scale=1, around=0)
    before = path.read_bytes()
    own = LabelSet(labels.skeleton, {(0, 0): labels.instances[5, 0]})
    with pytest.raises(PoofError, match="is the video itself"):
        render_overlay(open_video(path), own, path, force=True)
    with pytest.raises(PoofError, match="is the video itself"):
        render_overlay(open_video(path), own, path)
    assert path.read_bytes() == before


def test_a_failure_leaves_nothing_and_keeps_the_old_file(tmp_path, labels):
    class Breaks(ArrayVideo):
        def frames(self, start=0, stop=None):
            for number, image in super().frames(start, stop):
                if number == 8:
                    raise OSError("the disk is gone")
                yield number, image

    video = Breaks([np.zeros((160, 200, 3), np.uint8)] * 30)
    path = tmp_path / "overlay.mp4"
    write_bytes(path, b"old")
    with pytest.raises((OSError, PoofError), match="the disk is gone"):
        render_overlay(video, labels, path, force=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_labels_beyond_the_end_are_refused(tmp_path, grey_video, labels, make):
    labels.add(40, 0, make([(5, 5), (9, 9), (12, 20)]))
    with pytest.raises(PoofError, match="ends at frame 29, the labels name frame 40"):
        render_overlay(grey_video, labels, tmp_path / "overlay.mp4")
    assert not list(tmp_path.iterdir())


def damaged(frames: int) -> ArrayVideo:
    class Damaged(ArrayVideo):
        def frames(self, start=0, stop=None):
            yield from super().frames(start, stop)
            self.damage = Damage(frames, "the file is cut off")

    return Damaged([np.zeros((160, 200, 3), np.uint8)] * frames, name="cut.mp4")


def test_labels_behind_damage_are_a_warning(tmp_path, labels):
    with pytest.warns(PoofWarning, match=r"cut\.mp4: is damaged at frame 12; 4 labelled frames from frame 12 on"):
        assert render_overlay(damaged(12), labels, tmp_path / "overlay.mp4", around=2) == 9
    with pytest.raises(PoofError, match="none of the labelled frames can be read"):
        render_overlay(damaged(4), labels, tmp_path / "none.mp4", around=2)
    assert [p.name for p in tmp_path.iterdir()] == ["overlay.mp4"]


def test_labels_of_another_size_or_none_are_refused(tmp_path, grey_video, labels, skeleton):
    with pytest.raises(PoofError, match="is 200x160, the labels were made at 400x320"):
        render_overlay(grey_video, labels.replace(image_size=(400, 320)), tmp_path / "a.mp4")
    with pytest.raises(PoofError, match="there are no labels"):
        render_overlay(grey_video, LabelSet(skeleton), tmp_path / "a.mp4")
    with pytest.raises(PoofError, match=r"ends in \.mp4"):
        render_overlay(grey_video, labels, tmp_path / "a.avi")
    with pytest.raises(PoofError, match="positive"):
        render_overlay(grey_video, labels, tmp_path / "a.mp4", scale=0)


def test_progress_ends_with_the_last_label(tmp_path, grey_video, labels):
    seen = []

    def track(items, description, total=None):
        count = 0
        for item in items:
            count += 1
            yield item
        seen.append((description, count, total))

    # The frames behind label 15 come or do not; the bar counts 3 .. 15.
    render_overlay(grey_video, labels, tmp_path / "overlay.mp4", track=track, around=2)
    assert seen == [("overlay", 13, 13)]


@pytest.mark.parametrize("name", ["badja/bear", "dlc-reaching"])
def test_real_clips(tmp_path, data, name):
    from poof.labels import load_labels

    media, file = {
        "badja/bear": ("badja/bear.mp4", "badja/bear.labels.csv"),
        "dlc-reaching": ("dlc-reaching/vid.avi", "dlc-reaching/labels_video_416x374.csv"),
    }[name]
    video, found = open_video(data / media), load_labels(data / file)
    first = LabelSet(found.skeleton, {key: p for key, p in found.instances.items() if key[0] in found.frames[:3]})
    count = render_overlay(video, first, tmp_path / "overlay.mp4", around=1)
    assert count == len(decoded(tmp_path / "overlay.mp4")) >= 5
