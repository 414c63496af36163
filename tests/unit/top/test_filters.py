"""Filter expressions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.model.dashboard import COLUMNS, FilterError, parse_filter

ROW = {
    "name": "web.1", "pid": 1234, "state": "running", "cpu": 55.0, "rss": 200 << 20, "restarts": 2, "age": 95.0,
    "exit": -9, "cmd": "gunicorn", "procs": 3, "procs_of": 4, "fds": None, "queue": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "cpu>50", "cpu >= 55 and restarts>0", "cpu>50 restarts>0 name~web", "rss>100M", "rss<=200m", "age>90s age<2m",
        "state=running", "state=RUNNING", "status!=stopped", "not state=stopped", "cpu<1 or pid=1234", "web", "GUNI",
        "1234", "name~^web\\.\\d$", "name!~api", "(cpu<1 or restarts>1) and web", "exit=SIGKILL", "exit~kill",
        "'web.1'", 'cmd="gunicorn"', "procs=3", "procs~3/4", "mem%>1 or cpu%>1", "queue=0", "not not web", "cpu==55",
        "not (cpu<1)", "fds!=3 or web",
    ],
)  # fmt: skip
def test_holds(text):
    assert parse_filter(text).matches(ROW)


@pytest.mark.parametrize(
    "text",
    [
        "cpu>55", "cpu>50 restarts>2", "rss>1G", "age>1h", "state=stopped", "not web", "fds>0", "fds=0", "api",
        "name~^api", "exit=SIGTERM", "web and not gunicorn",
    ],
)  # fmt: skip
def test_does_not_hold(text):
    assert not parse_filter(text).matches(ROW)


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_expression_is_no_filter(text):
    assert parse_filter(text) is None


@pytest.mark.parametrize(
    ("text", "told", "at"),
    [
        ("cpu>", "", None),
        ("restrts>5", "no column 'restrts'; restarts?", 0),
        ("cpu>lots", "'lots' is no number", 4),
        ("rss>x", "'x' is no number (such as 100M)", 4),
        ("age>x", "'x' is no number (such as 90s or 2h)", 4),
        ("name~(", None, None),
        ("cpu>1 and", "something is missing at the end", 9),
        ("or web", "something is missing before 'or'", 0),
        ("(web", "a ( without its )", 0),
        ("web)", "a ) without its (", 3),
        ("not", "something is missing at the end", 3),
    ],
)
def test_what_makes_no_sense(text, told, at):
    if told == "":
        assert parse_filter(text).matches({"name": "cpu>"})  # a word like another
        return
    with pytest.raises(FilterError) as raised:
        parse_filter(text)
    if told is not None:
        assert (str(raised.value), raised.value.at) == (told, at)


@given(st.text(alphabet="abc cpu name rss <>=~!()\"'123.andornot", max_size=30))
def test_anything_typed_is_a_filter_or_an_error(text):
    try:
        found = parse_filter(text)
    except FilterError as error:
        found = None
        place = error.at
    else:
        place = 0
    assert 0 <= place <= len(text)
    if found is not None:
        assert found.matches(ROW) in (True, False)


_TERMS = st.sampled_from(["cpu>50", "rss>1G", "web", "api", "state=running", "fds>1"])


@given(st.lists(_TERMS, min_size=1, max_size=5))
def test_and_or_not_are_what_they_say(terms):
    each = [parse_filter(term).matches(ROW) for term in terms]
    assert parse_filter(" and ".join(terms)).matches(ROW) == all(each)
    assert parse_filter(" ".join(terms)).matches(ROW) == all(each)
    assert parse_filter(" or ".join(terms)).matches(ROW) == any(each)
    assert parse_filter(f"not ({' or '.join(terms)})").matches(ROW) == (not any(each))


@given(st.sampled_from([key for key, column in COLUMNS.items() if not column.measure and not column.is_text]))
def test_every_number_can_be_compared(key):
    assert parse_filter(f"{key}>=1").matches({key: 1.0})
    assert not parse_filter(f"{key}>=1").matches({key: None})
