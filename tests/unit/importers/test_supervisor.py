"""``supervisord.conf``: what becomes of each option, and what is said where there is nothing to become."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.importers import ImportFailure, convert
from circus.importers.conversion import Conversion
from circus.importers.expansions import variables
from circus.importers.surroundings import Surroundings
from circus.importers.writer import render
from tests.unit.importers.test_dialect import loaded, worker


class Files(Surroundings):
    """A machine with a few files."""

    def __init__(self, **files: str) -> None:
        super().__init__("/etc/sup", "box", 4)
        self.files = {name.replace("_", "."): text for name, text in files.items()}

    def glob(self, pattern: str) -> list[str]:
        return sorted(name for name in self.files if pattern in ("conf.d/*.conf", name))

    def read(self, path: str) -> str | None:
        return self.files.get(path)


def imported(text: str, **files: str) -> Conversion:
    conversion = convert(text, "s.conf", "supervisord", Files(**files))
    render(conversion)
    return conversion


def program(options: str, name: str = "program:app", command: str = "command=run") -> Conversion:
    return imported(f"[{name}]\n{command}\n{options}\n")


def options_of(conversion: Conversion, header: str = "watcher:app") -> dict[str, str]:
    return conversion.sections[header].options


def remarks_of(conversion: Conversion, kind: str = "") -> list[tuple[int, str]]:
    return [(each.line, each.option) for each in conversion.remarks if each.kind == kind or not kind]


#: What every program has, besides what it says.
ALWAYS = {"cmd": "run", "copy_env": "True", "stop_exit_codes": "0", "graceful_timeout": "10", "capture": "True"}


def test_the_least():
    conversion = program("")
    assert {name: section.options for name, section in conversion.sections.items()} == {"watcher:app": ALWAYS}
    assert conversion.remarks == []
    assert not conversion.secrets


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("numprocs=1", {}),
        ("numprocs=3\nautorestart=true", {"numprocesses": "3", "stop_exit_codes": None}),
        ("numprocs=%(ENV_N)s\nautorestart=true", {"numprocesses": "$(circus.env.N)", "stop_exit_codes": None}),
        ("directory=/srv", {"working_dir": "/srv"}),
        ("directory=%(here)s/%(program_name)s", {"working_dir": "/etc/sup/app"}),
        ("directory=%(ENV_HOME)s/x", {"working_dir": "$(circus.env.HOME)/x"}),
        ("user=www", {"uid": "www"}),
        ("priority=1", {"priority": "998"}),
        ("priority=999", {}),
        ("autostart=false", {"autostart": "False"}),
        ("autorestart=true", {"stop_exit_codes": None}),
        ("autorestart=false", {"stop_exit_codes": None, "respawn": "False"}),
        ("autorestart=unexpected\nexitcodes=2,0", {"stop_exit_codes": "0, 2"}),
        ("exitcodes=3", {"stop_exit_codes": "3"}),
        ("startsecs=10", {"respawn_backoff.stable": "10"}),
        ("startsecs=1", {}),
        ("startsecs=0", {"respawn_backoff.stable": "0"}),
        ("stopsignal=QUIT", {"stop_signal": "QUIT"}),
        ("stopsignal=TERM", {}),
        ("stopwaitsecs=60", {"graceful_timeout": "60"}),
        ("stopasgroup=true", {"stop_children": "True"}),
        ("killasgroup=true", {}),
        ("umask=027", {"cmd": """/bin/sh -c 'umask 027; exec "$@"' sh run"""}),
        ("stdout_logfile=/l/o", {"stdout_stream.filename": "/l/o", "stdout_stream.max_bytes": "50M",
                                 "stdout_stream.backup_count": "10"}),
        ("stdout_logfile=/l/o\nstdout_logfile_maxbytes=1MB\nstdout_logfile_backups=2",
         {"stdout_stream.filename": "/l/o", "stdout_stream.max_bytes": "1M", "stdout_stream.backup_count": "2"}),
        ("stderr_logfile=/l/e\nstderr_logfile_maxbytes=0", {"stderr_stream.filename": "/l/e"}),
        ("stdout_logfile=NONE\nstderr_logfile=NONE",
         {"capture": None, "close_child_stdout": "True", "close_child_stderr": "True"}),
        ("stdout_logfile=/dev/null\nredirect_stderr=true",
         {"capture": None, "close_child_stdout": "True", "close_child_stderr": "True"}),
        ("redirect_stderr=true", {}),
        ("redirect_stderr=true\nstdout_logfile=/l\nstdout_logfile_maxbytes=0",
         {"capture": None, "stdout_stream.filename": "/l", "cmd": """/bin/sh -c 'exec "$@" 2>&1' sh run"""}),
        ("stdout_logfile=/l\nstderr_logfile=/l\nstdout_logfile_maxbytes=0",
         {"capture": None, "stdout_stream.filename": "/l", "cmd": """/bin/sh -c 'exec "$@" 2>&1' sh run"""}),
        ("stdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0\nstderr_logfile=/dev/fd/2", {}),
        ("stderr_logfile=/dev/stdout", {"stderr_stream.class": "StdoutStream"}),
        ("stdout_logfile=/dev/stderr", {"stdout_stream.filename": "/dev/stderr"}),
        ("STOPWAITSECS = 5 ; seconds", {"graceful_timeout": "5"}),
        ("stopwaitsecs=5\nstopwaitsecs=6", {"graceful_timeout": "6"}),
        ("serverurl=AUTO\nstdout_events_enabled=false\nstdout_capture_maxbytes=0MB\nstderr_syslog=false", {}),
    ],
)
def test_options_with_an_equivalent(options, expected):
    conversion = program(options)
    wanted = {name: value for name, value in {**ALWAYS, **expected}.items() if value is not None}
    assert options_of(conversion) == wanted
    assert conversion.remarks == []


@pytest.mark.parametrize(
    ("options", "kind", "option", "part"),
    [
        ("startretries=9", "differs", "startretries", "flapping plugin"),
        ("numprocs=2", "differs", "autorestart", "stop_exit_codes = 0 would stop the watcher"),
        ("stdout_syslog=true", "missing", "stdout_syslog", "no stream writes to syslog"),
        ("stderr_logfile=syslog", "missing", "stderr_logfile", "no stream writes to syslog"),
        ("stdout_capture_maxbytes=1MB", "missing", "stdout_capture_maxbytes", "events that a program writes"),
        ("stderr_events_enabled=true", "differs", "stderr_events_enabled", "circusctl tail --follow"),
        ("serverurl=http://x", "missing", "serverurl", "SUPERVISOR_SERVER_URL is not set"),
        ("depends_on=x", "missing", "depends_on", "not known"),
        ("priority=high", "missing", "priority", "'high' is no number"),
        ("numprocs=0", "missing", "numprocs", "'0' is no number"),
        ("numprocs=100000", "missing", "numprocs", "'100000' is no number"),
        ("autostart=perhaps", "missing", "autostart", "neither true nor false"),
        ("autorestart=maybe", "missing", "autorestart", "'maybe' is not known"),
        ("exitcodes=x", "missing", "exitcodes", "no list of exit codes"),
        ("stopsignal=FOO", "missing", "stopsignal", "'FOO' is no signal"),
        ("umask=9", "missing", "umask", "no octal mask"),
        ("stdout_logfile_maxbytes=lots", "missing", "stdout_logfile_maxbytes", "no size"),
        ("environment=A=\"x", "missing", "environment", "quotation of A is not closed"),
        ("environment=what", "missing", "environment", "'what' is not the beginning of NAME=VALUE"),
        ("directory=/a/%(nope)s", "differs", "directory", "%(nope)s is not known"),
        ("directory=/a/%(program_name)d", "differs", "directory", "cannot be written like that"),
        ("directory=/a/$(circus.wid)", "missing", "directory", "working_dir cannot be written in an ini file"),
        ("what is this", "differs", "", "'what is this' means nothing here"),
    ],
)
def test_remarks(options, kind, option, part):
    (remark,) = program(options).remarks
    assert (remark.kind, remark.file, remark.line, remark.option) == (kind, "s.conf", 3, option)
    assert part in remark.sentence()
    assert str(remark).startswith(f"s.conf:3: {option}: " if option else "s.conf:3: ")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("a b", ["a", "b"]),
        ('a "b c" \'d\' e\\ f', ["a", "b c", "d", "e f"]),
        ("a && b | c > d", ["a", "&&", "b", "|", "c", ">", "d"]),
        ("a $HOME ~ *", ["a", "$HOME", "~", "*"]),
        ("a 100%% %(program_name)s-%(group_name)s %(process_num)02d", ["a", "100%", "app-app", "00"]),
        ("a %(host_node_name)s %(here)s/x", ["a", "box", "/etc/sup/x"]),
        ("a 'x;y' z ; comment", ["a", "x;y", "z"]),
        ("a b # comment", ["a", "b"]),
        ("a\n  b\n  # no\n  c", ["a", "b", "c"]),
        ("a %(ENV_HOME)s/%(ENV_TWO)s", ["a", "/root/x", "y"]),
        ('a "%(ENV_HOME)s/%(ENV_TWO)s"', ["a", "/root/x y"]),
        ("a '%(ENV_TWO)s'", ["a", "x y"]),
    ],
)
def test_commands(command, expected, monkeypatch):
    monkeypatch.setenv("HOME", "/root")
    monkeypatch.setenv("TWO", "x y")
    (config,) = loaded(program("", command=f"command={command}"))
    assert worker(config)[0] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('A="x y",B=\'1,2\',C=/z:9', {"A": "x y", "B": "1,2", "C": "/z:9"}),
        ('A="q\\z", B="it\'s"', {"A": "q\\z", "B": "it's"}),
        ('A="1",\nB="2",\n', {"A": "1", "B": "2"}),
        ('A="1"\nB="2"', {"A": "1", "B": "2"}),
        ("A=,B=2", {"A": "", "B": "2"}),
        ('A="=,="', {"A": "=,="}),
        ("", {}),
    ],
)
def test_lists_of_variables(text, expected):
    assert variables(text) == expected


def test_environments(monkeypatch):
    monkeypatch.setenv("PATH", "/bin")
    conversion = imported(
        '[supervisord]\nnodaemon=true\nenvironment=TZ="UTC",ODD="a $HOME"\n'
        '[program:app]\ncommand=run\nautorestart=true\nenvironment=PATH="/x:%(ENV_PATH)s",L="$HOME 100%%",TZ="CET"\n'
    )
    assert conversion.sections["env"].options == {"TZ": "UTC"}
    assert conversion.secrets
    argv, env = worker(loaded(conversion)[0])
    assert argv == ["run"]
    assert {name: env[name] for name in ("PATH", "L", "TZ", "ODD")} == {
        "PATH": "/x:/bin", "L": "$HOME 100%", "TZ": "CET", "ODD": "a $HOME",
    }


def test_numbers_make_several_watchers():
    conversion = program(
        "numprocs=2\nnumprocs_start=1\nprocess_name=%(program_name)s_%(process_num)02d\n"
        'stdout_logfile=/l/%(process_num)d\nenvironment=N="%(process_num)d"',
        command="command=run -p 80%(process_num)02d",
    )
    assert list(conversion.sections) == ["watcher:app_01", "env:app_01", "watcher:app_02", "env:app_02"]
    for number in ("1", "2"):
        options = options_of(conversion, f"watcher:app_0{number}")
        assert options["cmd"] == f"run -p 800{number}"
        assert options["stdout_stream.filename"] == f"/l/{number}"
        assert options_of(conversion, f"env:app_0{number}") == {"N": number}
        assert "numprocesses" not in options
    assert remarks_of(conversion) == [(3, "numprocs")]


def test_numbers_in_names_only_make_one():
    conversion = program("numprocs=2\nprocess_name=%(program_name)s_%(process_num)02d\nautorestart=true")
    assert list(conversion.sections) == ["watcher:app"]
    assert conversion.remarks == []


def test_groups_and_priorities():
    conversion = imported(
        "[group:g]\nprograms=a, b\npriority=10\n[program:a]\ncommand=a\npriority=2\n"
        "[program:b]\ncommand=b\npriority=1\n[program:c]\ncommand=c\n[program:d]\ncommand=%(group_name)s\npriority=5\n"
    )
    ranks = {name: section.options.get("priority", "0") for name, section in conversion.sections.items()}
    assert ranks == {"watcher:g:a": "1", "watcher:g:b": "2", "watcher:c": "0", "watcher:d": "3"}
    assert [each["name"] for each in loaded(conversion)] == ["c", "d", "g:a", "g:b"]
    assert options_of(conversion, "watcher:d")["cmd"] == "d"
    assert remarks_of(conversion) == [(1, "programs")]


def test_sockets():
    conversion = imported(
        "[fcgi-program:php]\ncommand=php-cgi\nsocket=unix:///run/%(program_name)s.sock\nsocket_mode=0770\n"
        "socket_owner=a:b\nsocket_backlog=64\nnumprocs=5\nautorestart=true\n"
        "[fcgi-program:Other]\ncommand=x\nsocket=tcp://127.0.0.1:9002\n"
        "[fcgi-program:bad]\ncommand=x\nsocket=udp:1\n"
    )
    assert options_of(conversion, "socket:php") == {
        "path": "/run/php.sock", "replace": "True", "umask": "007", "backlog": "64",
    }
    assert options_of(conversion, "socket:other") == {"host": "127.0.0.1", "port": "9002"}
    assert options_of(conversion, "watcher:php")["stdin_socket"] == "php"
    assert options_of(conversion, "watcher:Other")["stdin_socket"] == "other"
    assert remarks_of(conversion) == [(5, "socket_owner"), (14, "socket")]


def test_the_daemon():
    conversion = imported(
        "[supervisord]\nlogfile=/var/log/supervisord.log\nlogfile_maxbytes=1MB\nloglevel=trace\npidfile=%(here)s/s.pid\n"
        "umask=027\nminfds=4096\nstrip_ansi=true\nuser=app\ndirectory=/srv\nchildlogdir=/l\nidentifier=x\nweird=1\n"
        "[program:a]\ncommand=a\n[program:b]\ncommand=b\nuser=root\ndirectory=/b\nredirect_stderr=true\n"
    )
    assert options_of(conversion, "circus") == {
        "logoutput": "/var/log/circusd.log", "pidfile": "/etc/sup/s.pid", "loglevel": "debug", "umask": "027",
    }
    first, second = options_of(conversion, "watcher:a"), options_of(conversion, "watcher:b")
    assert (first["uid"], first["working_dir"]) == ("app", "/srv")
    assert (second["uid"], second["working_dir"]) == ("root", "/b")
    assert first["stdout_stream.filename"] == "/l/a-stdout.log"
    assert first["stderr_stream.filename"] == "/l/a-stderr.log"
    assert second["cmd"] == """/bin/sh -c 'exec "$@" 2>&1' sh b"""
    assert remarks_of(conversion) == [
        (3, "logfile_maxbytes"), (1, "nodaemon"), (7, "minfds"), (8, "strip_ansi"), (13, "weird"),
    ]


@pytest.mark.parametrize("path", ["NONE", "/dev/stdout"])
def test_a_log_on_standard_output(path):
    assert "circus" not in program(f"[supervisord]\nnodaemon=true\nlogfile={path}").sections


def test_servers_and_clients():
    conversion = imported(
        "[unix_http_server]\nfile=/run/supervisor.sock\nchmod=0770\nchown=ops:www\nusername=u\npassword=p\n"
        "[inet_http_server]\nport=*:9001\npassword=p\n"
        "[supervisorctl]\nserverurl=http://localhost:9001\nprompt=x\nusername=u\n"
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
        "[rpcinterface:twiddler]\nsupervisor.rpcinterface_factory = x:y\n"
        "[eventlistener:mail]\ncommand=crashmail\n[strange]\na=b\n[program:a]\ncommand=a\n"
    )
    assert options_of(conversion, "circus") == {
        "endpoint": "ipc:///run/circus.sock", "pubsub_endpoint": "ipc:///run/circus-events.sock",
        "endpoint_owner": "ops", "httpd": "True", "httpd_host": "0.0.0.0", "httpd_port": "9001",
    }
    assert remarks_of(conversion, "missing") == [
        (4, "chown"), (3, "chmod"), (5, "username"), (9, "password"), (12, "prompt"), (16, ""), (18, ""), (20, ""),
    ]
    assert remarks_of(conversion, "differs") == [(2, "file"), (8, "port"), (11, "serverurl")]


def test_includes():
    conversion = imported(
        "[program:a]\ncommand=a\n[include]\nfiles = conf.d/*.conf\n  gone.conf\n",
        b_conf="[program:b]\ncommand=b %(here)s\nwhat\n[include]\nfiles=c.txt\n", c_conf="[program:c]\ncommand=c\n",
    )
    assert list(conversion.sections) == ["watcher:a", "watcher:b", "watcher:c"]
    assert options_of(conversion, "watcher:b")["cmd"] == "b /etc/sup"
    assert [(each.file, each.line) for each in conversion.remarks] == [("b.conf", 3), ("s.conf", 4)]
    (remark,) = imported("[include]\nfiles=%(ENV_X)s/*.conf\n[program:a]\ncommand=a").remarks
    assert (remark.kind, remark.option) == ("missing", "files")


def test_programs_without_a_command():
    conversion = imported("[program:a]\nuser=x\n[program:b]\ncommand=run 'x\n")
    assert conversion.sections == {}
    assert [(each.line, each.text) for each in conversion.remarks] == [
        (1, "[program:a] has no command"), (4, "it cannot be split into words: no closing quotation"),
    ]
    assert [each.text for each in imported("").remarks] == ["there is no program in it"]


WORDS = st.sampled_from([
    "[program:a]", "[fcgi-program:b]", "[group:g]", "[supervisord]", "[unix_http_server]", "[inet_http_server]",
    "[include]", "[eventlistener:x]", "command=", "environment=", "numprocs=", "priority=", "socket=", "programs=a,b",
    "process_name=", "stdout_logfile=", "port=", "file=", "files=", "umask=", "%(process_num)02d", "%(ENV_A)s", "%(x)s",
    "%", "A=\"b\",", "'", '"', ";", " ", "\n", "\n  ", "3", "2", "=", ":", "unix://", "tcp://a:1", "[", "]", "\r", "\t",
    "é",     "stdout_logfile_maxbytes=", "user=", "directory=", "%(here)s", "exitcodes=", "startsecs=", "stopsignal=",
])


@given(st.lists(WORDS, max_size=25).map("".join) | st.text(max_size=60))
def test_any_text_is_converted(text):
    conversion = imported(text)
    assert [each for each in loaded(conversion) if not each["cmd"]] == []
    for remark in conversion.remarks:
        assert "\n" not in str(remark)


def test_remarks_do_nothing_to_a_terminal():
    conversion = imported("[program:a]\ncommand=a\nx\x1b[2J\u202e=1\nwhat\x07\n[pro\x1b[31m]\n")
    told = [*map(str, conversion.remarks), *render(conversion).splitlines()]
    assert len(conversion.remarks) == 3
    assert all(line.isprintable() for line in told)


def test_what_cannot_be_guessed():
    with pytest.raises(ImportFailure, match="like no format"):
        convert("", "x")
