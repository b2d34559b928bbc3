"""Access control of the page's server: the token, the page's own origin, this machine's own name.

The server listens on 127.0.0.1 only, but every page that is open in the browser can send requests there, and a name of
the attacker's may resolve to 127.0.0.1 (DNS rebinding). So: Host must be this machine, Origin (and what the browser
says of the sender in Sec-Fetch-Site) must be the page itself, and everything needs the token, which is printed with the
address and then kept in a cookie that no script can read.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost", "::1")
"""Names of this machine. The port is not looked at: `ssh -L` may forward from another."""
LONGEST_BODY = 8 * 2**20
"""Bytes of a request."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: nothing but what this server has."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """ASGI middleware in front of everything.

    Parameters
    ----------
    app
        What is behind it.
    token
        What one must have.
    cookie
        Name of the cookie that keeps it.
    """

    def __init__(self, app: ASGIApp, token: str, cookie: str) -> None:
        self._app, self._token, self._cookie = app, token, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there are no web sockets

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._answer(scope)
        if answer is not None:
            await answer(scope, receive, sealed)
        else:
            await self._app(scope, _bounded(receive), sealed)

    def _answer(self, scope: Scope) -> Response | None:
        """What to say instead of letting the request through; None lets it through."""
        headers = Headers(scope=scope)
        if not _is_here(headers.get("host", "")) or len(headers.getlist("host")) != 1:
            return refusal("this address does not belong to poof label; use the one it printed")
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is not None and origin != f"http://{headers['host']}":
            return refusal("another page may not do this")
        if site not in (None, "same-origin", "none"):
            return refusal("another page may not do this")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return refusal("no such method", 405)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and given:
            if not self._is_token(given):
                return refusal("the token is wrong; use the whole address that poof label printed")
            response = RedirectResponse("/", 303)
            response.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", path="/")
            return response
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        script = scheme.lower() == "bearer" and self._is_token(bearer)
        if not script and not self._is_token(_cookie(headers, self._cookie)):
            return refusal("the token is missing; use the whole address that poof label printed")
        if scope["method"] == "POST":
            if not script and origin is None:
                return refusal("another page may not do this")
            if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                return refusal("requests are application/json", 415)
            if not headers.get("content-length", "0").isdigit() or int(headers.get("content-length", 0)) > LONGEST_BODY:
                return refusal("the request is too long", 413)
        return None

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())


def refusal(why: str, status: int = 403) -> Response:
    """An answer that says no."""
    return JSONResponse({"error": why}, status)


def _is_here(host: str) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        port = parts.port  # raises where it is no number
    except ValueError:
        return False
    bare = parts.username is None and not parts.path and not parts.query and (port is None or port > 0)
    return bare and parts.hostname in HOSTS


def _cookie(headers: Mapping[str, str], name: str) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value


def _bounded(receive: Receive) -> Receive:
    """Ends a body that is longer than it may be, whatever its header said."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > LONGEST_BODY:
                return {"type": "http.disconnect"}
        return message

    return bounded
