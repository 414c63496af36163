"""A subscription that outlives the daemon."""

from __future__ import annotations

import os
import sys
import time

import pytest

from circus.ctl.feed import Feed
from circus.exc import TransportError
from harness.waiting import PATIENCE, eventually
from tests.unit.ctl.livedaemon import Worker, successor_of
from tests.unit.system.test_tunnel import FAKE_SSH

WEB = Worker("web", 1, 100)


def collect(feed, count):
    """So many messages: their topics."""
    found = []
    deadline = time.monotonic() + PATIENCE
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found += [topic for topic, _ in feed.read(0.1)]
    return found


def await_state(feed, up):
    """Read on until there is a connection, or none; what was read meanwhile."""
    found = []

    def reached():
        found.extend(feed.read(0.05))
        return feed.up is up

    eventually(reached)
    return found


def test_messages_under_the_topics(daemon):
    with Feed(daemon.pubsub_endpoint, ["output.web.", "output.db."]) as feed:
        assert feed.await_connection(PATIENCE)
        assert (feed.up, feed.connections) == (True, 1)
        daemon.await_subscription("output.db.")
        daemon.write(WEB, "a")
        daemon.write(Worker("other", 1, 7), "b")
        daemon.write(Worker("db", 1, 8), "c")
        assert collect(feed, 2) == [b"output.web.1", b"output.db.1"]
        assert feed.read(0) == []
        assert not feed.waiting


def test_messages_with_other_shapes_are_passed_over(daemon):
    with Feed(daemon.pubsub_endpoint, [""]) as feed:
        eventually(daemon._heard)
        daemon.publisher.send_multipart([b"one"])
        daemon.publisher.send_multipart([b"one", b"two", b"three"])
        daemon.publisher.send_multipart([b"topic", b"payload"])
        assert collect(feed, 1) == [b"topic"]


def test_what_came_before_the_end_is_handed_out_with_the_news_of_it(daemon):
    with Feed(daemon.pubsub_endpoint, ["output."]) as feed:
        feed.await_connection(PATIENCE)
        daemon.await_subscription("output.")
        for _ in range(5):
            daemon.write(WEB, "x")
        eventually(lambda: feed.waiting)
        daemon.publisher.linger = 1000
        daemon._events_context.destroy(linger=1000)
        assert len(await_state(feed, False)) == 5
        daemon._events_context = type(daemon._events_context)()
        daemon.stop()
        with successor_of(daemon) as successor:
            await_state(feed, True)
            assert feed.connections == 2
            successor.await_subscription("output.")
            successor.write(WEB, "again")
            assert collect(feed, 1) == [b"output.web.1"]


def test_nobody_there(tmp_path):
    with Feed(f"ipc://{tmp_path / 'nobody'}", [""]) as feed:
        assert not feed.await_connection(0.05)
        assert feed.read(0.05) == []
        assert (feed.up, feed.connections) == (False, 0)


@pytest.mark.parametrize("endpoint", ["nonsense", "tcp://h", "tcp://127.0.0.1:x"])
def test_a_bad_endpoint(endpoint):
    with pytest.raises(TransportError, match=f"bad endpoint '{endpoint}'"):
        Feed(endpoint, [""])


def test_a_reader_of_ours_that_has_gone(daemon, monkeypatch):
    read, write = os.pipe()
    with os.fdopen(write, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        with Feed(daemon.pubsub_endpoint, [""]) as feed:
            feed.read(0)
            os.close(read)
            with pytest.raises(BrokenPipeError):
                feed.read(5)
        monkeypatch.undo()


def test_a_tunnel_is_opened_again(daemon, tmp_path, monkeypatch):
    (tmp_path / "ssh").write_text(FAKE_SSH.format(python=sys.executable))
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SSH_RECORD", str(tmp_path / "record"))
    monkeypatch.setattr("circus.system.tunnel._FIRST_PAUSE", 0.1)
    with Feed(daemon.pubsub_endpoint, ["output."], "me@h", "key") as feed:
        assert feed.await_connection(PATIENCE)
        daemon.await_subscription("output.")
        monkeypatch.setenv("SSH_FAKE", "denied")  # the network is away for a while
        feed._tunnel.process.kill()
        await_state(feed, False)
        eventually(lambda: not daemon._heard())  # else it may be taken for the next one
        eventually(lambda: feed._tunnel.said())
        assert not feed.up
        monkeypatch.setenv("SSH_FAKE", "")
        await_state(feed, True)
        daemon.await_subscription("output.")
        daemon.write(WEB, "a")
        assert collect(feed, 1) == [b"output.web.1"]
        tunnel = feed._tunnel
    assert not tunnel.alive
