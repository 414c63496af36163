"""JSON with comments, commas and lines."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.importers.loosejson import NotJson, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES, st.sampled_from([None, 0, 2]))
def test_json_is_read_as_json(value, indent):
    assert read_json(json.dumps(value, indent=indent)) == value


def test_comments_and_commas():
    text = '// a\n{ /* b\n */ "x": [1, 2.5, -3e2,], // c\n "y": {"//": "/* no */",}, }\n // end'
    found = read_json(text)
    assert found == {"x": [1, 2.5, -300.0], "y": {"//": "/* no */"}}
    assert found.lines == {"x": 3, "y": 4}
    assert found["y"].line == 4


@pytest.mark.parametrize(
    ("text", "told", "line"),
    [
        ("", "it ends too soon", 1),
        ("{\n x: 1}", "the name of a property is expected, in double quotes", 2),
        ('{"x" 1}', "a colon is expected behind 'x'", 1),
        ('{"x": 1\n "y": 2}', "a comma or } is expected", 2),
        ("[1 2]", "a comma or ] is expected", 1),
        ('["a]', "this string cannot be read", 1),
        ("[1]\n\n[2]", "there is more behind the end", 3),
        ("[nope]", "a value is expected, not 'nope]'", 1),
        ("[" * 100, "nested too deeply", 1),
        ("module.exports = {}", "a value is expected, not 'module.exports = {}'", 1),
    ],
)
def test_what_is_no_json(text, told, line):
    with pytest.raises(NotJson) as error:
        read_json(text)
    assert (str(error.value), error.value.line) == (told, line)


@given(st.text(st.sampled_from('[]{}":,0-1.e/*\n \\u"d8tfn'), max_size=30) | st.text())
def test_any_text_is_read_or_refused(text):
    try:
        read_json(text)
    except NotJson as error:
        line = error.line
    else:
        line = 1
    assert 1 <= line <= text.count("\n") + 1
