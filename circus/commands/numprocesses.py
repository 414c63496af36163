"""The ``numprocesses`` command: how many processes a watcher, or the daemon, keeps in its table."""

from __future__ import annotations

from circus.commands.base import Command
from circus.commands.checks import expect_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class NumProcesses(Command):
    """Get the number of processes

    Counts the processes Circus keeps track of: of one watcher, or of all of them together. A process that is
    being stopped counts until it has ended. The number a watcher is *meant* to have is its option
    ``numprocesses``.

    Message
    -------

    ::

        {"command": "numprocesses", "properties": {"name": "web"}}

    Reply
    -----

    ``watcher_name`` is there only when a name was given::

        {"status": "ok", "time": 1795288292.0, "numprocesses": 4, "watcher_name": "web"}

    Command line
    ------------

    ::

        $ circusctl numprocesses [NAME]
        4
    """

    name = "numprocesses"

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 0, 1, "message invalid")
        return self.make_message(name=args[0]) if args else self.make_message()

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        if "name" in props:
            watcher = self._get_watcher(arbiter, props["name"])
            return {"numprocesses": len(watcher), "watcher_name": props["name"]}
        return {"numprocesses": arbiter.numprocesses()}

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        return str(msg["numprocesses"]) if "numprocesses" in msg else self.console_error(msg)
