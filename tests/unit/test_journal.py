"""The journal: bounded, numbered, asked from any point."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.journal import Journal

AT = 1_795_288_000.0


def filled(count: int, maxlen: int = 2000) -> Journal:
    """Events 1 to ``count``, a second apart, of the watchers ``web`` and ``One Two`` in turn."""
    journal = Journal(maxlen)
    for number in range(1, count + 1):
        name, res_name = ("web", "web") if number % 2 else ("One Two", "one_two")
        event = "spawn" if number % 3 else "reap"
        payload = {"process_pid": number, "time": AT + number, "cause": "daemon start"}
        assert journal.record(name, res_name, event, payload) == number
    return journal


def numbers(journal: Journal, *args: object, **kw: object) -> list[int]:
    return [event["seq"] for event in journal.since(*args, **kw)[0]]  # type: ignore[arg-type]


def test_an_event_is_told_with_its_watcher_and_its_payload() -> None:
    [event], more = filled(2).since(1)
    assert list(event.items()) == [
        ("seq", 2), ("watcher", "One Two"), ("res_name", "one_two"), ("event", "spawn"), ("time", AT + 2),
        ("process_pid", 2), ("cause", "daemon start"),
    ]  # fmt: skip
    assert not more


def test_an_empty_one() -> None:
    journal = Journal()
    assert journal.since() == ([], False)
    assert journal.since(0) == ([], False)
    assert (journal.first, journal.last, len(journal)) == (1, 0, 0)


def test_what_is_old_is_forgotten() -> None:
    journal = filled(10, maxlen=4)
    assert numbers(journal) == [7, 8, 9, 10]
    assert numbers(journal, 2) == [7, 8, 9, 10]
    assert (journal.first, journal.last, len(journal)) == (7, 10, 4)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (None, [1, 2, 3, 4, 5]), (0, [1, 2, 3, 4, 5]), (-7, [1, 2, 3, 4, 5]), (3, [4, 5]), (3.5, [4, 5]), (5, []),
        (99, []), (AT + 4, [4, 5]), (AT + 4.5, [5]), (AT + 99, []), (int(AT), [1, 2, 3, 4, 5]),
    ],
)  # fmt: skip
def test_since(since: float | None, expected: list[int]) -> None:
    assert numbers(filled(5), since) == expected


def test_only_some() -> None:
    journal = filled(12)
    assert numbers(journal, name="ONE TWO") == numbers(journal, name="one_two") == [2, 4, 6, 8, 10, 12]
    assert numbers(journal, name="zz") == []
    assert numbers(journal, events=["reap"]) == [3, 6, 9, 12]
    assert numbers(journal, 6, "web", ["reap"]) == [9]
    assert numbers(journal, events=[]) == []


def test_a_limit_leaves_the_rest_to_be_asked_for() -> None:
    journal = filled(10)
    assert (numbers(journal, limit=3), journal.since(limit=3)[1]) == ([8, 9, 10], True)
    assert (numbers(journal, 2, limit=3), journal.since(2, limit=3)[1]) == ([3, 4, 5], True)
    assert (numbers(journal, 7, limit=3), journal.since(7, limit=3)[1]) == ([8, 9, 10], False)


def test_a_payload_cannot_change_what_an_event_is() -> None:
    journal = Journal()
    journal.record("web", "web", "hello", {"event": "stop", "seq": 99, "watcher": "x", "time": "noon"})
    [event], _ = journal.since()
    assert (event["event"], event["seq"], event["watcher"], event["time"]) == ("hello", 1, "web", "noon")
    assert journal.since(AT) == ([], False)


def test_runs_are_told_apart() -> None:
    assert Journal().run_id != Journal().run_id
    int(Journal().run_id, 16)


@given(count=st.integers(0, 60), maxlen=st.integers(1, 40), steps=st.lists(st.integers(1, 20), min_size=1))
def test_one_who_asks_again_and_again_misses_and_doubles_nothing(count: int, maxlen: int, steps: list[int]) -> None:
    journal = filled(count, maxlen)
    told: list[int] = []
    since = journal.first - 1
    for limit in [*steps, *[7] * 60]:
        found = numbers(journal, since, limit=limit)
        told += found
        since = found[-1] if found else since
    assert told == list(range(journal.first, journal.last + 1))
