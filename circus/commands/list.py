"""The ``list`` command: names of watchers, or pids of one watcher. Answered from memory."""

from __future__ import annotations

from circus.commands.base import Command
from circus.commands.checks import expect_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class List(Command):
    """Get list of watchers or processes in a watcher

    Message
    -------

    Without properties the names of all watchers are asked for; with ``name`` the pids of one watcher::

        {"command": "list", "properties": {}}
        {"command": "list", "properties": {"name": "web"}}

    Reply
    -----

    Names are in lower case and sorted. Pids are those of live processes, oldest first::

        {"status": "ok", "time": 1795288292.0, "watchers": ["api", "web"]}
        {"status": "ok", "time": 1795288292.0, "pids": [1234, 1235]}

    Command line
    ------------

    ::

        $ circusctl list [NAME]
        api,web
    """

    name = "list"

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 0, 1, "Invalid number of arguments")
        return self.make_message(name=args[0]) if args else self.make_message()

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        if "name" in props:
            watcher = self._get_watcher(arbiter, props["name"])
            # Memory is enough: a death is known the moment it happens.
            pids = getattr(watcher, "active_pids", None) or watcher.get_active_pids
            return {"pids": pids()}
        return {"watchers": sorted(watcher.name.lower() for watcher in arbiter.watchers)}

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        for key in ("pids", "watchers"):
            if key in msg:
                return ",".join(str(item) for item in msg[key])
        return self.console_error(msg)
