"""The addresses of the old console, for bookmarks and scripts (spec stats-web.md 5.3).

What showed something leads to the page that shows it now. What changed something by GET leads there, too, and changes
nothing; asked for by POST with the CSRF token, as ``_csrf`` or in the header, it does what it did. How it went is told
by the next page.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from circus.web.api.operation import WAIT, Call
from circus.web.console import Console
from circus.web.door import Door
from circus.web.endpoints import Daemon
from circus.web.outcome import act
from circus.web.problems import Problem

Deed = Callable[["OldRoute", Call, Daemon, dict[str, str]], Awaitable[str]]


def decode_endpoint(text: str) -> str:
    """The endpoint in an old address: base64, of either alphabet, with or without padding.

    :raises Problem: it is none.
    """
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise Problem(404, "there is nothing here") from error


class OldRoute(Door):
    """One old address."""

    def initialize(self, console: Console, **more: Any) -> None:
        super().initialize(console)
        self._page: str = more["page"]
        self._role: str = more.get("role", "viewer")
        self._deed: Deed | None = more.get("deed")

    def get(self, **path: str) -> None:
        """Lead to the page of today."""
        self._lead(self._page, path)

    def head(self, **path: str) -> None:
        """As GET."""
        self.get(**path)

    def _lead(self, page: str, path: dict[str, str]) -> None:
        daemon = self._daemon(path)
        told = {"id": daemon.id if daemon else "", "name": quote(path.get("name", "").lower(), safe="")}
        self.redirect(f"{self.console.settings.url_prefix}/{page.format(**told)}", status=302)

    def _daemon(self, path: dict[str, str]) -> Daemon | None:
        return self.console.daemons.find(decode_endpoint(path["endpoint"])) if "endpoint" in path else None

    async def post(self, **path: str) -> None:
        """Do it, and lead to the page that shows it."""
        if self._deed is None:
            raise Problem(405, "POST is not possible here")
        identity = self.require(self._role)
        self.require_csrf(identity, self.get_body_argument("_csrf", None))
        call = Call(self.console, self, dict(path), {}, {}, identity)
        daemon = self._daemon(path)
        page = self._page
        try:
            text = await self._deed(self, call, daemon or self.console.daemons.find(None), path)
        except Problem as problem:
            text, page = f"An error happened: {problem.detail}", ""
        self.console.notices.add(identity.sid, text)
        self._lead(page, path)


def by_post(command: str, text: str, **fixed: Any) -> Deed:
    """A deed that is one request.

    :param text: what is told afterwards, with ``{name}`` and ``{pid}``.
    :param fixed: properties of the request, beside the name and pid in the address.
    """

    async def deed(route: OldRoute, call: Call, daemon: Daemon, path: dict[str, str]) -> str:
        properties = {**fixed}
        if "name" in path:
            properties["name"] = path["name"]
        if "pid" in path:
            properties["pid"] = int(path["pid"])
        await act(call, daemon, command, properties, patience=WAIT)
        return text.format(**path)

    return deed


async def switch(route: OldRoute, call: Call, daemon: Daemon, path: dict[str, str]) -> str:
    """Stop what is active, start anything else."""
    status = (await daemon.call("status", {"name": path["name"]}))["status"]
    command = "stop" if status == "active" else "start"
    await act(call, daemon, command, {"name": path["name"], "match": "simple", "waiting": True}, patience=WAIT)
    return "status switched"


async def add(route: OldRoute, call: Call, daemon: Daemon, path: dict[str, str]) -> str:
    """The old form."""
    field = route.get_body_argument
    name = path["name"] = field("name")
    try:
        count = int(field("numprocesses", "5"))
    except ValueError as error:
        raise Problem(422, "numprocesses is not a number") from error
    directory, shell = field("working_dir", "") or None, bool(field("shell", ""))
    options = {"numprocesses": count, "working_dir": directory, "shell": shell}
    await act(call, daemon, "add", {"name": name, "cmd": field("cmd"), "options": options}, patience=WAIT)
    return "added a new watcher"


async def connect(route: OldRoute, call: Call, daemon: Daemon, path: dict[str, str]) -> str:
    """Connect to those of the list, and to no others; or to the one that was typed."""
    wanted = route.get_body_arguments("endpoint_list") or [route.get_body_argument("endpoint_direct", "")]
    wanted = [endpoint for endpoint in wanted if endpoint]
    for endpoint in wanted:
        call.console.daemons.add(endpoint, source="added")
        call.note("connect", endpoint)
    for each in call.console.daemons:
        if each.endpoint not in wanted:
            call.console.hub.forget(each)
            await call.console.daemons.remove(each)
            call.note("disconnect", each.endpoint)
    return f"connected to {', '.join(wanted)}" if wanted else "You are now disconnected"


def old_routes() -> list[tuple[str, Any, dict[str, Any]]]:
    """Path, class and arguments of each."""
    at, watcher = r"/(?P<endpoint>[A-Za-z0-9+/_=-]{8,})", r"/watcher/(?P<name>[^/]+)"
    page = "watcher/{id}/{name}"
    table: tuple[tuple[str, str, str, Deed | None], ...] = (
        (r"/connect/", "connect", "admin", connect),
        (r"/disconnect/", "connect", "viewer", None),
        (rf"{at}/reloadconfig/", "reload", "admin", by_post("reloadconfig", "reload the configuration", waiting=True)),
        (rf"{at}/add_watcher/", page, "admin", add),
        (rf"{at}{watcher}/", page, "viewer", None),
        (rf"{at}{watcher}/switch_status/", page, "operator", switch),
        (rf"{at}{watcher}/process/kill/(?P<pid>\d{{1,9}})/", page, "operator",
         by_post("signal", "process {pid} killed sucessfully", signum=9, recursive=True)),
        (rf"{at}{watcher}/process/decr/", page, "operator",
         by_post("decr", "removed one process from the {name} pool", waiting=True)),
        (rf"{at}{watcher}/process/incr/", page, "operator",
         by_post("incr", "added one process to the {name} pool", waiting=True)),
        (rf"{at}/sockets/", "sockets?e={id}", "viewer", None),
    )
    return [(path, OldRoute, {"page": shown, "role": role, "deed": deed}) for path, shown, role, deed in table]
