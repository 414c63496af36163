"""The command line: options, commands, errors, help pages."""

from __future__ import annotations

import argparse
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus import __version__
from circus.commands import COMMAND_NAMES, SUMMARIES, get_commands
from circus.ctl import arguments
from circus.ctl.arguments import USAGE, VERSION, CommandLineError, command_help, main_help, parse_arguments
from circus.ctl.vocabulary import Vocabulary, summary_of

COMMANDS = Vocabulary()


@pytest.fixture(autouse=True)
def program(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/circusctl"])
    monkeypatch.setenv("COLUMNS", "80")


def parse(*args):
    return parse_arguments(args, COMMANDS)


def spoken(*args):
    parsed = parse(*args)["args"]
    return parsed.command, parsed.args, parsed.opts


def report(*args):
    with pytest.raises(CommandLineError) as refused:
        parse(*args)
    return refused.value.report()


def test_constants():
    assert USAGE == "circusctl [options] command [args]"
    assert f"circusctl {__version__}" == VERSION


def test_defaults():
    parsed = parse()
    assert parsed["timeout"] == 5
    assert not hasattr(parsed["args"], "command")
    for name in ("endpoint", "ssh", "ssh_keyfile", "completion"):
        assert parsed[name] is None
    for name in ("help", "json", "prettify", "version"):
        assert parsed[name] is False


def test_global_options():
    parsed = parse(
        "--endpoint", "tcp://h:1", "--ssh=me@h", "--ssh_keyfile", "k", "--timeout", "9", "--json", "list"
    )
    assert (parsed["endpoint"], parsed["ssh"], parsed["ssh_keyfile"], parsed["timeout"]) == (
        "tcp://h:1",
        "me@h",
        "k",
        9,
    )
    assert parsed["json"]
    assert parsed["args"].command == "list"
    assert parsed["args"].endpoint == "tcp://h:1"


@pytest.mark.parametrize("given_", ["--timeo", "--t"])
def test_unique_beginnings_of_options_do(given_):
    assert parse(given_, "3", "list")["timeout"] == 3


def test_a_name_that_is_whole_beats_what_it_begins():
    assert parse("--ssh", "h", "list")["ssh"] == "h"


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("list", "web"), ("list", ["web"], {})),
        (("incr", "web", "-1"), ("incr", ["web", "-1"], {"waiting": False})),
        (("set", "web", "max_retry", "-1.5"), ("set", ["web", "max_retry", "-1.5"], {"waiting": False})),
        (("incr", "--waiting", "web", "2"), ("incr", ["web", "2"], {"waiting": True})),
        (("incr", "web", "--waiting", "2"), ("incr", ["web", "2"], {"waiting": True})),
        (("incr", "web", "2", "--wait"), ("incr", ["web", "2"], {"waiting": True})),
        (
            ("kill", "web", "12", "--signum", "9"),
            ("kill", ["web", "12"], {"waiting": False, "signum": "9", "graceful_timeout": None}),
        ),
        (
            ("start", "--match=simple", "--", "-web"),
            ("start", ["-web"], {"waiting": False, "match": "simple"}),
        ),
        (
            ("add", "x", "--", "sleep", "-x", "--start", "--"),
            ("add", ["x", "sleep", "-x", "--start", "--"], {"start": False}),
        ),
        (("list", ""), ("list", [""], {})),
        (("list", "-"), ("list", ["-"], {})),
        (("add", "x", "sh -c 'a -b'"), ("add", ["x", "sh -c 'a -b'"], {"start": False})),
        (("list", "status"), ("list", ["status"], {})),
        (("reloadconfig", "--dry-run"), ("reloadconfig", [], {"waiting": False, "dry_run": True})),
    ],
)
def test_commands_with_their_arguments(args, expected):
    assert spoken(*args) == expected


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("foo",), "unrecognized arguments: foo"),
        (("",), "unrecognized arguments: "),
        (("LIST",), "unrecognized arguments: LIST"),
        (("sttus",), "unrecognized arguments: sttus (did you mean status?)"),
        (("--enpoint=x",), "unrecognized arguments: --enpoint=x (did you mean --endpoint?)"),
        (("help",), "unrecognized arguments: help (there is circusctl --help, and circusctl COMMAND --help)"),
        (("-h",), "unrecognized arguments: -h"),
        (("--foo", "bar"), "unrecognized arguments: --foo bar"),
        (("list", "--foo", "-x"), "unrecognized arguments: --foo -x"),
        (
            ("list", "web", "--json"),
            "unrecognized arguments: --json (--json stands before the command: --json ... list)",
        ),
        (
            ("reload", "web", "--timeout=9"),
            "unrecognized arguments: --timeout=9 (--timeout stands before the command: --timeout ... reload)",
        ),
        (("--help", "zz"), "unrecognized arguments: zz"),
        (("--timeout", "x", "list"), "argument --timeout: invalid int value: 'x'"),
        (("--endpoint",), "argument --endpoint: expected one argument"),
        (("--endpoint", "--json", "list"), "argument --endpoint: expected one argument"),
        (("--s", "x"), "ambiguous option: --s could match --ssh, --ssh_keyfile"),
        (("--json=1", "list"), "argument --json: ignored explicit argument '1'"),
        (
            ("--completion", "csh"),
            "argument --completion: invalid choice: 'csh' (choose from 'bash', 'zsh', 'fish')",
        ),
    ],
)
def test_what_makes_no_sense(args, text):
    assert report(*args) == f"usage: {USAGE}\ncircusctl: error: {text}\n"


def test_a_word_before_a_command_is_an_invalid_choice():
    text = report("foo", "list")
    assert "circusctl: error: argument command: invalid choice: 'foo' (choose from 'add', 'decr'," in text


def test_errors_in_a_commands_options_show_its_usage():
    assert report("start", "web", "--match") == (
        f"usage: {USAGE} start [-h] [--waiting]\n"
        "                                                [--match MATCH]\n"
        f"{USAGE} start: error: argument --match: expected one argument\n"
    )


def test_the_name_of_the_script_is_told(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/x/circusctl.py"])
    assert "\ncircusctl.py: error: " in report("foo")
    monkeypatch.setattr(sys, "argv", [""])
    assert "\ncircusctl: error: " in report("foo")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_of_a_command(flag):
    assert parse("list", flag)["args"].command_help
    assert not parse("list")["args"].command_help
    assert command_help(COMMANDS["list"]) == (
        f"usage: {USAGE} list [-h]\n\noptions:\n  -h, --help  show this help message and exit\n"
    )


def test_help_of_the_program():
    lines = main_help(COMMANDS).split("\n")
    assert lines[0] == f"usage: {USAGE}"
    assert lines[2] == "Controls a Circus daemon"
    assert lines[4] == "Commands:"
    end = 5 + len(COMMAND_NAMES)
    assert lines[5:end] == [f"  {name:<21} {SUMMARIES[name][2]}" for name in COMMAND_NAMES]
    assert lines[end : end + 2] == ["", "options:"]
    assert "  --endpoint ENDPOINT   connection endpoint" in lines
    assert "  --ssh_keyfile SSH_KEYFILE" in lines
    assert "                        the path to the keyfile to authorise the user" in lines


def test_help_pages_are_the_same_for_loaded_commands():
    assert main_help(get_commands()) == main_help(COMMANDS)


class Third:
    """A command of somebody else."""

    name = "third"
    short = "Do a third thing"
    options = [("f", "force", False, "100% force"), ("", "level", "1", "how much")]


def test_commands_of_others():
    commands = {"third": Third()}
    parsed = parse_arguments(["third", "-f", "x", "--level=2"], commands)["args"]
    assert (parsed.args, parsed.opts) == (["x"], {"force": True, "level": "2"})
    assert "  third                 Do a third thing\n" in main_help(commands)
    assert "-f, --force" in command_help(commands["third"])
    assert "100% force" in command_help(commands["third"])
    assert summary_of(commands, "third") == "Do a third thing"


def test_the_vocabulary_is_the_known_commands():
    assert list(COMMANDS) == sorted(get_commands())
    assert len(COMMANDS) == len(get_commands())
    assert "list" in COMMANDS
    assert "LIST" not in COMMANDS
    assert COMMANDS["list"] is COMMANDS["list"]
    with pytest.raises(KeyError):
        COMMANDS["nope"]


def argparse_says(name, words):
    """What argparse makes of words that it can read, too."""
    command = COMMANDS[name]
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=False)
    for _, long, default, _ in command.options:
        if isinstance(default, bool):
            parser.add_argument(f"--{long}", action="store_true")
        else:
            parser.add_argument(f"--{long}", default=default)
    parser.add_argument("args", nargs="*")
    found = vars(parser.parse_args(words))
    return found.pop("args"), found


@given(
    st.sampled_from(["kill", "restart", "reload", "signal", "list"]),
    st.lists(st.sampled_from(["web", "-1", "-0.5", "a b", "", "12", "x=y"]), max_size=4),
    st.data(),
)
def test_options_first_are_read_as_argparse_does(name, words, data):
    options = []
    for _, long, default, _ in COMMANDS[name].options:
        if data.draw(st.booleans()):
            options += (
                [f"--{long}"]
                if isinstance(default, bool)
                else data.draw(
                    st.sampled_from(
                        [[f"--{long}", "v"], [f"--{long}=v"], [f"--{long}=-v"], [f"--{long}", "-3"]]
                    )
                )
            )
    command, positional, opts = spoken(name, *options, *words)
    assert (positional, opts) == argparse_says(name, [*options, *words])
    assert command == name


WORDS = ["list", "--json", "--endpoint", "x", "--", "-", "-x", "--foo=1", "set", ""]


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=6))
def test_any_words_are_read_or_refused(words):
    try:
        parsed = parse(*words)
    except CommandLineError as error:
        said = error.report()
        parsed = None
    assert parsed["args"] if parsed else said.startswith("usage: ")


def test_namespaces_are_shown():
    assert "command='list'" in repr(arguments.Namespace(command="list"))
