"""The page's server: a thin layer of HTTP over the sessions. What it answers is described in ``docs/label-api.md``."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from poof.errors import PoofError
from poof.labelling.page.facts import export_formats, job_facts, video_facts, work_facts
from poof.labelling.page.guard import Guard
from poof.labelling.page.hub import Hub
from poof.labelling.pictures import Wanted
from poof.labelling.services import Services
from poof.labelling.session import Conflict, NothingToDo, Outcome, Session
from poof.labelling.views import points_at, points_between, timeline
from poof.video.random_access import Abandoned

STATIC = Path(__file__).parent / "static"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
"""Media types of the page's own files; nothing else is served."""
MOST_FRAMES = 500
"""Frames of points in one answer."""
MOST_POINTS = 200
"""Places that an event brings along; beyond, pages ask for what they show."""
_MISSING = re.compile(r"there is no (frame|video|job|file)\b")
_CLIENT = re.compile(r"[A-Za-z0-9_-]{1,40}")

Handler = Callable[[Request], Awaitable[Response]]


class Server:
    """The routes of the page and what they share.

    Parameters
    ----------
    services
        The sessions and everything that works behind them.
    """

    def __init__(self, services: Services) -> None:
        self.services, self.hub = services, Hub()
        self.session_id = secrets.token_hex(8)
        self._threads = ThreadPoolExecutor(6, "page")
        self._files = _own_files()
        for number, session in enumerate(services.group.sessions):
            session.listen(partial(self._heard, number))
        services.listen(self._services_heard)

    def app(self, token: str, cookie: str) -> ASGIApp:
        """The application, guarded."""
        video = "/api/videos/{video:int}"
        routes = [
            Route("/", self._static),
            Route("/static/{name:path}", self._static),
            Route("/api/session", self._answering(self._session)),
            Route("/api/events", self._events),
            Route("/api/eye", self._answering(self._eye), methods=["POST"]),
            Route(video, self._answering(self._video)),
            Route(f"{video}/times", self._answering(self._times)),
            Route(f"{video}/frames/{{frame:int}}", self._frame),
            Route(f"{video}/points", self._answering(self._points)),
            Route(f"{video}/timeline", self._answering(self._timeline)),
            Route(f"{video}/edits", self._answering(self._edit), methods=["POST"]),
            Route(f"{video}/undo", self._answering(partial(self._back, "undo")), methods=["POST"]),
            Route(f"{video}/redo", self._answering(partial(self._back, "redo")), methods=["POST"]),
            Route(f"{video}/proposals", self._answering(self._proposals)),
            Route(f"{video}/next", self._answering(self._next)),
            Route("/api/jobs", self._answering(self._jobs)),
            Route("/api/jobs", self._answering(self._start_job), methods=["POST"]),
            Route("/api/jobs/{job:int}/stop", self._answering(self._stop_job), methods=["POST"]),
            Route("/api/jobs/{job:int}/files/{file:int}", self._download),
        ]
        inner = Starlette(routes=routes, exception_handlers={404: _missing, 405: _missing, 500: _fault})
        return Guard(inner, token, cookie)

    def close(self) -> None:
        """End the events and the threads."""
        self.hub.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # ---------------------------------------------------------------------------------------------------- what happens

    def _heard(self, video: int, name: str, facts: dict[str, Any]) -> None:
        session = self.services.group.sessions[video]
        if name == "edit":
            outcome: Outcome = facts["outcome"]
            step = outcome.step
            assert step is not None
            event = {
                "video": video,
                "revision": step.revision,
                "client": step.client,
                "what": step.what,
                "points": points_at(session, outcome.places, MOST_POINTS),
                "frames": outcome.frames,
                "undo": step.kind == "undo",
            }
            self.hub.publish("edit", event)
            self.hub.publish_once("timeline", {"video": video}, video, 0.2)
            self.hub.publish_once("proposals", {"video": video}, video)
        elif name == "skeleton":
            self.hub.publish("skeleton", {"video": video, "VIDEO": video_facts(self.services, video)})
        elif name == "refined":
            self._services_heard("propagated", {"video": video, **facts})
        elif name == "saved":
            self.hub.publish("saved", {"video": video, "revision": facts["revision"]})
        elif name == "trouble":
            session.notes.append(facts["message"])
            self.hub.publish("video", video_facts(self.services, video))

    def _services_heard(self, name: str, facts: dict[str, Any]) -> None:
        if name == "propagated":
            self.hub.publish("propagated", facts)
            self.hub.publish_once("timeline", {"video": facts["video"]}, facts["video"])
        elif name == "work":
            self.hub.publish("work", work_facts(self.services, facts["video"]))
        elif name == "video":
            self.hub.publish("video", video_facts(self.services, facts["video"]))
        elif name == "proposals":
            self.hub.publish_once("proposals", facts, facts["video"])
        elif name == "job":
            self.hub.publish("job", job_facts(facts["job"]))

    # --------------------------------------------------------------------------------------------------------- answers

    def _answering(self, act: Callable[[Request, dict[str, Any]], Any]) -> Handler:
        """A handler that runs `act` in a thread and answers in JSON; errors are one line for the person."""

        async def handler(request: Request) -> Response:
            body: Any = {}
            if request.method == "POST":
                try:
                    body = json.loads(await request.body() or b"{}")
                except (ValueError, RecursionError):
                    body = None
                if not isinstance(body, dict):
                    return JSONResponse({"error": "the request is no JSON object"}, 400)
            loop = asyncio.get_running_loop()
            try:
                found = await loop.run_in_executor(self._threads, act, request, body)
            except Conflict as conflict:
                return JSONResponse(self._conflict(request, conflict), 409)
            except NothingToDo as nothing:
                return JSONResponse({"error": str(nothing)}, 404)
            except FileExistsError as error:
                return JSONResponse({"error": str(error), "exists": True}, 409)
            except PoofError as error:
                return JSONResponse({"error": str(error)}, 404 if _MISSING.match(str(error)) else 400)
            except Exception as error:
                logging.getLogger("poof.label").debug("a fault of poof", exc_info=error)
                return await _fault(request, error)
            return Response(status_code=204) if found is None else JSONResponse(found)

        return handler

    def _conflict(self, request: Request, conflict: Conflict) -> dict[str, Any]:
        session = self._of(request)
        there = points_at(session, conflict.places, MOST_POINTS)
        facts = {"revision": session.revision, "client": conflict.client, "points": there}
        return {"error": str(conflict), "conflict": facts}

    def _of(self, request: Request) -> Session:
        return self.services.group[request.path_params["video"]]

    def _session(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        del body
        client = request.query_params.get("client", "")
        videos = [
            video_facts(self.services, n, client, self._others(client))
            for n in range(len(self.services.group.sessions))
        ]
        return {
            "version": 1,
            "id": self.session_id,
            "title": "poof",
            "videos": videos,
            "formats": export_formats(),
            "flow": self.services.flow,
            "radius": self.services.radius,
            "jobs": [job_facts(job) for job in self.services.jobs.all],
        }

    def _video(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        del body
        self._of(request)
        client = request.query_params.get("client", "")
        return video_facts(self.services, request.path_params["video"], client, self._others(client))

    def _times(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        del body
        session = self._of(request)
        index = session.access.index
        if index is None:
            return {"times": [n / session.video.fps for n in range(session.count)]}
        start = int(index.times[0]) if len(index) else 0
        return {"times": [round((int(t) - start) * index.seconds, 6) for t in index.times]}

    def _eye(self, request: Request, body: dict[str, Any]) -> None:
        del request
        video, frame = _int(body, "video"), _int(body, "frame")
        self.services.group[video]
        self.services.look(video, frame, _int(body, "direction", 0), bool(body.get("playing")))

    def _points(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        del body
        session, (first, last) = self._of(request), self._range(request)
        if last - first >= MOST_FRAMES:
            raise PoofError(f"at most {MOST_FRAMES} frames at a time")
        return {"revision": session.revision, "points": points_between(session, first, last)}

    def _timeline(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        del body
        session, (first, last) = self._of(request), self._range(request)
        bins = _query(request, "bins", None)
        facts = timeline(session, first, last, bins)
        return facts | {"cuts": self.services.cuts(request.path_params["video"])}

    def _edit(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        client, base = _client(body), body.get("base")
        if base is not None and (isinstance(base, bool) or not isinstance(base, int)):
            raise PoofError("'base' must be a revision")
        outcome = self.services.group.edit(request.path_params["video"], body.get("edits", []), client, base)
        return self._done(request, client, outcome)

    def _back(self, way: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        client = _client(body)
        act = getattr(self.services.group, way)
        outcome: Outcome = act(request.path_params["video"], client, self._others(client))
        step = outcome.step
        found = self._done(request, client, outcome)
        return found | {"frame": step and step.frame, "what": step and step.what}

    def _done(self, request: Request, client: str, outcome: Outcome) -> dict[str, Any]:
        session, others = self._of(request), self._others(client)
        undo, redo = session.history.to_undo(client, others), session.history.to_redo(client, others)
        found: dict[str, Any] = {
            "revision": session.revision,
            "points": points_at(session, outcome.places, MOST_FRAMES),
            "frames": outcome.frames,
            "undo": undo and undo.what,
            "redo": redo and redo.what,
        }
        if outcome.step is not None and any(c.key[0] in ("skeleton", "subjects") for c in outcome.step.changes):
            found["video"] = video_facts(self.services, request.path_params["video"], client, others)
        return found

    def _others(self, client: str) -> set[str]:
        return self.hub.present - {client}

    def _proposals(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        del body
        self._of(request)
        count = min(100, _query(request, "count", 12) or 12)
        return self.services.proposals(request.path_params["video"], count, _skipped(request))

    def _next(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        del body
        self._of(request)
        return self.services.next(request.path_params["video"], _query(request, "frame", 0) or 0, _skipped(request))

    def _jobs(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        del request, body
        return {"jobs": [job_facts(job) for job in self.services.jobs.all]}

    def _start_job(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        del request
        video = _int(body, "video", 0)
        self.services.group[video]
        return job_facts(self.services.start_job(str(body.get("kind")), video, body))

    def _stop_job(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        del body
        return job_facts(self.services.jobs.stop(request.path_params["job"]))

    def _range(self, request: Request) -> tuple[int, int]:
        last = self._of(request).count - 1
        first, until = _query(request, "from", 0) or 0, _query(request, "to", last)
        return max(0, first), min(last, last if until is None else until)

    # ---------------------------------------------------------------------------------------- streams, pictures, files

    async def _events(self, request: Request) -> Response:
        client = request.query_params.get("client", "")
        if not _CLIENT.fullmatch(client):
            return JSONResponse({"error": "'client' must be 1 to 40 letters and digits"}, 400)
        sessions = self.services.group.sessions
        hello = {"id": self.session_id, "videos": [{"id": n, "revision": s.revision} for n, s in enumerate(sessions)]}
        return StreamingResponse(self.hub.stream(client, hello), media_type="text/event-stream")

    async def _frame(self, request: Request) -> Response:
        try:
            session = self._of(request)
            pictures = self.services.pictures[request.path_params["video"]]
            wanted = _wanted(request)
            quick = request.query_params.get("preview") == "1"
            gone = threading.Event()
            work = partial(pictures.at_once, wanted) if quick else partial(pictures.make, wanted, gone.is_set)
            future = asyncio.get_running_loop().run_in_executor(self.services.picture_threads, work)
            with self.services.waited_for():
                watch = asyncio.ensure_future(_leaves(request, gone))
                try:
                    picture = await future
                finally:
                    watch.cancel()
        except Abandoned:
            return Response(status_code=204)
        except PoofError as error:
            return JSONResponse({"error": str(error)}, 404)
        if picture is None:
            return Response(status_code=204)
        headers = {
            "X-Poof-Exact": str(int(picture.exact)),
            "X-Poof-Rect": ",".join(map(str, picture.box)),
            "X-Poof-Frame": str(wanted.frame),
        }
        mark = self.services.marks[request.path_params["video"]]
        if picture.exact and not quick and session.access.confirmed and request.query_params.get("mark") == mark:
            headers["Cache-Control"] = "private, max-age=86400, immutable"
        return Response(picture.data, media_type=picture.kind, headers=headers)

    async def _static(self, request: Request) -> Response:
        file = self._files.get(request.path_params.get("name", "index.html"))
        if file is None:
            return await _missing(request, None)
        return FileResponse(file, media_type=KINDS[file.suffix], headers={"Cache-Control": "no-cache"})

    async def _download(self, request: Request) -> Response:
        try:
            file = self.services.jobs.file(request.path_params["job"], request.path_params["file"])
        except PoofError as error:
            return JSONResponse({"error": str(error)}, 404)
        return FileResponse(file, media_type="application/octet-stream", filename=file.name)


async def _leaves(request: Request, gone: threading.Event) -> None:
    """Sets `gone` once the browser has given the request up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()


async def _missing(request: Request, error: Any) -> Response:
    del error
    return JSONResponse({"error": f"there is no {request.url.path}"}, 404)


async def _fault(request: Request, error: Exception) -> Response:
    del request
    return JSONResponse({"error": f"{type(error).__name__}: {error} (a fault of poof)"}, 500)


def _own_files() -> dict[str, Path]:
    """The page's own files by name, found once: what is asked for is looked up here and never joined to a path."""
    files = [path for path in STATIC.rglob("*") if path.is_file() and path.suffix in KINDS]
    return {path.relative_to(STATIC).as_posix(): path for path in files}


def _wanted(request: Request) -> Wanted:
    query = request.query_params
    box = None
    if any(name in query for name in ("x", "y", "w", "h")):
        x, y, w, h = (_query(request, name, None) for name in ("x", "y", "w", "h"))
        if w is None or h is None or w < 1 or h < 1:
            raise PoofError("a part of the frame needs w and h, whole pixels")
        box = (x or 0, y or 0, w, h)
    try:
        scale = float(query.get("scale", 1.0))
    except ValueError:
        scale = 0.0
    if not 0 < scale <= 1:
        raise PoofError("'scale' must lie above 0 and not above 1")
    quality = min(100, max(1, _query(request, "quality", 90) or 90))
    return Wanted(request.path_params["frame"], box, scale, quality, query.get("format") == "png")


def _query(request: Request, name: str, default: int | None) -> int | None:
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise PoofError(f"'{name}' must be a whole number")
    return int(text)


def _skipped(request: Request) -> set[int]:
    return {int(text) for text in re.findall(r"\d{1,9}", request.query_params.get("skip", ""))}


def _int(body: dict[str, Any], name: str, default: int | None = None) -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise PoofError(f"'{name}' must be a whole number")
    return value


def _client(body: dict[str, Any]) -> str:
    client = body.get("client", "")
    if not isinstance(client, str) or not _CLIENT.fullmatch(client):
        raise PoofError("'client' must be 1 to 40 letters and digits")
    return client
