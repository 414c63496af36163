"""The consumer of events that lets other greenlets run while it waits."""

from __future__ import annotations

from typing import Any

from zmq.green import POLLIN, Context, Poller

from circus.consumer import CircusConsumer as _CircusConsumer

__all__ = ["CircusConsumer"]


class CircusConsumer(_CircusConsumer):
    """See :class:`circus.consumer.CircusConsumer`."""

    def _init_context(self, context: Any) -> None:
        self.context = context or Context()

    def _init_poller(self) -> None:
        self.poller = Poller()
        self.poller.register(self.pubsub_socket, POLLIN)
