"""``/api/v1`` of the mock server; see :mod:`tests.web.mock_server`."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import tornado.web

from circus.model.hooktable import HOOKS
from circus.model.options import WATCHER
from tests.web.mock_world import MASK, World, plain_option

if TYPE_CHECKING:
    from tests.web.mock_server import Mock

USERS = {"ann": "admin", "oscar": "operator", "vera": "viewer"}
PASSWORD, TOKEN = "secret", "let-me-in"
_ACTIONS = ("start", "stop", "restart", "reload", "incr", "decr", "signal", "kill")


class Session:
    """Reading who asks."""

    mock: Mock

    def session(self) -> dict[str, Any] | None:
        """The session of the cookie, or None."""
        if not self.mock.login:
            return self.mock.sessions.setdefault("", {"user": None, "role": "admin", "csrf": "open"})
        return self.mock.sessions.get(self.get_cookie("session") or "")  # type: ignore[attr-defined]


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
                told = {"steps": world.plan, "problems": world.plan_problems}
                self.finish({**told, "circusctl": "circusctl reloadconfig --dry-run"})
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
