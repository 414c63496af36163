"""The table of events, and that it notices what does not conform."""

from __future__ import annotations

from typing import Any

import pytest

from circus.model.events import EVENTS, problems

COMMON: dict[str, Any] = {"cause": "stop command", "seq": 7}
REAP = {"process_pid": 1, "time": 2.5, "exit_code": -9, "expected": True, "wid": 1, "uptime": 0.5, **COMMON}


def test_every_event_of_the_contract_is_there() -> None:
    assert set(EVENTS) == {
        "spawn", "kill", "reap", "start", "stop", "reload", "updated", "add", "remove", "hook_success", "hook_failure",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_has_time_cause_and_number(name: str) -> None:
    keys = [key.name for key in EVENTS[name].keys]
    assert "time" in keys
    assert keys[-2:] == ["cause", "seq"]
    assert len(set(keys)) == len(keys)
    historical = [key.since == "0.19" for key in EVENTS[name].keys]
    assert historical == sorted(historical, reverse=True), "new keys come after the old ones"


def test_what_conforms() -> None:
    assert problems("reap", REAP) == []
    assert problems("start", {"time": 1, **COMMON}) == []
    by_hand = {key: value for key, value in REAP.items() if key not in ("wid", "uptime", "seq")}
    assert problems("reap", by_hand) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"cause": None}, "cause is None, not of type text"),
        ({"cause": ""}, "cause is '', not of type text"),
        ({"exit_code": True}, "exit_code is True, not of type integer"),
        ({"time": "noon"}, "time is 'noon', not of type number"),
        ({"expected": 1}, "expected is 1, not of type boolean"),
        ({"other": 1}, "other is not in the table"),
    ],
)
def test_what_does_not(change: dict[str, Any], found: str) -> None:
    assert problems("reap", {**REAP, **change}) == [found]


def test_missing_keys_order_and_name() -> None:
    without = {key: value for key, value in REAP.items() if key != "cause"}
    assert problems("reap", without) == ["cause is missing"]
    turned = dict(reversed(REAP.items()))
    assert "begins with" in problems("reap", turned)[0]
    assert problems("party", REAP) == ["no event is called 'party'"]
