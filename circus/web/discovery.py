"""Looks for daemons of the network while somebody might want to connect to one. Spec stats-web.md 5.1."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from circus.base.logs import logger
from circus.exc import TransportError
from circus.system.multicast import discover

#: Seconds between two questions.
EVERY = 10.0


async def look_around(multicast: str, is_wanted: Callable[[], bool], found: Callable[[list[str]], None]) -> None:
    """Ask every ten seconds; until cancelled.

    :param multicast: where to ask, ``udp://group:port``.
    :param is_wanted: whether to ask at all this time.
    :param found: called with the control endpoints that answered.
    """
    while True:
        if is_wanted():
            try:
                found(await asyncio.to_thread(discover, multicast, 1.0))
            except TransportError as error:
                logger.info("no discovery: %s", error)
                return
        await asyncio.sleep(EVERY)
