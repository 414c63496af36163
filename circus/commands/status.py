"""The ``status`` command: the state of one watcher, or of all."""

from __future__ import annotations

from circus.commands.base import Command
from circus.commands.checks import expect_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Status(Command):
    """Get the status of a watcher or all watchers

    A watcher is ``stopped``, ``starting`` (until its processes are up), ``active``, or ``stopping`` (until
    they are gone).

    Message
    -------

    ::

        {"command": "status", "properties": {"name": "web"}}

    Reply
    -----

    For one watcher its state takes the place of the usual ``status``; a failed request has ``error`` there::

        {"status": "active", "time": 1795288292.0}

    Without a name all states are given, by name::

        {"status": "ok", "time": 1795288292.0, "statuses": {"web": "active", "api": "stopped"}}

    Command line
    ------------

    ::

        $ circusctl status [NAME]
        api: stopped
        web: active
    """

    name = "status"

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 0, 1, "message invalid")
        return self.make_message(name=args[0]) if args else self.make_message()

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        if "name" in props:
            return {"status": self._get_watcher(arbiter, props["name"]).status()}
        return {"statuses": arbiter.statuses()}

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        if "statuses" in msg:
            return "\n".join(f"{name}: {state}" for name, state in sorted(msg["statuses"].items()))
        # Scripts compare this single word, also the "error" of a watcher that does not exist.
        return str(msg["status"]) if "status" in msg else self.console_error(msg)
