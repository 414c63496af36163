"""Clocks: what is promised of both kinds, and the hands of the manual one."""

from __future__ import annotations

import time

import pytest

from circus.base.clock import Clock, ManualClock, SystemClock


@pytest.mark.parametrize("make", [SystemClock, ManualClock])
def test_monotonic_never_goes_back(make):
    clock: Clock = make()
    readings = [clock.monotonic() for _ in range(100)]
    assert readings == sorted(readings)
    assert isinstance(clock.now(), float)


def test_the_system_clock_tells_the_time():
    assert abs(SystemClock().now() - time.time()) < 5
    assert abs(SystemClock().monotonic() - time.monotonic()) < 5


def test_the_manual_clock_moves_when_told():
    clock = ManualClock(now=100.0, monotonic=5.0)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (102.5, 7.5)
    clock.jump(-50)
    assert (clock.now(), clock.monotonic()) == (52.5, 7.5)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
