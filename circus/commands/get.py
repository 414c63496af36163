"""The ``get`` command: some options of a watcher."""

from __future__ import annotations

from circus.commands.checks import expect_arguments
from circus.commands.options import Options
from circus.exc import MessageError
from circus.model.messages import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Get(Options):
    """Get the value of specific watcher options

    Message
    -------

    ``keys`` is a list of option names (or a single name)::

        {"command": "get", "properties": {"name": "web", "keys": ["cmd", "numprocesses"]}}

    Reply
    -----

    ::

        {"status": "ok", "time": 1795288292.0, "options": {"cmd": "serve", "numprocesses": 4}}

    A key that is no option of the watcher fails the whole request: ``'colour' option not found``.

    Command line
    ------------

    ::

        $ circusctl get NAME KEY [KEY...]
        cmd: serve
        numprocesses: 4
    """

    name = "get"
    properties = ["name", "keys"]

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 2, None, "Invalid number of arguments")
        return self.make_message(name=args[0], keys=list(args[1:]))

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        watcher = self._get_watcher(arbiter, props["name"])
        keys = props["keys"]
        if isinstance(keys, str):
            keys = [keys]
        elif not isinstance(keys, list):
            raise MessageError("'keys' isn't a list")
        return {"options": {key: _value_of(watcher, key) for key in keys}}


def _value_of(watcher: Any, key: object) -> Any:
    """The value of one option; free-form ones live in ``_options`` and are no attributes of the watcher."""
    if isinstance(key, str) and key in watcher.optnames:
        free_form = getattr(watcher, "_options", {})
        return free_form[key] if key in free_form else getattr(watcher, key)
    raise MessageError(f"{quote(key)} option not found")
