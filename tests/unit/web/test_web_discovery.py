"""The console looks for daemons while somebody looks at it."""

from __future__ import annotations

import asyncio

from circus.web import discovery
from circus.web.discovery import look_around
from harness.discovery import answering


def test_daemons_are_asked_for_while_somebody_looks(monkeypatch):
    monkeypatch.setattr(discovery, "EVERY", 0.01)
    monkeypatch.setattr(discovery, "PATIENCE", 0.05)
    looks: list[bool] = []
    told: list[list[str]] = []

    def is_wanted() -> bool:
        looks.append(len(looks) > 2)
        return looks[-1]

    async def look(place: str) -> None:
        looking = asyncio.create_task(look_around(place, is_wanted, told.append))
        async with asyncio.timeout(5):
            while ["tcp://127.0.0.1:5555", "ipc:///run/circus"] not in told:  # each once
                await asyncio.sleep(0.005)
        looking.cancel()

    with answering("tcp://0.0.0.0:5555", "tcp://127.0.0.1:5555", "ipc:///run/circus") as place:
        asyncio.run(look(place))
    assert len(told) <= looks.count(True)


def test_a_place_that_cannot_be_asked_is_not_asked_again(caplog):
    with caplog.at_level("INFO", "circus"):
        asyncio.run(asyncio.wait_for(look_around("udp://255.255.255.255:9", lambda: True, print), 5))
    assert "no discovery: cannot ask udp://255.255.255.255:9 for daemons" in caplog.text
