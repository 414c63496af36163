"""Asking daemons on an event loop; what is said in a datagram is in test_transport.py."""

from __future__ import annotations

import asyncio

import pytest

from circus.exc import TransportError
from circus.system import multicast
from circus.system.multicast import ask_around, discover, is_this_host, is_within_reach
from harness.discovery import answering
from harness.waiting import eventually


def ask(place):
    found = []
    asyncio.run(ask_around(place, found.append, 0.1))
    return found


def test_who_answers():
    wanted = ["tcp://127.0.0.1:5555", "tcp://10.9.8.7:5555", "ipc:///run/circus"]
    with answering("tcp://0.0.0.0:5555", "tcp://10.9.8.7:5555", "ipc:///run/circus") as place:
        eventually(lambda: ask(place) == wanted)
        eventually(lambda: discover(place, 0.1) == wanted)


def test_a_place_that_cannot_be_asked():
    with pytest.raises(TransportError, match="cannot ask udp://"):
        asyncio.run(ask_around("udp://255.255.255.255:9", lambda _: None, 0.01))  # broadcast needs a permission
    with pytest.raises(TransportError, match="discovery needs udp://group:port"):
        asyncio.run(ask_around("tcp://127.0.0.1:9", lambda _: None, 0.01))


def test_a_loopback_elsewhere_is_none_of_ours():
    assert is_within_reach("tcp://127.0.0.1:5555", "127.0.0.1")
    assert not is_within_reach("tcp://127.0.0.1:5555", "10.9.8.7")
    assert not is_within_reach("ipc:///run/circus", "10.9.8.7")
    assert is_within_reach("tcp://10.9.8.7:5555", "10.9.8.7")


def test_answers_that_lead_nowhere_from_here_are_not_told(monkeypatch):
    monkeypatch.setattr(multicast, "is_this_host", lambda host: False)
    with answering("tcp://127.0.0.1:5555", "ipc:///run/circus", "tcp://10.9.8.7:5555") as place:
        eventually(lambda: ask(place) == ["tcp://10.9.8.7:5555"])
        eventually(lambda: discover(place, 0.1) == ["tcp://10.9.8.7:5555"])


def test_addresses_of_this_host():
    assert all(map(is_this_host, ["localhost", "127.0.0.1", "::1", "127.0.0.2"]))
    assert not any(map(is_this_host, ["192.0.2.1", "2001:db8::1", "a-name", ""]))
