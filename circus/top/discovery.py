"""Looks for daemons of the network, for ``--discover``. Spec wire.md 9.

Used by the session and by the batch modes. It says which of the endpoints that answer are the same; who is connected
to is the business of whoever asked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from circus.exc import TransportError
from circus.system.endpoint import WILDCARD_HOSTS, parse_endpoint
from circus.system.multicast import ask_around, is_this_host

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds between two questions, and seconds for the answers to one.
EVERY, PATIENCE = 10.0, 1.0


def check_multicast(text: str) -> str:
    """What is wrong with a place to ask; empty if nothing."""
    try:
        endpoint = parse_endpoint(text)
    except TransportError as error:
        return str(error)
    return "" if endpoint.scheme == "udp" and endpoint.port else f"{text!r} is not like udp://group:port"


async def look_around(multicast: str, found: Callable[[str], object], told: Callable[[str], object]) -> None:
    """Ask every ten seconds; until cancelled.

    :param multicast: where to ask, ``udp://group:port``.
    :param found: called with each control endpoint that answered, each time it does.
    :param told: called with what is wrong, or an empty text when nothing is.
    """
    while True:
        try:
            await ask_around(multicast, found, PATIENCE)
            told("")
        except TransportError as error:
            told(str(error))
        await asyncio.sleep(EVERY)


def place_of(control: str) -> str:
    """What two names of the same control endpoint of this host have in common; other endpoints are their own place."""
    try:
        endpoint = parse_endpoint(control)
    except TransportError:
        return control
    if endpoint.scheme == "tcp" and (endpoint.host in WILDCARD_HOSTS or is_this_host(endpoint.host)):
        return f"here:{endpoint.port}"
    return control
