"""Who is measured: snapshots and events in every order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.stats.roster import Roster


def reply(
    workers: dict[str, dict[int, int]], *, time: float = 100.0, daemon: str = "a", pid: int = 1
) -> dict[str, Any]:
    """A reply to ``dstats`` with watchers: pids and worker ids by name."""
    watchers = {
        name: {
            "res_name": name.lower().replace(" ", "_"), "status": "active", "numprocesses": 2, "restarts": 3,
            "workers": {
                str(worker): {"wid": wid, "state": "running", "started": 50.0, "restarts": 1}
                for worker, wid in told.items()
            },
        }
        for name, told in workers.items()
    }
    return {"time": time, "daemon": daemon, "info": {"pid": pid}, "watchers": watchers}


def pids(roster: Roster) -> dict[str, list[int]]:
    return {entry.res_name: list(entry.workers) for entry in roster.groups()}


def spawn(pid: int, wid: int = 1, time: float = 101.0) -> dict[str, Any]:
    return {"process_pid": pid, "wid": wid, "time": time}


def test_a_snapshot_and_events() -> None:
    roster = Roster()
    roster.take_snapshot(reply({"Web App.x": {11: 1, 12: 2}, "circusd-stats": {7: 1}}))
    assert pids(roster) == {"web_app.x": [11, 12]}
    assert roster.roles() == {1: "circusd", 7: "circusd-stats"}
    assert not roster.take_event(b"watcher.web_app.x.reap", {"process_pid": 11})
    assert not roster.take_event(b"watcher.web_app.x.spawn", spawn(13))
    assert pids(roster) == {"web_app.x": [12, 13]}
    entry = roster.watchers["web_app.x"]
    assert (entry.name, entry.restarts, entry.workers[13].restarts) == ("Web App.x", 4, 2)


def test_killed_is_not_gone() -> None:
    roster = Roster()
    roster.take_snapshot(reply({"web": {11: 1}}))
    roster.take_event(b"watcher.web.kill", {"process_pid": 11})
    assert pids(roster) == {"web": [11]}
    assert roster.watchers["web"].workers[11].state == "stopping"


def test_stop_takes_all_of_them_along() -> None:
    roster = Roster()
    roster.take_snapshot(reply({"web": {pid: pid for pid in range(10, 20)}}))
    assert roster.take_event(b"watcher.web.stop", {"time": 1.0})
    assert pids(roster) == {"web": []}
    assert roster.watchers["web"].status == "stopped"


def test_a_removed_watcher_is_forgotten_and_a_new_one_calls_for_a_snapshot() -> None:
    roster = Roster()
    roster.take_snapshot(reply({"web": {11: 1}}))
    assert roster.take_event(b"watcher.web.remove", {})
    assert pids(roster) == {}
    assert roster.take_event(b"watcher.api.add", {})
    assert roster.take_event(b"watcher.api.spawn", spawn(5))
    assert pids(roster) == {"api": [5]}


def test_what_is_heard_while_a_snapshot_is_on_its_way_counts() -> None:
    roster = Roster()
    roster.snapshot_asked()
    roster.take_event(b"watcher.web.spawn", spawn(12, wid=2, time=101.0))
    roster.take_event(b"watcher.web.reap", {"process_pid": 11, "time": 101.5})
    roster.take_snapshot(reply({"web": {11: 1}}, time=100.0))
    assert pids(roster) == {"web": [12]}


def test_a_restart_is_not_counted_twice() -> None:
    roster = Roster()
    roster.snapshot_asked()
    roster.take_event(b"watcher.web.reap", {"process_pid": 10, "time": 99.0})
    roster.take_event(b"watcher.web.spawn", spawn(11, time=99.5))
    roster.take_snapshot(reply({"web": {11: 1}}, time=100.0))
    assert (roster.watchers["web"].restarts, roster.watchers["web"].workers[11].restarts) == (3, 1)


def test_missed_events_call_for_a_snapshot() -> None:
    roster = Roster()
    roster.take_snapshot(reply({"web": {}}))
    assert not roster.take_event(b"watcher.web.hook_success", {"seq": 5})
    assert not roster.take_event(b"watcher.web.hook_success", {"seq": 6})
    assert roster.take_event(b"watcher.web.hook_success", {"seq": 8})
    assert roster.take_event(b"watcher.web.hook_success", {"seq": 1})  # a new daemon


def test_a_new_daemon_knows_nothing_of_the_old_ones_past() -> None:
    roster = Roster()
    roster.take_snapshot(reply({"web": {11: 1}, "old": {12: 1}}))
    roster.take_snapshot(reply({"web": {21: 1}}, daemon="b", pid=2))
    assert pids(roster) == {"web": [21]}
    assert roster.daemon_pid == 2


@pytest.mark.parametrize("topic", [b"stat.web", b"watcher.", b"watcher.web", b"output.web.1"])
def test_what_is_no_event_is_refused(topic: bytes) -> None:
    with pytest.raises(ValueError, match="not an event"):
        Roster().take_event(topic, {})


@given(st.lists(st.tuples(st.sampled_from(["spawn", "reap"]), st.integers(1, 6)), max_size=40), st.data())
def test_snapshot_and_events_meet_in_any_order(history: list[tuple[str, int]], data: st.DataObject) -> None:
    """Whenever the snapshot is asked for, made, and received: in the end the roster is what the daemon is."""
    asked = data.draw(st.integers(0, len(history)))
    made = data.draw(st.integers(asked, len(history)))
    received = data.draw(st.integers(made, len(history)))
    roster, truth = Roster(), dict[int, int]()
    answer: dict[str, Any] = {}
    for number in range(len(history) + 1):
        if number == asked:
            roster.snapshot_asked()
        if number == made:
            answer = reply({"web": dict(truth)}, time=float(number))
        if number == received:
            roster.take_snapshot(answer)
        if number < len(history):
            event, pid = history[number]
            if event == "spawn":
                truth[pid] = pid
            else:
                truth.pop(pid, None)
            roster.take_event(f"watcher.web.{event}", {"process_pid": pid, "wid": pid, "time": number + 0.5})
    assert set(pids(roster).get("web", ())) == set(truth)
