"""The ``options`` command: every option of a watcher."""

from __future__ import annotations

from circus.commands.base import Command
from circus.commands.checks import expect_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Options(Command):
    """Get the value of all options for a watcher

    All options with their present values, sorted by name: those of the configuration file, those changed by
    ``set``, defaults, and the free-form ones that plugins read.

    Message
    -------

    ::

        {"command": "options", "properties": {"name": "web"}}

    Reply
    -----

    ::

        {"status": "ok", "time": 1795288292.0, "options": {"cmd": "serve", "env": {"A": "1"}}}

    Command line
    ------------

    ::

        $ circusctl options NAME
        cmd: serve
        env: A=1
        numprocesses: 4
    """

    name = "options"
    properties = ["name"]

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 1, None, "number of arguments invalid")
        return self.make_message(name=args[0])

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        return {"options": dict(self._get_watcher(arbiter, props["name"]).options())}

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        if msg.get("status") != "ok":
            return self.console_error(msg)
        return option_lines(msg.get("options", {}))


def option_lines(options: Mapping[str, Any]) -> str:
    """Options as text, one to a line, in the order of the reply."""
    from circus.base.convert import convert_opt  # kept off the way of the other commands

    return "\n".join(f"{key}: {convert_opt(key, value)}" for key, value in options.items())
