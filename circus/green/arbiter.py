"""The arbiter with green ZeroMQ sockets and signals that reach the gevent hub."""

from __future__ import annotations

from typing import Any

from zmq.green import Context

from circus.arbiter import Arbiter as _Arbiter
from circus.green.controller import Controller

__all__ = ["Arbiter"]

#: Position of ``context`` among the parameters of an arbiter, for callers who give it without its name.
_CONTEXT = 5


class Arbiter(_Arbiter):
    """See :class:`circus.arbiter.Arbiter`; ``context`` is a green one by default."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if len(args) <= _CONTEXT and kwargs.get("context") is None:
            kwargs["context"] = Context.instance()
        super().__init__(*args, **kwargs)

    def _make_controller(self) -> Any:
        return Controller(
            self.endpoint,
            self.multicast_endpoint,
            self._zmq,
            self._boot,
            self,
            self.check_delay,
            self.endpoint_owner,
        )
