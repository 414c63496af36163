"""What every request passes: who asks, by which name, from which page, and whether that is allowed.

The base classes of all request classes. They know HTTP and the console; nothing of daemons.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tornado.web import HTTPError, RequestHandler

from circus.base.logs import logger
from circus.web.problems import CONTENT_TYPE, Problem
from circus.web.security import is_cross_site, page_headers
from circus.web.settings import allows

if TYPE_CHECKING:
    from circus.web.console import Console
    from circus.web.security import Origin
    from circus.web.sessions import Identity

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "X-CSRF-Token"


class Door(RequestHandler):
    """Checks each request before anything else looks at it.

    :cvar problems_as_json: whether errors are told as problem details, or as a line of text.
    """

    problems_as_json = False
    console: Console
    origin: Origin

    def initialize(self, console: Console, **_more: Any) -> None:
        """Called by Tornado with what the route says."""
        self.console = console

    def prepare(self) -> None:
        """Refuse what is not for us. :raises Problem: it is not."""
        if not self.console.hosts.allows(self.origin.host):
            host = self.origin.host[:100]
            raise Problem(403, f"this server is not called {host!r}; if it is, start it with --trusted-hosts {host}")
        if self.request.method not in SAFE and is_cross_site(self.request.headers, self.origin):
            self.note_refusal("cross-site request")
            raise Problem(403, "this request was made by a page of another site")

    # -- who asks ------------------------------------------------------------------------------------------

    def identify(self) -> Identity | None:
        """Who makes the request: by a token, or by the cookie of a session."""
        sessions = self.console.sessions
        kind, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return sessions.find_token(token.strip())
        return sessions.find(self.read_cookie(sessions.cookie_name))

    def read_cookie(self, name: str) -> str:
        """A cookie of the request; nothing in it is ever evaluated."""
        morsel = self.request.cookies.get(name)
        return morsel.value if morsel is not None else ""

    def require(self, role: str) -> Identity:
        """Who makes the request, who must have at least that role.

        :raises Problem: nobody is logged in (401), or may not (403).
        """
        identity = self.identify()
        if identity is None:
            problem = Problem(401, "nobody is logged in")
            problem.headers["WWW-Authenticate"] = 'Bearer realm="circus"'
            raise problem
        if not allows(identity.role, role):
            self.note_refusal(f"needs the role {role}", identity)
            raise Problem(403, f"this takes the role {role}; {identity.user} is {identity.role}")
        return identity

    def require_csrf(self, identity: Identity, given: str | None = None) -> None:
        """A request that changes something comes from a page of ours, not merely from a browser that is logged in.

        :param given: the token; that of the header by default.
        :raises Problem: it does not.
        """
        token = self.request.headers.get(CSRF_HEADER, "") if given is None else given
        if identity.is_ambient and not self.console.sessions.is_csrf_token(identity, token):
            self.note_refusal("no CSRF token", identity)
            raise Problem(403, f"the header {CSRF_HEADER} is missing or wrong; GET /api/v1/session tells it")

    def note_refusal(self, why: str, identity: Identity | None = None) -> None:
        """Something was refused that somebody should be able to look up."""
        self.console.audit.note(
            f"{self.request.method} {self.request.path}", user=identity.user if identity else "",
            role=identity.role if identity else "", address=self.origin.address, outcome=f"refused: {why}",
        )  # fmt: skip

    # -- answers -------------------------------------------------------------------------------------------

    def send_json(self, data: Any, status: int = 200, content_type: str = "application/json") -> None:
        """Answer with JSON that nobody may keep."""
        self.set_status(status)
        self.set_header("Content-Type", content_type)
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(data, separators=(",", ":"), default=str))

    def write_error(self, status_code: int, **more: Any) -> None:
        """Called by Tornado for whatever was raised."""
        error = more.get("exc_info", (None, None, None))[1]
        if isinstance(error, Problem):
            problem = error
        elif isinstance(error, HTTPError):
            problem = Problem(error.status_code, error.log_message or error.reason or "this request makes no sense")
        else:
            problem = Problem(status_code, "the console failed; its log tells more")
        if problem.status == 405:
            problem = Problem(405, f"{self.request.method} is not possible here")
            problem.headers["Allow"] = ", ".join(self.allowed())
        for name, value in problem.headers.items():
            self.set_header(name, value)
        self.set_status(problem.status)
        if self.problems_as_json:
            self.send_json(problem.as_dict(), problem.status, CONTENT_TYPE)
        else:
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.set_header("Cache-Control", "no-store")
            self.finish(f"{problem.status} {problem.as_dict()['title']}: {problem.detail}\n")

    def allowed(self) -> list[str]:
        """The methods that are possible here."""
        return [method for method in ("GET", "HEAD", "POST") if method.lower() in vars(type(self))] or ["GET", "HEAD"]

    def set_default_headers(self) -> None:
        """Called by Tornado first of all, and again before an error is told."""
        self.origin = self.application.console.origin_of(self.request)  # type: ignore[attr-defined]
        for name, value in page_headers(self.origin).items():
            self.set_header(name, value)
        self.clear_header("Server")  # nobody needs to know the version of Tornado

    def log_exception(self, kind: Any, error: Any, trace: Any) -> None:
        """Only what nobody expected is worth a traceback."""
        if isinstance(error, (Problem, HTTPError)):
            logger.debug("%s %s: %s", self.request.method, self.request.path, error)
        else:
            logger.error("%s %s failed", self.request.method, self.request.path, exc_info=(kind, error, trace))

    def data_received(self, chunk: bytes) -> None:
        """Requests are not streamed."""


class NothingHere(Door):
    """Everything that has no route."""

    async def prepare(self) -> None:  # type: ignore[override]
        super().prepare()
        self.problems_as_json = "/api/" in self.request.path
        raise Problem(404, "there is nothing here")
