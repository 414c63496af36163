"""The screen, driven by its keys against a daemon that is a script."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import time
from pathlib import Path

import pytest

from circus.top import build_parser
from circus.top.app import TopApp
from circus.top.memory import recall
from circus.top.widgets.dialogs import Choice, ColumnChooser, Confirm, Help
from circus.top.widgets.palette import Palette
from tests.unit.top.fakedaemon import SILENT, FakeDaemon

PATIENCE = 10.0


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("circus.top.acting._OVERDUE", 2)  # the daemon here tells no events of what it is told to do
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def daemon(short_path):
    with FakeDaemon(short_path) as fake:
        yield fake


@pytest.fixture
def short_path(tmp_path_factory):
    return tmp_path_factory.mktemp("t")


class Stage:
    """The application under test and what can be seen of it."""

    def __init__(self, app, pilot):
        self.app, self.pilot = app, pilot
        self.main = app.main

    @property
    def text(self):
        """All lines of the screen in front."""
        lines = self.app.screen._compositor.render_strips(self.app.size)
        return "\n".join("".join(segment.text for segment in strip) for strip in lines)

    async def press(self, *keys):
        await self.pilot.press(*keys)

    async def type(self, text):
        """Type into the line that has the focus, all at once."""
        self.app.focused.value = text
        self.app.focused.cursor_position = len(text)
        await self.pilot.pause()

    async def enter(self, text, *keys):
        """Type into the line that has the focus after these keys, and press Enter."""
        await self.press(*keys)
        await self.type(text)
        await self.press("enter")

    async def sees(self, pattern, patience=PATIENCE):
        """Wait until a line of the screen fits."""
        await self.until(lambda: re.search(pattern, self.text), f"{pattern!r} in", patience)

    async def until(self, condition, what="", patience=PATIENCE):
        end = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < end, f"not: {what}\n{self.text}"
            await self.pilot.pause(0.02)

    async def click(self, text, condition):
        """Click on a text on the screen until it had its effect: lines may move while one aims."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"clicking on {text!r} did nothing\n{self.text}"
            lines = self.text.split("\n")
            line = next((y for y, each in enumerate(lines) if text in each), None)
            if line is not None:
                await self.pilot.click(offset=(lines[line].index(text), line))

    async def begin_at(self, pattern):
        """Wait until workers are shown; then put the cursor on the first row whose name fits."""
        await self.sees(r"web\.1")
        await self.choose(pattern)

    async def choose(self, pattern):
        """Put the cursor on the first row whose name fits."""
        rows = self.main.table.rows
        self.main.table.move_to(next(at for at, row in enumerate(rows) if re.search(pattern, row.node.name)))
        await self.pilot.pause()


def play(scenario, *arguments, size=(120, 32)):
    """Run a scenario with the application on the stage."""

    async def run():
        app = TopApp(build_parser().parse_args([str(each) for each in arguments]))
        async with app.run_test(size=size) as pilot:
            await scenario(Stage(app, pilot))

    asyncio.run(asyncio.wait_for(run(), 6 * PATIENCE))


def at(daemon, scenario, *arguments, **more):
    play(scenario, "--control", daemon.control, *arguments, **more)


# -- seeing ---------------------------------------------------------------------------------------------------------


def test_first_screen_is_full(daemon):
    async def scenario(stage):
        await stage.sees(r"web +active +3/3 +6\.0 ")
        await stage.sees(r"web\.1 +101 running +1\.0 .* 101M")
        await stage.sees(r"report +stopped +0/1")
        await stage.sees(r"circus-top .* 2 watchers 3 workers")
        await stage.sees("● stream")

    at(daemon, scenario)


def test_polling_is_said_plainly(short_path):
    async def scenario(stage):
        await stage.sees(r"web\.1 +101 running")
        await stage.sees("set statsd = True to see the past and i/o: no statistics stream here, polling")
        await stage.sees(r"http 127.0.0.1:80")

    with FakeDaemon(short_path, streams=False) as fake:
        at(fake, scenario)


def test_what_to_do_about_polling_fits_a_narrow_screen(short_path):
    async def scenario(stage):
        await stage.sees("set statsd = True to see the past and i/o")

    with FakeDaemon(short_path, streams=False) as fake:
        at(fake, scenario, size=(60, 14))


def test_a_stream_that_is_missed_is_named_on_a_narrow_screen(short_path):
    async def scenario(stage):
        await stage.sees("no statistics at tcp://127.0.0.1:9: polling")

    with FakeDaemon(short_path, streams=False) as fake:
        at(fake, scenario, "--endpoint", "tcp://127.0.0.1:9", size=(60, 14))


def test_nobody_there(short_path):
    async def scenario(stage):
        await stage.sees("connecting … nobody answers")
        with FakeDaemon(short_path):
            await stage.sees(r"web\.1 +101 running")

    play(scenario, "--control", f"ipc://{short_path}/c")


def test_a_daemon_that_goes_away_and_comes_back(daemon):
    async def scenario(stage):
        await stage.sees(r"web\.1 +101")
        daemon.end()
        await stage.sees("connection lost .*connecting again")
        await stage.sees(r"web\.1 +101 \?")
        daemon.pids = [201, 202]
        daemon.__enter__()
        await stage.sees(r"web\.2 +202 running")
        assert "101" not in stage.text

    at(daemon, scenario)


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (160, 45), (30, 8)])
def test_any_size(daemon, size):
    async def scenario(stage):
        await stage.sees(r"web")
        for key in ("1", "2", "3", "4", "z", "escape", "escape", "question_mark"):
            await stage.press(key)
            await stage.until(lambda: {len(line) for line in stage.text.split("\n")} == {size[0]}, key)
        await stage.sees("Keys")

    at(daemon, scenario, size=size)


def test_several_daemons(daemon, tmp_path_factory):
    async def scenario(stage):
        await stage.sees("2 of 2 daemons")
        await stage.sees(r"▾ .*/c +live")
        other.end()
        await stage.sees("1 of 2 daemons")
        await stage.sees(r"web\.1 +101 running")

    with FakeDaemon(tmp_path_factory.mktemp("u"), workers=1) as other:
        at(daemon, scenario, "--control", other.control)


def test_daemons_are_discovered(daemon, tmp_path_factory, monkeypatch):
    monkeypatch.setattr("circus.top.discovery.PATIENCE", 60.0)  # what is told while it looks stays to be seen

    async def scenario(stage):
        await stage.sees("no daemon yet")
        await stage.sees("looking for daemons at udp://127.0.0.1:")
        stage.app.session._take_found(daemon.control)
        await stage.sees(r"web\.1 +101 running")
        stage.app.session._take_found(daemon.control)  # they answer each time
        stage.app.session._take_found(other.control)
        await stage.sees("2 of 2 daemons")

    with FakeDaemon(tmp_path_factory.mktemp("u"), workers=1) as other:
        play(scenario, "--discover", "udp://127.0.0.1:9")


def test_statistics_alone(daemon, monkeypatch):
    async def scenario(stage):
        await stage.sees(r"web\.1 +101 running")
        await stage.sees("only statistics: name the daemon with --control")
        await stage.choose("web.1")
        await stage.press("r", "y")
        await stage.sees("not connected")

    monkeypatch.setenv("CIRCUSCTL_ENDPOINT", "ipc:///nowhere/at/all")
    play(scenario, "--endpoint", daemon.stats)


def test_a_thousand_rows(short_path):
    async def scenario(stage):
        await stage.sees("1000 workers")
        await stage.press("asterisk", "M", "end")
        await stage.sees(r"report")
        began = time.thread_time()  # neither the load of others counts, nor what the stream costs the daemon here
        for _ in range(20):
            await stage.press("up")
        assert time.thread_time() - began < 3

    with FakeDaemon(short_path, workers=1000) as fake:
        at(fake, scenario)


# -- the table ------------------------------------------------------------------------------------------------------


def test_sorting_by_key_and_by_mouse_is_remembered(daemon):
    async def scenario(stage):
        await stage.sees(r"web\.1 +101")
        await stage.press("M")
        await stage.sees(r"RSS▼(.*\n)+.*web\.3(.*\n)+.*web\.1")
        await stage.press("M")
        await stage.sees(r"RSS▲(.*\n)+.*web\.1(.*\n)+.*web\.3")
        head = stage.text.split("\n")
        line = next(y for y, text in enumerate(head) if "CPU%" in text)
        await stage.pilot.click(offset=(head[line].index("CPU%"), line))
        await stage.sees("CPU%▼")
        await stage.press("q")

    at(daemon, scenario)
    assert (recall()["sort"], recall()["reverse"]) == ("cpu", True)
    mode = Path(recall.__globals__["memory_path"]()).stat().st_mode & 0o777
    assert mode == 0o600


def test_folding_and_the_flat_list(daemon):
    async def scenario(stage):
        await stage.begin_at(r"^web$")
        await stage.press("left")
        await stage.until(lambda: "web.1" not in stage.text)
        await stage.press("right")
        await stage.sees(r"web\.1")
        await stage.choose(r"web\.2")
        await stage.press("left")
        assert stage.main.table.current.name == "web"
        await stage.press("t")
        await stage.until(lambda: "report" not in stage.text and "web.3" in stage.text)

    at(daemon, scenario)


def test_filter(daemon):
    async def scenario(stage):
        await stage.sees(r"web\.1")
        await stage.enter("cpu>2.5", "slash")
        await stage.until(lambda: "web.3" in stage.text and "web.1" not in stage.text)
        await stage.sees(r"filter: cpu>2\.5")
        await stage.press("escape")
        await stage.sees(r"web\.1")
        await stage.enter("cpx>1", "slash")
        await stage.sees("no column 'cpx'")

    at(daemon, scenario)


def test_columns(daemon):
    async def scenario(stage):
        await stage.sees(r"web\.1")
        await stage.press("c")
        assert isinstance(stage.app.screen, ColumnChooser)
        await stage.press("space", "enter")
        await stage.until(lambda: "PID" not in stage.text)
        await stage.press("q")

    at(daemon, scenario)
    assert "pid" not in recall()["columns"]


def test_columns_that_cost_something_are_asked_for_while_they_are_shown(daemon):
    async def scenario(stage):
        await stage.sees(r"web\.1")
        assert daemon.asked("memory") == []
        stage.main.set_columns(["name", "pid", "pss", "uss"])
        await stage.sees(r"web\.1 +101 +101K +50\.5K")
        await stage.sees(r"web\.3 +103 +- +-")  # the system refuses to tell
        await stage.sees(r"▾ web +- +-")  # and so there is no sum
        assert set(daemon.asked("memory")[0]["pids"]) >= {101, 102, 103}
        stage.main.set_columns(["name", "pid"])
        await stage.until(lambda: stage.main.session.feeds and not any(
            "pss" in node.values for end in stage.main.session.board.endpoints.values() for node in end.root.walk()
        ))

    at(daemon, scenario)


def test_nobody_tells_what_memory_really_is(short_path):
    async def scenario(stage):
        await stage.sees(r"web\.1")
        stage.main.set_columns(["name", "pss"])
        await stage.sees(r"web\.1 +-")

    with FakeDaemon(short_path, streams=False) as fake:
        at(fake, scenario)


def test_children_of_a_worker(daemon):
    counted = daemon.samples
    daemon.samples = lambda: {
        topic: {**told, "children_count": 1} if "subtopic" in told else told for topic, told in counted().items()
    }

    async def scenario(stage):
        await stage.sees(r"▸ web\.1")
        await stage.choose(r"web\.1")
        await stage.press("space")
        await stage.sees(r"helper +900")

    at(daemon, scenario)


def test_the_cursor_stays_on_a_worker_that_is_replaced(daemon):
    async def scenario(stage):
        await stage.sees(r"web\.2")
        await stage.choose(r"web\.2")
        daemon.pids[1] = 555
        daemon.say("watcher.web.reap", {"process_pid": 102, "time": time.time(), "seq": 2, "exit_code": 0, "wid": 2})
        await stage.sees(r"▌.*web\.2 +555")

    at(daemon, scenario)


# -- panes ----------------------------------------------------------------------------------------------------------


def test_output_is_followed(daemon):
    async def scenario(stage):
        await stage.begin_at(r"web\.1")
        await stage.press("2")
        await stage.sees(r"web\.1 │ INFO early line")
        assert b"output.web.1" in daemon.subscribed
        batch = {"watcher": "web", "res_name": "web", "wid": 1, "pid": 101, "stream": "stderr", "time": time.time()}
        daemon.say("output.web.1", {**batch, "offset": 16, "seq": 0, "lines": ["ERROR one", "two"], "lost": 0})
        daemon.say("output.web.12", {**batch, "pid": 999, "offset": 0, "seq": 0, "lines": ["not ours"], "lost": 0})
        daemon.say("output.web.1", {**batch, "offset": 99, "seq": 7, "lines": ["\x1b[31mred\x1b[0m {}"], "lost": 0})
        await stage.sees(r"┃ ERROR one")
        await stage.sees("5 lines lost")
        await stage.sees("┃ red {}")
        assert "not ours" not in stage.text
        await stage.enter("!two", "ampersand")
        await stage.until(lambda: "two" not in stage.text.replace("'two'", ""))
        await stage.press("ctrl+s")
        await stage.sees("saved to")

    at(daemon, scenario)
    saved = next(Path().glob("circus-top-web.1-*.log"))
    assert "ERROR one" in saved.read_text()
    assert saved.stat().st_mode & 0o777 == 0o600


def test_output_that_is_not_captured(daemon):
    daemon.replies["tail"] = {"status": "error", "reason": "the output of web is not captured: set ...", "errno": 3}

    async def scenario(stage):
        await stage.sees(r"web\.1")
        await stage.press("2")
        await stage.sees("the output of web is not captured")

    at(daemon, scenario)


def test_searching_the_output(daemon):
    line = {"watcher": "web", "wid": 1, "pid": 101, "stream": "stdout", "time": 1.0}
    daemon.replies["tail"] = {"lines": [{**line, "offset": at, "text": f"line {at}"} for at in range(200)]}

    async def scenario(stage):
        await stage.sees(r"web\.1")
        await stage.press("2")
        await stage.sees("line 199")
        await stage.enter("line 42", "tab", "slash")
        await stage.sees("line 42")
        await stage.sees("paused")
        await stage.press("end")
        await stage.sees("line 199")
        await stage.sees("following")

    at(daemon, scenario)


@pytest.fixture
def logged(daemon, tmp_path):
    """The daemon claims to be us, and that web writes to a file, which was rotated."""
    with open("/proc/self/stat", "rb") as file:
        ticks = int(file.read().rpartition(b") ")[2].split()[19])
    boot = int(Path("/proc/stat").read_text().partition("\nbtime ")[2].split()[0])
    daemon.replies["dstats"] = {"info": {"pid": os.getpid(), "create_time": boot + ticks / os.sysconf("SC_CLK_TCK")}}
    daemon.replies["options"] = {"options": {"stdout_stream_conf": {"class": "FileStream", "filename": "web.log"}}}
    (tmp_path / "web.log").write_text("".join(f"INFO before {number}\n" for number in range(50)) + "INFO early line\n")
    (tmp_path / "web.log.1.gz").write_bytes(gzip.compress(b"ERROR yesterday\n" + b"INFO idle\n" * 3000))
    return daemon


def test_older_lines_come_from_files(logged):
    async def scenario(stage):
        await stage.begin_at(r"^web$")
        await stage.press("b")
        await stage.sees("older lines are shown in the output")
        await stage.press("2")
        await stage.sees("early line")
        await stage.press("b")
        await stage.sees("paused")
        await stage.sees(r"INFO before 49\s*\n.*above: web\.log ···\s*\n.*early line")
        assert stage.text.count("early line") == 1
        await stage.sees(r"998 older lines, back into web\.log\.1\.gz")
        await stage.press("tab", "slash")
        await stage.type("yesterday")
        await stage.press("enter", "b")
        await stage.sees(r"ERROR yesterday")
        await stage.press("ampersand")
        await stage.type("before 7$")
        await stage.press("enter", "end")
        await stage.until(lambda: "yesterday\n" not in stage.text)
        await stage.press("b")
        await stage.sees("before 7")
        await stage.sees("that was all")
        await stage.press("b")
        await stage.sees("there is nothing older")
        await stage.choose(r"report")
        await stage.until(lambda: not stage.main.session.board.endpoints[stage.main.table.current.path[0]].output.older)

    at(logged, scenario)


@pytest.mark.parametrize(
    ("command", "reply", "told"),
    [
        ("dstats", {"info": {"pid": 1, "create_time": 1.0}}, "the log files are on the daemon's host"),
        ("options", {"options": {"stdout_stream_conf": {"class": "StdoutStream"}}}, "its output goes to no file"),
        ("options", {"options": {"stdout_stream_conf": {"filename": "/nowhere/at/all"}}}, "No such file"),
        ("options", {"status": "error", "reason": "not today", "errno": 5}, "not today"),
    ],
)
def test_why_there_are_no_older_lines(logged, command, reply, told):
    logged.replies[command] = reply

    async def scenario(stage):
        await stage.begin_at(r"^web$")
        await stage.press("2")
        await stage.sees("early line")
        await stage.press("b")
        await stage.sees(told)

    at(logged, scenario)


def test_two_files_have_no_common_order(logged, tmp_path):
    (tmp_path / "err").write_text("ERROR from the other file\n")
    conf = {"class": "FileStream", "filename": "web.log"}
    logged.replies["options"] = {"options": {"stdout_stream_conf": conf, "stderr_stream_conf": {"filename": "err"}}}

    async def scenario(stage):
        await stage.begin_at(r"^web$")
        await stage.press("2")
        await stage.sees("early line")
        await stage.press("b")
        await stage.sees("2 +stderr")
        await stage.press("2")
        await stage.sees("ERROR from the other file")

    at(logged, scenario)


def test_events_and_their_time_in_the_other_panes(daemon):
    async def scenario(stage):
        await stage.begin_at(r"^web$")
        await stage.press("3")
        await stage.sees("watcher is running +— daemon start")
        told = {"process_pid": 101, "time": time.time(), "seq": 2, "exit_code": -9, "wid": 1, "expected": False}
        daemon.say("watcher.web.reap", {**told, "cause": "killed by SIGKILL, out of memory?", "uptime": 4.0})
        await stage.sees(r"reap +worker 1 \(pid 101\) ended: SIGKILL after 4s +— killed by SIGKILL, out of memory")
        await stage.press("tab", "enter")
        await stage.sees("show ..:..:..")
        await stage.press("1")
        await stage.sees(r"events .*✖|▲")

    at(daemon, scenario)


def test_why(daemon):
    async def scenario(stage):
        await stage.begin_at(r"web\.1")
        await stage.press("4")
        await stage.sees("because: daemon start")
        await stage.sees("replaces pid 99, killed by SIGKILL")
        await stage.sees("killed by SIGKILL after 4s — out of memory, probably")
        await stage.sees("│ its last words")

    at(daemon, scenario)


def with_streams(daemon, streams):
    daemon.replies["why"] = {**daemon._do_why({}), "streams": streams}


@pytest.mark.parametrize("width", [120, 40])
def test_why_tells_of_output_that_was_dropped(daemon, width):
    with_streams(daemon, {
        "stdout": {"dropped": 4003, "to": "FileStream /var/log/bell\x07.log", "stuck": None},
        "stderr": {"dropped": 7, "to": "QueueStream", "stuck": 35.2},
    })  # fmt: skip

    async def scenario(stage):
        await stage.begin_at(r"web\.1")
        await stage.press("4", "z")
        await stage.sees("stdout: 3.9K dropped since it was opened"[: width - 1])
        await stage.sees("stderr: stuck for 35s, 7B dropped since it was opened"[: width - 1])
        if width == 120:
            await stage.sees("opened, to FileStream /var/log/bell·.log")
            await stage.sees("opened, to QueueStream")

    at(daemon, scenario, size=(width, 32))


def test_why_tells_of_a_stream_that_got_stuck_just_now(daemon):
    with_streams(daemon, {"stdout": {"dropped": 0, "to": "FileStream /var/log/bell.log", "stuck": 0.7}})

    async def scenario(stage):
        await stage.begin_at(r"web\.1")
        await stage.press("4", "z")
        await stage.sees("stdout: stuck since just now, to FileStream")

    at(daemon, scenario)


@pytest.mark.parametrize(
    "streams",
    [None, [], "text", {"stdout": None, "stderr": "text"}, {"stdout": {"dropped": "many", "stuck": [1]}, "stderr": {}}],
)
def test_why_overlooks_streams_that_make_no_sense(daemon, streams):
    with_streams(daemon, streams)

    async def scenario(stage):
        await stage.begin_at(r"web\.1")
        await stage.press("4", "z")
        await stage.sees("because: daemon start")
        assert not re.search("stdout|stderr", stage.text)

    at(daemon, scenario)


def test_an_old_daemon_knows_no_causes_and_keeps_no_output(short_path):
    async def scenario(stage):
        await stage.begin_at(r"web\.1")
        await stage.press("4")
        await stage.sees("The daemon does not tell causes")
        await stage.press("2")
        await stage.sees("this daemon keeps no output")

    with FakeDaemon(short_path, is_old=True) as fake:
        at(fake, scenario)


def test_the_chart_has_the_past(daemon):
    async def scenario(stage):
        await stage.begin_at(r"^web$")
        await stage.press("1")
        await stage.sees(r"CPU % of web .*\[10m\].*mean")
        await stage.sees("▂|▃|▄|▅|▆|█")
        await stage.until(lambda: daemon.asked("history"), "history")
        await stage.press("v")
        await stage.sees("RSS of web")
        await stage.press("left_square_bracket")
        await stage.sees(r"\[1m\]")
        await stage.press("v", "v")
        await stage.sees(r"processes of web(.*\n)+ +3▕")
        assert re.findall(r" ([\d.]+)▕", stage.text) == ["3", "0"]  # there is no half of three processes

    at(daemon, scenario)


# -- acting ---------------------------------------------------------------------------------------------------------


def test_restart_of_a_worker(daemon):
    async def scenario(stage):
        await stage.sees(r"web\.2")
        await stage.choose(r"web\.2")
        await stage.press("r")
        assert isinstance(stage.app.screen, Confirm)
        await stage.sees(r"Restart worker web\.2 \(pid 102\)\?")
        await stage.press("n")
        await stage.sees("left as it is")
        assert daemon.asked("kill") == []
        await stage.press("r", "y")
        await stage.sees(r"restart web\.2: done")

    at(daemon, scenario)
    assert daemon.asked("kill") == [{"name": "web", "pid": 102, "waiting": True}]
    assert all(request["caller"].startswith("circus-top ") for request in daemon.requests)


def test_what_is_harmless_is_not_asked_about(daemon):
    async def scenario(stage):
        await stage.sees(r"report")
        await stage.choose(r"report")
        await stage.press("s")
        await stage.sees(r"start report: done")
        await stage.press("plus")
        await stage.sees(r"one more report: 4 processes now")

    at(daemon, scenario)
    assert daemon.asked("start") == [{"name": "report", "match": "simple", "waiting": True}]


def test_what_is_grave_must_be_typed(daemon):
    async def scenario(stage):
        await stage.begin_at(r"^web$")
        await stage.press("K", "y", "enter")
        await stage.sees("left as it is")
        await stage.enter("web", "K")
        await stage.sees("kill web: done")

    at(daemon, scenario)
    assert daemon.asked("kill") == [{"name": "web", "signum": 9, "graceful_timeout": 0, "waiting": True}]


def test_honest_outcomes(daemon):
    daemon.replies["stop"] = {"status": "error", "reason": "hook before_stop refused", "errno": 5, "cause": "timeout"}
    daemon.replies["reload"] = SILENT

    async def scenario(stage):
        await stage.begin_at(r"^web$")
        await stage.press("x", "y")
        await stage.sees(r"✖ stop web: hook before_stop refused \(timeout\)")
        await stage.press("e", "y")
        await stage.sees("… reload web … [1-9] s")

    at(daemon, scenario)


def test_a_reload_is_followed_worker_by_worker(daemon):
    daemon.replies["reload"] = SILENT

    async def scenario(stage):
        await stage.begin_at(r"^web$")
        await stage.press("e", "y")
        await stage.sees(r"reload web ░+ 0 of 3 replaced")
        daemon.pids[0] = 201
        daemon.say("watcher.web.spawn", {"process_pid": 201, "time": time.time(), "seq": 2, "wid": 1})
        await stage.sees(r"web\.1 ████░░░░ pid 101 running, pid 201 running")
        daemon.say("watcher.web.reap", {"process_pid": 101, "time": time.time(), "seq": 3, "exit_code": 0, "wid": 1})
        await stage.sees(r"1 of 3 replaced")

    # 101 is no longer measured, and there until its end is told.
    at(daemon, scenario, "--process-timeout", 60)


def test_what_a_configuration_changes_is_shown_first(daemon):
    async def scenario(stage):
        await stage.sees(r"web\.1")
        await stage.press("L")
        await stage.sees(r"Reload the configuration of .*1 step:")
        await stage.sees(r"- cmd: 'a'")
        await stage.sees(r"\+ cmd: 'b'")
        await stage.press("n")
        await stage.sees("left as it is")
        await stage.enter("reloadconfig", "colon")
        await stage.sees(r"\+ cmd: 'b'")
        await stage.press("y")
        await stage.sees(r"reloadconfig .*: done")

    at(daemon, scenario)
    assert daemon.asked("reloadconfig") == [{"dry_run": True}, {"dry_run": True}, {"waiting": True}]


def test_a_long_plan_can_be_read_to_its_end(daemon):
    daemon.replies["reloadconfig"] = {"plan": [f"add watcher w{number}" for number in range(100)]}

    async def scenario(stage):
        await stage.sees(r"web\.1")
        await stage.press("L")
        await stage.sees(r"100 steps:")
        await stage.sees(r"\d+ more lines")
        assert "w99" not in stage.text
        await stage.press(*["pagedown"] * 10)
        await stage.sees("add watcher w99")
        await stage.sees("y +yes")

    at(daemon, scenario, size=(70, 20))


def test_an_old_daemon_is_not_asked_what_it_would_do(short_path):
    async def scenario(stage):
        await stage.sees(r"web\.1")
        await stage.press("L")
        await stage.sees("cannot tell beforehand")
        await stage.press("escape")

    with FakeDaemon(short_path, is_old=True) as fake:
        at(fake, scenario)
    assert fake.asked("reloadconfig") == []


def test_options_are_edited_in_the_palette(daemon):
    async def scenario(stage):
        await stage.begin_at(r"^web$")
        await stage.press("enter")
        await stage.sees("Options…")
        await stage.press("o")
        await stage.sees("set web +")
        await stage.type("set web graceful_timeout ")
        await stage.sees("30.0 +present value")

    at(daemon, scenario)


def test_signals_are_chosen(daemon):
    async def scenario(stage):
        await stage.begin_at(r"web\.1")
        await stage.press("i")
        assert isinstance(stage.app.screen, Choice)
        await stage.press("1")
        await stage.sees(r"Send HUP to worker web\.1 \(pid 101\)\?")
        await stage.press("y")
        await stage.sees("signal HUP to web.1: done")

    at(daemon, scenario)
    assert daemon.asked("signal") == [{"name": "web", "pid": 101, "signum": "HUP"}]


def test_marked_rows(daemon):
    async def scenario(stage):
        await stage.begin_at(r"web\.1")
        for number in (1, 2):
            await stage.press("m")
            await stage.until(lambda number=number: len(stage.main.table.marked) == number, "marked")
        await stage.press("r")
        await stage.sees(r"Restart 2 rows \(web\.1, web\.2\), 2 processes in all\?")
        await stage.press("y")
        await stage.until(lambda: len(daemon.asked("kill")) == 2)

    at(daemon, scenario)


def test_menu_and_mouse(daemon):
    async def scenario(stage):
        await stage.sees(r"web\.1")
        await stage.click("report", lambda: stage.main.table.current.name == "report")
        await stage.press("enter")
        await stage.sees("r +Restart")
        await stage.press("s")
        await stage.sees("start report: done")

    at(daemon, scenario)


def test_read_only(daemon):
    async def scenario(stage):
        await stage.sees("read-only")
        await stage.begin_at(r"web\.1")
        for key in ("r", "s", "K", "plus"):
            await stage.press(key)
            await stage.sees("nothing is changed from here")
        await stage.enter("stop web", "colon")
        await stage.sees("read-only: nothing")
        await stage.press("escape", "L")
        await stage.sees(r"\+ cmd: 'b'")
        await stage.press("y")
        await stage.sees("Esc +closes")

    at(daemon, scenario, "--read-only")
    assert daemon.asked("reloadconfig") == [{"dry_run": True}]
    assert not {"stop", "start", "kill", "incr"} & {request["command"] for request in daemon.requests}


def test_palette(daemon):
    async def scenario(stage):
        await stage.sees(r"web\.1")
        await stage.press("colon")
        assert isinstance(stage.app.screen, Palette)
        await stage.type("numpr")
        await stage.press("tab", "w", "tab")
        assert stage.app.screen.query_one("Input").value == "numprocesses web "
        await stage.press("enter")
        await stage.sees("unknown command")
        await stage.enter("status")
        await stage.sees("report: stopped")
        await stage.enter("quit")
        await stage.sees("This ends the daemon")
        await stage.enter("sort rss", "escape", "escape", "colon")
        await stage.sees("RSS▼")

    at(daemon, scenario)
    assert daemon.asked("quit") == []


# -- the rest -------------------------------------------------------------------------------------------------------


def test_help_names_every_key(daemon):
    async def scenario(stage):
        await stage.press("question_mark")
        assert isinstance(stage.app.screen, Help)
        seen = stage.text
        for _ in range(8):
            await stage.press("pagedown")
            seen += stage.text
        for word in ("Filters:", "Themes:", "restart", "one worker more", "sort by"):
            assert word in seen

    at(daemon, scenario)


def test_themes_and_ascii(daemon):
    async def scenario(stage):
        await stage.sees(r"web\.1")
        for key in ("1", "2", "3", "4"):
            await stage.press(key)
            assert stage.text.isascii()
        before = stage.app.theme
        await stage.press("ctrl+t")
        assert stage.app.theme != before
        for theme in sorted(stage.app.available_themes):
            stage.app.theme = theme
            await stage.pilot.pause()

    at(daemon, scenario, "--ascii")


def test_no_color(daemon, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    async def scenario(stage):
        await stage.sees(r"▌▾? ?web|▌")
        styles = {
            segment.style
            for strip in stage.app.screen._compositor.render_strips(stage.app.size)
            for segment in strip.apply_filter(stage.app._filters[-1], stage.app.screen.background_colors[1])
            if segment.style is not None
        }
        assert all(style.color is None or style.color.is_default for style in styles)

    at(daemon, scenario)


def test_other_keys(daemon, tmp_path):
    path = Path(recall.__globals__["memory_path"]())
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"keys": {"act(restart)": "ctrl+r"}}))

    async def scenario(stage):
        await stage.begin_at(r"web\.1")
        await stage.press("ctrl+r")
        await stage.sees(r"Restart worker")

    at(daemon, scenario)


def prolong(recording):
    """Have a recording end an hour later, so that it is not over while a test still looks at it."""
    with gzip.open(recording, "rt") as file:
        *_, (at, *rest) = map(json.loads, file)
    with gzip.open(recording, "at") as file:
        print(json.dumps([at + 3600, *rest]), file=file)


def test_record_and_replay(daemon, tmp_path):
    recording = tmp_path / "r.jsonl.gz"

    async def recorded(stage):
        await stage.sees(r"web\.1 +101")
        await stage.sees("recording")
        await stage.pilot.pause(1.5)
        await stage.press("q")

    async def replayed(stage):
        await stage.sees(r"web\.1 +101")
        await stage.sees(r"replay \d+%")
        await stage.press("p")
        await stage.sees("paused")
        await stage.choose(r"web\.1")
        await stage.press("r")
        await stage.sees("nothing is changed from here")

    at(daemon, recorded, "--record", recording)
    assert recording.stat().st_mode & 0o777 == 0o600
    daemon.end()
    prolong(recording)
    play(replayed, "--replay", recording)
