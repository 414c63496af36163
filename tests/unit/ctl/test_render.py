"""What is printed: colours, JSON, failures."""

from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import given

from circus.ctl.render import (
    TIMEOUT_MSG,
    describe_failure,
    paint_states,
    paint_story,
    prettify,
    wants_colour,
    with_cause,
)
from circus.exc import CallError, TransportError
from tests.unit.ctl.test_quickjson import VALUES

STATES = "One Two: stopped\nweb: active\nx: y: starting\nodd: what"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_colours_are_for_terminals(monkeypatch):
    assert wants_colour(Terminal())
    assert not wants_colour(io.StringIO())
    assert not wants_colour(None)
    closed = io.StringIO()
    closed.close()
    assert not wants_colour(closed)
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_colour(Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour(Terminal())
    monkeypatch.setenv("NO_COLOR", "")
    assert wants_colour(Terminal())


def uncoloured(text):
    return re.sub(r"\x1b\[\d*m", "", text)


def test_states_are_painted():
    painted = paint_states(STATES, {"status": "ok", "statuses": {}})
    assert uncoloured(painted) == STATES
    assert painted.split("\n")[:2] == ["One Two: \x1b[31mstopped\x1b[0m", "web: \x1b[32mactive\x1b[0m"]
    assert painted.endswith("\nodd: what")
    assert paint_states("active", {"status": "active"}) == "\x1b[32mactive\x1b[0m"


STORY = """web is active since 00:33:32 (2.6 s)
  cause  daemon start
  next   next try in 0.6 s: worker 2, back-off 0.8 s

Last ends of processes
  00:33:33  worker 1 (pid 7066) killed by SIGKILL after 0.99 s, by itself
      | this failed and was stopped"""


def test_a_story_is_painted():
    painted = paint_story(STORY)
    assert uncoloured(painted) == STORY
    assert painted.split("\n") == [
        "web is \x1b[32mactive\x1b[0m since 00:33:32 (2.6 s)",
        "  cause  daemon start",
        "  next   \x1b[33mnext try in 0.6 s\x1b[0m: worker 2, back-off 0.8 s",
        "",
        "\x1b[1mLast ends of processes\x1b[0m",
        "  00:33:33  worker 1 (pid 7066) \x1b[31mkilled by SIGKILL\x1b[0m after 0.99 s, by itself",
        "\x1b[2m      | this failed and was stopped\x1b[0m",
    ]


@pytest.mark.parametrize("reply", [{"status": "ok"}, [], None])
def test_other_text_stays(reply):
    assert paint_states("cmd: active", reply) == "cmd: active"


@given(VALUES)
def test_painted_json_is_the_same_json(value):
    text = prettify(value)
    assert json.loads(text) == value
    painted = prettify(value, colour=True)
    assert re.sub(r"\x1b\[\d*m", "", painted) == text


def test_keys_and_values_have_their_colours():
    painted = prettify({"a": ["x", 1.5, None]}, colour=True)
    for piece in ('\x1b[34m"a"\x1b[0m', '\x1b[32m"x"\x1b[0m', "\x1b[36m1.5\x1b[0m", "\x1b[35mnull\x1b[0m"):
        assert piece in painted


def test_causes():
    assert with_cause("error: no", {"cause": "because"}) == "error: no (because)"
    assert with_cause("error: no", {}) == with_cause("error: no", []) == "error: no"


def test_the_text_of_a_time_out():
    assert describe_failure(CallError("Timed out.")) == (
        "Timed out.\n"
        "A time out usually happens in one of those cases:\n\n"
        "#1 The Circus daemon could not be reached.\n"
        "#2 The Circus daemon took too long to perform the operation\n\n"
        "For #1, make sure you are hitting the right place\n"
        "by checking your --endpoint option.\n\n"
        "For #2, if you are not expecting a result to\n"
        "come back, increase your timeout option value\n"
        "(particularly with waiting switches)\n"
    )
    assert TIMEOUT_MSG.startswith("\nA time out")


def test_other_failures_have_a_line_and_perhaps_a_remedy():
    assert describe_failure(CallError("oops")) == "error: oops\n"
    assert describe_failure(TransportError("oops")) == "error: oops\n"
    refused = TransportError("oops")
    refused.__cause__ = ConnectionRefusedError()
    assert describe_failure(refused).startswith("error: oops\nIs circusd running?")
