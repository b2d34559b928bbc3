"""CVAT's XML: key frames, outside and occluded, tracks, images, and our own attribute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from peer_material import assert_same, rich

from poof.errors import PoofError, PoofWarning
from poof.labels import LabelSet, Points, Skeleton, Source, Visible, load_labels, save_labels

HEAD = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><labels>
    <label><name>mouse</name><type>skeleton</type>
      <svg>&lt;line data-type="edge" data-node-from="2" data-node-to="1"&gt;&lt;/line&gt;
      &lt;circle data-node-id="1" data-label-name="nose"&gt;&lt;/circle&gt;
      &lt;circle data-node-id="2" data-label-name="tail"&gt;&lt;/circle&gt;</svg></label>
    <label><name>nose</name><type>points</type><parent>mouse</parent></label>
    <label><name>tail</name><type>points</type><parent>mouse</parent></label>
  </labels><original_size><width>64</width><height>48</height></original_size></task><source>clip.mp4</source></meta>
"""


def point(label: str, place: str, keyframe: int = 1, outside: int = 0, occluded: int = 0, inner: str = "") -> str:
    flags = f'keyframe="{keyframe}" outside="{outside}" occluded="{occluded}"'
    return f'<points label="{label}" {flags} points="{place}">{inner}</points>'


def skeleton(frame: int, *points: str, keyframe: int = 1) -> str:
    return f'<skeleton frame="{frame}" keyframe="{keyframe}">{"".join(points)}</skeleton>'


def written(path: Path, *tracks: str) -> Path:
    path.write_text(HEAD + "".join(tracks) + "</annotations>")
    return path


def track(number: int, *shapes: str, source: str = "manual") -> str:
    return f'<track id="{number}" label="mouse" source="{source}">{"".join(shapes)}</track>'


def test_only_key_frames_are_labels(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.xml",
        track(
            0,
            skeleton(2, point("nose", "1,2"), point("tail", "3,4")),
            skeleton(3, point("nose", "5,6", 0), point("tail", "7,8", 0), keyframe=0),
            skeleton(4, point("nose", "9,10"), point("tail", "11,12", 0)),
        ),
    )
    labels = load_labels(path, missing="unlabelled")
    assert labels.frames == [2, 4]
    assert labels.instances[2, 0].xy.tolist() == [[1, 2], [3, 4]]
    assert labels.instances[4, 0].labelled.tolist() == [True, False], "the tail was interpolated there"
    assert labels.skeleton == Skeleton(("nose", "tail"), ((1, 0),), (), "mouse")
    assert (labels.image_size, labels.info["video"], labels.tracked) == ((64, 48), "clip.mp4", True)


def test_outside_is_absent_and_occluded_is_covered(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.xml", track(0, skeleton(2, point("nose", "1,2", outside=1), point("tail", "3,4", occluded=1)))
    )
    points = load_labels(path).instances[2, 0]
    assert points.visible.tolist() == [Visible.ABSENT, Visible.OCCLUDED]
    assert points.by_person.all() and points.labelled.tolist() == [False, True]


def test_the_shape_that_ends_a_track_is_nobodys(tmp_path: Path) -> None:
    end = skeleton(3, point("nose", "1,2", outside=1), point("tail", "3,4", outside=1))
    path = written(tmp_path / "a.xml", track(0, skeleton(2, point("nose", "1,2"), point("tail", "3,4")), end))
    assert load_labels(path).frames == [2]
    later = end.replace('frame="3"', 'frame="9"')
    written(path, track(0, skeleton(2, point("nose", "1,2"), point("tail", "3,4")), later))
    assert load_labels(path).instances[9, 0].absent.all(), "there a person said that the subject has gone"


def test_tracks_are_individuals_and_automatic_ones_a_models(tmp_path: Path) -> None:
    one = track(3, skeleton(2, point("nose", "1,2"), point("tail", "3,4")))
    two = track(5, skeleton(2, point("nose", "5,6"), point("tail", "7,8")), source="auto")
    labels = load_labels(written(tmp_path / "a.xml", one, two))
    assert list(labels.instances) == [(2, 3), (2, 5)]
    assert labels.instances[2, 3].source.tolist() == [Source.HUMAN] * 2
    assert labels.instances[2, 5].source.tolist() == [Source.PREDICTED] * 2


def test_points_without_skeletons(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    shapes = '<points frame="{}" keyframe="1" outside="0" occluded="0" points="{}"/>'
    tracks = [
        f'<track id="{i}" label="{label}">{shapes.format(2, place)}</track>'
        for i, (label, place) in enumerate([("nose", "1,2"), ("tail", "3,4"), ("nose", "5,6")])
    ]
    path.write_text(f"<annotations>{''.join(tracks)}</annotations>")
    labels = load_labels(path, missing="unlabelled")
    assert list(labels.instances) == [(2, 0), (2, 1)]
    assert labels.instances[2, 1].xy[0].tolist() == [5, 6]
    path.write_text(path.read_text().replace("1,2", "1,2;3,4"))
    with pytest.raises(PoofError, match="'nose' is one shape of 2 points, which have no names"):
        load_labels(path)


def test_images(tmp_path: Path) -> None:
    group = f"<skeleton label='mouse' source='manual'>{point('nose', '1,2')}{point('tail', '3,4')}</skeleton>"
    image = f'<image id="0" name="run/frame_000007.png" width="64" height="48">{group}</image>'
    labels = load_labels(written(tmp_path / "a.xml", image))
    assert list(labels.instances) == [(7, 0)]
    assert labels.frame_names == {7: "run/frame_000007.png"}
    assert labels.tracked


@pytest.mark.parametrize("several", [True, False])
def test_what_we_write_comes_back(tmp_path: Path, several: bool) -> None:
    labels = rich(several)
    save_labels(labels, tmp_path / "out.xml")
    back = load_labels(tmp_path / "out.xml")
    assert_same(labels, back, "visible", "source", "confidence")
    assert (back.skeleton.edges, back.image_size, back.tracked) == (labels.skeleton.edges, labels.image_size, True)


def test_what_a_person_moved_in_cvat_is_a_persons(tmp_path: Path) -> None:
    labels = LabelSet(Skeleton(("a", "b", "c")))
    points = Points.human(4, np.array([[10.0, 20.0], [30.0, 40.0], [50.0, 60.0]]))
    points.source[:], points.confidence[:], points.anchor[:] = Source.PROPAGATED, 0.5, -1
    labels.add(4, 0, points)
    save_labels(labels, tmp_path / "out.xml")
    text = (tmp_path / "out.xml").read_text()
    text = text.replace('keyframe="1" points="10.000,20.000"', 'keyframe="1" points="11.000,20.000"')
    second = text.index('points="30.000,40.000"')
    text = text[:second].replace('label="b" outside="0"', 'label="b" outside="1"') + text[second:]
    (tmp_path / "out.xml").write_text(text)
    back = load_labels(tmp_path / "out.xml").instances[4, 0]
    assert back.source.tolist() == [Source.HUMAN, Source.HUMAN, Source.PROPAGATED]
    assert back.visible.tolist() == [Visible.VISIBLE, Visible.ABSENT, Visible.VISIBLE]
    np.testing.assert_allclose(back.confidence, [1, 1, 0.5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations><track", "is broken XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "declares a document type"),
        ("<annotations/>", "holds no keypoint"),
        ('<annotations><track id="0" label="a"><points frame="x" points="1,2"/></track></annotations>', "no number"),
        ('<annotations><track id="0" label="a"><points frame="1" points="1,nan"/></track></annotations>', "'1,nan'"),
        ('<annotations><track id="0"><points frame="1" points="1,2"/></track></annotations>', "has no label"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(PoofError) as caught:
        load_labels(tmp_path / "a.xml", format="cvat")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_entities_in_another_encoding(tmp_path: Path) -> None:
    """Looking for the letters of ASCII did not find them."""
    (tmp_path / "a.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "utf-16")
    with pytest.raises(PoofError, match="declares a document type"):
        load_labels(tmp_path / "a.xml", format="cvat")


def test_places_that_mean_missing(tmp_path: Path) -> None:
    """But not where poof itself says of a point that it is there."""
    told = '<attribute name="poof">propagated 0.5000 0.000,0.000</attribute>'
    path = written(
        tmp_path / "a.xml",
        track(0, skeleton(3, point("nose", "0.00,0.00"), point("tail", "9,9"))),
        track(1, skeleton(3, point("nose", "0.00,0.00", inner=told), point("tail", "20,9"))),
    )
    with pytest.warns(PoofWarning, match=r"took 1 points at \(0, 0\) or \(-1, -1\) as missing"):
        labels = load_labels(path)
    assert [labels.instances[3, i].labelled.tolist() for i in (0, 1)] == [[False, True], [True, True]]
