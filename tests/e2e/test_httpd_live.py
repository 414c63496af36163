"""circus-httpd: what live pages are told, over the life of daemons, to fast and to slow readers."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from harness import Daemon, child_command, eventually
from tests.e2e.console import Browser, Console, Json, WebSocket, console_of, patched

INI = "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 2\n[watcher:off]\ncmd = sleep 98765\nautostart = False\n"


def the_only(document: Json) -> Json:
    [endpoint] = document["endpoints"].values()
    found: Json = endpoint
    return found


def test_an_overview_is_a_snapshot_and_what_changes(tmp_path: Path) -> None:
    with Daemon(tmp_path, f"statsd = True\n{INI}") as daemon, console_of(daemon) as console:
        ada = console.admin()
        [told] = console.online(ada)
        assert ada.api("/watchers")["watchers"]  # else the first snapshot may have none yet
        with ada.socket() as page:
            hello = page.read()
            assert hello is not None
            assert hello["type"] == "hello"

            def is_measured(document: Json) -> bool:
                web = the_only(document)["watchers"].get("web", {})
                return web.get("count") == 2 and "rss" in web and "cmd" in web

            document = page.topic("overview", is_measured)
            endpoint = the_only(document)
            assert (endpoint["id"], endpoint["online"], endpoint["endpoint"]) == (told["id"], True, daemon.endpoint)
            assert endpoint["totals"]["active"] == 1
            assert set(endpoint["watchers"]) == {"web", "off", "probe"}
            assert endpoint["watchers"]["off"]["status"] == "stopped"
            snapshot = next(message for message in page.heard if message["type"] == "snapshot")
            assert len(the_only(snapshot["data"])["watchers"]["web"]["spark"]["cpu"]) == 60
            grown = page.until(lambda message: "append" in message)
            assert len(the_only(grown["append"])["watchers"]["web"]["spark"]["rss"]) == 1
            ada.api("/watchers/off/start", {})
            began = time.monotonic()
            page.topic("overview", lambda document: the_only(document)["watchers"]["off"]["status"] == "active")
            assert time.monotonic() - began < 8
            assert {message["epoch"] for message in page.heard if "epoch" in message} == {hello["epoch"]}
            page.send({"unsubscribe": ["overview"]})
            page.until(lambda message: message["type"] == "tick", 10)


def test_a_watcher_with_all_about_it(tmp_path: Path) -> None:
    with Daemon(tmp_path, f"statsd = True\n{INI}") as daemon, console_of(daemon) as console:
        ada = console.admin()
        [told] = console.online(ada)
        topic = f"watcher:{told['id']}/web"
        with ada.socket() as page, ada.socket() as other:
            document = page.topic(topic, lambda data: "why" in data and len(data["workers"]) == 2)
            assert [worker["pid"] for worker in document["workers"].values()] == daemon.pids("web")
            assert document["options"]["numprocesses"] == 2
            assert document["why"]["cause"]
            assert {event["event"] for event in document["events"]} >= {"spawn", "start"}
            os.kill(daemon.pids("web")[0], signal.SIGKILL)
            document = page.topic(topic, lambda data: "last_exit" in data["watcher"] and data["why"].get("exits"))
            assert document["watcher"]["last_exit"]["text"] == "killed by SIGKILL"
            assert document["watcher"]["rate"] == 1
            assert document["why"]["exits"][-1]["exit"] == "killed by SIGKILL"

            def whole(reader: WebSocket, seconds: float) -> list[float]:
                """The instants of the series that a page has, put together from a snapshot and what was appended."""
                times: list[float] = []
                end = time.monotonic() + seconds
                reader.send({"subscribe": [topic]})
                while time.monotonic() < end:
                    message = reader.until(lambda message: message.get("topic") == topic)
                    if message["type"] == "snapshot":
                        times = list(message["data"]["series"]["time"])
                    times += message.get("append", {}).get("series", {}).get("time", [])
                return times

            for reader in (page, other):
                times = whole(reader, 3)
                assert times == sorted(set(times))
                kept = ada.api("/watchers/web/stats")["series"]["time"]
                missed = [at for at in kept if times[0] <= at <= times[-1] and at not in times]
                assert not missed, "a page has all that was measured"
            page.send({"subscribe": [f"watcher:{told['id']}/nobody"]})
            assert "no watcher nobody" in page.until(lambda message: message["type"] == "gone")["reason"]
            ada.api("/watchers/web", method="DELETE")
            page.until(lambda message: message["type"] == "gone" and message["topic"] == topic)
            ada.api("/watchers", {"name": "web", "cmd": "sleep 98765"}, status=201)
            page.topic(topic, lambda data: len(data["workers"]) == 1)


def test_wrong_wishes_are_answered_and_the_page_goes_on(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon) as console:
        ada = console.admin()
        console.online(ada)
        with ada.socket() as page:
            for wish in ({"subscribe": ["nonsense"]}, {"subscribe": "overview"}, {"subscribe": [5]}, {"logs": 5},
                         {"logs": {"lines": -1}}, {"logs": {"endpoint": "nosuch"}}, {"endpoint": 5},
                         {"subscribe": ["watcher:"]}, {"subscribe": ["watcher:" + "x" * 1000]}):  # fmt: skip
                page.send(wish)
                assert page.until(lambda message: message["type"] == "problem")["data"]["status"] in (404, 422)
            page._frame(1, b"nonsense")
            assert page.until(lambda message: message["type"] == "problem")["data"]["status"] == 400
            page._frame(1, b"[]")
            page._frame(2, b"\xff")
            page.topic("overview")
            page._frame(1, b"x" * 60_000)
            page.topic("overview")
            page.send({"subscribe": [f"watcher:w{number}" for number in range(100)]})
            assert page.until(lambda message: message["type"] == "problem")["data"]["status"] == 409


def test_lines_without_gap_and_double(tmp_path: Path) -> None:
    count = 1200  # not too many a second: of those that come at once after a stall some are left out
    ini = f"capture = True\n[watcher:talk]\ncmd = {child_command('writes_lines', 'line', count, 0.004, 0, 1)}\n{INI}"
    with Daemon(tmp_path, ini) as daemon, console_of(daemon) as console:
        ada = console.admin()
        [told] = console.online(ada)
        with ada.socket() as page:
            page.send({"logs": {"endpoint": told["id"], "watchers": ["talk"], "lines": 5000}})
            first = page.until(lambda message: message["type"] == "lines")
            assert first["first"] is True
            assert first["captured"] == {"talk": True}
            texts = [line["text"] for line in first["lines"]]
            numbers = [int(text.split()[1]) for text in texts]

            def take(message: Json) -> bool:
                if message["type"] == "lines":
                    assert message["lost"] == 0
                    numbers.extend(int(line["text"].split()[1]) for line in message["lines"])
                return numbers[-1:] == [count - 1]

            page.until(take, 30)
            assert numbers == list(range(numbers[0], count))
            page.send({"logs": {"watchers": None, "lines": 3}})
            everything = page.until(lambda message: message.get("first"))
            assert everything["captured"] == {"talk": True, "web": True, "off": True, "probe": True}
            page.send({"logs": {"watchers": ["nobody"], "lines": 3}})
            assert "nobody" in page.until(lambda message: message.get("first"))["problem"]
            page.send({"logs": None})
        eventually(lambda: "Traceback" not in console.log)


def test_events_are_told_as_they_happen(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon) as console:
        ada = console.admin()
        [told] = console.online(ada)
        with ada.socket() as page:
            document = page.topic("events", lambda data: data.get("events"))
            assert {event["endpoint"] for event in document["events"]} == {told["id"]}
            ada.api("/watchers/web/restart", {})
            heard = page.until(lambda message: message["type"] == "event" and message["data"]["event"] == "stop")
            assert heard["endpoint"] == told["id"]
            assert heard["data"]["watcher"] == "web"
            assert heard["data"]["cause"] == "restart command (circus-httpd link user@127.0.0.1)"
            for topic in ("sockets", "plugins", "daemon"):
                assert the_only(page.topic(topic))["online"] is True
            daemon_page = page.topic("daemon", lambda data: "globals" in the_only(data) and "pid" in the_only(data))
            assert the_only(daemon_page)["pid"] == daemon.pid
            assert daemon_page["console"]["pages"] == 1


def test_a_daemon_goes_and_comes_back(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon) as console:
        ada = console.admin()
        [told] = console.online(ada)
        assert ada.get("/readyz").status == 200
        with ada.socket() as page:
            page.topic("overview", lambda document: the_only(document)["totals"].get("processes") == 2)
            before = daemon.pids("web")
            daemon.stop()
            gone = page.until(lambda message: message["type"] == "offline")
            assert gone["endpoint"] == told["id"]
            assert gone["since"] == pytest.approx(time.time(), abs=20)
            page.topic("overview", lambda document: the_only(document)["online"] is False)
            assert ada.get("/readyz").json == {"status": "unavailable", "daemons": 1, "online": 0}
            assert ada.get("/readyz").status == 503
            assert ada.get("/healthz").status == 200
            refused = ada.api("/watchers", status=503)
            assert refused["endpoint"] == told["id"]
            assert ada.api("/watchers/web/stop", {}, status=503)["circusctl"]
            daemon.start()
            page.until(lambda message: message["type"] == "online", 30)
            page.topic("overview", lambda data: the_only(data)["online"] and
                       the_only(data)["totals"].get("processes") == 2 and
                       the_only(data)["watchers"]["web"].get("status") == "active")  # fmt: skip
            watcher = page.topic(f"watcher:{told['id']}/web", lambda data: len(data["workers"]) == 2)
            assert not {worker["pid"] for worker in watcher["workers"].values()} & set(before)
            assert daemon.status("web") == "active"


def test_several_daemons(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with Daemon(tmp_path / "one", INI) as one, Daemon(tmp_path / "two", INI) as two:  # noqa: SIM117
        with console_of(one, "--endpoint", two.endpoint) as console:
            ada = console.admin()
            endpoints = {each["endpoint"]: each["id"] for each in console.online(ada, 2)}
            ada.api(f"/watchers/web/stop?endpoint={endpoints[two.endpoint]}", {})
            assert (one.status("web"), two.status("web")) == ("active", "stopped")
            with ada.socket() as page:
                page.topic("overview", lambda data: len(data["endpoints"]) == 2)
                ada.api(f"/endpoints/{endpoints[two.endpoint]}", method="DELETE")
                page.topic("overview", lambda data: len(data["endpoints"]) == 1)
                ada.api("/endpoints", {"endpoint": two.endpoint}, status=201)
                page.topic("overview", lambda data: len(data["endpoints"]) == 2 and all(
                    each["online"] for each in data["endpoints"].values()))  # fmt: skip
            for wrong in ("nonsense", "udp://1.2.3.4:5", "inproc://x", "tcp://nowhere"):
                ada.api("/endpoints", {"endpoint": wrong}, status=422)
            for wrong in ("-oProxyCommand=x", "a b", "$(x)"):
                ada.api("/endpoints", {"endpoint": two.endpoint, "ssh": wrong}, status=422)
            ada.api("/endpoints/nosuch", method="DELETE", status=404)


def resident(console: Console) -> int:
    return psutil.Process(console.process.pid).memory_info().rss


@pytest.mark.slow
def test_slow_readers_cost_nobody_anything(tmp_path: Path) -> None:
    """Fifty pages that follow a flood of output and never read: bounded memory, and a quick page stays quick."""
    flood = child_command("writes_lines", "x", 0, 0.02, 1000, 50)
    ini = f"capture = True\nstatsd = True\n[watcher:flood]\ncmd = {flood}\n{INI}"
    with Daemon(tmp_path, ini) as daemon, console_of(daemon) as console:
        ada = console.admin()
        [told] = console.online(ada)
        headers = {"Origin": ada.origin, "Cookie": "; ".join(f"{n}={v}" for n, v in ada.cookies.items())}
        slow = [WebSocket(console.port, "/ws", headers, receive_buffer=4096) for _ in range(50)]
        try:
            before = resident(console)
            for reader in slow:
                reader.send({"subscribe": ["overview", "events", f"watcher:{told['id']}/web"]})
                reader.send({"logs": {"endpoint": told["id"], "watchers": ["flood"], "lines": 2000}})
            with ada.socket() as quick:
                quick.topic("overview", lambda document: the_only(document)["totals"].get("processes", 0) >= 3)
                time.sleep(4)
                longest = 0.0
                for _ in range(5):
                    began = time.monotonic()
                    ada.api("/watchers/web/incr", {})
                    ada.api("/watchers/web/decr", {})
                    longest = max(longest, time.monotonic() - began)
                assert longest < 8
                started = time.monotonic()
                quick.topic("overview")
                assert time.monotonic() - started < 8
                # Each may have an outbox of 1 MiB, what the socket holds, and one message that is on its way.
                assert resident(console) - before < 50 * 2.5 * 2**20
                middle = resident(console)
                time.sleep(3)
                assert resident(console) - middle < 20 * 2**20
            reader = slow[0]
            reader.sock.settimeout(20)
            lost = 0

            def caught_up(message: Json) -> bool:
                nonlocal lost
                lost += message.get("lost", 0) if message["type"] == "lines" else 0
                return lost > 0

            reader.until(caught_up, 20)
            document = reader.topic("overview", deadline=20)
            assert the_only(document)["online"] is True
        finally:
            for reader in slow:
                reader.close()
        eventually(lambda: ada.api("/watchers/web")["status"] == "active")


def test_a_page_of_somebody_who_was_logged_out_is_closed(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon) as console:
        ada = console.admin()
        console.online(ada)
        with ada.socket() as page:
            page.topic("overview")
            ada.api("/logout", {})

            def is_closed() -> bool:
                return page.read(10) is None

            eventually(is_closed, 10)
            assert page.code == 4401


def test_a_first_page_is_small_and_quick(tmp_path: Path) -> None:
    with Daemon(tmp_path, INI) as daemon, console_of(daemon) as console:
        anybody = Browser(console.port)
        page = anybody.get("/", Accept_Encoding="gzip")
        assert page.headers["Content-Encoding"] == "gzip"
        plain = anybody.get("/")
        tag = plain.headers["ETag"]
        assert anybody.get("/", If_None_Match=tag).status == 304
        import re

        names = re.findall(r'(?:href|src)="(static/[^"]+)"', plain.text)
        assert names
        began, total = time.monotonic(), len(page.raw)
        for name in names:
            answer = anybody.get(f"/{name}", Accept_Encoding="gzip")
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
            total += len(answer.raw)
        assert total < 300_000
        assert time.monotonic() - began < 5
        unversioned = re.sub(r"static/[0-9a-f]{12}/", "static/", names[0])
        assert anybody.get(f"/{unversioned}").headers["Cache-Control"] == "no-cache"
        assert anybody.request("HEAD", "/").raw == b""


def test_patches_are_put_together_as_the_rfc_says() -> None:
    document = {"a": 1, "b": {"c": 2, "d": 3}}
    assert patched(document, {"a": None, "b": {"c": None}, "e": [1]}) == {"b": {"d": 3}, "e": [1]}
    assert json.dumps(patched([1], {"a": 1})) == '{"a": 1}'
