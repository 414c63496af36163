"""The classes of Circus 0.19 that programs subclass and fill with fakes (spec stats-web.md 3)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import zmq
from zmq.utils import jsonapi

from circus.client import make_message
from circus.stats import client as client_module
from circus.stats import collector as collector_module
from circus.stats.client import StatsClient
from circus.stats.collector import BaseStatsCollector, SocketStatsCollector, WatcherStatsCollector
from circus.stats.publisher import StatsPublisher
from circus.stats.streamer import StatsStreamer


class FakeStreamer(StatsStreamer):
    """As old tests make one: only the tables."""

    def __init__(self) -> None:
        self._initialize()
        self.delay = 1.0
        self.loop = None


class FakeClient:
    """Answers from a table."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, []

    def send_message(self, command: str, **props: Any) -> Any:
        self.asked.append(make_message(command, **props))
        return self.answers.get(f"{command}_{props['name']}" if props else command, {})


class Counting:
    """A collector that only counts."""

    def __init__(self) -> None:
        self.starts = self.stops = 0

    def start(self) -> None:
        self.starts += 1

    def stop(self) -> None:
        self.stops += 1


# -- streamer -------------------------------------------------------------------------------------------


def test_pids() -> None:
    streamer = FakeStreamer()
    streamer._pids = {"web": [1, 2], "api": [3]}
    streamer.circus_pids = {9: "circusd"}
    assert streamer.get_pids("web") == [1, 2]
    assert list(streamer.get_pids("circus")) == [9]
    assert sorted(streamer.get_pids()) == [1, 2, 3]
    assert list(streamer.get_pids("nobody")) == []


def test_the_last_removal_stops_the_collector() -> None:
    streamer = FakeStreamer()
    streamer._pids = {"web": [1, 2]}
    streamer._callbacks["web"] = counting = Counting()
    streamer.remove_pid("web", 1)
    assert counting.stops == 0
    streamer.remove_pid("web", 2)
    assert counting.stops == 1
    streamer.remove_pid("web", 2)
    streamer.remove_pid("nobody", 2)
    assert counting.stops == 1


def test_stopping_a_watcher_forgets_all_of_its_processes() -> None:
    streamer = FakeStreamer()
    streamer._pids = {"web": list(range(10)), "api": [99]}
    streamer._callbacks["web"] = counting = Counting()
    streamer.stop_watcher("web")
    assert (streamer._pids, counting.stops) == ({"web": [], "api": [99]}, 1)


def test_appending_starts_a_collector_once() -> None:
    streamer = FakeStreamer()
    streamer._callbacks["web"] = counting = Counting()
    for pid in (1, 2, 1):
        streamer._append_pid("web", pid)
    assert (list(streamer._pids["web"]), counting.starts) == ([1, 2], 1)


def test_events() -> None:
    streamer = FakeStreamer()
    streamer._callbacks = defaultdict(Counting)  # type: ignore[assignment]
    streamer._callbacks["web_app.x"]
    for event in (b"spawn", b"kill", b"updated"):
        streamer.handle_recv([b"watcher.web_app.x." + event, b'{"process_pid": 5, "time": 1}'])
    assert streamer.get_pids("web_app.x") == [5]
    streamer.handle_recv([b"watcher.web_app.x.reap", b'{"process_pid": 5}'])
    assert streamer.get_pids("web_app.x") == []
    streamer.handle_recv([b"watcher.web_app.x.spawn", b'{"process_pid": 6}'])
    streamer.handle_recv([b"watcher.web_app.x.stop", b"{}"])
    assert streamer.get_pids("web_app.x") == []


def test_a_bad_event_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    FakeStreamer().handle_recv([b"watcher.web.spawn", b"nonsense"])
    assert "Failed to handle" in caplog.text


def test_circus_pids() -> None:
    streamer = FakeStreamer()
    streamer.client = FakeClient(list={"watchers": ["circushttpd", "web"]}, dstats={"info": {"pid": 7}},
                                 list_circushttpd={"pids": [8]})
    assert streamer.get_circus_pids() == {os.getpid(): "circusd-stats", 7: "circusd", 8: "circushttpd"}
    streamer.client = FakeClient(list={"watchers": ["circushttpd"]}, dstats={}, list_circushttpd={"pids": [8, 9]})
    assert streamer.get_circus_pids() == {os.getpid(): "circusd-stats"}
    streamer.client = FakeClient()
    assert streamer.get_circus_pids() == {os.getpid(): "circusd-stats"}


def test_a_whole_one_without_a_daemon(tmp_path: Any) -> None:
    streamer = StatsStreamer(f"ipc://{tmp_path}/c", f"ipc://{tmp_path}/p", f"ipc://{tmp_path}/s", None, 0.05)
    try:
        assert (streamer.topic, streamer.delay, streamer.pubsub_endpoint) == (b"watcher.", 0.05, f"ipc://{tmp_path}/p")
        assert "list" in streamer.cmds
        assert not streamer.running
    finally:
        streamer.stop()
        streamer.stop()
    assert streamer.stopped


def test_one_on_a_loop_of_the_caller(tmp_path: Any) -> None:
    async def main() -> list[str]:
        streamer = StatsStreamer(
            f"ipc://{tmp_path}/c", f"ipc://{tmp_path}/p", f"ipc://{tmp_path}/s", delay=0.05,
            loop=asyncio.get_running_loop(),
        )
        streamer.start()
        reader = StatsClient(f"ipc://{tmp_path}/s")
        try:
            assert streamer.running
            messages = iter(reader)
            return [(await asyncio.to_thread(next, messages))[0] for _ in range(2)]
        finally:
            streamer.stop()
            reader.stop()

    assert asyncio.run(main()) == ["circus", "circus"]


# -- collectors -----------------------------------------------------------------------------------------


class Published:
    """A streamer with nothing but a publisher that remembers."""

    def __init__(self) -> None:
        self.items: list[tuple[str, dict[str, Any]]] = []
        self.publisher = self
        self.sockets: list[Any] = []
        self.circus_pids = {1: "circusd"}
        self.pids: list[int] = []

    def publish(self, name: str, stat: dict[str, Any]) -> None:
        self.items.append((name, stat))

    def get_pids(self, _watcher: str) -> list[int]:
        return self.pids


def test_the_processes_of_a_watcher_and_their_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_info(pid: int) -> dict[str, Any]:
        if pid == 13:
            raise collector_module.util.NoSuchProcess(pid)
        if pid == 14:
            raise RuntimeError("no")
        return {"pid": pid, "cpu": pid / 10, "mem": 1.0, "age": pid}

    monkeypatch.setattr(collector_module.util, "get_info", get_info)
    streamer = Published()
    collector = WatcherStatsCollector(streamer, "web")
    assert list(collector.collect_stats()) == [{"pid": [], "cpu": 0.0, "mem": 0, "age": "N/A"}]
    streamer.pids = [1, 13, 2, 14]
    first, second, whole = collector.collect_stats()
    assert (first["subtopic"], first["name"], second["subtopic"]) == (1, None, 2)
    assert whole == {"pid": [1, 2], "cpu": 0.15, "mem": 2.0, "age": 2}
    assert next(iter(WatcherStatsCollector(streamer, "circus").collect_stats()))["name"] == "circusd"


def test_the_sum_of_ten() -> None:
    collector = WatcherStatsCollector(Published(), "web")
    infos = {pid: {"cpu": pid / 10, "mem": "N/A", "age": "N/A"} for pid in range(10)}
    assert collector._aggregate(infos) == {"pid": list(range(10)), "cpu": 0.45, "mem": "N/A", "age": "N/A"}


def test_a_collector_publishes_what_is_something() -> None:
    class Two(BaseStatsCollector):
        def collect_stats(self) -> Any:
            yield None
            yield {"a": 1}

    async def main() -> None:
        streamer = Published()
        collector = Two(streamer, "two", 0.01, asyncio.get_running_loop())
        collector.start()
        collector.start()
        assert collector.is_running()
        while len(streamer.items) < 2:
            await asyncio.sleep(0.005)
        collector.stop()
        collector.stop()
        count = len(streamer.items)
        await asyncio.sleep(0.03)
        assert len(streamer.items) == count
        assert streamer.items[0] == ("two", {"a": 1})

    asyncio.run(asyncio.wait_for(main(), 10))


def test_sockets_with_visitors_nobody_lets_in() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=16)
    address = "{}:{}".format(*listener.getsockname())
    visitors = [socket.create_connection(listener.getsockname()) for _ in range(10)]

    async def main() -> Published:
        streamer = Published()
        streamer.sockets = [(listener, address, listener.fileno())]
        collector = SocketStatsCollector(streamer, "sockets", 0.1, asyncio.get_running_loop())
        collector.start()
        while len(streamer.items) < 4:
            await asyncio.sleep(0.01)
        collector.stop()
        return streamer

    try:
        streamer = asyncio.run(asyncio.wait_for(main(), 10))
        first, whole, again = (stat for _, stat in streamer.items[:3])
        assert (first["fd"], first["subtopic"], first["address"]) == (listener.fileno(), listener.fileno(), address)
        assert first["reads"] > 1
        assert whole == {"addresses": [address], "reads": first["reads"], "queue": whole["queue"],
                         "overflows": whole["overflows"]}
        if hasattr(socket, "TCP_INFO") and os.path.exists("/proc/net/tcp"):
            assert (first["queue"], first["backlog"], first["reads"], again["reads"]) == (10, 16, 10, 0)
        assert listener.fileno() >= 0  # it is ours, and still open
    finally:
        for visitor in visitors:
            visitor.close()
        listener.close()


def test_no_sockets_no_messages() -> None:
    async def main() -> list[Any]:
        return list(SocketStatsCollector(Published(), "sockets").collect_stats())

    assert asyncio.run(main()) == []


# -- publisher and client -------------------------------------------------------------------------------


def test_what_is_published(tmp_path: Any) -> None:
    publisher = StatsPublisher(f"ipc://{tmp_path}/s")
    sent: list[list[bytes]] = []
    real, publisher.socket = publisher.socket, SimpleNamespace(send_multipart=sent.append, closed=False)
    try:
        publisher.publish("web", {"subtopic": 7, "cpu": 0.5, "name": None})
        publisher.publish("web", {"cpu": "N/A", "text": "é"})
    finally:
        publisher.socket = real
        publisher.stop()
        publisher.stop()
    assert sent == [
        [b"stat.web.7", jsonapi.dumps({"subtopic": 7, "cpu": 0.5, "name": None})],
        [b"stat.web", jsonapi.dumps({"cpu": "N/A", "text": "é"})],
    ]
    assert not (tmp_path / "s").exists()


def test_an_error_counts_unless_the_socket_is_closed(tmp_path: Any) -> None:
    def refuse(_frames: list[bytes]) -> None:
        raise zmq.ZMQError(zmq.ENOTSOCK)

    publisher = StatsPublisher(f"ipc://{tmp_path}/s")
    real = publisher.socket
    try:
        publisher.socket = SimpleNamespace(send_multipart=refuse, closed=True)
        publisher.publish("web", {})
        publisher.socket = SimpleNamespace(send_multipart=refuse, closed=False)
        with pytest.raises(zmq.ZMQError):
            publisher.publish("web", {})
    finally:
        publisher.socket = real
        publisher.stop()


def test_a_publisher_knows_what_readers_want(tmp_path: Any) -> None:
    publisher = StatsPublisher(f"ipc://{tmp_path}/s", tells=True)
    context = zmq.Context()
    try:
        assert not publisher.wants(b"stat.web")
        reader = context.socket(zmq.SUB)
        reader.connect(f"ipc://{tmp_path}/s")
        reader.subscribe(b"stat.web.12")
        while not publisher.topics:
            publisher.socket.poll(100)
            publisher.take_subscriptions()
        assert publisher.wants(b"stat.web")
        assert not publisher.wants(b"stat.api")
        reader.unsubscribe(b"stat.web.12")
        while publisher.topics:
            publisher.socket.poll(100)
            publisher.take_subscriptions()
    finally:
        context.destroy(linger=0)
        publisher.stop()


def test_client_tells_names_whatever_is_in_them(tmp_path: Any) -> None:
    publisher = StatsPublisher(f"ipc://{tmp_path}/s", tells=True)
    reader = StatsClient(f"ipc://{tmp_path}/s")
    try:
        while not publisher.topics:
            publisher.socket.poll(100)
            publisher.take_subscriptions()
        publisher.socket.send_multipart([b"stat.broken", b"nonsense"])
        publisher.socket.send_multipart([b"stat.many", b"parts", b"more"])
        publisher.publish("web app.x", {"subtopic": 3})
        publisher.publish("web.1", {"pid": []})
        messages = iter(reader)
        assert [next(messages), next(messages)] == [("web app.x", "3", {"subtopic": 3}), ("web.1", None, {"pid": []})]
        messages.close()  # type: ignore[attr-defined]
        assert reader.context.closed
    finally:
        reader.stop()
        publisher.stop()


def test_the_old_home_of_circus_top_knows_no_other_names() -> None:
    with pytest.raises(AttributeError):
        client_module.nothing_of_that_name  # noqa: B018
