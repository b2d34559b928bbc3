"""A real browser on a real `poof label`, as a person has them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poof.video.writer import VideoWriter

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 300.0
"""Seconds that a test waits for the page: on a busy machine the server's threads get little of it."""
STARTING = 120.0
"""Seconds until the server must have printed its address: torch alone takes several on a busy machine."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; the tests are skipped, with the reason, where there is none.

    One a module and no longer: playwright's event loop would be in the way of other tests of the same process.
    """
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install -e '.[dev]')")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    with api.sync_playwright() as playwright:
        # Root has no sandbox; without a graphics card the software renderer for one is slower than none.
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


OPENED = "() => Boolean(window.poof && poof.store.video && poof.stage.shownFrame >= 0)"
"""JavaScript: the page is open and shows a frame."""


class LabelServer:
    """`poof label` in a process of its own, that can be killed and started again on the same port."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.arguments, self.folder = arguments, folder
        self.start()

    def start(self) -> None:
        """Start it and wait for the address it prints."""
        command = [sys.executable, "-m", "poof", "label", *self.arguments, "--no-browser", "--port", str(self.port)]
        environment = {**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder, env=environment
        )
        self.said: list[str] = []
        found = threading.Event()

        def read() -> None:
            assert self.process.stdout is not None
            for line in self.process.stdout:
                self.said.append(line)
                if address := re.search(r"http://\S+token=[\w-]+", line):
                    self.url = address.group()
                    found.set()
            found.set()

        threading.Thread(target=read, daemon=True).start()
        assert found.wait(STARTING) and hasattr(self, "url"), "".join(self.said)

    def kill(self) -> None:
        """As when the power goes."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """As with Ctrl-C."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., LabelServer]]:
    """Start `poof label` with these arguments in a folder of its own; it runs until the module's tests are through."""
    running: list[LabelServer] = []

    def start(*arguments: str | Path) -> LabelServer:
        running.append(LabelServer([str(a) for a in arguments], tmp_path_factory.mktemp("label")))
        return running[-1]

    yield start
    for server in running:
        server.stop()


class Tab:
    """A tab with the page open, and what a person does and sees in it."""

    def __init__(self, browser: Any, size: tuple[int, int] = (1280, 720)) -> None:
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        self.context.set_default_timeout(1000 * PATIENCE)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._console)

    def open(self, url: str) -> None:
        """Open the page and put the first-run notes away."""
        self.page.goto(url)
        self.until(OPENED)
        self.page.get_by_role("button", name="Start").click()

    def _console(self, message: Any) -> None:
        # A server that is killed on purpose leaves failed requests behind: those are no fault of the page.
        # Nor is an edit that was refused because another tab was first, or an undo where nothing is left.
        expected = ("net::ERR", "status of 409", "status of 404")
        if message.type == "error" and not any(words in message.text for words in expected):
            self.errors.append(message.text)

    def show(self, video: int, frame: int) -> None:
        """Show another video in this tab, and put away the dialogs that an earlier test left."""
        self.run("() => document.querySelectorAll('dialog').forEach((dialog) => dialog.close())")
        self.run("([id, n]) => poof.store.show(id, n)", [video, frame])
        self.until(OPENED)

    def run(self, script: str, argument: Any = None) -> Any:
        """The value of JavaScript in the page."""
        return self.page.evaluate(script, argument)

    def until(self, condition: str, argument: Any = None, seconds: float = PATIENCE) -> None:
        """Wait until the JavaScript function gives something true.

        Playwright's own waiting evaluates text within the page, which the page's content policy rightly forbids.
        """
        end = time.monotonic() + seconds
        while not self.run(condition, argument):
            assert time.monotonic() < end, f"still not so after {seconds:.0f} s: {condition} ({argument})"
            time.sleep(0.03)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def go(self, frame: int) -> None:
        """Go to a frame and wait until its picture and its points are here."""
        self.run("n => poof.store.goTo(n)", frame)
        self.until("n => poof.stage.shownFrame === n && poof.store.points.known(n)", frame)

    def on_screen(self, x: float, y: float) -> tuple[float, float]:
        """Where a position of the frame is in the window."""
        script = """([x, y]) => {
            const [sx, sy] = poof.stage.view.toScreen(x, y);
            const box = document.getElementById("stage").getBoundingClientRect();
            return [sx + box.left, sy + box.top];
        }"""
        sx, sy = self.run(script, [x, y])
        return sx, sy

    def click(self, x: float, y: float) -> None:
        """Click at a position of the frame."""
        self.page.mouse.click(*self.on_screen(x, y))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag from one position of the frame to another."""
        self.page.mouse.move(*self.on_screen(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.on_screen(*end), steps=5)
        self.page.mouse.up()

    def saved(self) -> int:
        """Wait until everything is confirmed; the revision that the page shows."""
        self.page.wait_for_selector('#saved[data-kind="good"][data-waiting="0"]')
        return int(re.sub(r"\D", "", self.page.inner_text("#saved")))

    def point(self, frame: int, keypoint: int) -> dict[str, Any] | None:
        """What the page holds for a keypoint of the first subject."""
        script = "([n, k]) => { const p = poof.store.points.get(n, poof.store.subject)[k]; return p ? {...p} : null; }"
        return self.run(script, [frame, keypoint])

    def row(self, keypoint: int) -> str:
        """A row of the list of keypoints, as it is read out."""
        return self.page.locator("#keypoints li").nth(keypoint).get_attribute("aria-label")


@pytest.fixture
def open_tab(browser: Any) -> Iterator[Callable[..., Tab]]:
    """Open a tab; at the end no tab may have reported an error of the page or of its content policy."""
    tabs: list[Tab] = []

    def start(url: str, **options: Any) -> Tab:
        tabs.append(Tab(browser, **options))
        tabs[-1].open(url)
        return tabs[-1]

    yield start
    errors = [error for tab in tabs for error in tab.errors]
    for tab in tabs:
        tab.context.close()
    assert not errors


@pytest.fixture(scope="module")
def kept_tabs(browser: Any) -> Iterator[dict[str, Tab]]:
    """The tab that stays open on each server, by its address."""
    tabs: dict[str, Tab] = {}
    yield tabs
    for tab in tabs.values():
        tab.context.close()


@pytest.fixture
def show(browser: Any, kept_tabs: dict[str, Tab]) -> Iterator[Callable[..., Tab]]:
    """Show a frame of a video in the tab that the module's tests share: a new one costs seconds of processor time."""
    used: list[Tab] = []

    def start(url: str, video: int = 0, frame: int = 1) -> Tab:
        if url not in kept_tabs:
            kept_tabs[url] = Tab(browser)
            kept_tabs[url].open(url)
        used.append(kept_tabs[url])
        used[-1].show(video, frame)
        return used[-1]

    yield start
    errors = [error for tab in used for error in tab.errors]
    for tab in used:
        tab.errors.clear()
    assert not errors


@pytest.fixture(scope="session")
def write_clip() -> Callable[..., Path]:
    """Write a clip of a textured square that goes to the right by two pixels a frame."""

    def write(path: Path, frames: int = 24, size: tuple[int, int] = (320, 240), lossless: bool = False) -> Path:
        rng = np.random.default_rng(4)
        width, height = size
        ground = _smooth(rng, height, width) // 2 + 40
        side = min(size) // 3
        square = _smooth(rng, side, side)
        with VideoWriter(path, 25, size, lossless=lossless) as writer:
            for n in range(frames):
                image = ground.copy()
                left = 20 + 2 * n % (width - side - 20)
                image[height // 3 : height // 3 + side, left : left + side] = square
                writer.write(image)
        return path

    return write


def _smooth(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(height, width, 3) uint8 noise in patches of four pixels, which flow can follow."""
    coarse = rng.integers(0, 255, (-(-height // 4), -(-width // 4), 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((4, 4, 1), np.uint8))[:height, :width]
