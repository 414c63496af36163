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
import secrets
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

from circus.model.hooktable import HOOKS  # noqa: E402 - found only from here on
from circus.model.options import WATCHER  # noqa: E402
from tests.web.mock_world import MASK, World, plain_option  # noqa: E402

STATIC = ROOT / "circus" / "web" / "static"
USERS = {"ann": "admin", "oscar": "operator", "vera": "viewer"}
PASSWORD, TOKEN = "secret", "let-me-in"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_ACTIONS = ("start", "stop", "restart", "reload", "incr", "decr", "signal", "kill")


class Mock:
    """The mocked server: its world, its pages, its switches for tests.

    :param pace: seconds between two ticks.
    :param login: whether a login is wanted.
    """

    def __init__(
        self, *, workers: int = 175, pace: float = 1.0, login: bool = True, prefix: str = "", second: bool = False
    ) -> None:
        self.world = World("e1", time.time(), workers=workers)
        self.worlds = {"e1": self.world}
        if second:
            self.worlds["e2"] = World("e2", time.time(), seed=7, name="shop-2")
        self.pace, self.login, self.prefix = pace, login, prefix
        self.sessions: dict[str, dict[str, Any]] = {}
        self.pages: set[Page] = set()
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
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")


class Index(tornado.web.RequestHandler):
    """One page for all addresses."""

    def initialize(self, mock: Mock) -> None:
        self.mock = mock

    def get(self) -> None:
        self.set_header("Content-Security-Policy", CSP)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.write((STATIC / "index.html").read_text().replace('<base href="/">', f'<base href="{self.mock.prefix}/">'))


class Session:
    """Reading who asks."""

    mock: Mock

    def session(self) -> dict[str, Any] | None:
        """The session of the cookie, or None."""
        if not self.mock.login:
            return self.mock.sessions.setdefault("", {"user": None, "role": "admin", "csrf": "open"})
        return self.mock.sessions.get(self.get_cookie("session") or "")  # type: ignore[attr-defined]


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


class Rest(Session, tornado.web.RequestHandler):
    """The REST interface."""

    def initialize(self, mock: Mock) -> None:
        self.mock = mock

    def problem(self, status: int, title: str, **more: Any) -> None:
        """Answer that it cannot be."""
        self.set_status(status)
        self.set_header("Content-Type", "application/problem+json")
        self.finish(json.dumps({"type": "about:blank", "title": title, "status": status, "detail": title, **more}))

    async def prepare(self) -> None:
        self.mock.requests.append((self.request.method or "", self.request.path))
        path = self.path_args[0]
        if path in ("session", "login"):
            return
        session = self.session()
        if session is None:
            return self.problem(401, "Log in first")
        origin = self.request.headers.get("Origin")
        if origin and urlsplit(origin).netloc != self.request.host:
            return self.problem(403, "This request comes from another site")
        if self.request.method != "GET":
            if self.request.headers.get("X-CSRF-Token") != session["csrf"]:
                return self.problem(403, "The CSRF token is missing or wrong")
            needed = "viewer" if path == "logout" else "operator" if path.rpartition("/")[2] in _ACTIONS else "admin"
            ranks = ["viewer", "operator", "admin"]
            if ranks.index(session["role"]) < ranks.index(needed):
                return self.problem(403, f"This needs the role {needed}")
        return None

    # -- GET ---------------------------------------------------------------------------------------------

    def get(self, path: str) -> None:
        now = time.time()
        head, _, tail = path.partition("/")
        if path == "session":
            self.finish(self._told())
        elif path == "endpoints":
            endpoints = [
                {
                    "id": eid,
                    "endpoint": world.endpoint,
                    "name": world.name,
                    "online": world.online,
                    "since": world.since,
                    "source": "configured",
                }
                for eid, world in self.mock.worlds.items()
            ]
            self.finish({"endpoints": [*endpoints, *self.mock.connected], "discovered": ["tcp://10.0.0.7:5555"]})
        elif path == "schema/options":
            self.finish(schema())
        elif path == "events":
            before = int(self.get_argument("before", "999999999"))
            since = int(self.get_argument("since", "0"))
            name = self.get_argument("name", "")
            found = [
                event
                for event in self.world.events
                if since < event["seq"] < before and (not name or event["watcher"] == name)
            ]
            self.finish({"events": found[-int(self.get_argument("limit", "100")) :], "last": self.world.seq})
        elif path == "audit":
            self.finish(
                {
                    "entries": [
                        {
                            "time": now - 60,
                            "user": "ann",
                            "address": "10.1.2.3",
                            "action": "restart",
                            "target": "web",
                            "outcome": "ok",
                        }
                    ]
                }
            )
        elif path == "logs":
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.set_header("Content-Disposition", 'attachment; filename="circus.log"')
            self.finish("\n".join(line["text"] for line in self.world.lines))
        elif head == "watchers" and tail.endswith("/options"):
            options = dict(self.world.watchers[tail.removesuffix("/options")]["_options"])
            options["env"] = {key: "hunter2" if text == MASK else text for key, text in options["env"].items()}
            self.finish({"options": options})
        elif head == "watchers" and tail.endswith("/stats"):
            times = [now - step for step in range(int(now - float(self.get_argument("since"))), 900, -60)]
            columns = {
                key: [abs(20 + 10 * ((index * 7919) % 13) / 13) for index, _ in enumerate(times)]
                for key in ("cpu", "rss", "count")
            }
            self.finish({"series": {"time": times, **columns}})
        else:
            self.problem(404, "There is no such thing")

    @property
    def world(self) -> World:
        """The daemon that is meant."""
        return self.mock.worlds[self.get_query_argument("endpoint", "e1") or "e1"]

    def _told(self) -> dict[str, Any]:
        session = self.session() or {"user": None, "role": None, "csrf": ""}
        return {**session, "auth": "password" if self.mock.login else "none", "version": "1.0.0"}

    # -- POST, PUT, DELETE -------------------------------------------------------------------------------

    async def post(self, path: str) -> None:
        body = json.loads(self.request.body or b"{}")
        if path == "login":
            return self._login(body)
        if path == "logout":
            self.mock.sessions.pop(self.get_cookie("session") or "", None)
            self.finish({})
            return None
        if path == "endpoints":
            self.mock.connected.append(
                {
                    "id": "e9",
                    "endpoint": body["endpoint"],
                    "name": "shop-9",
                    "online": False,
                    "since": time.time(),
                    "source": "typed",
                }
            )
            self.finish(
                {
                    "id": "e9",
                    "outcome": "ok",
                    "text": "connected",
                    "circusctl": f"circusctl --endpoint {body['endpoint']}",
                }
            )
            return None
        if not self.world.online:
            return self.problem(503, "The daemon is offline", circusctl=self.world.line_of("status"))
        if self.mock.delay and not body.get("dry_run"):
            await asyncio.sleep(self.mock.delay)
        return self._act(path, body)

    def _login(self, body: dict[str, Any]) -> None:
        user = (
            body.get("user")
            if body.get("password") == PASSWORD and body.get("user") in USERS
            else "ann"
            if body.get("token") == TOKEN
            else None
        )
        if user is None:
            return self.problem(401, "The token is not valid" if "token" in body else "User and password do not match")
        key = secrets.token_urlsafe(16)
        self.mock.sessions[key] = {"user": user, "role": USERS[user], "csrf": secrets.token_urlsafe(16)}
        self.set_cookie("session", key, httponly=True, samesite="Strict", path=f"{self.mock.prefix}/")
        self.finish({**self.mock.sessions[key], "auth": "password", "version": "1.0.0"})
        return None

    def _act(self, path: str, body: dict[str, Any]) -> None:
        world, now = self.world, time.time()
        cause = f"{path.rpartition('/')[2]} command (circus-httpd {(self.session() or {}).get('user') or 'nobody'})"
        parts = path.split("/")
        if path == "watchers":
            return self._add(world, body, now, cause)
        if path == "reloadconfig":
            if body.get("dry_run"):
                self.finish({"plan": world.plan or ["nothing to do"], "circusctl": "circusctl reloadconfig --dry-run"})
                return None
            world.reload_config(now, cause)
            self._done("The configuration is in place", "circusctl reloadconfig --waiting", now)
        elif parts[0] == "watchers" and len(parts) == 3 and parts[2] in _ACTIONS:
            name = parts[1]
            if name not in world.watchers:
                return self.problem(404, f"There is no watcher {name}")
            text = world.act(name, parts[2], body, now, cause)
            self._done(text, world.line_of(parts[2], name, *([body["pid"]] if body.get("pid") else [])), now)
        elif path in ("start", "stop", "restart", "reload"):
            for name, watcher in list(world.watchers.items()):
                if not watcher["plugin"] and (watcher["status"] == "stopped") == (path == "start"):
                    world.act(name, path, {}, now, cause)
            self._done(f"{len(world.watchers)} watchers", world.line_of(path), now)
        else:
            self.problem(404, "There is no such action")
        return None

    def _add(self, world: World, body: dict[str, Any], now: float, cause: str) -> None:
        name, options = body.get("name", ""), body.get("options", {})
        line = world.line_of("add", name, body.get("cmd", ""))
        errors = {}
        if name.lower() in world.watchers:
            errors["name"] = f"there is a watcher {name} already"
        if not isinstance(options.get("numprocesses", 1), int):
            errors["numprocesses"] = "not an integer"
        if body.get("dry_run"):
            self.finish({"errors": errors, "circusctl": line})
        elif errors:
            self.problem(422, "The watcher cannot be added", errors=errors, circusctl=line)
        else:
            world.add(name, body["cmd"], options, body.get("start", True), now, cause)
            self._done(f"{name} was added", line, now)

    def put(self, path: str) -> None:
        world, now = self.world, time.time()
        name = path.removeprefix("watchers/")
        body = json.loads(self.request.body)
        options = WATCHER
        changes = []
        for key, value in body["options"].items():
            option = options.find(key)
            wrong = "not an integer" if key == "numprocesses" and not isinstance(value, int) else None
            changes.append(
                {
                    "option": key,
                    "from": world.watchers[name]["_options"].get(key),
                    "to": value,
                    "on_change": option.on_change.value if option else "nothing",
                    "effect": None,
                    "error": wrong,
                }
            )
        line = world.line_of("set", name, *[word for key, value in body["options"].items() for word in (key, value)])
        if body.get("dry_run"):
            self.finish({"changes": changes, "circusctl": line})
            return
        world.set_options(name, body["options"], now, "set command (circus-httpd ann)")
        self._done(f"{len(changes)} option changed", line, now)

    def delete(self, path: str) -> None:
        head, _, name = path.partition("/")
        now = time.time()
        if head == "endpoints":
            self.mock.connected = [each for each in self.mock.connected if each["id"] != name]
            self.finish({"outcome": "ok", "text": "disconnected"})
            return
        self.world.remove(name, now, "rm command (circus-httpd ann)")
        self._done(f"{name} was removed", self.world.line_of("rm", name), now)

    def _done(self, text: str, line: str, now: float) -> None:
        self.mock.tell(now)
        self.finish({"outcome": "ok", "text": text, "circusctl": line, "warnings": []})


def schema() -> dict[str, Any]:
    """The option table as forms want it."""
    rows = [
        {
            "name": option.name,
            "kind": option.kind.word,
            "choices": list(getattr(option.kind, "words", ())) or None if " | " in option.kind.word else None,
            "minimum": getattr(option.kind, "minimum", None),
            "maximum": getattr(option.kind, "maximum", None),
            "default": plain_option(option.default),
            "doc": option.doc,
            "on_change": option.on_change.value,
            "addable": option.addable,
            "settable": option.settable,
            "fixed": option.fixed,
            "deprecated": option.deprecated,
            "since": option.since,
            "family": option.family,
            "required": option.name in ("name", "cmd"),
        }
        for option in WATCHER
    ]
    hooks = [{"name": hook.name, "doc": hook.doc} for hook in HOOKS.values()]
    return {
        "options": rows,
        "hooks": hooks,
        "signals": ["HUP", "INT", "QUIT", "TERM", "KILL", "USR1", "USR2", "TTIN", "TTOU", "WINCH"],
    }


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
