"""Command-line options that concern what circusctl does with replies and events, not what it asks the daemon.

Called where a command line is read, completed or explained. The command classes name only what the daemon is asked;
the two halves are put together here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    #: Short name (may be empty), long name, default (a bool makes a switch), help.
    CliOption = tuple[str, str, Any, str]

_FOLLOW: CliOption = ("f", "follow", False, "go on with what comes, until interrupted; wait for circusd when it goes")
_JSON: CliOption = ("", "json", False, "print one JSON object per line")
_NO_COLOR: CliOption = ("", "no-color", False, "no colours, as with the variable NO_COLOR")
_SINCE = "nothing older than this: 30s, 10m, 2h, 1d (ago), 2026-11-21T10:00, 10:00"

#: Command word -> its options here.
CLIENT_OPTIONS: dict[str, tuple[CliOption, ...]] = {
    "tail": (
        _FOLLOW,
        ("n", "lines", None, "how many lines of the past, 10 by default"),
        ("", "since", None, _SINCE),
        ("", "stdout", False, "only standard output"),
        ("", "stderr", False, "only standard error"),
        ("", "pid", None, "only the process with this id"),
        ("", "grep", None, "only lines in which this regular expression is found"),
        ("t", "timestamps", False, "begin each line with the time circusd read it"),
        _JSON,
        _NO_COLOR,
    ),
    "events": (
        _FOLLOW,
        ("n", "lines", None, "how many events, the newest; 100 by default, 10 with --follow, all with --since"),
        ("", "since", None, f"{_SINCE}; or the number of an event"),
        _JSON,
        _NO_COLOR,
    ),
    "why": (("", "json", False, "print the reply as JSON"), _NO_COLOR),
}


def client_options(command: Any) -> tuple[CliOption, ...]:
    """The options of a command that stay here. None for commands of third parties, whatever their name."""
    if not type(command).__module__.startswith("circus.commands."):
        return ()
    return CLIENT_OPTIONS.get(command.name, ())


def all_options(command: Any) -> Sequence[CliOption]:
    """All options of a command: its own, and those that stay here, which win where both have a name."""
    ours = client_options(command)
    taken = {name for short, long, _, _ in ours for name in (short, long) if name}
    return [*(each for each in command.options if not taken & {each[0], each[1]}), *ours]
