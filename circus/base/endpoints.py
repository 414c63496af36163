"""Where a daemon listens, and clients look for it, unless told otherwise (spec library.md 11).

Read by the tables of options, by ``circus.system.transport`` and by every client program.
"""

from __future__ import annotations

#: Commands: a ROUTER socket on the daemon's side.
DEFAULT_ENDPOINT_DEALER = "tcp://127.0.0.1:5555"
#: Events: a PUB socket on the daemon's side.
DEFAULT_ENDPOINT_SUB = "tcp://127.0.0.1:5556"
#: Statistics of circusd-stats.
DEFAULT_ENDPOINT_STATS = "tcp://127.0.0.1:5557"
#: UDP discovery of daemons.
DEFAULT_ENDPOINT_MULTICAST = "udp://237.219.251.97:12027"
