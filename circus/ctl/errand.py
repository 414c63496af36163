"""What the commands that look back have in common: asking, and the stream they write to.

Called by ``circusctl tail`` and ``circusctl events``.
"""

from __future__ import annotations

from circus.ctl.identity import caller
from circus.exc import CallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def ask(client: Any, command: str, props: dict[str, Any]) -> dict[str, Any]:
    """Send a request, with who asks, and return the reply.

    :raises CallError: there is none.
    """
    reply = client.call({"command": command, "properties": props, "caller": caller()})
    if not isinstance(reply, dict):
        raise CallError(f"the daemon's reply to {command!r} makes no sense")
    return reply


def is_terminal(stream: Any) -> bool:
    """Does a person look at this stream?"""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def tolerate(stream: Any) -> None:
    """Let characters that the encoding of a stream has not be shown somehow."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
