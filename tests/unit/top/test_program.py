"""The command line, the modes without a screen, and what lies around them."""

from __future__ import annotations

import csv
import io
import json
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus import __version__, stats, top
from circus.exc import ArgumentError
from circus.model.dashboard import Dashboard
from circus.stats import client
from circus.top.commandline import ModelWords, candidates, parse_moment, understand
from circus.top.keys import KEYS, SORTS, chosen_keys
from circus.top.memory import memory_path, recall, remember
from circus.top.plot import nice_top, plot
from circus.top.record import Recorder, Replay
from circus.top.targets import Target, find_targets
from harness.waiting import eventually
from tests.unit.top.fakedaemon import FakeDaemon
from tests.unit.top.stories import NOW, live, sample


def run(monkeypatch, *arguments):
    """The exit status; text means that it was printed on stderr."""
    monkeypatch.setattr(sys, "argv", ["/usr/bin/circus-top", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        top.main()
    return ended.value.code


# -- the command line -----------------------------------------------------------------------------------------------


def test_version(monkeypatch, capsys):
    assert (run(monkeypatch, "--version"), capsys.readouterr().out) == (0, f"{__version__}\n")


def test_help_names_the_program_and_the_old_options(monkeypatch, capsys):
    assert run(monkeypatch, "--help") == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: circus-top [-h]")
    assert "Runs Circus Top" in out
    for option in ("--endpoint", "--ssh", "--process-timeout", "--version"):
        assert option in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--nonsense"], "--nonsense"),
        (["--filter", "cpu>lots"], "argument --filter: 'lots' is no number"),
        (["--sort", "cpux"], "argument --sort: no column 'cpux'"),
        (["--process-timeout", "0"], "must be more than 0"),
        (["--replay", "f", "--control", "tcp://h:1"], "--replay"),
        (["--json", "--csv"], "not allowed with"),
    ],
)
def test_wrong_options(monkeypatch, capsys, arguments, told):
    assert run(monkeypatch, *arguments) == 2
    assert told in capsys.readouterr().err


def test_old_names():
    assert client.main is top.main
    assert callable(client.Painter)
    assert callable(client._paint)
    assert stats is not None
    with pytest.raises(AttributeError):
        client.nonsense  # noqa: B018


def test_targets(monkeypatch):
    monkeypatch.delenv("CIRCUSCTL_ENDPOINT", raising=False)
    default = "tcp://127.0.0.1:5555"
    assert find_targets([], [], None) == [Target("localhost:5555", default)]
    monkeypatch.setenv("CIRCUSCTL_ENDPOINT", "ipc:///run/c/ctl")
    assert find_targets([], [], "me@h") == [Target("c/ctl", "ipc:///run/c/ctl", None, "me@h")]
    monkeypatch.delenv("CIRCUSCTL_ENDPOINT")
    # A statistics endpoint alone: the control endpoint is only guessed.
    assert find_targets([], ["tcp://h:7"], None) == [Target("h:7", default, "tcp://h:7", None, True)]
    several = find_targets(["tcp://h:1", "tcp://h:1"], ["tcp://h:7"], None)
    assert several == [Target("h:1", "tcp://h:1", "tcp://h:7"), Target("h:1'", "tcp://h:1")]
    assert find_targets(["tcp://h:1"], ["tcp://h:7", "tcp://g:7"], None)[1] == Target("g:7", None, "tcp://g:7")


def test_bound_anywhere_is_reached_where_the_daemon_is():
    target = Target("n", "tcp://h:1")
    assert target.reachable("tcp://0.0.0.0:7") == "tcp://h:7"
    assert target.reachable("tcp://*:7") == "tcp://h:7"
    assert target.reachable("tcp://other:7") == "tcp://other:7"
    assert Target("n", "tcp://h:1", ssh="x").reachable("tcp://0.0.0.0:7") == "tcp://0.0.0.0:7"


# -- tables, JSON, CSV ----------------------------------------------------------------------------------------------


@pytest.fixture
def daemon(tmp_path_factory):
    with FakeDaemon(tmp_path_factory.mktemp("t")) as fake:
        yield fake


def test_a_table(daemon, monkeypatch, capsys):
    assert run(monkeypatch, "--once", "--control", daemon.control, "--sort", "rss") == 0
    lines = capsys.readouterr().out.split("\n")
    assert lines[0].split()[:4] == ["NAME", "PID", "STATE", "PROCS"]
    assert [line.split()[0] for line in lines[1:5]] == ["web", "web.3", "web.2", "web.1"]


def test_without_a_terminal_it_is_a_table_and_polling_is_told_apart(tmp_path_factory, monkeypatch, capsys):
    with FakeDaemon(tmp_path_factory.mktemp("t"), streams=False) as fake:
        assert run(monkeypatch, "--control", fake.control, "--filter", "state=stopped") == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "report"]
    assert "polling" in err


def test_json(daemon, monkeypatch, capsys):
    assert run(monkeypatch, "--once", "--json", "--control", daemon.control) == 0
    told = json.loads(capsys.readouterr().out)
    endpoint = told["endpoints"][0]
    web = next(node for node in endpoint["children"] if node["name"] == "web")
    assert (endpoint["source"], web["procs"], web["children"][0]["pid"]) == ("stream", 3, 101)


def test_csv(daemon, monkeypatch, capsys):
    assert run(monkeypatch, "--once", "--csv", "--control", daemon.control) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    worker = next(row for row in rows if row["pid"] == "102")
    assert (worker["kind"], worker["watcher"], worker["rss"]) == ("worker", "web", str(102 << 20))


def test_nobody_there(monkeypatch, capsys, tmp_path):
    assert run(monkeypatch, "--once", "--control", f"ipc://{tmp_path}/none") == 1
    assert "nobody answers" in capsys.readouterr().err


def test_record_and_replay_without_a_screen(daemon, monkeypatch, capsys, tmp_path):
    file = tmp_path / "r.jsonl"
    assert run(monkeypatch, "--once", "--control", daemon.control, "--record", file) == 0
    first = capsys.readouterr().out
    assert run(monkeypatch, "--once", "--replay", file) == 0
    again = capsys.readouterr().out
    assert [line.split()[0] for line in again.splitlines()] == [line.split()[0] for line in first.splitlines()]


# -- recordings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
def test_a_recording_can_be_gone_through(tmp_path, name):
    path = str(tmp_path / name)
    recorder = Recorder(path)
    recorder.take("e", "connected", {}, NOW)
    for second in range(10):
        recorder.take("e", "stat", sample(100 + second, wid=second, time=NOW + second), NOW + second)
    recorder.close()
    board = Dashboard()
    replay = Replay(path, board.take, board.endpoints.clear)
    assert (replay.begin, replay.end) == (NOW, NOW + 9)
    replay.advance(3.0)
    assert list(board.endpoints["e"].root.children["web"].children) == [100, 101, 102, 103]
    replay.seek(NOW + 99)
    assert replay.is_over
    replay.seek(NOW + 1)
    assert list(board.endpoints["e"].root.children["web"].children) == [100, 101]
    replay.speed = 4.0
    replay.advance(1.0)
    assert replay.at == NOW + 5
    replay.is_paused = True
    replay.advance(1.0)
    assert replay.at == NOW + 5


@pytest.mark.parametrize("content", [b"", b"hello\n", b"{}\n", b"[1]\n", b"\xff\xfe\n"])
def test_what_is_no_recording(tmp_path, monkeypatch, capsys, content):
    path = tmp_path / "r"
    path.write_bytes(content)
    with pytest.raises(ArgumentError, match="is no recording"):
        Replay(str(path), lambda *_: None, lambda: None)
    assert run(monkeypatch, "--once", "--replay", path) == 1
    assert "is no recording" in capsys.readouterr().err


def test_a_recording_that_was_cut_off(tmp_path):
    path = tmp_path / "r"
    path.write_text('{"circus-top": 1}\n[1.0, "e", "connected", {}]\n[2.0, "e", "st')
    replay = Replay(str(path), lambda *_: None, lambda: None)
    assert (replay.begin, replay.end) == (1.0, 1.0)


# -- what is remembered ---------------------------------------------------------------------------------------------


def test_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "s"))
    assert recall()["sort"] == "name"
    remember({**recall(), "sort": "cpu", "columns": ["pid", "nonsense", "cpu"], "keys": {"quit": "ctrl+q"}})
    known = recall()
    assert (known["sort"], known["columns"], known["keys"]) == ("cpu", ["name", "pid", "cpu"], {"quit": "ctrl+q"})


@pytest.mark.parametrize("content", ["", "[]", '{"sort": 5, "columns": "x"}', '{"sort": "nonsense"}'])
def test_a_broken_memory_costs_the_memory(tmp_path, monkeypatch, content):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "circus").mkdir()
    with open(memory_path(), "w") as file:
        file.write(content)
    assert (recall()["sort"], recall()["columns"][0]) == ("name", "name")


def test_no_memory_where_none_can_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    remember(recall())
    assert recall()["sort"] == "name"


# -- keys, curves, the palette's lines ------------------------------------------------------------------------------


def test_no_key_means_two_things():
    keys = [key for row in KEYS for key in row.keys.split(",") if row.action != "find(1)"]
    assert len(keys) == len(set(keys))
    assert not set(keys) & set(SORTS) - {"G", "K", "J", "N"}


def test_other_keys_can_be_chosen():
    chosen = {key.action: key.keys for key in chosen_keys({"act(stop)": "ctrl+x", "quit": 5, "nonsense": "x"})}
    assert (chosen["act('stop')"], chosen["quit"]) == ("ctrl+x", "q")


@given(st.lists(st.none() | st.floats(0, 1e6), max_size=30), st.integers(1, 10))
def test_curves_fill_their_rows(values, rows):
    drawn = plot(values, rows, 1e6)
    assert [len(line) for line in drawn] == [len(values)] * rows
    for at, value in enumerate(values):
        column = [line[at] for line in drawn]
        assert column == sorted(column)
        assert (set(column) == {" "}) == (not value)


@given(st.floats(0.001, 1e15), st.booleans())
def test_scales_are_round_and_not_too_high(value, binary):
    top_value = nice_top(value, binary=binary)
    assert value <= top_value <= max(2.6 * value, 1.0)


def test_lines_of_the_palette():
    from circus.ctl.vocabulary import Vocabulary

    vocabulary = Vocabulary()
    endpoint = live()
    endpoint.take("statuses", {"web": "active", "One Two": "stopped"}, NOW)
    endpoint.take("stat", sample(12), NOW)
    assert understand("stop web", vocabulary).messages[0]["properties"]["name"] == "web"
    assert understand("sort cpu", vocabulary).own == "sort"
    assert "Restart" in understand("help restart", vocabulary).text
    assert "usage" in understand("restart --help", vocabulary).text or understand("restart --help", vocabulary).text
    for wrong in ("", "nonsense", "stop 'web", "listen", "decr", "set web", "stop --nonsense web"):
        with pytest.raises(ArgumentError):
            understand(wrong, vocabulary)
    words = [word for word, _ in candidates("s", vocabulary, ModelWords(endpoint))[1]]
    assert {"start", "stop", "sort", "status"} <= set(words)
    assert [word for word, _ in candidates("stop ", vocabulary, ModelWords(endpoint))[1]] == ["One Two", "web"]
    assert [word for word, _ in candidates("kill web 1", vocabulary, ModelWords(endpoint))[1]] == ["12"]
    assert candidates("stop w", vocabulary, ModelWords(endpoint)) == ("w", [("web", "active")])
    assert [word for word, _ in candidates("sort cp", vocabulary, ModelWords(endpoint))[1]] == ["cpu", "cpu_graph"]


# -- the old screen -------------------------------------------------------------------------------------------------


class Window:
    """As much of a curses window as is needed."""

    def __init__(self, height=30, width=100):
        self.size, self.lines, self.cleared = (height, width), {}, 0

    def getmaxyx(self):
        return self.size

    def erase(self):
        self.lines = {}

    def clear(self):
        self.cleared += 1

    def addstr(self, y, x, text):
        assert y < self.size[0]
        assert len(text) < self.size[1]
        self.lines[y] = text

    def refresh(self):
        pass


def test_old_layout():
    window = Window()
    assert client._paint(window) == (30, 100)
    assert window.lines[1] == "*** Waiting for data ***"
    parts = {str(pid): {"pid": pid, "cpu": cpu, "mem": 0.125, "age": 2.0} for pid, cpu in ((5, 9.0), (6, 78.0))}
    watchers = {
        "w-one": {**parts, None: {"cpu": 43.5, "mem": 0.25, "age": 2.0}},
        "circusd-stats": parts,
        "sockets": {"4": {"address": "h:80", "reads": 7}, None: {"reads": 7}},
    }
    assert client._paint(window, watchers, 30, 90) == (30, 100)
    assert window.cleared == 1
    text = [window.lines[y] for y in sorted(window.lines)]
    assert text[3:8] == [
        "   ADDRESS                  HITS",
        "  h:80                         7",
        "                               7 (sum)",
        "",
        "w-one",
    ]
    assert text[9].split() == ["6", "78.00", "0.12", "2.00"]
    assert text[11].split() == ["43.50", "(avg)", "0.25", "(sum)", "2.00", "(older)"]
    assert client._paint(Window(3, 10), watchers) == (3, 10)


def test_painter():
    window = Window()
    painter = client.Painter(window, {})
    painter.start()
    eventually(lambda: window.lines)  # who is stopped at once draws nothing
    painter.stop()
    assert not painter.is_alive()
    assert window.lines[0] == "Circus Top"


def test_moments():
    noon = time.mktime((2026, 3, 2, 12, 0, 0, 0, 0, -1))
    assert parse_moment("-5m", noon) == noon - 300
    assert parse_moment("11:59", noon) == noon - 60
    assert parse_moment("11:59:30", noon) == noon - 30
    assert parse_moment("13:00", noon) == noon - 23 * 3600  # the one of yesterday
    for wrong in ("", "-", "-m", "5m", "25:00", "noon", "-5y"):
        with pytest.raises(ArgumentError):
            parse_moment(wrong, noon)
