"""Signals in a gevent program."""

from __future__ import annotations

from typing import Any

import gevent
from gevent.monkey import is_module_patched

from circus.sighandler import SysHandler as _SysHandler

__all__ = ["SysHandler"]


class SysHandler(_SysHandler):
    """See :class:`circus.sighandler.SysHandler`.

    The hub delivers the signals, but only if the loop waits in it, as it does after
    ``gevent.monkey.patch_all()``. Otherwise the ordinary handlers stay, for signals must always reach the
    daemon.
    """

    _watched: tuple[Any, ...] = ()

    def _register(self) -> None:
        super()._register()
        if is_module_patched("select"):
            self._watched = tuple(gevent.signal_handler(each, self.signal, each) for each in self.SIGNALS)

    def stop(self) -> None:
        """Stop listening, and restore the handlers that were there before."""
        for watched in self._watched:
            watched.cancel()
        self._watched = ()
        super().stop()
