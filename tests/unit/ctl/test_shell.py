"""The shell: piped transcripts, and a terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from circus.circusctl import VERSION, CircusCtl
from circus.client_light import LightClient
from circus.commands import COMMAND_NAMES, get_commands
from circus.ctl import shell
from circus.ctl.vocabulary import Vocabulary
from tests.unit.ctl.fakedaemon import SILENT, FakeDaemon, refusal
from tests.unit.ctl.livedaemon import LiveDaemon, Worker

HEAD = f"{VERSION}\nOne Two: stopped\nweb: active\n(circusctl) "
OPTIONS = {"endpoint": None, "timeout": 5, "json": False, "prettify": False, "ssh": None, "ssh_keyfile": None}


@pytest.fixture
def daemon():
    with FakeDaemon() as running:
        yield running


@pytest.fixture
def converse(daemon, monkeypatch, capsys):
    """Pipes lines into the shell; returns stdout and stderr."""

    def run(text, timeout=10.0, commands=None, **options):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        monkeypatch.setattr(sys, "argv", ["/usr/bin/circusctl"])
        client = LightClient(daemon.endpoint, timeout)
        status = CircusCtl(client, commands or Vocabulary()).start({**OPTIONS, **options})
        client.stop()
        assert status == 0
        said = capsys.readouterr()
        return said.out, said.err

    return run


def test_a_transcript(daemon, converse):
    daemon.replies["status"] = lambda props: (
        refusal("program zz not found") if props else {"statuses": {"web": "active", "One Two": "stopped"}}
    )
    out, err = converse("list\nlist web\nfoo\nstatus zz\nEOF\n")
    assert out == (
        f"{HEAD}one two,web\n"
        "(circusctl) 11,12\n"
        "(circusctl) *** Unknown syntax: foo\n"
        "(circusctl) (circusctl) \n"
    )
    assert err == "error\n"


@pytest.mark.parametrize("end", ["", "EOF", "EOF\n", "EOF now\n"])
def test_the_end_of_input_leaves(converse, end):
    assert converse(end) == (f"{HEAD}\n", "")


def test_an_empty_line_repeats_even_after_an_error(daemon, converse):
    daemon.replies["list"] = refusal("program zz not found")
    out, err = converse("\nlist zz\n\nincr\n\n")
    assert out == HEAD + "(circusctl) " * 5 + "\n"
    assert err == "error: program zz not found\n" * 2 + "Invalid number of arguments\n" * 2
    assert daemon.commands == ["status", "list", "list"]


#: As recorded; with more commands than these the columns fall differently.
HELP = """
Documented commands (type help <topic>):
========================================
add     globaloptions  kill         numprocesses  reload        set     status
decr    help           list         numwatchers   reloadconfig  signal  stop__
dstats  incr           listen       options       restart       start_
get     ipython        listsockets  quit          rm            stats_

Undocumented commands:
======================
EOF

""".replace("_", " ")


def test_help_lists_the_commands(converse):
    out = converse("help\n")[0]
    assert out.startswith(
        HEAD + "\nDocumented commands (type help <topic>):\n========================================\n"
    )
    assert out.endswith("\nUndocumented commands:\n======================\nEOF\n\n(circusctl) \n")
    documented = out[len(HEAD) : out.index("Undocumented")].split("=\n")[1].split()
    assert set(documented) == {*COMMAND_NAMES, "help"}


def test_help_looks_as_recorded(converse):
    recorded = {name: command for name, command in get_commands().items() if name not in {"events", "tail", "why"}}
    assert len(recorded) == 25
    assert converse("help\n?\n", commands=recorded)[0] == f"{HEAD}{HELP}(circusctl) {HELP}(circusctl) \n"


def test_help_of_a_command_is_its_manual(converse):
    manual = get_commands()["list"].desc
    assert converse("help list\n? list\nhelp foo\n")[0] == (
        f"{HEAD}{manual}\n(circusctl) {manual}\n(circusctl) *** No help on foo\n(circusctl) \n"
    )
    assert "List available commands" in converse("help help\n")[0]


@pytest.mark.parametrize(
    ("line", "err"),
    [
        (
            "list --foo",
            "usage: circusctl [options] command [args]\ncircusctl: error: unrecognized arguments: --foo\n",
        ),
        ('list "a', "error: No closing quotation\n"),
        ("set web numprocesses a", None),
    ],
)
def test_a_bad_line_is_told_and_the_shell_goes_on(converse, line, err):
    out, told = converse(f"{line}\nlist\n")
    assert out == f"{HEAD}(circusctl) one two,web\n(circusctl) \n"
    assert told == err or err is None


def test_help_of_options_goes_on(converse):
    out, _ = converse("list -h\nlist\n")
    assert "show this help message" in out
    assert out.endswith("(circusctl) one two,web\n(circusctl) \n")


@pytest.mark.parametrize("line", ["--json list", "!ls", "exit", ";list", "reloda"])
def test_unknown_words(converse, line):
    assert converse(f"{line}\n")[0] == f"{HEAD}*** Unknown syntax: {line}\n(circusctl) \n"


def test_json_stays_in_force(converse):
    out, err = converse("list\nstatus zz\n", json=True)
    assert out.count('"watchers": ["one two", "web"]') == 1
    assert '{"status": "error"' in err
    assert "(circusctl) {" in out


def test_words_are_split_as_in_a_shell(daemon, converse):
    converse("list 'one two'\n")
    assert daemon.requests[-1]["properties"] == {"name": "one two"}


def test_a_daemon_that_is_down_leaves_the_prompt(daemon, converse):
    daemon.stop()
    out, err = converse("list\n")
    assert out == f"{VERSION}\n(circusctl) (circusctl) \n"
    assert err.count("error: cannot reach circusd at") == 2


def test_a_daemon_that_is_busy_leaves_the_prompt(daemon, converse):
    daemon.replies["status"] = SILENT
    out, err = converse("", timeout=0.5)
    assert out == f"{VERSION}\n(circusctl) \n"
    assert err.startswith("Timed out.\nA time out usually")


def test_a_bug_in_a_command_does_not_end_the_session(converse, monkeypatch):
    monkeypatch.setattr("circus.commands.list.List.message", lambda *args, **opts: 1 / 0)
    out, err = converse("list\nnumprocesses\n")
    assert out == f"{HEAD}(circusctl) 2\n(circusctl) \n"
    assert "ZeroDivisionError" in err


def test_an_interrupted_command_does_not_end_the_session(converse, monkeypatch):
    def interrupt(*args, **opts):
        raise KeyboardInterrupt

    monkeypatch.setattr("circus.commands.list.List.message", interrupt)
    assert converse("list\nnumprocesses\n") == (f"{HEAD}\n(circusctl) 2\n(circusctl) \n", "")


def test_an_interrupt_at_the_prompt_leaves(converse, monkeypatch):
    def interrupt(prompt):
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupt)
    assert converse("") == (HEAD.removesuffix("(circusctl) ") + "\n", "")


def test_words_are_completed_for_readline(daemon):
    client = LightClient(daemon.endpoint, 10)
    ctl = CircusCtl(client, Vocabulary())
    assert ctl.completenames("li") == ["list", "listen", "listsockets"]
    assert ctl.completedefault("s", "restart --match s", 16, 17) == ["simple"]
    assert ctl.completedefault("si", 'kill "x --match si', 16, 18) == []
    client.stop()


def test_names_of_old(daemon):
    ctl = CircusCtl(LightClient(daemon.endpoint, 10), get_commands())
    assert ctl.prompt == "(circusctl) "
    assert callable(ctl.do_list)
    assert ctl.do_list.__doc__.startswith("Get list")
    with pytest.raises(AttributeError, match="do_nothing"):
        ctl.do_nothing  # noqa: B018 - it must raise


# -- on a terminal
# --------------------------------------------------------------------------------------------------


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


class Terminal:
    """circusctl on a pseudo terminal."""

    def __init__(self, *args, **environment):
        self._master, slave = pty.openpty()
        self.seen = ""
        self.program = subprocess.Popen(
            [sys.executable, "-m", "circus.circusctl", *args],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", **environment},
        )  # fmt: skip
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.kill()
        self.program.wait()
        os.close(self._master)

    def type(self, text):
        os.write(self._master, text.encode())

    def expect(self, text, deadline=30.0):
        """Wait until the text was shown, escape sequences aside; forget what was seen up to there, and return
        it.
        """
        end = time.monotonic() + deadline
        while text not in plain(self.seen):
            ready, _, _ = select.select([self._master], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen!r}"
            data = self._read()
            assert data, f"it ended without {text!r}: {self.seen!r}"
            self.seen += data
        cut = next(at for at in range(len(self.seen) + 1) if text in plain(self.seen[:at]))
        seen, self.seen = self.seen[:cut], self.seen[cut:]
        return seen

    def _read(self):
        try:
            return os.read(self._master, 65536).decode("utf-8", "replace")
        except OSError:  # the other end was closed
            return ""

    def end(self):
        """The exit status; reads on meanwhile, so that it can finish writing."""
        while self._read():
            pass
        return self.program.wait(30)


@pytest.fixture
def terminal(daemon, tmp_path):
    with Terminal("--endpoint", daemon.endpoint, XDG_STATE_HOME=str(tmp_path), HOME=str(tmp_path)) as running:
        running.expect("(circusctl)")
        yield running


def test_commands_completion_and_history_on_a_terminal(terminal, tmp_path):
    pytest.importorskip("prompt_toolkit")
    terminal.type("numw\t")
    terminal.expect("atchers")
    terminal.type("\x15list web\r")
    terminal.expect("11,12")
    terminal.expect("(circusctl)")
    terminal.type("status\r")
    seen = terminal.expect("web: active\r\n")
    assert "\x1b[32mactive\x1b[0m" in seen
    terminal.expect("(circusctl)")
    terminal.type("\x04")
    assert terminal.end() == 0
    history = tmp_path / "circus" / "history"
    assert "+list web" in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600


def test_a_slip_of_the_finger_on_a_terminal(terminal):
    terminal.type("reloda web\r")
    terminal.expect("*** Unknown syntax: reloda web\r\ndid you mean reload?\r\n")
    terminal.expect("(circusctl)")
    terminal.type("hlep\r")
    terminal.expect("*** Unknown syntax: hlep\r\ndid you mean help?\r\n")
    terminal.expect("(circusctl)")
    terminal.type("foo\r")
    terminal.expect("*** Unknown syntax: foo\r\n")
    assert "did you mean" not in plain(terminal.expect("(circusctl)"))
    terminal.type("\x04")
    assert terminal.end() == 0


def test_ctrl_c_leaves(terminal):
    terminal.type("\x03")
    assert terminal.end() == 0


def test_exit_leaves_the_shell_and_not_the_daemon(terminal, daemon):
    pytest.importorskip("prompt_toolkit")
    terminal.type("exit\r")
    assert terminal.end() == 0
    assert "quit" not in daemon.commands


def test_ctrl_c_during_a_command_stays(terminal, daemon):
    daemon.replies["list"] = SILENT
    terminal.type("list\r")
    end = time.monotonic() + 30
    while "list" not in daemon.commands:
        assert time.monotonic() < end
        time.sleep(0.01)
    os.killpg(terminal.program.pid, signal.SIGINT)
    terminal.expect("(circusctl)")
    terminal.type("numprocesses\r")
    terminal.expect("\r\n2\r\n")
    terminal.type("EOF\r")
    assert terminal.end() == 0


def test_following_in_the_shell_ends_with_ctrl_c(tmp_path):
    with LiveDaemon() as daemon:
        daemon.replies["status"] = {"statuses": {"web": "active"}}
        daemon.write(Worker("web", 1, 100), "past")
        environment = {"XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
        with Terminal("--endpoint", daemon.endpoint, **environment) as terminal:
            terminal.expect("(circusctl)")
            terminal.type("tail -f\r")
            seen = terminal.expect("past\r\n")
            assert re.search(r"\x1b\[\d+mweb\.1\x1b\[0m \x1b\[\d+m\|\x1b\[0m past", seen)
            daemon.await_subscription("output.")
            daemon.write(Worker("web", 1, 100), "\x1b[2Jlive", stream="stderr")
            seen = terminal.expect("live\r\n")
            assert "\x1b[31m!\x1b[0m ^[[2Jlive" in seen
            os.killpg(terminal.program.pid, signal.SIGINT)
            terminal.expect("(circusctl)")
            daemon.happen("web", "reap", process_pid=7, exit_code=1, expected=False, cause="exited with 1")
            terminal.type("events\r")
            assert "\x1b[31mexited with 1, by itself\x1b[0m" in terminal.expect("by itself\r\n")
            terminal.expect("(circusctl)")
            terminal.type("tail --no-color\r")
            terminal.expect("\nweb.1 | past\r\n")
            terminal.expect("(circusctl)")
            terminal.type("EOF\r")
            assert terminal.end() == 0


def test_no_color(daemon):
    with Terminal("--endpoint", daemon.endpoint, "status", NO_COLOR="1") as plain:
        assert "\x1b" not in plain.expect("web: active")
        assert plain.end() == 0
    with Terminal("--endpoint", daemon.endpoint, "status", NO_COLOR="") as coloured:
        assert "\x1b[32mactive\x1b[0m" in coloured.expect("web: active\r\n")


def test_a_terminal_without_prompt_toolkit(monkeypatch, daemon):
    class Tty(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setitem(sys.modules, "circus.ctl.prompt", None)
    monkeypatch.setattr(sys, "stdin", Tty())
    monkeypatch.setattr(sys, "stdout", Tty())
    ctl = shell.CircusCtl(LightClient(daemon.endpoint), Vocabulary())
    assert ctl._comfortable_reader() is None
    ctl.onecmd("reloda")
    assert sys.stdout.getvalue() == "*** Unknown syntax: reloda\ndid you mean reload?\n"
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # a file: what is in it may be read by a program
    ctl.onecmd("reloda")
    assert ctl.stdout.getvalue().endswith("did you mean reload?\n*** Unknown syntax: reloda\n")
