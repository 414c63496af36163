"""The option tables: each row is sound, and what clients are told is what the contract says."""

from __future__ import annotations

import math
import resource
import signal
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circus.commands import util
from circus.exc import ArgumentError, MessageError, OptionError
from circus.model.hooktable import HOOKS
from circus.model.options import (
    ABSENT,
    CIRCUS,
    PLUGIN,
    SOCKET,
    STREAM,
    STREAM_CLASSES,
    UNLIMITED,
    WATCHER,
    OnChange,
    Option,
    Table,
    check_option,
    check_watcher,
    closest,
    convert_option,
    limit_exists,
    validate_option,
)
from circus.model.options.compound import (
    Environment,
    HookCall,
    HookCalls,
    ResourceLimit,
    StreamOptions,
)
from circus.model.options.kinds import (
    Account,
    Address,
    Boolean,
    Choice,
    ConsoleText,
    ExitCodes,
    Integer,
    Kind,
    Mask,
    Real,
    Signal,
    Size,
    Text,
    Words,
)
from harness.examples import examples

TABLES = (WATCHER, CIRCUS, SOCKET, PLUGIN, STREAM)
ROWS = [
    pytest.param(table, option, id=f"{table.title}-{option.name}") for table in TABLES for option in table
]

#: Texts that options of a kind accept, whatever their bounds.
SAMPLES: dict[type[Kind], tuple[str, ...]] = {
    Kind: ("x",),
    Text: ("", "x", "a b"),
    Words: ("", "sleep 60", "--a 'b c'"),
    Integer: ("1", " 7 "),
    Real: ("1", "1.0"),
    Boolean: ("yes", "off", " TRUE ", "0"),
    ExitCodes: ("", "78", "77, 78", "1 2"),
    Signal: ("15", "TERM", "sigkill", "RTMIN+1"),
    Account: ("0", "root"),
    Environment: ("A=1", "A=1,B=2", '{"A": "1"}'),
    HookCall: ("a.b", "a.b, true", "a:b,no"),
    HookCalls: ("", "before_start:a.b", "before_start:a.b,after_stop:c"),
    StreamOptions: ('{"class": "FileStream"}', "{}"),
    ResourceLimit: ("", "5", "-1", "5:10", "5:", ":"),
    Mask: ("", "022", "0o77", "0"),
    Address: ("none", "", "udp://237.219.251.97:12027"),
    Size: ("5", "64K", "1.5 M"),
}


def samples(kind: Kind) -> tuple[str, ...]:
    if isinstance(kind, ConsoleText):
        return samples(kind.inner)
    if isinstance(kind, Choice):
        return tuple(word.lower() for word in kind.words)
    return SAMPLES[type(kind)]


# -- the rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("table", "option"), ROWS)
def test_row_is_documented(table: Table, option: Option) -> None:
    assert option.doc.endswith((".", ")")), "one or two sentences"
    assert isinstance(option.on_change, OnChange)
    assert not option.name.endswith(".") or option.is_family
    assert option.family == "" or option.name.startswith(option.family)
    assert option.since in ("0.19", "1.0")
    assert option.kind.word


@pytest.mark.parametrize(("table", "option"), ROWS)
def test_row_is_found_by_its_names(table: Table, option: Option) -> None:
    for name in (option.name, *option.aliases):
        assert table.find(name) is option
        assert name in table
        assert table[name] is option
    if option.is_family:
        assert table.find(option.family + "anything") is option


@pytest.mark.parametrize(("table", "option"), ROWS)
def test_text_of_a_value_means_that_value(table: Table, option: Option) -> None:
    for text in samples(option.kind):
        value = option.kind.parse(text)
        assert option.kind.parse(option.kind.render(value)) == value


@pytest.mark.parametrize(("table", "option"), ROWS)
def test_default_can_be_written(table: Table, option: Option) -> None:
    if option.default not in (None, {}) and option.in_ini:
        assert option.kind.parse(option.kind.render(option.default)) == option.default
    if option.ini_default is not ABSENT and option.ini_default is not None:
        assert option.ini_default == option.default or not (option.ini_default or option.default)


@pytest.mark.parametrize("option", [pytest.param(option, id=option.name) for option in WATCHER])
def test_watcher_option_is_settable_or_says_why_not(option: Option) -> None:
    assert option.settable != bool(option.fixed)
    assert option.addable or option.fixed
    assert not option.settable or option.addable


@pytest.mark.parametrize("option", [pytest.param(o, id=o.name) for o in WATCHER if o.settable])
def test_what_the_command_line_sends_is_accepted(option: Option) -> None:
    name = {"hooks.": "hooks.before_start", "rlimit_": "rlimit_nofile"}.get(option.name, option.name)
    name += "filename" if name.endswith("_stream.") else ""
    for text in samples(option.kind):
        if option.kind.word == "object" and "class" not in text:
            continue
        sent = convert_option(name, text)
        validate_option(name, sent)
        applied = check_option(name, sent)
        assert option.kind.check(name, applied) == applied, "checking twice changes nothing"


def test_defaults_are_fresh() -> None:
    defaults = WATCHER.defaults()
    assert defaults["numprocesses"] == 1
    assert defaults["stop_signal"] == signal.SIGTERM
    assert "rlimit_" not in defaults
    defaults["hooks"]["x"] = "y"
    assert WATCHER.defaults()["hooks"] == {}
    WATCHER.ini_defaults()["rlimits"]["core"] = 0
    assert WATCHER.ini_defaults()["rlimits"] == {}


def test_reported_options_are_those_of_the_wire() -> None:
    """Spec wire.md 5.4; ours come on top."""
    recorded = [
        "args",
        "close_child_stderr",
        "close_child_stdin",
        "close_child_stdout",
        "cmd",
        "copy_env",
        "env",
        "executable",
        "gid",
        "graceful_timeout",
        "max_age",
        "max_age_variance",
        "max_retry",
        "numprocesses",
        "on_demand",
        "priority",
        "respawn",
        "send_hup",
        "shell",
        "shell_args",
        "singleton",
        "stderr_stream_conf",
        "stdout_stream_conf",
        "stop_children",
        "stop_signal",
        "uid",
        "use_sockets",
        "warmup_delay",
        "working_dir",
    ]
    assert sorted(o.reported_name for o in WATCHER if o.reported and o.since == "0.19") == recorded
    assert sorted(o.reported_name for o in WATCHER if o.reported and o.since != "0.19") == [
        "capture",
        "circus_env",
        "hook_timeout",
        "listen_fds",
        "login_env",
        "reload_overlap",
        "respawn_backoff.base",
        "respawn_backoff.cap",
        "respawn_backoff.factor",
        "respawn_backoff.jitter",
        "respawn_backoff.stable",
        "stop_exit_codes",
    ]


def test_names_must_differ() -> None:
    row = WATCHER["cmd"]
    with pytest.raises(ValueError, match="two options called 'cmd'"):
        Table("x", (row, row))


def test_options_of_stream_classes_are_in_the_table() -> None:
    for names in STREAM_CLASSES.values():
        assert all(name in STREAM for name in names)


# -- suggestions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Cmd", "cmd"),
        ("numproceses", "numprocesses"),
        ("max_retries", "max_retry"),
        ("stop_singal", "stop_signal"),
        ("graceful-timeout", "graceful_timeout"),
        ("hook.before_start", "hooks.before_start"),
        ("stdout_steam.class", "stdout_stream.class"),
        ("rlimts_core", "rlimit_core"),
        ("respawn_backof.base", "respawn_backoff.base"),
        ("cwd", "working_dir"),
        ("command", "cmd"),
        ("user", "uid"),
        ("numprocs", "numprocesses"),
        ("flapping.attempts", None),
        ("threshold", None),
        ("foo", None),
        ("cmd", None),
        ("", None),
    ],
)
def test_suggestion(written: str, meant: str | None) -> None:
    assert WATCHER.suggest(written) == meant


@given(st.text(max_size=40))
@settings(max_examples=examples(100))
def test_suggestion_is_a_known_name(name: str) -> None:
    for table in TABLES:
        meant = table.suggest(name)
        assert meant is None or meant in table or meant == "[env:NAME]"
        assert meant != name


def test_closest() -> None:
    assert closest("befor_start", HOOKS) == "before_start"
    assert closest("zzz", HOOKS) is None


# -- what clients are told (recorded from Circus 0.19, spec wire.md 5.3 and 5.5) -----------------------------

INTEGERS = ("numprocesses", "max_retry", "max_age", "max_age_variance", "stop_signal")
NUMBERS = ("warmup_delay", "retry_in", "graceful_timeout")
BOOLEANS = (
    "send_hup",
    "shell",
    "copy_env",
    "respawn",
    "stop_children",
    "close_child_stdin",
    "close_child_stdout",
    "close_child_stderr",
)
ACCOUNTS = ("uid", "gid")
STREAMS = ("stdout_stream", "stderr_stream")

REFUSED = [
    *(
        (name, value, f"'{name}' isn't an integer")
        for name in INTEGERS
        for value in ("x", "5", "", None, 1.5, {"a": 1}, [])
    ),
    *(
        (name, value, f"'{name}' isn't a number")
        for name in NUMBERS
        for value in ("x", "5", "", None, {"a": 1}, [])
    ),
    *(
        (name, value, f"'{name}' isn't a valid boolean")
        for name in BOOLEANS
        for value in ("x", "yes", "", None, 5, 1.5, {"a": 1}, [])
    ),
    *(
        (name, value, f"'{name}' isn't an integer or string")
        for name in ACCOUNTS
        for value in (None, 1.5, {}, [])
    ),
    *(("env", value, "'env' isn't a valid object") for value in ("x", 5, None, True, [])),
    ("env", {"a": 1}, "'a' isn't a string"),
    ("env", {"a": "b", "c": None}, "'c' isn't a string"),
    *(
        (name, value, f"'{name}' isn't a valid object")
        for name in STREAMS
        for value in ("x", 5, None, True, [])
    ),
    *((name, {"filename": "x"}, f"'{name}' must have a 'class' key") for name in STREAMS),
    ("hooks", "x", "'x' isn't a valid hook dict"),
    ("hooks", 5, "5 isn't a valid hook dict"),
    ("hooks", [], "[] isn't a valid hook dict"),
    ("hooks", {"foo": "a", "before_start": "b"}, "Unknown hook {'foo': 'a', 'before_start': 'b'}"),
    ("rlimit_foo", 5, "'rlimit_foo' isn't a valid rlimit setting"),
    ("rlimit_", 5, "'rlimit_' isn't a valid rlimit setting"),
    *(
        ("rlimit_nofile", value, f"{value!r} rlimit value isn't a valid int")
        for value in ("x", "5", 1.5, {"a": 1}, [])
    ),
    *(
        (name, 5, f"unknown key {name!r}")
        for name in (
            "priority",
            "executable",
            "use_sockets",
            "on_demand",
            "somekey",
            "",
            "Cmd",
            "RLIMIT_x",
            "name",
            "__name__",
            "stdout_stream_conf",
            "stdout_streamfoo",
            "flapping.attempts",
            "autostart",
            "copy_path",
            "shell_args",
            "virtualenv",
        )
    ),
]

ACCEPTED = [
    *((name, value) for name in INTEGERS for value in (5, 0, True)),
    *((name, value) for name in NUMBERS for value in (5, 1.5, True)),
    *((name, value) for name in BOOLEANS for value in (True, False)),
    *((name, value) for name in ACCOUNTS for value in (0, "root", "0", "")),
    *((name, value) for name in ("cmd", "args", "working_dir") for value in ("x", "", 5)),
    ("args", None),
    ("args", ["a", 1]),
    ("working_dir", None),
    ("env", {"a": "b"}),
    ("env", {}),
    *((name, {"class": "FileStream", "filename": "x"}) for name in STREAMS),
    *((f"{name}.anything", value) for name in STREAMS for value in ("x", 5, None, {"a": 1})),
    ("hooks", {"before_start": "a.b,true"}),
    ("hooks", {}),
    ("hooks.before_start", "a.b"),
    ("hooks.of_a_plugin", "a.b, no"),
    ("rlimit_nofile", 5),
    ("rlimit_NOFILE", None),
    ("rlimit_core", True),
    ("singleton", True),
    ("singleton", "yes"),
]


@pytest.mark.parametrize(("name", "value", "text"), REFUSED)
def test_refused(name: str, value: Any, text: str) -> None:
    with pytest.raises(MessageError) as caught:
        validate_option(name, value)
    assert str(caught.value) == text
    assert caught.value.errno == 3
    assert isinstance(caught.value, OptionError)


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_accepted(name: str, value: Any) -> None:
    validate_option(name, value)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("cmd", None, "'cmd' isn't a string"),
        ("cmd", {"a": 1}, "'cmd' isn't a string"),
        ("stop_signal", 9999, "signal invalid: 9999"),
        ("stop_signal", -1, "signal invalid: -1"),
        ("singleton", "maybe", "'singleton' isn't a valid boolean"),
        ("hooks.before_start", 5, "'hooks.before_start' isn't a string"),
        ("hooks.before_start", "a.b,maybe", "'hooks.before_start': 'maybe' is not a boolean"),
        ("graceful_timeout", math.nan, "'graceful_timeout' isn't a number"),
        ("graceful_timeout", 10**400, "'graceful_timeout' isn't a number"),
        ("rlimit_nofile", -5, "-5 rlimit value isn't a valid int"),
        ("rlimit_nofile", "10:5", "'10:5' rlimit value isn't a valid int"),
        ("rlimit_nofile", [10, 5], "[10, 5] rlimit value isn't a valid int"),
        ("rlimit_nofile", 1 << 64, f"{1 << 64} rlimit value isn't a valid int"),
        ("respawn_backoff.base", -1, "'respawn_backoff.base' must not be less than 0"),
        ("respawn_backoff.factor", 0.5, "'respawn_backoff.factor' must not be less than 1"),
        ("respawn_backoff.jitter", 2, "'respawn_backoff.jitter' must not be more than 1"),
        ("respawn_backoff.bse", 2, "unknown key 'respawn_backoff.bse'"),
        ("hook_timeout", 0, "'hook_timeout' must not be less than 0.001"),
        ("circus_env", "no", "'circus_env' isn't a valid boolean"),
        (5, 5, "unknown key 5"),
        (None, 5, "unknown key None"),
    ],
)
def test_refused_better_than_before(name: Any, value: Any, text: str) -> None:
    """Values that Circus 0.19 accepted and then failed with, and options it did not have."""
    with pytest.raises(OptionError) as caught:
        validate_option(name, value)
    assert str(caught.value) == text
    assert caught.value.value is value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("use_sockets", True),
        ("priority", 5),
        ("on_demand", True),
        ("copy_path", True),
        ("autostart", False),
        ("virtualenv", "/x"),
        ("virtualenv_py_ver", "3.11"),
        ("executable", "/bin/sh"),
        ("stdin_socket", "web"),
        ("shell_args", "-x"),
        ("numprocesses", 2),
    ],
)
def test_add_accepts_more(name: str, value: Any) -> None:
    validate_option(name, value, adding=True)
    if not WATCHER[name].settable:
        with pytest.raises(OptionError, match="unknown key"):
            validate_option(name, value)


@pytest.mark.parametrize(
    "name", ["name", "rlimits", "check_flapping", "prereload_fn", "flapping.attempts", "zork"]
)
def test_add_refuses(name: str) -> None:
    with pytest.raises(OptionError, match=f"unknown key '{name}'"):
        validate_option(name, 1, adding=True)


@pytest.mark.parametrize(
    ("name", "value", "applied"),
    [
        ("warmup_delay", 3, 3.0),
        ("args", ("a", 1), ["a", "1"]),
        ("cmd", 5, "5"),
        ("numprocesses", True, 1),
        ("singleton", "yes", True),
        ("rlimit_nofile", None, UNLIMITED),
        ("rlimit_nofile", "", UNLIMITED),
        ("rlimit_nofile", "5:10", (5, 10)),
        ("rlimit_nofile", "5:", (5, UNLIMITED)),
        ("rlimit_nofile", [5, None], (5, UNLIMITED)),
    ],
)
def test_value_as_applied(name: str, value: Any, applied: Any) -> None:
    found = check_option(name, value)
    assert found == applied
    assert type(found) is type(applied)


@pytest.mark.parametrize("name", STREAMS)
def test_refresh_time_is_deprecated(name: str) -> None:
    with pytest.warns(UserWarning) as caught:  # noqa: PT030 - the text is compared as a whole
        validate_option(name, {"class": "FileStream", "refresh_time": 3})
    assert [str(each.message) for each in caught] == [
        f"'refresh_time' is deprecated and not useful anymore for '{name}'"
    ]


def test_unlimited_is_what_the_system_calls_infinity() -> None:
    assert UNLIMITED == resource.RLIM_INFINITY
    assert limit_exists("NoFile")
    assert not limit_exists("foo")
    assert not limit_exists("")


# -- what circusctl sends (recorded, spec library.md 8) ------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        *(
            (name, " 5 ", 5)
            for name in ("numprocesses", "max_retry", "max_age", "max_age_variance", "rlimit_nofile")
        ),
        *((name, "1.5", 1.5) for name in NUMBERS),
        *((name, "yes", True) for name in (*BOOLEANS, "singleton")),
        ("stop_signal", "TERM", 15),
        ("stop_signal", "9", 9),
        *((name, " 5 ", " 5 ") for name in ("working_dir", "uid", "gid", "cmd", "args")),
        ("stdout_stream.max_bytes", "5", 5),
        ("stderr_stream.backup_count", "5", 5),
        ("stdout_stream.rotate_interval", "5", "5"),
        ("stdout_stream.utc", "yes", "yes"),
        ("stdout_stream.class", "FileStream", "FileStream"),
        ("stdout_stream.", "x", "x"),
        ("stdout_stream.max_bytes", "64K", 65536),
        ("stdout_stream", '{"class": "X"}', {"class": "X"}),
        ("hooks", "", {}),
        ("hooks", "before_start:a.b,after_start:c", {"before_start": "a.b", "after_start": "c"}),
        ("hooks", "before_start:", {"before_start": ""}),
        ("hooks.before_start", "a.b, true", "a.b, true"),
        ("env", "A=1,B=2", {"A": "1", "B": "2"}),
        ("env", '{"A": "1,2"}', {"A": "1,2"}),
        ("rlimit_nofile", "", None),
        ("rlimit_nofile", "5:10", [5, 10]),
        ("respawn_backoff.cap", "2", 2.0),
        ("hook_timeout", "2", 2.0),
    ],
)
def test_converted(name: str, text: str, value: Any) -> None:
    found = convert_option(name, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "priority",
        "use_sockets",
        "on_demand",
        "executable",
        "autostart",
        "copy_path",
        "shell_args",
        "stdout_stream",
        "stdout_streamfoo",
        "flapping.attempts",
        "",
    ],
)
def test_unknown_key_is_refused_before_anything_is_sent(name: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        convert_option(name, "5")
    assert str(caught.value) == f"unknown key {name!r}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hooks.foo", "a.b"),
        ("hooks.", "a"),
        ("hooks", "foo:x"),
        ("hooks", "x"),
        ("hooks", "before_start:a:b"),
    ],
)
def test_unknown_hook_is_an_argument_error(name: str, text: str) -> None:
    with pytest.raises(ArgumentError):
        convert_option(name, text)


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("numprocesses", "x", "invalid literal for int() with base 10: 'x'"),
        ("numprocesses", "", "invalid literal for int() with base 10: ''"),
        ("warmup_delay", "x", "could not convert string to float: 'x'"),
        ("warmup_delay", "nan", "could not convert string to float: 'nan'"),
        ("shell", "5", "'5' is not a boolean"),
        ("shell", "", "'' is not a boolean"),
        ("stop_signal", "NOSIG", "signal invalid: NOSIG"),
        ("stop_signal", "99", "signal invalid: 99"),
        ("stdout_stream.max_bytes", "many", "can't interpret 'many'"),
    ],
)
def test_bad_text(name: str, text: str, error: str) -> None:
    with pytest.raises(ValueError) as caught:
        convert_option(name, text)
    assert str(caught.value) == error


def test_old_module_still_has_the_functions() -> None:
    assert util.convert_option is convert_option
    assert util.validate_option is validate_option
    assert util.ArgumentError is ArgumentError


# -- options together ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({}, []),
        ({"name": "x", "numprocesses": 5, "copy_env": True, "copy_path": True, "virtualenv": "/x"}, []),
        ({"singleton": True}, []),
        ({"singleton": True, "numprocesses": 0}, []),
        ({"singleton": True, "numprocesses": 2}, ["Cannot have 2 processes with a singleton  watcher"]),
        ({"copy_path": True}, ["copy_env and copy_path must have the same value"]),
        ({"virtualenv": "/x"}, ["copy_env must be True to to use virtualenv"]),
        ({"virtualenv": None, "flapping.x": 3}, []),
        ({"name": " "}, ["command name shouldn't be empty"]),
        (
            {"name": "", "copy_path": True, "numprocesses": 3, "singleton": True},
            [
                "command name shouldn't be empty",
                "Cannot have 3 processes with a singleton  watcher",
                "copy_env and copy_path must have the same value",
            ],
        ),
    ],
)
def test_cross_checks(options: dict[str, Any], texts: list[str]) -> None:
    assert [str(error) for error in check_watcher(options)] == texts


def test_cross_check_names_the_option() -> None:
    (error,) = check_watcher({"singleton": True, "numprocesses": 2})
    assert (error.name, error.value) == ("numprocesses", 2)


# -- whatever comes ------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
watcher_names = st.sampled_from([*WATCHER.names, "rlimit_core", "hooks.after_spawn", "stdout_stream.buffer"])


@given(watcher_names | st.text(max_size=10), json_values, st.booleans())
@settings(max_examples=examples(400))
def test_any_json_is_applied_or_refused(name: str, value: Any, adding: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check_option(name, value, adding=adding)
        except OptionError:
            pass


@given(watcher_names | st.text(max_size=10), st.text(max_size=20))
@settings(max_examples=examples(400))
def test_any_text_is_converted_or_refused(name: str, text: str) -> None:
    try:
        convert_option(name, text)
    except (ValueError, ArgumentError):
        pass


@given(st.text(max_size=20))
@settings(max_examples=examples(200))
def test_no_text_surprises_a_kind(text: str) -> None:
    for table in TABLES:
        for option in table:
            try:
                value = option.kind.parse(text)
            except ValueError:
                continue
            assert isinstance(option.kind.render(value), str)


@given(st.integers(-(10**6), 10**6), st.floats(0, 1e6), st.booleans())
@settings(max_examples=examples(50))
def test_numbers_survive_being_written(number: int, real: float, flag: bool) -> None:
    assert Integer().parse(Integer().render(number)) == number
    assert Real().parse(Real().render(real)) == real
    assert Boolean().parse(Boolean().render(flag)) is flag


names = st.text("ABCdef_", min_size=1, max_size=8)


@given(st.dictionaries(names, st.text("abc/: .", max_size=8).map(str.strip), min_size=1))
@settings(max_examples=examples(50))
def test_environment_survives_being_written(env: dict[str, str]) -> None:
    assert Environment().parse(Environment().render(env)) == env


@given(st.integers(UNLIMITED, 2**40), st.integers(0, 2**40))
@settings(max_examples=examples(50))
def test_limits_survive_being_written(soft: int, more: int) -> None:
    kind = ResourceLimit()
    assert kind.parse(kind.render(soft)) == soft
    pair = (soft, UNLIMITED if soft == UNLIMITED else soft + more)
    assert kind.parse(kind.render(pair)) == pair
    assert kind.check("rlimit_core", kind.console(kind.render(pair))) == pair
