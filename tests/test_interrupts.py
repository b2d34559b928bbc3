"""Ctrl-C is never lost, whoever swallows it, and what libraries print in C stays off the terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from poof import interrupts
from poof.progress import bar, silent


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


class Swallows:
    """An object whose finaliser is where the signal arrives: Python prints the exception and goes on."""

    def __del__(self) -> None:
        press()
        sum(range(100))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("track", [silent, bar])
def test_a_swallowed_one_comes_again_with_the_next_item(track: object) -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt), interrupts.remembered():
        for number in track(range(10), "working", 10):  # type: ignore[operator]
            done.append(number)
            if number == 3:
                with suppress(KeyboardInterrupt):
                    press()
    assert done == [0, 1, 2, 3]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler and not interrupts.pressed()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_finaliser_cannot_lose_it() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.remembered():
        thing = Swallows()
        del thing
        interrupts.check()
        pytest.fail("lost")


def test_between_steps_a_step_is_ended_first() -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt), interrupts.between_steps() as asked:
        for number in silent(range(5), "steps"):
            if number == 2:
                press()
            done.append(number)
            if asked.is_set():
                break
    assert done == [0, 1, 2]


def test_in_the_last_step_nobody_looks_any_more_and_it_counts_all_the_same() -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt), interrupts.between_steps():
        for number in range(3):
            done.append(number)
            if number == 2:
                press()
    assert done == [0, 1, 2]


def test_one_from_before_stops_the_steps_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.remembered():
        with suppress(KeyboardInterrupt):
            press()
        with interrupts.between_steps():
            pytest.fail("began")


def test_a_second_one_breaks_into_a_step() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.between_steps() as asked:
        press()
        assert asked.is_set()
        press()
        pytest.fail("went on")


def poof(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "poof", *words], cwd=cwd, capture_output=True, text=True, check=False)


def test_only_lines_of_ours(tmp_path: Path) -> None:
    """libpng and libjpeg print what they think of a broken picture; the user reads one line of poof."""
    (tmp_path / "images").mkdir()
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    content = bytearray(cv2.imencode(".png", image)[1].tobytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "images" / "1.png").write_bytes(content)
    result = poof("select", "images", "-n", "1", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "poof: error: images/1.png: the first image cannot be read; repair or remove it"
    ]


def test_outside_of_a_command_two_of_them_do_not_stop_what_comes_after() -> None:
    """In a notebook the next call works again."""
    with pytest.raises(KeyboardInterrupt), interrupts.between_steps():
        press()
        press()
    assert not interrupts.pressed()
    assert list(silent(range(3), "steps")) == [0, 1, 2]


def test_what_is_said_of_ctrl_c_while_modules_are_imported(tmp_path: Path) -> None:
    """It reaches the terminal, though what libraries print in C no longer does."""
    program = (
        "import os, signal, sys\n"
        "from poof import __main__ as program\n"
        "from poof.cli import common\n"
        "signal.signal(signal.SIGINT, program._stopped)\n"
        "common.own_lines_only()\n"
        "os.write(2, b'a library')\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "poof: stopped\n")


def test_a_module_in_c_that_makes_an_import_error_of_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    from poof.cli import common

    def app(**_: object) -> None:
        raise ImportError("initialization failed") from KeyboardInterrupt()

    assert common.guarded(app) == common.STOPPED  # type: ignore[arg-type]
    assert capsys.readouterr().err.endswith("poof: stopped\n")
