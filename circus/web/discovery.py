"""Looks for daemons of the network while somebody might want to connect to one. Spec stats-web.md 5.1."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from circus.base.logs import logger
from circus.exc import TransportError
from circus.system.multicast import ask_around

#: Seconds between two questions, and seconds for the answers to one.
EVERY, PATIENCE = 10.0, 1.0


async def look_around(multicast: str, is_wanted: Callable[[], bool], found: Callable[[list[str]], None]) -> None:
    """Ask every ten seconds; until cancelled.

    :param multicast: where to ask, ``udp://group:port``.
    :param is_wanted: whether to ask at all this time.
    :param found: called with the control endpoints that answered.
    """
    while True:
        if is_wanted():
            answered: dict[str, None] = {}
            try:
                await ask_around(multicast, answered.setdefault, PATIENCE)
            except TransportError as error:
                logger.info("no discovery: %s", error)
                return
            found(list(answered))
        await asyncio.sleep(EVERY)
