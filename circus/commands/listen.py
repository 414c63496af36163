"""The ``listen`` command: the one that is not sent, because events have an endpoint of their own."""

from __future__ import annotations

from circus.commands.base import Command
from circus.exc import MessageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Listen(Command):
    """Subscribe to a watcher event

    Prints the events of the daemon as they happen, until it is interrupted. Events do not come over the
    control endpoint: the client subscribes to the event endpoint (``pubsub_endpoint``, by default
    ``tcp://127.0.0.1:5556``). Events that were published before the subscription are not repeated.

    Command line
    ------------

    ::

        $ circusctl listen [TOPIC...]

    A topic is ``watcher.<name>.<event>``, with the name in lower case and ``_`` for blanks; any beginning of
    one selects all that begin so, and without a topic everything is printed. For the daemon's workers of
    ``web``::

        $ circusctl listen watcher.web.
        b'watcher.web.spawn': b'{"process_pid": 1234, "time": 1795288292.0}'

    Events: ``spawn``, ``reap``, ``kill``, ``start``, ``stop``, ``reload``, ``updated``, ``add``, ``remove``,
    ``hook_success`` and ``hook_failure``.

    Message
    -------

    Sent to the control endpoint as a command it is refused: ``invalid message. use a pub/sub socket``.
    """

    name = "listen"
    msg_type = "sub"

    def message(self, *args: str, **opts: Any) -> list[str]:
        """The topics to subscribe to; the empty one stands for all."""
        return list(args) or [""]

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        raise MessageError("invalid message. use a pub/sub socket")
