"""The endpoints of a daemon that starts over in its own process.

Handed from the old arbiter to the new one by ``circusd``: connections and subscriptions stay, and requests that
arrive in between wait instead of being lost. Knows neither arbiter nor what is said.
"""

from __future__ import annotations

from typing import Any

from circus.base.record import Record

#: Milliseconds that answers have to leave an endpoint that is given up.
LINGER = 200


class KeptEndpoints(Record):
    """Open ZeroMQ sockets with what belongs to them.

    :param context: their context.
    :param endpoint: control endpoint as configured; ``pubsub_endpoint``: that of events.
    :param control: the ROUTER socket; ``publisher``: the XPUB socket. None for what there was not.
    :param topics: what subscribers asked ``publisher`` for; it does not tell again.
    :param bound: the :class:`~circus.system.transport.BoundEndpoint` of each, under ``control`` and ``pubsub``.
    :param journal: the history of the daemon's events, which goes on.
    """

    context: Any
    endpoint: str | None
    pubsub_endpoint: str | None
    control: Any
    publisher: Any
    topics: frozenset[bytes]
    bound: dict[str, Any]
    journal: Any = None

    def give_up(self, which: str) -> None:
        """Close one of them, ``control`` or ``pubsub``, and remove its file."""
        socket = self.control if which == "control" else self.publisher
        if socket is not None:
            socket.close(linger=LINGER)
        bound = self.bound.pop(which, None)
        if bound is not None:
            bound.unlink()
