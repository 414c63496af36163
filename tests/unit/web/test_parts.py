"""Parts of the live pages that need neither server nor daemon."""

from __future__ import annotations

import asyncio
import json
import math
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from circus.model.dashboard import Endpoint
from circus.top.subscription import Subscription
from circus.top.targets import Target
from circus.web import channels
from circus.web.assets import Assets
from circus.web.audit import Audit
from circus.web.endpoints import endpoint_id, label_of
from circus.web.news import News
from circus.web.notices import Notices
from circus.web.oldroutes import decode_endpoint
from circus.web.output import MOST_LINES, MOST_TEXT, MOST_TIMES, Follower, OutputRelay, lines_of, newest
from circus.web.pictures import coarse_span, consumers, overview, problems_of, sockets_of, spark
from circus.web.problems import Problem
from circus.web.records import Records
from circus.web.sparks import Sparks


def event(seq, name, key="web", at=0.0, **more):
    return [f"watcher.{key}.{name}", {"seq": seq, "time": at or float(seq), "cause": "test", **more}]


# -- news ---------------------------------------------------------------------------------------------------


def test_ends_of_workers_are_counted():
    news = News()
    assert news.take_event(*event(1, "spawn", process_pid=5))["watcher"] == "web"
    assert news.take_event(*event(1, "spawn", process_pid=5)) is None
    for seq in range(2, 6):
        news.take_event(*event(seq, "reap", process_pid=seq, exit_code=-9 if seq == 5 else 1, expected=False))
    news.take_event(*event(6, "reap", process_pid=6, exit_code=0, expected=True))
    assert news.last_exit("web") == {"text": "killed by SIGKILL", "time": 5.0, "pid": 5, "code": -9}
    assert news.rate("web", 10.0) == 4
    assert news.rate("web", 63.0) == 3
    assert news.rate("web", 100.0) == 0
    assert news.rate("other", 1.0) == 0
    assert [each["seq"] for each in news.last(2)] == [5, 6]
    assert news.last(5, "other") == []


def test_a_journal_fills_gaps_and_another_daemon_begins_anew():
    news = News()
    news.take_event(*event(5, "stop", cause="gave up"))
    told = [{"seq": seq, "res_name": "web", "watcher": "Web", "event": "start", "time": seq} for seq in (3, 4, 5)]
    news.take_journal({"daemon": "a", "events": told[:2]})
    assert [each["seq"] for each in news.last(9)] == [3, 4], "it was of nobody known"
    news.take_event(*event(5, "stop", cause="gave up"))
    news.take_journal({"daemon": "a", "events": told})
    assert [each["seq"] for each in news.last(9)] == [3, 4, 5]
    assert news.last_stop("web") == "gave up"
    news.take_journal({"daemon": "b", "events": []})
    assert news.last(9) == []


# -- pictures -----------------------------------------------------------------------------------------------


def model_with(watchers=("web",), state="active"):
    model = Endpoint("x")
    model.take("connected", {}, 1.0)
    model.take("statuses", dict.fromkeys(watchers, state), 1.0)
    return model


def test_an_overview_counts():
    model = model_with(["Web One", "plugin:flap", "circusd-stats"])
    told = overview(model, News(), 2.0, {"web_one": {"cmd": "x", "numprocesses": 9}})
    assert told["totals"]["watchers"] == 2
    assert told["watchers"]["Web One"]["cmd"] == "x"
    assert told["watchers"]["plugin:flap"]["plugin"] is True
    assert json.dumps(told)


@pytest.mark.parametrize(
    ("cause", "code", "text"),
    [
        ("exited with 78, which stop_exit_codes says is final", 78,
         "stopped by itself: exited with 78, which stop_exit_codes says is final"),
        ("stop command (plugin:flap)", 1, "stopped by plugin:flap; its last process exited with 1"),
        ("stop command (plugin:flap)", None, "stopped by plugin:flap"),
        ("stop command (circusctl root@h pid 1)", 1, ""), ("SIGTERM", 1, ""), ("configuration", None, ""),
        ("stop() in a program", None, ""), ("", None, ""),
        ("respawn is off", 0, ""),
        ("respawn is off", 3, "stopped by itself: respawn is off; its last process exited with 3"),
    ],
)  # fmt: skip
def test_one_that_nobody_stopped_is_a_problem(cause, code, text):
    news = News()
    if code is not None:
        for seq in (1, 2, 3):
            news.take_event(*event(seq, "reap", process_pid=seq, exit_code=code, expected=False))
    news.take_event(*event(4, "stop", cause=cause))
    found = problems_of(model_with(state="stopped"), news, 5.0)
    assert found == ({"web": ("bad", text)} if text else {})
    assert problems_of(model_with(), news, 5.0) == {}, "it runs again"


def test_a_stop_that_is_older_than_all_events_is_asked_for():
    news = News()
    news.take_stop("web", "stop command (plugin:flap)")
    news.take_stop("web", "another")
    assert news.last_stop("web") == "stop command (plugin:flap)"
    news.take_event(*event(9, "stop", cause="SIGTERM"))
    assert news.last_stop("web") == "SIGTERM"


def test_failures_after_an_event():
    news = News()
    assert (news.seq, news.ends_since(0)) == (0, {})
    news.take_event(*event(1, "reap", exit_code=1, expected=False))
    news.take_event(*event(2, "reap", "a", exit_code=0, expected=False))
    news.take_event(*event(3, "reap", "b", exit_code=-9, expected=True))
    news.take_event(*event(4, "reap", "c", exit_code=-9, expected=False))
    assert news.seq == 4
    assert news.ends_since(0) == {}, "nothing was started: they fail by themselves"
    for seq, name in enumerate(("web", "a", "b", "c"), 5):
        news.take_event(*event(seq, "reload" if name == "web" else "start", name))
    assert news.ends_since(1) == {"c": "killed by SIGKILL"}
    assert news.ends_since(0) == {"c": "killed by SIGKILL", "web": "exited with 1"}
    assert [each["seq"] for each in news.since(6)] == [8, 7]


def test_who_uses_a_socket():
    users = {
        "all": {"use_sockets": True, "cmd": "x"}, "one": {"use_sockets": True, "cmd": "x $(circus.sockets.HTTP)"},
        "other": {"use_sockets": True, "cmd": "x", "args": "--fd $(circus.sockets.api)"}, "none": {"cmd": "x"},
    }  # fmt: skip
    assert consumers("http", users) == ["all", "one"]
    listed = [{"fd": 3, "name": "http", "host": "::1", "port": 80, "backlog": 5}, {"fd": 4, "name": "u", "path": "/x"}]
    told = sockets_of(model_with(), listed, {})
    assert (told["http"]["family"], told["http"]["address"], told["u"]["family"]) == ("ipv6", "::1:80", "unix")


def test_spans_change_as_seldom_as_they_are_read():
    spans = [coarse_span(value) for value in (1.9, 59.9, 61, 3599, 3700, None, "x")]
    assert spans == [1, 59, 60, 3590, 3660, None, None]


# -- histories ----------------------------------------------------------------------------------------------


@given(st.integers(0, 30), st.integers(0, 30))
def test_what_is_appended_completes_what_was_told(count, until):
    model = model_with()
    node, records = model.root.children["web"], Records()
    for second in range(count):
        node.values["cpu"] = float(second)
        records.take([node], 100.0 + second, {"web": 2})
    begun = records.series(node, until=100.0 + until)
    rest = records.series(node, since=100.0 + until)
    whole = records.series(node)
    assert {name: begun[name] + rest[name] for name in whole} == whole
    assert whole["time"] == [100.0 + second for second in range(count)]
    assert whole["queue"] == [2.0] * count
    assert {len(column) for column in whole.values()} == {count}


def test_the_time_before_comes_from_the_model():
    model = model_with()
    node, records = model.root.children["web"], Records()
    for second in range(10):
        node.history.append(90.0 + second, {"cpu": 1.0, "rss": 5.0, "count": 1.0})
    records.take([node], 100.0, {})
    told = records.series(node)
    assert told["time"] == [90.0 + second for second in range(11)]
    assert told["cpu"][0] == 1.0
    assert told["read_rate"][0] is None
    records.take([], 101.0, {})
    assert records.last("web") == 0.0


@pytest.mark.parametrize("recorded", [0, 1, 3])
@pytest.mark.parametrize("pages", [1, 2])
def test_a_page_misses_no_sample_behind_its_snapshot(recorded, pages):
    """Also when nothing has been recorded yet: a console that has just begun, a watcher among very many."""
    model = model_with()
    daemon = SimpleNamespace(model=model, records=Records())
    channel = channels.Watcher(SimpleNamespace(), "watcher:x/web", daemon, "web")
    nodes = [model.root.children["web"]]
    now = time.time()
    times = [round(now - recorded + number, 2) for number in range(recorded + 3)]

    def record(at):
        daemon.records.take(nodes, at, {})

    for at in times[:recorded]:
        record(at)
    channel.viewers = set(range(pages))
    told = list(channel.extra(now - 0.5)["series"]["time"])
    for at in times[recorded:]:
        record(at)
        told += channel.growth(at).get("series", {}).get("time", [])
    assert told == times


def test_sparklines_grow_and_stay_a_minute_long():
    model = model_with()
    node, sparks = model.root.children["web"], Sparks()
    sparks.grow("x", [node], 100.0)
    assert len(sparks.of("x")["web"]["cpu"]) == 60
    node.values["cpu"] = 7.04
    sparks.grow("x", [node], 101.0)
    told = sparks.of("x")["web"]["cpu"]
    assert (len(told), told[-1]) == (60, 7.0)
    assert spark(node, 101.0)["rss"] == [None] * 60
    sparks.grow("x", [], 102.0)
    assert sparks.of("x") == {}


# -- output -------------------------------------------------------------------------------------------------


def batch(lines, offset=0, pid=5, watcher="web", **more):
    return {"watcher": watcher, "res_name": watcher, "wid": 1, "pid": pid, "stream": "stdout", "time": 1.0,
            "offset": offset, "lines": lines, **more}  # fmt: skip


def test_lines_that_were_told_are_left_out():
    found = lines_of([batch(["a", "é", "c"], offset=10)], {"5.stdout": 12})
    assert [(line["offset"], line["text"]) for line in found] == [(12, "é"), (15, "c")]


@given(st.lists(st.integers(0, 40_000), max_size=20), st.integers(0, 1200))
def test_only_as_much_is_told_as_anybody_could_read(sizes, more):
    lines = [{"text": "x" * size, "time": 1.0} for size in sizes] + [{"text": "y"}] * more
    kept, left_out = newest(lines)
    assert kept == lines[left_out:]
    assert len(kept) <= MOST_LINES
    assert sum(len(line["text"]) for line in kept) <= MOST_TEXT + 40_000
    if lines:
        assert kept


@pytest.mark.parametrize(
    ("span", "times"), [(0.05, 1), (0.2, 2), (60.0, MOST_TIMES), (-5.0, 1), (math.nan, 1), (math.inf, 4), ("x", 1)]
)
def test_what_took_longer_to_write_may_be_more(span, times):
    lines = [{"text": "x", "time": 0.0}] * 9_999 + [{"text": "x", "time": span}]
    kept, left_out = newest(lines)
    assert (len(kept), left_out) == (MOST_LINES * times, 10_000 - MOST_LINES * times)


class Anybody:
    id = "x"


def told_to(follower):
    return [json.loads(text) for text, _ in follower.heard]


class Listener(Follower):
    def __init__(self, watchers=(), lines=10):
        self.heard = []
        super().__init__(watchers, lines, lambda text, count: self.heard.append((text, count)))


def test_a_relay_tells_everybody_without_gap_and_double():
    async def story():
        relay = OutputRelay(Anybody())
        early, late, other = Listener(["web"]), Listener(), Listener(["api"])
        relay._followers = {early, late, other}
        late.early = other.early = None
        relay._hear("output.web.1", batch(["a", "b"], offset=0, seq=0))
        relay._flush()
        relay._tell_past(early, {"lines": [{"text": "a", "watcher": "web"}], "ends": {"5.stdout": 2}}, "")
        relay._hear("output.web.1", batch(["c"], offset=4, seq=2))
        relay._hear("output.web.1", batch(["g"], offset=12, seq=6, lost=1))
        relay._hear("watcher.web.spawn", {})
        relay._flush()
        relay.close()
        return told_to(early), told_to(late), told_to(other)

    early, late, other = asyncio.run(story())
    assert [[line["text"] for line in message["lines"]] for message in early] == [["a"], ["b"], ["c", "g"]]
    assert [[line["text"] for line in message["lines"]] for message in late] == [["a", "b"], ["c", "g"]]
    assert [message["lost"] for message in late] == [0, 3]
    assert early[0]["first"] is True
    assert other == []


def test_the_past_is_asked_for_when_the_subscription_has_arrived(tmp_path):
    """However long the connection takes: what is written between the answer and the subscription, nobody would tell."""
    endpoint = f"ipc://{tmp_path}/pub"

    class Slow(Anybody):
        ssh = None
        pubsub = endpoint
        target = Target("x", endpoint)
        arrived = None

        def __init__(self, context):
            self.context = context

        async def call(self, command, properties):
            self.arrived = self.publisher.poll(0)
            return {"lines": [], "ends": {}}

    async def story():
        with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
            daemon = Slow(context)
            daemon.publisher = publisher
            relay = OutputRelay(daemon)
            following = asyncio.ensure_future(relay.follow(Listener(["web"])))
            await asyncio.sleep(0.5)
            publisher.bind(endpoint)
            await following
            relay.close()
            return daemon.arrived

    assert asyncio.run(story())


def test_who_is_not_there_is_not_waited_for_for_ever(tmp_path):
    async def story():
        with zmq.Context() as context:
            subscription = Subscription(context, f"ipc://{tmp_path}/nobody", ["output."], print, awaited=True)
            await subscription.open()
            try:
                return await subscription.wait_connected(0.05)
            finally:
                subscription.close()
                subscription.close()  # contract: may be called again

    assert asyncio.run(story()) is False


@given(st.integers(0, 12), st.integers(0, 12), st.lists(st.integers(1, 4), max_size=8), st.sets(st.integers(0, 8)))
def test_however_past_and_present_overlap(before, told, sizes, flushes):
    """The past has the first lines; live batches begin somewhere before its end, and are gathered in any way."""

    async def story():
        relay, follower = OutputRelay(Anybody()), Listener()
        relay._followers = {follower}
        start = min(before, told)
        batches, position = [], start
        for size in sizes:
            texts = [f"{number:03}" for number in range(position, position + size)]
            batches.append(batch(texts, offset=4 * position, seq=position - start))
            position += size
        half = len(batches) // 2
        for number, each in enumerate(batches):
            if number == half:
                past = [{"text": f"{line:03}", "watcher": "web"} for line in range(told)]
                relay._tell_past(follower, {"lines": past, "ends": {"5.stdout": 4 * told}}, "")
            relay._hear("output.web.1", each)
            if number in flushes:
                relay._flush()
        if follower.early is not None:
            past = [{"text": f"{line:03}", "watcher": "web"} for line in range(told)]
            relay._tell_past(follower, {"lines": past, "ends": {"5.stdout": 4 * told}}, "")
        relay._flush()
        relay.close()
        found = [line["text"] for message in told_to(follower) for line in message["lines"]]
        assert found == [f"{number:03}" for number in range(max(told, position))]

    asyncio.run(story())


# -- small things -------------------------------------------------------------------------------------------


def test_ids_and_names_of_daemons():
    assert endpoint_id("tcp://a:1") == endpoint_id("tcp://a:1") != endpoint_id("tcp://a:1", "me@h")
    assert label_of("tcp://127.0.0.1:5555") == "localhost:5555"
    assert label_of("ipc:///run/circus/ctl", "me@h") == "circus/ctl at me@h"


@pytest.mark.parametrize("text", ["", "!!!!", "a", "é", "/w=="])
def test_what_is_no_endpoint_in_an_old_address(text):
    if text:
        with pytest.raises(Problem):
            decode_endpoint(text)
    else:
        assert decode_endpoint(text) == ""


def test_notices_are_told_once():
    notices = Notices()
    for number in range(30):
        notices.add("a", str(number))
    assert notices.take("a") == [str(number) for number in range(10, 30)]
    assert notices.take("a") == []
    for number in range(2000):
        notices.add(str(number), "x")
    assert len(notices._texts) == 1000


def test_the_audit_log_has_one_line_for_each(tmp_path, caplog):
    audit = Audit(tmp_path / "audit")
    audit.note("stop", user="a\nb", role="admin", address="::1", target="x")
    (tmp_path / "audit").rename(tmp_path / "old")
    audit.reopen()
    audit.note("start", user="a", role="admin", address="::1")
    audit.close()
    [line] = (tmp_path / "old").read_text().splitlines()
    assert json.loads(line)["user"] == "a\nb"
    assert json.loads((tmp_path / "audit").read_text())["action"] == "start"
    assert [entry["action"] for entry in audit.recent] == ["stop", "start"]
    with pytest.raises(OSError, match="No such"):
        Audit(tmp_path / "nowhere" / "audit")


def test_files_have_addresses_that_change_with_them(tmp_path):
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "main.js").write_text("export {};\n" * 100)
    (tmp_path / "index.html").write_text('<head><base href="/"><script src="static/js/main.js"></script></head>')
    first = Assets(tmp_path, "/x")
    assert f'<base href="/x/"><script src="static/{first.version}/js/main.js">'.encode() in first.index.data
    asset, is_kept = first.find(f"{first.version}/js/main.js")
    assert is_kept
    assert asset.content_type.startswith("text/javascript")
    assert len(asset.small) < len(asset.data)
    assert first.find("js/main.js") == (asset, False)
    assert first.find("0000/js/main.js") == (None, False)
    assert first.find(f"{first.version}/../index.html") == (None, True)
    (tmp_path / "js" / "main.js").write_text("export {}\n")
    (tmp_path / "index.html").write_text("<head></head>")
    second = Assets(tmp_path, '"><x')
    assert second.version != first.version
    assert b'<head><base href="&quot;&gt;&lt;x/">' in second.index.data
    assert b"missing" in Assets(tmp_path / "nowhere", "").index.data


def test_the_page_loads_nothing_from_elsewhere():
    import circus.web.console as console

    for path in Path(console.STATIC).rglob("*"):
        if path.suffix in (".js", ".css", ".html"):
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
            assert "http://" not in text.replace('"http://"', ""), path
            assert "https://" not in text, path
            assert "eval(" not in text, path
