"""The page's server over real HTTP: what it answers, and who is sent away."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import uvicorn
from label_material import exact, put

from poof.errors import PoofError
from poof.labelling.opening import open_session
from poof.labelling.page.app import STATIC, Server
from poof.labelling.page.serve import _listening, forwarding
from poof.labelling.services import Services
from poof.labels import load_labels, save_labels
from poof.video import open_video

TOKEN = "t" * 40


@dataclass
class Answer:
    """What came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Page:
    """A client of the server."""

    port: int
    services: Services | None = None
    token: str = TOKEN

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """A request with the cookie and from the page itself, unless `headers` say otherwise ('' leaves one out)."""
        base = {"Host": f"127.0.0.1:{self.port}", "Cookie": f"poof_{self.port}={self.token}"}
        if method == "POST":
            base |= {"Origin": f"http://127.0.0.1:{self.port}", "Content-Type": "application/json"}
        sent = {name: value for name, value in (base | (headers or {})).items() if value}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.putrequest(method, path, skip_host=True)
        for name, value in sent.items():
            connection.putheader(name, value)
        if data is not None:
            connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, found, response.read())
        connection.close()
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def edit(self, *edits: dict[str, Any], client: str = "me", base: int | None = None) -> Answer:
        return self.ask("POST", "/api/videos/0/edits", {"client": client, "base": base, "edits": list(edits)})


@pytest.fixture
def served(services: Callable[..., Services]) -> Iterator[Callable[..., Page]]:
    """Serves sessions."""
    stops = []

    def get(*sessions, **options) -> Page:  # type: ignore[no-untyped-def]
        made = services(*sessions, **options)
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        server = Server(made)
        config = uvicorn.Config(server.app(TOKEN, f"poof_{port}"), log_level="error", lifespan="off", ws="none")
        runner = uvicorn.Server(config)
        thread = threading.Thread(target=runner.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        stops.append((runner, server, thread))
        while not runner.started:
            time.sleep(0.01)
        return Page(port, made)

    yield get
    for runner, server, thread in stops:
        server.close()
        runner.should_exit = runner.force_exit = True
        thread.join(5)


# ------------------------------------------------------------------------------------------------------------ attempts


STRANGERS = [
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "localhost.evil.example:80"},
    {"Host": "127.0.0.1@evil.example"},
    {"Host": "evil.example#127.0.0.1"},
    {"Host": "127.0.0.1:x"},
    {"Host": "0.0.0.0"},
    {"Cookie": ""},
    {"Cookie": "poof_1=" + TOKEN},
    {"Cookie": "poof_{port}=" + TOKEN[:-1]},
    {"Cookie": "poof_{port}=", "Authorization": "Bearer x"},
    {"Cookie": "", "Authorization": "Basic " + TOKEN},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://127.0.0.1:{port}"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


def test_strangers_are_sent_away(served, opened) -> None:  # type: ignore[no-untyped-def]
    page = served(opened())
    for path in ("/", "/api/session", "/api/videos/0/frames/1", "/static/main.js", "/api/events?client=x"):
        for headers in STRANGERS:
            answer = page.get(path, **{n: v.replace("{port}", str(page.port)) for n, v in headers.items()})
            assert answer.status in (400, 403), headers
            assert b"plane" not in answer.body and TOKEN.encode() not in answer.body


def test_requests_that_change_something_must_come_from_the_page(served, opened) -> None:  # type: ignore[no-untyped-def]
    page = served(opened())
    body = {"client": "me", "edits": [put(1, 0, 1, 1)]}
    for headers, status in (
        ({"Origin": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": ""}, 415),
    ):
        assert page.ask("POST", "/api/videos/0/edits", body, headers).status == status
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert page.ask(method, "/api/videos/0/edits", body).status == 405
    assert page.ask("GET", "/api/videos/0/edits").status in (404, 405)
    assert page.get("/api/session").json["videos"][0]["revision"] == 1
    # A script with the token may.
    script = {"Origin": "", "Cookie": "", "Authorization": f"Bearer {TOKEN}"}
    assert page.ask("POST", "/api/videos/0/edits", body, script).status == 200


def test_the_token_in_the_address_becomes_a_cookie_that_no_script_reads(served, opened) -> None:  # type: ignore[no-untyped-def]
    page = served(opened())
    answer = page.get(f"/?token={TOKEN}", Cookie="")
    assert answer.status == 303 and answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(f"poof_{page.port}={TOKEN}") and "httponly" in cookie and "samesite=strict" in cookie
    assert page.get("/?token=wrong", Cookie="").status == 403
    assert page.get(f"/api/session?token={TOKEN}", Cookie="").status == 403


def test_every_answer_forbids_what_is_not_ours(served, opened) -> None:  # type: ignore[no-untyped-def]
    page = served(opened())
    for path in ("/", "/api/session", "/nothing", "/api/videos/0/frames/3"):
        _forbids(page.get(path).headers)


def _forbids(headers: dict[str, str]) -> None:
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in headers["content-security-policy"] and "http" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin" and headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers


HIDDEN = [
    "/static/../app.py",
    "/static/%2e%2e/app.py",
    "/static/..%2fapp.py",
    "/static/..%5capp.py",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/etc/passwd",
    "/../../../../etc/passwd",
    "/static/../../../../../../../etc/passwd",
    "/static/main.js%00.html",
    "/api/jobs/1/files/0",
    "/api/videos/0/frames/../../../../etc/passwd",
    "/api/videos/1/frames/0",
    "/plane.labels.journal",
    "/static/plane.labels.journal",
]


def test_no_file_is_served_that_was_not_given(served, opened) -> None:  # type: ignore[no-untyped-def]
    page = served(opened())
    for path in HIDDEN:
        answer = page.get(path)
        assert answer.status in (400, 404) and b"root:" not in answer.body and b"import" not in answer.body


def test_a_link_among_the_pages_files_is_only_found_if_it_was_there(served, opened, place: Path) -> None:  # type: ignore[no-untyped-def]
    page = served(opened())
    (place / "secret.html").write_text("secret")
    assert page.get("/static/secret.html").status == 404
    for file in STATIC.glob("*.js"):
        answer = page.get(f"/static/{file.name}")
        assert answer.status == 200 and answer.headers["content-type"].startswith("text/javascript")
        assert answer.body == file.read_bytes()


NONSENSE = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"\xff\xfe",
    b"[" * 100000,
    b'{"edits": 5}',
    b'{"client": "a b", "edits": []}',
    b'{"client": "me", "edits": []}',
    b'{"client": "me", "edits": [1]}',
    b'{"client": "me", "base": "1", "edits": [{}]}',
    b'{"client": "me", "edits": [{"op": "set", "frame": 1e99}]}',
    b'{"client": "me", "edits": [{"op": "set", "frame": 1, "keypoint": 0, "x": NaN, "y": 1}]}',
]


def test_nonsense_is_refused_in_one_line(served, opened) -> None:  # type: ignore[no-untyped-def]
    page = served(opened())
    for body in NONSENSE:
        answer = page.ask("POST", "/api/videos/0/edits", body)
        assert answer.status == 400 and list(answer.json) == ["error"] and "\n" not in answer.json["error"]
        assert page.get("/api/session").json["videos"][0]["revision"] == 1


def test_a_body_without_end_is_cut(served, opened) -> None:  # type: ignore[no-untyped-def]
    page = served(opened())
    assert page.ask("POST", "/api/videos/0/edits", b"{}", {"Content-Length": "999999999999"}).status in (400, 413)


# ------------------------------------------------------------------------------------------------------------- pictures


def test_pictures_are_the_frames(served, opened, clip: Path) -> None:  # type: ignore[no-untyped-def]
    page, frames = served(opened()), dict(open_video(clip).frames())
    height, width = frames[0].shape[:2]

    def picture(query: str, frame: int = 33) -> tuple[np.ndarray, Answer]:
        answer = page.get(f"/api/videos/0/frames/{frame}?{query}")
        assert answer.status == 200
        image = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
        return image[..., ::-1], answer

    image, answer = picture("format=png")
    assert np.array_equal(image, frames[33]) and answer.headers["x-poof-exact"] == "1"
    part, answer = picture("format=png&x=10&y=20&w=30&h=8")
    assert np.array_equal(part, frames[33][20:28, 10:40]) and answer.headers["x-poof-rect"] == "10,20,30,8"
    part, answer = picture("format=png&x=-50&y=-50&w=9999&h=9999")
    assert np.array_equal(part, frames[33]) and answer.headers["x-poof-rect"] == f"0,0,{width},{height}"
    small, _ = picture("scale=0.25&quality=95")
    assert small.shape == (height // 4, width // 4, 3)
    wanted = cv2.resize(frames[33], (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - wanted).mean() < 6
    for query in ("scale=0", "scale=2", "scale=x", "x=1&y=1", "x=1&y=1&w=0&h=5", "x=q&y=1&w=1&h=1"):
        assert page.get(f"/api/videos/0/frames/33?{query}").status == 404
    for frame in ("60", "-1", "x", "99999999999999999999"):
        assert page.get(f"/api/videos/0/frames/{frame}").status == 404


# ---------------------------------------------------------------------------------------------------------------- edits


def test_labels_from_nothing_over_http(served, opened, place: Path) -> None:  # type: ignore[no-untyped-def]
    page = served(opened(keypoints=[]))
    facts = page.get("/api/session").json["videos"][0]
    assert facts["skeleton"]["keypoints"] == [] and facts["frames"] == 60 and facts["undo"] is None
    answer = page.edit({"op": "add_keypoint", "name": "<img src=x onerror=alert(1)>"}, base=0)
    assert answer.json["video"]["skeleton"]["keypoints"] == ["<img src=x onerror=alert(1)>"]
    truth = exact(20).instances[20, 0].xy[0]
    answer = page.edit(put(20, 0, float(truth[0]), float(truth[1])), base=1)
    assert answer.status == 200 and answer.json["revision"] == 2 and answer.json["undo"].endswith("set in frame 20")
    assert answer.json["points"][0]["source"] == ["human"]
    assert page.services.live.wait(30)
    points = {p["frame"]: p for p in page.get("/api/videos/0/points?from=14&to=26").json["points"]}
    assert sorted(points) == list(range(15, 26))
    far = exact(25).instances[25, 0].xy[0]
    assert np.hypot(*(np.array(points[25]["xy"][0]) - far)) < 1.0
    assert points[25]["source"] == ["propagated"] and points[25]["anchor"] == [20]
    assert 0 < points[25]["confidence"][0] <= 1
    line = page.get("/api/videos/0/timeline").json["rows"][0]["line"]
    assert len(line) == 60 and line[20] == "L" and line[14] == " " and line[15] in "0123456789"
    coarse = page.get("/api/videos/0/timeline?bins=6").json
    assert coarse["per"] == 10 and len(coarse["rows"][0]["line"]) == 6 and coarse["rows"][0]["line"][2] == "L"
    answer = page.ask("POST", "/api/videos/0/undo", {"client": "me"})
    assert (answer.json["frame"] == 20 and answer.json["points"][0]["xy"] == [None]) or answer.json["points"]
    assert page.ask("POST", "/api/videos/0/redo", {"client": "me"}).status == 200
    assert page.ask("POST", "/api/videos/0/redo", {"client": "me"}).status == 404


def test_the_second_of_two_people_sees_the_firsts_edit(served, opened) -> None:  # type: ignore[no-untyped-def]
    page = served(opened())
    assert page.edit(put(5, 0, 10, 10), client="first", base=1).status == 200
    answer = page.edit(put(5, 0, 50, 50), client="second", base=1)
    assert answer.status == 409
    conflict = answer.json["conflict"]
    assert conflict["client"] == "first" and conflict["revision"] == 2 and conflict["points"][0]["xy"][0] == [10, 10]
    assert page.edit(put(5, 0, 50, 50), client="second", base=conflict["revision"]).status == 200


def events(page: Page, client: str, count: int, then: Callable[[], Any] = lambda: None) -> list[tuple[str, Any]]:
    """The first events of a line; `then` is called once it stands."""
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=300)
    connection.request("GET", f"/api/events?client={client}", headers={"Authorization": f"Bearer {page.token}"})
    stream = connection.getresponse()
    found: list[tuple[str, Any]] = []
    name = ""
    while len(found) < count:
        line = stream.readline().decode().rstrip("\n")
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            found.append((name, json.loads(line[6:])))
            if name == "hello":
                then()
    connection.close()
    return found


def test_events_tell_of_edits_and_of_points_that_arrive(served, opened) -> None:  # type: ignore[no-untyped-def]
    page = served(opened())
    xy = exact(20).instances[20, 0].xy[0]
    found = events(page, "other", 12, lambda: page.edit(put(20, 0, float(xy[0]), float(xy[1])), client="me"))
    names = [name for name, _ in found]
    assert names[0] == "hello" and found[0][1]["videos"] == [{"id": 0, "revision": 1}]
    edit = dict(found)["edit"]
    assert edit["client"] == "me" and edit["revision"] == 2 and edit["frames"] == [20, 20] and not edit["undo"]
    assert edit["points"][0]["state"] == [2, 0, 0]
    assert {"propagated", "work", "timeline"} <= set(names)
    arrived = [data for name, data in found if name == "propagated"]
    assert all(15 <= a["frames"][0] <= a["frames"][1] <= 25 for a in arrived)


def test_undo_leaves_the_steps_of_who_is_here_alone(served, opened) -> None:  # type: ignore[no-untyped-def]
    page = served(opened())
    page.edit(put(5, 0, 10, 10), client="me")
    page.edit(put(6, 0, 10, 10), client="other")
    answers: list[Answer] = []
    events(page, "other", 2, lambda: answers.append(page.ask("POST", "/api/videos/0/undo", {"client": "me"})))
    assert answers[0].json["frame"] == 5
    for _ in range(200):  # until the server has seen that the line is cut
        answer = page.ask("POST", "/api/videos/0/undo", {"client": "me"})
        if answer.status == 200:
            break
        time.sleep(0.05)
    assert answer.json["frame"] == 6


def test_proposals_before_and_after_the_first_label(served, opened) -> None:  # type: ignore[no-untyped-def]
    page = served(opened())
    first = page.get("/api/videos/0/proposals?count=3").json
    assert first["kind"] == "first" and len(first["frames"]) == 3
    page.edit(put(first["frames"][0]["frame"], 0, 50, 50))
    assert page.services.live.wait(30)
    after = page.get("/api/videos/0/proposals?count=3").json
    assert after["kind"] == "next" and after["frames"][0]["keypoints"]
    best = page.get("/api/videos/0/next?frame=0").json
    assert best["frame"] == after["frames"][0]["frame"]
    page.edit({"op": "skip", "frame": best["frame"]})
    assert page.get("/api/videos/0/next?frame=0").json["frame"] != best["frame"]


def test_export_over_http(served, opened, place: Path) -> None:  # type: ignore[no-untyped-def]
    page = served(opened())
    assert page.ask("POST", "/api/jobs", {"kind": "export", "format": "csv"}).status == 400
    page.edit(put(5, 0, 10.5, 10), {"op": "set", "frame": 5, "keypoint": 1, "state": -1})
    job = page.ask("POST", "/api/jobs", {"kind": "export", "format": "csv", "name": "mine.csv"}).json
    assert job["state"] == "done" and Path(job["files"][0]) == place / "mine.csv"
    labels = load_labels(place / "mine.csv")
    points = labels.instances[5, 0]
    assert points.xy[0].tolist() == [10.5, 10] and points.visible.tolist()[:2] == [2, -1]
    assert page.get(job["download"]).body == (place / "mine.csv").read_bytes()
    again = page.ask("POST", "/api/jobs", {"kind": "export", "format": "csv", "name": "mine.csv"})
    assert again.status == 409 and again.json["exists"]
    for name in ("../x.csv", "/tmp/x.csv", "a/b.csv", ".hidden.csv", "plane.labels.json", "x.unknown", "a\\b.csv"):
        body = {"kind": "export", "format": "csv" if name.endswith("csv") else "coco", "name": name, "force": True}
        assert page.ask("POST", "/api/jobs", body).status == 400, name


# ------------------------------------------------------------------------------------------------- the command as typed


def started(clip: Path, place: Path, *options: str) -> tuple[subprocess.Popen[str], Page]:
    command = [sys.executable, "-m", "poof", "label", str(clip), "--no-browser", "-k", "a,b", *options]
    environment = os.environ | {"SSH_CONNECTION": ""}
    process = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    port, token = address.removeprefix("http://127.0.0.1:").split("/?token=")
    return process, Page(int(port), None, token)


def test_kill_and_restart_under_the_same_address(clip: Path, place: Path) -> None:
    process, page = started(clip, place)
    for n in range(5):
        assert page.edit(put(n, 0, 5, n)).status == 200
    process.kill()
    process.wait()
    process, again = started(clip, place)
    try:
        assert (again.port, again.token) == (page.port, page.token)
        points = again.get("/api/videos/0/points?from=0&to=4").json["points"]
        assert [p["xy"][0] for p in points] == [[5, n] for n in range(5)]
        assert again.ask("POST", "/api/videos/0/undo", {"client": "new"}).json["frame"] == 4
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        listening = [line.split()[1] for line in lines if line.split()[3] == "0A"]
        assert f"0100007F:{page.port:04X}" in listening and f"00000000:{page.port:04X}" not in listening
        note = next((place.parent / "cache" / "label-pages").iterdir())
        assert note.stat().st_mode & 0o077 == 0
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert load_labels(place / "plane.labels.json").frames == [0, 1, 2, 3]


def test_a_port_in_use_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PoofError, match="is in use"):
            _listening(port, None)
        with _listening(None, port) as other:  # the next free one
            assert other.getsockname()[1] != port and other.getsockname()[0] == "127.0.0.1"


def test_over_ssh_the_forwarding_line_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.9 51000 10.0.0.1 22")
    assert forwarding(8642)[1].strip().startswith("ssh -N -L 8642:127.0.0.1:8642 ")
    assert forwarding(8642)[1].endswith("@10.0.0.1")
    monkeypatch.delenv("SSH_CONNECTION")
    assert forwarding(8642) == []


def test_several_videos_share_a_skeleton(served, clip: Path, place: Path) -> None:  # type: ignore[no-untyped-def]
    save_labels(exact(10), place / "one.json")
    names = list(exact(10).skeleton.keypoints)
    sessions = [open_session(clip, place / "one.json", place / "a.json"), open_session(clip, None, place / "b.json")]
    page = served(*sessions)
    videos = page.get("/api/session").json["videos"]
    assert videos[1]["skeleton"]["keypoints"] == names
    page.ask("POST", "/api/videos/1/edits", {"client": "me", "edits": [{"op": "add_keypoint", "name": "extra"}]})
    videos = page.get("/api/session").json["videos"]
    assert videos[0]["skeleton"]["keypoints"] == videos[1]["skeleton"]["keypoints"] == [*names, "extra"]
    page.ask("POST", "/api/videos/0/edits", {"client": "me", "edits": [put(3, len(names), 5, 5)]})
    refused = page.ask("POST", "/api/videos/1/undo", {"client": "me"})
    assert refused.status == 400 and "still has points" in refused.json["error"]
