"""The one answer that 0.19.0 may lose is filled in, and no other, and never ours."""

from __future__ import annotations

import pytest

from compat.comparison import Duo
from compat.differences import ok

TIMED_OUT = {"rc": 1, "out": "", "err": "Timed out.\nA time out usually happens in one of those cases:\n"}
SAID = {"rc": 0, "out": "ok\n", "err": ""}
STEPS = [("call quit waiting=True", None, ok()), ("ctl quit --waiting", TIMED_OUT, SAID)]


@pytest.fixture
def pair(programs, tmp_path):
    return Duo("test of the comparison", tmp_path, programs)


@pytest.mark.parametrize(("step", "loss", "answer"), STEPS)
def test_what_the_reference_may_lose(pair, step, loss, answer):
    pair.compare(step, {"reference": loss, "subject": answer})
    assert not pair.problems


@pytest.mark.parametrize(("step", "loss", "answer"), STEPS)
def test_what_ours_may_not_lose(pair, step, loss, answer):
    if pair.same:
        pytest.skip("the reference is compared with itself")
    pair.compare(step, {"reference": answer, "subject": loss})
    pair.compare(step, {"reference": loss, "subject": loss})
    assert len(pair.problems) == 2


def test_other_steps_have_to_be_answered(pair):
    pair.compare("call stop waiting=True", {"reference": None, "subject": ok()})
    pair.compare("ctl stop --waiting", {"reference": TIMED_OUT, "subject": SAID})
    assert len(pair.problems) == 2


def test_another_answer_of_the_reference_counts(pair):
    pair.compare("call quit waiting=True", {"reference": {"status": "error"}, "subject": ok()})
    pair.compare("ctl quit --waiting", {"reference": {"rc": 1, "out": "", "err": "error: no"}, "subject": SAID})
    assert len(pair.problems) == 2
