"""Garbage and clients that misbehave: the daemon answers everybody else, before, during and after."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import zmq

from harness import Caller, Daemon, eventually
from harness.daemon import free_port
from tests.e2e.recording import up

WEB = "[watcher:web]\ncmd = sleep 98765\n"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path, WEB, transport="tcp") as running:
        up(running, "web")
        yield running


def connected(daemon: Daemon, kind: int, endpoint: str | None = None) -> zmq.Socket[bytes]:
    """A zmq socket of the test's context, which closes it at the end."""
    made: zmq.Socket[bytes] = daemon.context.socket(kind)
    made.linger = 0
    made.connect(endpoint or daemon.endpoint)
    return made


def address(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.rpartition("://")[2].rpartition(":")
    return host, int(port)


def assert_well(daemon: Daemon, pids: list[int]) -> None:
    """It answers, its workers are the same, and it does not spin."""
    assert daemon.poll() is None, daemon.log
    assert daemon.call("status")["statuses"]["web"] == "active"
    assert daemon.pids("web") == pids
    assert "Traceback" not in daemon.log, daemon.log
    with daemon.events() as events:
        daemon.call("set", name="web", options={"warmup_delay": 0}, waiting=True)
        events.wait_event("web", "updated")
    process = psutil.Process(daemon.pid)

    def idle() -> bool:
        before = process.cpu_times()
        time.sleep(0.3)
        after = process.cpu_times()
        return after.user + after.system - before.user - before.system < 0.15

    eventually(idle)  # once it is through with what others sent: they have their turns between ours


def test_thousands_of_random_messages_on_the_control_endpoint(daemon: Daemon) -> None:
    pids = daemon.pids("web")
    rng = random.Random(20)
    dealer = connected(daemon, zmq.DEALER)
    pieces = [b"", b" ", b"{}", b"[]", b"123", b'"x"', b"null", b'{"command"', b"\xff\xfe", b"\0" * 9, b"[" * 5000]
    for _ in range(3000):
        frames = [rng.choice(pieces) if rng.random() < 0.5 else rng.randbytes(rng.randrange(60))
                  for _ in range(rng.randrange(1, 5))]  # fmt: skip
        dealer.send_multipart(frames)
    assert daemon.call("list")["status"] == "ok"
    dealer.close()
    assert_well(daemon, pids)


def test_well_formed_requests_with_senseless_contents_are_all_answered(daemon: Daemon) -> None:
    pids = daemon.pids("web")
    rng = random.Random(21)
    values = [None, True, -1, 0.5, 1 << 70, "", "web", "\0", "é" * 50, [], {}, ["web"], {"a": {"b": []}}, "9" * 400]
    commands = ["list", "status", "stats", "options", "get", "set", "numprocesses", "signal", "dstats", "listen",
                "globaloptions", "listsockets", "numwatchers", "nope", None, 7, ["list"], "LIST"]  # fmt: skip
    keys = ["name", "pid", "process", "keys", "options", "signum", "childpid", "children", "match", "waiting", "nb"]
    dealer = connected(daemon, zmq.DEALER)
    sent = set()
    for number in range(1500):
        properties = {rng.choice(keys): rng.choice(values) for _ in range(rng.randrange(4))}
        if properties.get("name") in ("web", "WEB"):
            properties["name"] = "x"  # the worker itself is to survive
        message = {"id": number, "command": rng.choice(commands), "properties": properties}
        if rng.random() < 0.05:
            message["properties"] = rng.choice(values)
        dealer.send(json.dumps(message).encode())
        sent.add(number)
    while sent:
        assert dealer.poll(10_000), f"{len(sent)} requests without an answer"
        reply = json.loads(dealer.recv())
        assert reply["status"] in ("ok", "error"), reply
        sent.discard(reply["id"])
    dealer.close()
    assert_well(daemon, pids)


@pytest.mark.parametrize("which", ["control", "pubsub"])
def test_raw_bytes_on_the_tcp_ports(daemon: Daemon, which: str) -> None:
    pids = daemon.pids("web")
    rng = random.Random(22)
    place = address(daemon.endpoint if which == "control" else daemon.pubsub_endpoint)
    greeting = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" + b"\0" * 48  # the beginning of ZMTP 3.0
    for number in range(300):
        with socket.create_connection(place, 5) as raw:
            data = rng.randbytes(rng.randrange(300))
            if number % 3 == 0:
                data = greeting + data
            elif number % 3 == 1:
                data = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + data
            try:
                raw.sendall(data)
            except OSError:
                pass  # it hung up on us, as it should
    assert_well(daemon, pids)


def test_connections_that_say_nothing(daemon: Daemon) -> None:
    pids = daemon.pids("web")
    idle = [socket.create_connection(address(daemon.endpoint), 5) for _ in range(200)]
    assert_well(daemon, pids)
    for raw in idle:
        raw.close()
    assert_well(daemon, pids)


def test_datagrams_for_discovery(tmp_path: Path) -> None:
    port = free_port()
    ini = f"[circus]\nmulticast_endpoint = udp://237.219.251.97:{port}\n" + WEB
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        if "Multicast discovery is disabled" in daemon.log:
            pytest.skip("no multicast on this machine")
        pids = daemon.pids("web")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(5)
            for number in range(2000):
                sender.sendto(random.Random(number).randbytes(number % 400), ("127.0.0.1", port))
            assert_well(daemon, pids)
            sender.setblocking(False)
            try:
                while True:
                    sender.recv(65536)
            except BlockingIOError:
                sender.settimeout(5)
            sender.sendto(b'""', ("127.0.0.1", port))
            assert json.loads(sender.recv(65536)) == {"endpoint": daemon.endpoint}


def test_a_client_that_never_reads_its_answers(daemon: Daemon) -> None:
    pids = daemon.pids("web")
    deaf = connected(daemon, zmq.DEALER)
    deaf.setsockopt(zmq.RCVHWM, 1)
    request = json.dumps({"id": 1, "command": "options", "properties": {"name": "web"}}).encode()
    before = psutil.Process(daemon.pid).memory_info().rss
    for _ in range(5000):
        try:
            deaf.send(request, zmq.NOBLOCK)
        except zmq.Again:
            break
    assert_well(daemon, pids)
    assert psutil.Process(daemon.pid).memory_info().rss - before < 64 << 20
    deaf.close()
    assert_well(daemon, pids)


def test_a_subscriber_that_never_reads(daemon: Daemon) -> None:
    deaf = connected(daemon, zmq.SUB, daemon.pubsub_endpoint)
    deaf.setsockopt(zmq.RCVHWM, 1)
    deaf.setsockopt(zmq.SUBSCRIBE, b"")
    before = psutil.Process(daemon.pid).memory_info().rss
    for _ in range(20):
        options = {f"free.{number}": "x" * 100 for number in range(2)}
        daemon.call("set", name="web", options={"warmup_delay": 0} | dict.fromkeys(options, "y"))
        for _ in range(100):
            daemon.caller.cast("set", name="web", options={"warmup_delay": 0})
    assert_well(daemon, daemon.pids("web"))
    assert psutil.Process(daemon.pid).memory_info().rss - before < 64 << 20
    deaf.close()


def test_a_req_socket_and_an_empty_message_are_answered(daemon: Daemon) -> None:
    """Row 14."""
    req = connected(daemon, zmq.REQ)
    req.send(json.dumps({"command": "list", "properties": {}}).encode())
    assert req.poll(5000)
    assert json.loads(req.recv())["watchers"] == ["probe", "web"]
    req.close()
    for payload in (b"", b"[]", b'"x"', b"{}", b'{"command": 5}'):
        reply = daemon.caller.raw(payload, deadline=5)
        assert reply is not None, payload
        assert reply["status"] == "error"


def test_a_huge_request_is_answered_or_hung_up_on(daemon: Daemon) -> None:
    pids = daemon.pids("web")
    for size in (1 << 20, 100 << 20):
        big = connected(daemon, zmq.DEALER)
        big.send(b'{"command": "list", "properties": {"x": "' + b"a" * size + b'"}}')
        if size < (10 << 20):
            assert big.poll(10_000)
        else:
            big.poll(500)
        big.close()
    assert_well(daemon, pids)


def test_many_clients_at_once(daemon: Daemon) -> None:
    callers = [Caller(daemon.context, daemon.endpoint) for _ in range(100)]
    try:
        for caller in callers:
            assert caller.call("numwatchers")["numwatchers"] == 2
    finally:
        for caller in callers:
            caller.close()
    eventually(lambda: daemon.call("status")["status"] == "ok")
