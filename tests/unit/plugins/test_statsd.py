"""Metrics: datagrams, the counter of events, observers and the statistics of processes."""

from __future__ import annotations

import json
import socket

import pytest

from circus.exc import CallError
from circus.plugins import _statsd, statsd
from circus.plugins.statsd import BaseObserver, FullStats, StatsdClient, StatsdEmitter


@pytest.fixture
def server():
    """A UDP socket; ``heard`` gives what has come."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        found.settimeout(5)
        yield found


@pytest.fixture
def client(server):
    found = StatsdClient("127.0.0.1", server.getsockname()[1], "circus.app.watcher")
    yield found
    found.stop()


def heard(server):
    return server.recv(1000).decode()


@pytest.mark.parametrize(
    ("method", "arguments", "text"),
    [
        ("increment", ("web.spawn",), "web.spawn:1|c"),
        ("increment", ("x", 5), "x:5|c"),
        ("decrement", ("x",), "x:-1|c"),
        ("decrement", ("x", 2), "x:-2|c"),
        ("gauge", ("x", 1.5), "x:1.5|g"),
        ("timed", ("x", 320), "x:320|ms"),
        ("send", ("x", "7|s"), "x:7|s"),
        ("increment", ("plugin:a|b@c.spawn",), "plugin_a_b_c.spawn:1|c"),
    ],
)
def test_datagrams(client, server, method, arguments, text):
    getattr(client, method)(*arguments)
    assert heard(server) == f"circus.app.watcher.{text}"


def test_without_a_prefix(server):
    client = StatsdClient("127.0.0.1", server.getsockname()[1])
    client.increment("x")
    assert heard(server) == "x:1|c"
    client.stop()


def test_defaults():
    client = StatsdClient()
    assert (client.host, client.port, client.prefix, client.sample_rate) == ("localhost", 8125, None, 1)


def test_a_sample_is_sent_with_its_rate(client, server, monkeypatch):
    drawn = iter([0.09, 0.1, 0.5, 0.0])
    monkeypatch.setattr("random.random", lambda: next(drawn))
    client.sample_rate = 0.1
    for number in range(4):
        client.increment(f"x{number}")
    assert [heard(server), heard(server)] == [f"circus.app.watcher.x{number}:1|c|@0.1" for number in (0, 3)]
    client.gauge("y", 3, sample_rate=1)
    assert heard(server) == "circus.app.watcher.y:3|g"


def test_nobody_listening_is_no_trouble(caplog):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    client = StatsdClient("127.0.0.1", port)
    for _ in range(5):
        client.increment("x")
    client.stop()
    assert caplog.messages == []


def test_a_host_that_is_not_known_is_warned_about_once_and_looked_up_later(caplog, monkeypatch):
    asked = []

    def look_up(*arguments, **more):
        asked.append(arguments)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(statsd.socket, "getaddrinfo", look_up)
    client = StatsdClient("no.such.host")
    client.increment("x")
    client.increment("x")
    assert len(asked) == 1
    assert caplog.messages == [
        "statsd at no.such.host:8125 cannot be reached: [Errno -2] Name or service not known"
    ]
    client._next_look_up = 0.0
    client.increment("x")
    assert len(asked) == 2


def test_a_closed_client_sends_nothing(client, server):
    client.increment("a")
    client.stop()
    client.stop()
    client.increment("b")
    assert heard(server) == "circus.app.watcher.a:1|c"
    server.settimeout(0.05)
    with pytest.raises(TimeoutError):
        heard(server)


# -- the emitter -------------------------------------------------------------------------------------------------------


def test_the_emitter_counts_events(make):
    plugin = make(StatsdEmitter)
    assert (plugin.name, plugin.app, plugin.prefix) == ("statsd", "app", "circus.app.watcher")
    for event in ("spawn", "spawn", "reap"):
        plugin.handle_recv([f"watcher.web.one.{event}".encode(), b"{}"])
    assert plugin.statsd.increments == {"web.one.spawn": 2, "web.one.reap": 1}


def test_options_of_the_emitter(server):
    port = server.getsockname()[1]
    plugin = StatsdEmitter("e", "p", 1.0, None, host="127.0.0.1", port=str(port), application_name="shop",
                           sample_rate="1", name="plugin:statsd")  # fmt: skip
    plugin.handle_recv([b"watcher.web.spawn", json.dumps({"process_pid": 3}).encode()])
    assert heard(server) == "circus.shop.watcher.web.spawn:1|c"
    assert plugin.config["application_name"] == "shop"
    plugin.stop()


def test_sub_classes_can_have_another_application_name(make):
    class Mine(StatsdEmitter):
        default_app_name = "mine"

    assert make(Mine).prefix == "circus.mine.watcher"
    assert make(Mine, application_name="yours").prefix == "circus.yours.watcher"


def test_inactive_is_inactive(make):
    assert make(StatsdEmitter, active="no").active is False


def test_old_name_of_the_module():
    assert _statsd.StatsdEmitter is StatsdEmitter


# -- observers ---------------------------------------------------------------------------------------------------------


class Looks(BaseObserver):
    """Notes its looks; stops after the second."""

    def __init__(self, *args, **config):
        super().__init__(*args, **config)
        self.looks = 0

    def initialize(self):
        """There is no daemon to connect to."""

    def look_after(self):
        self.looks += 1
        if self.looks == 2:
            self.stop()


def test_an_observer_looks_periodically_until_it_is_stopped(make):
    plugin = make(Looks, loop_rate="0.002")
    plugin.start()
    assert plugin.looks == 2
    assert not plugin.period.is_running()


def test_an_observer_may_be_asynchronous_and_its_looks_do_not_overlap(make):
    import asyncio

    class Slow(Looks):
        busy = False

        async def look_after(self):
            assert not self.busy
            self.busy = True
            await asyncio.sleep(0.01)
            self.busy = False
            super().look_after()

    plugin = make(Slow, loop_rate="0.002")
    plugin.start()
    assert plugin.looks == 2


@pytest.mark.parametrize("is_async", [False, True])
def test_a_daemon_that_does_not_answer_is_warned_about_and_asked_again(make, caplog, is_async):
    class Unanswered(Looks):
        name = "unanswered"

        def look_after(self):
            super().look_after()
            raise CallError("Timed out.")

    class UnansweredLater(Unanswered):
        async def look_after(self):
            super().look_after()

    plugin = make(UnansweredLater if is_async else Unanswered, loop_rate="0.002")
    plugin.start()
    assert plugin.looks == 2
    assert caplog.messages == ["unanswered: the daemon did not answer, trying again in 0.002 s: Timed out."] * 2


def test_an_observer_must_look_at_something(make):
    with pytest.raises(NotImplementedError):
        make(BaseObserver).look_after()
    make(BaseObserver).handle_recv([b"watcher.web.spawn", b"{}"])


# -- full statistics ---------------------------------------------------------------------------------------------------


def info(cpu, mem, size):
    return {"cpu": cpu, "mem": mem, "mem_info1": size}


def test_full_stats(make):
    plugin = make(FullStats)
    assert (plugin.name, plugin.loop_rate) == ("full_stats", 60.0)
    plugin.call.return_value = {"status": "ok", "infos": {
        "test": {"1": info(10.0, 1.5, "1.00M"), "2": info(20, 2.0, "512B")},
        "plugin:x": {"3": info(1, 1, "1M")},
        "dead": {"4": "No such process (stopped?)", "spawn_count": 7},
        "odd": {"5": info("N/A", "N/A", "N/A"), "6": info(0.5, "N/A", "2K")},
        "empty": {},
    }}  # fmt: skip
    plugin.look_after()
    plugin.call.assert_called_once_with("stats")
    assert plugin.statsd.gauges == [
        ("_stats.test.watchers_num", 2), ("_stats.test.cpu_max", 20), ("_stats.test.cpu_sum", 30.0),
        ("_stats.test.mem_pct_max", 2.0), ("_stats.test.mem_pct_sum", 3.5),
        ("_stats.test.mem_max", 1048576), ("_stats.test.mem_sum", 1049088),
        ("_stats.dead.spawn_count", 7), ("_stats.dead.watchers_num", 0),
        ("_stats.odd.watchers_num", 2), ("_stats.odd.cpu_max", 0.5), ("_stats.odd.cpu_sum", 0.5),
        ("_stats.odd.mem_max", 2048), ("_stats.odd.mem_sum", 2048),
        ("_stats.empty.watchers_num", 0),
    ]  # fmt: skip


def test_full_stats_counts_errors(make):
    plugin = make(FullStats)
    plugin.call.return_value = {"status": "error", "reason": "no"}
    plugin.look_after()
    assert plugin.statsd.increments == {"_stats.error": 1}
