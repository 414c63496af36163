"""Messages that are no requests. 0.19.0 stays silent or stalls on most of them (wire.md 1.1), so it is not asked."""

from __future__ import annotations

import json

import pytest

from harness import PATIENCE, Daemon

ERRORS = {
    b"": (1, "error: empty command"),
    b" \n": (1, "error: empty command"),
    b"[]": (1, "json invalid"),
    b"123": (1, "json invalid"),
    b'"x"': (1, "json invalid"),
    b"null": (1, "json invalid"),
    b"{": (1, "json invalid"),
    b"\xff\x00": (1, "json invalid"),
    b"[" * 100_000: (1, "json invalid"),
    b"{}": (2, "unknown command: None"),
    b'{"command": null}': (2, "unknown command: None"),
    b'{"command": 5}': (2, "unknown command: 5"),
    b'{"command": ["list"]}': (2, "unknown command: ['list']"),
    b'{"command": "\\ud800"}': (2, "unknown command: '\\ud800'"),
}


@pytest.fixture
def daemon(tmp_path, programs):
    subject, reference = programs["subject"].installation, programs["reference"].installation
    if subject.python == reference.python:
        pytest.skip("the reference does not answer these")
    with Daemon(tmp_path, installation=subject) as running:
        yield running


def test_every_message_is_answered_and_the_next_one_too(daemon):
    for payload, (errno, reason) in ERRORS.items():
        reply = daemon.caller.raw(payload)
        assert reply is not None, payload[:20]
        assert reply.keys() == {"status", "reason", "tb", "time", "errno", "id"}
        assert (reply["status"], reply["errno"], reply["reason"], reply["id"]) == (
            "error",
            errno,
            reason,
            None,
        )
        assert daemon.call("list")["status"] == "ok"


def test_a_req_client_is_answered(daemon):
    import zmq

    asking = daemon.context.socket(zmq.REQ)
    asking.setsockopt(zmq.LINGER, 0)
    asking.connect(daemon.endpoint)
    asking.send(b'{"command": "list", "id": 3}')
    assert asking.poll(PATIENCE * 1000)
    assert json.loads(asking.recv())["id"] == 3
    asking.close()


def test_other_shapes_are_dropped_with_a_warning(daemon):
    import zmq

    # On one connection, which keeps the order: the first answer is that to the message of the right shape.
    asking = daemon.context.socket(zmq.DEALER)
    asking.setsockopt(zmq.LINGER, 0)
    asking.connect(daemon.endpoint)
    asking.send_multipart([b'{"command": "list"}', b"more"])
    asking.send_multipart([b"", b"", b"x"])
    asking.send(b'{"command": "list", "id": 3}')
    assert asking.poll(PATIENCE * 1000)
    assert json.loads(asking.recv())["id"] == 3
    asking.close()
    assert daemon.log.count("got unexpected message") == 2


def test_ids_of_every_kind_come_back_with_errors(daemon):
    for message_id in (0, 1.5, "x", [1], {"a": None}, True, None):
        reply = daemon.caller.raw(json.dumps({"id": message_id, "command": "nope"}).encode())
        assert (reply["id"], reply["errno"]) == (message_id, 2)


def test_casts_are_never_answered(daemon):
    for command in ("list", "nope", "status"):
        payload = json.dumps({"command": command, "msg_type": "cast", "properties": {"name": "zz"}}).encode()
        assert daemon.caller.raw(payload, deadline=0.2) is None
