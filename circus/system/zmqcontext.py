"""Loading ZeroMQ, and contexts of it that programs hand in, as Circus can use them.

Called by the programs, and by whoever opens a socket on a context that is not its own (arbiter, clients); knows no
endpoint.
"""

from __future__ import annotations

import sys
from typing import Any


def load_zmq() -> Any:
    """The module zmq, without what it needs only to choose a port at random."""
    from circus.system.postpone import postponing

    with postponing("random"):
        import zmq  # kept off the start path
    return zmq


def plain_context(context: Any) -> Any:
    """``context`` itself, or a view of it whose sockets answer at once, for a ``zmq.asyncio.Context``.

    Programs on asyncio have such a context and give it where any is taken. Its sockets return futures, which nobody
    here would await. The view does not close the context.
    """
    asyncio_flavour = sys.modules.get("zmq.asyncio")  # who has such a context has loaded it
    if asyncio_flavour is None or not isinstance(context, asyncio_flavour.Context):
        return context
    import zmq  # kept off the start path

    return zmq.Context.shadow(context)
