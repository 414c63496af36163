"""The ``incr`` command: more processes for a watcher."""

from __future__ import annotations

from circus.commands.base import Command, caused, derive
from circus.commands.checks import count, expect_arguments, int_argument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class IncrProc(Command):
    """Increment the number of processes in a watcher

    Message
    -------

    ``nb`` is how many to add, by default 1. With ``waiting`` the reply comes when they run::

        {"command": "incr", "properties": {"name": "web", "nb": 2, "waiting": true}}

    Reply
    -----

    When waiting, ``numprocesses`` is the number the watcher is now meant to have::

        {"status": "ok", "time": 1795288292.0, "numprocesses": 4}

    A singleton watcher is left alone; the reply then has ``"singleton": true`` and the present number. On a
    stopped watcher only the number changes.

    Command line
    ------------

    ::

        $ circusctl incr NAME [NB] [--waiting]
    """

    name = "incr"
    properties = ["name"]
    options = Command.waiting_options
    waiting = True

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 1, None, "Invalid number of arguments")
        props: dict[str, Any] = {"name": args[0]}
        if len(args) > 1:
            props["nb"] = int_argument(args[1], "nb")
        return self.make_message(**props, **opts)

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        watcher = self._get_watcher(arbiter, props["name"])
        nb = count(props, "nb", 1)
        if watcher.singleton:
            return {"numprocesses": watcher.numprocesses, "singleton": True}
        return derive(
            self._resize(watcher, nb, self.cause(props)),
            lambda number: {"numprocesses": watcher.numprocesses if number is None else number},
        )

    def _resize(self, watcher: Any, nb: int, cause: str) -> Any:
        return caused(watcher.incr, cause)(nb)

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        if "numprocesses" not in msg:
            return super().console_msg(msg)
        if msg.get("singleton"):
            return "This watcher is a Singleton - not changing the number of processes"
        return str(msg["numprocesses"])
