"""Restart budget and back-off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.model.pacing import Backoff, Pace, gives_up

PLAIN = Backoff(jitter=0.0)


def zero() -> float:
    return 0.0


@pytest.mark.parametrize(
    ("failures", "delay"), [(0, 0.0), (1, 0.1), (2, 0.2), (3, 0.4), (9, 25.6), (10, 30.0), (10_000, 30.0)]
)
def test_delay_doubles_up_to_the_cap(failures: int, delay: float) -> None:
    assert PLAIN.delay(failures, zero) == pytest.approx(delay)


@given(st.integers(0, 10**6), st.floats(0, 0.999))
def test_delay_is_never_negative_nor_above_the_cap(failures: int, rand: float) -> None:
    assert 0.0 <= Backoff().delay(failures, lambda: rand) <= 30.0


def test_a_worker_that_lived_long_enough_is_replaced_at_once() -> None:
    pace = Pace()
    assert pace.died(1, lived=0.2, now=10.0, backoff=PLAIN, rand=zero) == pytest.approx(0.1)
    assert pace.died(1, lived=0.2, now=11.0, backoff=PLAIN, rand=zero) == pytest.approx(0.2)
    assert pace.not_before(1) == pytest.approx(11.2)
    assert pace.died(1, lived=1.0, now=20.0, backoff=PLAIN, rand=zero) == 0.0
    assert pace.not_before(1) == 0.0
    assert pace.failures(1) == 0


def test_workers_are_paced_one_by_one() -> None:
    pace = Pace()
    pace.died(1, lived=0.0, now=1.0, backoff=PLAIN, rand=zero)
    assert pace.not_before(2) == 0.0


@pytest.mark.parametrize(
    ("failures", "max_retry", "over"), [(1, 5, False), (4, 5, False), (5, 5, True), (10**6, -1, False), (1, 0, True)]
)
def test_max_retry(failures: int, max_retry: int, over: bool) -> None:
    assert gives_up(failures, max_retry) is over
