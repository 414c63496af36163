"""Metrics as the official parsers read them, and the HTTP door they come through."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from circus.model.samples import aggregate, totals
from circus.stats.exposition import LONGEST, MetricsServer, parse_metrics_endpoint, wants_openmetrics
from circus.stats.metrics import FAMILIES, OPENMETRICS, PLAIN, Snapshot, render
from circus.stats.sampler import Group

prometheus = pytest.importorskip("prometheus_client")
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics  # noqa: E402
from prometheus_client.parser import text_string_to_metric_families as parse_plain  # noqa: E402


def worker(pid: int, wid: int | None, **more: Any) -> dict[str, Any]:
    return {
        "pid": pid, "wid": wid, "cpu": 1.5, "mem": 0.1, "age": 3.0, "cpu_time": 12.25, "rss": 4096, "vms": 8192,
        "threads": 1, "fds": 4, "read_bytes": 0, "write_bytes": None, "ctx_switches": 9, "create_time": 1000.0 + pid,
        "restarts": 2, "children_count": 0, "children_rss": 0, "cmdline": "serve", "username": "root", "name": None,
        **more,
    }


def group(name: str, infos: dict[int, dict[str, Any]], **more: Any) -> Group:
    whole = {
        **aggregate(infos), **totals(infos.values()), "restarts": 5, "status": "active", "numprocesses": 2,
        "dropped": 7, "watcher": name, **more,
    }
    return Group(name, infos, whole, dict.fromkeys(infos, 0.0))


def snapshot(**more: Any) -> Snapshot:
    web = group("web", {11: worker(11, 1), 12: worker(12, 2, cmdline='a "b\\c\nd')}, watcher='Web "x"\\')
    idle = group("idle", {}, status="stopped")
    house = group("circus", {1: worker(1, None, name="circusd"), 2: worker(2, 1, name="circusd-stats")})
    told: dict[str, Any] = {
        "groups": [web, idle, house],
        "sockets": [{
            "fd": 7, "name": "http", "address": "127.0.0.1:80", "queue": 3, "backlog": 128, "reads_total": 17,
            "drops_total": None,
        }],
        "up": True, "stall": 0.25, "took": 0.001, "overflows": 4,
    }
    return Snapshot(**{**told, **more})


def samples(families: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families for sample in family.samples
    }


@pytest.mark.parametrize(("openmetrics", "parse"), [(True, parse_openmetrics), (False, parse_plain)])
def test_the_official_parsers_read_it(openmetrics: bool, parse: Any) -> None:
    found = samples(parse(render(snapshot(), openmetrics)))
    name = ("watcher", 'Web "x"\\')
    assert found["circus_worker_cpu_seconds_total", (name, ("wid", "1"))] == 12.25
    assert found["circus_worker_resident_memory_bytes", (name, ("wid", "2"))] == 4096
    assert found["circus_watcher_processes", (name,)] == 2
    assert found["circus_watcher_restarts_total", (name,)] == 5
    assert found["circus_watcher_active", (("watcher", "idle"),)] == 0
    assert found["circus_daemon_resident_memory_bytes", (("program", "circusd"),)] == 4096
    socket = (("address", "127.0.0.1:80"), ("socket", "http"))
    assert found["circus_socket_accept_queue", socket] == 3
    assert found["circus_socket_connections_total", socket] == 17
    assert found["circus_event_loop_stall_seconds", ()] == 0.25
    assert found["circus_host_listen_overflows_total", ()] == 4
    assert found["circus_up", ()] == 1
    info = next(labels for labels, value in found.items() if labels[0] == "circus_worker_info" and "a " in str(labels))
    assert ("cmdline", 'a "b\\c\nd') in info[1]
    assert not any(key[0] in ("circus_worker_written_bytes_total", "circus_socket_drops_total") for key in found)


def test_families_know_their_type_and_unit() -> None:
    found = {family.name: family for family in parse_openmetrics(render(snapshot(), True))}
    assert found["circus_worker_cpu_seconds"].type == "counter"
    assert found["circus_worker_cpu_seconds"].unit == "seconds"
    assert found["circus_watcher_processes"].type == "gauge"
    assert set(found) <= {family.name for family in FAMILIES}


def test_names_follow_the_conventions() -> None:
    for family in FAMILIES:
        assert family.name.startswith("circus_")
        assert not family.name.endswith("_total")
        assert family.help.endswith(".")
        assert not family.unit or family.name.endswith("_" + family.unit)


def test_nothing_measured_yet() -> None:
    empty = Snapshot([], [], False, None, 0.0, None)
    assert samples(parse_openmetrics(render(empty, True)))["circus_up", ()] == 0


def test_a_worker_id_is_told_once_by_its_newest_process() -> None:
    reloading = group("web", {11: worker(11, 1, rss=1), 12: worker(12, 1, rss=2)})
    found = samples(parse_openmetrics(render(snapshot(groups=[reloading, group("circus", {})]), True)))
    assert found["circus_worker_resident_memory_bytes", (("watcher", "web"), ("wid", "1"))] == 2


# -- where ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://127.0.0.1:9100/metrics", ("127.0.0.1", 9100, "/metrics")),
        ("127.0.0.1:9100", ("127.0.0.1", 9100, "/metrics")),
        ("9100", ("127.0.0.1", 9100, "/metrics")),
        (":9100", ("127.0.0.1", 9100, "/metrics")),
        ("http://[::1]:9100/m", ("::1", 9100, "/m")),
        ("[::1]:9100", ("::1", 9100, "/metrics")),
        ("*:9100", ("0.0.0.0", 9100, "/metrics")),
        ("http://host:9100/", ("host", 9100, "/metrics")),
    ],
)
def test_endpoints(text: str, expected: tuple[str, int, str]) -> None:
    assert parse_metrics_endpoint(text) == expected


@pytest.mark.parametrize(
    "text", ["", "host", "https://h:1/", "http://h/", "http://h:99999/", "h:x", "tcp://h:1", "http://u@h:1/", "a b"]
)
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_metrics_endpoint(text)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1", True),
        ("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5", True),
        ("application/openmetrics-text;q=0", False),
        ("text/plain,application/openmetrics-text;q=0.5", False),
        ("application/openmetrics-text;q=nonsense", False),
    ],
)
def test_negotiation(accept: str, expected: bool) -> None:
    assert wants_openmetrics(accept) is expected


# -- the door -------------------------------------------------------------------------------------------


async def ask(url: str, request: bytes, *, shut: bool = False) -> bytes:
    host, port = url.split("/")[2].rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        writer.write(request)
        if shut:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        await writer.wait_closed()


def serve(scenario: Any, endpoint: str = "127.0.0.1:0", tell: Any = snapshot) -> None:
    """Run a scenario against a server."""

    async def main() -> None:
        server = MetricsServer(asyncio.get_running_loop(), endpoint, tell)
        server.start()
        try:
            assert server.url is not None
            await scenario(server.url)
        finally:
            server.close()

    asyncio.run(main())


GET = b"GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"


def test_both_formats_over_http() -> None:
    async def scenario(url: str) -> None:
        head, _, body = (await ask(url, GET + b"\r\n")).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert PLAIN.encode() in head
        assert f"Content-Length: {len(body)}".encode() in head
        assert list(parse_plain(body.decode()))
        head, _, body = (await ask(url, GET + b"Accept: application/openmetrics-text\r\n\r\n")).partition(b"\r\n\r\n")
        assert OPENMETRICS.encode() in head
        assert body.endswith(b"# EOF\n")
        assert list(parse_openmetrics(body.decode()))

    serve(scenario)


def test_several_requests_on_one_connection_and_head() -> None:
    async def scenario(url: str) -> None:
        first = b"HEAD /metrics HTTP/1.1\r\n\r\nGET /metrics?x=1 HTTP/1.1\r\n\r\n"
        said = await ask(url, first + GET + b"\r\n")
        assert said.count(b"HTTP/1.1 200 OK") == 3
        assert said.count(b"circus_up 1.0") == 2

    serve(scenario)


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /metrics SPDY/9\r\n\r\n", b"400"),
        (b"\r\n\r\n", b"400"),
    ],
)
def test_other_requests(request_head: bytes, status: bytes) -> None:
    async def scenario(url: str) -> None:
        assert (await ask(url, request_head)).split()[1] == status

    serve(scenario)


def test_endless_requests_are_cut_off() -> None:
    async def scenario(url: str) -> None:
        try:
            said = await ask(url, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 2 * LONGEST)
        except ConnectionResetError:
            said = b""
        assert said == b""
        assert b"200 OK" in await ask(url, GET + b"\r\n")

    serve(scenario)


def test_a_page_larger_than_any_socket_buffer() -> None:
    many = group("web", {pid: worker(pid, pid) for pid in range(1, 5000)})

    async def scenario(url: str) -> None:
        body = (await ask(url, GET + b"\r\n")).partition(b"\r\n\r\n")[2]
        assert len(body) > 2_000_000
        assert body.count(b"circus_worker_cpu_seconds_total{") == 4999

    serve(scenario, tell=lambda: snapshot(groups=[many, group("circus", {})]))


def test_a_failure_costs_one_connection(caplog: pytest.LogCaptureFixture) -> None:
    answers = [None, snapshot()]

    async def scenario(url: str) -> None:
        assert await ask(url, GET + b"\r\n") == b""
        assert b"200 OK" in await ask(url, GET + b"\r\n")

    with caplog.at_level(logging.ERROR, "circus"):
        serve(scenario, tell=lambda: answers.pop(0))
    assert "could not be answered" in caplog.text


def test_other_machines_are_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    async def nothing(_url: str) -> None:
        return

    with caplog.at_level(logging.WARNING, "circus"):
        serve(nothing)
        assert not caplog.records
        serve(nothing, "0.0.0.0:0")
    assert "CAN BE READ FROM OTHER MACHINES" in caplog.text


def test_a_port_that_is_taken_is_tried_again(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("circus.stats.exposition.RETRY", 0.01)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        first = MetricsServer(loop, "127.0.0.1:0", snapshot)
        first.start()
        assert first.url is not None
        second = MetricsServer(loop, first.url, snapshot)
        second.start()
        assert second.url is None
        url = first.url
        first.close()
        for _ in range(500):
            if second.url is not None:
                break
            await asyncio.sleep(0.01)
        assert second.url == url
        second.close()

    with caplog.at_level(logging.ERROR, "circus"):
        asyncio.run(main())
    assert "trying again" in caplog.text
