"""The operations of the API and the documents written from them."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.model.options import WATCHER
from circus.web.api.openapi import document
from circus.web.api.operations import OPERATIONS
from circus.web.api.schema import complaint, from_text
from circus.web.optionforms import hook_names, option_forms, schema_of, signal_names, stream_forms
from circus.web.optionplan import plan_add, plan_set
from circus.web.problems import Problem, refusal
from circus.web.settings import ROLES, allows

#: What has to be there (issue 5), with the role it takes.
WANTED = {
    "GET /watchers": "viewer", "POST /watchers": "admin", "GET /watchers/{name}": "viewer",
    "PUT /watchers/{name}": "admin",
    "DELETE /watchers/{name}": "admin",
    **{f"POST /watchers/{{name}}/{verb}": "operator"
       for verb in ("start", "stop", "restart", "reload", "incr", "decr", "signal", "kill")},
    **{f"GET /watchers/{{name}}/{what}": "viewer" for what in ("options", "why", "logs", "stats")},
    **{f"GET /{what}": "viewer" for what in (
        "endpoints", "sockets", "events", "stats", "plugins", "globals", "logs", "openapi.json", "schema/options")},
    **{f"POST /{verb}": "operator" for verb in ("start", "stop", "restart", "reload")},
    "POST /reloadconfig": "admin", "POST /quit": "admin", "POST /endpoints": "admin", "DELETE /endpoints/{id}": "admin",
    "POST /login": "", "POST /logout": "viewer", "GET /session": "", "GET /audit": "admin",
}  # fmt: skip


def test_every_operation_that_is_promised_is_there():
    assert {f"{each.method} {each.path}": each.role for each in OPERATIONS} == WANTED
    assert len({each.id for each in OPERATIONS}) == len(OPERATIONS)


def test_no_change_is_for_viewers_and_none_by_get():
    for each in OPERATIONS:
        if each.changes and each.id not in ("login", "logout"):
            assert allows(each.role, "operator"), each.id
        if not each.changes:
            assert each.body is None, each.id


def test_roles():
    assert [[allows(one, other) for other in ROLES] for one in ROLES] == [
        [True, False, False], [True, True, False], [True, True, True],
    ]  # fmt: skip


def test_the_document_is_complete():
    told = document(OPERATIONS, "/x")
    assert told["openapi"] == "3.1.0"
    assert told["servers"] == [{"url": "/x/api/v1"}]
    assert told == json.loads(json.dumps(told))
    for operation in OPERATIONS:
        entry = told["paths"][operation.path][operation.method.lower()]
        assert entry["operationId"] == operation.id
        assert {name for name in re.findall(r"{(\w+)}", operation.path)} == {
            parameter["name"] for parameter in entry.get("parameters", ()) if parameter["in"] == "path"
        }
        assert str(operation.status) in entry["responses"]
        assert entry["security"] == ([{"token": []}] if operation.role else [])
        if operation.role:
            assert {"401", "403", "404", "503", "504"} <= set(entry["responses"])
    options = told["components"]["schemas"]["WatcherOptions"]
    for option in WATCHER:
        if option.addable and not option.is_family:
            assert options["properties"][option.name]["description"].startswith(option.doc)
    assert any(re.search(pattern, "rlimit_nofile") for pattern in options["patternProperties"])
    for reference in re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(told)):
        assert reference in told["components"]["schemas"]


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 3}, [1, 3], [0, 4, "1", True, None, 1.5]),
        ({"type": "number"}, [1, 1.5], ["1", True, float("nan"), float("inf"), None]),
        ({"type": ["string", "null"]}, ["", None], [1, [], {}]),
        ({"type": "boolean"}, [True], [1, "true", None]),
        ({"type": "string", "minLength": 1, "maxLength": 3, "pattern": "^[a-z]+$"}, ["abc"], ["", "abcd", "A", 1]),
        ({"enum": ["a", "b"]}, ["a"], ["c", 1]),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 2}, [[], ["a"]], ["a", [1], ["a", "b", "c"]]),
        ({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False},
         [{"a": 1}], [{}, {"a": "x"}, {"a": 1, "b": 2}, []]),
        ({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^x"}]}, [1, "xy"], ["y", None]),
        ({"type": "object", "additionalProperties": {"type": "string"}}, [{"a": "b"}], [{"a": 1}]),
    ],
)  # fmt: skip
def test_what_schemas_let_through(schema, good, bad):
    assert [complaint(schema, value, "it") for value in good] == [""] * len(good)
    assert all(complaint(schema, value, "it") for value in bad)


@given(st.sampled_from(["boolean", "integer", "number", "string"]), st.text(max_size=30))
def test_any_text_in_a_query_is_a_value_or_a_complaint(kind, text):
    schema = {"type": kind}
    value = from_text(schema, text)
    assert isinstance(complaint(schema, value, "it"), str)
    if kind == "string":
        assert value == text


def test_the_form_knows_every_option():
    forms = {form["name"]: form for form in option_forms()}
    assert set(forms) == {option.name for option in WATCHER if option.addable or option.settable}
    assert (forms["numprocesses"]["type"], forms["numprocesses"]["default"]) == ("integer", 1)
    assert forms["respawn_backoff.jitter"]["maximum"] == 1.0
    assert forms["cmd"]["required"]
    assert not forms["args"]["required"]
    assert forms["stop_signal"]["default"] == 15
    assert forms["rlimit_"]["is_family"]
    assert json.loads(json.dumps(forms))
    assert "FileStream" in stream_forms()["classes"]
    assert any(option["choices"] for option in stream_forms()["options"])
    assert {"before_start", "after_stop"} <= {hook["name"] for hook in hook_names()}
    assert signal_names()[0] == "HUP"
    assert schema_of(WATCHER["uid"])["type"] == ["string", "integer", "null"]


PRESENT = {
    "cmd": "serve", "numprocesses": 1, "singleton": False, "env": {"A": "1"}, "graceful_timeout": 30.0,
    "stdout_stream_conf": {"class": "FileStream", "filename": "x"}, "copy_env": False,
}  # fmt: skip


def changes(plan):
    return {each["option"]: (each["from"], each["to"], each["on_change"]) for each in plan.changes}


def test_a_plan_tells_what_differs_and_what_it_does():
    plan = plan_set({"numprocesses": "3", "cmd": "serve", "env": {"A": "2"}, "stdout_stream.filename": "y"}, PRESENT)
    assert changes(plan) == {
        "numprocesses": (1, 3, "reconcile"), "env": ({"A": "1"}, {"A": "2"}, "roll"),
        "stdout_stream.filename": ("x", "y", "stream"),
    }  # fmt: skip
    assert plan.values == {"numprocesses": 3, "env": {"A": "2"}, "stdout_stream.filename": "y"}
    assert plan.as_dict()["replaces_processes"]
    assert not plan.problems


def test_a_plan_tells_what_is_wrong():
    plan = plan_set({"numproceses": 2, "priority": 1, "graceful_timeout": "soon", "name": "x"}, PRESENT)
    assert set(plan.errors) == {"numproceses", "priority", "graceful_timeout", "name"}
    assert {each["option"]: each.get("hint") for each in plan.problems}["numproceses"] == "did you mean numprocesses?"
    with pytest.raises(Problem) as refused:
        plan.raise_problems("circusctl set")
    assert (refused.value.status, refused.value.more["circusctl"]) == (422, "circusctl set")
    assert plan_set({"singleton": True, "numprocesses": 2}, PRESENT).errors == {
        "numprocesses": "Cannot have 2 processes with a singleton  watcher"
    }
    assert plan_add("x", "y", None, {"copy_path": True}).errors
    assert plan_add(" ", "y", None, {}).errors
    assert not plan_add("x", "y", ["z"], {"priority": 1, "autostart": False}).errors


def test_null_is_the_default():
    changed = {**PRESENT, "graceful_timeout": 5.0}
    assert plan_set({"graceful_timeout": None}, changed).values == {"graceful_timeout": 30.0}
    assert plan_set({"graceful_timeout": None}, PRESENT).changes == []


@given(st.sampled_from([option.name for option in WATCHER if not option.is_family]), st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner,
    max_size=3)), max_leaves=5,
))  # fmt: skip
def test_no_value_breaks_a_plan(name, value):
    for plan in (plan_set({name: value}, PRESENT), plan_add("x", "y", None, {name: value})):
        assert name in plan.values or name in plan.errors or not plan.changes
        json.dumps(plan.as_dict(), default=str)


def test_replies_that_refuse():
    assert refusal({"reason": "program x not found", "errno": 3}).status == 404
    assert refusal({"reason": "'x' option not found", "errno": 3}).status == 422
    assert refusal({"reason": "arbiter is already running", "errno": 5}).status == 409
    assert refusal({"reason": "unknown command: 'why'", "errno": 2}).status == 501
    assert refusal({}).status == 500
    problem = refusal({"reason": "server error", "errno": 6, "cause": "no such file"})
    assert (problem.status, problem.detail) == (409, "no such file")
    assert problem.as_dict()["title"] == "Conflict"
