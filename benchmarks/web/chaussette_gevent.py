"""Chaussette with its own gevent backend on Python 3: version 1.3.0 ships it, but registers it on Python 2 only.

``python chaussette_gevent.py`` takes the options of ``chaussette``.
"""

from __future__ import annotations

import sys

from gevent import monkey

if __name__ == "__main__":
    monkey.patch_all()

from chaussette import backend
from chaussette.backend import _gevent
from chaussette.server import main

backend._backends["gevent"] = _gevent.Server

if __name__ == "__main__":
    sys.exit(main())
