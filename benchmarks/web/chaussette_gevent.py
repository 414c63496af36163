"""Chaussette with its own gevent backend on Python 3: version 1.3.0 ships it, but registers it on Python 2 only.

``python chaussette_gevent.py`` takes the options of ``chaussette``.
"""

from __future__ import annotations

import sys

from gevent import monkey

if __name__ == "__main__":
    monkey.patch_all()

import gevent
from chaussette import backend
from chaussette.backend import _gevent
from chaussette.server import main


class Server(_gevent.Server):  # type: ignore[misc]
    """Takes one connection at a time, as gevent asks of those who share a socket; else one worker may get them all."""

    max_accept = 1


backend._backends["gevent"] = Server
# For --graceful-timeout, which calls a function that gevent has had under another name since 20.5.
_gevent.gevent_signal = gevent.signal_handler

if __name__ == "__main__":
    sys.exit(main())
