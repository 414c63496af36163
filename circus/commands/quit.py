"""The ``quit`` command: the end of the daemon."""

from __future__ import annotations

from circus.commands.base import Command, bare, caused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Quit(Command):
    """Quit the arbiter immediately

    Stops every watcher at the same time, each with its own stop signal and ``graceful_timeout``, then ends
    circusd. It wins over whatever the daemon is doing.

    Message
    -------

    With ``waiting`` the reply comes when all processes have ended, else at once::

        {"command": "quit", "properties": {"waiting": false}}

    Reply
    -----

    ::

        {"status": "ok", "time": 1795288292.0}

    Command line
    ------------

    ::

        $ circusctl quit [--waiting]
    """

    name = "quit"
    options = Command.waiting_options
    waiting = True

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        return self.make_message(**opts)

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        return bare(caused(arbiter.stop, self.cause(props))())

    def ends_daemon(self, props: dict[str, Any]) -> bool:
        return True
