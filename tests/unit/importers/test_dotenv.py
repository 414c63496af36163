"""Lines of NAME=VALUE."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.importers.dotenv import read_env


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\nB = two words \n", {"A": ("1", 1), "B": ("two words", 2)}),
        ("# no\n\nexport A=x # y\nB=x#y", {"A": ("x", 3), "B": ("x#y", 4)}),
        ("A='x $y \\n'\nB=\"x\\ny\\\"z\"", {"A": ("x $y \\n", 1), "B": ('x\ny"z', 2)}),
        ("A=\"one\ntwo\"\nB=3", {"A": ("one\ntwo", 1), "B": ("3", 3)}),
        ("A=\nA=2", {"A": ("2", 2)}),
        ("A='x' # y", {"A": ("x", 1)}),
        ("URL=postgres://u:p=q@h/d?x=1", {"URL": ("postgres://u:p=q@h/d?x=1", 1)}),
    ],
)
def test_variables(text, expected):
    assert read_env(text) == (expected, [])


def test_other_lines():
    assert read_env("A=1\nwhat\n1X=2\nB='open") == ({"A": ("1", 1)}, [(2, "what"), (3, "1X=2"), (4, "B='open")])


@given(st.text(st.sampled_from("AB=\"'\\\n #x$") | st.characters(), max_size=30))
def test_any_text_is_read(text):
    found, odd = read_env(text)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    assert all(1 <= number <= lines for _, number in found.values())
    assert all(1 <= number <= lines for number, _ in odd)
