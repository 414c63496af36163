"""How lines of workers look."""

from __future__ import annotations

import json

import pytest

from circus.ctl.outputtext import OutputText, Source, clock, colour_of, label_of

WEB = Source("web", 1, 100, "stdout")
ERR = Source("web", 1, 100, "stderr")
AT = 1795288000.25


def test_plain_lines_with_a_prefix():
    text = OutputText()
    assert text.render(WEB, AT, ["a", "", "b"]) == "web.1 | a\nweb.1 | \nweb.1 | b\n"
    assert text.render(ERR, AT, ["oops"]) == "web.1 ! oops\n"
    assert text.render(WEB, AT, []) == ""


def test_what_a_worker_writes_goes_through_a_pipe_untouched():
    assert OutputText().render(WEB, AT, ["\x1b[31mred\x07\r"]) == "web.1 | \x1b[31mred\x07\r\n"


def test_times():
    assert OutputText(timestamps=True).render(WEB, AT, ["a"]) == f"{clock(AT)} web.1 | a\n"
    assert clock(AT).endswith(".250")
    assert len(clock(AT)) == len("2026-11-21 10:00:00.250")


def test_json():
    lines = OutputText(as_json=True).render(ERR, AT, ["a", 'quo"te\x1b']).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"watcher": "web", "wid": 1, "pid": 100, "stream": "stderr", "time": AT, "text": text}
        for text in ("a", 'quo"te\x1b')
    ]


def test_colours_are_the_workers_own():
    text = OutputText(colour=True, terminal=True)
    colour = colour_of("web.1")
    assert text.render(WEB, AT, ["a"]) == f"{colour}web.1\x1b[0m {colour}|\x1b[0m a\n"
    assert text.render(ERR, AT, ["a"]) == f"{colour}web.1\x1b[0m \x1b[31m!\x1b[0m a\n"
    assert colour_of("web.1") == colour
    assert len({colour_of(f"web.{wid}") for wid in range(50)}) > 4


def test_prefixes_are_aligned_on_a_terminal():
    text = OutputText(terminal=True)
    assert text.render(WEB, AT, ["a"]) == "web.1 | a\n"
    assert text.render(Source("worker", 12, 7, "stdout"), AT, ["a"]) == "worker.12 | a\n"
    assert text.render(WEB, AT, ["a"]) == "web.1     | a\n"


def test_room_is_made_for_those_that_will_come():
    text = OutputText(terminal=True)
    text.expect(["web", "worker", "x" * 50])
    assert text.render(WEB, AT, ["a"]) == f"{'web.1':<22} | a\n"
    text = OutputText()
    text.expect(["worker"])
    assert text.render(WEB, AT, ["a"]) == "web.1 | a\n"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("tab\tstays", "tab\tstays"),
        ("red \x1b[31mred", "red \x1b[31mred\x1b[0m"),
        ("\x1b[2J\x1b[H", "^[[2J^[[H"),
        ("\x1b]0;title\x07", "^[]0;title^G"),
        ("old\rnew", "old^Mnew"),
        ("windows\r", "windows"),
        ("del\x7f c1 \x9b31m", "del^? c1 \\x9b31m"),
        ("日本語", "日本語"),
    ],
)
def test_a_worker_may_colour_a_terminal_and_nothing_else(written, shown):
    rendered = OutputText(colour=True, terminal=True).render(WEB, AT, [written])
    assert rendered.partition("|\x1b[0m ")[2] == f"{shown}\n"


def test_without_colours_a_worker_has_none_either():
    assert OutputText(terminal=True).render(WEB, AT, ["\x1b[31mred\x1b[0m", "a"]) == "web.1 | red\nweb.1 | a\n"


def test_a_worker_without_number():
    assert label_of(Source("web", None, 1, "stdout")) == "web"


def test_prefixes_do_not_pile_up():
    text = OutputText()
    for pid in range(5000):
        text.render(Source("web", pid, pid, "stdout"), AT, ["a"])
    assert len(text._prefixes) < 4200
