"""The ``globaloptions`` command: settings of the daemon itself."""

from __future__ import annotations

from circus.commands.base import Command
from circus.commands.options import option_lines
from circus.exc import MessageError
from circus.model.messages import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

#: What is reported, in this order; each is an attribute of the arbiter.
REPORTED = ("endpoint", "stats_endpoint", "pubsub_endpoint", "check_delay", "multicast_endpoint")


class GlobalOptions(Command):
    """Get the arbiter options

    The endpoints of the daemon and the interval of its periodic check in seconds. This is how a client that
    knows the control endpoint finds the others.

    Message
    -------

    Property ``option`` asks for a single one::

        {"command": "globaloptions", "properties": {"option": "pubsub_endpoint"}}

    Reply
    -----

    ::

        {"status": "ok", "time": 1795288292.0, "options": {"pubsub_endpoint": "tcp://127.0.0.1:5556"}}

    The keys are ``endpoint``, ``stats_endpoint``, ``pubsub_endpoint``, ``check_delay`` and
    ``multicast_endpoint``.

    Command line
    ------------

    ::

        $ circusctl globaloptions [OPTION]
        endpoint: tcp://127.0.0.1:5555
    """

    name = "globaloptions"

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        return self.make_message(option=args[0]) if args else self.make_message()

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        if "option" not in props:
            return {"options": {name: getattr(arbiter, name) for name in REPORTED}}
        name = props["option"]
        if name not in REPORTED:
            raise MessageError(f"{quote(name)} not an existing option")
        return {"options": {name: getattr(arbiter, name)}}

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        if msg.get("status") != "ok":
            return str(msg.get("reason"))
        return option_lines(msg.get("options", {}))
