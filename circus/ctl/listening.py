"""``circusctl listen``: which endpoint the events come from, and how an event is printed.

Called by the application for commands that subscribe instead of sending. This is the one place of circusctl
that loads libzmq.
"""

from __future__ import annotations

import sys

from circus.base.endpoints import DEFAULT_ENDPOINT_SUB
from circus.exc import CallError, TransportError
from circus.system.endpoint import WILDCARD_HOSTS, Endpoint, parse_endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TextIO

    from circus.client_light import LightClient


def find_pubsub_endpoint(client: LightClient) -> str:
    """The event endpoint of the daemon, as it tells itself; the default one when it cannot be asked.

    A wildcard host in it is replaced by the host the daemon was reached at.
    """
    try:
        return ask_pubsub_endpoint(client)
    except CallError as error:
        sys.stderr.write(f"{error}; listening at {DEFAULT_ENDPOINT_SUB}\n")
        return DEFAULT_ENDPOINT_SUB


def ask_pubsub_endpoint(client: LightClient) -> str:
    """The event endpoint of the daemon, as it tells itself; the default one when it tells none.

    A wildcard host in it is replaced by the host the daemon was reached at; the loopback of a remote host, too, where
    that is of use.

    :raises CallError: no reply.
    """
    reply = client.send_message("globaloptions", option="pubsub_endpoint")
    try:
        told = parse_endpoint(reply["options"]["pubsub_endpoint"])
    except (TransportError, KeyError, TypeError, AttributeError):
        return DEFAULT_ENDPOINT_SUB
    control = parse_endpoint(client.endpoint)
    if told.scheme != "tcp":
        return str(told)
    if told.host in WILDCARD_HOSTS:
        remote = control.scheme == "tcp" and control.host not in WILDCARD_HOSTS
        told.host = control.host if remote else "127.0.0.1"
    elif _is_loopback(told) and control.scheme == "tcp" and not _is_loopback(control):
        # Its loopback is not ours, unless we reached it by the name of this very host.
        theirs = Endpoint("tcp", control.host, told.port)
        if client.ssh_server is not None or _listens(theirs):
            return str(theirs)
    return str(told)


def _is_loopback(endpoint: Endpoint) -> bool:
    return endpoint.host in ("localhost", "::1", *WILDCARD_HOSTS) or endpoint.host.startswith("127.")


def _listens(endpoint: Endpoint) -> bool:
    """Can it be connected to at once?"""
    import time

    from circus.system.zmtp import connect

    try:
        connect(endpoint, time.monotonic() + 1.0).close()
    except TransportError:
        return False
    return True


def print_events(
    topics: Iterable[str],
    endpoint: str,
    ssh_server: str | None,
    ssh_keyfile: str | None,
    as_json: bool,
    hidden: tuple[bytes, ...] = (),
) -> None:
    """Print events for ever.

    :param topics: prefixes of topics.
    :param endpoint: the event endpoint.
    :param ssh_server: ``user@host[:port]`` to go through.
    :param ssh_keyfile: private key for ssh.
    :param as_json: one JSON object per line instead of the two byte strings.
    :param hidden: prefixes of topics that are not printed.
    :raises TransportError: the endpoint makes no sense, or there is no tunnel.
    """
    import zmq

    from circus.consumer import CircusConsumer

    try:
        consumer = CircusConsumer(topics, endpoint=endpoint, ssh_server=ssh_server, ssh_keyfile=ssh_keyfile)
    except zmq.ZMQError as error:
        raise TransportError(f"bad endpoint {endpoint!r}: {error.strerror}") from error
    with consumer:
        for topic, message in consumer:
            if not topic.startswith(hidden):
                print_event(topic, message, as_json, sys.stdout)


def print_event(topic: bytes, message: bytes, as_json: bool, out: TextIO) -> None:
    """Print one event, at once."""
    line = f"{topic!r}: {message!r}"
    if as_json:
        import json

        try:
            event: Any = json.loads(message)
        except ValueError:
            event = message.decode("utf-8", "replace")
        line = json.dumps({"topic": topic.decode("utf-8", "replace"), "event": event})
    out.write(line + "\n")
    out.flush()
