#!/usr/bin/env python3
"""How fast the labelling page is, as a person sees it: measured inside a real Chromium on a running `poof label`.

    python benchmarks/label_page.py                 a rendered 1080p clip of 3000 frames (made first: some minutes)
    python benchmarks/label_page.py --frames 600    a shorter one

The clip is H.264 as x264 makes it by default, with a keyframe every 250 frames: the hard case for jumping about.

- opening: from the address to the first frame with its points.
- jumping: from a frame that was not shown before to any other, until its exact picture is on the screen.
- stepping: the same for the next frame, ten a second.
- correcting: from letting go of a dragged point until all carried points within ten frames are redrawn, and until the
  window of 2R + 1 frames is done.
- panning: redraws a second over a 4K frame with 100 points, and what the page's own part of a redraw takes. Chromium
  runs without a graphics card, which a person has.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from playwright.sync_api import sync_playwright

RADIUS = 10
NAMES = [f"point {k}" for k in range(8)]
SIZE = (1920, 1080)


def make_clip(path: Path, frames: int, size: tuple[int, int]) -> None:
    """Write a clip of textured squares that sway over textured ground, as x264 encodes by default."""
    rng = np.random.default_rng(1)
    width, height = size

    def texture(h: int, w: int) -> np.ndarray:
        coarse = rng.integers(0, 255, (h // 12 + 1, w // 12 + 1, 3), dtype=np.uint8)
        return cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)

    ground = texture(height + 80, width + 80) // 2 + 50
    side = height // 4
    squares = [texture(side, side) for _ in range(2)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "23"}
        for n in range(frames):
            sway = 40 + 39 * np.sin([n / 37, n / 53])
            x, y = sway.astype(int)
            image = ground[y : y + height, x : x + width].copy()
            for k, square in enumerate(squares):
                left, top = place(width, height, side, k, n)
                image[top : top + side, left : left + side] = square
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def place(width: int, height: int, side: int, k: int, n: int) -> tuple[int, int]:
    """Where square `k` is in frame `n`: (left, top) in pixels."""
    x = 0.3 + 0.35 * k + 0.12 * np.sin(n / (24 + 5 * k))
    y = 0.35 + 0.1 * np.cos(n / (31 + 7 * k))
    return int(x * width), int(y * height)


@contextmanager
def serving(folder: Path, clip: Path, names: list[str]) -> Iterator[str]:
    """The address of a running `poof label`."""
    command = [sys.executable, "-m", "poof", "label", str(clip), "--keypoints", ",".join(names), "--no-browser"]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if found := re.search(r"http://\S+token=[\w-]+", line):
                yield found.group()
                return
        sys.exit("poof label did not start")
    finally:
        server.terminate()
        server.wait()


def until(page: Any, condition: str, argument: Any = None) -> None:
    """Wait until the JavaScript function gives something true."""
    while not page.evaluate(condition, argument):
        time.sleep(0.02)


SHOWN = """(n) => new Promise((done) => {
    const began = performance.now();
    let over = false;
    poof.store.on("drawn", (frame, exact) => {
        if (over || frame !== n || !exact) return;
        over = true;
        done(performance.now() - began);
    });
    poof.store.goTo(n);
})"""
"""JavaScript: go to a frame; milliseconds until its exact picture is drawn."""

CORRECT = """([n, k, dx, radius, last]) => new Promise((done) => {
    const { store } = poof;
    const before = store.here()[k];
    const place = (at) => { const p = store.points.get(at, 0)[k]; return p ? `${p.x},${p.y}` : ""; };
    const near = [];
    for (let at = Math.max(0, n - radius); at <= Math.min(last, n + radius); at += 1) if (at !== n) near.push(at);
    const old = near.map(place);
    const began = performance.now();
    let close = null;
    store.put(k, before.x + dx, before.y);
    const look = () => {
        store.points.need(n - radius, n + radius);
        const changed = near.filter((at, i) => place(at) !== old[i]);
        const within = near.filter((at) => Math.abs(at - n) <= radius / 2);
        if (close === null && within.every((at) => changed.includes(at))) close = performance.now() - began;
        if (changed.length === near.length) done([close, performance.now() - began]);
        else if (performance.now() - began > 60000) done([close, null]);
        else setTimeout(look, 20);
    };
    look();
})"""

PAN = """() => new Promise((done) => {
    const { stage } = poof;
    const redraw = stage.redraw.bind(stage);
    let spent = 0;
    stage.redraw = () => { const began = performance.now(); redraw(); spent += performance.now() - began; };
    const [began, before] = [performance.now(), stage.drawn];
    const step = (now) => {
        stage.view.pan(4 * Math.sin(now / 200), 3 * Math.cos(now / 300));
        stage.draw();
        if (now - began < 3000) requestAnimationFrame(step);
        else {
            stage.redraw = redraw;
            done([(1000 * (stage.drawn - before)) / (now - began), spent / (stage.drawn - before)]);
        }
    };
    requestAnimationFrame(step);
})"""


def row(what: str, times: list[float], goal: str) -> None:
    """Print a row of the table."""
    median, worst = np.median(times), np.percentile(times, 95)
    print(f"| {what} | {median:.0f} ms | {worst:.0f} ms | {goal} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--clip", type=Path, help="another video instead of the rendered one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        clip = options.clip.resolve() if options.clip else folder / "clip.mp4"
        if not options.clip:
            make_clip(clip, options.frames, SIZE)
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        print("| what | median | 95 % | goal |\n|---|---|---|---|")
        with serving(folder, clip, NAMES) as address:
            measure_clip(browser, address)
        large = folder / "large.mp4"
        make_clip(large, 12, (3840, 2160))
        with serving(folder, large, [f"p{k}" for k in range(100)]) as address:
            measure_panning(browser, address)
        browser.close()


def measure_clip(browser: Any, address: str) -> None:
    """Opening, jumping, stepping and correcting on the clip."""
    opening = []
    for _ in range(5):
        context = browser.new_context(viewport={"width": 1280, "height": 720})
        page = context.new_page()
        began = time.monotonic()
        page.goto(address)
        until(page, "() => Boolean(window.poof && poof.stage.shownFrame >= 0 && poof.store.points.known(0))")
        opening.append(1000 * (time.monotonic() - began))
        if len(opening) < 5:
            context.close()
    row("opening the page", opening, "1000 ms")
    page.get_by_role("button", name="Start").click()
    count = page.evaluate("() => poof.store.video.frames")
    rng = np.random.default_rng(2)
    jumps = [int(n) for n in rng.integers(0, count, 40)]
    early = [page.evaluate(SHOWN, n) for n in jumps[:20] if page.evaluate("() => poof.store.frame") != n]
    row("jumping, while the video is still being read", early, "150 ms")
    until(page, "() => poof.store.video.checked")
    later = [page.evaluate(SHOWN, n) for n in jumps[20:] if page.evaluate("() => poof.store.frame") != n]
    row("jumping, any frame", later, "150 ms")
    steps = []
    start = count // 2
    page.evaluate(SHOWN, start)
    for n in range(start + 1, start + 41):
        time.sleep(0.1)
        steps.append(page.evaluate(SHOWN, n))
    row("stepping on", steps, "40 ms")
    steps = []
    for n in range(start + 39, start - 1, -1):
        time.sleep(0.1)
        steps.append(page.evaluate(SHOWN, n))
    row("stepping back", steps, "40 ms")

    # Labels on one square in two frames; between them a point is corrected several times.
    width, height = page.evaluate("() => [poof.store.video.width, poof.store.video.height]")
    side = height // 4
    for n in (start, start + 2 * RADIUS):
        left, top = place(width, height, side, 0, n)
        edits = [
            {
                "op": "set",
                "frame": n,
                "subject": 0,
                "keypoint": k,
                "x": left + side * fx,
                "y": top + side * fy,
                "state": 2,
            }
            for k, (fx, fy) in enumerate((a, b) for a in (0.2, 0.4, 0.6, 0.8) for b in (0.3, 0.7))
        ]
        page.evaluate("async (edits) => { await poof.store.edit(edits); }", edits)
    middle = start + RADIUS
    page.evaluate("n => poof.store.goTo(n)", middle)
    until(page, "(n) => poof.store.points.get(n, 0).filter(Boolean).length === 8", middle)
    until(page, "() => poof.store.video.work.state === 'idle'")
    close, whole = [], []
    for k in range(5):
        near, all_of_it = page.evaluate(CORRECT, [middle, k, 6, RADIUS - 1, count - 1])
        close.append(near if near is not None else np.nan)
        whole.append(all_of_it if all_of_it is not None else np.nan)
        until(page, "() => poof.store.video.work.state === 'idle'")
    row("a dragged point's neighbours within 5 frames redrawn", close, "1000 ms")
    row("its whole window redrawn", whole, "3000 ms")
    page.context.close()


def measure_panning(browser: Any, address: str) -> None:
    """Redraws a second over a 4K frame with a hundred points."""
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    page.goto(address)
    until(page, "() => Boolean(window.poof && poof.stage.shownFrame >= 0)")
    page.get_by_role("button", name="Start").click()
    edits = [
        {"op": "set", "frame": 0, "subject": 0, "keypoint": k, "x": 200 + 350 * (k % 10), "y": 100 + 200 * (k // 10)}
        for k in range(100)
    ]
    page.evaluate("async (edits) => { poof.store.goTo(0); await poof.store.edit(edits); }", edits)
    until(page, "() => poof.store.here().filter(Boolean).length === 100 && poof.store.video.work.state === 'idle'")
    for zoom, words in ((1, "whole frame"), (4, "four times as large")):
        page.evaluate(
            "(zoom) => { poof.stage.view.fit(); poof.stage.view.zoomAt(450, 200, zoom); poof.stage.draw(); }", zoom
        )
        time.sleep(1.5)
        rate, own = page.evaluate(PAN)
        print(
            f"| panning 4K, 100 points, {words} | {rate:.0f} redraws/s | {own:.1f} ms own work | 60 redraws/s |",
            flush=True,
        )


if __name__ == "__main__":
    main()
