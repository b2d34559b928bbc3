"""From a video and nothing else to a corrected label file, as a person does it in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poof import load_labels

pytestmark = pytest.mark.xdist_group("page story")  # one worker: one server serves them all

OPENED = "() => Boolean(window.poof && poof.store.video && poof.stage.shownFrame >= 0)"
"""JavaScript: the page is open and shows a frame."""

JOINTS = {"neck": (40, 100), "elbow": (60, 120), "paw": (80, 140)}
"""Keypoints on the square of the clip, where they are in frame 0."""


def test_from_a_video_alone_to_a_corrected_file(serve: Any, open_tab: Any, write_clip: Any, tmp_path: Path) -> None:
    joints = list(JOINTS)
    truth = {n: {joint: (x + 2 * n, y) for joint, (x, y) in JOINTS.items()} for n in range(24)}
    first, middle, second = 4, 9, 14
    server = serve(write_clip(tmp_path / "clip.mp4"), "--output", tmp_path / "clip.labels.json")
    tab = open_tab(server.url)

    # No keypoints yet: the page asks for them before anything else.
    tab.page.get_by_role("textbox").fill(", ".join(joints))
    tab.press("Enter")
    tab.until("n => poof.store.names.length === n", len(joints))

    # One click a keypoint, the next one follows by itself.
    for n in (first, second):
        tab.go(n)
        tab.press("1")
        for joint in joints:
            tab.click(*truth[n][joint])
        tab.page.wait_for_selector("#offer:not([hidden])")
    tab.saved()
    assert all(tab.point(second, k)["human"] for k in range(len(joints)))

    # Propagation arrives between them without being asked for.
    tab.go(middle)
    tab.until("n => (poof.store.points.get(n, 0)[0] || {}).source === 'propagated'", middle, 90)
    carried = tab.point(middle, 0)
    assert np.hypot(carried["x"] - truth[middle][joints[0]][0], carried["y"] - truth[middle][joints[0]][1]) < 3

    # A wrong point is dragged: it is a label then, exactly where it was let go.
    place = (carried["x"] + 15, carried["y"] + 9)
    tab.drag((carried["x"], carried["y"]), place)
    tab.saved()
    dragged = tab.point(middle, 0)
    assert dragged["human"]
    assert np.allclose([dragged["x"], dragged["y"]], place, atol=0.6)

    # Undo gives the carried point back, again gives the label back.
    tab.press("Control+z")
    tab.until("n => poof.store.points.get(n, 0)[0] && !poof.store.points.get(n, 0)[0].human", middle, 60)
    tab.press("Control+Shift+Z")
    tab.until("n => poof.store.points.get(n, 0)[0] && poof.store.points.get(n, 0)[0].human", middle)

    # Absent is a statement of its own, covered another.
    tab.press("2", "a")
    tab.saved()
    assert tab.row(1) == f"{joints[1]}, absent"
    tab.press("1", "o")
    tab.saved()
    assert tab.row(0) == f"{joints[0]}, label, covered"
    revision = tab.saved()

    # Nothing is lost by a reload, nor by pulling the plug.
    tab.page.reload()
    tab.until(OPENED)
    tab.go(middle)
    assert tab.saved() == revision
    server.kill()
    tab.page.wait_for_selector('#saved[data-kind="bad"]')
    server.start()
    tab.saved()
    assert tab.row(1) == f"{joints[1]}, absent"
    assert tab.point(middle, 0)["visible"] == 1

    # Undo goes on where it was, across reload and restart.
    tab.press("Control+z")
    tab.until("n => poof.store.points.get(n, 0)[0].visible === 2", middle)

    # And out again, in a format that other programs read.
    tab.press("e")
    tab.page.get_by_label("Format", exact=True).select_option("csv")
    tab.page.get_by_label("Points", exact=True).select_option("labels")
    tab.page.get_by_role("button", name="Export", exact=True).last.click()
    link = tab.page.get_by_role("link", name="Download")
    with tab.page.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "got.csv")
    labels = load_labels(tmp_path / "got.csv")
    assert labels.skeleton.keypoints == tuple(joints)
    points = {frame: points for frame, _, points in labels}
    assert sorted(points) == sorted([first, middle, second])
    for n in (first, second):
        assert np.allclose(points[n].xy, [truth[n][joint] for joint in joints], atol=0.6)
    assert points[middle].by_person[1] and points[middle].absent[1]


@pytest.fixture(scope="module")
def small(serve: Any, write_clip: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`poof label` on two small clips with two keypoints."""
    folder = tmp_path_factory.mktemp("clips")
    clips = [write_clip(folder / f"{name}.mp4", 12) for name in ("one", "two")]
    return serve(*clips, "--keypoints", "nose,tail")


def test_the_second_of_two_tabs_is_shown_the_first_ones_edit(small: Any, show: Any, open_tab: Any) -> None:
    one, two = show(small.url, 0, 5), open_tab(small.url)
    one.go(5)
    two.go(5)
    one.click(50, 60)
    one.saved()
    # What one does appears in the other.
    two.until("() => poof.store.points.get(5, 0)[0] && Math.abs(poof.store.points.get(5, 0)[0].x - 50) < 1")

    # The second holds the point while the first one moves it: the second's move is refused, and it is told.
    start = two.on_screen(50, 60)
    two.page.mouse.move(*start)
    two.page.mouse.down()
    two.page.mouse.move(start[0] + 30, start[1] + 10, steps=3)
    one.drag((50, 60), (90, 100))
    one.saved()
    two.page.mouse.up()
    two.page.wait_for_selector(".notice.warn")
    two.until("() => Math.abs(poof.store.points.get(5, 0)[0].x - 90) < 1")

    # Asked again, knowing of the other, it is done, and the first sees that.
    two.page.get_by_role("button", name="Set mine instead").click()
    two.saved()
    one.until("() => poof.store.points.get(5, 0)[0].x < 80")


def test_a_label_is_taken_back_and_a_track_ends(small: Any, show: Any) -> None:
    tab = show(small.url, 1, 2)
    gone = "([n, k]) => !poof.store.points.get(n, 0)[k] || !poof.store.points.get(n, 0)[k].human"
    tab.go(2)
    for keys in (["Control+z"], ["Delete"]):
        tab.press("1")
        tab.click(40, 50)
        tab.saved()
        tab.press("1", *keys)
        tab.saved()
        tab.until(gone, [2, 0])
    # From here on: a later label of the keypoint goes too, one of another keypoint stays.
    tab.press("1")
    tab.click(40, 50)
    tab.go(9)
    tab.press("1")
    tab.click(60, 50)
    tab.click(60, 90)
    tab.saved()
    tab.go(6)
    tab.press("1", "Shift+Delete")
    tab.saved()
    tab.until(gone, [9, 0])
    assert tab.point(9, 1)["human"] and tab.point(2, 0)["human"]


def test_what_refining_left_in_dispute_is_listed_until_a_person_has_decided(small: Any, show: Any) -> None:
    tab = show(small.url, 0, 1)
    tab.go(1)
    tab.run(
        """() => poof.store.hear("job", { id: 77, kind: "refine", video: 0, state: "done", done: 1, total: 1,
            message: "3 points refined", files: [], disputes: [[3, 0, 1], [8, 0, 0]] })"""
    )
    tab.page.locator("#disputes summary").click()
    tab.page.get_by_role("button", name="3 tail").click()
    tab.until("() => poof.stage.shownFrame === 3 && poof.store.keypoint === 1")
    tab.click(100, 100)
    tab.saved()
    assert tab.page.locator("#disputes-list button").count() == 1
    assert tab.page.inner_text("#disputes summary") == "1 disputed point"


def test_a_late_answer_does_not_replace_a_later_one(small: Any, show: Any) -> None:
    tab = show(small.url, 0, 1)
    tab.page.wait_for_selector("#proposals button")
    held: list[Any] = []
    tab.page.route("**/proposals?*", lambda route: route.continue_() if held else held.append(route))
    tab.run("() => { poof.store.fetchProposals(); }")
    tab.run("() => poof.store.fetchProposals()")
    frames = "() => poof.store.proposals.frames.length"
    assert len(held) == 1 and tab.run(frames) > 0
    with tab.page.expect_response("**/proposals?*"):
        held[0].fulfill(json={"kind": "first", "final": False, "frames": [], "notes": []})
    tab.page.unroute("**/proposals?*")
    tab.run("() => new Promise((done) => setTimeout(done, 100))")
    assert tab.run(frames) > 0


def test_a_keypoint_that_undo_took_away_is_no_longer_chosen(small: Any, show: Any) -> None:
    tab = show(small.url, 0, 1)
    tab.press("k")
    tab.page.get_by_role("textbox").fill("ear")
    tab.press("Enter")
    tab.until("() => poof.store.names.length === 3 && poof.store.keypoint === 2")
    tab.press("Control+z")
    tab.until("() => poof.store.names.length === 2 && poof.store.keypoint === 1")
    # Every part of the page is reached by the keyboard, also from within a list of choices.
    tab.page.wait_for_selector("#proposals button")
    visited = set()
    for _ in range(6):
        tab.press("F6")
        visited.add(tab.run("() => document.activeElement.closest('header, #left, #stage, #right, footer').id"))
    assert visited == {"top", "left", "stage", "right", "bottom"}
