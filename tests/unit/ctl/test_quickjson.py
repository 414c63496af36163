"""The quick JSON says what the package says."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.ctl import quickjson

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


@pytest.fixture(params=["quick", "package"], autouse=True)
def both_ways(request, monkeypatch):
    if request.param == "package":
        monkeypatch.setattr(quickjson, "_quick", None)


@given(VALUES)
def test_values_are_written_and_read_as_the_package_does(value):
    text = quickjson.dumps(value)
    assert text == json.dumps(value)
    assert quickjson.loads(text) == quickjson.loads(text.encode()) == value
    assert quickjson.loads(f" \r\n\t{text}\n") == value


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsnNaI \\u\n', max_size=30))
def test_any_text_is_judged_as_the_package_does(text):
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            quickjson.loads(text)
    else:
        assert repr(quickjson.loads(text)) == repr(expected)


def test_special_numbers():
    assert math.isnan(quickjson.loads("NaN"))
    assert quickjson.loads("[-Infinity]") == [-math.inf]
    assert quickjson.dumps(math.inf) == "Infinity"


@pytest.mark.parametrize("value", [object(), {1, 2}, {"a": b"x"}, {(1, 2): 3}])
def test_what_has_no_json_form(value):
    with pytest.raises(TypeError):
        quickjson.dumps(value)


def test_what_contains_itself():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="Circular reference"):
        quickjson.dumps(loop)


def test_bytes_must_be_utf8():
    with pytest.raises(ValueError):
        quickjson.loads(b'"\xff"')
