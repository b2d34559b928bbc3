"""A run's folder belongs to one process at a time, and to nobody once that is gone."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from poof.errors import PoofError
from poof.files import made_folder
from poof.locks import locked

HOLD = """\
import sys, time
from pathlib import Path
from poof.locks import locked
with locked(Path(sys.argv[1]), "-o"):
    print("in", flush=True)
    time.sleep(6000)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "in\n"
    return process


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_another_process_is_kept_out_until_the_first_is_gone(tmp_path: Path, end: signal.Signals) -> None:
    process = holder(tmp_path)
    try:
        message = "another poof is at work in it; wait until that is done, or choose another with --run"
        with pytest.raises(PoofError, match=message), locked(tmp_path, "--run"):
            pytest.fail("two at once")
        with pytest.raises(PoofError, match=message), made_folder(tmp_path, "--run"):
            pytest.fail("two at once")
        (tmp_path / "other").mkdir()
        with locked(tmp_path / "other", "-o"):
            pass
    finally:
        process.send_signal(end)
        process.wait()
    with locked(tmp_path, "-o"):
        assert sorted(p.name for p in tmp_path.iterdir()) == ["other"], "no file is left"


def test_within_a_process_it_nests(tmp_path: Path) -> None:
    with made_folder(tmp_path / "run", "-o"):
        with locked(tmp_path / "run", "-o"), locked(tmp_path / "run", "-o"):
            pass
        code = HOLD.replace("time.sleep(6000)", "pass")
        other = subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True)
        assert other.returncode == 1 and "another poof is at work" in other.stderr
    started = time.monotonic()
    (tmp_path / "run").mkdir(exist_ok=True)
    process = holder(tmp_path / "run")
    process.kill()
    process.wait()
    assert time.monotonic() - started < 600


def test_a_folder_that_is_not_there_is_the_concern_of_whoever_writes(tmp_path: Path) -> None:
    with locked(tmp_path / "nowhere", "-o"):
        pass
