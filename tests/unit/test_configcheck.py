"""``circusd --check``: what is said about configurations that load, but cannot work."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from circus.config import check
from circus.model.origin import Problem

FILES = Path(__file__).parent / "config_files"


class Checked:
    """The problems of a text."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "circus.ini"

    def __call__(self, text: str) -> tuple[Problem, ...]:
        self.path.write_text(text, encoding="utf-8")
        return check(str(self.path))

    def watcher(self, options: str, more: str = "") -> list[tuple[str, str, str]]:
        found = self(f"[watcher:w]\ncmd=sleep 60\n{options}\n{more}\n")
        return [(each.severity, each.option, each.text) for each in found]


@pytest.fixture
def checked(tmp_path: Path) -> Checked:
    return Checked(tmp_path)


def test_missing_file() -> None:
    (problem,) = check("/no/such.ini")
    assert str(problem) == "/no/such.ini: the configuration file '/no/such.ini' does not exist"
    assert problem.is_error


def test_good_file(checked: Checked) -> None:
    assert checked("[watcher:w]\ncmd = sleep 60\nuid = 0\ngid = 0\nworking_dir = /\n") == ()


def test_problems_are_in_the_order_of_files_and_lines() -> None:
    found = check(str(FILES / "everything.ini"))
    assert [
        (os.path.basename(each.file), each.line, each.code) for each in found if each.option != "use"
    ] == [
        ("everything.ini", 29, "no-directory"),
        ("10-batch.ini", 2, "no-program"),
        ("10-batch.ini", 7, "duplicate-option"),
        ("20-batch.ini", 2, "duplicate-option"),
    ]


def test_broken_file_shows_everything() -> None:
    found = check(str(FILES / "broken.ini"))
    assert len([each for each in found if each.is_error]) >= 11
    assert [each.line for each in found] == sorted(each.line for each in found)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("uid = no_such_user_here", [("error", "uid", "'no_such_user_here' isn't a valid user name")]),
        ("gid = no_such_group_here", [("error", "gid", "No such group: 'no_such_group_here'")]),
        ("uid = $(circus.later)", []),
        ("working_dir = /no/where", [("warning", "working_dir", "there is no directory '/no/where'")]),
        ("max_age = soon", [("error", "max_age", "invalid literal for int() with base 10: 'soon'")]),
        ("args = 'open", [("error", "args", "cannot be split into words: no closing quotation")]),
        ("shell_args = -x", [("warning", "shell_args", "unused: the command is not run by a shell")]),
        (
            "singleton = 1\nnumprocesses = 2",
            [("error", "numprocesses", "Cannot have 2 processes with a singleton  watcher")],
        ),
        ("copy_path = 1", [("error", "copy_path", "copy_env and copy_path must have the same value")]),
        ("virtualenv = /v", [("error", "virtualenv", "copy_env must be True to to use virtualenv")]),
        (
            "virtualenv = /v\nvirtualenv_py_ver = 3.9\ncopy_env = 1",
            [
                (
                    "error",
                    "virtualenv",
                    "/v/lib/python3.9/site-packages,/v/lib/pypy3.9/site-packages does not exist",
                )
            ],
        ),
        ("rlimit_foo = 1", [("error", "rlimit_foo", 'unknown rlimit "foo"')]),
        ("stdin_socket = S1", [("warning", "stdin_socket", "there is no socket 's1'")]),
        ("args = $(circus.sockets.s2)", [("warning", "args", "there is no socket 's2'")]),
        ("shell = 1\nshell_args = ${socket:s3}", [("warning", "shell_args", "there is no socket 's3'")]),
        (
            "numprocesses = 0",
            [
                (
                    "warning",
                    "numprocesses",
                    "Non-singleton watcher w with numprocesses=0 won't start any process",
                )
            ],
        ),
        ("name = circusd-stats", [("error", "", "circusd itself has a watcher called 'circusd-stats'")]),
    ],
)
def test_watcher(checked: Checked, options: str, expected: list[tuple[str, str, str]]) -> None:
    assert checked.watcher(options) == expected


def test_command_is_missing(checked: Checked) -> None:
    (problem,) = checked("[watcher:w]\nargs = x\n")
    assert (problem.severity, problem.text) == ("error", "there is no command to run")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("cmd = no-such-program -x", "there is no program 'no-such-program' now in /bin:/usr/bin"),
        ("cmd = hello", "there is no program 'hello' now in /bin:/usr/bin"),
        ("cmd = hello\n[env:w]\nPATH = /bin:{dir}", ""),
        ("cmd = hello\ncopy_env = 1", ""),  # the daemon has it on its PATH
        ("cmd = ./hello --name x\nworking_dir = {dir}", ""),
        ("cmd = {dir}/hello", ""),
        ("cmd = ./hello", "there is no program './hello' now"),
        ("cmd = {dir}/notes", "'{dir}/notes' may not be executed"),
        ("cmd = notes\n[env:w]\nPATH = {dir}", "'notes' may not be executed"),
        ("cmd = {dir}", "'{dir}' may not be executed"),
        ("cmd = web: master\nexecutable = {dir}/hello", ""),
        ("cmd = sleep 1\nexecutable = nope", "there is no program 'nope' now in /bin:/usr/bin"),
        ("cmd = no-such-program | tee log\nshell = 1", ""),
        ("cmd = no-such-program-$(circus.wid)", ""),
    ],
)
def test_a_program_that_is_not_there(
    checked: Checked, monkeypatch: pytest.MonkeyPatch, options: str, text: str
) -> None:
    here = checked.directory
    (here / "hello").touch(0o755)
    (here / "notes").touch(0o644)
    monkeypatch.setenv("PATH", f"/bin:{here}")
    found = checked("[watcher:w]\n" + options.format(dir=here))
    assert [(each.severity, each.option, each.code, each.text) for each in found] == (
        [("warning", "cmd", "no-program", text.format(dir=here))] if text else []
    )


def test_the_remedy_for_a_program_on_the_path_of_the_daemon_only(checked: Checked) -> None:
    (problem,) = checked("[watcher:w]\ncmd = no-such-program")
    assert "copy_env" in problem.hint
    (problem,) = checked("[watcher:w]\ncmd = no-such-program\n[env:w]\nPATH = /bin")
    assert not problem.hint


def test_watchers_that_differ_only_in_case_are_an_error(checked: Checked) -> None:
    (problem,) = checked("[watcher:w]\ncmd=sleep 1\n[watcher:W]\ncmd=sleep 1\n")
    assert (problem.severity, problem.line, problem.code) == ("error", 3, "case-twin")


@pytest.mark.parametrize(
    ("options", "severity", "option", "text"),
    [
        ("class = Nope", "error", "class", "there is no stream class 'Nope'"),
        (
            "class = FileStraem",
            "error",
            "class",
            "there is no stream class 'FileStraem'; did you mean 'FileStream'?",
        ),
        ("class = no.such.Stream", "error", "class", "import_string() failed for 'no.such.Stream'."),
        ("max_bytes = 5", "error", "class", "stream configuration invalid: neither class nor filename"),
        ("filename = /no/where/x.log", "error", "filename", "there is no directory '/no/where'"),
        (
            "class = StdoutStream\nstdout_stream.max_bytes = 3",
            "warning",
            "max_bytes",
            "StdoutStream has no option 'max_bytes'",
        ),
        (
            "class = StdoutStream\nstdout_stream.refresh_time = 3",
            "warning",
            "refresh_time",
            "output is read as it comes",
        ),
        ("filename = x.log\nstdout_stream.max_bytes = many", "error", "max_bytes", "can't interpret 'many'"),
        (
            "class = TimedRotatingFileStream\nstdout_stream.rotate_when = X",
            "error",
            "rotate_when",
            "'X' is not one of S, M, H, D, MIDNIGHT, W0, W1, W2, W3, W4, W5, W6",
        ),
        (
            "class = FancyStdoutStream\nstdout_stream.color = pink",
            "error",
            "color",
            "'pink' is not one of red, green, yellow, blue, magenta, cyan, white",
        ),
        (
            "class = StdoutStream\nstdout_stream.overflow = spill",
            "error",
            "overflow",
            "'spill' is not one of block, drop-oldest, drop-newest",
        ),
        ("class = StdoutStream\nstdout_stream.buffer = 0", "error", "buffer", "0 is less than 1"),
    ],
)
def test_stream(checked: Checked, options: str, severity: str, option: str, text: str) -> None:
    assert checked.watcher(f"stdout_stream.{options}") == [(severity, f"stdout_stream.{option}", text)]


@pytest.mark.parametrize(
    "options",
    [
        "class = QueueStream",
        "class = TimedRotatingFileStream\nstdout_stream.rotate_when = midnight\nstdout_stream.utc = True",
        "class = FancyStdoutStream\nstdout_stream.color = RED",
        "filename = x.log\nstdout_stream.max_bytes = 1M\nstdout_stream.overflow = drop-oldest",
        "class = queue.Queue\nstdout_stream.whatever = 1",
    ],
)
def test_good_stream(checked: Checked, options: str) -> None:
    assert checked.watcher(f"stdout_stream.{options}") == []
    assert not list(checked.directory.glob("x.log")), "nothing was opened"


def test_hooks(checked: Checked) -> None:
    (checked.directory / "my_check_hooks.py").write_text("def good(**kw): return True\nbad = 5\n")
    (checked.directory / "my_check_crash.py").write_text("raise RuntimeError('no licence')\n")
    path = list(sys.path)
    found = checked.watcher(
        "hooks.before_start = my_check_hooks.good\nhooks.after_start = my_check_hooks.bad\n"
        "hooks.before_stop = my_check_hooks.none\nhooks.after_stop = my_check_crash.x",
        f"[env:w]\nPYTHONPATH = {checked.directory}\n",
    )
    assert found == [
        ("error", "hooks.after_start", "'my_check_hooks.bad' is a int, not something to call"),
        ("error", "hooks.before_stop", "import_string() failed for 'my_check_hooks.none'."),
        ("error", "hooks.after_stop", "importing 'my_check_crash.x' raised RuntimeError: no licence"),
    ]
    assert sys.path == path


def test_a_class_of_a_stream_may_live_where_the_watcher_says(checked: Checked) -> None:
    (checked.directory / "my_check_stream.py").write_text("class Sink:\n    def __call__(self, data): pass\n")
    own = f"[env:w]\nPYTHONPATH = {checked.directory}\n"
    assert checked.watcher("stdout_stream.class = my_check_stream.Sink", own) == []


def test_plugin(checked: Checked) -> None:
    (problem,) = checked("[plugin:p]\nuse = no.such.Plugin\n")
    assert (problem.line, problem.text) == (2, "import_string() failed for 'no.such.Plugin'.")
    assert problem.hint == "ModuleNotFoundError: No module named 'no'"


def test_options_of_a_bundled_plugin(checked: Checked) -> None:
    found = checked(
        "[watcher:w]\ncmd = sleep 1\nflapping.atempts = 3\nflapping.window = x\n"
        "[plugin:f]\nuse = circus.plugins.flapping.Flapping\nattempts = many\nwindo = 3\nmax_retry = -1\n"
        "retry_in = 2\nactive = yes\nnumprocesses = x\nuid = 0\nstdout_stream.class = StdoutStream\n"
    )
    assert [(each.severity, each.line, each.option, each.text, each.hint) for each in found] == [
        ("warning", 3, "flapping.atempts", "unknown option, not used by the plugin",
         "did you mean 'flapping.attempts'?"),
        ("error", 4, "flapping.window", "could not convert string to float: 'x'",
         "expected: number, in seconds; default 1.0"),
        ("error", 7, "attempts", "invalid literal for int() with base 10: 'many'", "expected: integer; default 2"),
        ("warning", 8, "windo", "unknown option, not used by the plugin", "did you mean 'window'?"),
        ("error", 12, "numprocesses", "invalid literal for int() with base 10: 'x'", ""),
    ]  # fmt: skip
    assert found[0].section == "watcher:w"


def test_an_option_of_a_bundled_plugin_is_missing(checked: Checked) -> None:
    (problem,) = checked("[plugin:r]\nuse = circus.plugins.resource_watcher.ResourceWatcher\n")
    assert (problem.severity, problem.line, problem.option, problem.text) == ("error", 1, "watcher", "must be given")


def test_sub_classes_of_bundled_plugins_may_have_options_of_their_own(
    checked: Checked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "from circus.plugins.flapping import Flapping\nclass Mine(Flapping): pass\n"
    (tmp_path / "my_check_flapping.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    (problem,) = checked("[plugin:f]\nuse = my_check_flapping.Mine\nattempt = 3\nattempts = 0\n")
    assert (problem.option, problem.text) == ("attempts", "0 is less than 1")


@pytest.mark.parametrize(
    ("options", "severity", "text"),
    [
        ("port = x", "error", "invalid literal for int() with base 10: 'x'"),
        ("backlog = x", "error", "invalid literal for int() with base 10: 'x'"),
        ("family = AF_FOO", "error", "'AF_FOO' is not one of AF_INET, AF_INET6, AF_UNIX"),
        (
            "type = x",
            "error",
            "'x' is not one of SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET",
        ),
        ("proto = foop", "error", "there is no protocol 'foop'"),
        ("umask = 9", "error", "invalid literal for int() with base 8: '9'"),
        ("blocking = x", "error", "'x' is not a boolean"),
        ("path = /no/where/s", "error", "there is no directory '/no/where'"),
        ("path = /", "warning", "'/' already exists; it has to be removed, or `replace = true`"),
        ("interface = nope99", "warning", "there is no network interface 'nope99'"),
    ],
)
def test_socket(checked: Checked, options: str, severity: str, text: str) -> None:
    assert [(each.severity, each.text) for each in checked(f"[socket:s]\n{options}\n")] == [(severity, text)]


def test_good_socket(checked: Checked) -> None:
    assert checked("[socket:s]\nfamily=af_inet6\nproto=tcp\nport=0\n[socket:u]\npath=/\nreplace=1\n") == ()


@pytest.mark.parametrize(
    ("options", "severity", "text"),
    [
        (
            "endpoint = ipc:///x\nendpoint_owner = no_such_user_here",
            "error",
            "'no_such_user_here' isn't a valid user name",
        ),
        ("endpoint_owner = root", "warning", "only an endpoint that begins with ipc:// can have an owner"),
        (
            "pubsub_endpoint = tcp://127.0.0.1:5555",
            "error",
            "'tcp://127.0.0.1:5555' is the endpoint for commands as well",
        ),
        ("loglevel = loud", "warning", "unknown log level 'loud': info is used"),
        ("pidfile = /no/where/pid", "error", "there is no directory '/no/where'"),
        ("loggerconfig = /no/where/log.json", "error", "'/no/where/log.json' does not exist"),
    ],
)
def test_daemon(checked: Checked, options: str, severity: str, text: str) -> None:
    assert [(each.severity, each.text) for each in checked(f"[circus]\n{options}\n")] == [(severity, text)]
