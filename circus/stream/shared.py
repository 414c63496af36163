"""The one pump of this process, and its end.

:class:`circus.stream.redirector.Redirector` asks for it; whoever ends the daemon calls :func:`shutdown`. An
    embedding
program need not: what can be written at once is written when the interpreter exits.
"""

from __future__ import annotations

import os

from circus.stream.pump import Pump

__all__ = ["shared_pump", "shutdown"]

_shared: Pump | None = None


def shared_pump() -> Pump:
    """The one pump of this process."""
    global _shared
    if _shared is None:
        _shared = Pump()
        _arrange_for_the_end()
    return _shared


def shutdown(timeout: float = 1.0) -> None:
    """Flush the output of all workers for at most ``timeout`` seconds; see :meth:`Pump.shutdown`."""
    if _shared is not None:
        _shared.shutdown(timeout)


def _arrange_for_the_end() -> None:
    import atexit  # kept off the start path of daemons without streams

    atexit.register(shutdown, 0.5)
    os.register_at_fork(after_in_child=_forget_shared)


def _forget_shared() -> None:
    """In a forked child: the threads did not come along, and the pipes are not ours."""
    global _shared
    _shared = None
