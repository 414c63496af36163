"""JSON merge patches: what is told makes of the old document the new one, and is no longer than it must be."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from circus.web.mergepatch import apply, diff, prune

_LEAVES = st.one_of(
    st.booleans(), st.integers(-5, 5), st.floats(-3, 3), st.text(max_size=3), st.lists(st.integers(0, 3), max_size=3)
)
_DOCUMENTS = st.recursive(
    st.dictionaries(st.text("abc", max_size=2), _LEAVES, max_size=4),
    lambda inner: st.dictionaries(st.text("abc", max_size=2), st.one_of(_LEAVES, inner), max_size=4),
    max_leaves=12,
)  # fmt: skip
_WITH_NULLS = st.recursive(
    st.one_of(st.none(), _LEAVES),
    lambda inner: st.dictionaries(st.text("abc", max_size=2), inner, max_size=4),
    max_leaves=12,
)


@given(_DOCUMENTS, _DOCUMENTS)
def test_the_patch_makes_the_new_document(old, new):
    before = json.dumps(old, sort_keys=True)
    patched = apply(old, diff(old, new))
    assert json.dumps(patched, sort_keys=True) == json.dumps(new, sort_keys=True)
    assert json.dumps(old, sort_keys=True) == before


@given(_DOCUMENTS)
def test_nothing_is_told_when_nothing_changed(document):
    assert diff(document, json.loads(json.dumps(document))) == {}


@given(_DOCUMENTS, _DOCUMENTS, _DOCUMENTS)
def test_patches_one_after_the_other(first, second, third):
    told = apply(apply(first, diff(first, second)), diff(second, third))
    assert json.dumps(told, sort_keys=True) == json.dumps(third, sort_keys=True)


@given(st.dictionaries(st.text("abc", max_size=2), _WITH_NULLS, max_size=4))
def test_pruned_documents_hold_no_null_in_objects(document):
    assert "null" not in json.dumps(prune(document))


def test_kinds_of_values_are_told_apart():
    assert diff({"a": 1}, {"a": True}) == {"a": True}
    assert diff({"a": {"b": 1}}, {"a": [1]}) == {"a": [1]}
    assert diff({"a": [1]}, {"a": {"b": 1}}) == {"a": {"b": 1}}
    assert diff({"a": 1, "b": 2}, {"b": 2}) == {"a": None}


def test_the_examples_of_the_rfc():
    for document, patch, result in (
        ({"a": "b"}, {"a": "c"}, {"a": "c"}), ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}), ({"a": "b"},
        {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}), ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        (["a", "b"], ["c", "d"], ["c", "d"]), ({"a": "b"}, ["c"], ["c"]), ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}), ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ):  # fmt: skip
        assert apply(document, patch) == result
