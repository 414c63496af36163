"""``circusctl listen``: where it listens and what it prints."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys

import pytest
import zmq

from circus import circusctl
from circus.base.endpoints import DEFAULT_ENDPOINT_SUB
from circus.client_light import LightClient
from circus.ctl import app, listening
from circus.ctl.listening import find_pubsub_endpoint, print_event
from circus.exc import TransportError
from circus.system.endpoint import parse_endpoint
from tests.unit.ctl.fakedaemon import FakeDaemon, refusal


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("tcp://127.0.0.1:7777", "tcp://127.0.0.1:7777"),
        ("ipc:///run/events", "ipc:///run/events"),
        ("tcp://0.0.0.0:7777", "tcp://127.0.0.1:7777"),
        ("tcp://*:7777", "tcp://127.0.0.1:7777"),
        (None, DEFAULT_ENDPOINT_SUB),
        (3, DEFAULT_ENDPOINT_SUB),
    ],
)
def test_the_daemon_tells_where_its_events_are(told, found):
    with FakeDaemon({"globaloptions": {"options": {"pubsub_endpoint": told}}}) as daemon:
        client = LightClient(daemon.endpoint, 10)
        assert find_pubsub_endpoint(client) == found
        client.stop()
        assert daemon.requests[0]["properties"] == {"option": "pubsub_endpoint"}


@pytest.mark.parametrize("reply", [refusal("unknown command"), {"options": {}}, {"options": []}, b"[]"])
def test_a_daemon_that_does_not_tell_has_the_default_one(reply):
    with FakeDaemon({"globaloptions": reply}) as daemon:
        client = LightClient(daemon.endpoint, 0.5)
        assert find_pubsub_endpoint(client) == DEFAULT_ENDPOINT_SUB
        client.stop()


class Remote:
    """A client of a daemon whose control endpoint is elsewhere."""

    endpoint = "tcp://192.0.2.7:5555"
    ssh_server = None

    def __init__(self, told, ssh_server=None):
        self.told, self.ssh_server = told, ssh_server

    def send_message(self, command, **props):
        return {"options": {"pubsub_endpoint": self.told}}


def test_the_loopback_of_a_remote_daemon_is_not_ours(monkeypatch):
    reachable = []
    monkeypatch.setattr(listening, "_listens", lambda endpoint: str(endpoint) in reachable)
    told, theirs = "tcp://127.0.0.1:5556", "tcp://192.0.2.7:5556"
    assert listening.ask_pubsub_endpoint(Remote(told)) == told  # we may have used a name of our own host
    reachable.append(theirs)
    assert listening.ask_pubsub_endpoint(Remote(told)) == theirs
    reachable.clear()
    assert listening.ask_pubsub_endpoint(Remote(told, "me@gateway")) == theirs
    assert listening.ask_pubsub_endpoint(Remote("tcp://*:5556")) == theirs
    assert listening.ask_pubsub_endpoint(Remote("tcp://192.0.2.8:5556")) == "tcp://192.0.2.8:5556"
    assert listening.ask_pubsub_endpoint(Remote("ipc:///run/events")) == "ipc:///run/events"


def test_whether_somebody_listens(tmp_path):
    with FakeDaemon() as daemon:
        assert listening._listens(parse_endpoint(daemon.endpoint))
        endpoint = daemon.endpoint
    assert not listening._listens(parse_endpoint(endpoint))


def test_a_daemon_that_is_down_is_no_reason_not_to_listen(tmp_path, capsys):
    assert find_pubsub_endpoint(LightClient(f"ipc://{tmp_path / 'c'}")) == DEFAULT_ENDPOINT_SUB
    assert capsys.readouterr().err.endswith(
        f"no such file or directory; listening at {DEFAULT_ENDPOINT_SUB}\n"
    )


@pytest.mark.parametrize(
    ("as_json", "line"),
    [
        (False, "b'watcher.w_one.spawn': b'{\"process_pid\": 1}'\n"),
        (True, '{"topic": "watcher.w_one.spawn", "event": {"process_pid": 1}}\n'),
    ],
)
def test_an_event_is_a_line(as_json, line):
    out = io.StringIO()
    print_event(b"watcher.w_one.spawn", b'{"process_pid": 1}', as_json, out)
    assert out.getvalue() == line


def test_an_event_that_is_no_json():
    out = io.StringIO()
    print_event(b"t\xff", b"\xff", True, out)
    assert json.loads(out.getvalue()) == {
        "topic": "t\N{REPLACEMENT CHARACTER}",
        "event": "\N{REPLACEMENT CHARACTER}",
    }


@pytest.fixture
def listened(monkeypatch):
    """Records what would be listened to."""
    calls = []
    monkeypatch.setattr(listening, "print_events", lambda *args: calls.append(args))
    monkeypatch.delenv("CIRCUSCTL_ENDPOINT", raising=False)
    return calls


def test_an_endpoint_given_is_the_one(listened):
    assert (
        circusctl.run(["--endpoint", "tcp://h:1", "--ssh", "me@h", "--ssh_keyfile", "k", "listen", "a", "b"])
        == 0
    )
    assert listened == [(["a", "b"], "tcp://h:1", "me@h", "k", False, ())]


def test_the_daemon_is_asked_by_the_environment(listened, monkeypatch):
    with FakeDaemon({"globaloptions": {"options": {"pubsub_endpoint": "tcp://127.0.0.1:7"}}}) as daemon:
        monkeypatch.setenv("CIRCUSCTL_ENDPOINT", daemon.endpoint)
        assert circusctl.run(["--json", "listen"]) == 0
    assert listened == [([""], "tcp://127.0.0.1:7", None, None, True, (b"output.",))]


def test_a_shell_listens_to_its_own_daemon(listened):
    with FakeDaemon({"globaloptions": {"options": {"pubsub_endpoint": "tcp://127.0.0.1:7"}}}) as daemon:
        client = LightClient(daemon.endpoint, 10)
        args = circusctl.parse_arguments(["--endpoint", daemon.endpoint, "listen"], circusctl.WithErrands())
        assert app.ControllerApp(circusctl.WithErrands(), client).run(args) == 0
        client.stop()
    assert listened[0][1] == "tcp://127.0.0.1:7"


class Heard(list):
    """A consumer that has heard all it will."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_lines_of_workers_are_hidden_unless_they_are_asked_for(monkeypatch, capsys):
    heard = [(b"watcher.web.spawn", b"{}"), (b"output.web.1", b'{"lines": []}')]
    for words, topics in ((["listen"], ["watcher.web.spawn"]), (["listen", ""], ["watcher.web.spawn", "output.web.1"])):
        monkeypatch.setattr("circus.consumer.CircusConsumer", lambda *args, **options: Heard(heard))
        assert circusctl.run(["--endpoint", "tcp://h:1", *words]) == 0
        assert [line.split("'")[1] for line in capsys.readouterr().out.splitlines()] == topics


def test_a_bad_endpoint_is_one_line(capsys):
    with pytest.raises(TransportError, match="bad endpoint 'nonsense'"):
        listening.print_events([""], "nonsense", None, None, False)
    assert circusctl.run(["--endpoint", "nonsense", "listen"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_events_are_printed_until_interrupted():
    with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
        publisher.linger = 0
        publisher.bind("tcp://127.0.0.1:*")
        endpoint = publisher.last_endpoint.decode().rstrip("\0")
        program = subprocess.Popen(
            [sys.executable, "-m", "circus.circusctl", "--endpoint", endpoint, "listen", "watcher.web."],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert publisher.poll(30000)
            assert publisher.recv() == b"\1watcher.web."
            publisher.send_multipart([b"watcher.web.spawn", b'{"process_pid": 1}'])
            assert program.stdout.readline() == b"b'watcher.web.spawn': b'{\"process_pid\": 1}'\n"
            program.send_signal(signal.SIGINT)
            out, err = program.communicate(timeout=30)
        finally:
            program.kill()
            program.wait()
            program.stdout.close()
            program.stderr.close()
    assert (program.returncode, out, err) == (1, b"", b"")
