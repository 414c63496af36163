"""What circusd-stats asks the daemon: replies, none, late ones, and daemons of an older release."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

from circus.client import make_message
from circus.exc import CallError
from circus.stats.calls import DaemonCalls
from circus.stats.service import StatsService
from circus.system.plainloop import PlainLoop
from circus.system.router import RouterSocket


class Daemon:
    """Answers on a ROUTER socket with what ``reply`` makes of a request; None for no answer."""

    def __init__(self, loop: PlainLoop, context: Any, endpoint: str, reply: Callable[[dict[str, Any]], Any]) -> None:
        self.asked: list[dict[str, Any]] = []
        self._reply = reply
        self.router = RouterSocket(loop, self._take)
        self.router.bind(context, endpoint)
        self.router.start()

    def _take(self, frames: list[bytes]) -> None:
        request = json.loads(frames[-1])
        self.asked.append(request)
        reply = self._reply(request)
        if reply is not None:
            text = reply if isinstance(reply, bytes) else json.dumps({**reply, "id": request["id"]}).encode()
            self.router.send(frames[0], text)


@pytest.fixture
def loop() -> Iterator[PlainLoop]:
    made = PlainLoop()
    made.call_later(10.0, pytest.fail, "the test takes too long")
    yield made
    made.close()


@pytest.fixture
def context() -> Iterator[Any]:
    made = zmq.Context()
    yield made
    made.destroy(linger=0)


ENDPOINT = "inproc://daemon"


def test_each_reply_goes_to_who_asked(loop: PlainLoop, context: Any) -> None:
    daemon = Daemon(loop, context, ENDPOINT, lambda request: {"told": request["properties"]["number"]})
    calls = DaemonCalls(loop, context, ENDPOINT)
    seen: list[Any] = []

    def take(reply: Any, failure: Any) -> None:
        seen.append((reply["told"], failure))
        if len(seen) == 5:
            loop.stop()

    for number in range(5):
        calls.ask(make_message("x", number=number), take)
    loop.run_forever()
    calls.close()
    calls.close()
    daemon.router.close()
    assert sorted(seen) == [(number, None) for number in range(5)]


def test_no_answer_is_told_once(loop: PlainLoop, context: Any) -> None:
    nonsense: list[Any] = [b"no JSON", b'["no", "reply"]', b'{"id": "of another"}', b'{"id": 7}', None]
    daemon = Daemon(loop, context, ENDPOINT, lambda request: nonsense[len(daemon.asked) - 1])
    calls = DaemonCalls(loop, context, ENDPOINT, timeout=0.1)
    seen: list[tuple[Any, str]] = []
    for _ in nonsense:
        calls.ask(make_message("x"), lambda reply, failure: seen.append((reply, str(failure))))
    loop.call_later(0.3, loop.stop)
    loop.run_forever()
    calls.close()
    daemon.router.close()
    assert seen == [({}, "Timed out.")] * len(nonsense)


def test_one_who_fails_with_the_reply_does_not_harm_the_next(
    loop: PlainLoop, context: Any, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = Daemon(loop, context, ENDPOINT, lambda request: {})
    calls = DaemonCalls(loop, context, ENDPOINT)
    calls.ask(make_message("x"), lambda reply, failure: reply["missing"])
    calls.ask(make_message("x"), lambda reply, failure: loop.stop())
    loop.run_forever()
    calls.close()
    daemon.router.close()
    assert "KeyError: 'missing'" in caplog.text


def test_nobody_is_told_after_the_end(loop: PlainLoop, context: Any) -> None:
    daemon = Daemon(loop, context, ENDPOINT, lambda request: {})
    calls = DaemonCalls(loop, context, ENDPOINT, timeout=0.02)
    calls.ask(make_message("x"), lambda reply, failure: pytest.fail("told"))
    calls.close()
    loop.call_later(0.05, loop.stop)
    loop.run_forever()
    daemon.router.close()


def test_what_cannot_be_sent_fails_later(loop: PlainLoop, context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = DaemonCalls(loop, context, "inproc://nobody")
    calls._socket.close()
    seen: list[Any] = []
    calls.ask(make_message("x"), lambda reply, failure: (seen.append(failure), loop.stop()))
    assert not seen
    loop.run_forever()
    assert isinstance(seen[0], CallError)
    calls.close()


@pytest.mark.parametrize("broken", [False, True])
def test_a_daemon_of_an_older_release_is_asked_by_name(
    loop: PlainLoop, context: Any, tmp_path: Any, broken: bool
) -> None:
    def reply(request: dict[str, Any]) -> Any:
        name = request["properties"].get("name")
        if request["command"] == "dstats":
            return {"info": {"pid": 4_000_000}, "status": "ok"}
        if request["command"] != "list":
            return {"status": "error", "reason": "?"}
        if name is None:
            return {"watchers": ["web", "two words"]}
        return None if broken and name == "web" else {"pids": {"web": [4_000_001, 4_000_002]}.get(name, [])}

    endpoint = f"ipc://{tmp_path}/c"
    daemon = Daemon(loop, context, endpoint, reply)
    service = StatsService(endpoint, f"ipc://{tmp_path}/p", f"ipc://{tmp_path}/s", interval=3600, context=context)
    service.on_roster = lambda: loop.call_soon(loop.stop)
    service.start(loop)
    assert service._calls is not None
    if broken:
        service._calls._timeout = 1.0
        loop.call_later(2.0, loop.stop)
    loop.run_forever()
    told = {entry.name: sorted(entry.workers) for entry in service.roster.groups()}
    service.stop()
    daemon.router.close()
    assert told == ({} if broken else {"web": [4_000_001, 4_000_002], "two words": []})
    assert [request["properties"].get("name") for request in daemon.asked if request["command"] == "list"][:2] == [
        None, "web"
    ]
