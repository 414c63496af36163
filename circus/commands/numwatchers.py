"""The ``numwatchers`` command: how many watchers there are."""

from __future__ import annotations

from circus.commands.base import Command
from circus.commands.checks import expect_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class NumWatchers(Command):
    """Get the number of watchers

    Counts every watcher, those that Circus adds for plugins, statistics and the web console included.

    Message
    -------

    ::

        {"command": "numwatchers"}

    Reply
    -----

    ::

        {"status": "ok", "time": 1795288292.0, "numwatchers": 3}

    Command line
    ------------

    ::

        $ circusctl numwatchers
        3
    """

    name = "numwatchers"

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 0, 0, "Invalid number of arguments")
        return self.make_message()

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        return {"numwatchers": arbiter.numwatchers()}

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        return str(msg["numwatchers"]) if "numwatchers" in msg else self.console_error(msg)
