"""Options that stay in circusctl, and how they meet those of the command classes."""

from __future__ import annotations

import pytest

from circus.commands import find_command
from circus.ctl.arguments import CommandLineError, command_help, options_of, parse_arguments
from circus.ctl.clientoptions import CLIENT_OPTIONS, all_options, client_options
from circus.ctl.vocabulary import Vocabulary

COMMANDS = Vocabulary()


def opts(*words):
    return parse_arguments(words, COMMANDS)["args"].opts


@pytest.mark.parametrize("name", CLIENT_OPTIONS)
def test_names_are_given_once(name):
    declared = all_options(find_command(name))
    longs = [long for _, long, _, _ in declared]
    shorts = [short for short, _, _, _ in declared if short]
    assert len(set(longs)) == len(longs)
    assert len(set(shorts)) == len(shorts)
    assert {long for _, long, _, _ in CLIENT_OPTIONS[name]} <= set(longs)


@pytest.mark.parametrize("name", CLIENT_OPTIONS)
def test_they_are_in_the_help(name):
    page = " ".join(command_help(find_command(name)).split())
    for short, long, _, text in CLIENT_OPTIONS[name]:
        assert f"--{long}" in page
        assert not short or f"-{short}" in page
        assert text in page.replace("- ", "-")


def test_other_commands_keep_theirs():
    stop = find_command("stop")
    assert list(options_of(stop)) == stop.options
    assert client_options(stop) == ()


def test_a_command_of_others_keeps_its_own_whatever_its_name():
    class Tail:
        name = "tail"
        options = [("", "mine", False, "")]

    assert list(options_of(Tail())) == Tail.options


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-f", "-n", "20"], {"follow": True, "lines": "20"}),
        (["-fn20"], {"follow": True, "lines": "20"}),
        (["-fn", "20"], {"follow": True, "lines": "20"}),
        (["-tf"], {"follow": True, "timestamps": True}),
        (["-n", "-5"], {"lines": "-5"}),
        (["--no-color"], {"no_color": True}),
    ],
)
def test_short_options(words, expected):
    given = opts("tail", *words, "web")
    assert {key: given[key] for key in expected} == expected


@pytest.mark.parametrize("words", [["-x"], ["-fx"], ["-n"], ["-fn"], ["--lines"], ["-f=1"]])
def test_short_options_that_make_no_sense(words):
    with pytest.raises(CommandLineError):
        opts("tail", *words)
