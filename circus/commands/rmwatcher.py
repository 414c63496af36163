"""The ``rm`` command: take a watcher away."""

from __future__ import annotations

from circus.commands.base import Command, bare, caused
from circus.commands.checks import expect_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class RmWatcher(Command):
    """Remove a watcher

    The watcher disappears from all lists at once; then its processes are stopped. With ``nostop`` they are
    left running, and Circus no longer cares for them. The configuration file is not changed.

    Message
    -------

    With ``waiting`` the reply comes when the processes have ended::

        {"command": "rm", "properties": {"name": "web", "nostop": false, "waiting": true}}

    Reply
    -----

    ::

        {"status": "ok", "time": 1795288292.0}

    Command line
    ------------

    ::

        $ circusctl rm NAME [--waiting] [--nostop]
    """

    name = "rm"
    properties = ["name"]
    options = [*Command.waiting_options, ("", "nostop", False, "leave the processes running, unmanaged")]
    waiting = True

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 1, 1, "Invalid number of arguments")
        switches = {name: True for name in ("waiting", "nostop") if opts.get(name)}
        return self.make_message(name=args[0], **switches)

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        watcher = self._get_watcher(arbiter, props["name"])
        rm_watcher = caused(arbiter.rm_watcher, self.cause(props))
        return bare(rm_watcher(watcher.name, nostop=bool(props.get("nostop"))))
