"""The control endpoint: a real ROUTER socket and loop, real clients, an arbiter that only pretends."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import logging
import os
import random
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

import circus.controller
from circus.commands.base import KNOWN_COMMANDS, Command
from circus.controller import Controller
from circus.exc import ConflictError, MessageError, Superseded
from circus.system import router
from harness.examples import examples
from harness.waiting import eventually

PATIENCE = 10.0  # seconds until something that should have come is missed


class FakeWatcher:
    """A watcher of two processes whose verbs end when a test says so."""

    name, res_name, singleton, numprocesses = "web", "web", False, 1

    def __init__(self, arbiter: FakeArbiter) -> None:
        self.arbiter = arbiter

    def active_pids(self) -> list[int]:
        return [11, 12]

    def status(self) -> str:
        return "active"

    def start(self) -> Any:
        return self.arbiter.begin()

    stop = start


class FakeArbiter:
    """One watcher; operations are futures that the test ends."""

    def __init__(self) -> None:
        self.watchers = [FakeWatcher(self)]
        self.running: list[asyncio.Future[Any]] = []
        self.checks = 0
        self.on_check: Callable[[], Any] = lambda: None

    def find(self, name: str) -> FakeWatcher:
        return {"web": self.watchers[0]}[name.lower()]

    def numwatchers(self) -> int:
        return len(self.watchers)

    def begin(self) -> Any:
        future = asyncio.get_running_loop().create_future()
        self.running.append(future)
        return future

    stop = begin

    def manage_watchers(self) -> Any:
        self.checks += 1
        return self.on_check()


class QuietController(Controller):
    """Leaves the signals of the test program alone."""

    def _init_syshandler(self) -> None:
        pass


class Daemon:
    """A controller on a loop in a thread of its own."""

    def __init__(self, endpoint: str, context: zmq.Context[Any]) -> None:
        self.endpoint = endpoint
        self.context = context
        self.loop = asyncio.new_event_loop()
        self.arbiter = FakeArbiter()
        self.controller = QuietController(endpoint, None, context, self.loop, self.arbiter, check_delay=-1)
        self.clients: list[Client] = []
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call something on the loop and return what it returns."""

        async def on_loop() -> Any:
            return function(*args)

        return asyncio.run_coroutine_threadsafe(on_loop(), self.loop).result(PATIENCE)

    def wait_for(self, condition: Callable[[], Any]) -> None:
        """Until ``condition()`` is true on the loop."""
        end = time.monotonic() + PATIENCE
        while not self.call(condition):
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.002)

    def close(self) -> None:
        for client in self.clients:
            client.socket.close()
        self.call(self.controller.stop)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)
        self.loop.close()


class Client:
    """A blocking client; ``kind`` is a zmq socket type."""

    def __init__(self, daemon: Daemon, kind: int = zmq.DEALER, **options: int) -> None:
        self.socket = daemon.context.socket(kind)
        self.socket.linger = 0
        self.socket.rcvtimeo = self.socket.sndtimeo = int(PATIENCE * 1000)
        for name, value in options.items():
            self.socket.setsockopt(getattr(zmq, name), value)
        self.socket.connect(daemon.endpoint)
        daemon.clients.append(self)

    def send(self, command: str, mid: Any = None, msg_type: str | None = None, /, **properties: Any) -> None:
        message = {"id": mid, "command": command, "properties": properties}
        if msg_type is not None:
            message["msg_type"] = msg_type
        self.socket.send(json.dumps(message).encode())

    def receive(self) -> Any:
        return json.loads(self.socket.recv())

    def ask(self, command: str, mid: Any = "i", /, **properties: Any) -> Any:
        self.send(command, mid, **properties)
        return self.receive()

    def ask_raw(self, *frames: bytes) -> Any:
        self.socket.send_multipart(frames)
        return self.receive()


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    context: zmq.Context[Any] = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def daemon(tmp_path: Path, context: zmq.Context[Any]) -> Iterator[Daemon]:
    daemon = Daemon(f"ipc://{tmp_path}/ctl", context)
    daemon.call(daemon.controller.start)
    yield daemon
    daemon.close()


@pytest.fixture
def client(daemon: Daemon) -> Client:
    return Client(daemon)


@pytest.fixture
def extra() -> Iterator[Callable[[Callable[..., Any]], None]]:
    """Makes a function ``execute(arbiter, props)`` the command ``extra``."""
    before = list(KNOWN_COMMANDS)

    def define(function: Callable[..., Any]) -> None:
        type("Extra", (Command,), {"name": "extra", "execute": lambda self, *args: function(*args)})

    yield define
    KNOWN_COMMANDS[:] = before


# -- requests and replies -----------------------------------------------------------------------------


def test_dealer_and_req_clients_are_answered(daemon: Daemon, client: Client) -> None:
    assert client.ask("numwatchers")["numwatchers"] == 1
    req = Client(daemon, zmq.REQ)
    assert req.ask("NumWatchers")["numwatchers"] == 1
    assert req.ask("list", name="web")["pids"] == [11, 12]


def test_delimiter_is_mirrored(client: Client) -> None:
    client.socket.send_multipart([b"", b'{"command": "list"}'])
    empty, reply = client.socket.recv_multipart()
    assert empty == b""
    assert json.loads(reply)["watchers"] == ["web"]


def test_reply_is_an_envelope(client: Client) -> None:
    before = time.time()
    reply = client.ask("numwatchers")
    assert set(reply) == {"status", "time", "numwatchers", "id"}
    assert reply["status"] == "ok"
    assert before - 1 <= reply["time"] <= time.time() + 1
    assert client.ask("status", name="web")["status"] == "active"


@pytest.mark.parametrize(
    "mid", [None, True, 0, 1.5, "text", "\ud800\0é", [], [1, [2]], {"a": {"b": None}}, 2**70, "x" * 5000]
)
def test_id_is_echoed_whatever_it_is(client: Client, mid: Any) -> None:
    assert client.ask("list", mid)["id"] == mid
    assert client.ask("nope", mid)["id"] == mid


@pytest.mark.parametrize(
    ("payload", "errno", "reason", "mid"),
    [
        (b"", 1, "error: empty command", None),
        (b"  \n", 1, "error: empty command", None),
        (b"{", 1, "json invalid", None),
        (b"[]", 1, "json invalid", None),
        (b"[" * 50_000, 1, "json invalid", None),
        (b'"x"', 1, "json invalid", None),
        (b"\xff\xff", 1, "json invalid", None),
        (b'{"id": 1}', 2, "unknown command: None", 1),
        (b'{"id": 1, "command": 5}', 2, "unknown command: 5", 1),
        (b'{"id": 1, "command": "Nope"}', 2, "unknown command: 'Nope'", 1),
        (b'{"id": 1, "command": "list", "properties": 5}', 3, "'properties' isn't a valid object", 1),
        (b'{"id": 1, "command": "list", "properties": {"name": "Zz"}}', 3, "program Zz not found", 1),
        (
            b'{"id": 1, "command": "get", "properties": {"name": "web"}}',
            3,
            "message invalid 'keys' is missing",
            1,
        ),
    ],
    ids=range(13),
)
@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.REQ])
def test_refusals(daemon: Daemon, kind: int, payload: bytes, errno: int, reason: str, mid: Any) -> None:
    client = Client(daemon, kind)
    reply = client.ask_raw(payload)
    assert reply.pop("time") > 0
    assert reply == {"status": "error", "reason": reason, "tb": None, "errno": errno, "id": mid}
    assert client.ask("numwatchers")["numwatchers"] == 1


@pytest.mark.parametrize("properties", ["null", "{}"])
def test_properties_may_be_null(client: Client, properties: str) -> None:
    assert client.ask_raw(b'{"command": "list", "properties": %s}' % properties.encode())["watchers"] == [
        "web"
    ]


def test_command_that_fails_otherwise(client: Client, extra: Any) -> None:
    def execute(arbiter: Any, props: Any) -> Any:
        raise {
            "os": OSError(2, "No such file"),
            "conflict": ConflictError("arbiter is already running x command"),
            "value": ValueError("it's 'x'"),
            "exit": SystemExit(3),
            "silent": RuntimeError(),
            "rude": RudeError(),
        }[props["how"]]

    class RudeError(Exception):
        def __str__(self) -> str:
            raise ValueError

    extra(execute)
    found = {
        how: client.ask("extra", how=how) for how in ("os", "conflict", "value", "exit", "silent", "rude")
    }
    assert {how: reply["errno"] for how, reply in found.items()} == {
        "os": 4,
        "conflict": 5,
        "value": 5,
        "exit": 5,
        "silent": 5,
        "rude": 5,
    }
    assert found["os"]["reason"] == "[Errno 2] No such file"
    assert found["conflict"]["reason"] == "arbiter is already running x command"
    assert found["conflict"]["tb"] is None
    assert found["value"]["reason"].startswith("command b'{")
    assert found["value"]["reason"].endswith(": it's 'x'")
    assert "Traceback" in found["value"]["tb"]
    assert found["silent"]["reason"].endswith(": RuntimeError")
    assert found["rude"]["reason"].endswith(": RudeError")


def test_results_that_are_no_objects(client: Client, extra: Any) -> None:
    extra(lambda arbiter, props: [1, 2] if props.get("list") else 5)
    assert client.ask("extra", list=True)["results"] == [1, 2]
    reply = client.ask("extra")
    assert (reply["reason"], reply["errno"]) == ("server error", 6)


def test_results_that_json_does_not_know(client: Client, extra: Any) -> None:
    extra(lambda arbiter, props: {"nan": float("nan"), "path": Path("/x"), 5: {1}})
    reply = client.ask("extra")
    assert (reply["nan"], reply["path"], reply["5"]) == (None, "/x", [1])


def test_casts_are_never_answered(daemon: Daemon, client: Client, extra: Any) -> None:
    def execute(arbiter: Any, props: Any) -> Any:
        if props.get("fail"):
            raise ValueError
        return arbiter.begin()

    extra(execute)
    for _ in range(3):
        client.send("numwatchers", 1, "cast")
        client.send("nope", 2, "cast")
        client.send("extra", 3, "cast", fail=True)
        client.send("extra", 4, "cast", waiting=True)
        client.socket.send(b'{"command": 5, "msg_type": "cast"}')
    assert client.ask("list", "real")["id"] == "real"
    daemon.wait_for(lambda: len(daemon.arbiter.running) == 3)
    for future in daemon.arbiter.running:
        daemon.call(future.set_result, None)
    assert client.ask("list", "again")["id"] == "again"


def test_many_in_flight(client: Client) -> None:
    for number in range(320):
        client.send(("numwatchers", "list", "nope")[number % 3], number)
    assert sorted(client.receive()["id"] for _ in range(320)) == list(range(320))


def test_requests_before_the_start_are_not_lost(tmp_path: Path, context: zmq.Context[Any]) -> None:
    daemon = Daemon(f"ipc://{tmp_path}/ctl", context)
    try:
        client = Client(daemon)
        client.send("numwatchers")
        daemon.call(daemon.controller.start)
        assert client.receive()["numwatchers"] == 1
    finally:
        daemon.close()


# -- operations that take long ------------------------------------------------------------------------


def settle(daemon: Daemon, how: Callable[[asyncio.Future[Any]], Any]) -> None:
    """End the one running operation."""
    daemon.wait_for(lambda: daemon.arbiter.running)
    daemon.call(how, daemon.arbiter.running.pop())


def test_client_that_does_not_wait_is_answered_at_once(daemon: Daemon, client: Client) -> None:
    assert set(client.ask("start", name="web")) == {"status", "time", "id"}
    settle(daemon, lambda future: future.set_result({"started": [1]}))
    assert client.ask("list", "next")["id"] == "next"


def test_failure_that_nobody_waits_for_is_logged(
    daemon: Daemon, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.ask("start", name="web")["status"] == "ok"
    settle(daemon, lambda future: future.set_exception(ValueError("boom")))
    daemon.wait_for(lambda: "exception boom caught" in caplog.text)


def test_client_that_waits_gets_the_outcome(daemon: Daemon, client: Client) -> None:
    client.send("start", "slow", name="web", waiting=True)
    assert client.ask("list", "quick")["id"] == "quick"
    settle(daemon, lambda future: future.set_result({"started": [1], "kept": []}))
    reply = client.receive()
    assert (reply["id"], reply["info"]) == ("slow", {"started": [1], "kept": []})


@pytest.mark.parametrize(
    ("how", "errno", "reason", "cause"),
    [
        (lambda future: future.set_exception(ValueError("boom")), 6, "server error", "boom"),
        (lambda future: future.set_exception(OSError(2, "gone")), 6, "server error", "[Errno 2] gone"),
        (lambda future: future.cancel(), 6, "server error", "the operation was cancelled"),
        (
            lambda future: future.set_exception(Superseded("start", "stop", "web")),
            5,
            "start of 'web' was superseded by a newer stop command",
            None,
        ),
        (lambda future: future.set_exception(ConflictError("busy")), 5, "busy", None),
        (lambda future: future.set_exception(MessageError("bad value")), 3, "bad value", None),
    ],
    ids=["value", "os", "cancelled", "superseded", "conflict", "message"],
)
def test_failed_operation_is_answered(
    daemon: Daemon, client: Client, how: Any, errno: int, reason: str, cause: str | None
) -> None:
    client.send("start", "slow", name="web", waiting=True)
    settle(daemon, how)
    reply = client.receive()
    assert (reply["status"], reply["errno"], reply["reason"]) == ("error", errno, reason)
    assert reply.get("cause") == cause
    assert reply["tb"] is None


def test_failure_known_at_once_is_told_to_who_does_not_wait(client: Client, extra: Any) -> None:
    def execute(arbiter: Any, props: Any) -> Any:
        future = arbiter.begin()
        future.set_exception(ConflictError("arbiter is already running arbiter_stop command"))
        return future

    extra(execute)
    reply = client.ask("extra")
    assert (reply["errno"], reply["reason"]) == (5, "arbiter is already running arbiter_stop command")


def test_operations_of_third_parties(client: Client, extra: Any) -> None:
    pool = concurrent.futures.ThreadPoolExecutor(1)

    async def coroutine() -> Any:
        await asyncio.sleep(0)
        return {"from": "coroutine"}

    extra(
        lambda arbiter, props: (
            coroutine() if props["how"] == "coroutine" else pool.submit(lambda: {"from": "pool"})
        )
    )
    try:
        for how in ("coroutine", "pool"):
            assert client.ask("extra", how=how, waiting=True)["from"] == how
            assert "from" not in client.ask("extra", how=how)
    finally:
        pool.shutdown()


def test_one_future_for_two_requests(daemon: Daemon, client: Client, extra: Any) -> None:
    def execute(arbiter: Any, props: Any) -> Any:
        return arbiter.running[0] if arbiter.running else arbiter.begin()

    extra(execute)
    client.send("extra", 1, waiting=True)
    client.send("extra", 2, waiting=True)
    assert client.ask("list", 3)["id"] == 3
    settle(daemon, lambda future: future.set_result(None))
    assert sorted(client.receive()["id"] for _ in range(2)) == [1, 2]


def test_client_that_has_gone_does_no_harm(daemon: Daemon, client: Client) -> None:
    gone = Client(daemon)
    for _ in range(5):
        gone.send("start", None, name="web", waiting=True)
    daemon.wait_for(lambda: len(daemon.arbiter.running) == 5)
    gone.socket.close()
    assert client.ask("list")["watchers"] == ["web"]
    for _ in range(5):
        settle(daemon, lambda future: future.set_result(None))
    assert client.ask("list")["watchers"] == ["web"]


def test_replies_and_requests_that_cross_are_not_forgotten(daemon: Daemon) -> None:
    """A reply sent outside the reader may swallow the news of a request: the socket has to be asked again."""
    stop = threading.Event()

    def end_operations() -> None:
        while daemon.arbiter.running:
            daemon.arbiter.running.pop().set_result(None)
        if not stop.is_set():
            daemon.loop.call_later(0.0002, end_operations)

    daemon.call(end_operations)
    clients = [Client(daemon) for _ in range(4)]
    for number in range(600):
        for client in clients:
            client.send("start" if number % 2 else "list", number, name="web", waiting=True)
    for client in clients:
        assert sorted(client.receive()["id"] for _ in range(600)) == list(range(600))
    stop.set()


# -- closing ------------------------------------------------------------------------------------------


def test_waiting_quit_is_answered_when_the_endpoint_closes(
    daemon: Daemon, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "LINGER", 10_000)  # the thread that sends may not have its turn within 200 ms
    client.send("quit", "q", waiting=True)
    client.send("start", "s", name="web", waiting=True)
    client.send("stop", "d", name="web", waiting=True)
    daemon.wait_for(lambda: len(daemon.arbiter.running) == 3)

    def end(turns: int) -> None:  # the arbiter leaves this much time for answers, too
        if turns:
            daemon.loop.call_soon(end, turns - 1)
        else:
            daemon.controller.stop()

    daemon.call(daemon.arbiter.running[2].set_result, None)
    daemon.call(end, 3)
    replies = {reply["id"]: reply for reply in (client.receive() for _ in range(3))}
    assert replies["q"]["status"] == "ok"
    assert replies["d"]["status"] == "ok"
    assert (replies["s"]["errno"], replies["s"]["cause"]) == (6, "the daemon has ended")
    daemon.call(daemon.controller.stop)
    daemon.call(daemon.arbiter.running[0].set_result, None)


def test_start_again_after_stop(daemon: Daemon) -> None:
    daemon.call(daemon.controller.stop)
    assert daemon.controller.ctrl_socket is None
    assert not daemon.controller.started
    daemon.call(daemon.controller.start)
    assert Client(daemon).ask("numwatchers")["numwatchers"] == 1


# -- abuse --------------------------------------------------------------------------------------------


def test_other_shapes_of_messages_are_dropped_with_a_warning(
    daemon: Daemon, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.socket.send_multipart([b"{}", b"{}"])
    client.socket.send_multipart([b"", b"{}", b"{}"])
    client.socket.send_multipart([b"x" * 10_000, b""])
    assert client.ask("list", "after")["id"] == "after"
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 3
    # The first frame is the peer's identity: any bytes, a quotation mark may be one of them.
    assert all(text.startswith("got unexpected message [b") for text in warnings)
    assert max(map(len, warnings)) < 1200


def test_thousands_of_garbage_messages(
    daemon: Daemon, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(7)
    caplog.set_level(logging.ERROR, "circus")
    words = [
        b"",
        b"{",
        b"}",
        b"[",
        b'"',
        b"\xff",
        b"\0",
        b"null",
        b'{"command": "list"',
        b"}" * 40,
        b"[" * 900,
        b'{"command": "list", "id": {}}',
        b'{"command": null}',
        b'{"properties": null}',
        b"1e999",
        b"\n" * 9,
    ]
    senders = [Client(daemon) for _ in range(3)]
    expected = dict.fromkeys(range(3), 0)
    for _ in range(4000):
        which = chance.randrange(3)
        frames = [
            b"".join(chance.choices(words, k=chance.randrange(4))) for _ in range(chance.randrange(1, 5))
        ]
        senders[which].socket.send_multipart(frames)
        expected[which] += len(frames) == 1 or (len(frames) == 2 and not frames[0])
        if expected[which] > 100:  # nobody loses a reply who reads now and then
            for _ in range(expected[which]):
                senders[which].socket.recv_multipart()
            expected[which] = 0
    for which, sender in enumerate(senders):
        for _ in range(expected[which]):
            reply = json.loads(sender.socket.recv_multipart()[-1])
            assert reply["status"] in ("ok", "error")
        assert sender.ask("list", "after")["id"] == "after"
    assert client.ask("numwatchers")["numwatchers"] == 1
    assert not caplog.records, caplog.text


def test_client_that_never_reads_costs_little(
    tmp_path: Path, context: zmq.Context[Any], monkeypatch: pytest.MonkeyPatch, extra: Any
) -> None:
    monkeypatch.setattr(router, "HIGH_WATER", 10)
    daemon = Daemon(f"ipc://{tmp_path}/ctl", context)
    try:
        daemon.call(daemon.controller.start)
        seen: list[int] = []
        extra(lambda arbiter, props: seen.append(1) or {"long": "x" * 50_000})
        lazy, client = Client(daemon, RCVHWM=1), Client(daemon)
        for _ in range(2000):
            lazy.send("extra")
        assert client.ask("list", "still")["id"] == "still"
        daemon.wait_for(lambda: len(seen) == 2000)
        # What it has not read was dropped, but for the queues of both sides and of the system.
        lazy.socket.rcvtimeo = 300
        received = 0
        with contextlib.suppress(zmq.Again):
            while True:
                lazy.socket.recv()
                received += 1

        def is_served() -> bool:
            """Behind what is left, if anything was silent for a moment only."""
            nonlocal received
            lazy.send("list", "after")
            with contextlib.suppress(zmq.Again):
                while lazy.receive()["id"] != "after":
                    received += 1
                return True
            return False

        eventually(is_served)
        assert received < 300
    finally:
        daemon.close()


def test_a_flood_leaves_room_for_everything_else(daemon: Daemon, client: Client, extra: Any) -> None:
    turns = 0

    def count() -> None:
        nonlocal turns
        turns += 1
        daemon.loop.call_soon(count)

    at: list[int] = []
    extra(lambda arbiter, props: at.append(turns) or time.sleep(0.001))
    daemon.call(count)
    for _ in range(300):
        client.send("extra", None, "cast")
    assert client.ask("list", "after", name="web")["id"] == "after"
    daemon.wait_for(lambda: len(at) == 300)
    # A turn lasts 5 ms, and then as long as the request that it ended with.
    assert max(at.count(turn) for turn in set(at)) <= 7


@given(st.lists(st.binary(max_size=40), max_size=5))
@settings(max_examples=examples(300))
def test_whatever_frames_come_nothing_is_raised(frames: list[bytes]) -> None:
    sent: list[Any] = []

    class Recorder(QuietController):
        def send_response(self, mid: Any, cid: Any, msg: Any, resp: Any, cast: bool = False) -> None:
            sent.append((cid, resp))

    Recorder(None, None, None, None, FakeArbiter(), check_delay=-1).handle_message(frames)
    if len(frames) == 2:
        assert sent[0][0] == frames[0]
    elif len(frames) == 3 and not frames[1]:
        assert sent[0][0] == (frames[0], b"")
    else:
        assert not sent


# -- the endpoint -------------------------------------------------------------------------------------


def endpoint_of(tmp_path: Path) -> tuple[Path, str]:
    return tmp_path / "ctl", f"ipc://{tmp_path}/ctl"


def test_socket_file_is_private_and_goes_with_the_daemon(daemon: Daemon, tmp_path: Path) -> None:
    path, _ = endpoint_of(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    daemon.call(daemon.controller.stop)
    assert not path.exists()


def test_socket_file_of_somebody_else_stays(daemon: Daemon, tmp_path: Path) -> None:
    path, _ = endpoint_of(tmp_path)
    path.unlink()
    path.write_text("theirs")
    daemon.call(daemon.controller.stop)
    assert path.read_text() == "theirs"


def test_socket_file_can_be_given_to_an_owner(tmp_path: Path, context: zmq.Context[Any]) -> None:
    path, endpoint = endpoint_of(tmp_path)
    daemon = Daemon(endpoint, context)
    daemon.controller.endpoint_owner = str(os.getuid())
    try:
        daemon.call(daemon.controller.start)
        found = path.stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (os.getuid(), 0o660)
        assert Client(daemon).ask("numwatchers")["numwatchers"] == 1
    finally:
        daemon.close()


def test_endpoint_in_use(daemon: Daemon, tmp_path: Path, context: zmq.Context[Any]) -> None:
    _, endpoint = endpoint_of(tmp_path)
    second = QuietController(endpoint, None, context, daemon.loop, daemon.arbiter, check_delay=-1)
    with pytest.raises(OSError, match=r"Address already in use \(addr='ipc://"):
        daemon.call(second.start)
    assert Client(daemon).ask("numwatchers")["numwatchers"] == 1
    taken = socket.create_server(("127.0.0.1", 0))
    try:
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        second = QuietController(endpoint, None, context, daemon.loop, daemon.arbiter, check_delay=-1)
        with pytest.raises(OSError, match=r"Address already in use \(addr='tcp://"):
            daemon.call(second.start)
    finally:
        taken.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_tcp_and_a_socket_bound_before(context: zmq.Context[Any], host: str) -> None:
    from circus.system.transport import bind_endpoint

    try:
        bound = bind_endpoint(f"tcp://{host}:0")
    except OSError:
        pytest.skip("no such address here")
    assert bound is not None
    daemon = Daemon(bound.endpoint, context)
    daemon.controller.bound = bound
    try:
        client = Client(daemon, **({"IPV6": 1} if "[" in host else {}))
        client.send("numwatchers")  # waits in the queue of the listening socket
        daemon.call(daemon.controller.start)
        assert client.receive()["numwatchers"] == 1
    finally:
        daemon.close()


def test_inproc_is_bound_by_zmq(context: zmq.Context[Any]) -> None:
    daemon = Daemon("inproc://ctl", context)
    try:
        daemon.call(daemon.controller.start)
        assert Client(daemon).ask("numwatchers")["numwatchers"] == 1
    finally:
        daemon.close()


def test_context_that_ends_first_is_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    context: zmq.Context[Any] = zmq.Context()
    daemon = Daemon(f"ipc://{tmp_path}/ctl", context)
    daemon.call(daemon.controller.start)
    context.destroy(linger=0)
    daemon.wait_for(lambda: True)
    daemon.close()


# -- as programs and tests for Circus 0.19 use it -----------------------------------------------------


def test_construction_touches_nothing() -> None:
    controller = QuietController(
        mock.sentinel.endpoint,
        mock.sentinel.multicast_endpoint,
        mock.sentinel.context,
        mock.sentinel.loop,
        mock.sentinel.arbiter,
        check_delay=-1.0,
    )
    assert controller.check_delay == -1000
    assert controller.caller is None
    assert controller.stream is None
    controller.stop()


def test_overridden_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Overridden(QuietController):
        jobs: tuple[Any, ...] = ()

        def initialize(self) -> None:
            pass

        def dispatch(self, job: Any) -> None:
            self.jobs += (job,)

    loop = mock.MagicMock()
    controller = Overridden(
        mock.sentinel.endpoint, None, mock.sentinel.context, loop, mock.sentinel.arbiter, 2.0
    )
    controller.start()
    assert controller.started
    assert controller.caller is not None
    controller.handle_message([b"id", b"{}"])
    assert controller.jobs == ((b"id", b"{}"),)
    controller.stop()


def test_all_commands_are_there() -> None:
    controller = QuietController(None, None, None, None, None, check_delay=-1)
    assert {"list", "quit", "signal"} <= set(controller.commands)
    assert len(controller.commands) >= 25
    assert controller.commands is controller.commands


def test_replies_can_be_overridden(extra: Any) -> None:
    class Recorder(QuietController):
        sent: Any = None

        def send_response(self, mid: Any, cid: Any, msg: Any, resp: Any, cast: bool = False) -> None:
            self.sent = mid, cid, msg, resp, cast

    extra(lambda arbiter, props: {"a": 1})
    controller = Recorder(None, None, None, None, FakeArbiter(), check_delay=-1)
    controller.dispatch((b"cid", '{"command": "extra", "id": 5, "msg_type": "cast"}'))  # type: ignore[arg-type]
    mid, cid, _msg, resp, cast = controller.sent
    assert (mid, cid, resp["a"], cast) == (5, b"cid", 1, True)


def test_request_of_our_own_is_executed_and_its_failure_logged(
    caplog: pytest.LogCaptureFixture, extra: Any
) -> None:
    seen: list[Any] = []
    extra(lambda arbiter, props: seen.append(props) or ({} if props else 1 / 0))
    controller = QuietController(None, None, None, None, FakeArbiter(), check_delay=-1)
    controller.dispatch((None, b'{"command": "extra", "properties": {"a": 1}}'))
    assert seen == [{"a": 1}]
    assert not caplog.records
    controller.dispatch((None, b'{"command": "extra"}'))
    assert "division by zero" in caplog.text


def test_signal_handlers_are_installed_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Handler:
        stopped = 0

        def __init__(self, controller: Any) -> None:
            self.controller = controller

        def stop(self) -> None:
            self.stopped += 1

    monkeypatch.setattr(circus.controller, "SysHandler", Handler)
    controller = Controller(None, None, None, None, FakeArbiter(), check_delay=-1)
    assert controller.sys_hdl.controller is controller
    controller.stop()
    assert controller.sys_hdl.stopped == 1


def test_messages_are_logged_only_when_asked_for(
    daemon: Daemon, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "circus")
    client.ask("list")
    assert not caplog.records
    caplog.set_level(logging.DEBUG, "circus")
    client.ask("list")
    assert "got message b'{" in caplog.text
    assert "sending response b'{" in caplog.text


# -- the periodic check -------------------------------------------------------------------------------


def test_periodic_check(daemon: Daemon, caplog: pytest.LogCaptureFixture) -> None:
    arbiter, controller = daemon.arbiter, daemon.controller

    def conflict() -> Any:
        raise ConflictError("arbiter is already running x command")

    def conflict_later() -> Any:
        future = asyncio.get_running_loop().create_future()
        future.set_exception(ConflictError("x"))
        return future

    for on_check in (lambda: None, conflict, conflict_later):
        arbiter.checks, arbiter.on_check = 0, on_check
        daemon.call(controller.set_check_delay, 0.001)
        daemon.wait_for(lambda: arbiter.checks >= 3)
        assert not caplog.records
    assert controller.check_delay == 1
    assert controller.caller is not None
    assert controller.caller.is_running()
    daemon.call(controller.set_check_delay, -1)
    assert controller.caller is None


def test_periodic_check_never_runs_twice_at_once(daemon: Daemon) -> None:
    daemon.arbiter.on_check = daemon.arbiter.begin
    daemon.call(daemon.controller.set_check_delay, 0.001)
    daemon.wait_for(lambda: daemon.arbiter.checks == 1)
    turns = iter(range(20))
    daemon.wait_for(lambda: next(turns) == 19)
    assert daemon.arbiter.checks == 1
    daemon.call(daemon.arbiter.running[0].set_result, None)
    daemon.wait_for(lambda: daemon.arbiter.checks == 2)


def test_periodic_check_goes_on_after_a_failure(daemon: Daemon, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> Any:
        raise RuntimeError("oops")

    daemon.arbiter.on_check = fail
    daemon.call(daemon.controller.set_check_delay, 0.001)
    daemon.wait_for(lambda: daemon.arbiter.checks >= 2)
    assert "the periodic check failed" in caplog.text


# -- discovery ----------------------------------------------------------------------------------------


def test_discovery_answers_any_datagram(
    tmp_path: Path, context: zmq.Context[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    monkeypatch.setattr(circus.controller, "create_udp_socket", lambda *where: asked.append(where) or server)
    daemon = Daemon(f"ipc://{tmp_path}/ctl", context)
    daemon.controller.multicast_endpoint = "udp://237.219.251.97:12027"
    try:
        address = server.getsockname()
        daemon.call(daemon.controller.start)
        assert asked == [("237.219.251.97", "12027")]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            for _ in range(50):
                client.sendto(b"\xffwhatever", address)
            for _ in range(50):
                assert json.loads(client.recv(1000)) == {"endpoint": daemon.endpoint}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.sendto(b"", address)
        assert Client(daemon).ask("numwatchers")["numwatchers"] == 1
    finally:
        daemon.close()
    assert server.fileno() == -1


@pytest.mark.parametrize(
    "failure", [IOError, OSError(98, "in use"), ValueError("Wrong UDP multicast_endpoint")]
)
def test_discovery_that_cannot_be(failure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circus.controller, "create_udp_socket", mock.Mock(side_effect=failure))
    with mock.patch("circus.controller.logger.warning") as warning:
        arbiter, loop = mock.MagicMock(), mock.MagicMock()
        controller = QuietController(arbiter.endpoint, arbiter.multicast_endpoint, None, loop, arbiter)
        controller._init_multicast_endpoint()
    text = warning.call_args[0][0]
    assert text.startswith("Multicast discovery is disabled, there was an error during udp socket creation.")


@pytest.mark.parametrize(
    "endpoint", ["nonsense", "udp://127.0.0.1:1", "udp://237.0.0.1", "", "udp://[", None]
)
def test_discovery_at_nonsense(endpoint: Any, caplog: pytest.LogCaptureFixture) -> None:
    controller = QuietController(None, endpoint, None, mock.MagicMock(), SimpleNamespace())
    controller._init_multicast_endpoint()
    assert "Multicast discovery is disabled" in caplog.text
    assert controller.udp_socket is None


@pytest.mark.parametrize(
    ("endpoint", "answers"),
    [(None, True), ("", True), ("none", True), ("None", True), ("udp://237.1.1.1:1", False)],
)
def test_discovery_that_is_not_wanted(endpoint: Any, answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    create = mock.Mock()
    monkeypatch.setattr(circus.controller, "create_udp_socket", create)
    arbiter = SimpleNamespace(multicast_answers=answers)
    controller = QuietController(None, endpoint, None, mock.MagicMock(), arbiter, check_delay=-1)
    controller.start()
    assert not create.called
    controller.stop()
