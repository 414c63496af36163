"""Reading the stats stream: ``StatsClient``; and the names of circus-top that were here in Circus 0.19.

Used by the user's own programs. circus-top is a program of its own now (``circus.top``); ``main`` and whatever else old
programs take from here is looked up there.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from typing import Any

from circus.base.endpoints import DEFAULT_ENDPOINT_STATS
from circus.consumer import CircusConsumer
from circus.model.samples import STREAM, decode_topic

TOPIC = f"{STREAM}."


class StatsClient(CircusConsumer):
    """The messages of circusd-stats, for ever.

    Iterating gives ``(watcher, subtopic, stat)``: the name as in topics, the pid or descriptor as text (None for the
    sum of a watcher), and what is told.

    :param endpoint: where circusd-stats publishes.
    :param ssh_server: ``[user@]host[:port]`` to go through.
    :param context: a ZeroMQ context; without one, an own context is made, and destroyed at the end.
    :raises TransportError: no ssh tunnel.
    """

    def __init__(
        self, endpoint: str = DEFAULT_ENDPOINT_STATS, ssh_server: str | None = None, context: Any = None
    ) -> None:
        super().__init__([TOPIC], context, endpoint, ssh_server)

    def iter_messages(self) -> Iterator[Any]:
        """See the class; when the iterator is closed the client is stopped. What is no statistic is left out."""
        with self:
            for topic, payload in super().iter_messages():
                try:
                    stat = json.loads(payload)
                    watcher, subtopic = decode_topic(topic, stat)
                except (ValueError, TypeError):
                    continue
                yield watcher, subtopic, stat


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(importlib.import_module("circus.top"), name)


if __name__ == "__main__":
    importlib.import_module("circus.top").main()
