"""``--since``: moments as people write them."""

from __future__ import annotations

from datetime import datetime

import pytest

from circus.ctl.moment import parse_event_moment, parse_moment

NOW = datetime(2026, 11, 21, 12, 0).timestamp()


@pytest.mark.parametrize(
    ("text", "ago"),
    [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86400), ("1w", 604800), ("1h30m", 5400), ("0.5 h", 1800)],
)
def test_spans(text, ago):
    assert parse_moment(text, NOW) == NOW - ago


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-21T10:00", datetime(2026, 11, 21, 10)),
        ("2026-11-21 10:00:05", datetime(2026, 11, 21, 10, 0, 5)),
        ("2026-11-21", datetime(2026, 11, 21)),
        ("10:00", datetime(2026, 11, 21, 10)),
        ("13:30:15", datetime(2026, 11, 20, 13, 30, 15)),
    ],
)
def test_local_times(text, moment):
    assert parse_moment(text, NOW) == moment.timestamp()


def test_times_that_tell_their_zone():
    assert parse_moment("2026-11-21T10:00:00Z") == parse_moment("2026-11-21T12:00:00+02:00") == 1795255200
    assert parse_moment("1795255200.5") == 1795255200.5


@pytest.mark.parametrize("text", ["", "soon", "5x", "10m ago", "25:00", "2026-13-01", "m", "-5m", "12"])
def test_nonsense(text):
    with pytest.raises(ValueError, match="is no moment: expected 30s, 10m"):
        parse_moment(text)


def test_now_is_the_present():
    assert parse_moment("0s") == pytest.approx(datetime.now().timestamp(), abs=60)


def test_events_have_numbers():
    assert parse_event_moment("4711") == 4711
    assert isinstance(parse_event_moment("4711"), int)
    assert isinstance(parse_event_moment("1795255200"), float)
    with pytest.raises(ValueError, match="or the number of an event"):
        parse_event_moment("soon")
