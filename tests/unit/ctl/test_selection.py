"""Which watchers words mean: what to subscribe to, what to keep."""

from __future__ import annotations

import pytest

from circus.ctl.selection import Selection


@pytest.mark.parametrize(
    ("words", "topics"),
    [
        ([], ["output."]),
        (["web"], ["output.web."]),
        (["Web", "web"], ["output.web."]),
        (["One Two"], ["output.one_two."]),
        (["web*", "db"], ["output.db.", "output.web"]),
        (["[ab]*"], ["output."]),
        (["a?c"], ["output.a"]),
    ],
)
def test_topics(words, topics):
    assert Selection(words).topics("output") == topics


@pytest.mark.parametrize(
    ("words", "name", "expected"),
    [
        ([], "anything", True),
        (["web"], "web", True),
        (["web"], "WEB", True),
        (["web"], "web.x", False),
        (["web"], "webb", False),
        (["one_two"], "One Two", True),
        (["One Two"], "one_two", True),
        (["one*"], "One Two", True),
        (["web[1]"], "web[1]", True),
        (["web[1]"], "web1", True),
        (["db", "w?b"], "web", True),
        (["db", "w?b"], "worker", False),
    ],
)
def test_names(words, name, expected):
    selection = Selection(words)
    assert (name in selection) is expected
    assert (name in selection) is expected  # known by now


def test_names_made_up_do_not_pile_up():
    selection = Selection(["web"])
    assert not any(f"w{number}" in selection for number in range(5000))
    assert len(selection._known) < 2000
