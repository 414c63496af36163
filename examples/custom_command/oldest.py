"""The command ``oldest``: tells which process of a watcher is the oldest, and has it replaced if you like.

One class holds both ends: what circusctl makes of a command line and of a reply, and what circusd does. Whoever
imports it, knows the command; see circusd.py and circusctl.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from circus.commands.base import Command
from circus.exc import ArgumentError, MessageError


class Oldest(Command):
    """Tell the oldest process of a watcher

    With --replace it is asked to end, and a new one takes its place::

        $ circusctl oldest NAME [--replace]
    """

    name = "oldest"
    #: What a request must have.
    properties = ["name"]
    #: Short, long, default, help.
    options = [("", "replace", False, "end it, so that a new one takes its place")]

    # -- in circusctl

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        """The request for a command line."""
        if len(args) != 1:
            raise ArgumentError("oldest needs the name of a watcher")
        return self.make_message(name=args[0], replace=opts.get("replace", False))

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        """What is printed for a reply."""
        if msg["status"] != "ok":
            return self.console_error(msg)
        return f"{msg['pid']}, {msg['age']:.0f} s old" + (", is replaced" if msg["replaced"] else "")

    # -- in circusd

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        """Do it. It is called on the daemon's loop: nothing may wait here; return a future for what takes time."""
        watcher = self._get_watcher(arbiter, props["name"])
        if not watcher.processes:
            raise MessageError(f"{watcher.name} has no process")
        oldest = min(watcher.processes.values())  # they are ordered by their start
        replace = bool(props.get("replace"))
        if replace:
            watcher.kill_process(oldest)
        return {"pid": oldest.pid, "age": oldest.age(), "replaced": replace}
