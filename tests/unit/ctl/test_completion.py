"""Completion: what may stand next, and the ways in for bash, zsh and fish."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus import circusctl
from circus.commands import COMMAND_NAMES
from circus.ctl import scripts
from circus.ctl.completion import LiveWords, answer_shell, complete, split_line
from circus.ctl.vocabulary import Vocabulary
from tests.unit.ctl.fakedaemon import SILENT, FakeDaemon

COMMANDS = Vocabulary()
ROOT = Path(circusctl.__file__).parents[1]


class NoWords(LiveWords):
    """A daemon that is down."""

    def __init__(self):
        super().__init__(lambda: None)
        self._failed = True


@pytest.fixture(scope="module")
def daemon():
    with FakeDaemon() as running:
        yield running


@pytest.fixture
def live(daemon):
    made = LiveWords.at(daemon.endpoint)
    made._deadline += 30  # a busy test machine is no busy daemon
    yield made
    made.close()


def words(line, live=None, in_shell=False):
    *before, prefix = line.split(" ")
    return [word for word, _ in complete(before, prefix, COMMANDS, live or NoWords(), in_shell)]


# -- without a daemon
# -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("st", ["start", "stats", "status", "stop"]),
        ("--js", ["--json"]),
        ("--ssh", ["--ssh", "--ssh_keyfile"]),
        ("--json li", ["list", "listen", "listsockets"]),
        ("--endpoint list q", ["quit"]),
        ("--endpoint=x q", ["quit"]),
        ("--endpoint ", []),
        ("--completion ", ["bash", "zsh", "fish"]),
        ("restart --", ["--waiting", "--match", "--help"]),
        ("restart --match ", ["simple", "glob", "regex"]),
        ("restart --match r", ["regex"]),
        ("restart --match=g", ["--match=glob"]),
        ("kill --signum KI", ["KILL"]),
        ("kill --graceful_timeout ", []),
        ("signal web 12 HU", ["HUP"]),
        ("signal web HU", ["HUP"]),
        ("globaloptions stats", ["stats_endpoint"]),
        ("restart -- --", []),
        ("quit ", []),
        ("nope ", []),
        ("he", []),
        ("reloadconfig --d", ["--dry-run"]),
        ("tail --", [
            "--follow", "--lines", "--since", "--stdout", "--stderr", "--pid", "--grep", "--timestamps", "--json",
            "--no-color", "--help",
        ]),
        ("events --", ["--follow", "--lines", "--since", "--json", "--no-color", "--help"]),
        ("why --", ["--json", "--no-color", "--help"]),
        ("events --since ", ["10m", "1h", "1d"]),
        ("tail -n ", []),
    ],
)
def test_words_that_need_no_daemon(line, expected):
    assert words(line) == expected


def test_all_commands_with_their_summaries():
    found = complete([], "", COMMANDS, NoWords())
    assert tuple(word for word, _ in found) == COMMAND_NAMES
    assert dict(found)["quit"] == "Quit the arbiter immediately"


def test_settings_come_from_the_table_of_options():
    found = words("set web ")
    assert {"numprocesses", "cmd", "graceful_timeout", "max_retry"} <= set(found)
    assert "name" not in found
    assert words("set web cmd x numproc") == ["numprocesses"]


def test_in_the_shell():
    assert words("he", in_shell=True) == ["help"]
    assert words("help st", in_shell=True) == ["start", "stats", "status", "stop"]
    assert words("--", in_shell=True) == []


# -- with a daemon
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("restart ", ["One Two", "web"]),
        ("restart w", ["web"]),
        ("restart --waiting w", ["web"]),
        ("restart web ", []),
        ("kill web ", ["11", "12"]),
        ("kill web 12", ["12"]),
        ("kill --signum 9 web ", ["11", "12"]),
        ("stats web 1", ["11", "12"]),
        ("get web s", ["shell", "stop_signal"]),
        ("get web cmd sh", ["shell"]),
        ("set web shell ", ["true", "false"]),
        ("set web cmd ", ["sleep 1"]),
        ("set web stop_signal HU", ["HUP"]),
        ("set web nothing ", []),
        ("listen watcher.web.re", ["watcher.web.reap", "watcher.web.reload", "watcher.web.remove"]),
        ("listen watcher.web. watcher.one_two.sp", ["watcher.one_two.spawn"]),
        ("listen output.", ["output.one_two.", "output.web."]),
        ("tail ", ["One Two", "web"]),
        ("tail -f web O", ["One Two"]),
        ("tail -n 5 w", ["web"]),
        ("tail --pid ", ["11", "12"]),
        ("tail web --pid 1", ["11", "12"]),
        ("events -f w", ["web"]),
        ("why w", ["web"]),
        ("why web ", []),
    ],
)
def test_words_of_the_daemon(live, line, expected):
    assert words(line, live) == expected


def test_states_describe_watchers(live):
    assert complete(["stop"], "", COMMANDS, live) == [("One Two", "stopped"), ("web", "active")]


def test_pids_and_signals_for_signal(live):
    found = words("signal web ", live)
    assert found[:2] == ["11", "12"]
    assert {"HUP", "TERM"} <= set(found)


def test_a_busy_daemon_costs_a_moment_only(monkeypatch):
    monkeypatch.setattr("circus.ctl.completion.TIME_LIMIT", 1.0)  # it is asked within that also on a busy machine
    with FakeDaemon({"status": SILENT}) as busy:
        live = LiveWords.at(busy.endpoint)
        began = time.monotonic()
        assert words("listen ", live) == words("stop ", live) == []
        assert time.monotonic() - began < 4.5
        assert busy.commands == ["status"]
        live.close()


def test_a_daemon_that_talks_nonsense():
    with FakeDaemon({"status": {"statuses": 3}, "list": b"[]", "options": b"null"}) as odd:
        for line in ("stop ", "kill web ", "get web "):
            live = LiveWords.at(odd.endpoint)
            assert words(line, live) == []
            live.close()


def test_words_for_any_client(daemon):
    from circus.client_light import LightClient

    client = LightClient(daemon.endpoint, 10)
    live = LiveWords.of_client(client)
    live._deadline += 30
    assert words("stop w", live) == ["web"]
    live.close()
    assert words("stop ", LiveWords.of_client(object())) == []


# -- splitting
# ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ([], "", "")),
        ("a b", (["a"], "b", "b")),
        ("a  b ", (["a", "b"], "", "")),
        ('a "One T', (["a"], "One T", '"One T')),
        ("a One\\ T", (["a"], "One T", "One\\ T")),
        ("a 'x\\", (["a"], "x\\", "'x\\")),
        ("a 'b c' d", (["a", "b c"], "d", "d")),
        ('a "', (["a"], "", '"')),
    ],
)
def test_unfinished_lines(line, expected):
    assert split_line(line) == expected


@given(st.text(alphabet="ab \"'\\:=", max_size=20))
def test_any_line_is_split(line):
    finished, prefix, raw = split_line(line)
    assert line.endswith(raw)
    assert len("".join(finished)) + len(prefix) <= len(line)


# -- circusctl --complete
# -------------------------------------------------------------------------------------------


def answer(*argv):
    out = io.StringIO()
    assert answer_shell(argv, out) == 0
    return out.getvalue().splitlines()


@pytest.fixture
def live_limit(monkeypatch):
    monkeypatch.setattr("circus.ctl.completion.TIME_LIMIT", 30)


def test_words_for_zsh_and_fish(daemon, live_limit, monkeypatch):
    monkeypatch.setenv("CIRCUSCTL_ENDPOINT", daemon.endpoint)
    assert answer("words", "w", "stop") == ["web\tactive"]
    assert answer("words", "watcher.web.sp", "listen") == ["watcher.web.spawn"]
    assert answer("words", "--m", "stop")[0].startswith("--match\t")


def test_the_endpoint_on_the_line_is_asked(daemon, live_limit, monkeypatch):
    monkeypatch.setenv("CIRCUSCTL_ENDPOINT", "tcp://127.0.0.1:1")
    assert answer("words", "w", "--endpoint", daemon.endpoint, "stop") == ["web\tactive"]
    assert answer("words", "w", f"--endpoint={daemon.endpoint}", "stop") == ["web\tactive"]
    assert answer("words", "w", "--endpoint", daemon.endpoint, "--ssh", "h", "stop") == []


@pytest.mark.parametrize(
    ("line", "wordbreaks", "expected"),
    [
        ("circusctl stop On", ":=", ["One\\ Two"]),
        ('circusctl stop "On', ":=", ["One Two"]),
        ("circusctl stop plugin:", ":=", ["flapping"]),
        ("circusctl stop plugin:f", "=", ["plugin:flapping"]),
        ("circusctl stop --match=s", ":=", ["simple"]),
        ("circusctl stop --match=s", "", ["--match=simple"]),
    ],
)
def test_lines_for_bash(live_limit, monkeypatch, line, wordbreaks, expected):
    with FakeDaemon({"status": {"statuses": {"One Two": "active", "plugin:flapping": "active"}}}) as daemon:
        monkeypatch.setenv("CIRCUSCTL_ENDPOINT", daemon.endpoint)
        assert answer("line", line, wordbreaks) == expected


@pytest.mark.parametrize("argv", [(), ("words",), ("line",), ("nonsense", "x")])
def test_nonsense_is_answered_with_nothing(argv):
    assert answer(*argv) == []


def test_it_is_reached_through_circusctl(capsys):
    assert circusctl.run(["--complete", "words", "numw"]) == 0
    assert capsys.readouterr().out == "numwatchers\tGet the number of watchers\n"


# -- scripts
# --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", scripts.SCRIPTS)
def test_the_files_are_not_stale(shell, tmp_path):
    name, text = scripts.SCRIPTS[shell]
    assert (ROOT / "packaging" / "completion" / name).read_text(encoding="utf-8") == text, (
        "run: python -m circus.ctl.scripts packaging/completion"
    )
    scripts.write_scripts(str(tmp_path))
    assert (tmp_path / name).read_text(encoding="utf-8") == scripts.completion_script(shell) == text


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A ``circusctl`` on the PATH."""
    path = tmp_path / "bin"
    path.mkdir()
    patient = "from circus.ctl import completion\ncompletion.TIME_LIMIT = 30\n"  # see the fixture live
    (path / "circusctl").write_text(f"#!{sys.executable}\n{patient}from circus.circusctl import main\nmain()\n")
    (path / "circusctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return path / "circusctl"


def in_shell(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


BASH = r"""
source <("$1" --completion bash)
COMP_LINE=$2 COMP_POINT=${#2}
_circusctl circusctl
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("circusctl numw", ["numwatchers"]),
        ("circusctl stop --match=", ["simple", "glob", "regex"]),
        ("circusctl zz", [""]),
        ("circusctl stop On", ["One\\ Two"]),
    ],
)
def test_in_bash(program, daemon, monkeypatch, line, expected):
    monkeypatch.setenv("CIRCUSCTL_ENDPOINT", daemon.endpoint)
    assert in_shell("bash", "-c", BASH, "bash", str(program), line) == expected


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_bash_reads_the_script_without_complaint():
    subprocess.run(["bash", "-n", str(ROOT / "packaging/completion/circusctl")], check=True, timeout=60)


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
def test_zsh_reads_the_script_without_complaint():
    subprocess.run(["zsh", "-n", str(ROOT / "packaging/completion/_circusctl")], check=True, timeout=60)


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish here")
def test_in_fish(program):
    line = "source (circusctl --completion fish | psub); complete -C 'circusctl numw'"
    assert in_shell("fish", "-c", line) == ["numwatchers\tGet the number of watchers"]


def test_signals_are_those_of_the_system():
    assert {f"SIG{word}" for word in words("kill --signum ")} == {member.name for member in signal.Signals}
