"""The tree of one daemon, from what is heard of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.model.dashboard import COLUMNS, Dashboard, Endpoint, View, parse_filter, visible_rows
from circus.model.dashboard.columns import cell_text
from tests.unit.top.stories import NOW, event, live, old_sample, sample, total


def tree(endpoint):
    """Names and pids: ``{"web": [12, 13]}``."""
    return {node.name: list(node.children) for node in endpoint.root.children.values()}


def web(endpoint):
    return endpoint.root.children["web"]


def test_samples_make_watchers_and_workers():
    endpoint = live()
    endpoint.take("stat", sample(12, wid=1), NOW)
    endpoint.take("stat", sample(13, wid=2), NOW)
    assert tree(endpoint) == {"web": [12, 13]}
    worker = web(endpoint).children[12]
    assert (worker.name, worker.values["rss"], worker.values["state"]) == ("web.1", 1000, "running")


def test_sums_are_those_of_the_workers():
    endpoint = live()
    for pid in (12, 13):
        endpoint.take("stat", sample(pid, cpu=2.5, rss=100), NOW)
    endpoint.take("stat", total(numprocesses=3, restarts=4), NOW)
    endpoint.tick(NOW)
    values = web(endpoint).values
    assert (values["cpu"], values["rss"], values["procs"], values["procs_of"]) == (5.0, 200, 2, 3)
    assert (values["restarts"], endpoint.root.values["restarts"]) == (4, 4)


@pytest.mark.parametrize("name", ["web app.x", "a.b.12", "plugin:fl", "web.1"])
def test_names_with_dots_and_blanks(name):
    endpoint = live()
    endpoint.take("stat", sample(12, name), NOW)
    endpoint.take("stat", total(name), NOW)
    assert tree(endpoint) == {name: [12]}


def test_old_daemons_tell_less():
    endpoint = live()
    endpoint.take("stat", old_sample(12), NOW)
    worker = web(endpoint).children[12]
    assert (worker.values["rss"], worker.values["fds"], worker.values["read"]) == (1.5 * 2**20, None, None)


def test_what_is_not_available_is_unknown():
    endpoint = live()
    endpoint.take("stat", sample(12, cpu="N/A", rss=None, mem_info1="N/A", age="N/A", uptime=None), NOW)
    endpoint.take("stat", total(), NOW)
    values = web(endpoint).values
    assert (values["cpu"], values["rss"], values["age"]) == (None, None, None)


def test_rates_are_differences():
    endpoint = live()
    endpoint.take("stat", sample(12, write_bytes=1000, dropped=5), NOW)
    endpoint.take("stat", sample(12, write_bytes=5000, dropped=5, time=NOW + 2), NOW + 2)
    values = web(endpoint).children[12].values
    assert (values["write"], values["read"], values["dropping"], values["dropped"]) == (2000.0, 0.0, 0.0, 5)


def test_the_daemon_and_its_helpers_are_together():
    endpoint = live()
    endpoint.take("stat", sample(1, "circus", name="circusd"), NOW)
    endpoint.take("stat", sample(2, "circus", name="circusd-stats"), NOW)
    endpoint.take("stat", sample(2, "circusd-stats"), NOW)
    assert tree(endpoint) == {"circus": [1, 2]}


def test_sockets():
    endpoint = live()
    told = {"fd": 4, "subtopic": 4, "reads": 7, "address": "127.0.0.1:80", "name": "http", "queue": 2, "backlog": 128}
    endpoint.take("stat", ["stat.sockets.4", told], NOW)
    endpoint.take("stat", ["stat.sockets", {"addresses": ["127.0.0.1:80"], "reads": 7}], NOW)
    node = endpoint.root.children[" sockets"].children[4]
    values = node.values
    assert (node.name, values["queue"], values["queue_of"], values["reads"]) == ("http 127.0.0.1:80", 2, 128, 7)


def test_statuses_tell_of_watchers_without_processes_and_of_removed_ones():
    endpoint = live()
    endpoint.take("statuses", {"web": "active", "One Two": "stopped", "circusd-stats": "active"}, NOW)
    assert {node.name: node.values["state"] for node in endpoint.root.children.values()} == {
        "web": "active",
        "One Two": "stopped",
    }
    endpoint.take("statuses", {"web": "active"}, NOW)
    assert list(tree(endpoint)) == ["web"]


def test_polling_is_a_whole_picture_each_time():
    endpoint = live()
    info = {"pid": 12, "cpu": 1.0, "mem_info1": "1.00K", "children": [{"pid": 20, "cmdline": "kid"}], "wid": 1}
    endpoint.take("stats", {"infos": {"web": {"12": info, "13": "No such process (stopped?)"}}}, NOW)
    assert tree(endpoint) == {"web": [12]}
    assert [child.name for child in web(endpoint).children[12].children.values()] == ["kid"]
    assert web(endpoint).children[12].values["kids"] == 1
    endpoint.take("stats", {"infos": {"web": {}}}, NOW + 1)
    assert tree(endpoint) == {"web": []}


def test_held_back_watchers():
    endpoint = live()
    conditions = {"web": {"retry_in": {"1": 4.0, "2": 2.5}}}
    endpoint.take("stats", {"infos": {"web": {}}, "conditions": conditions}, NOW)
    assert web(endpoint).values["retry_in"] == 2.5


def test_events_are_followed_at_once():
    endpoint = live()
    endpoint.take("event", event("spawn", seq=1, process_pid=12, wid=3), NOW)
    assert web(endpoint).children[12].name == "web.3"
    endpoint.take("event", event("kill", seq=2, process_pid=12), NOW)
    assert web(endpoint).children[12].values["state"] == "stopping"
    endpoint.take("event", event("reap", seq=3, process_pid=12, exit_code=0, expected=True), NOW)
    assert tree(endpoint) == {"web": []}
    endpoint.take("event", event("stop", seq=4), NOW)
    assert web(endpoint).values["state"] == "stopped"
    endpoint.take("event", event("remove", seq=5), NOW)
    assert tree(endpoint) == {}


def test_what_was_measured_before_an_end_and_comes_after_it_brings_nobody_back():
    """Else a worker that was replaced is shown for some seconds more, and after its successor."""
    endpoint = live()
    endpoint.take("event", event("spawn", seq=1, process_pid=12, wid=3), NOW)
    endpoint.take("stat", sample(12, wid=3), NOW)
    endpoint.take("event", event("reap", seq=2, process_pid=12, wid=3, time=NOW + 1), NOW + 1)
    endpoint.take("event", event("spawn", seq=3, process_pid=13, wid=3, time=NOW + 1), NOW + 1)
    endpoint.take("stat", sample(12, wid=3, time=NOW + 1.1), NOW + 1.2)
    endpoint.take("stat", old_sample(12), NOW + 1.2)
    endpoint.take("stat", sample(14, wid=4, time=NOW + 1.1), NOW + 1.2)  # nobody told that it began
    assert tree(endpoint) == {"web": [13, 14]}
    endpoint.take("stat", sample(12, wid=5, time=NOW + 9), NOW + 9)  # the number was used again
    assert 12 in web(endpoint).children


def test_a_process_that_got_the_number_of_another_one_is_shown_at_once():
    endpoint = live()
    endpoint.take("event", event("reap", seq=1, process_pid=12, wid=3), NOW)
    endpoint.take("event", event("spawn", seq=2, process_pid=12, wid=1), NOW)
    endpoint.take("stat", sample(12, wid=1), NOW)
    assert tree(endpoint) == {"web": [12]}


def test_what_was_measured_of_a_removed_watcher_does_not_bring_it_back():
    endpoint = live()
    endpoint.take("stat", total(), NOW)
    endpoint.take("event", event("remove", seq=1, time=NOW + 1), NOW + 1)
    endpoint.take("stat", total(), NOW + 1)
    endpoint.take("stat", sample(12), NOW + 1)
    assert tree(endpoint) == {}
    endpoint.take("event", event("add", seq=2, time=NOW + 1), NOW + 1)
    endpoint.take("stat", total(time=NOW + 1), NOW + 1)
    assert tree(endpoint) == {"web": []}


def test_a_journal_tells_of_ends_in_their_order():
    endpoint = live()
    told = [("spawn", 12), ("reap", 12), ("spawn", 12)]
    journal = [
        {"seq": seq, "watcher": "web", "res_name": "web", "event": name, "time": NOW, "process_pid": pid}
        for seq, (name, pid) in enumerate(told, 1)
    ]
    endpoint.take("event", event("spawn", seq=3, process_pid=12), NOW)
    endpoint.take("journal", {"events": journal, "daemon": "abc"}, NOW)
    endpoint.take("stats", {"infos": {"web": {}}}, NOW)
    endpoint.take("stat", sample(12), NOW)
    assert tree(endpoint) == {"web": [12]}


def test_unexpected_ends_count_as_restarts_where_nobody_counts_them():
    endpoint = Endpoint("e")
    endpoint.take("connected", {}, NOW)
    endpoint.take("source", {"source": "polling"}, NOW)
    for seq, expected in ((1, False), (2, True), (3, False)):
        end = event("reap", seq=seq, process_pid=9, wid=1, exit_code=-9, expected=expected)
        endpoint.take("event", end, NOW)
    endpoint.take("stats", {"infos": {"web": {"12": {"pid": 12, "wid": 1}}}}, NOW)
    values = web(endpoint).values
    assert (values["restarts"], web(endpoint).children[12].values["restarts"], values["exit"]) == (2, 2, -9)


def test_the_journal_and_live_events_are_one_story():
    endpoint = live()
    endpoint.take("event", event("spawn", seq=7, process_pid=12, time=NOW + 7), NOW + 7)
    journal = [
        {"seq": seq, "watcher": "web", "res_name": "web", "event": "reap", "time": NOW + seq} for seq in (5, 6, 7)
    ]
    endpoint.take("journal", {"events": journal, "last": 7, "first": 1, "daemon": "abc"}, NOW + 8)
    assert [happening.seq for happening in endpoint.events] == [5, 6, 7]
    endpoint.take("journal", {"events": journal, "last": 7, "first": 1, "daemon": "abc"}, NOW + 8)
    endpoint.take("event", event("spawn", seq=7, process_pid=12, time=NOW + 7), NOW + 9)
    assert [happening.seq for happening in endpoint.events] == [5, 6, 7]


def test_what_the_journal_tells_before_it_is_told_live_changes_the_tree():
    """The statistics were told first, then a worker was replaced, and the events of that came by the journal."""
    endpoint = live()
    endpoint.take("source", {"source": "stream"}, NOW)
    endpoint.take("stats", {"infos": {"web": {"12": {"pid": 12, "wid": 1}, "14": {"pid": 14, "wid": 2}}}}, NOW)
    told = [("spawn", 12, 1), ("spawn", 14, 2), ("reap", 12, 1), ("spawn", 13, 1), ("kill", 14, 2)]
    journal = [
        {"seq": seq, "watcher": "web", "res_name": "web", "event": name, "time": NOW, "process_pid": pid, "wid": wid}
        for seq, (name, pid, wid) in enumerate(told, 1)
    ]
    endpoint.take("journal", {"events": journal, "daemon": "abc"}, NOW + 1)
    assert {pid: node.values["state"] for pid, node in web(endpoint).children.items()} == {
        14: "stopping", 13: "running",
    }  # fmt: skip
    endpoint.take("event", event("reap", seq=6, process_pid=14, wid=2), NOW + 2)
    old = [{**journal[0], "seq": 0, "event": "spawn", "process_pid": 14, "watcher": "gone", "res_name": "gone"}]
    endpoint.take("journal", {"events": [*journal, *old], "daemon": "abc"}, NOW + 2)  # nothing rises again
    assert list(web(endpoint).children) == [13]
    assert "gone" not in endpoint.root.children


def test_a_journal_after_the_connection_was_lost_tells_nothing_twice():
    endpoint = live()
    journal = [
        {"seq": seq, "watcher": "web", "res_name": "web", "event": "reap", "time": NOW, "expected": False, "wid": 1}
        for seq in (1, 2)
    ]
    endpoint.take("journal", {"events": journal, "daemon": "abc"}, NOW)
    endpoint.take("lost", {"why": ""}, NOW + 1)
    endpoint.take("connected", {}, NOW + 2)
    endpoint.take("event", event("reap", seq=3, expected=False, wid=1), NOW + 3)
    endpoint.take("journal", {"events": journal, "daemon": "abc"}, NOW + 3)
    assert [happening.seq for happening in endpoint.events] == [1, 2, 3]
    endpoint.take("lost", {"why": ""}, NOW + 4)
    endpoint.take("connected", {}, NOW + 4)
    endpoint.take("event", event("reap", seq=1, expected=False, wid=1, time=NOW + 5), NOW + 5)
    endpoint.take("journal", {"events": [{**journal[0], "time": NOW + 5}], "daemon": "def"}, NOW + 5)
    assert [happening.seq for happening in endpoint.events] == [1, 2, 3, 1]
    endpoint.take("stats", {"infos": {"web": {"12": {"pid": 12, "wid": 1}}}}, NOW + 5)
    assert web(endpoint).children[12].values["restarts"] == 1


def test_a_daemon_that_was_started_anew_counts_from_the_beginning():
    endpoint = live()
    endpoint.take("journal", {"events": [], "last": 40, "daemon": "abc"}, NOW)
    endpoint.take("event", event("spawn", seq=40, process_pid=12, time=NOW), NOW)
    endpoint.take("lost", {"why": ""}, NOW + 1)
    endpoint.take("connected", {}, NOW + 2)
    endpoint.take("journal", {"events": [], "last": 0, "daemon": "def"}, NOW + 2)
    endpoint.take("event", event("spawn", seq=1, process_pid=13, time=NOW + 3), NOW + 3)
    assert [happening.seq for happening in endpoint.events] == [40, 1]


def test_what_is_no_longer_heard_of_is_dropped():
    endpoint = live(timeout=3.0)
    endpoint.take("stat", sample(12), NOW)
    endpoint.take("stat", sample(13), NOW)
    endpoint.take("stat", sample(13, time=NOW + 3.5), NOW + 3.5)
    endpoint.tick(NOW + 4)
    assert tree(endpoint) == {"web": [13]}


def test_nobody_is_dropped_while_nothing_is_measured_at_all():
    endpoint = live(timeout=3.0)
    endpoint.take("stat", sample(12), NOW)
    endpoint.tick(NOW + 60)
    assert tree(endpoint) == {"web": [12]}


def test_values_of_a_lost_daemon_stay_until_it_is_back():
    endpoint = live()
    endpoint.take("stat", sample(12), NOW)
    endpoint.take("lost", {"why": "nobody answers"}, NOW + 1)
    endpoint.tick(NOW + 100)
    assert (endpoint.state, endpoint.note, tree(endpoint)) == ("lost", "nobody answers", {"web": [12]})
    endpoint.take("connected", {"control": "tcp://h:1"}, NOW + 101)
    assert (endpoint.state, tree(endpoint)) == ("live", {"web": []})


def test_history_goes_before_what_was_measured():
    endpoint = live()
    endpoint.take("stat", sample(12, cpu=9.0), NOW)
    series = {"time": [NOW - 2, NOW - 1, NOW], "cpu": [1.0, 2.0, 3.0], "rss": [1, 2, 3]}
    told = {"web.12": series, "web": {**series, "cpu_sum": [4.0, 5.0, 6.0]}, "gone.99": series}
    endpoint.take("history", {"series": told}, NOW)
    worker = web(endpoint).children[12].history
    assert worker.window("cpu", NOW - 2, NOW + 1, 3) == [1.0, 2.0, 9.0]
    assert web(endpoint).history.window("cpu", NOW - 2, NOW, 2) == [4.0, 5.0]
    endpoint.take("long_history", {"series": told}, NOW)
    assert web(endpoint).past is not None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.sampled_from(sorted(live()._takers)), _JSON), max_size=8))
def test_no_input_ends_the_dashboard(inputs):
    endpoint = live()
    for kind, data in inputs:
        endpoint.take(kind, data, NOW)


_KEYS = sorted({*sample(1)[1], *total()[1], "queue", "backlog", "reads", "fd", "overflows", "query_endpoint"})


@given(st.data())
def test_nonsense_where_numbers_should_be_is_shown_as_nothing(data):
    made = Dashboard()
    made.take("e", "connected", {}, NOW)
    topics = st.sampled_from(["stat.web.12", "stat.web", "stat.circus.1", "stat.sockets.4", "stat.", "x"])
    for second in range(data.draw(st.integers(1, 6))):
        payload = {**sample(12)[1], **data.draw(st.dictionaries(st.sampled_from(_KEYS), _JSON, max_size=6))}
        made.take("e", "stat", [data.draw(topics), payload], NOW + second)
        made.take("e", "statuses", data.draw(_JSON), NOW + second)
        made.take("e", "sizes", {"web": data.draw(_JSON)}, NOW + second)
        made.tick(NOW + second)
        made.alerts(NOW + second)
    for key in COLUMNS:
        for row in visible_rows(made, View(sort=key, filter=parse_filter("cpu>1 or rss<5 or web"))):
            for column in COLUMNS.values():
                assert isinstance(cell_text(row.node.values, column), str)
    json.dumps(made.as_dict())


@given(st.data())
def test_whatever_comes_in_which_order_the_tree_is_that_of_the_last_picture(data):
    endpoint = live()
    pids = st.integers(1, 6)
    for _ in range(data.draw(st.integers(0, 12))):
        kind = data.draw(st.sampled_from(["stat", "spawn", "reap", "poll"]))
        pid = data.draw(pids)
        if kind == "stat":
            endpoint.take("stat", sample(pid), NOW)
        elif kind == "poll":
            endpoint.take("stats", {"infos": {"web": {str(pid): {"pid": pid}}}}, NOW)
        else:
            endpoint.take("event", event(kind, process_pid=pid), NOW)
    last = set(data.draw(st.lists(pids)))
    endpoint.take("stats", {"infos": {"web": {str(pid): {"pid": pid} for pid in last}}}, NOW)
    assert set(web(endpoint).children) == last
    assert web(endpoint).values["procs"] == len(last)


def test_deaths_of_the_last_hour():
    endpoint = live()
    endpoint.take("stat", sample(12, wid=1), NOW)
    endpoint.take("stat", sample(13, wid=2), NOW)
    for seq, age, expected in ((1, 4000, False), (2, 3000, False), (3, 2000, True), (4, 1000, False)):
        told = {"process_pid": seq, "wid": 1 if seq < 4 else 2, "exit_code": 3, "expected": expected}
        endpoint.take("event", event("reap", seq=seq, time=NOW - age, **told), NOW)
    endpoint.tick(NOW)
    counts = [node.values["died_hour"] for node in (endpoint.root, web(endpoint), *web(endpoint).children.values())]
    assert counts == [2, 2, 1, 1]
    endpoint.take("stat", sample(12, wid=1, time=NOW + 3600), NOW + 3600)
    endpoint.tick(NOW + 3600)
    assert web(endpoint).values["died_hour"] == 0


def test_what_was_asked_in_vain_is_said():
    endpoint = live()
    for watcher, pid in (("web", 12), ("web", 13), ("api", 14)):
        endpoint.take("stat", sample(pid, watcher), NOW)
    endpoint.take("stat", total("stopped", status="stopped"), NOW)
    def summed():
        for watcher in ("web", "api"):
            endpoint.take("stat", total(watcher), NOW)
        endpoint.tick(NOW)

    def told(node):
        return tuple(cell_text(node.values, COLUMNS[key]) for key in ("pss", "uss"))

    endpoint.take("memory", {"12": {"pss": 2048, "uss": 1024}, "13": {"pss": 2048, "uss": "N/A"}}, NOW)
    summed()
    assert told(web(endpoint)) == ("4.0K", "-")
    assert told(endpoint.root) == ("", "")  # api was not asked yet
    endpoint.take("memory", {"14": {"pss": 1024, "uss": 1024}}, NOW)
    summed()
    assert told(endpoint.root) == ("5.0K", "-")
    endpoint.take("memory", {}, NOW)
    summed()
    assert {told(node) for node in endpoint.root.walk()} == {("", "")}
