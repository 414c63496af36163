"""The wires to one daemon. What comes over them is tested with the screen; here is how they end."""

from __future__ import annotations

import asyncio

import pytest
import zmq

from circus.top import feed as feed_module
from circus.top.feed import Feed
from circus.top.targets import Target
from tests.unit.top.fakedaemon import FakeDaemon


@pytest.mark.parametrize("turns", range(6))
def test_the_end_is_not_lost_however_close_it_is_to_an_event(turns):
    """``asyncio.wait_for`` forgets, before Python 3.12, a cancellation that meets the end of what it waits for."""

    async def story():
        with zmq.Context() as context:
            feed = Feed(context, Target("here", None), lambda *_: None)
            task = asyncio.create_task(feed.run())
            await asyncio.sleep(0.01)
            feed._statuses_wanted.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            ended, _ = await asyncio.wait([task], timeout=5)
            assert ended

    asyncio.run(story())


@pytest.fixture
def short_path(tmp_path_factory):
    return tmp_path_factory.mktemp("t")  # the path of a unix socket has a limit


def happened(seq, name="reap"):
    return {"seq": seq, "watcher": "web", "res_name": "web", "event": name, "time": 1.0 * seq}


async def fed(daemon, enough):
    """Feed from a daemon until it is ``enough``; the journals that came, and the live events."""
    journals, live = [], []

    def take(name, kind, data, now):
        if kind == "journal":
            journals.append([event["seq"] for event in data["events"]])
        elif kind == "event":
            live.append(data[1]["seq"])

    with zmq.Context() as context:
        feed = Feed(context, Target("fake", daemon.control), take)
        task = asyncio.create_task(feed.run())
        try:
            async with asyncio.timeout(10):
                while not enough(journals, live):
                    await asyncio.sleep(0.01)
        finally:
            task.cancel()
            await asyncio.wait([task])
    return journals, live


def test_what_nobody_heard_is_made_up_for_though_no_other_event_follows(short_path):
    with FakeDaemon(short_path, streams=False) as daemon:
        known = [happened(1)]
        daemon.replies["events"] = lambda asked: {
            "events": [event for event in known if event["seq"] > asked.get("since", 0)], "daemon": "fake",
        }  # fmt: skip

        def enough(journals, live):
            if journals and len(known) == 1:
                known.extend([happened(2), happened(3, "spawn")])  # published before the subscription was there
            return sum(map(len, journals)) >= 3

        assert asyncio.run(fed(daemon, enough)) == ([[1], [2, 3]], [])


def test_what_is_on_its_way_is_not_told_by_the_journal_as_well(short_path, monkeypatch):
    monkeypatch.setattr(feed_module, "_ON_THE_WAY", 5.0)
    with FakeDaemon(short_path, streams=False) as daemon:

        def events(asked):
            if "since" not in asked:
                return {"events": [happened(1)], "daemon": "fake"}
            daemon.say("watcher.web.reap", happened(2))
            return {"events": [happened(2)], "daemon": "fake"}

        daemon.replies["events"] = events
        journals, live = asyncio.run(fed(daemon, lambda journals, live: len(live) > 1))
        assert journals == [[1]]
        assert set(live) == {2}


def test_another_daemon_in_the_same_place_is_asked_from_the_beginning(short_path):
    with FakeDaemon(short_path, streams=False) as daemon:
        runs = ["first"]

        def events(asked):
            since = asked.get("since", 0)
            return {"events": [happened(seq) for seq in (1, 2) if seq > since], "daemon": runs[0]}

        def enough(journals, live):
            if journals:
                runs[0] = "second"
            return len(journals) > 1

        daemon.replies["events"] = events
        assert asyncio.run(fed(daemon, enough)) == ([[1, 2], [1, 2]], [])
