"""An arbiter in a thread of its own (spec library.md 2.2)."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest

from circus import get_arbiter
from circus.arbiter import Arbiter, ThreadedArbiter
from circus.client import CircusClient
from harness import PATIENCE, eventually
from harness.stage import SLEEP


@pytest.fixture
def background(stage):
    """Makes background arbiters, and stops them at the end."""
    made: list[ThreadedArbiter] = []

    def make(*watchers: dict[str, Any], **options: Any) -> ThreadedArbiter:
        options = {"check_delay": 0.2, **options}
        arbiter = get_arbiter(
            list(watchers), stage.endpoint, stage.pubsub_endpoint, background=True, **options
        )
        made.append(arbiter)
        return arbiter

    yield make
    for arbiter in made:
        arbiter.stop()


@pytest.fixture
def client(stage):
    import zmq

    with zmq.Context() as context:
        client = CircusClient(context, stage.endpoint)
        yield client
        client.stop()


def test_it_is_a_thread_and_an_arbiter(background):
    arbiter = background({"cmd": SLEEP})
    assert isinstance(arbiter, threading.Thread)
    assert isinstance(arbiter, Arbiter)
    assert not arbiter.is_alive()
    assert arbiter.ident is None


def test_start_stop_and_join(background, client):
    arbiter = background({"cmd": SLEEP, "name": "web", "numprocesses": 2})
    assert arbiter.start() is None
    assert arbiter.is_alive()
    assert arbiter.ident is not None
    eventually(lambda: client.send_message("status")["statuses"] == {"web": "active"})
    pids = client.send_message("list", name="web")["pids"]
    assert len(pids) == 2
    arbiter.stop()
    assert not arbiter.is_alive()
    arbiter.join()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert not arbiter.running


def test_it_ends_by_a_command_too(background, client):
    arbiter = background({"cmd": SLEEP, "name": "web"})
    arbiter.start()
    assert client.send_message("quit", waiting=True)["status"] == "ok"
    arbiter.join(PATIENCE)
    assert not arbiter.is_alive()


def test_stop_right_after_start(background, stage):
    for _ in range(3):
        arbiter = background({"cmd": SLEEP, "name": "web", "numprocesses": 3})
        arbiter.start()
        arbiter.stop()
        assert not arbiter.is_alive()
        assert arbiter.numprocesses() == 0
    assert os.listdir(stage.directory) == []


def test_stop_from_its_own_thread(background):
    arbiter = background({"cmd": SLEEP, "name": "web"})
    arbiter.start()
    arbiter._boot.call_soon_threadsafe(arbiter.stop)
    arbiter.join(PATIENCE)
    assert not arbiter.is_alive()


def test_stop_before_start_and_twice(background):
    arbiter = background({"cmd": SLEEP})
    arbiter.stop()
    arbiter = background({"cmd": SLEEP})
    arbiter.start()
    arbiter.stop()
    arbiter.stop()


def test_verbs_reach_it_through_its_loop(background):
    arbiter = background({"cmd": SLEEP, "name": "web"})
    arbiter.start()
    web = arbiter.get_watcher("WEB")
    eventually(web.is_active)
    arbiter.loop.add_callback(web.incr, 2)
    eventually(lambda: len(web.pids) == 3)


def test_a_dead_worker_is_replaced(background):
    arbiter = background({"cmd": SLEEP, "name": "web", "respawn_backoff.stable": 0})
    arbiter.start()
    web = arbiter.get_watcher("web")
    eventually(web.is_active)
    [before] = web.pids
    os.kill(before, signal.SIGKILL)
    eventually(lambda: len(web.pids) == 1 and web.pids != [before])


def test_what_cannot_be_bound_is_told_to_the_starting_thread(background, stage):
    first = background()
    first.start()
    second = background()
    with pytest.raises(OSError, match="Address already in use"):
        second.start()
    second.join(PATIENCE)
    assert not second.is_alive()


def test_signals_are_left_to_the_main_thread(background):
    before = signal.getsignal(signal.SIGTERM)
    arbiter = background()
    arbiter.start()
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_loop_of_the_starting_thread_is_left_alone(background):
    import asyncio

    async def scenario():
        arbiter = background({"cmd": SLEEP, "name": "web"})
        arbiter.start()
        assert asyncio.get_running_loop().is_running()
        await asyncio.to_thread(arbiter.stop)
        assert not arbiter.is_alive()

    asyncio.run(scenario())
