"""Waiting for what was asked: an answer, the insight that there will be none, or the end of patience."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from circus.web import progress
from circus.web.news import News
from circus.web.outcome import unfinished
from circus.web.problems import Problem
from circus.web.progress import Progress, Standing, is_failing, is_held, is_looping

ENDS = [{"time": 99.5, "expected": False}, {"time": 99.9, "expected": False}]


@pytest.mark.parametrize(
    ("why", "elapsed", "looping"),
    [
        ({"time": 100.0, "next_try": 100.4, "exits": [*ENDS, *ENDS]}, 1.0, True),
        ({"time": 100.0, "next_try": 100.4, "exits": ENDS}, 1.0, False),
        ({"time": 100.0, "next_try": 102.0, "exits": ENDS}, 1.0, True),
        ({"time": 100.0, "next_try": 102.0, "exits": [{"time": 99.9, "expected": True}]}, 1.0, False),
        ({"time": 100.0, "next_try": 102.0, "exits": ENDS}, 0.05, False),
        ({"time": 100.0, "next_try": None, "exits": [*ENDS, *ENDS]}, 1.0, False),
        ({"time": 100.0, "next_try": 102.0, "spawn_error": {"time": 99.5, "text": "no such file"}}, 1.0, True),
        ({}, 1.0, False),
    ],
)
def test_what_will_never_come_up(why: dict[str, Any], elapsed: float, looping: bool) -> None:
    assert is_looping(why, elapsed) is looping


def test_who_has_lost_a_worker_lately() -> None:
    why = {"status": "active", "time": 100.0, "exits": ENDS[:1]}
    assert is_failing(why, 1.0)
    assert not is_failing(why, 0.1)
    assert not is_failing({**why, "exits": [{"time": 99.9, "expected": True}]}, 1.0)
    assert not is_failing({**why, "status": "stopped"}, 1.0)
    assert not is_failing({}, 1.0)


def test_who_waits_for_long() -> None:
    assert is_held({"time": 100.0, "next_try": 104.0})
    assert not is_held({"time": 100.0, "next_try": 102.0})
    assert not is_held({})


class Asked:
    """A daemon that never answers what changes something, unless it is told to."""

    def __init__(self, why: dict[str, Any], reply: dict[str, Any] | None = None) -> None:
        self.why, self.reply, self.news = why, reply, News()
        self.is_online, self.endpoint, self.id, self.since = True, "ipc://x", "x", 1.0
        self.cancelled = False

    async def ask(self, command: str, properties: dict[str, Any], **_: Any) -> dict[str, Any]:
        if command == "why":
            return {**self.why, "name": properties["name"]}
        if self.reply is None:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled = True
        return self.reply or {}


UP = {"time": 100.0, "story": [], "reason": "1 of 2 processes running", "next": "nothing", "next_try": None}
LOOPING = {**UP, "next": "next try in 2 s", "next_try": 102.0, "exits": [{"time": 200.0, "expected": False}]}


def waited(daemon: Asked, names: list[str], command: str = "reload", patience: float = 0.05) -> Standing:
    return asyncio.run(Progress(daemon, command, names).wait({"waiting": True}, patience, "me"))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LOOK", 0.01)
    monkeypatch.setattr(progress, "SETTLED", 0.01)


def test_an_answer_is_the_answer() -> None:
    daemon = Asked(UP, {"status": "ok"})
    assert waited(daemon, ["web"]).reply == {"status": "ok"}


def test_patience_ends_and_it_is_told_how_far_it_is() -> None:
    daemon = Asked(UP)
    standing = waited(daemon, ["web"])
    assert (standing.reply, standing.stuck, daemon.cancelled) == (None, {}, True)
    standing.took = 0.05  # a busy machine may take longer
    told = unfinished(standing, "web")
    assert told["outcome"] == "pending"
    assert told["text"] == "after 0 s it still goes on; web: 1 of 2 processes running; nothing"


def test_nobody_waits_for_what_never_comes_up() -> None:
    daemon = Asked(LOOPING)
    daemon.news.take_event("watcher.web.reload", {"seq": 1, "time": 1.0})
    running = Progress(daemon, "reload", ["web", "Mail Er"])  # type: ignore[arg-type]
    daemon.news.take_event("watcher.web.reload", {"seq": 2, "time": 2.0})
    standing = asyncio.run(running.wait({"waiting": True}, 60.0, "me"))
    assert (standing.done, list(standing.stuck), standing.left) == (["web"], ["Mail Er"], {})
    told = unfinished(standing)
    assert told["outcome"] == "partial"
    assert told["text"].startswith("done with 1 of 2 watchers; Mail Er does not come up: 1 of 2 processes running;")
    assert unfinished(waited(daemon, ["web"], patience=60.0), "web")["outcome"] == "failed"


def test_one_that_is_held_back_for_long_is_not_waited_for() -> None:
    standing = waited(Asked({**UP, "next_try": 120.0}), ["web"], patience=60.0)
    assert unfinished(standing, "web")["outcome"] == "pending"


class Telling(Asked):
    """A daemon that tells something else of one watcher at each look."""

    def __init__(self, *whys: dict[str, Any]) -> None:
        super().__init__(UP, {"status": "ok"})
        self.whys, self.looks = list(whys), 0

    async def ask(self, command: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
        if command == "why" and properties["name"] == "Mail Er":
            self.looks += 1
            return self.whys[min(self.looks, len(self.whys)) - 1]
        return await super().ask(command, properties, **more)


FAILING = {**UP, "status": "active", "exits": ENDS[:1]}


@pytest.mark.parametrize(
    ("whys", "stuck", "looks"),
    [
        ([{**UP, "status": "active"}], [], 1),
        ([LOOPING], ["Mail Er"], 1),
        ([FAILING, LOOPING], ["Mail Er"], 2),  # its new workers needed longer to fail
        ([FAILING, {**FAILING, "time": 200.0}], [], 2),  # what has failed before runs now
        ([FAILING], [], 3),
        ([{}], [], 1),  # 0.19.0 knows no `why`
    ],
)
def test_what_has_come_up_is_looked_at_again_while_it_may_fail(
    whys: list[dict[str, Any]], stuck: list[str], looks: int
) -> None:
    daemon = Telling(*whys)
    standing = asyncio.run(Progress(daemon, "reload", ["web", "Mail Er"]).look_back())  # type: ignore[arg-type]
    assert (list(standing.stuck), daemon.looks) == (stuck, looks)
    assert standing.done == ["web", "Mail Er"][: 2 - len(stuck)]


def test_of_very_many_none_is_looked_at_again() -> None:
    daemon = Telling(LOOPING)
    names = ["Mail Er"] * 51
    assert asyncio.run(Progress(daemon, "reload", names).look_back()).done == names  # type: ignore[arg-type]
    assert daemon.looks == 0


def test_a_daemon_that_goes_meanwhile() -> None:
    daemon = Asked(UP)
    daemon.is_online = False
    with pytest.raises(Problem, match="lost meanwhile") as caught:
        waited(daemon, ["web"], patience=60.0)
    assert caught.value.status == 503
    assert waited(daemon, [], "quit", patience=60.0).reply == {}


def test_of_many_only_the_first_are_told() -> None:
    told = unfinished(Standing(left={f"w{number}": "" for number in range(8)}, took=45.2))
    assert told["text"] == "after 45 s it still goes on; w0; w1; w2; w3; w4; 3 more"
    assert len(told["waiting_for"]) == 8
