"""Daemons that answer on the network; here the network is the loopback."""

from __future__ import annotations

import asyncio
import json
import socket
import threading

import pytest

from circus.exc import TransportError
from circus.top import discovery
from circus.top.discovery import ask_around, check_multicast, look_around, place_of
from circus.top.targets import find_targets, name_found


@pytest.fixture
def daemons():
    """Where some daemons answer, and what they say; a program that is none answers, too."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    answers = ["tcp://0.0.0.0:5555", "tcp://10.9.8.7:5555", "ipc:///run/circus"]

    def serve():
        while True:
            _, sender = sock.recvfrom(100)
            if not answers:
                return
            for told in [b"\xff", b"[]", *(json.dumps({"endpoint": each}).encode() for each in answers)]:
                sock.sendto(told, sender)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"udp://127.0.0.1:{sock.getsockname()[1]}"
    answers.clear()
    sock.sendto(b"", sock.getsockname())
    thread.join()
    sock.close()


def test_who_answers(daemons):
    found = []
    asyncio.run(ask_around(daemons, found.append, 0.1))
    assert found == ["tcp://127.0.0.1:5555", "tcp://10.9.8.7:5555", "ipc:///run/circus"]


def test_asking_again_and_again(daemons, monkeypatch):
    monkeypatch.setattr(discovery, "EVERY", 0.01)
    monkeypatch.setattr(discovery, "PATIENCE", 0.01)
    found, told = [], []

    async def look():
        looking = asyncio.create_task(look_around(daemons, found.append, told.append))
        async with asyncio.timeout(5):
            while found.count("ipc:///run/circus") < 2:
                await asyncio.sleep(0.005)
        looking.cancel()

    asyncio.run(look())
    assert set(told) == {""}


def test_a_place_that_cannot_be_asked():
    with pytest.raises(TransportError, match="cannot ask udp://"):
        asyncio.run(ask_around("udp://255.255.255.255:9", lambda _: None, 0.01))  # broadcast needs a permission
    told = []

    async def look():
        looking = asyncio.create_task(look_around("udp://255.255.255.255:9", lambda _: None, told.append))
        async with asyncio.timeout(5):
            while not told:
                await asyncio.sleep(0.005)
        looking.cancel()

    asyncio.run(look())
    assert "cannot ask" in told[0]


def test_places():
    assert check_multicast("udp://237.219.251.97:12027") == ""
    for wrong in ("tcp://h:1", "udp://h", "udp://h:*", "nonsense"):
        assert check_multicast(wrong)
    assert place_of("tcp://127.0.0.1:5555") == place_of("tcp://localhost:5555") == place_of("tcp://0.0.0.0:5555")
    assert place_of("tcp://10.9.8.7:5555") == "tcp://10.9.8.7:5555"
    assert place_of("nonsense") == "nonsense"


def test_a_loopback_elsewhere_is_none_of_ours():
    assert discovery._is_within_reach("tcp://127.0.0.1:5555", "127.0.0.1")
    assert not discovery._is_within_reach("tcp://127.0.0.1:5555", "10.9.8.7")
    assert not discovery._is_within_reach("ipc:///run/circus", "10.9.8.7")
    assert discovery._is_within_reach("tcp://10.9.8.7:5555", "10.9.8.7")


def test_targets_when_others_are_found():
    assert find_targets([], [], None, discovers=True) == []
    assert [target.control for target in find_targets(["tcp://h:1"], [], None, discovers=True)] == ["tcp://h:1"]
    assert name_found("tcp://127.0.0.1:5555", ["localhost:5555"]) == "localhost:5555'"
