"""How data flows through one `propagate`: the calls of a run on a rendered clip, in the order of their beginning."""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = str(ROOT / "poof") + "/"
ROOMS = ("api", "video", "labels", "flow", "propagation")
DEPTH = 5
"""Calls below this are details."""


class _Recorder:
    """First calls of public functions and methods that cross from one file into another."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str, bool]] = []
        self.seen: set[CodeType] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or code in self.seen or not _ours(code) or code.co_name.startswith(("_", "<")):
            return
        back = frame.f_back
        while back is not None and not _ours(back.f_code):
            back = back.f_back
        if back is not None and back.f_code.co_filename == code.co_filename:
            return
        self.seen.add(code)
        depth, up = 0, back
        files = {code.co_filename}
        while up is not None:
            if _ours(up.f_code) and up.f_code.co_filename not in files:
                files.add(up.f_code.co_filename)
                depth += 1
            up = up.f_back
        file = code.co_filename.removeprefix(PACKAGE)
        aside = threading.current_thread() is not threading.main_thread()
        self.lines.append((depth, f"{file}: {code.co_qualname}", aside))


def _ours(code: CodeType) -> bool:
    name = code.co_filename.removeprefix(PACKAGE)
    return name != code.co_filename and name.split("/")[0].removesuffix(".py") in ROOMS


def recorded() -> list[tuple[int, str, bool]]:
    """Depth, 'file: function', and whether it runs in a thread of its own, of the calls of one `poof.propagate`."""
    import poof
    from poof.synthetic import SyntheticVideo, sample, truth
    from poof.video import VideoWriter

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = sample("demo")
        rendered, exact = SyntheticVideo(scene), truth(scene)
        with VideoWriter(folder / "video.mp4", scene.fps, scene.size) as writer:
            for number, image in rendered.frames():
                if number == 12:
                    break
                writer.write(image)
        chosen = {key: points for key, points in exact.instances.items() if key[0] in (1, 9)}
        poof.save_labels(exact.replace(instances=chosen), folder / "labels.json")
        recorder = _Recorder()
        threading.setprofile(recorder)
        sys.setprofile(recorder)
        try:
            poof.propagate(folder / "video.mp4", folder / "labels.json", radius=4, flow="dis")
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
    return recorder.lines


def page() -> str:
    """Markdown: the calls as an indented list."""
    calls = [(f"{'  ' * depth}{words}", aside) for depth, words, aside in recorded() if depth < DEPTH]
    one = "\n".join(line for line, aside in calls if not aside)
    other = "\n".join(line for line, aside in calls if aside)
    head = (
        "# One propagate, call by call\n\nRecorded by `docs/make/calls.py` from a run on a rendered clip with labels "
        "in two frames: the first call of every public function that is called from another file, in the order of "
        "their beginning, further in where it was called from further in. Repeated calls and those within a file "
        "are left out.\n\n"
    )
    return f"{head}```text\n{one}\n```\n\nMeanwhile, in threads ahead of it:\n\n```text\n{other}\n```\n"


if __name__ == "__main__":
    print(page())
