"""From files to the dict: spec config.md row by row, and what is said about files with problems."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circus import config as module
from circus.config import (
    DefaultConfigParser,
    InvalidConfig,
    Loaded,
    get_config,
    load,
    read_config,
    rlimit_value,
    watcher_defaults,
)
from circus.exc import ConfigError
from circus.model.origin import Located
from harness.examples import TOLERATED, examples

FILES = Path(__file__).parent / "config_files"
ENVIRON = {"HOME": "/home/me", "PATH": "/bin", "Abc": "1", "ABC": "2"}


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(module, "_logged", set())


class Deck:
    """A directory with a configuration file in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = str(directory / "circus.ini")

    def write(self, text: str, **others: str) -> str:
        for name, content in {"circus": text, **others}.items():
            path = self.directory / f"{name.replace('__', '/')}.ini"
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return self.path

    def config(self, text: str, **others: str) -> dict[str, Any]:
        return get_config(self.write(text, **others))

    def loaded(self, text: str, **others: str) -> Loaded:
        return load(self.write(text, **others))

    def watcher(self, options: str, more: str = "", name: str = "w") -> dict[str, Any]:
        (found,) = self.config(f"[watcher:{name}]\n{options}\n{more}")["watchers"]
        return found

    def error(self, text: str) -> str:
        with pytest.raises(InvalidConfig) as caught:
            self.config(text)
        assert isinstance(caught.value, (ValueError, ConfigError))
        return str(caught.value)

    def codes(self, text: str, **others: str) -> list[str]:
        return [problem.code for problem in self.loaded(text, **others).problems]


@pytest.fixture
def deck(tmp_path: Path) -> Deck:
    return Deck(tmp_path)


# -- 1. file loading -----------------------------------------------------------------------------------------


def test_missing_file() -> None:
    with pytest.raises(OSError, match=r"^the configuration file '/no/such\.ini' does not exist\n$"):
        get_config("/no/such.ini")
    with pytest.raises(OSError, match="Is a directory"):
        get_config("/")


def test_everything_in_one_file() -> None:
    config = get_config(str(FILES / "everything.ini"))
    assert (config["check_delay"], config["statsd"], config["umask"]) == (3.0, True, 0o22)
    batch, web = config["watchers"]
    assert (batch["cmd"], batch["args"], batch["warmup_delay"]) == ("crunch", "--late", 0.5)
    assert web["cmd"] == "serve --fd $(circus.sockets.front)\n--root /srv/web"
    assert web["numprocesses"] == 3
    assert web["stop_signal"] == signal.SIGINT
    assert web["rlimits"] == {"nofile": (1024, 4096), "CORE": -1}
    assert web["hooks"] == {"before_start": ["os.path.join", True], "after_stop": ["os.getcwd", False]}
    assert web["stdout_stream"] == {"class": "FileStream", "filename": "/srv/data/log/web.log"}
    assert web["flapping.attempts"] == "3"
    assert web["__name__"] == "watcher:web"
    assert web["env"] == {"ROOT": "/srv/web", "DATA": "/srv/data", "WORKERS": "3", "LOGS": "/srv/data/log"}
    (socket,) = config["sockets"]
    assert socket == {
        "__name__": "socket:Front",
        "name": "front",
        "host": "127.0.0.1",
        "port": "0",
        "replace": True,
        "so_reuseport": False,
    }
    (plugin,) = config["plugins"]
    assert plugin == {
        "__name__": "plugin:watch",
        "name": "plugin:watch",
        "use": "circus.plugins.flapping.Flapping",
        "priority": 7,
        "window": "3",
    }


def test_places() -> None:
    config = get_config(str(FILES / "everything.ini"))
    assert isinstance(config, Located)
    main = str(FILES / "everything.ini")
    assert config.where("umask") == (main, 6)
    assert "multicast_endpoint" not in config.places, "how to tell a default from what the file says"
    batch, web = config["watchers"]
    assert web.where() == (main, 18)
    assert web.where("rlimit_CORE") == (main, 25)
    assert batch.where("args") == (str(FILES / "conf.d" / "20-batch.ini"), 3)
    assert batch == dict(batch), "places do not count"
    for copied in (web.copy(), copy.deepcopy(web), pickle.loads(pickle.dumps(web))):
        assert copied == web
        assert copied.places == web.places


def test_files_are_listed() -> None:
    parser, files = read_config(str(FILES / "everything.ini"))
    assert [os.path.basename(name) for name in files] == ["everything.ini", "10-batch.ini", "20-batch.ini"]
    assert parser.get("watcher:batch", "cmd") == "crunch"
    assert load(str(FILES / "everything.ini")).files == tuple(files)


def test_includes_are_relative_to_the_main_file_and_sorted(deck: Deck) -> None:
    config = deck.config(
        "[circus]\ninclude = conf/*.ini other.ini\n[watcher:w]\ncmd=main\n",
        conf__b="[watcher:w]\ncmd=b\nargs=b\n",
        conf__a="[watcher:w]\nargs=a\n",
        other="[watcher:x]\ncmd=x\n",
    )
    assert [(each["cmd"], each["args"]) for each in config["watchers"]] == [("main", "a"), ("x", "")]


def test_include_comes_before_include_dir(deck: Deck) -> None:
    config = deck.config(
        "[circus]\ninclude_dir = conf\ninclude = x.ini\n",
        conf__a="[watcher:w]\ncmd=dir\n",
        x="[watcher:w]\ncmd=file\n",
    )
    assert config["watchers"][0]["cmd"] == "file"


def test_absolute_include(deck: Deck, tmp_path: Path) -> None:
    assert (
        deck.config(f"[circus]\ninclude = {tmp_path}/x/../a.ini\n", a="[watcher:w]\ncmd=a\n")["watchers"]
        == []
    )
    (tmp_path / "x").mkdir()
    assert len(deck.config(f"[circus]\ninclude = {tmp_path}/x/../a.ini\n")["watchers"]) == 1


def test_includes_of_included_files_are_not_followed(deck: Deck) -> None:
    loaded = deck.loaded("[circus]\ninclude=a.ini\n", a="[circus]\ninclude_dir=.\n", b="[watcher:w]\ncmd=b\n")
    assert loaded.config["watchers"] == []
    assert [problem.code for problem in loaded.problems] == ["nested-include"]


def test_a_file_is_read_once(deck: Deck) -> None:
    loaded = deck.loaded("[circus]\ninclude=*.ini a.ini\n[watcher:w]\ncmd=x\n  y\n", a="[watcher:v]\ncmd=v\n")
    assert [each["cmd"] for each in loaded.config["watchers"]] == ["v", "x\ny"]
    assert loaded.problems == ()


def test_variables_in_includes_come_from_the_process(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "conf")
    text = "[circus]\ninclude=$(circus.env.where)/*.ini\n[env]\nWHERE=nowhere\n"
    assert len(deck.config(text, conf__a="[watcher:w]\ncmd=x\n")["watchers"]) == 1


def test_include_without_a_match(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("circus.base.logs.logger.warn", said.append)
    deck.config("[circus]\ninclude = no/*.ini\ninclude_dir = nodir\n")
    directory = deck.directory
    end = "does not lead to any config. Make sure include paths are relative to the main config file"
    assert said == [f"'{directory}/no/*.ini' {end}", f"'{directory}/nodir/*.ini' {end}"]


def test_include_that_cannot_be_read(deck: Deck) -> None:
    (deck.directory / "d.ini").mkdir()
    assert deck.codes("[circus]\ninclude = d.ini\n") == ["unreadable-include"]


# -- 2. dialect, as far as sections have to do with it -------------------------------------------------------


def test_empty_section_is_ignored(deck: Deck) -> None:
    loaded = deck.loaded("[watcher:w]\n[plugin:p]\n[socket:s]\n")
    assert (loaded.config["watchers"], loaded.config["plugins"], loaded.config["sockets"]) == ([], [], [])
    assert [problem.code for problem in loaded.problems] == ["empty-section"] * 3


def test_default_section(deck: Deck) -> None:
    config = deck.config("[DEFAULT]\ncmd=x\n[watcher:w]\n[socket:s]\n[env]\nA=1\n")
    assert config["watchers"][0]["cmd"] == "x"
    assert config["sockets"][0]["cmd"] == "x"
    assert config["watchers"][0]["env"] == {"A": "1", "cmd": "x"}


@pytest.mark.parametrize(
    ("text", "value"), [("yes", True), ("ON", True), (" 1 ", True), ("No", False), ("off", False)]
)
def test_boolean(deck: Deck, text: str, value: bool) -> None:
    assert deck.watcher(f"cmd=x\nshell={text}")["shell"] is value


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("shell = maybe", "'maybe' is not a boolean"),
        ("shell =", "'' is not a boolean"),
        ("numprocesses = abc", "invalid literal for int() with base 10: 'abc'"),
        ("numprocesses =", "invalid literal for int() with base 10: ''"),
        ("graceful_timeout = abc", "could not convert string to float: 'abc'"),
        ("stop_signal = FOO", "signal invalid: FOO"),
        ("stop_signal = ++", "signal invalid: ++"),
        ("rlimit_core = abc", "invalid literal for int() with base 10: 'abc'"),
        ("hooks.before_start = a,b", "'b' is not a boolean"),
        ("hooks.before_start = a,", "'' is not a boolean"),
        (
            "stdout_stream = x",
            "'stdout_stream' cannot be written in a file: it is set one by one, as stdout_stream.NAME",
        ),
        ("stderr_streamx = x", "'stderr_streamx' is not an option of a stream: write stderr_stream.NAME"),
        ("hooks = x", "'hooks' cannot be written in a file: it is set one by one, as hooks.NAME"),
        ("rlimits = x", "'rlimits' cannot be written in a file: it is set one by one, as rlimit_NAME"),
        ("prereload_fn = x", "'prereload_fn' cannot be written in a file: it is set by programs only"),
        ("respawn_backoff.base = -1", "-1 must not be less than 0"),
    ],
)
def test_bad_value(deck: Deck, text: str, error: str) -> None:
    said = deck.error(f"[watcher:w]\ncmd=x\n{text}\n")
    option = text.partition(" ")[0]
    assert said == f"{error} ({deck.path}:3 [watcher:w] {option})"


def test_all_errors_are_listed() -> None:
    path = str(FILES / "broken.ini")
    with pytest.raises(InvalidConfig) as caught:
        get_config(path)
    said = str(caught.value).split("\n")
    assert said[0] == f"could not convert string to float: 'often' ({path}:2 [circus] check_delay)"
    assert said[1].startswith(f"{path}:3 [circus] umask: invalid literal for int() with base 8: '9'")
    found = [(problem.section, problem.option, problem.line) for problem in caught.value.problems]
    assert found == [
        ("circus", "check_delay", 2),
        ("circus", "umask", 3),
        ("circus", "debug", 4),
        ("watcher:Web", "numprocesses", 8),
        ("watcher:Web", "stop_signal", 9),
        ("watcher:Web", "stdout_stream", 10),
        ("watcher:Web", "stderr_streamx", 11),
        ("watcher:Web", "hooks.before_start", 12),
        ("socket:s", "replace", 15),
        ("plugin:p", "priority", 18),
        ("plugin:p", "use", 17),
    ]


def test_errors_of_the_dialect_keep_their_text(deck: Deck) -> None:
    assert deck.error("cmd=x\n") == (
        f"File contains no section headers.\nfile: {deck.path!r}, line: 1\n'cmd=x\\n'"
    )
    assert deck.error("[a]\nbad\n") == f"Source contains parsing errors: {deck.path!r}\n\t[line  2]: 'bad\\n'"


# -- 3. section kinds ----------------------------------------------------------------------------------------


def test_names_of_sections(deck: Deck) -> None:
    config = deck.config(
        "[watcher:a:B c]\ncmd=1\n[socket:socket:X.y]\nport=1\n[socket:A:B]\nport=2\n"
        "[plugin:P q]\nuse=u\n[Other]\nx=1\n"
    )
    assert [each["name"] for each in config["watchers"]] == ["a:B c"]
    assert [each["name"] for each in config["sockets"]] == ["a:b", "x.y"]
    assert [each["name"] for each in config["plugins"]] == ["plugin:P q"]


def test_sections_are_sorted_by_name(deck: Deck) -> None:
    config = deck.config(
        "".join(f"[watcher:{name}]\ncmd=x\n" for name in "bAzC") + "[plugin:b]\nuse=x\n[plugin:B]\nuse=y\n"
    )
    assert [each["name"] for each in config["watchers"]] == ["A", "C", "b", "z"]
    assert [each["name"] for each in config["plugins"]] == ["plugin:B", "plugin:b"]


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        ("watcher", "did you mean [watcher:NAME]?"),
        ("watchers:a", "did you mean [watcher:a]?"),
        ("wacther:a", "did you mean [watcher:a]?"),
        ("Socket:a", "did you mean [socket:a]?"),
        ("plugins", "did you mean [plugin:NAME]?"),
        ("circsu", "did you mean [circus]?"),
        ("environment", None),
        ("loggers", None),
    ],
)
def test_unknown_section(deck: Deck, header: str, hint: str | None) -> None:
    problems = deck.loaded(f"[{header}]\ncmd=x\n").problems
    assert [problem.hint for problem in problems] == ([hint] if hint else [])


def test_watchers_that_differ_only_in_case(deck: Deck, caplog: pytest.LogCaptureFixture) -> None:
    config = deck.config("[watcher:web]\ncmd=1\n[watcher:Web]\ncmd=2\n[watcher:x]\nname=WEB\ncmd=3\n")
    assert [(each["name"], each["cmd"]) for each in config["watchers"]] == [("web", "1")]
    assert f"[watcher:Web]: 'Web' differs from 'web' at {deck.path}:1 only in case" in caplog.text
    assert "[watcher:x]: 'WEB' differs from 'web'" in caplog.text


def test_two_of_the_same_name(deck: Deck) -> None:
    loaded = deck.loaded("[socket:a]\nport=1\n[socket:A]\nport=2\n[watcher:]\ncmd=x\n[socket:]\nport=1\n")
    assert [each["port"] for each in loaded.config["sockets"]] == ["1"]
    assert loaded.config["watchers"] == []
    assert [problem.code for problem in loaded.problems] == ["no-name", "case-twin", "no-name"]
    assert "there is already a socket 'a'" in loaded.problems[1].text


# -- 4. [circus] ---------------------------------------------------------------------------------------------

CIRCUS_DEFAULTS = {
    "check_delay": 5.0,
    "endpoint": "tcp://127.0.0.1:5555",
    "endpoint_owner": None,
    "pubsub_endpoint": "tcp://127.0.0.1:5556",
    "multicast_endpoint": "udp://237.219.251.97:12027",
    "stats_endpoint": "tcp://127.0.0.1:5557",
    "statsd": False,
    "umask": None,
    "warmup_delay": 0,
    "httpd": False,
    "httpd_host": "localhost",
    "httpd_port": 8080,
    "debug": False,
    "debug_gc": False,
    "pidfile": None,
    "loglevel": None,
    "logoutput": None,
    "loggerconfig": None,
    "fqdn_prefix": None,
    "watchers": [],
    "plugins": [],
    "sockets": [],
}


def test_defaults_of_the_daemon(deck: Deck) -> None:
    for text in ("", "[circus]\n", "[circus]\nzork=1\n"):
        config = deck.config(text)
        assert config == CIRCUS_DEFAULTS
        assert type(config["check_delay"]) is float


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("endpoint = ipc:///x", "ipc:///x"),
        ("endpoint_owner = root", "root"),
        ("pubsub_endpoint = ipc:///y", "ipc:///y"),
        ("statsd = yes", True),
        ("multicast_endpoint = udp://224.0.0.1:5", "udp://224.0.0.1:5"),
        ("multicast_endpoint = None", None),
        ("multicast_endpoint =", None),
        ("check_delay = 0", 0.0),
        ("check_delay = -1", -1.0),
        ("warmup_delay = 3", 3),
        ("warmup_delay = 0.5", 0.5),
        ("httpd = 1", True),
        ("httpd_host = h", "h"),
        ("httpd_port = 90", 90),
        ("debug = on", True),
        ("debug_gc = true", True),
        ("pidfile = /x", "/x"),
        ("umask = 022", 0o22),
        ("umask = 0o77", 0o77),
        ("umask =", None),
        ("loglevel = DEBUG", "DEBUG"),
        ("logoutput = -", "-"),
        ("loggerconfig = x.json", "x.json"),
        ("fqdn_prefix = p", "p"),
        ("statsd_close_outputs = yes", True),
        ("httpd_close_outputs = yes", True),
        ("capture = yes", True),
        ("metrics_endpoint = 127.0.0.1:9100", "127.0.0.1:9100"),
        ("stats_interval = 2", 2.0),
        ("endpoint = ipc://$(circus.env.home)/x", "ipc:///home/me/x"),
        ("check_delay = $(circus.env.DELAY)", 7.0),
    ],
)
def test_option_of_the_daemon(deck: Deck, text: str, value: Any) -> None:
    config = deck.config(f"[circus]\n{text}\n[env]\nDELAY = 7\n")
    option = text.partition(" ")[0]
    assert config[option] == value
    assert {key for key in config if key not in CIRCUS_DEFAULTS} <= {option}


@pytest.mark.parametrize("more", ["", "statsd = no"])
def test_a_stats_endpoint_turns_statistics_on(deck: Deck, more: str) -> None:
    text = "You defined a stats_endpoint without setting up statsd to True."
    with pytest.warns(DeprecationWarning, match=text):
        config = deck.config(f"[circus]\nstats_endpoint = ipc:///s\n{more}\n")
    assert (config["statsd"], config["stats_endpoint"]) == (True, "ipc:///s")


@pytest.mark.parametrize("name", ["stream_backend", "proc_name", "ssh_server", "prereload_fn"])
def test_options_never_read_from_a_file(deck: Deck, name: str) -> None:
    loaded = deck.loaded(f"[circus]\n{name} = x\n")
    assert name not in loaded.config
    assert [problem.code for problem in loaded.problems] == ["deprecated-option"]


def test_unknown_option_of_the_daemon(deck: Deck) -> None:
    (problem,) = deck.loaded("[circus]\nendpiont = x\n").problems
    assert str(problem) == (
        f"{deck.path}:2 [circus] endpiont: unknown option, ignored (did you mean 'endpoint'?)"
    )


# -- 5. [watcher:NAME] ---------------------------------------------------------------------------------------

WATCHER_DEFAULTS = {
    "name": "",
    "cmd": "",
    "args": "",
    "numprocesses": 1,
    "warmup_delay": 0,
    "executable": None,
    "working_dir": None,
    "on_demand": False,
    "shell": False,
    "uid": None,
    "gid": None,
    "send_hup": False,
    "stop_signal": signal.SIGTERM,
    "stop_children": False,
    "max_retry": 5,
    "graceful_timeout": 30,
    "rlimits": {},
    "stderr_stream": {},
    "stdout_stream": {},
    "priority": 0,
    "use_sockets": False,
    "singleton": False,
    "copy_env": False,
    "copy_path": False,
    "hooks": {},
    "respawn": True,
    "autostart": True,
}


def test_defaults_of_a_watcher(deck: Deck) -> None:
    assert watcher_defaults() == WATCHER_DEFAULTS
    watcher_defaults()["hooks"]["x"] = 1
    assert watcher_defaults() == WATCHER_DEFAULTS
    expected = {**WATCHER_DEFAULTS, "name": "w", "cmd": "x", "env": {}, "__name__": "watcher:w"}
    assert deck.watcher("cmd=x") == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cmd = a b", "a b"),
        ('cmd = ""', ""),
        ("args = --x", "--x"),
        ("executable = /bin/x", "/bin/x"),
        ("numprocesses = 3", 3),
        ("warmup_delay = 2", 2),
        ("warmup_delay = 0.5", 0.5),
        ("working_dir = /x", "/x"),
        ("shell = yes", True),
        ("shell_args = -x", "-x"),
        ("uid = 0", "0"),
        ("uid = me", "me"),
        ("gid = us", "us"),
        ("copy_env = yes", True),
        ("copy_path = yes", True),
        ("autostart = no", False),
        ("respawn = no", False),
        ("send_hup = yes", True),
        ("stop_signal = HUP", 1),
        ("stop_signal = sigkill", 9),
        ("stop_signal = 15", 15),
        ("stop_signal = SIGRTMIN+2", signal.SIGRTMIN + 2),
        ("stop_children = yes", True),
        ("max_retry = -1", -1),
        ("graceful_timeout = 10.5", 10.5),
        ("priority = -3", -3),
        ("singleton = yes", True),
        ("use_sockets = yes", True),
        ("on_demand = yes", True),
        ("max_age = 5", "5"),
        ("max_age = bad", "bad"),
        ("max_age_variance = 6", "6"),
        ("virtualenv = /v", "/v"),
        ("virtualenv_py_ver = 3.9", "3.9"),
        ("stdin_socket = s", "s"),
        ("close_child_stdin = no", False),
        ("close_child_stdout = yes", True),
        ("close_child_stderr = yes", True),
        ("check_flapping = no", False),
        ("flapping.max_retry = 3", "3"),
        ("zork = 'x'", "'x'"),
        ("respawn_backoff.base = 0.5", 0.5),
        ("respawn_backoff.factor = 3", 3.0),
        ("respawn_backoff.cap = 5", 5.0),
        ("respawn_backoff.stable = 5", 5.0),
        ("respawn_backoff.jitter = 0", 0.0),
        ("hook_timeout = 5", 5.0),
        ("reload_overlap = 5", 5.0),
        ("circus_env = no", False),
        ("listen_fds = yes", True),
        ("login_env = yes", True),
        ("name = other", "other"),
    ],
)
def test_option_of_a_watcher(deck: Deck, text: str, value: Any) -> None:
    watcher = deck.watcher(text)
    option = text.partition(" ")[0]
    assert watcher[option] == value
    assert set(watcher) - set(WATCHER_DEFAULTS) - {"env", "__name__"} <= {option}


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("rlimit_nofile = 100", {"nofile": 100}),
        ("rlimit_CORE =", {"CORE": -1}),
        ("rlimit_core = -1", {"core": -1}),
        ("rlimit_nofile = 10:20", {"nofile": (10, 20)}),
        ("rlimit_nofile = 10:", {"nofile": (10, -1)}),
        ("rlimit_nofile = $(circus.env.N)", {"nofile": 7}),
    ],
)
def test_limits(deck: Deck, text: str, limits: dict[str, Any]) -> None:
    assert deck.watcher(text, "[env:w]\nN=7\n")["rlimits"] == limits


def test_unknown_limit_is_warned_about(deck: Deck) -> None:
    loaded = deck.loaded("[watcher:w]\ncmd=x\nrlimit_foo=1\n")
    assert loaded.config["watchers"][0]["rlimits"] == {"foo": 1}
    assert [problem.text for problem in loaded.problems] == ['unknown rlimit "foo"']


def test_limit_with_the_prefix_in_capitals_is_free_form(deck: Deck) -> None:
    loaded = deck.loaded("[watcher:w]\ncmd=x\nRLIMIT_core=1\n")
    assert loaded.config["watchers"][0]["RLIMIT_core"] == "1"
    assert [problem.hint for problem in loaded.problems] == ["did you mean 'rlimit_core'?"]


def test_streams(deck: Deck) -> None:
    watcher = deck.watcher(
        "stdout_stream.class=FileStream\nstdout_stream.a.b=$(circus.env.HOME)\nstderr_stream.x=1\n"
    )
    assert watcher["stdout_stream"] == {"class": "FileStream", "a.b": "/home/me"}
    assert watcher["stderr_stream"] == {"x": "1"}


def test_hooks(deck: Deck) -> None:
    watcher = deck.watcher(
        "hooks.before_start = a.$(circus.env.HOME), TRUE\nhooks.after_start=a:b\nhooks.mine=c\n"
    )
    assert watcher["hooks"] == {
        "before_start": ["a.$(circus.env.HOME)", True],
        "after_start": ["a:b", False],
        "mine": ["c", False],
    }
    (problem,) = deck.loaded("[watcher:w]\nhooks.befor_start=a\n").problems
    assert (problem.code, problem.hint) == ("unknown-hook", "did you mean 'before_start'?")


def test_env_in_a_watcher_section_is_ignored(deck: Deck) -> None:
    loaded = deck.loaded("[watcher:w]\ncmd=x\nenv=A=1\n")
    assert loaded.config["watchers"][0]["env"] == {}
    (problem,) = loaded.problems
    assert (problem.severity, problem.hint) == ("warning", "write [env:w]")


def test_misspelt_option_is_kept_and_warned_about(deck: Deck, caplog: pytest.LogCaptureFixture) -> None:
    watcher = deck.watcher("Cmd = x\nnumproceses=3\nthreshold=1")
    assert (watcher["Cmd"], watcher["numproceses"], watcher["threshold"]) == ("x", "3", "1")
    assert [record.getMessage() for record in caplog.records] == [
        f"{deck.path}:2 [watcher:w] Cmd: unknown option, kept for plugins (did you mean 'cmd'?)",
        f"{deck.path}:3 [watcher:w] numproceses: unknown option, kept for plugins "
        "(did you mean 'numprocesses'?)",
    ]


def test_warnings_are_logged_once(deck: Deck, caplog: pytest.LogCaptureFixture) -> None:
    deck.watcher("Cmd = x")
    deck.watcher("Cmd = x")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_indented_option_is_warned_about(deck: Deck) -> None:
    loaded = deck.loaded("[watcher:w]\ncmd=x\n  numprocesses = 3\n  zork = 3\n[other]\na=1\n  cmd=2\n")
    assert loaded.config["watchers"][0]["cmd"] == "x\nnumprocesses = 3\nzork = 3"
    assert [(problem.code, problem.line) for problem in loaded.problems] == [("indented-option", 3)]


# -- 6. [socket:NAME] ----------------------------------------------------------------------------------------


def test_socket(deck: Deck) -> None:
    options = {
        "host": "h",
        "port": "abc",
        "family": "AF_FOO",
        "type": "SOCK_DGRAM",
        "proto": "tcp",
        "backlog": "5",
        "path": "/x",
        "umask": "022",
        "interface": "eth0",
        "blocking": "true",
        "free": "1",
    }
    text = "[socket:S]\n" + "".join(f"{key} = {value}\n" for key, value in options.items())
    (socket,) = deck.config(text)["sockets"]
    assert socket == {**options, "__name__": "socket:S", "name": "s", "replace": False, "so_reuseport": False}
    (socket,) = deck.config("[socket:S]\nreplace=yes\nso_reuseport=1\ntcp_nodelay=on\nname=Foo\n")["sockets"]
    assert (socket["replace"], socket["so_reuseport"], socket["tcp_nodelay"], socket["name"]) == (
        True,
        True,
        True,
        "s",
    )


def test_variables_in_sockets(deck: Deck) -> None:
    (socket,) = deck.config("[socket:s]\nport=$(circus.env.P)\nhost=((circus.env.H))\n[env]\nP=1\nH=h\n")[
        "sockets"
    ]
    assert (socket["port"], socket["host"]) == ("1", "h")


@pytest.mark.parametrize("option", ["replace", "so_reuseport"])
def test_bad_flag_of_a_socket(deck: Deck, option: str) -> None:
    assert deck.error(f"[socket:s]\n{option}=x\n").startswith("'x' is not a boolean")


# -- 7. environments and variables ---------------------------------------------------------------------------


def test_layers_of_the_environment(deck: Deck) -> None:
    text = (
        "[env:web*]\nA=pattern\nB=pattern\n"
        "[env]\nA=all\nB=all\nC=all\n"
        "[env: api , web1]\nB=later\n"
        "[env:WEB1]\nC=wrong case\n"
        "[env:web[0-9]]\nD=$HOME $lower ${X} $NONE\n"
        "[watcher:web1]\ncmd=x\n[watcher:api]\ncmd=x\n[watcher:other]\ncmd=x\n"
    )
    found = {each["name"]: each["env"] for each in deck.config(text)["watchers"]}
    assert found == {
        "web1": {"A": "pattern", "B": "later", "C": "all", "D": "$HOME $lower ${X} $NONE"},
        "api": {"A": "all", "B": "later", "C": "all"},
        "other": {"A": "all", "B": "all", "C": "all"},
    }


def test_patterns_match_the_name_of_the_watcher(deck: Deck) -> None:
    watcher = deck.watcher("name=renamed", "[env:renamed]\nA=1\n[env:w]\nB=2\n")
    assert watcher["env"] == {"A": "1"}


def test_plugins_have_no_environment(deck: Deck) -> None:
    (plugin,) = deck.config(
        "[plugin:p]\nuse=x\nq=$(circus.env.a)$(circus.env.b)\n[env]\nA=1\n[env:*]\nB=2\n"
    )["plugins"]
    assert "env" not in plugin
    assert plugin["q"] == "1$(circus.env.b)"


def test_copy_env_brings_the_environment_of_the_process_along_untouched(
    deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODD", " foo$BAR $(circus.env.HOME) ")
    watcher = deck.watcher("cmd=x\ncopy_env=yes", "[env]\nHOME=/elsewhere\nMORE=1\n")
    expected = {**ENVIRON, "ODD": " foo$BAR $(circus.env.HOME) ", "HOME": "/elsewhere", "MORE": "1"}
    assert {
        name: value for name, value in watcher["env"].items() if not name.startswith("PYTEST")
    } == expected
    assert deck.watcher("cmd=x", "[env]\nMORE=1\n")["env"] == {"MORE": "1"}


def test_header_is_no_variable(deck: Deck) -> None:
    """Circus 0.19 gave processes a variable called ``__name__``."""
    watcher = deck.watcher("cmd=$(circus.env.__name__)", "[env]\nA=1\n[env:w]\nB=2\n")
    assert watcher["env"] == {"A": "1", "B": "2"}
    assert watcher["cmd"] == "$(circus.env.__name__)"


def test_variables_of_env_may_use_those_before_them(deck: Deck) -> None:
    text = (
        "[env]\nA=$(circus.env.HOME)/a\nB=$(circus.env.A)/b\nC=$(circus.env.D)\nD=1\nPATH=$(circus.env.PATH):/x\n"
        "[env:w]\nE=$(circus.env.B)/e\nF=$(circus.env.E)/f\nA=own\n[env:*]\nG=$(circus.env.A)\n"
    )
    assert deck.watcher("cmd=$(circus.env.f)", text)["env"] == {
        "A": "own",
        "B": "/home/me/a/b",
        "C": "$(circus.env.D)",
        "D": "1",
        "PATH": "/bin:/x",
        "E": "/home/me/a/b/e",
        "F": "/home/me/a/b/e/f",
        "G": "own",
    }


@pytest.mark.parametrize(
    ("written", "expanded"),
    [
        ("$(circus.env.HOME)", "/home/me"),
        ("((circus.env.HOME))", "/home/me"),
        ("$(CIRCUS.Env.home)", "/home/me"),
        ("$(circus.env.ABC)$(circus.env.Abc)$(circus.env.abc)", "212"),
        ("$(circus.env.own)", "mine"),
        ("$(circus.env.shared)", "mine"),
        ("$(circus.env.NOPE)", "$(circus.env.NOPE)"),
        ("$(circus.wid) $(circus.sockets.x)", "$(circus.wid) $(circus.sockets.x)"),
        ("${circus.env.HOME} $(env.HOME) $HOME", "${circus.env.HOME} $(env.HOME) $HOME"),
        ("$$(circus.env.HOME) $(circus.env.HOME", "$/home/me $(circus.env.HOME"),
        ("$(circus.env.twice)", "$(circus.env.HOME)"),
    ],
)
def test_variables(deck: Deck, written: str, expanded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWICE", "$(circus.env.HOME)")
    more = "[env]\nSHARED=all\n[env:w]\nOWN=mine\nSHARED=mine\n"
    watcher = deck.watcher(
        f"cmd={written}\nfree={written}\nuid={written}\nstdout_stream.x={written}\nname=w", more
    )
    assert (watcher["cmd"], watcher["free"], watcher["uid"]) == (expanded,) * 3
    assert watcher["stdout_stream"] == {"x": expanded}


def test_variables_in_numbers(deck: Deck) -> None:
    more = "[env]\nN=3\nS=hup\nT=yes\n[env:w]\nM=4\nN=5\n"
    watcher = deck.watcher(
        "numprocesses=$(circus.env.M)\npriority=$(circus.env.n)\nshell=$(circus.env.T)\n"
        "stop_signal=$(circus.env.S)\nmax_age=$(circus.env.N)",
        more,
    )
    assert (watcher["numprocesses"], watcher["shell"], watcher["stop_signal"]) == (4, True, 1)
    assert watcher["priority"] == 3, "numbers see [env] first, as they always did"
    assert watcher["max_age"] == "5"
    assert deck.error("[watcher:w]\nnumprocesses=$(circus.env.X)\n").startswith(
        "invalid literal for int() with base 10: '$(circus.env.X)'"
    )


def test_names_and_env_are_not_expanded(deck: Deck) -> None:
    assert deck.watcher("name=$(circus.env.HOME)")["name"] == "$(circus.env.HOME)"


# -- 8. [plugin:NAME] ----------------------------------------------------------------------------------------


def test_plugin_options_stay_text(deck: Deck) -> None:
    (plugin,) = deck.config("[plugin:P]\nuse=a.B\nmax_retry=4\nactive=no\nsingleton=False\nname=x\n")[
        "plugins"
    ]
    assert plugin == {
        "__name__": "plugin:P",
        "name": "plugin:P",
        "use": "a.B",
        "max_retry": "4",
        "active": "no",
        "singleton": "False",
    }


def test_plugin_without_a_class(deck: Deck) -> None:
    assert deck.error("[plugin:p]\nx=1\n").startswith("'use' is missing")


def test_priority_of_a_plugin(deck: Deck) -> None:
    assert deck.config("[plugin:p]\nuse=x\npriority=3\n")["plugins"][0]["priority"] == 3
    assert deck.error("[plugin:p]\nuse=x\npriority=\n").startswith(
        "invalid literal for int() with base 10: ''"
    )


# -- the small things ----------------------------------------------------------------------------------------


def test_rlimit_value() -> None:
    assert (rlimit_value(None), rlimit_value(""), rlimit_value("5")) == (-1, -1, 5)
    with pytest.raises(ValueError, match="invalid literal"):
        rlimit_value("x")


def test_parser_with_variables(deck: Deck) -> None:
    parser = DefaultConfigParser()
    assert parser.read([deck.write("[a]\nk=$(circus.env.home)\nl=5\nb=yes\nf=1.5\n")]) == [deck.path]
    assert parser.get("a", "k") == "/home/me"
    parser.set_env({"HOME": "9"})
    assert parser.items("a") == [("__name__", "a"), ("k", "9"), ("l", "5"), ("b", "yes"), ("f", "1.5")]
    assert parser.items("a", noreplace=True)[1] == ("k", "$(circus.env.home)")
    assert parser.dget("a", "k", type=int) == 9
    assert parser.dget("a", "b", type=bool) is True
    assert parser.dget("a", "f", type=float) == 1.5
    assert parser.dget("a", "l") == "5"
    assert parser.dget("a", "none", "7", type=int) == "7"
    assert parser.dget("b", "none") is None
    with pytest.raises(NotImplementedError):
        parser.dget("a", "l", type=list)


def test_config_can_be_sent() -> None:
    config = get_config(str(FILES / "everything.ini"))
    assert json.loads(json.dumps(config))["watchers"][1]["name"] == "web"


# -- whatever comes ------------------------------------------------------------------------------------------

fragments = st.sampled_from(
    [
        "[circus]",
        "[watcher:a]",
        "[watcher:A]",
        "[socket:s]",
        "[plugin:p]",
        "[env]",
        "[env:a*,[b]",
        "[DEFAULT]",
        "[env:]",
        "\n",
        "\n",
        "\n",
        "=",
        ": ",
        "cmd",
        "numprocesses",
        "stop_signal",
        "rlimit_core",
        "rlimit_",
        "hooks.",
        "use",
        "name",
        "stdout_stream.",
        "stdout_stream",
        "umask",
        "check_delay",
        "include",
        "respawn_backoff.base",
        "max_age",
        "  ",
        "1",
        "-5",
        "TERM",
        "nan",
        "inf",
        "9" * 30,
        "yes",
        "1:2",
        "a.b,true",
        "$(circus.env.HOME)",
        "((circus.env.a))",
        "$(circus.env.",
        ";",
        "#",
        '""',
        "é",
        "\x00",
        "*",
    ]
)


@given(st.lists(fragments | st.text(max_size=3), max_size=40).map("".join))
@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture, *TOLERATED])
def test_any_file_is_a_configuration_or_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.ini"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    loaded = load(str(path))
    try:
        config = get_config(str(path))
    except (ConfigError, OSError, ValueError):
        assert loaded.errors
        return
    assert not loaded.errors
    assert config == loaded.config
    for watcher in config["watchers"]:
        assert set(WATCHER_DEFAULTS) <= set(watcher)
        assert "__name__" not in watcher["env"]
    names = [watcher["name"].lower() for watcher in config["watchers"]]
    assert len(set(names)) == len(names)


words = st.text("abc/:-é$", min_size=1, max_size=8)


@given(
    st.dictionaries(
        st.text("abcé", min_size=1, max_size=5),
        st.dictionaries(
            st.sampled_from(["cmd", "args", "working_dir", "flapping.x", "virtualenv"]), words, min_size=1
        ),
        max_size=4,
    ),
    st.integers(0, 99),
    st.floats(0, 1e6),
    st.booleans(),
)
@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture, *TOLERATED])
def test_what_is_written_is_loaded(
    tmp_path: Path, wanted: dict[str, dict[str, str]], count: int, timeout: float, flag: bool
) -> None:
    lines = []
    typed = {"numprocesses": count, "graceful_timeout": timeout, "copy_path": flag, "stop_signal": count % 32}
    for name, options in wanted.items():
        lines += [f"[watcher:{name}]", *(f"{key} = {value}" for key, value in {**options, **typed}.items())]
    path = tmp_path / "written.ini"
    path.write_text("\n".join(lines), encoding="utf-8")
    config = get_config(str(path))
    assert {each["name"]: each for each in config["watchers"]} == {
        name: {**WATCHER_DEFAULTS, **options, **typed, "name": name, "__name__": f"watcher:{name}", "env": {}}
        for name, options in wanted.items()
    }
