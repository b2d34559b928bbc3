"""Runs the page's server on this machine, and says how to get to it."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn

from poof.errors import PoofError
from poof.files import atomic
from poof.labelling.page.app import Server
from poof.labelling.services import Services

HOST = "127.0.0.1"
PORT = 8642
"""Tried first; the next free one is taken when it is in use."""
NEXT = 50
"""Ports that are tried."""


def serve(
    services: Services,
    port: int | None = None,
    browser: bool = True,
    keep: Path | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the page until Ctrl-C, then write and close everything.

    Parameters
    ----------
    services
        What is behind the page; started and closed here.
    port
        None: the one that was used last for these videos, or the next free one.
    browser
        Open the page in the browser.
    keep
        Folder for token and port, so that an open page goes on after a restart; None makes new ones.
    say
        Prints a line.

    Raises
    ------
    PoofError
        If the port is in use.
    """
    note = None if keep is None else keep / f"{_name(services)}.json"
    token, last = _remembered(note)
    sock = _listening(port, last)
    number = sock.getsockname()[1]
    _remember(note, token, number)
    server = Server(services)
    application = server.app(token, f"poof_{number}")
    config = uvicorn.Config(
        application, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1, ws="none"
    )
    address = f"http://{HOST}:{number}/?token={token}"
    say(address)
    for session in services.group.sessions:
        say(f"labels of {Path(session.video.name).name}: {session.labels_file.resolve()}")
        for line in session.notes:
            say(f"note: {line}")
    for line in forwarding(number):
        say(line)
    say("Ctrl-C ends; everything is on disk at every moment")
    try:
        services.start()
        if browser:
            threading.Timer(0.5, lambda: suppressed_open(address)).start()
        uvicorn.Server(config).run(sockets=[sock])
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
        services.close()
        sock.close()


def suppressed_open(address: str) -> None:
    """Open the browser, if there is one; the address was printed anyway."""
    with suppress(Exception):
        webbrowser.open(address)


def forwarding(port: int) -> list[str]:
    """How to get to the page when this machine was entered by SSH; empty when it was not."""
    connection = os.environ.get("SSH_CONNECTION", "").split()
    if len(connection) < 3:
        return []
    where = f"{getpass.getuser()}@{connection[2]}"
    return [
        "you came here by SSH: on your own machine run the next line, leave it running, and open the address there",
        f"    ssh -N -L {port}:{HOST}:{port} {where}",
    ]


def _listening(wanted: int | None, last: int | None) -> socket.socket:
    """A socket of this machine alone."""
    if wanted is not None:
        tried = [wanted]
    else:
        tried = [*([last] if last else []), *range(PORT, PORT + NEXT), 0]
    for number in tried:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just left
        try:
            sock.bind((HOST, number))
            sock.listen(128)
        except (OSError, OverflowError):
            sock.close()
            continue
        return sock
    raise PoofError(f"--port {wanted}: is in use or not allowed; choose another, or leave it out for the next free one")


def _name(services: Services) -> str:
    """The same for the same label files."""
    files = "\0".join(str(session.labels_file.resolve()) for session in services.group.sessions)
    return hashlib.blake2b(files.encode(), digest_size=12).hexdigest()


def _remembered(note: Path | None) -> tuple[str, int | None]:
    fresh = secrets.token_urlsafe(24)
    if note is None:
        return fresh, None
    with suppress(OSError, ValueError, KeyError, TypeError):
        stored = json.loads(note.read_text())
        if isinstance(stored["token"], str) and len(stored["token"]) >= 32 and note.stat().st_mode & 0o077 == 0:
            return stored["token"], int(stored["port"])
    return fresh, None


def _remember(note: Path | None, token: str, port: int) -> None:
    if note is None:
        return
    with suppress(PoofError, OSError):  # then an open page needs the new address after a restart
        note.parent.mkdir(parents=True, exist_ok=True)
        with atomic(note) as temporary:
            temporary.write_text(json.dumps({"token": token, "port": port}))
        note.chmod(0o600)
