"""The client that lets other greenlets run while it waits for an answer."""

from __future__ import annotations

from typing import Any

from zmq.green import POLLIN, Context, Poller

from circus.client import CircusClient as _CircusClient

__all__ = ["CircusClient"]


class CircusClient(_CircusClient):
    """See :class:`circus.client.CircusClient`."""

    def _init_context(self, context: Any) -> None:
        self.context = context or Context.instance()

    def _init_poller(self) -> None:
        self.poller = Poller()
        self.poller.register(self.socket, POLLIN)
