"""How events look."""

from __future__ import annotations

import json

import pytest

from circus.ctl.eventtext import EventText, describe
from circus.ctl.outputtext import clock

AT = 1795288000.25


def event(called, /, **payload):
    return {"seq": 1, "watcher": "web", "res_name": "web", "event": called, "time": AT, **payload}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (event("start", cause="daemon start"), "daemon start"),
        (event("spawn", wid=2, cause="incr command"), "worker 2: incr command"),
        (
            event("reap", exit_code=-9, expected=False, uptime=12.3, cause="killed by SIGKILL"),
            "killed by SIGKILL after 12 s, by itself",
        ),
        (
            event("reap", exit_code=0, expected=True, uptime=0.25, cause="stop command"),
            "exited with 0 after 0.25 s: stop command",
        ),
        (event("reap", exit_code=3), "exited with 3"),
        (event("reap", exit_code=None, cause="vanished"), "ended: vanished"),
        (event("reap", exit_code=-77), "killed by signal 77"),
        (event("kill", cause="stop command"), "stop command"),
        (event("kill", signum=15, cause="stop command"), "SIGTERM: stop command"),
        (event("updated", option="cmd", cause="set command"), "cmd: set command"),
        (event("hook_success", name="after_stop", go=True, took=0.01, cause="hook after_stop"), "hook after_stop"),
        (
            event("hook_success", name="before_start", go=False, took=2, cause="hook before_start"),
            "hook before_start refused after 2 s",
        ),
        (event("hook_failure", name="after_stop", error="boom", go=True), "hook after_stop failed: boom"),
        (event("made_by_a_hook"), ""),
    ],
)
def test_what_happened(told, words):
    assert describe(told) == words


def test_columns():
    text = EventText()
    events = [event("spawn", process_pid=100, cause="c"), {**event("stop", cause="c"), "watcher": "a long name"}]
    text.fit(events)
    assert [text.head(), *map(text.render, events)] == [
        "TIME                     WATCHER      EVENT   PID    WHAT\n",
        f"{clock(AT)}  web          spawn   100    c\n",
        f"{clock(AT)}  a long name  stop           c\n",
    ]


def test_an_event_with_nothing_in_it():
    assert EventText().render({}).strip() == "None     None"


def test_text_of_others_stays_on_its_line():
    assert "bo om  x" in EventText().render(event("hook_failure", name="h", error="bo\nom\x1b x"))


@pytest.mark.parametrize(
    ("told", "colour"),
    [
        (event("hook_failure", name="h", error="e"), "\x1b[31m"),
        (event("hook_success", name="h", go=False), "\x1b[31m"),
        (event("reap", exit_code=1, expected=False), "\x1b[31m"),
        (event("reap", exit_code=0, expected=False), "\x1b[33m"),
        (event("spawn", wid=1), "\x1b[32m"),
        (event("reap", exit_code=-15, expected=True), None),
        (event("updated", option="cmd"), None),
    ],
)
def test_colours(told, colour):
    line = EventText(colour=True).render(told)
    assert (colour or "\x1b") in line if colour else "\x1b" not in line
    assert "\x1b" not in EventText().render(told)


def test_json():
    told = event("spawn", wid=1)
    text = EventText(as_json=True)
    assert text.head() == ""
    assert json.loads(text.render(told)) == told
