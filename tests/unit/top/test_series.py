"""Measures over time and the pictures made of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.model.dashboard import History, sparkline
from circus.model.dashboard.series import KEPT, fill_gaps


def history(*points, measure="cpu"):
    made = History()
    for time, value in points:
        made.append(time, {measure: value})
    return made


def test_window_takes_the_highest_of_each_part():
    made = history((0.0, 1.0), (0.5, 5.0), (1.0, 2.0), (2.5, None), (3.0, 4.0))
    assert made.window("cpu", 0.0, 4.0, 4) == [5.0, 2.0, None, 4.0]
    assert made.window("cpu", 10.0, 20.0, 2) == [None, None]
    assert made.window("unknown", 0.0, 4.0, 1) == [None]


def test_samples_that_overtook_each_other_are_left_out():
    made = history((2.0, 1.0), (1.0, 9.0), (2.0, 9.0), (3.0, 2.0))
    assert list(made.times) == [2.0, 3.0]


def test_a_measure_may_begin_later():
    made = history((1.0, 1.0))
    made.append(2.0, {"cpu": 2.0, "rss": 5.0})
    assert made.window("rss", 1.0, 3.0, 2) == [None, 5.0]
    assert (made.last("cpu"), made.last("rss"), made.last("io")) == (2.0, 5.0, None)


@given(st.lists(st.floats(0, 1e6), max_size=60), st.integers(0, 60))
def test_nothing_is_told_twice_however_the_past_overlaps(values, overlap):
    own = list(enumerate(values))[overlap:]
    made = history(*((float(at), value) for at, value in own))
    made.prepend([float(at) for at in range(len(values))], {"cpu": values})
    assert list(made.times) == [float(at) for at in range(len(values))]


def test_only_so_much_is_kept():
    made = history(*((float(at), 1.0) for at in range(5 * KEPT)))
    assert KEPT <= len(made) <= 2 * KEPT
    assert made.times[-1] == 5 * KEPT - 1


def test_slope_of_a_leak():
    made = history(*((float(at), 100.0 + 3 * at) for at in range(30)), measure="rss")
    assert made.slope("rss", 0.0) == pytest.approx(3.0)
    assert made.slope("rss", 25.0) is None
    assert made.first("rss", 10.0) == 130.0


_VALUES = st.lists(st.none() | st.floats(0, 1e9), max_size=40)


@given(_VALUES)
def test_a_sparkline_is_as_long_as_its_values(values):
    drawn = sparkline(values)
    assert len(drawn) == len(values)
    assert all((glyph == " ") == (value is None) for glyph, value in zip(drawn, values, strict=True))


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=40))
def test_more_is_never_drawn_lower(values):
    order = sorted(values)
    drawn = sparkline(order)
    assert list(drawn) == sorted(drawn)


def test_sparkline_scales():
    assert sparkline([0, 50, 100], 100) == "▁▄█" or sparkline([0, 50, 100], 100) == "▁▅█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([1000], 100) == "█"


def test_gaps_are_bridged_but_not_for_ever():
    assert fill_gaps([None, 1.0, None, None, 2.0], 2) == [None, 1.0, 1.0, 1.0, 2.0]
    assert fill_gaps([1.0, None, None, None], 2) == [1.0, 1.0, 1.0, None]
