"""The command line over many videos and in a project, as a user types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
from project_material import folder_of

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
from typed import environment, poof

from poof.cli.propagate import propagate
from poof.cli.refine import refine
from poof.projects.plan import DEFAULTS
from poof.projects.schema import OPTIONS


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three short clips with labels, and a file that is no video among them."""
    folder = tmp_path_factory.mktemp("clips")
    folder_of(folder, ["a", "b", "c"], frames=12)
    (folder / "broken.mp4").write_bytes(b"\0" * 5000)
    return folder


def test_one_broken_video_does_not_stop_the_others_and_nothing_is_done_twice(clips: Path, tmp_path: Path) -> None:
    videos = [clips / f"{name}.mp4" for name in ("a", "broken", "b", "c")]
    labels = [word for name in "abc" for word in ("-l", clips / "labels" / f"{name}.json")]
    outputs = {}
    for jobs in (1, 3):
        place = tmp_path / str(jobs)
        place.mkdir()
        result = poof("propagate", *videos, *labels, "-r", 5, "-j", jobs, cwd=place, POOF_CACHE=str(place / "cache"))
        assert result.returncode == 1, result.stderr
        errors = [line for line in result.stderr.splitlines() if line.startswith("poof: error")]
        assert len(errors) == 1 and "broken.mp4" in errors[0]
        assert "1 of 4 videos failed" in result.stderr and "(3 of 3" in result.stderr
        outputs[jobs] = {p.name: p.read_bytes() for p in place.glob("*.poof.*")}
    assert len(outputs[1]) == 6 and outputs[1] == outputs[3]
    (place / "b.poof.json").unlink()
    again = poof("propagate", *videos, *labels, "-r", 5, cwd=place)
    assert "(1 of 1" in again.stderr and "2 videos up to date" in again.stdout, again.stdout + again.stderr
    assert (place / "b.poof.json").read_bytes() == outputs[1]["b.poof.json"]


def network(path: Path, keypoints: int = 8) -> Path:
    """A network that has learned nothing but is sure of itself."""
    import torch

    from poof.checkpoints import save_checkpoint
    from poof.labels import Skeleton
    from poof.pose import PoseModel
    from poof.pose.unet import UNet

    torch.manual_seed(0)
    model = PoseModel(UNet(keypoints), Skeleton(tuple(f"p{k}" for k in range(keypoints))), (64, 64))
    with torch.no_grad():
        model.network.head.weight.mul_(300)  # type: ignore[operator, union-attr]
    save_checkpoint(path, model.as_dict())
    return path


@pytest.mark.slow  # twenty seconds of PyTorch's imports
def test_networks_see_the_same_for_any_number_of_jobs(clips: Path, tmp_path: Path) -> None:
    videos = [clips / f"{name}.mp4" for name in ("a", "broken", "b")]
    labels = [word for name in "ab" for word in ("-l", clips / "labels" / f"{name}.json")]
    model = network(tmp_path / "best.pt")
    outputs = {}
    for jobs in (1, 2):
        place = tmp_path / str(jobs)
        place.mkdir()
        result = poof("refine", *videos, "-m", model, *labels, "-r", 5, "--always", "-j", jobs, cwd=place)
        assert result.returncode == 1 and "1 of 3 videos failed" in result.stderr, result.stderr
        outputs[jobs] = {p.name: p.read_bytes() for p in place.iterdir() if p.is_file()}
    names = ["refined.csv", "refined.json"]
    assert sorted(outputs[1]) == sorted(f"{video}.{name}" for video in "ab" for name in names)
    assert outputs[1] == outputs[2]


def test_a_project_from_init_to_status(clips: Path, tmp_path: Path) -> None:
    place = tmp_path / "my project"
    place.mkdir()
    for name in ("a", "b"):
        os.link(clips / f"{name}.mp4", place / f"{name}.mp4")
    assert poof("init", "--labels", clips / "labels", cwd=place).returncode == 0
    told = poof("init", cwd=place)
    assert told.returncode == 1 and "exists already" in told.stderr
    done = poof("propagate", "--radius", 4, "--render", cwd=place)
    assert done.returncode == 0, done.stderr
    written = sorted(p.name for p in (place / "results").iterdir())
    assert written == [f"{n}.poof.{e}" for n in "ab" for e in ("csv", "json", "overlay.mp4", "sheet.png")]
    (place / "deep").mkdir()
    state = poof("status", "--json", cwd=place / "deep")
    rows = json.loads(state.stdout)["videos"]
    assert [row["todo"] for row in rows] == [[["poof propagate", "radius changed"]]] * 2  # the project's is 10
    with (place / "poof.toml").open("a") as file:
        file.write("")
    text = (place / "poof.toml").read_text().replace("# radius = 10", "radius = 4")
    (place / "poof.toml").write_text(text)
    nothing = poof("propagate", cwd=place / "deep")
    assert nothing.returncode == 0 and "everything is up to date" in nothing.stdout, nothing.stdout + nothing.stderr
    wrong = poof("propagate", "aa.mp4", cwd=place)
    assert wrong.returncode == 1 and "nearest is a.mp4" in wrong.stderr
    (place / "poof.toml").write_text(text.replace("[options]", "[options]\nradiu = 3"))
    mistyped = poof("status", cwd=place)
    assert mistyped.returncode == 1 and "did you mean radius?" in mistyped.stderr and "line " in mistyped.stderr
    assert poof("propagate", "--help", cwd=place).returncode == 0


def test_without_a_project_commands_ask_for_what_is_missing(tmp_path: Path) -> None:
    assert "missing VIDEO and --labels" in poof("propagate", cwd=tmp_path).stderr
    assert "poof init" in poof("status", cwd=tmp_path).stderr


def test_ctrl_c_stops_every_process_and_the_next_run_goes_on(clips: Path, tmp_path: Path) -> None:
    videos = [clips / f"{name}.mp4" for name in "abc"]
    labels = [word for name in "abc" for word in ("-l", clips / "labels" / f"{name}.json")]
    command = [sys.executable, "-m", "poof", "propagate", *map(str, videos), *map(str, labels), "-j", "2", "--no-cache"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    children: list[int] = []
    while not children:
        listed = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
        children = [int(pid) for pid in listed.stdout.split()]
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=600)[1]
    assert process.returncode == 130 and "poof: stopped" in told, told
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_project_judges_by_the_defaults_of_the_command_line() -> None:
    import inspect

    for name, command in (("propagate", propagate), ("refine", refine)):
        parameters = inspect.signature(command).parameters
        for option, default in DEFAULTS[name].items():
            assert str(parameters[option].default) == str(default), (name, option)


def test_the_command_line_has_the_defaults_of_the_library() -> None:
    import inspect

    from poof.propagation import Settings

    parameters = inspect.signature(propagate).parameters
    shared = [one for one in fields(Settings) if one.name in parameters]
    assert {"radius", "method", "min_confidence", "min_presence"} <= {one.name for one in shared}
    for one in shared:
        assert str(parameters[one.name].default) == str(one.default), one.name


def test_every_option_of_a_project_is_one_of_some_command() -> None:
    import typer

    from poof.cli import build

    group = typer.main.get_command(build())
    known = {p.name for command in group.commands.values() for p in command.params}  # type: ignore[attr-defined]
    assert set(OPTIONS) <= known | {"on"}, set(OPTIONS) - known
