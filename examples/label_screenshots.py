"""Label the rendered sample in a real browser and take the pictures of the page that are in the README.

Needs playwright and Debian's chromium (`make test` installs both).

$ python examples/label_screenshots.py docs/
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from poof.labels import save_labels
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video import VideoWriter

target = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
LABELLED = (10, 31, 52)
"""Frames of the clip that stand as labelled."""
MOVED = 24
"""The frame in which a point is dragged."""

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    scene = sample("demo")
    rendered = SyntheticVideo(scene)
    with VideoWriter(folder / "video.mp4", scene.fps, scene.size) as writer:
        for _, image in rendered.frames():
            writer.write(image)
    exact = truth(scene)
    given = exact.replace(instances={key: points for key, points in exact.instances.items() if key[0] in LABELLED})
    save_labels(given, folder / "labels.json")

    command = [
        sys.executable,
        "-m",
        "poof",
        "label",
        "video.mp4",
        "--labels",
        "labels.json",
        "--no-browser",
    ]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert server.stdout is not None
        for line in server.stdout:
            print(line, end="")
            if found := re.search(r"http://\S+token=[\w-]+", line):
                break
        else:
            sys.exit("poof label did not start")
        address = found.group()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 760})
            page.goto(address)
            page.get_by_role("button", name="Start").click()
            page.evaluate("n => poof.store.goTo(n)", MOVED)
            page.keyboard.press("t")
            while not page.evaluate("() => poof.store.here().some(Boolean) && poof.store.video.work.state === 'idle'"):
                page.wait_for_timeout(200)
            page.wait_for_timeout(1500)
            page.screenshot(path=target / "label.png")

            # The subject large, a wrist in hand: the loupe shows the pixels under it.
            page.keyboard.press("t")
            page.keyboard.press("z")
            page.wait_for_timeout(800)
            place = """k => {
                const p = poof.store.here()[k];
                const [x, y] = poof.stage.view.toScreen(p.x, p.y);
                const box = document.getElementById("stage").getBoundingClientRect();
                return [x + box.left, y + box.top];
            }"""
            x, y = page.evaluate(place, exact.skeleton.index("left_wrist"))
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + 14, y + 10, steps=4)
            page.wait_for_timeout(800)
            page.screenshot(path=target / "label-drag.png")
            page.mouse.up()
            browser.close()
    finally:
        server.terminate()
        server.wait()
