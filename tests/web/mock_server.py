"""The server half of the web console, mocked: pages, ``/api/v1`` and ``/ws`` over a made-up daemon.

It speaks the interface that the browser half is written against, so the pages can be tried and tested without circusd:
``python tests/web/mock_server.py [--port 8099] [--workers 1000] [--no-login]``. Users: ann (admin), oscar (operator),
vera (viewer), each with the password ``secret``; the token is ``let-me-in``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.web.mock_rest import PASSWORD, TOKEN, Rest, Session  # noqa: E402 - found only from here on
from tests.web.mock_world import World  # noqa: E402

__all__ = ["PASSWORD", "TOKEN", "Mock", "Served", "serving"]

STATIC = ROOT / "circus" / "web" / "static"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)


class Mock:
    """The mocked server: its world, its pages, its switches for tests.

    :param pace: seconds between two ticks.
    :param login: whether a login is wanted.
    """

    def __init__(
        self, *, workers: int = 175, pace: float = 1.0, login: bool = True, prefix: str = "", second: bool = False
    ) -> None:
        self.pace, self.prefix = pace, prefix
        self.pages: set[Page] = set()
        self.begin(workers=workers, login=login, second=second)

    def begin(self, *, workers: int = 175, login: bool = True, second: bool = False) -> None:
        """Begin anew with another world, and with all switches off."""
        for page in list(self.pages):
            page.close(1001)
        self.world = World("e1", time.time(), workers=workers)
        self.worlds = {"e1": self.world}
        if second:
            self.worlds["e2"] = World("e2", time.time(), seed=7, name="shop-2")
        self.login = login
        self.sessions: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.delay = 0.0
        self.silent = False
        self.refusing = False
        self.connected: list[dict[str, Any]] = []

    def application(self) -> tornado.web.Application:
        """All routes."""
        prefix, shared = self.prefix, {"mock": self}
        return tornado.web.Application(
            [
                (rf"{prefix}/ws", Page, shared),
                (rf"{prefix}/api/v1/(.*)", Rest, shared),
                (rf"{prefix}/static/(.*)", Static, {"path": str(STATIC)}),
                (rf"{prefix}/.*", Index, shared),
            ]
        )

    async def run(self) -> None:
        """Tick for ever."""
        while True:
            await asyncio.sleep(self.pace)
            self.tick()

    def tick(self) -> None:
        """Time passes; pages are told."""
        now = time.time()
        for world in self.worlds.values():
            if world.online:
                world.tick(now)
        self.tell(now)

    def tell(self, now: float) -> None:
        """Send what changed to all pages."""
        for page in list(self.pages):
            if not self.silent:
                page.tell(now)
        for world in self.worlds.values():
            world.fresh_lines.clear()
            world.fresh_events.clear()

    def data(self, topic: str, now: float) -> Any:
        """The whole of a topic, None when there is no such thing."""
        if topic == "overview":
            return {"endpoints": {eid: world.overview() for eid, world in self.worlds.items()}}
        if topic == "events":
            return {
                "events": sorted(
                    (event for world in self.worlds.values() for event in world.events), key=lambda event: event["time"]
                )[-200:]
            }
        if topic.startswith("watcher:"):
            eid, _, name = topic.removeprefix("watcher:").partition("/")
            world = self.worlds.get(eid)
            return world.watcher(name, now) if world and name in world.watchers else None
        if topic in ("sockets", "plugins"):
            return {"endpoints": {eid: getattr(world, topic)() for eid, world in self.worlds.items()}}
        if topic == "daemon":
            own = {
                "version": "1.0.0",
                "pid": 1191,
                "uptime": 7200,
                "cpu": 0.8,
                "rss": 52 << 20,
                "pages": len(self.pages),
            }
            return {"endpoints": {eid: world.daemon(now) for eid, world in self.worlds.items()}, "console": own}
        return None

    # -- for tests, called on the server's thread --------------------------------------------------------

    def lose_daemon(self, reason: str = "no answer for 5 s") -> None:
        """The daemon goes."""
        now = time.time()
        self.world.online, self.world.since = False, now
        for page in list(self.pages):
            page.send({"type": "offline", "endpoint": "e1", "since": now, "reason": reason, "time": now})
        self.tell(now)

    def regain_daemon(self) -> None:
        """The daemon is back."""
        now = time.time()
        self.world.online, self.world.since = True, now
        for page in list(self.pages):
            page.send({"type": "online", "endpoint": "e1", "time": now})
            for topic in page.topics:
                page.snapshot(topic, now)

    def drop_pages(self) -> None:
        """All connections break."""
        for page in list(self.pages):
            page.close(1011)


class Static(tornado.web.StaticFileHandler):
    """The files."""

    def set_extra_headers(self, path: str) -> None:
        # By hand one wants to see what was edited; the tests' files do not change, and are many.
        self.set_header("Cache-Control", "no-cache" if __name__ == "__main__" else "max-age=3600")
        self.set_header("X-Content-Type-Options", "nosniff")


class Index(tornado.web.RequestHandler):
    """One page for all addresses."""

    def initialize(self, mock: Mock) -> None:
        self.mock = mock

    def get(self) -> None:
        self.set_header("Content-Security-Policy", CSP)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.write((STATIC / "index.html").read_text().replace('<base href="/">', f'<base href="{self.mock.prefix}/">'))


class Page(Session, tornado.websocket.WebSocketHandler):
    """One page's WebSocket."""

    def initialize(self, mock: Mock) -> None:
        self.mock = mock
        self.topics: dict[str, tuple[int, Any]] = {}
        self.logs: dict[str, Any] | None = None

    async def get(self, *arguments: Any, **more: Any) -> None:
        if self.mock.refusing:
            self.set_status(503)
            self.finish()
            return
        await super().get(*arguments, **more)

    def check_origin(self, origin: str) -> bool:
        return urlsplit(origin).netloc == self.request.host

    def open(self, *_: str) -> None:
        if self.session() is None:
            self.close(4401)
            return
        self.mock.pages.add(self)
        self.send({"type": "hello", "time": time.time(), "epoch": "mock", "role": "admin"})

    def on_close(self) -> None:
        self.mock.pages.discard(self)

    def on_message(self, message: str | bytes) -> None:
        asked, now = json.loads(message), time.time()
        for topic in asked.get("unsubscribe", ()):
            self.topics.pop(topic, None)
        # What is still to be told is in a snapshot already: nobody is to hear it twice.
        self.mock.tell(now)
        for topic in asked.get("subscribe", ()):
            self.snapshot(topic, now)
        if "logs" in asked:
            self.logs = asked["logs"]
            if self.logs:
                self._first_lines(now)

    def send(self, message: dict[str, Any]) -> None:
        """Write a message, if somebody still listens."""
        with contextlib.suppress(tornado.websocket.WebSocketClosedError):
            self.write_message(json.dumps(message))

    def snapshot(self, topic: str, now: float) -> None:
        """The whole of a topic."""
        data = self.mock.data(topic, now)
        if data is None:
            self.send({"type": "gone", "topic": topic, "reason": "there is no such watcher", "time": now})
            return
        number = self.topics.get(topic, (0, None))[0] + 1
        self.topics[topic] = (number, json.loads(json.dumps(data)))
        self.send({"type": "snapshot", "topic": topic, "n": number, "time": now, "data": data})

    def tell(self, now: float) -> None:
        """What changed since it was told last."""
        for world in self.mock.worlds.values():
            if "events" in self.topics:
                for event in world.fresh_events:
                    self.send({"type": "event", "endpoint": world.eid, "data": event, "time": now})
            if self.logs and world.fresh_lines:
                lines = [line for line in world.fresh_lines if self._wants(line)]
                if lines:
                    self.send({"type": "lines", "endpoint": world.eid, "lines": lines, "lost": 0, "time": now})
        for topic, (number, before) in list(self.topics.items()):
            if topic == "events":
                continue
            data = self.mock.data(topic, now)
            if data is None:
                del self.topics[topic]
                self.send({"type": "gone", "topic": topic, "reason": "the watcher was removed", "time": now})
                continue
            after = json.loads(json.dumps(data))
            patch, append = difference(before, after)
            self.topics[topic] = (number + 1, after)
            self.send(
                {
                    "type": "delta",
                    "topic": topic,
                    "n": number + 1,
                    "time": now,
                    "data": patch,
                    **({"append": append} if append else {}),
                }
            )

    def _wants(self, line: dict[str, Any]) -> bool:
        return bool(self.logs) and (not self.logs.get("watchers") or line["watcher"] in self.logs["watchers"])

    def _first_lines(self, now: float) -> None:
        for world in self.mock.worlds.values():
            if self.logs is None or self.logs.get("endpoint") not in (None, world.eid):
                continue
            lines = [line for line in world.lines if self._wants(line)][-self.logs.get("lines", 200) :]
            wanted = self.logs.get("watchers") or list(world.watchers)
            captured = {name: name != "cron" for name in wanted}
            self.send(
                {
                    "type": "lines",
                    "first": True,
                    "endpoint": world.eid,
                    "lines": lines,
                    "lost": 0,
                    "captured": captured,
                    "time": now,
                }
            )


def difference(before: Any, after: Any, key: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """A merge patch, and what was appended to arrays that only grew at their ends."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    append: dict[str, Any] = {}
    for name, value in after.items():
        old = before.get(name)
        if value == old:
            continue
        if isinstance(value, dict) and isinstance(old, dict):
            if name == "series" and value.get("time") != old.get("time"):
                append[name] = {column: cells[-1:] for column, cells in value.items()}
                continue
            inner, more = difference(old, value, name)
            if inner:
                patch[name] = inner
            if more:
                append[name] = more
        elif isinstance(value, list) and isinstance(old, list) and key == "spark":
            append[name] = value[-1:]
        elif value is not None or name in before:
            patch[name] = value
    return patch, append


class Served:
    """A mock that serves: its address, and a way to do something on its thread."""

    def __init__(self, mock: Mock, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self.mock, self.port, self.loop = mock, port, loop
        self.url = f"http://127.0.0.1:{port}{mock.prefix}/"

    def do(self, action: Any, *arguments: Any) -> Any:
        """Call a function on the server's thread and wait for its result."""

        async def call() -> Any:
            return action(*arguments)

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(10)


@contextlib.contextmanager
def serving(port: int = 0, **options: Any) -> Iterator[Served]:
    """Serve a mock from a thread for the time of the block."""
    mock = Mock(**options)
    ready: list[Any] = []
    started = threading.Event()

    async def main() -> None:
        sockets = tornado.netutil.bind_sockets(port, "127.0.0.1")
        server = tornado.httpserver.HTTPServer(mock.application())
        server.add_sockets(sockets)
        stop = asyncio.Event()
        ready.extend([sockets[0].getsockname()[1], asyncio.get_running_loop(), stop])
        started.set()
        ticking = asyncio.create_task(mock.run())
        await stop.wait()
        ticking.cancel()
        server.stop()
        mock.drop_pages()
        await server.close_all_connections()

    thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    thread.start()
    if not started.wait(10):
        raise RuntimeError("the mock server did not start")
    bound, loop, stop = ready
    try:
        yield Served(mock, bound, loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--workers", type=int, default=175)
    parser.add_argument("--pace", type=float, default=1.0)
    parser.add_argument("--no-login", action="store_true")
    parser.add_argument("--second", action="store_true")
    parser.add_argument("--prefix", default="")
    asked = parser.parse_args()
    with serving(
        asked.port,
        workers=asked.workers,
        pace=asked.pace,
        login=not asked.no_login,
        second=asked.second,
        prefix=asked.prefix,
    ) as served:
        print(f"{served.url} (token link: {served.url}login#token={TOKEN})")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
