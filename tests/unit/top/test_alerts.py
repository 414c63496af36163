"""What somebody should look at."""

from __future__ import annotations

from circus.model.dashboard import find_alerts
from tests.unit.top.stories import NOW, board, event, live, sample, total


def alerts(endpoint, now=NOW):
    return [alert.text for alert in find_alerts(endpoint, now)]


def test_nothing_to_see():
    assert alerts(board(("stat", sample(12)), ("stat", total())).endpoints["e"]) == []


def test_flapping():
    endpoint = live()
    endpoint.take("stat", sample(12), NOW)
    for seq in range(1, 4):
        endpoint.take("event", event("reap", seq=seq, process_pid=1, exit_code=1, expected=False), NOW)
    assert alerts(endpoint) == ["web: 3 workers died within a minute"]
    assert alerts(endpoint, NOW + 4) != []
    assert "web: 3 workers died within a minute" not in alerts(endpoint, NOW + 120)


def test_asked_for_ends_are_no_flapping():
    endpoint = live()
    for seq in range(1, 9):
        endpoint.take("event", event("reap", seq=seq, process_pid=1, exit_code=-15, expected=True), NOW)
    assert alerts(endpoint) == []


def test_too_few_workers():
    endpoint = live()
    endpoint.take("stat", sample(12), NOW)
    endpoint.take("stat", total(numprocesses=3), NOW)
    assert alerts(endpoint) == ["web: 1 of 3 workers"]
    endpoint.take("statuses", {"web": "stopped"}, NOW)
    assert alerts(endpoint) == []


def test_held_back():
    endpoint = live()
    endpoint.take("stats", {"infos": {"web": {}}, "conditions": {"web": {"retry_in": {"1": 4.0}}}}, NOW)
    assert alerts(endpoint) == ["web: held back, next try in 4s"]


def test_lost_output():
    endpoint = live()
    for second in range(2):
        endpoint.take("stat", sample(12, dropped=second * 2048, time=NOW + second), NOW + second)
        endpoint.take("stat", total(time=NOW + second), NOW + second)
    assert alerts(endpoint, NOW + 1) == ["web: 2.0K of output a second get lost"]


def test_queues():
    endpoint = live()
    sock = {"fd": 4, "subtopic": 4, "address": "h:80", "name": "http", "queue": 110, "backlog": 128, "overflows": 2}
    endpoint.take("stat", ["stat.sockets.4", sock], NOW)
    assert alerts(endpoint) == ["http h:80: 110 of 128 connections wait", "listen queues overflow on this host"]


def test_a_leak():
    endpoint = live()
    for second in range(90):
        at = NOW + second
        endpoint.take("stat", sample(12, wid=1, rss=(30 << 20) + second * (1 << 20), time=at), at)
        endpoint.take("stat", sample(13, wid=2, rss=30 << 20, time=at), at)
    assert alerts(endpoint, at) == ["web.1: memory keeps growing, 119M now"]


def test_old_values_and_lost_connections():
    endpoint = live()
    endpoint.take("stat", sample(12), NOW)
    assert alerts(endpoint, NOW + 30) == ["values are 30s old"]
    endpoint.take("lost", {"why": "nobody answers"}, NOW)
    assert alerts(endpoint) == ["no connection: nobody answers"]
