"""Reading lines with prompt_toolkit."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("prompt_toolkit")

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from circus.client_light import LightClient
from circus.ctl import prompt
from circus.ctl.prompt import WordCompleter, history_path, make_reader, open_history
from circus.ctl.vocabulary import Vocabulary
from tests.unit.ctl.fakedaemon import FakeDaemon


@pytest.fixture(autouse=True)
def state_home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setattr("circus.ctl.completion.TIME_LIMIT", 30)  # a busy test machine is no busy daemon
    with FakeDaemon() as daemon:
        made = LightClient(daemon.endpoint, 10)
        yield made
        made.stop()


def read(client, keys):
    with create_pipe_input() as keyboard:
        keyboard.send_text(keys)
        return make_reader(client, Vocabulary(), input=keyboard, output=DummyOutput())("(circusctl) ")


def test_a_line(client):
    assert read(client, "list web\r") == "list web"


def test_ends(client):
    with pytest.raises(EOFError):
        read(client, "\x04")
    with pytest.raises(KeyboardInterrupt):
        read(client, "\x03")


def test_ctrl_c_drops_a_line_that_was_begun(client):
    assert read(client, "quit\x03list\r") == "list"


def completions(client, line):
    found = WordCompleter(client, Vocabulary()).get_completions(Document(line), CompleteEvent())
    return [(each.text, each.start_position, each.display_text) for each in found]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("stop w", [("web", -1, "web")]),
        ("stop On", [("'One Two'", -2, "One Two")]),
        ('stop "One T', [("'One Two'", -6, "One Two")]),
        ("kill web ", [("11", 0, "11"), ("12", 0, "12")]),
        ("help numw", [("numwatchers", -4, "numwatchers")]),
        ("zz ", []),
    ],
)
def test_words(client, line, expected):
    assert completions(client, line) == expected


def test_the_history_survives_and_is_private(client, state_home):
    read(client, "list one\r")
    read(client, "list two\r")
    path = state_home / "circus" / "history"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(open_history(history_path()).load_history_strings()) == ["list two", "list one"]


def test_the_history_has_a_default_place(monkeypatch):
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert history_path() == "/home/me/.local/state/circus/history"


def test_a_place_that_cannot_be_written_costs_the_history_only(tmp_path, client, monkeypatch):
    (tmp_path / "file").write_text("")
    assert isinstance(open_history(str(tmp_path / "file" / "circus" / "history")), InMemoryHistory)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert read(client, "list\r") == "list"


def test_a_full_disk_costs_the_line_only(tmp_path):
    history = open_history(str(tmp_path / "history"))
    os.unlink(tmp_path / "history")
    os.mkdir(tmp_path / "history")
    history.append_string("list")
    assert list(history.get_strings()) == ["list"]
    assert prompt._PrivateHistory is type(history)
