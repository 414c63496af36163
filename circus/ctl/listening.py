"""``circusctl listen``: which endpoint the events come from, and how an event is printed.

Called by the application for commands that subscribe instead of sending. This is the one place of circusctl
that loads libzmq.
"""

from __future__ import annotations

import sys

from circus.base.endpoints import DEFAULT_ENDPOINT_SUB
from circus.exc import CallError, TransportError
from circus.system.endpoint import WILDCARD_HOSTS, parse_endpoint

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
        reply = client.send_message("globaloptions", option="pubsub_endpoint")
        told = parse_endpoint(reply["options"]["pubsub_endpoint"])
    except (CallError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, CallError):
            sys.stderr.write(f"{error}; listening at {DEFAULT_ENDPOINT_SUB}\n")
        return DEFAULT_ENDPOINT_SUB
    if told.scheme == "tcp" and told.host in WILDCARD_HOSTS:
        control = parse_endpoint(client.endpoint)
        told.host = (
            control.host if control.scheme == "tcp" and control.host not in WILDCARD_HOSTS else "127.0.0.1"
        )
    return str(told)


def print_events(
    topics: Iterable[str], endpoint: str, ssh_server: str | None, ssh_keyfile: str | None, as_json: bool
) -> None:
    """Print events for ever.

    :param topics: prefixes of topics.
    :param endpoint: the event endpoint.
    :param ssh_server: ``user@host[:port]`` to go through.
    :param ssh_keyfile: private key for ssh.
    :param as_json: one JSON object per line instead of the two byte strings.
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
