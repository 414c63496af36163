"""One-shot circusctl against a scripted daemon: what is printed, where, and the exit status."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading

import pytest

import circus
from circus import circusctl
from circus.circusctl import (
    TIMEOUT_MSG,
    USAGE,
    VERSION,
    CircusCtl,
    ControllerApp,
    main,
    parse_arguments,
    prettify,
)
from circus.commands import COMMAND_NAMES, get_commands
from circus.ctl.identity import caller
from circus.exc import CallError
from harness.waiting import eventually
from tests.unit.ctl.fakedaemon import SILENT, FakeDaemon, refusal


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/circusctl"])
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("AUTO_COMPLETE", "COMP_WORDS", "COMP_CWORD", "CIRCUSCTL_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def daemon(monkeypatch):
    with FakeDaemon() as running:
        monkeypatch.setenv("CIRCUSCTL_ENDPOINT", running.endpoint)
        yield running


@pytest.fixture
def ctl(capsys):
    """Runs a command line; returns status, stdout, stderr."""

    def run(*args):
        status = circusctl.run(args)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


# -- success
# ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "out"),
    [
        (["list"], "one two,web\n"),
        (["list", "web"], "11,12\n"),
        (["status"], "One Two: stopped\nweb: active\n"),
        (["status", "web"], "active\n"),
        (["numprocesses", "web"], "2\n"),
        (["get", "web", "cmd"], "cmd: sleep 1\n"),
        (["incr", "web", "--waiting"], "3\n"),
        (["restart"], "ok\n"),
    ],
)
def test_text(daemon, ctl, args, out):
    daemon.replies["get"] = {"options": {"cmd": "sleep 1"}}
    assert ctl(*args) == (0, out, "")


def test_what_is_sent(daemon, ctl):
    ctl("kill", "web", "12", "--signum", "9")
    request = daemon.requests[0]
    assert request["command"] == "kill"
    assert request["properties"]["name"] == "web"
    assert str(request["properties"]["pid"]) == "12"
    assert len(request["id"]) == 32


def test_who_asks_is_sent(daemon, ctl):
    ctl("stop", "web")
    assert daemon.requests[0]["caller"] == caller()


WHY = {"status": "active", "name": "web", "wanted": "running", "cause": "daemon start", "since": 1.0,
       "reason": "1 of 1 process running", "next": "nothing: it runs", "story": []}  # fmt: skip


def test_why(daemon, ctl):
    daemon.replies["why"] = WHY
    status, out, err = ctl("why", "web", "--no-color")
    assert (status, err) == (0, "")
    assert out.startswith("web is active since ")
    assert daemon.requests[0]["properties"] == {"name": "web"}
    for words in (["why", "web", "--json"], ["--json", "why", "web"]):
        assert json.loads(ctl(*words)[1])["cause"] == "daemon start"
    assert ctl("why") == (1, "", "Invalid number of arguments\n")
    daemon.replies["why"] = refusal("program zz not found")
    assert ctl("why", "zz") == (3, "", "error: program zz not found\n")


def test_json_on_one_line(daemon, ctl):
    status, out, err = ctl("--json", "list")
    assert (status, err) == (0, "")
    mid = daemon.requests[0]["id"]
    assert out == f'{{"status": "ok", "time": 1.0, "watchers": ["one two", "web"], "id": "{mid}"}}\n'


def test_json_prettified(daemon, ctl):
    out = ctl("--json", "--prettify", "list")[1]
    assert out == json.dumps(json.loads(out), indent=2, sort_keys=True) + "\n"


def test_prettify_alone_changes_nothing(daemon, ctl):
    assert ctl("--prettify", "list") == (0, "one two,web\n", "")


def test_the_endpoint_option_beats_the_environment(daemon, ctl, monkeypatch):
    monkeypatch.setenv("CIRCUSCTL_ENDPOINT", "tcp://127.0.0.1:1")
    assert ctl("--endpoint", daemon.endpoint, "list")[0] == 0


def test_over_a_unix_socket(ctl, tmp_path):
    with FakeDaemon(endpoint=f"ipc://{tmp_path / 'c'}") as daemon:
        assert ctl("--endpoint", daemon.endpoint, "list") == (0, "one two,web\n", "")


# -- refusals: the daemon answers with an error
# -------------------------------------------------------------------


def test_an_error_reply(daemon, ctl):
    daemon.replies["list"] = refusal("program zz not found")
    assert ctl("list", "zz") == (3, "", "error: program zz not found\n")


def test_a_refusal_with_its_cause(daemon, ctl):
    daemon.replies["restart"] = refusal(
        "arbiter is already running watcher_stop command", 5, cause="by pid 12"
    )
    assert ctl("restart") == (3, "", "error: arbiter is already running watcher_stop command (by pid 12)\n")


def test_an_error_reply_as_json_goes_to_stderr(daemon, ctl):
    status, out, err = ctl("--json", "status", "zz")
    assert (status, out) == (3, "")
    assert json.loads(err)["reason"] == "program zz not found"


def test_status_of_an_unknown_watcher_is_one_word(daemon, ctl):
    assert ctl("status", "zz") == (3, "", "error\n")


# -- failures here
# ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "err"),
    [
        (["incr"], "Invalid number of arguments\n"),
        (["list", "a", "b"], "Invalid number of arguments\n"),
        (["options"], "number of arguments invalid\n"),
        (["set", "web", "zz", "1"], "unknown key 'zz'\n"),
        (["dstats", "x"], "Invalid message\n"),
    ],
)
def test_wrong_arguments_send_nothing(daemon, ctl, args, err):
    assert ctl(*args) == (1, "", err)
    assert daemon.requests == []


def test_bad_options(daemon, ctl):
    assert ctl("foo") == (2, "", f"usage: {USAGE}\ncircusctl: error: unrecognized arguments: foo\n")
    status, out, err = ctl("start", "--match")
    assert (status, out) == (2, "")
    assert err.endswith("start: error: argument --match: expected one argument\n")
    assert daemon.requests == []


@pytest.mark.parametrize("args", [["set", "web", "numprocesses", "a"], ["incr", "web", "a"]])
def test_a_bad_number_is_one_line(daemon, ctl, args):
    status, out, err = ctl(*args)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert daemon.requests == []


def test_no_reply_in_time(daemon, ctl):
    daemon.replies["list"] = SILENT
    assert ctl("--timeout", "0", "list")[0] == 1
    assert ctl("--timeout", "1", "list") == (1, "", "Timed out." + TIMEOUT_MSG)


def test_the_daemon_is_down(ctl, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        status, out, err = ctl("--endpoint", endpoint, "--timeout", "60", "list")
    assert (status, out) == (1, "")
    assert err == (
        f"error: cannot reach circusd at {endpoint}: connection refused\n"
        "Is circusd running? Start it, or name its endpoint with --endpoint or CIRCUSCTL_ENDPOINT.\n"
    )
    assert (
        "no such file or directory\nIs circusd running?"
        in ctl("--endpoint", f"ipc://{tmp_path / 'c'}", "list")[2]
    )


def test_no_permission_is_told_apart(ctl, monkeypatch):
    def refuse(*_):
        from circus.exc import TransportError

        raise TransportError("cannot reach circusd at ipc:///c: permission denied") from PermissionError(
            13, "denied"
        )

    monkeypatch.setattr("circus.client_light.DealerConnection", refuse)
    status, _, err = ctl("--endpoint", "ipc:///c", "list")
    assert status == 1
    assert "permission denied\nIts socket belongs to another user" in err


@pytest.mark.parametrize("endpoint", ["nonsense", "tcp://h", "tcp://127.0.0.1:*"])
def test_a_bad_endpoint_is_one_line(ctl, endpoint):
    status, out, err = ctl("--endpoint", endpoint, "list")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: ")
    assert endpoint in err


def test_a_stranger_is_told_apart(ctl):
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        endpoint = f"tcp://127.0.0.1:{stranger.getsockname()[1]}"

        def serve():
            peer, _ = stranger.accept()
            with peer:
                peer.sendall(b"220 mail.example.com ESMTP\r\n")
                peer.recv(1000)

        thread = threading.Thread(target=serve)
        thread.start()
        status, _, err = ctl("--endpoint", endpoint, "list")
        thread.join(10)
    assert status == 1
    assert "does not speak ZMTP" in err


def test_quit_waiting_waits_for_the_end(daemon, ctl):
    def quit_soon(props):
        threading.Timer(0.2, daemon.stop).start()
        return {}

    daemon.replies["quit"] = quit_soon
    assert ctl("quit", "--waiting") == (0, "ok\n", "")
    assert ctl("list")[0] == 1  # it is really gone
    eventually(lambda: daemon._stopper.closed)


def test_quit_waiting_does_not_wait_for_ever(daemon, ctl):
    assert ctl("--timeout", "1", "quit", "--waiting") == (
        1, "", "error: circusd stopped everything, but has not ended yet\n"
    )  # fmt: skip


# -- help and version
# ---------------------------------------------------------------------------------------------


def test_version(ctl):
    assert ctl("--version") == ctl("--version", "list") == (0, f"{VERSION}\n", "")
    assert f"circusctl {circus.__version__}" == VERSION


def test_help(ctl):
    status, out, err = ctl("--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: {USAGE}\n\nControls a Circus daemon\n\nCommands:\n  add  ")
    assert "\noptions:\n" in out


@pytest.mark.parametrize("name", COMMAND_NAMES)
def test_help_of_each_command(ctl, name):
    command = get_commands()[name]
    assert ctl("--help", name) == (0, f"{command.desc}\n", "")
    status, out, _ = ctl(name, "--help")
    assert status == 0
    assert out.startswith(f"usage: {USAGE} {name} [-h]")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(ctl, shell):
    status, out, _ = ctl("--completion", shell)
    assert status == 0
    assert "circusctl --complete" in out or "--complete line" in out or "--complete words" in out


# -- the old completion protocol
# ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "cword", "args", "out"),
    [
        ("circusctl l", "1", [], "list listen listsockets\n"),
        ("circusctl l", "1", ["list"], "list listen listsockets\n"),
        ("circusctl ", "1", ["--help"], " ".join(sorted([*COMMAND_NAMES, "import"])) + "\n"),
        ("circusctl zz", "1", [], "\n"),
        ("circusctl list w", "2", [], ""),
    ],
)
def test_old_completion(ctl, monkeypatch, words, cword, args, out):
    monkeypatch.setenv("AUTO_COMPLETE", "1")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", cword)
    assert ctl(*args) == (1, out, "")
    assert ctl("--version")[0] == 0


def test_old_completion_with_half_its_variables(ctl, monkeypatch):
    monkeypatch.setenv("AUTO_COMPLETE", "1")
    assert ctl() == (1, "", "")


# -- library names
# ------------------------------------------------------------------------------------------------


class Recorder:
    def __init__(self, *replies):
        self.calls, self.replies = [], list(replies)

    def call(self, message):
        self.calls.append(message)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


def test_the_application_with_a_client_of_its_own(capsys):
    client = Recorder({"status": "ok", "watchers": ["a"]})
    commands = get_commands()
    app = ControllerApp(commands, client)
    assert app.run(parse_arguments(["list"], commands)) == 0
    assert capsys.readouterr().out == "a\n"
    assert client.calls == [{"command": "list", "properties": {}, "caller": caller()}]


def test_commands_that_send_several_messages(capsys):
    class Several:
        name = "several"
        msg_type = "dealer"
        options = ()

        def message(self, *args):
            return [{"cmd": self, "msg": {"command": "a"}}, {"cmd": self, "msg": {"command": "b"}}]

        def console_msg(self, reply):
            return reply["said"]

    client = Recorder({"status": "ok", "said": "1"}, {"status": "error", "said": "2"})
    commands = {"several": Several()}
    assert ControllerApp(commands, client).run(parse_arguments(["several"], commands)) == 3
    said = capsys.readouterr()
    assert (said.out, said.err) == ("1\n", "2\n")


def test_other_call_errors_are_told(capsys):
    commands = get_commands()
    app = ControllerApp(commands, Recorder(CallError("cannot send 'list'")))
    assert app.run(parse_arguments(["list"], commands)) == 1
    assert capsys.readouterr().err == "error: cannot send 'list'\n"


def test_prettify():
    assert prettify({"b": [1], "a": None}) == '{\n  "a": null,\n  "b": [\n    1\n  ]\n}'
    assert prettify({"b": 1}, prettify=False) == '{"b": 1}'


def test_the_shell_is_found_on_first_use():
    assert circusctl.CircusCtl is CircusCtl
    with pytest.raises(AttributeError, match="nope"):
        circusctl.nope  # noqa: B018 - it must raise


def test_main_ends_with_the_status(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["circusctl", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0


def test_interrupted(monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(circusctl, "run", interrupt)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1


# -- as a program
# -------------------------------------------------------------------------------------------------


def run_program(*args, code=None, **options):
    program = ["-m", "circus.circusctl"] if code is None else ["-c", code]
    return subprocess.run(
        [sys.executable, *program, *args], capture_output=True, text=True, timeout=60, check=False, **options
    )


def test_as_a_module(daemon):
    done = run_program("list")
    assert (done.returncode, done.stdout, done.stderr) == (0, "one two,web\n", "")
    assert "\ncircusctl.py: error: unrecognized arguments: foo\n" in run_program("foo").stderr


def test_a_reader_that_goes_away_is_no_traceback(daemon):
    daemon.replies["list"] = {"watchers": ["x" * 100_000]}
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as nobody:
        done = subprocess.run(
            [sys.executable, "-m", "circus.circusctl", "list"],
            stdout=nobody,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_one_shot_loads_next_to_nothing(daemon):
    heavy = [
        "zmq",
        "logging",
        "asyncio",
        "tornado",
        "psutil",
        "argparse",
        "socket",
        "json",
        "re",
        "enum",
        "typing",
        "inspect",
        "cmd",
        "uuid",
    ]
    code = (
        "import sys; from circus.circusctl import run; run(sys.argv[1:]);"
        "print([m for m in HEAVY if m in sys.modules])"
    ).replace("HEAVY", repr(heavy))
    assert run_program("status", code=code).stdout == "One Two: stopped\nweb: active\n[]\n"


def test_output_is_plain_without_a_terminal(daemon):
    assert "\x1b" not in run_program("status").stdout
    assert "\x1b" not in run_program("--json", "--prettify", "status").stdout
