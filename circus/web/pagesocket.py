"""The WebSocket of a live page, ``/ws``: checks who it is, takes wishes, sends what is in the outbox.

Messages of the page: ``{"subscribe": [topics], "endpoint": id}``, ``{"unsubscribe": [topics]}``,
``{"logs": {"endpoint": id, "watchers": [names], "lines": 200}}`` (null for all of them; ``{"logs": null}`` for no
output). Those to it are told in the manual.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from circus.base.logs import logger
from circus.web.door import Door
from circus.web.encoding import encoded
from circus.web.live import Viewer
from circus.web.problems import Problem
from circus.web.security import is_cross_site

MOST_LINES = 5000
#: Why a connection is closed by us, beside the codes of RFC 6455.
LOGGED_OUT, GOING_AWAY = 4401, 1001
#: Seconds between two looks whether the session still counts, and of silence until a sign of life is sent.
_LOOK_AGAIN, _SILENCE = 15.0, 4.0


class PageSocket(WebSocketHandler, Door):
    """One page."""

    viewer: Viewer
    _sender: asyncio.Task[None] | None = None
    problems_as_json = True

    def check_origin(self, origin: str) -> bool:
        """Called by Tornado when there is a header ``Origin``; :meth:`prepare` has looked at it already."""
        return True

    def prepare(self) -> None:
        """Refuse pages of other sites, and who is not logged in."""
        super().prepare()
        headers = self.request.headers
        has_origin = "Origin" in headers or "Authorization" in headers or self.console.sessions.is_open
        if not has_origin or is_cross_site(headers, self.origin):
            self.note_refusal("cross-site WebSocket")
            raise Problem(403, "this WebSocket was opened by a page of another site")
        self.require("viewer")

    def open(self, *_args: str, **_kwargs: str) -> None:
        """The connection stands."""
        self.set_nodelay(True)
        self._something = asyncio.Event()
        self._looked = time.monotonic()
        self.viewer = Viewer(self._something.set)
        self.console.hub.enter(self.viewer)
        self._sender = asyncio.get_running_loop().create_task(self._send())
        self.console.sockets.add(self)
        self._something.set()

    async def _send(self) -> None:
        """Send what there is, each message when the one before is on its way."""
        try:
            while True:
                text = self.viewer.outbox.take()
                if text is not None:
                    await self.write_message(text)
                    continue
                self._something.clear()
                try:
                    async with asyncio.timeout(_SILENCE):
                        await self._something.wait()
                except TimeoutError:
                    await self.write_message(encoded({"type": "tick", "time": time.time()}))
                if time.monotonic() - self._looked >= _LOOK_AGAIN:
                    self._looked = time.monotonic()
                    if self.identify() is None:
                        self.close(LOGGED_OUT, "logged out")
                        return
        except (WebSocketClosedError, StreamClosedError):
            return  # on_close does the rest

    def look_again(self) -> None:
        """Somebody logged out: find out at once whether this page's session still counts."""
        self._looked -= _LOOK_AGAIN
        self._something.set()

    def on_message(self, message: str | bytes) -> None:
        """A wish of the page."""
        try:
            wish = json.loads(message)
            if not isinstance(wish, dict):
                raise Problem(400, "a message is an object")
            self._take(wish)
        except Problem as problem:
            self._complain(problem)
        except (ValueError, RecursionError):
            self._complain(Problem(400, "this is no JSON"))

    def _complain(self, problem: Problem) -> None:
        self.viewer.outbox.put(encoded({"type": "problem", "data": problem.as_dict()}), "problems")
        self._something.set()

    def _take(self, wish: dict[str, Any]) -> None:
        hub, endpoint = self.console.hub, wish.get("endpoint")
        if endpoint is not None and not isinstance(endpoint, str):
            raise Problem(422, "'endpoint' is the id of a daemon")
        for topic in _names(wish, "unsubscribe"):
            hub.unsubscribe(self.viewer, topic)
        for topic in _names(wish, "subscribe"):
            hub.subscribe(self.viewer, topic, endpoint)
        if "logs" in wish:
            self._follow(wish["logs"], endpoint)

    def _follow(self, logs: Any, endpoint: str | None) -> None:
        if logs is None:
            self.console.hub.follow(self.viewer, [], [], 0)
            return
        if not isinstance(logs, dict):
            raise Problem(422, "'logs' is an object with 'watchers' and 'lines'")
        lines = logs.get("lines", 200)
        if type(lines) is not int or not 0 <= lines <= MOST_LINES:
            raise Problem(422, f"'lines' is a number from 0 to {MOST_LINES}")
        wanted = logs.get("endpoint") or endpoint
        daemons = [self.console.daemons.find(wanted)] if wanted else list(self.console.daemons)
        self.console.hub.follow(self.viewer, daemons, _names(logs, "watchers"), lines)

    def on_close(self) -> None:
        """The connection is gone."""
        self.console.sockets.discard(self)
        if self._sender is not None:
            self._sender.cancel()
            self.console.hub.leave(self.viewer)
            logger.debug("a page of %s is gone; its outbox was full %d times", self.origin.address,
                         self.viewer.outbox.overflows)  # fmt: skip


def _names(wish: dict[str, Any], key: str) -> list[str]:
    names = wish.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Problem(422, f"{key!r} is a list of names")
    return names[:1000]
