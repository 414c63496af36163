"""The language of the control endpoint: whatever comes in is a request or one well-defined error."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circus.commands import errors
from circus.model import messages
from circus.model.messages import Request, RequestError, clean_caller, decode, encode, error, ok, quote, split_frames
from harness.examples import examples

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def refused(payload: bytes | str) -> RequestError:
    with pytest.raises(RequestError) as caught:
        decode(payload)
    return caught.value


def decode_or_refuse(payload: bytes) -> Request | RequestError:
    try:
        return decode(payload)
    except RequestError as bad:
        return bad


# -- requests -----------------------------------------------------------------------------------------


def test_request_keeps_what_was_sent() -> None:
    raw = b' \r\n{"id": [1, {"a": null}], "command": "LIST", "properties": {"name": "web"}, "more": 1}\n'
    request = decode(raw)
    assert (request.id, request.command, request.properties) == ([1, {"a": None}], "LIST", {"name": "web"})
    assert not request.cast
    assert not request.waiting
    assert request.raw == raw


def test_request_may_be_text() -> None:
    assert decode('{"command": "list"}').command == "list"


def test_absent_id_is_none_and_absent_properties_are_empty() -> None:
    request = decode(b'{"command": "list"}')
    assert request.id is None
    assert request.properties == {}


def test_null_properties_are_empty() -> None:
    assert decode(b'{"command": "list", "properties": null}').properties == {}


def test_only_the_word_cast_makes_a_cast() -> None:
    assert decode(b'{"command": "list", "msg_type": "cast"}').cast
    for other in (b'"Cast"', b"true", b"null", b'["cast"]'):
        assert not decode(b'{"command": "list", "msg_type": %s}' % other).cast


def test_waiting_is_a_property_and_not_a_key_of_the_request() -> None:
    assert decode(b'{"command": "stop", "properties": {"waiting": true}}').waiting
    assert not decode(b'{"command": "stop", "waiting": true}').waiting
    assert not decode(b'{"command": "stop", "properties": {"waiting": null}}').waiting


def test_a_caller_goes_along_with_the_properties() -> None:
    request = decode(b'{"command": "stop", "properties": {"name": "web"}, "caller": "circusctl root@db1 pid 42"}')
    assert request.properties == {"name": "web"}
    assert request.properties.caller == "circusctl root@db1 pid 42"  # type: ignore[attr-defined]
    assert decode(b'{"command": "stop", "caller": "me"}').properties.caller == "me"  # type: ignore[attr-defined]
    assert encode(decode(b'{"command": "stop", "caller": "me", "properties": {"a": 1}}').properties) == b'{"a": 1}'


@pytest.mark.parametrize("caller", ["null", "17", "[]", "{}", "true", '""', '" "', '"\\n\\u0000\\ud800"'])
def test_what_is_no_caller_is_ignored(caller: str) -> None:
    assert type(decode(f'{{"command": "stop", "caller": {caller}}}').properties) is dict


def test_a_caller_is_short_and_printable() -> None:
    assert clean_caller("a\x1b[31m\nb\u202ec") == "a [31m b c"
    assert clean_caller("Jörg ☃") == "Jörg ☃"
    assert clean_caller("x" * 10_000) == "x" * 200


@pytest.mark.parametrize("payload", [b"", b" ", b"\n\t \r\n", b"\x0b"])
def test_empty_command(payload: bytes) -> None:
    bad = refused(payload)
    assert (bad.errno, bad.reason, bad.id, bad.cast) == (1, "error: empty command", None, False)


@pytest.mark.parametrize(
    "payload",
    [
        b"{",
        b"nope",
        b"[]",
        b"123",
        b'"x"',
        b"null",
        b"true",
        b"{} {}",
        b'{"command": "list"} x',
        b"\xff\xfe",
        b'\xef\xbb\xbf{"command": "list"}',
        b"\x00",
        b'{"command": "list", "id": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"command": "l\x01st"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"command": "list", "id": ' + b"9" * 5000 + b"}",
        '{"command": "list"}'.encode("utf-16"),
        b'{"command": "\xed\xa0\x80"}',
    ],
    ids=range(21),
)
def test_json_invalid(payload: bytes) -> None:
    bad = refused(payload)
    assert (bad.errno, bad.reason, bad.id) == (1, "json invalid", None)


@pytest.mark.parametrize(
    ("command", "shown"), [("null", "None"), ("5", "5"), ("[]", "[]"), ("true", "True"), ("{}", "{}")]
)
def test_command_that_is_no_text(command: str, shown: str) -> None:
    bad = refused(f'{{"id": "i", "command": {command}, "msg_type": "cast"}}')
    assert (bad.errno, bad.reason, bad.id, bad.cast) == (2, f"unknown command: {shown}", "i", True)


def test_absent_command() -> None:
    bad = refused(b'{"id": 7}')
    assert (bad.errno, bad.reason, bad.id) == (2, "unknown command: None", 7)


@pytest.mark.parametrize("properties", ["[]", '"x"', "5", "true"])
def test_properties_that_are_no_object(properties: str) -> None:
    bad = refused(f'{{"id": 1, "command": "list", "properties": {properties}}}')
    assert (bad.errno, bad.reason, bad.id) == (3, "'properties' isn't a valid object", 1)


def test_lone_surrogates_and_nul_come_through() -> None:
    request = decode(b'{"id": "\\ud800\\u0000", "command": "list"}')
    assert request.id == "\ud800\0"
    assert json.loads(encode({"id": request.id}))["id"] == request.id


def test_request_nested_as_deep_as_it_may_be_is_answered() -> None:
    depth = 500
    request = decode(b'{"command": "x", "id": ' + b"[" * depth + b"]" * depth + b"}")
    assert encode({"id": request.id})


@given(st.binary(max_size=200))
@settings(max_examples=examples(500))
def test_no_bytes_raise_anything_else(payload: bytes) -> None:
    outcome = decode_or_refuse(payload)
    if isinstance(outcome, RequestError):
        assert outcome.errno in (1, 2, 3)
        encode(error(outcome.reason, errno=outcome.errno) | {"id": outcome.id})


@given(st.dictionaries(st.sampled_from(["id", "command", "properties", "msg_type", "x"]), JSON))
@settings(max_examples=examples(300))
def test_no_object_raises_anything_else(message: dict[str, Any]) -> None:
    outcome = decode_or_refuse(json.dumps(message).encode())
    if isinstance(outcome, RequestError):
        assert outcome.errno in (1, 2, 3)
    else:
        assert outcome.id == message.get("id")
        assert outcome.properties == (message.get("properties") or {})


# -- frames -------------------------------------------------------------------------------------------


def test_frames_of_a_dealer_and_of_a_req_socket() -> None:
    assert split_frames([b"id", b"{}"]) == (b"id", b"{}")
    assert split_frames([b"id", b"", b"{}"]) == ((b"id", b""), b"{}")
    assert split_frames([b"id", b""]) == (b"id", b"")
    assert split_frames([b"id", b"", b""]) == ((b"id", b""), b"")


@pytest.mark.parametrize("frames", [[], [b"id"], [b"id", b"x", b"y"], [b"id", b"", b"a", b"b"]])
def test_frames_of_nobody(frames: list[bytes]) -> None:
    assert split_frames(frames) is None


# -- replies ------------------------------------------------------------------------------------------


def test_ok_envelope_and_what_may_replace_parts_of_it() -> None:
    assert ok()["status"] == "ok"
    assert isinstance(ok()["time"], float)
    assert ok({"status": "active", "x": 1}) | {"time": 0} == {"status": "active", "time": 0, "x": 1}


def test_error_envelope_has_exactly_these_keys() -> None:
    assert error() | {"time": 0} == {
        "status": "error",
        "reason": "unknown",
        "tb": None,
        "time": 0,
        "errno": 0,
    }
    assert error("r", "t", 5)["tb"] == "t"


def test_encoding_is_ascii_with_the_usual_separators() -> None:
    assert encode({"a": "é", "b": [1, None]}) == b'{"a": "\\u00e9", "b": [1, null]}'


@given(st.dictionaries(st.text(), JSON))
def test_encoding_round_trips(reply: dict[str, Any]) -> None:
    assert json.loads(encode(reply)) == reply


def test_encoding_never_fails() -> None:
    endless: list[Any] = []
    endless.append(endless)

    class Rude:
        def __str__(self) -> str:
            raise TypeError("rude")

    reply = {
        "nan": math.nan,
        "inf": [math.inf, -math.inf, 1.5],
        "bytes": b"a\xff",
        "set": {1},
        "object": object,
        (1, 2): "tuple key",
        None: "none",
        5: "int",
        "endless": endless,
        "big": 10**5000,
        "rude": Rude,
    }
    found = json.loads(encode(reply))
    assert found["nan"] is None
    assert found["inf"] == [None, None, 1.5]
    assert found["bytes"] == "a\\xff"
    assert found["set"] == [1]
    assert found["(1, 2)"] == "tuple key"
    assert found["5"] == "int"
    assert found["null"] == "none"
    assert json.loads(encode({"rude": Rude()}))["rude"].startswith("<")


def test_foreign_objects_become_text_on_the_fast_way_too() -> None:
    from pathlib import PurePosixPath

    assert encode({"p": PurePosixPath("/x")}) == b'{"p": "/x"}'


def test_without_the_c_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    monkeypatch.setattr(messages, "_dump", None)
    try:
        assert json.loads(encode({"a": [1, math.nan]})) == {"a": [1, None]}
    finally:
        monkeypatch.undo()


def test_quoting_is_bounded() -> None:
    assert quote("x") == "'x'"
    assert len(quote("x" * 10_000)) < 1100
    assert quote(10**5000) == "<int>"


def test_the_table_of_error_codes_is_the_one_of_the_commands() -> None:
    for number, (name, text) in messages.ERROR_CODES.items():
        assert getattr(errors, name) == getattr(messages, name) == number
        assert text
