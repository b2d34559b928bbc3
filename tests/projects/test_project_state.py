"""The state of a project: what is out of date and why; a video that moves, labels that change, corrections."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from project_material import clip, folder_of, part

from poof.labels import load_labels, save_labels
from poof.progress import silent
from poof.projects import work
from poof.projects.catalogue import catalogue
from poof.projects.contents import BLOCK, checksum, fingerprint
from poof.projects.plan import DEFAULTS, carried
from poof.projects.project import load
from poof.projects.records import Record, why_outdated
from poof.projects.setup import create
from poof.projects.status import Status, status


def look(folder: Path) -> Status:
    return status(load(folder / "poof.toml"))


def states(folder: Path) -> dict[str, list[str]]:
    """Name of the results -> what is due, with the reason."""
    return {row.name: [f"{c.split()[1]}: {why}" for c, why in row.todo] for row in look(folder).rows}


def propagate(folder: Path) -> list[str]:
    """What `poof propagate` does in a project; the videos that it worked on."""
    project = load(folder / "poof.toml")
    known = catalogue(project)
    options = {**DEFAULTS["propagate"], **project.options_of("propagate")}
    done = []
    for item in carried(known, [f for f in known.films if f.labels], options):
        if item.why:
            mark = work.Mark("propagate", item.film.name, item.parts, project.kept / "made", project.folder)
            settings = {"radius": options["radius"]}
            work.propagate(
                source=item.source, outputs=item.outputs, settings=settings, flow="dis", mark=mark, track=silent
            )
            done.append(item.film.name)
    return done


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two videos, propagated."""
    folder = tmp_path_factory.mktemp("made")
    folder_of(folder, ["a", "b"])
    create(folder, [], [])
    assert states(folder) == {"a": ["propagate: not made yet"], "b": ["propagate: not made yet"]}
    assert propagate(folder) == ["a", "b"]
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A copy of it elsewhere: what was made stays known when the whole folder moves."""
    place = tmp_path / "with space"
    shutil.copytree(made, place)
    return place


def test_what_was_made_is_up_to_date_wherever_the_folder_lies(project: Path) -> None:
    assert states(project) == {"a": [], "b": []}
    row = look(project).rows[0]
    assert (row.frames, row.exact, row.labels, row.covered, row.result) == (16, True, 2, 16, "poof")
    assert row.confidence is not None and row.confidence > 0.9
    assert propagate(project) == []


def test_a_video_that_is_renamed_and_moved_loses_nothing(project: Path) -> None:
    (project / "more").mkdir()
    (project / "a.mp4").rename(project / "more" / "zebra.mp4")
    text = (project / "poof.toml").read_text().replace('videos = ["*.mp4"]', 'videos = ["**/*.mp4"]')
    (project / "poof.toml").write_text(text)
    rows = {row.video: row for row in look(project).rows}
    assert rows["more/zebra.mp4"].name == "a" and rows["more/zebra.mp4"].todo == []
    labels = load_labels(project / "labels" / "a.json")
    moved = labels.replace(instances={k: p for k, p in labels.instances.items() if k[0] == 3})
    (project / "labels" / "a.json").unlink()
    save_labels(moved, project / "labels" / "a.json")
    assert states(project) == {"b": [], "a": ["propagate: labels changed"]}
    assert propagate(project) == ["a"]
    assert load_labels(project / "results" / "a.poof.json").human().frames == [3]


def test_only_what_an_option_or_a_label_touches_is_out_of_date(project: Path) -> None:
    text = (project / "poof.toml").read_text()
    (project / "poof.toml").write_text(text.replace("[options]", "[options]\nradius = 4"))
    assert states(project) == {"a": ["propagate: radius changed"], "b": ["propagate: radius changed"]}
    assert propagate(project) == ["a", "b"] and states(project) == {"a": [], "b": []}
    assert load_labels(project / "results" / "a.poof.json").frames == list(range(15))
    (project / "results" / "b.poof.csv").unlink()
    assert states(project) == {"a": [], "b": ["propagate: b.poof.csv is gone"]}


def test_corrections_of_a_result_are_kept_beside_the_labels_and_survive(project: Path) -> None:
    file = project / "results" / "a.poof.csv"
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    row = table.index[(table.frame == "6") & (table.keypoint == "p2")][0]
    table.loc[row, ["x", "y"]] = ["40.5", "31.25"]
    table.to_csv(file, index=False)
    assert states(project) == {"a": ["propagate: corrections in a.poof.csv"], "b": []}
    assert propagate(project) == ["a"]
    kept = load_labels(project / "labels" / "a.corrections.json")
    assert kept.frames == [6] and kept.instances[6, 0].xy[2].tolist() == [40.5, 31.25]
    assert int(kept.instances[6, 0].decided.sum()) == 1
    for frames in ((3, 10), (3, 10, 12)):  # again, and after a new label
        names = [f"{k}" for k in frames]
        exact = clip(project / "spare.mp4", (1.0, 0.5))
        (project / "spare.mp4").unlink()
        (project / "labels" / "a.json").unlink()
        save_labels(part(exact, frames), project / "labels" / "a.json")
        propagate(project)
        result = load_labels(project / "results" / "a.poof.json")
        assert result.instances[6, 0].is_human[2] and result.instances[6, 0].xy[2].tolist() == [40.5, 31.25], names
    assert states(project) == {"a": [], "b": []}


def test_a_broken_video_labels_of_none_and_one_without_labels(project: Path) -> None:
    (project / "c.mp4").write_bytes(b"no video at all" * 100)
    clip(project / "d.mp4", (2.0, 0.0), frames=5)
    save_labels(load_labels(project / "labels" / "a.json"), project / "labels" / "wolf.json")
    (project / "labels" / "notes.json").write_text("{}")
    found = look(project)
    rows = {row.name: row for row in found.rows}
    assert "c.mp4: is not a video" in rows["c"].trouble or "c.mp4" in rows["c"].trouble
    assert rows["d"].todo == [("poof label d.mp4", "no labels")]
    assert {Path(file).name for file, _ in found.strays} == {"wolf.json", "notes.json"}
    (project / "b.mp4").unlink()
    text = (project / "poof.toml").read_text().replace('["*.mp4"]', '["*.mp4", "b.mp4"]')
    (project / "poof.toml").write_text(text)
    (gone,) = [row for row in look(project).rows if row.video == "b.mp4"]
    assert "there is no such file" in gone.trouble and gone.name == "b"


def test_an_option_that_came_later_makes_nothing_out_of_date() -> None:
    before = Record({"video": "v", "options": {"radius": "10"}})
    assert why_outdated(before, {"video": "v", "options": {"radius": "10", "tracker": None}}) == ""
    assert why_outdated(before, {"video": "v", "options": {"radius": "10", "tracker": "x"}}) == "tracker changed"
    assert why_outdated(before, {"video": "w", "options": {"radius": "10"}}) == "the video changed"
    assert why_outdated(None, {}) == "not made yet"


def test_two_videos_of_one_name_and_a_copy(tmp_path: Path) -> None:
    for number, day in enumerate(("day1", "day2", "day3")):
        (tmp_path / day).mkdir()
        clip(tmp_path / day / "cam.mp4", (1.0 + (number % 2), 0.5), frames=4)
    (tmp_path / "poof.toml").write_text('videos = ["*/cam.mp4"]\n')
    names = [(row.video, row.name) for row in look(tmp_path).rows]
    assert names == [("day1/cam.mp4", "cam"), ("day2/cam.mp4", "day2-cam")]  # day3 holds the same as day1


def test_what_is_no_ordinary_file_has_no_checksum(tmp_path: Path) -> None:
    """`poof predict -m /dev/zero` read it for ever."""
    os.mkfifo(tmp_path / "pipe")
    assert [checksum(path) for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, tmp_path / "none")] == [""] * 4


def test_the_fingerprint_looks_at_content_alone(tmp_path: Path) -> None:
    data = bytearray(range(256)) * (BLOCK // 32)
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "b").write_bytes(data)
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    data[-1] ^= 1
    (tmp_path / "b").write_bytes(data)
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")
    (tmp_path / "b").write_bytes(data[:-1])
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")
