"""circusctl: help, options, exit codes, and the console output of commands that change something."""

from __future__ import annotations

import pytest

INI = """
[watcher:web]
cmd = sleep 98765432
graceful_timeout = 2

[watcher:solo]
cmd = sleep 98765431
singleton = True
autostart = False
"""
COMMANDS = (
    "add", "decr", "dstats", "get", "globaloptions", "incr", "ipython", "kill", "list", "listen", "listsockets",
    "numprocesses", "numwatchers", "options", "quit", "reload", "reloadconfig", "restart", "rm", "set", "signal",
    "start", "stats", "status", "stop",
)  # fmt: skip


@pytest.fixture
def running(duo):
    duo.start(INI)
    return duo


def test_general(duo):
    duo.prepare(INI)
    duo.ctl("--version")
    duo.ctl(
        "--help",
        mask=lambda text: "".join(line for line in text.splitlines(True) if line.startswith(("usage", "Con", "Com"))),
    )
    duo.ctl("--help", mask=command_table)
    duo.ctl("foo")
    duo.ctl("--nonsense")
    duo.ctl("--timeout", "x", "list")
    for command in COMMANDS:
        duo.ctl("--help", command, mask=first_line)
        duo.ctl(command, "--help", mask=usage)


def command_table(text):
    """The commands of the help page and their summaries, as pairs; how they are laid out is free."""
    rows = [line.split(None, 1) for line in text.splitlines()]
    return "".join(f"{' - '.join(row).strip()}\n" for row in rows if row and row[0] in COMMANDS)


def first_line(text):
    return "".join(text.splitlines(True)[:1])


def usage(text):
    """The options that a command's help shows."""
    words = text.replace("[", " ").replace("]", " ").replace(",", " ").split()
    return " ".join(sorted({word for word in words if word.startswith("--")}))


def test_changes(running):
    running.ctl("incr", "web")
    running.wait_accepted()
    running.ctl("incr", "web", "2", "--waiting")
    running.ctl("decr", "web", "3", "--waiting")
    running.ctl("decr", "web", "1", "1")
    running.wait_accepted()
    running.ctl("incr", "solo")
    running.ctl("incr", "zz", "--waiting")
    running.ctl("incr", "web", "x")
    running.ctl("incr")
    running.ctl("stop", "web", "--waiting")
    running.ctl("start", "web", "--waiting")
    running.ctl("start", "zz")
    running.ctl("start", "a", "b")
    running.ctl("restart", "web", "--waiting")
    running.ctl("restart", "web", "--match", "foo")
    running.ctl("restart", "w*", "--match", "simple")
    running.wait_accepted()
    running.ctl("restart", "a", "b")
    running.ctl("reload", "web", "--waiting")
    running.ctl("reload", "web", "--terminate", "--waiting")
    running.ctl("reload", "web", "--sequential", "--waiting")
    running.ctl("reload", "a", "b")
    running.ctl("reload", "zz")
    running.ctl("stop", "--waiting")
    running.ctl("start", "--waiting")
    running.ctl("status")
    running.ctl("stop", "solo")


def test_add_set_rm(running):
    running.ctl("add", "x")
    running.ctl("add", "x", "sleep 98765430", "--start")
    running.wait_status("x", "active")
    running.ctl("add", "y", "sleep", "98765430")
    running.ctl("add", "x", "sleep", "1")
    running.ctl("get", "y", "cmd", "args", "numprocesses")
    running.ctl("set", "y", "numprocesses", "2", "--waiting")
    running.ctl("set", "y", "Warmup_delay", "0.5", "shell", "true", "stop_signal", "int", "--waiting")
    running.ctl("set", "y", "working_dir", "/", "max_age", "0", "send_hup", "yes", "--waiting")
    running.ctl("get", "y", "warmup_delay", "shell", "stop_signal", "working_dir", "send_hup", "numprocesses")
    running.ctl("set", "y", "zz", "1")
    running.ctl("set", "y", "numprocesses")
    running.ctl("set", "y", "numprocesses", "1", "shell")
    running.ctl("set", "y", "numprocesses", "x")
    running.ctl("set", "y", "stop_signal", "NOSIG")
    running.ctl("set", "y", "env", "A=1")
    running.ctl("set", "zz", "numprocesses", "1")
    running.ctl("rm", "y", "--waiting")
    running.ctl("rm", "y")
    running.ctl("rm")
    running.ctl("rm", "x", "--waiting")
    running.ctl("list")


def test_kill_and_signal(running):
    running.ctl("signal", "web", "CHLD")
    running.ctl("signal", "web", "{pid:web:0}", "18")
    running.ctl("signal", "web", "{pid:web:0}", "--children", "SIGCHLD")
    running.ctl("signal", "web", "--recursive", "chld")
    running.ctl("signal", "web", "NOSIG")
    running.ctl("signal", "web")
    running.ctl("signal", "zz", "9")
    running.ctl("signal", "web", "x", "9")
    running.ctl("kill", "web", "--signum", "NOSIG")
    running.ctl("kill", "web", "--waiting")
    running.ctl("kill", "zz", "--waiting")
    running.ctl("kill")


def test_all_reloads_and_quit(running):
    running.ctl("reload", "--waiting")
    running.ctl("reloadconfig", "--waiting")
    running.ctl("quit", "--waiting")
    running.observe("exit code", lambda side: side.daemon.wait())


def test_nobody_there(duo):
    duo.prepare(INI)
    duo.ctl("--timeout", "1", "list")


def test_endpoint_from_the_environment(running):
    def ask(side):
        warm = side.circusctl
        rc, out, err = warm.run(
            "list", cwd=side.daemon.directory, variables={"CIRCUSCTL_ENDPOINT": side.daemon.endpoint}
        )
        return [rc, out, err]

    running.observe("list", ask)


def test_completion(duo):
    duo.prepare(INI)

    def complete(line, word):
        def run(side):
            variables = {"AUTO_COMPLETE": "1", "COMP_WORDS": line, "COMP_CWORD": word}
            return list(side.circusctl.run(cwd=side.daemon.directory, variables=variables))

        duo.observe(f"{line} {word}", run)

    complete("circusctl l", "1")
    complete("circusctl st", "1")
    complete("circusctl ", "1")
    complete("circusctl list ", "2")


def test_module_as_a_program(running):
    def run(side):
        return side.names.output(side.daemon.ctl("list"))

    running.observe("one run", run)


SHELL = {
    "questions": "list\nlist web\nstatus\nget web cmd numprocesses\n\nEOF\n",
    "end of input": "numwatchers\n",
    "mistakes": "foo\nstatus zz\nlist zz\nlist a b\nEOF\n",
    "empty lines": "\n\nlist zz\n\nEOF\n",
    "changes": "incr web --waiting\nstop web --waiting\nstatus web\nEOF\n",
    "quoting": "get web \"cmd\"\nlist 'web'\nEOF\n",
}


def test_shell(running):
    for session in SHELL.values():
        running.ctl(stdin=session)
    running.ctl(stdin="help list\nEOF\n", mask=title)
    running.ctl(stdin="help\nEOF\n", mask=lambda text: " ".join(sorted(set(text.split()))))
    running.ctl("--json", stdin="numwatchers\nEOF\n")


def title(text):
    """The title of the manual page of one command, and the prompts."""
    return "".join(line for line in text.splitlines(True) if "Get list of watchers" in line or "(circusctl)" in line)


def test_shell_and_bad_lines(running):
    running.ctl(stdin="list --foo\nlist\nEOF\n")
    running.ctl(stdin="list 'web\nlist\nEOF\n")
