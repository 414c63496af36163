"""Topics, sums, rates and what is remembered: pure functions of numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.model.samples import (
    WATCHER_COLUMNS,
    Downsampler,
    History,
    StatSample,
    aggregate,
    decode_topic,
    encode_topic,
    rates,
    totals,
)

names = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1, max_size=20)
pids = st.integers(1, 4_194_304)


# -- topics ---------------------------------------------------------------------------------------------


@given(names, pids)
def test_a_topic_survives_whatever_the_name_is(name: str, pid: int) -> None:
    assert decode_topic(encode_topic(name, pid), {"subtopic": pid}) == (name, str(pid))
    assert decode_topic(encode_topic(name), {"pid": [pid]}) == (name, None)


@pytest.mark.parametrize(
    ("topic", "stat", "expected"),
    [
        (b"stat.web", None, ("web", None)),
        (b"stat.web.12", None, ("web", "12")),
        (b"stat.web app.x.12", None, ("web app.x", "12")),
        (b"stat.web.1", {"pid": []}, ("web.1", None)),  # the sum of a watcher called web.1
        (b"stat.web.1.12", {"subtopic": 12}, ("web.1", "12")),
        (b"stat.plugin:a.b.C", {}, ("plugin:a.b.C", None)),
        ("stat.sockets.7", {"subtopic": 7}, ("sockets", "7")),
        (b"stat.7", {"subtopic": 7}, ("7", None)),
    ],
)
def test_topics_are_parsed_from_both_ends(topic: bytes, stat: dict[str, object] | None, expected: object) -> None:
    assert decode_topic(topic, stat) == expected


@pytest.mark.parametrize("topic", [b"", b"stat", b"stat.", b"watcher.web.spawn", b"\xff"])
def test_other_topics_are_refused(topic: bytes) -> None:
    with pytest.raises(ValueError, match="not a topic"):
        decode_topic(topic)


# -- sums -----------------------------------------------------------------------------------------------


def test_the_sum_of_ten() -> None:
    infos = {pid: {"cpu": pid / 10, "mem": 1.5, "age": pid} for pid in range(10)}
    assert aggregate(infos) == {"pid": list(range(10)), "cpu": 0.45, "mem": 15.0, "age": 9}


def test_the_sum_of_nothing() -> None:
    assert aggregate({}) == {"pid": [], "cpu": 0.0, "mem": 0, "age": "N/A"}


def test_what_one_does_not_tell_nobody_tells() -> None:
    infos = {1: {"cpu": 1.0, "mem": 2.0, "age": 5}, 2: {"cpu": "N/A", "mem": "N/A", "age": "N/A"}}
    assert aggregate(infos) == {"pid": [1, 2], "cpu": "N/A", "mem": "N/A", "age": 5}


@given(st.dictionaries(pids, st.fixed_dictionaries({
    "cpu": st.floats(0, 1e4), "mem": st.floats(0, 100), "age": st.floats(0, 1e9)
}), min_size=1))
def test_a_sum_lies_where_its_parts_are(infos: dict[int, dict[str, float]]) -> None:
    whole = aggregate(infos)
    cpus = [info["cpu"] for info in infos.values()]
    assert min(cpus) - 1e-3 <= whole["cpu"] <= max(cpus) + 1e-3
    assert whole["age"] == max(info["age"] for info in infos.values())
    assert whole["pid"] == list(infos)


def test_totals_take_what_is_unknown_for_nothing() -> None:
    assert totals([{"rss": 5, "cpu": 1.25}, {"rss": None, "cpu": "N/A"}]) == {"rss": 5, "cpu_sum": 1.2, "count": 2}


# -- rates ----------------------------------------------------------------------------------------------


def test_rates_are_per_second() -> None:
    found = rates(StatSample(10.0, 1.0, 100, 0, 7), StatSample(12.0, 2.0, 300, 0, 17))
    assert (found.cpu, found.read_bytes, found.write_bytes, found.ctx_switches) == (50.0, 100.0, 0.0, 5.0)


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.integers(0, 10**15), st.integers(0, 10**15))
def test_a_rate_is_never_negative_and_never_an_error(t1: float, t2: float, a: int, b: int) -> None:
    found = rates(StatSample(t1, float(a), a, None), StatSample(t2, float(b), b, None))
    assert found.write_bytes is None
    assert (found.read_bytes is None) == (b < a or t2 <= t1)
    assert found.read_bytes is None or found.read_bytes >= 0


# -- history --------------------------------------------------------------------------------------------

COLUMNS = ("cpu", "rss")


@given(st.integers(1, 30), st.lists(st.one_of(st.none(), st.floats(0, 1000, width=32)), max_size=100))
def test_history_is_bounded_and_in_step(kept: int, values: list[float | None]) -> None:
    history = History(kept)
    for number, value in enumerate(values):
        history.tick(1000.0 + number)
        if value is not None:
            history.record("web", COLUMNS, (value, 4096.0))
    assert len(history) <= kept + max(1, kept // 10)
    series = history.series("web")
    assert len({len(column) for column in series.values()}) <= 1
    told = dict(zip(series.get("time", ()), series.get("cpu", ()), strict=True))
    for number, value in list(enumerate(values))[-kept:]:
        if value is None:
            assert told.get(1000.0 + number) is None
        else:
            assert told[1000.0 + number] == pytest.approx(value, abs=1e-3)


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, math.nan]), st.integers(1, 90)), max_size=8), st.integers(70, 200)
)
def test_what_stays_the_same_is_told_as_if_it_did_not(runs: list[tuple[float, int]], kept: int) -> None:
    values = [value for value, times in runs for _ in range(times)]
    history = History(kept)
    for number, value in enumerate(values):
        history.tick(float(number))
        history.record("web", COLUMNS, (value, float(number)))
    series = history.series("web")
    count = len(history)
    assert series == ({} if not values else {
        "time": list(range(len(values)))[-count:],
        "cpu": [None if math.isnan(value) else value for value in values][-count:],
        "rss": list(range(len(values)))[-count:],
    })


def test_history_since() -> None:
    history = History(100)
    for number in range(10):
        history.tick(float(number))
        history.record("a", COLUMNS, (number, number))
        if number >= 5:
            history.record("late", COLUMNS, (number, number))
    assert history.series("a", since=7.0) == {"time": [8.0, 9.0], "cpu": [8.0, 9.0], "rss": [8, 9]}
    assert history.series("late", since=1.0)["time"] == [5.0, 6.0, 7.0, 8.0, 9.0]
    assert history.series("a", since=99.0) == {"time": [], "cpu": [], "rss": []}
    assert history.series("nobody") == {}
    history.forget("a")
    history.forget("a")
    assert history.names() == ["late"]


def test_what_nobody_tells_of_any_more_is_dropped_in_the_end() -> None:
    history = History(10)
    history.tick(0.0)
    history.record("gone", COLUMNS, (1, 1))
    for number in range(1, 40):
        history.tick(float(number))
    assert history.names() == []


def test_unknown_values_are_null() -> None:
    history = History(10)
    history.tick(1.0)
    history.record("a", COLUMNS, (math.nan, 7.9))
    assert history.series("a") == {"time": [1.0], "cpu": [None], "rss": [7]}


def test_downsampling_means_and_last() -> None:
    minutes = Downsampler(60.0)
    assert minutes.due(119.0) is None
    minutes.add("web", [1.0, 3.0, 1.0, 100.0, 0.0, 2.0, 4.0])
    minutes.add("web", [3.0, math.nan, 1.0, 300.0, 0.0, 2.0, 5.0])
    assert minutes.due(120.0) == 60.0
    values = dict(zip(WATCHER_COLUMNS, minutes.take(WATCHER_COLUMNS)["web"], strict=True))
    assert (values["cpu"], values["cpu_sum"], values["rss"], values["restarts"]) == (2.0, 3.0, 200.0, 5.0)
    assert minutes.take(WATCHER_COLUMNS) == {}
    assert minutes.due(150.0) is None
    assert minutes.due(100.0) == 120.0  # the clock was set back: another span all the same
