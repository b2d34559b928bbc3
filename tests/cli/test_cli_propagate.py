"""`poof propagate` and `poof demo` as a user types them: results, refusals, nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typed import poof, poof_on_a_full_disk, poof_started, refused

from poof.labels import load_labels, save_labels
from poof.labels.model import LabelSet
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video import VideoWriter


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with video.mp4 (30 frames of a moving plane), truth.json and labels.json (frames 5 and 16)."""
    folder = tmp_path_factory.mktemp("clip")
    scene = sample("constant", velocity=(1.0, 0.5), frames=30)
    with VideoWriter(folder / "video.mp4", 25, scene.size, lossless=True) as writer:
        for _, image in SyntheticVideo(scene).frames():
            writer.write(image)
    exact = truth(scene)
    save_labels(exact, folder / "truth.json")
    save_labels(
        exact.replace(instances={k: p for k, p in exact.instances.items() if k[0] in (5, 16)}), folder / "labels.json"
    )
    return folder


def test_the_main_job(clip: Path, tmp_path: Path) -> None:
    result = poof_started(
        "propagate",
        clip / "video.mp4",
        "--labels",
        clip / "labels.json",
        "--radius",
        5,
        "--render",
        "--json",
        "s.json",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    written = sorted(p.name for p in tmp_path.iterdir() if p.is_file())
    assert written == ["s.json", "video.poof.csv", "video.poof.json", "video.poof.overlay.mp4", "video.poof.sheet.png"]
    labels, exact = load_labels(tmp_path / "video.poof.json"), load_labels(clip / "truth.json")
    assert labels.frames == list(range(22))
    off = [np.hypot(*(p.xy - exact.instances[f, i].xy).T) for f, i, p in labels]
    assert float(np.nanmax(np.concatenate(off))) < 1.0
    table = pd.read_csv(tmp_path / "video.poof.csv")
    assert list(table.columns)[:-1] == [
        "frame",
        "instance",
        "keypoint",
        "x",
        "y",
        "confidence",
        "visible",
        "source",
        "anchor",
        "steps",
    ]
    assert set(table.source) == {"human", "propagated"}
    summary = json.loads((tmp_path / "s.json").read_text())
    assert summary["anchors"] == 2 and summary["frames"] == 22
    assert summary["points"] == {"human": 16, "propagated": int((table.source == "propagated").sum())}
    info = json.loads((tmp_path / "video.poof.json").read_text())["info"]["propagation"]
    assert [flow["name"] for flow in info["flow"]] == ["dis", "dis-coarse", "dis-coarse"]
    assert "labelled frames (now)" in result.stdout


def test_flow_auto_plus_measures_on_the_labels(clip: Path, tmp_path: Path) -> None:
    exact = load_labels(clip / "truth.json")
    save_labels(
        exact.replace(instances={k: p for k, p in exact.instances.items() if k[0] in (2, 12, 22)}), tmp_path / "l.json"
    )
    line = "propagate", clip / "video.mp4", "-l", "l.json", "-r", 5, "--flow", "auto+", "--json", "s.json"
    result = poof(*line, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    told = json.loads((tmp_path / "s.json").read_text())["flows"]
    assert (told["choice"], told["frames"], told["points"]) == ("dis", [12], 8)
    assert told["rows"][0]["error"] < 1.0 and told["rows"][0]["seconds"] > 0
    assert "seconds for 100 frames" in result.stdout and "8 points of 1 labels" in result.stdout
    refused(poof(*line, "--method", "chain", "--force", cwd=tmp_path), "--flow auto+", "--method chain")
    refused(poof("radius", clip / "video.mp4", "-l", "l.json", "--flow", "auto+", cwd=tmp_path), "poof propagate")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.mp4", "-l", "{clip}/labels.json"], ["nothing.mp4"]),
        (["{clip}/labels.json", "-l", "{clip}/labels.json"], ["labels.json"]),
        (["{clip}/video.mp4", "-l", "nothing.json"], ["nothing.json"]),
        (["{clip}/video.mp4", "-l", "{clip}/video.mp4"], ["video.mp4"]),
        (["{clip}/video.mp4", "-l", "{clip}/labels.json", "-r", "0"], ["--radius 0"]),
        (["{clip}/video.mp4", "-l", "{clip}/labels.json", "--flow", "magic"], ["magic", "dis", "raft-small"]),
        (["{clip}/video.mp4", "-l", "{clip}/labels.json", "--flow", "raft-small", "--weights", "no.pth"], ["no.pth"]),
        (
            ["{clip}/video.mp4", "-l", "{clip}/labels.json", "--flow", "dis", "--weights", "{clip}/labels.json"],
            ["takes no"],
        ),
        (["{clip}/video.mp4", "-l", "{clip}/labels.json", "--device", "cuda"], ["cuda"]),
        (["{clip}/video.mp4", "-l", "{clip}/labels.json", "--method", "magic"], ["blend, chain, thesis"]),
        (["{clip}/video.mp4", "-l", "{clip}/labels.json", "-o", "x.abc"], ["x.abc"]),
        (["{clip}/video.mp4", "-l", "{clip}/labels.json", "-o", "no/x.json"], ["no/x.json", "no folder"]),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(
    clip: Path, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    result = poof("propagate", *[a.format(clip=clip) for a in arguments], cwd=tmp_path)
    if "cuda" in words and result.returncode == 0:
        pytest.skip("this machine has CUDA")
    refused(result, *words)
    assert [p for p in tmp_path.iterdir() if p.name != "cache"] == []


def given(clip: Path, change) -> LabelSet:  # type: ignore[no-untyped-def]
    labels = load_labels(clip / "labels.json")
    change(labels)
    return labels


def test_labels_beyond_the_end_and_outside_the_image(clip: Path, tmp_path: Path) -> None:
    late = load_labels(clip / "labels.json")
    late.instances[77, 0] = late.instances.pop((16, 0))
    late.frame_names.clear()
    save_labels(late, tmp_path / "late.json")
    refused(poof("propagate", clip / "video.mp4", "-l", "late.json", cwd=tmp_path), "video.mp4", "frame 77", "29")
    out = load_labels(clip / "labels.json")
    out.instances[5, 0].xy[1] = 500, 20
    save_labels(out, tmp_path / "out.json")
    refused(poof("propagate", clip / "video.mp4", "-l", "out.json", cwd=tmp_path), "frame 5", "(500.0, 20.0)")
    big = load_labels(clip / "labels.json")
    big.image_size = (1920, 1080)
    save_labels(big, tmp_path / "big.json")
    refused(poof("propagate", clip / "video.mp4", "-l", "big.json", cwd=tmp_path), "1920x1080", "160x128")
    assert not list(tmp_path.glob("video.poof*"))


def test_files_of_others_are_kept_and_own_ones_replaced(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("precious")
    arguments = ("propagate", clip / "video.mp4", "-l", clip / "labels.json", "-r", 2, "-o", "mine.json")
    for more in ([], ["--force"]):
        refused(poof(*arguments, *more, cwd=tmp_path), "mine.json", "never")
    assert (tmp_path / "mine.json").read_text() == "precious"
    (tmp_path / "mine.json").unlink()
    for _ in range(2):
        assert poof(*arguments, cwd=tmp_path).returncode == 0
    assert load_labels(tmp_path / "mine.json").frames == [3, 4, 5, 6, 7, 14, 15, 16, 17, 18]


def test_a_full_disk_leaves_nothing_behind(clip: Path, tmp_path: Path) -> None:
    video, labels = clip / "video.mp4", clip / "labels.json"
    result = poof_on_a_full_disk("propagate", video, "-l", labels, "-r", 3, cwd=tmp_path)
    refused(result, "video.poof.json", "cannot be written")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == []


def test_quiet_prints_nothing_and_debug_shows_where(clip: Path, tmp_path: Path) -> None:
    quiet = poof("propagate", clip / "video.mp4", "-l", clip / "labels.json", "-r", 2, "--quiet", cwd=tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    debug = poof("propagate", "nothing.mp4", "-l", clip / "labels.json", "--debug", cwd=tmp_path)
    assert debug.returncode == 1 and "Traceback" in debug.stderr


def test_help_is_quick(tmp_path: Path) -> None:
    """Half a second on an idle machine; the best of five, against a bare interpreter in the same run."""

    def seconds(*command: str) -> float:
        times = []
        for _ in range(5):
            begin = time.process_time_ns(), os.times()
            subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, check=True)
            spent = os.times()
            times.append(
                spent.children_user + spent.children_system - begin[1].children_user - begin[1].children_system
            )
        return min(times)

    assert seconds("-m", "poof", "--help") - seconds("-c", "pass") < 0.45


def test_usage_errors_exit_with_2(tmp_path: Path) -> None:
    assert poof("propagate", cwd=tmp_path).returncode == 2
    assert poof("nonsense", cwd=tmp_path).returncode == 2


def test_every_command_has_help_and_loads_nothing_heavy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = (
        "import sys; from poof.cli import build; build();"
        "print([m for m in ('torch', 'cv2', 'pandas', 'numpy', 'matplotlib', 'av') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
    assert poof("propagate", "--help", cwd=tmp_path).returncode == 0
    from poof.cli import COMMANDS, command

    whole = command()
    for name, _, _ in COMMANDS:
        whole.main([name, "--help"], prog_name="poof", standalone_mode=False)
        shown = capsys.readouterr().out
        assert "--help" in shown and "<bool>" not in shown, name


def test_the_demo_shows_that_propagation_pays(tmp_path: Path) -> None:
    result = poof("demo", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    rows = {line.split("  ")[0].strip(): line for line in result.stdout.splitlines()}
    static, own = (float(rows[name].replace(name, "").split()[0]) for name in ("static copy", "poof"))
    assert own < 4.0 < 15 < static
    assert {p.name for p in (tmp_path / "poof-demo").iterdir()} == {
        "video.mp4",
        "labels.json",
        "truth.json",
        "video.poof.json",
        "video.poof.csv",
        "video.poof.overlay.mp4",
        "video.poof.sheet.png",
    }


def test_tracks_of_another_tool_join_the_blend(clip: Path, tmp_path: Path) -> None:
    table = load_labels(clip / "truth.json").to_frame()[["frame", "keypoint", "x", "y"]]
    table.to_csv(tmp_path / "tracks.csv", index=False)
    given = [clip / "video.mp4", "-l", clip / "labels.json", "-r", 5, "-q"]
    result = poof("propagate", *given, "--tracks-from", "tracks.csv", "-o", "a.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (told,) = load_labels(tmp_path / "a.json").info["propagation"]["trackers"]
    assert told["file"] == "tracks.csv"
    table.assign(x=table.x / 2, y=table.y / 2).to_csv(tmp_path / "half.csv", index=False)
    refused(poof("propagate", *given, "--tracks-from", "half.csv", cwd=tmp_path), "half.csv", "multiply x and y by")
    twice = ["--tracks-from", "tracks.csv", "--tracks-from", "half.csv"]
    refused(poof("propagate", *given, *twice, cwd=tmp_path), "2 --tracks-from for 1 video; give one for each")
    refused(poof("propagate", *given, "--tracks-from", "none.csv", cwd=tmp_path), "none.csv", "no such file")
    refused(poof("propagate", *given, "--tracker", "cotracker4", cwd=tmp_path), "unknown tracker 'cotracker4'")
    refused(poof("propagate", *given, "--iterations", 20, cwd=tmp_path), "--iterations 20", "makes no updates")
