"""The ``listsockets`` command: the listening sockets the daemon holds for its watchers."""

from __future__ import annotations

from circus.commands.base import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class ListSockets(Command):
    """Get the list of sockets

    The sockets that Circus holds open for its watchers, ordered by file descriptor.

    Message
    -------

    ::

        {"command": "listsockets"}

    Reply
    -----

    An internet socket has ``host`` (the numeric address) and ``port``, a unix socket has ``path``::

        {"status": "ok", "time": 1795288292.0,
         "sockets": [{"fd": 7, "name": "http", "backlog": 2048, "host": "127.0.0.1", "port": 8080},
                     {"fd": 8, "name": "app", "backlog": 2048, "path": "/run/app.sock"}]}

    Command line
    ------------

    ::

        $ circusctl listsockets
        7:socket 'http' at 127.0.0.1:8080
        8:socket 'app' at /run/app.sock
    """

    name = "listsockets"

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        return self.make_message()

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        sockets = [_describe(sock) for sock in arbiter.sockets.values()]
        return {"sockets": sorted(sockets, key=lambda sock: sock["fd"])}

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        if "sockets" not in msg:
            return self.console_error(msg)
        return "\n".join(f"{sock['fd']}:socket {sock['name']!r} at {_place(sock)}" for sock in msg["sockets"])


def _describe(sock: Any) -> dict[str, Any]:
    described = {"fd": sock.fileno(), "name": sock.name, "backlog": sock.backlog}
    if sock.host is not None:
        described.update(host=sock.host, port=sock.port)
    else:
        described["path"] = sock.path
    return described


def _place(sock: Mapping[str, Any]) -> str:
    return str(sock["path"]) if "path" in sock else f"{sock['host']}:{sock['port']}"
