"""Looking for daemons again and again, and telling which of them are the same."""

from __future__ import annotations

import asyncio

from circus.top import discovery
from circus.top.discovery import check_multicast, look_around, place_of
from circus.top.targets import find_targets, name_found
from harness.discovery import answering


def test_asking_again_and_again(monkeypatch):
    monkeypatch.setattr(discovery, "EVERY", 0.01)
    monkeypatch.setattr(discovery, "PATIENCE", 0.01)
    found, told = [], []

    async def look(place):
        looking = asyncio.create_task(look_around(place, found.append, told.append))
        async with asyncio.timeout(5):
            while found.count("ipc:///run/circus") < 2:
                await asyncio.sleep(0.005)
        looking.cancel()

    with answering("ipc:///run/circus") as place:
        asyncio.run(look(place))
    assert set(told) == {""}


def test_a_place_that_cannot_be_asked():  # broadcast needs a permission
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


def test_targets_when_others_are_found():
    assert find_targets([], [], None, discovers=True) == []
    assert [target.control for target in find_targets(["tcp://h:1"], [], None, discovers=True)] == ["tcp://h:1"]
    assert name_found("tcp://127.0.0.1:5555", ["localhost:5555"]) == "localhost:5555'"
