"""What all commands have in common: the table, the registry, extensions by third parties, single values."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import circus.commands
from circus.commands import COMMAND_NAMES, SUMMARIES, base, checks, find_command, get_commands
from circus.commands.base import KNOWN_COMMANDS, Command, bare, derive, find_watcher
from circus.exc import ArgumentError, MessageError

ROOT = Path(circus.commands.__file__).parents[2]


@pytest.fixture
def known() -> Iterator[list[type[Command]]]:
    """The registry, as it was before afterwards."""
    before = list(KNOWN_COMMANDS)
    yield KNOWN_COMMANDS
    KNOWN_COMMANDS[:] = before


# -- the table ----------------------------------------------------------------------------------------


def test_all_commands_of_the_contract_are_there() -> None:
    assert (
        set(COMMAND_NAMES)
        == set(get_commands())
        == {
            "add",
            "decr",
            "dstats",
            "events",
            "get",
            "globaloptions",
            "incr",
            "ipython",
            "kill",
            "list",
            "listen",
            "listsockets",
            "numprocesses",
            "numwatchers",
            "options",
            "quit",
            "reload",
            "reloadconfig",
            "restart",
            "rm",
            "set",
            "signal",
            "start",
            "stats",
            "status",
            "stop",
            "tail",
            "why",
        }
    )
    assert sorted(COMMAND_NAMES) == list(COMMAND_NAMES)


@pytest.mark.parametrize("name", COMMAND_NAMES)
def test_table_agrees_with_the_class(name: str) -> None:
    module, class_name, summary = SUMMARIES[name]
    command = find_command(name)
    assert type(command).__module__ == f"circus.commands.{module}"
    assert type(command).__name__ == class_name
    assert command.name == name
    assert command.short == summary
    assert command.desc.startswith(summary + "\n")
    assert command.msg_type == ("sub" if name == "listen" else "dealer")


@pytest.mark.parametrize("name", COMMAND_NAMES)
def test_manual_text_says_what_is_sent_and_typed(name: str) -> None:
    desc = find_command(name).desc
    assert f"$ circusctl {name}" in desc
    assert "Message\n-------" in desc
    assert all(len(line) <= 110 for line in desc.split("\n"))
    for _short, long, _default, text in find_command(name).options:
        assert f"--{long}" in desc
        assert text


@pytest.mark.parametrize("name", COMMAND_NAMES)
def test_required_properties_are_missed_in_their_order(name: str) -> None:
    command = find_command(name)
    for prop in command.properties:
        with pytest.raises(MessageError, match=f"^message invalid '{prop}' is missing$"):
            command.validate({before: "x" for before in command.properties[: command.properties.index(prop)]})


def test_importing_the_package_loads_no_command_and_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from circus.commands import find_command\n"
        "assert not [m for m in sys.modules if m.startswith('circus.commands.')], sys.modules\n"
        "find_command('status')\n"
        "heavy = {'re', 'json', 'typing', 'enum', 'inspect', 'asyncio', 'logging', 'zmq', 'signal'}\n"
        "assert not heavy & (set(sys.modules) - before), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr


def test_package_gives_ok_error_and_errors() -> None:
    assert circus.commands.ok({"a": 1})["a"] == 1
    assert circus.commands.error("x")["reason"] == "x"
    assert circus.commands.errors.COMMAND_ERROR == 5
    with pytest.raises(AttributeError):
        circus.commands.nonsense  # noqa: B018


def test_unknown_command() -> None:
    with pytest.raises(KeyError):
        find_command("nope")


# -- third parties ------------------------------------------------------------------------------------


def test_third_party_command_is_found_once_it_is_imported(known: list[type[Command]]) -> None:
    class Shout(Command):
        """Shout

        Louder.
        """

        name = "shout"

    assert Shout.short == "Shout"
    assert Shout.desc == "Shout\n\nLouder."
    assert known[Shout.order] is Shout
    assert isinstance(find_command("shout"), Shout)
    assert isinstance(get_commands()["shout"], Shout)


def test_third_party_command_replaces_a_bundled_one(known: list[type[Command]]) -> None:
    class Mine(Command):
        name = "list"

    assert Mine.short == Mine.desc == ""
    assert isinstance(find_command("list"), Mine)
    assert isinstance(get_commands()["list"], Mine)


def test_defaults_of_the_base_class(known: list[type[Command]]) -> None:
    class Bare(Command):
        """Bare"""

        name = "bare"

    command = Bare()
    with pytest.raises(NotImplementedError):
        command.message()
    with pytest.raises(NotImplementedError):
        command.execute(None, {})
    command.validate({})
    assert not command.ends_daemon({})
    assert command.make_message(a=1) == {"command": "bare", "properties": {"a": 1}}
    assert command.make_message(command="other") == {"command": "other", "properties": {}}
    assert command.console_msg({"status": "ok"}) == "ok"
    assert command.console_msg({"status": "error", "reason": "no"}) == "error: no"
    twin = command.copy()
    assert type(twin) is Bare
    assert twin is not command


# -- finding watchers ---------------------------------------------------------------------------------


def test_watcher_by_either_method() -> None:
    class Old:
        def get_watcher(self, name: str) -> str:
            return {"web": "found"}[name]

    assert find_watcher(Old(), "web") == "found"
    with pytest.raises(MessageError, match=r"^program nope not found$"):
        Command()._get_watcher(Old(), "nope")
    with pytest.raises(ArgumentError):
        find_watcher(Old(), 5)


# -- futures ------------------------------------------------------------------------------------------


def test_derived_results(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> None:
        first: asyncio.Future[int] = loop.create_future()
        second = derive(first, lambda number: number + 1)
        first.set_result(1)
        assert await second == 2
        assert derive(first, str).result() == "1"
        assert derive(5, str) == "5"
        assert bare(None) is None
        assert await bare(first) is None

    loop.run_until_complete(main())


def test_derived_failures(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> None:
        first: asyncio.Future[int] = loop.create_future()
        second, third = derive(first, str), derive(first, str)
        third.cancel()
        first.set_exception(ValueError("x"))
        with pytest.raises(ValueError, match=r"x"):
            await second
        good: asyncio.Future[int] = loop.create_future()
        bad = derive(good, lambda _: 1 / 0)
        good.set_result(1)
        with pytest.raises(ZeroDivisionError):
            await bad
        gone: asyncio.Future[int] = loop.create_future()
        after = derive(gone, str)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await after

    loop.run_until_complete(main())


# -- single values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "number"), [(12, 12), ("12", 12), (" 12 ", 12), (12.0, 12), (-1, -1)])
def test_whole_numbers(value: Any, number: int) -> None:
    assert checks.whole_number({"pid": value}, "pid") == number


@pytest.mark.parametrize("value", ["xx", "", None, [], {}, True, float("inf"), "1.5", "9" * 5000])
def test_no_whole_numbers(value: Any) -> None:
    with pytest.raises(MessageError, match=r"^'pid' isn't an integer: "):
        checks.whole_number({"pid": value}, "pid")


def test_no_whole_number_ends_as_it_always_did() -> None:
    with pytest.raises(MessageError, match=r"invalid literal for int\(\) with base 10: 'xx'$"):
        checks.whole_number({"pid": "xx"}, "pid")


@pytest.mark.parametrize("value", ["2", 2.0, True, None, []])
def test_counts_are_integers_of_json(value: Any) -> None:
    with pytest.raises(MessageError, match=r"^'nb' isn't an integer$"):
        checks.count({"nb": value}, "nb", 1)
    assert checks.count({}, "nb", 1) == 1
    assert checks.count({"nb": -3}, "nb", 1) == -3


@pytest.mark.parametrize(("value", "span"), [(1, 1.0), ("1.5", 1.5), (0, 0.0), (-4, 0.0), (None, None)])
def test_seconds(value: Any, span: float | None) -> None:
    assert checks.seconds({"t": value}, "t") == span
    assert checks.seconds({}, "t") is None


@pytest.mark.parametrize("value", ["x", True, [], {}, "nan", float("inf"), 10**400])
def test_no_seconds(value: Any) -> None:
    with pytest.raises(MessageError, match=r"^'t' isn't a number$"):
        checks.seconds({"t": value}, "t")


@pytest.mark.parametrize(
    ("value", "number"), [(9, 9), ("9", 9), ("KILL", 9), ("sigkill", 9), ("SIGRTMIN+2", 36), (0, 0)]
)
def test_signals(value: Any, number: int) -> None:
    assert checks.signal_number(value) == number


@pytest.mark.parametrize("value", ["++", "NOSIG", "", None, [], 65, -9, "-9", True, 1e400, 10**30, "_IGN"])
def test_no_signals(value: Any) -> None:
    with pytest.raises(MessageError, match=r"^signal invalid$"):
        checks.signal_number(value)


def test_words_of_a_command_line() -> None:
    assert checks.int_argument("12", "pid") == 12
    assert checks.float_argument("1.5", "t") == 1.5
    with pytest.raises(ArgumentError, match=r"^pid isn't an integer: 'x'$"):
        checks.int_argument("x", "pid")
    with pytest.raises(ArgumentError, match=r"^t isn't a number: 'x'$"):
        checks.float_argument("x", "t")
    with pytest.raises(ArgumentError, match=r"^t isn't a number: 'nan'$"):
        checks.float_argument("nan", "t")


def test_base_offers_what_extensions_import() -> None:
    assert base.ok()["status"] == "ok"
    assert base.error()["errno"] == 0
