"""Compatibility modules pass names on and define nothing: no function, no class, no decision."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import circus

_PACKAGE = Path(circus.__file__).parent
_FACADES = [
    "util.py",
    "fixed_threading.py",
    "_patch.py",
    "py3compat.py",
    "commands/util.py",
]


def _statements(facade):
    path = _PACKAGE / facade
    return ast.parse(path.read_text(encoding="utf-8")).body


@pytest.mark.parametrize("facade", _FACADES)
def test_a_facade_defines_nothing(facade):
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)
    others = [type(each).__name__ for each in _statements(facade) if not isinstance(each, allowed)]
    assert others == []


@pytest.mark.parametrize("facade", _FACADES)
def test_a_facade_calls_nothing(facade):
    calls = [
        node
        for each in _statements(facade)
        for node in ast.walk(each)
        if isinstance(node, (ast.Call, ast.Lambda))
    ]
    assert calls == []


@pytest.mark.parametrize("facade", _FACADES)
def test_a_facade_says_that_it_is_one(facade):
    first = _statements(facade)[0]
    assert isinstance(first, ast.Expr)
    assert str(first.value.value).startswith("Compatibility: ")


def test_what_util_passes_on_is_what_it_lists():
    body = _statements("util.py")
    imported = {
        alias.asname or alias.name
        for each in body
        if isinstance(each, (ast.Import, ast.ImportFrom)) and getattr(each, "module", "") != "__future__"
        for alias in each.names
    }
    (listed,) = [ast.literal_eval(each.value) for each in body if isinstance(each, ast.Assign)]
    assert set(listed) == imported
