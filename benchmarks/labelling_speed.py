"""How fast the labelling page's server is: a real server, real HTTP, a 3000-frame 1080p H.264 file as x264 makes it.

What a person waits for is measured from the request to the last byte of the answer (a browser then decodes a JPEG of
the screen's size, some 5 ms); what arrives by itself, from the edit's request to the event that says that points are
there.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

FRAMES, SIZE, FPS = 3000, (1920, 1080), 30
SCREEN = 0.65
"""Scale of the pictures: a 1080p frame on a page 1280 pixels wide."""
POINTS = 8


def place(frame: int) -> np.ndarray:
    """(8, 2) where the marked points of the rendered clip are."""
    centre = np.array([960 + 400 * np.sin(frame / 40), 540 + 200 * np.cos(frame / 33)])
    angle = frame / 50 + np.arange(POINTS) * 1.3
    return centre + 150 * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def render(path: Path, frames: int) -> None:
    """A figure of eight limbs before a moving background; x264's defaults, so a keyframe every 250 frames."""
    rng = np.random.default_rng(3)
    small = rng.integers(0, 255, (150, 260, 3), dtype=np.uint8)
    ground = cv2.GaussianBlur(cv2.resize(small, (2600, 1500), interpolation=cv2.INTER_CUBIC), (0, 0), 3)
    temporary = path.with_suffix(".part.mp4")
    with av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "23", "preset": "veryfast"}
        for n in range(frames):
            x, y = int(300 + 280 * np.sin(n / 90)), int(200 + 150 * np.cos(n / 130))
            image = np.ascontiguousarray(ground[y : y + SIZE[1], x : x + SIZE[0]])
            ends, middle = place(n), (int(960 + 400 * np.sin(n / 40)), int(540 + 200 * np.cos(n / 33)))
            for k, (px, py) in enumerate(ends.astype(int).tolist()):
                cv2.line(image, middle, (px, py), (40 * k % 255, 255 - 30 * k, 90), 24)
                cv2.circle(image, (px, py), 16, (255, 255, 255), -1)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    temporary.replace(path)


class Page:
    """A client with one connection, as a browser keeps it."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)

    def ask(self, path: str, body: Any = None) -> tuple[float, bytes, dict[str, str]]:
        """Seconds until the last byte, the answer, its headers."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data, method = (None, "GET") if body is None else (json.dumps(body), "POST")
        for last in (False, True):
            begun = time.perf_counter()
            try:
                self._connection.request(method, path, data, headers)
                response = self._connection.getresponse()
                answer = response.read()
                break
            except (http.client.RemoteDisconnected, ConnectionError):  # it was idle for too long
                self._connection.close()
                if last:
                    raise
        return time.perf_counter() - begun, answer, {k.lower(): v for k, v in response.getheaders()}

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        return json.loads(self.ask(path)[1])

    def events(self, found: list[tuple[float, str, Any]]) -> threading.Thread:
        """Collects events with their times."""

        def listen() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
            connection.request("GET", "/api/events?client=events", headers={"Authorization": f"Bearer {self.token}"})
            stream, name = connection.getresponse(), ""
            while line := stream.readline().decode():
                if line.startswith("event: "):
                    name = line[7:].strip()
                elif line.startswith("data: "):
                    found.append((time.perf_counter(), name, json.loads(line[6:])))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        return thread


@contextmanager
def server(video: Path, cache: Path, *options: str) -> Iterator[tuple[Page, subprocess.Popen[str], float]]:
    """A server of `poof label`, and the seconds until it answered."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "poof", "label", str(video), "--no-browser", *options],
            cwd=folder,
            env=os.environ | {"POOF_CACHE": str(cache)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        port, token = address.removeprefix("http://127.0.0.1:").split("/?token=")
        page = Page(int(port), token)
        page.ask("/api/session")
        try:
            yield page, process, time.perf_counter() - begun
        finally:
            process.kill()
            process.wait()


def spread(times: list[float]) -> dict[str, float]:
    """Median, 95th percentile and most, milliseconds."""
    ordered = sorted(times)
    return {
        "median": 1000 * statistics.median(ordered),
        "p95": 1000 * ordered[int(0.95 * (len(ordered) - 1))],
        "most": 1000 * ordered[-1],
    }


def memory(process: subprocess.Popen[str]) -> float:
    """Resident MiB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def pictures(page: Page, rng: random.Random, jumps: int, steps: int) -> dict[str, Any]:
    """Random access and stepping."""
    frames = page.get("/api/videos/0")["frames"]
    quick, exact = [], []
    for frame in [rng.randrange(frames) for _ in range(jumps)]:
        address = f"/api/videos/0/frames/{frame}?scale={SCREEN}"
        seconds, data, _ = page.ask(address + "&preview=1")
        later = page.ask(address)[0]
        quick.append(seconds if data else later)
        exact.append(later)
    found: dict[str, Any] = {"random, on screen": spread(quick), "random, exact": spread(exact)}
    for name, direction in (("step forward", 1), ("step backward", -1)):
        times, frame = [], frames // 2 + 77
        page.ask(f"/api/videos/0/frames/{frame}?scale={SCREEN}")
        for _ in range(steps):
            frame += direction
            page.ask("/api/eye", {"client": "c", "video": 0, "frame": frame, "direction": direction})
            begun = time.perf_counter()
            page.ask(f"/api/videos/0/frames/{frame}?scale={SCREEN}")
            times.append(time.perf_counter() - begun)
            time.sleep(max(0.0, 0.1 - times[-1]))  # a key that repeats ten times a second
        found[name] = spread(times)
    return found


def drag(page: Page, frame: int, side: int) -> dict[str, float]:
    """Seconds from dropping a point until its first neighbours and its whole window are redone.

    Labels stand `side` frames before and after, all keypoints; one point is dragged in between.
    """
    names = page.get("/api/videos/0")["skeleton"]["keypoints"]
    edits: list[dict[str, Any]] = []
    for at in (frame - side, frame + side + 1):
        edits += [
            {"op": "set", "frame": at, "keypoint": k, "x": x, "y": y} for k, (x, y) in enumerate(place(at).tolist())
        ]
    assert len(names) == POINTS
    found: list[tuple[float, str, Any]] = []
    page.ask("/api/eye", {"client": "c", "video": 0, "frame": frame, "direction": 0})
    page.ask("/api/videos/0/edits", {"client": "c", "edits": edits})
    while page.get("/api/videos/0")["work"]["state"] != "idle":
        time.sleep(0.1)
    time.sleep(1.0)
    page.events(found)
    time.sleep(0.3)
    x, y = (place(frame)[0] + 6).tolist()
    begun = time.perf_counter()
    confirmed = page.ask("/api/videos/0/edits", {"client": "c", "edits": [
        {"op": "set", "frame": frame, "keypoint": 0, "x": x, "y": y}]})[0]  # fmt: skip
    sides: set[int] = set()
    times: dict[str, float] = {}
    while "whole window" not in times and time.perf_counter() - begun < 60:
        time.sleep(0.002)
        for at, name, data in list(found):
            if name == "propagated":
                first, last = data["frames"]
                sides |= {-1} if first < frame else set()
                sides |= {1} if last > frame else set()
                if len(sides) == 2:
                    times.setdefault("neighbours", at - begun)
            elif name == "work" and data["state"] == "idle" and at > begun and sides:
                times.setdefault("whole window", at - begun)
    return {"confirmed": confirmed} | times


def measure(folder: Path, quick: bool) -> dict[str, Any]:
    """Everything, as plain values; the clips are rendered into `folder` once."""
    folder.mkdir(parents=True, exist_ok=True)
    long, short = folder / "long.mp4", folder / "short.mp4"
    for path, frames in ((long, FRAMES), (short, FRAMES // 10)):
        if not path.exists():
            print(f"rendering {path}", file=sys.stderr)
            render(path, frames)
    rng, found = random.Random(0), {"load": os.getloadavg()[0]}
    cache = folder / "cache"
    names = ",".join("abcdefgh"[:POINTS])
    shutil.rmtree(cache / "segments", ignore_errors=True)
    with server(long, cache, "-k", names) as (page, process, begun):
        found["first start"] = begun
        while not page.get("/api/videos/0")["checked"]:
            time.sleep(0.5)
        found["look over"] = time.perf_counter()
    for name, path in (("300 frames", short), ("3000 frames", long)):
        with server(path, cache, "-k", names) as (page, process, begun):
            if path is long:
                found["start"] = begun
                seconds = page.ask("/")[0] + page.ask("/api/session")[0]
                found["opening the page"] = seconds + page.ask(f"/api/videos/0/frames/0?scale={SCREEN}")[0]
            while not page.get("/api/videos/0")["checked"]:
                time.sleep(0.2)
            shown = pictures(page, rng, 8 if quick else 40, 20 if quick else 60)
            if path is long:
                found |= shown
                found["drag"] = drag(page, 1500, 10)
                found["drag, wide"] = drag(page, 2200, 20)
            else:
                drag(page, 150, 10)
                drag(page, 220, 20)
            found[f"memory, {name}"] = memory(process)
    found.pop("look over")
    return found
