"""The raw ROUTER socket: bounded turns, bounded messages, a quiet end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from circus.system import router
from circus.system.router import RouterSocket


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    context: zmq.Context[Any] = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


class Setting:
    """A router and a client on one thread; the loop runs when a test says so."""

    def __init__(self, loop: asyncio.AbstractEventLoop, context: zmq.Context[Any], endpoint: str) -> None:
        self.loop, self.context = loop, context
        self.seen: list[list[bytes]] = []
        self.on_message: Callable[[list[bytes]], Any] = self.seen.append
        self.router = RouterSocket(loop, lambda frames: self.on_message(frames))
        self.router.bind(context, endpoint)
        self.endpoint = endpoint
        self.clients: list[zmq.Socket[Any]] = []

    def close(self) -> None:
        self.router.close()
        for client in self.clients:
            client.close()

    def connect(self) -> zmq.Socket[Any]:
        client = self.context.socket(zmq.DEALER)
        client.linger, client.rcvtimeo = 0, 10_000
        client.connect(self.endpoint)
        self.clients.append(client)
        return client

    def run_until(self, condition: Callable[[], Any]) -> None:
        end = self.loop.time() + 10
        while not condition():
            assert self.loop.time() < end, "waited in vain"
            self.loop.run_until_complete(asyncio.sleep(0.001))


@pytest.fixture
def setting(loop: asyncio.AbstractEventLoop, context: zmq.Context[Any], tmp_path: Path) -> Iterator[Setting]:
    setting = Setting(loop, context, f"ipc://{tmp_path}/r")
    setting.router.start()
    yield setting
    setting.close()


def test_messages_and_replies(setting: Setting) -> None:
    client = setting.connect()
    client.send_multipart([b"a", b"b"])
    setting.run_until(lambda: setting.seen)
    identity, *rest = setting.seen[0]
    assert rest == [b"a", b"b"]
    setting.router.send(identity, b"one")
    setting.router.send((identity, b""), b"two")
    setting.router.send(b"nobody", b"lost")
    assert client.recv_multipart() == [b"one"]
    assert client.recv_multipart() == [b"", b"two"]


def test_receiver_that_raises_harms_nobody(setting: Setting, caplog: pytest.LogCaptureFixture) -> None:
    seen = setting.seen

    def receive(frames: list[bytes]) -> None:
        seen.append(frames)
        raise RuntimeError("oops")

    setting.on_message = receive
    client = setting.connect()
    for _ in range(3):
        client.send(b"x")
    setting.run_until(lambda: len(seen) == 3)
    assert caplog.text.count("error while a message was handled") == 3


def test_turn_is_bounded(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "TURN", 60.0)
    turn, at = 0, []

    def count() -> None:
        nonlocal turn
        turn += 1
        setting.loop.call_soon(count)

    setting.on_message = lambda frames: at.append(turn)
    setting.loop.call_soon(count)
    client = setting.connect()
    for _ in range(500):
        client.send(b"x")
    setting.run_until(lambda: len(at) == 500)
    assert max(at.count(each) for each in set(at)) <= router.BATCH


def test_too_long_message_ends_the_connection_of_its_sender_only(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(router, "LONGEST", 1000)
    other = Setting(setting.loop, setting.context, f"ipc://{tmp_path}/short")
    other.router.start()
    try:
        rude, client = other.connect(), other.connect()
        rude.send(b"x" * 5000)
        client.send(b"fine")
        other.run_until(lambda: other.seen)
        assert [frames[1] for frames in other.seen] == [b"fine"]
        client.send(b"still")
        other.run_until(lambda: len(other.seen) == 2)
    finally:
        other.close()


def test_close_in_the_middle_of_a_turn(setting: Setting) -> None:
    setting.on_message = lambda frames: (setting.seen.append(frames), setting.router.close())
    client = setting.connect()
    for _ in range(5):
        client.send(b"x")
    setting.run_until(lambda: setting.seen)
    setting.loop.run_until_complete(asyncio.sleep(0))
    assert len(setting.seen) == 1
    setting.router.send(b"x", b"nowhere")
    setting.router.close()


def test_last_messages_still_leave(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "LINGER", 10_000)  # the thread that sends may not have its turn within 200 ms
    client = setting.connect()
    client.send(b"x")
    setting.run_until(lambda: setting.seen)
    for number in range(100):
        setting.router.send(setting.seen[0][0], b"%d" % number)
    setting.router.close()
    assert [client.recv() for _ in range(100)] == [b"%d" % number for number in range(100)]


def test_socket_that_cannot_be_bound_is_closed(
    loop: asyncio.AbstractEventLoop, context: zmq.Context[Any]
) -> None:
    socket = RouterSocket(loop, print)
    with pytest.raises(zmq.ZMQError):
        socket.bind(context, "tcp://nonsense")
    assert socket.socket is None
    socket.close()


def test_terminated_context_is_told_once(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context: zmq.Context[Any] = zmq.Context()
    setting = Setting(loop, context, f"ipc://{tmp_path}/t")
    setting.router.start()
    context.destroy(linger=0)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert caplog.text.count("the control endpoint is gone") == 1
    setting.router.send(b"x", b"y")
    setting.router.close()
