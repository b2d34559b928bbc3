"""What a person edits in a file that poof wrote is theirs, whatever `source` says; everything else stays poof's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poof.errors import PoofError, PoofWarning
from poof.labels import LabelSet, Points, Skeleton, Source, Visible, load_labels, save_labels
from poof.labels.record import list_of, pack, unpack
from poof.labels.representations import notes_on

NAMES = ("nose", "tail", "paw")
H, P = Source.HUMAN, Source.PROPAGATED


def carried(frames: int = 30, instances: int = 1) -> LabelSet:
    """A person's points in frame 0, carried ones (11.111 px apart) behind it."""
    labels = LabelSet(Skeleton(NAMES), image_size=(640, 480), info={"propagation": {}, "video": "v.mp4"})
    for instance in range(instances):
        for frame in range(frames):
            xy = np.array([[10.0, 20.0], [30.5, 40.25], [50.125, 60.0]]) + 11.111 * frame + 100 * instance
            points = Points.human(frame, xy)
            if frame:
                points.source[:] = P
                points.anchor[:], points.steps[:], points.confidence[:] = 0, frame, 0.75
                points.flow_xy = (xy + 1).astype(np.float32)
                points.disputed = np.array([True, False, False])
            labels.add(frame, instance, points)
    return labels


def edited(tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame | None], **options: object) -> LabelSet:
    """What comes back of a table after a change to its cells (all text)."""
    (tmp_path / "x.csv").unlink(missing_ok=True)
    save_labels(carried(), tmp_path / "x.csv")
    table = pd.read_csv(tmp_path / "x.csv", dtype=str, keep_default_na=False)
    changed = change(table)
    (table if changed is None else changed).to_csv(tmp_path / "x.csv", index=False, **options)  # type: ignore[call-overload]
    return load_labels(tmp_path / "x.csv")


def row(table: pd.DataFrame, frame: int, keypoint: str) -> int:
    return int(table.index[(table.frame == str(frame)) & (table.keypoint == keypoint)][0])


def others_untouched(labels: LabelSet, *places: tuple[int, int]) -> None:
    """Every point but those at (frame, keypoint) is as it was written."""
    for frame, _, points in carried():
        for k in range(3):
            if (frame, k) not in places:
                back = labels.instances[frame, 0]
                assert back.source[k] == points.source[k] and back.steps[k] == points.steps[k]
                np.testing.assert_allclose(back.xy[k], points.xy[k], atol=5e-4)


@pytest.mark.parametrize("name", ["x.csv", "x.json"])
def test_nothing_was_changed(tmp_path: Path, name: str) -> None:
    save_labels(carried(instances=2), tmp_path / name)
    labels = load_labels(tmp_path / name)
    assert not labels.changes and str(labels.changes) == ""
    assert {int(s) for s in labels.instances[4, 1].source} == {P}
    assert labels.info["video"] == "v.mp4" and labels.image_size == (640, 480)


def test_a_moved_point_is_a_persons_and_forgets_where_it_came_from(tmp_path: Path) -> None:
    def move(table: pd.DataFrame) -> None:
        table.loc[row(table, 4, "tail"), "x"] = "400"

    labels = edited(tmp_path, move)
    points = labels.instances[4, 0]
    assert labels.changes.corrected == [(4, 0, 1)] and str(labels.changes) == "1 corrected"
    assert labels.changes.before[4, 0, 1] == pytest.approx((74.944, 84.694))
    assert points.xy[1].tolist() == pytest.approx([400, 84.694])
    assert (points.source[1], points.anchor[1], points.steps[1], points.confidence[1]) == (H, 4, 0, 1.0)
    others_untouched(labels, (4, 1))
    assert labels.human().frames == [0, 4]


def test_the_smallest_edit_counts_and_a_persons_own_point_too(tmp_path: Path) -> None:
    def move(table: pd.DataFrame) -> None:
        table.loc[row(table, 4, "tail"), "y"] = "84.696"
        table.loc[row(table, 0, "nose"), "x"] = "12"

    assert edited(tmp_path, move).changes.corrected == [(0, 0, 0), (4, 0, 1)]


def test_a_deleted_row_is_an_absence(tmp_path: Path) -> None:
    labels = edited(tmp_path, lambda table: table.drop(index=row(table, 4, "tail")))
    points = labels.instances[4, 0]
    assert labels.changes.removed == [(4, 0, 1)] and str(labels.changes) == "1 removed"
    assert (points.visible[1], points.source[1]) == (Visible.ABSENT, H) and np.isnan(points.xy[1]).all()
    others_untouched(labels, (4, 1))


@pytest.mark.parametrize("cells", [{"x": "", "y": ""}, *({"visible": v} for v in ("absent", "0", "Not there", "gone"))])
def test_emptied_cells_and_states_of_nothing_are_absences(tmp_path: Path, cells: dict[str, str]) -> None:
    def empty(table: pd.DataFrame) -> None:
        table.loc[row(table, 4, "tail"), list(cells)] = list(cells.values())

    labels = edited(tmp_path, empty)
    assert labels.changes.removed == [(4, 0, 1)] and labels.instances[4, 0].visible[1] == Visible.ABSENT
    if "x" in cells:
        assert not load_labels(tmp_path / "x.csv", missing="unlabelled").instances[4, 0].decided[1]


def test_a_frame_of_carried_points_that_is_deleted_whole(tmp_path: Path) -> None:
    labels = edited(tmp_path, lambda table: table[table.frame != "7"])
    assert labels.changes.removed == [(7, 0, 0), (7, 0, 1), (7, 0, 2)]
    assert labels.instances[7, 0].absent.all() and labels.instances[7, 0].by_person.all()


def test_a_frame_of_labels_that_is_deleted_whole_is_withdrawn(tmp_path: Path) -> None:
    labels = edited(tmp_path, lambda table: table[table.frame != "0"])
    assert (0, 0) not in labels.instances and len(labels.changes.removed) == 3


def test_a_filter_says_nothing(tmp_path: Path) -> None:
    labels = edited(tmp_path, lambda table: table[table.source == "human"])
    assert labels.frames == [0] and not labels.changes and labels.changes.filtered == 87


def test_a_state_and_a_word_of_the_source(tmp_path: Path) -> None:
    def say(table: pd.DataFrame) -> None:
        table.loc[row(table, 4, "tail"), "visible"] = "1"
        table.loc[row(table, 5, "tail"), "source"] = "GT"
        table.loc[row(table, 6, "tail"), "source"] = "manual"

    labels = edited(tmp_path, say)
    assert str(labels.changes) == "1 corrected, 2 confirmed"
    assert labels.instances[4, 0].visible[1] == Visible.OCCLUDED
    assert [labels.instances[f, 0].source[1] for f in (4, 5, 6, 7)] == [H, H, H, P]


def test_a_word_of_the_source_that_nobody_knows_matters_only_where_nothing_was_changed(tmp_path: Path) -> None:
    def say(table: pd.DataFrame, word: str = "korrigiert") -> None:
        table.loc[row(table, 4, "tail"), ["x", "source"]] = ["400", word]
        table.loc[row(table, 5, "tail"), ["visible", "source"]] = ["hidden", word]

    labels = edited(tmp_path, say)
    assert str(labels.changes) == "2 corrected" and labels.instances[5, 0].visible[1] == Visible.OCCLUDED

    def confirm(table: pd.DataFrame) -> None:
        say(table)
        table.loc[row(table, 6, "nose"), "source"] = "wrong"

    with pytest.raises(PoofError, match=r"line 20: unknown source 'wrong'; it is one of human, .* or manual"):
        edited(tmp_path, confirm)


def test_a_row_that_was_added_without_an_instance_is_of_the_only_one(tmp_path: Path) -> None:
    def add(table: pd.DataFrame) -> pd.DataFrame:
        rows = [
            {"frame": "50", "keypoint": "tail", "x": "4", "y": "5"},
            {"frame": "51", "keypoint": "paw", "visible": "absent"},
        ]
        return pd.concat([table, pd.DataFrame(rows)]).fillna("")

    labels = edited(tmp_path, add)
    assert labels.changes.added == [(50, 0, 1), (51, 0, 2)] and labels.instances[50, 0].xy[1].tolist() == [4, 5]


def test_a_copied_row_and_a_new_one(tmp_path: Path) -> None:
    def copy(table: pd.DataFrame) -> pd.DataFrame:
        new = table.loc[[row(table, 4, "tail")]].assign(frame="40")
        return pd.concat([table, new, new.assign(frame="41", **{table.columns[-1]: ""})])

    labels = edited(tmp_path, copy)
    assert labels.changes.added == [(40, 0, 1), (41, 0, 1)]
    assert labels.instances[40, 0].source[1] == labels.instances[41, 0].source[1] == H


def test_two_instances_that_were_exchanged(tmp_path: Path) -> None:
    save_labels(carried(instances=2), tmp_path / "x.csv")
    table = pd.read_csv(tmp_path / "x.csv", dtype=str, keep_default_na=False)
    there = table.frame == "9"
    table.loc[there, "instance"] = table.loc[there, "instance"].map({"0": "1", "1": "0"})
    table.to_csv(tmp_path / "x.csv", index=False)
    labels = load_labels(tmp_path / "x.csv")
    assert len(labels.changes.corrected) == 6 and not labels.changes.removed
    np.testing.assert_allclose(labels.instances[9, 0].xy[0], [209.999, 219.999], atol=1e-3)


def test_a_renamed_keypoint_is_no_edit(tmp_path: Path) -> None:
    labels = edited(tmp_path, lambda table: table.assign(keypoint=table.keypoint.replace({"tail": "tail_tip"})))
    assert labels.skeleton.keypoints == ("nose", "tail_tip", "paw") and not labels.changes
    labels = edited(
        tmp_path,
        lambda t: t.assign(keypoint=t.keypoint.replace({"tail": "tail_tip"})).drop(index=row(t, 4, "tail")),
    )
    assert labels.changes.removed == [(4, 0, 1)]


def test_the_habits_of_spreadsheets_are_no_edits(tmp_path: Path) -> None:
    def european(table: pd.DataFrame) -> pd.DataFrame:
        return table.map(lambda cell: cell.replace(".", ","))

    assert not edited(tmp_path, european, sep=";").changes
    shuffled = edited(tmp_path, lambda t: t.sample(frac=1, random_state=1)[[*reversed(t.columns)]])
    assert not shuffled.changes and len(shuffled) == 30
    assert not edited(tmp_path, lambda table: table.drop(columns=["anchor", "steps", "source", "visible"])).changes

    def rounded(table: pd.DataFrame) -> None:
        for column in ("x", "y"):
            table[column] = [f"{float(v):.1f}" for v in table[column]]

    def rounded_and_moved(table: pd.DataFrame) -> None:
        rounded(table)
        table.loc[row(table, 4, "tail"), "x"] = "76.0"

    def cut_off(table: pd.DataFrame) -> None:
        for column in ("x", "y"):
            table[column] = [str(int(float(v))) for v in table[column]]

    assert not edited(tmp_path, rounded).changes and not edited(tmp_path, cut_off).changes
    assert edited(tmp_path, rounded_and_moved).changes.corrected == [(4, 0, 1)]


def test_a_header_that_was_cut_off(tmp_path: Path) -> None:
    def cut(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[row(table, 4, "tail"), "x"] = "400"
        return table.drop(index=row(table, 5, "paw")).rename(columns={table.columns[-1]: table.columns[-1][:-20]})

    with pytest.warns(PoofWarning, match="rows that were deleted are not noticed"):
        labels = edited(tmp_path, cut)
    assert labels.changes.added == [(4, 0, 1)] or labels.changes.corrected == [(4, 0, 1)]
    assert not labels.changes.removed


def test_edits_in_json(tmp_path: Path) -> None:
    save_labels(carried(), tmp_path / "x.json")
    document = json.loads((tmp_path / "x.json").read_text())
    by_frame = {a["image_id"] - 1: a for a in document["annotations"]}
    by_frame[3]["keypoints"][0] = 99.5
    by_frame[4]["keypoints"][3:6] = [0, 0, 0]
    document["annotations"].remove(by_frame[5])
    del by_frame[6]["poof"]["written"], by_frame[6]["poof"]["source"]
    (tmp_path / "x.json").write_text(json.dumps(document))
    labels = load_labels(tmp_path / "x.json")
    assert labels.changes.corrected == [(3, 0, 0), (6, 0, 0), (6, 0, 1), (6, 0, 2)]
    assert labels.changes.removed == [(4, 0, 1), (5, 0, 0), (5, 0, 1), (5, 0, 2)]
    assert labels.instances[3, 0].source.tolist() == [H, P, P]
    assert labels.instances[3, 0].in_dispute.tolist() == [False] * 3
    assert labels.instances[5, 0].absent.all()


def test_words_in_json(tmp_path: Path) -> None:
    save_labels(carried(), tmp_path / "x.json")
    document = json.loads((tmp_path / "x.json").read_text())
    extra = {a["image_id"] - 1: a["poof"] for a in document["annotations"]}
    extra[3]["source"][0] = "manual"
    extra[4]["absent"] = ["tail"]  # its coordinates are still there
    (tmp_path / "x.json").write_text(json.dumps(document))
    labels = load_labels(tmp_path / "x.json")
    assert labels.changes.confirmed == [(3, 0, 0)] and labels.changes.removed == [(4, 0, 1)]
    assert labels.instances[4, 0].absent.tolist() == [False, True, False]
    assert labels.instances[4, 0].by_person.tolist() == [False, True, False]


def test_what_was_corrected_is_written_as_a_persons(tmp_path: Path) -> None:
    def move(table: pd.DataFrame) -> None:
        table.loc[row(table, 4, "tail"), "x"] = "400"
        table.loc[row(table, 6, "paw"), ["x", "y"]] = ""

    save_labels(edited(tmp_path, move), tmp_path / "y.csv")
    again = load_labels(tmp_path / "y.csv")
    assert not again.changes
    assert again.instances[4, 0].source[1] == H and again.instances[6, 0].absent.tolist() == [False, False, True]


def test_that_the_column_of_stamps_was_deleted_is_told(tmp_path: Path) -> None:
    labels = edited(tmp_path, lambda table: table.drop(columns=table.columns[-1]))
    assert labels.changes.lost and not labels.changes
    (note,) = notes_on([Path("x.csv")], labels.changes, 0)
    assert note.startswith("note: x.csv: the column poof:... is gone")
    assert not edited(tmp_path, lambda table: None).changes.lost


def test_files_without_stamps_are_read_as_ever(tmp_path: Path) -> None:
    save_labels(carried(), tmp_path / "x.csv")
    table = pd.read_csv(tmp_path / "x.csv", dtype=str, keep_default_na=False)
    table.drop(columns=table.columns[-1]).to_csv(tmp_path / "x.csv", index=False)
    labels = load_labels(tmp_path / "x.csv")
    assert not labels.changes and labels.instances[4, 0].source.tolist() == [P] * 3


def test_the_list_of_points_is_short_and_survives_packing() -> None:
    told = list_of(carried(frames=1000))
    assert told["frames"] == {"0": "0-0=7/7;1-999=7"}
    assert unpack(pack(told)) == told and unpack(pack(told)[:-6]) is None and unpack("") is None


def test_a_carried_point_that_was_moved_in_an_hdf5_table_is_a_persons(tmp_path: Path) -> None:
    import h5py

    labels = carried(4)
    labels.frame_names = {frame: f"img{frame}.png" for frame in range(4)}
    save_labels(labels, tmp_path / "x.h5")
    assert not load_labels(tmp_path / "x.h5").changes
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        (table,) = (one for key, one in file.items() if key != "poof")
        cells = table["block0_values"][:]
        cells[2, 3] += 0.01  # the tail's x
        table["block0_values"][:] = cells
    back = load_labels(tmp_path / "x.h5")
    assert back.changes.corrected == [(2, 0, 1)] and back.instances[2, 0].source.tolist() == [P, H, P]
    assert (back.instances[2, 0].anchor[1], back.instances[2, 0].confidence[1]) == (2, 1.0)
