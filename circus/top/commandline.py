"""The command line of the palette: the grammar of circusctl, with words from the model instead of the daemon.

Used by the palette. Commands of the screen itself (``sort``, ``filter``...) stand beside those of circusctl.
"""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from circus.ctl.arguments import CommandLineError, parse_arguments
from circus.ctl.completion import complete, split_line
from circus.ctl.vocabulary import Vocabulary
from circus.exc import ArgumentError
from circus.model.dashboard.columns import COLUMNS
from circus.model.dashboard.node import WATCHER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from circus.model.dashboard import Endpoint

#: Commands of the screen: what they take, what they do.
OWN = {
    "sort": "sort by a column",
    "filter": "show only rows that fulfil an expression",
    "columns": "show these columns",
    "theme": "use these colours",
    "time": "show a time in chart and output: 14:03, 14:03:20, -5m",
}
_AGO = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Typed(NamedTuple):
    """A line that was understood.

    :param own: the command of the screen, or empty.
    :param words: its arguments.
    :param command: the command of circusctl, whose ``console_msg`` tells what a reply says.
    :param messages: its requests.
    :param text: what there is to show without asking anybody (help).
    """

    own: str
    words: list[str]
    command: Any
    messages: list[dict[str, Any]]
    text: str


def understand(line: str, vocabulary: Vocabulary) -> Typed:
    """What a line means.

    :raises ArgumentError: it means nothing.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ArgumentError(str(error)) from error
    if not words:
        raise ArgumentError("no command")
    if words[0] in OWN:
        return Typed(words[0], words[1:], None, [], "")
    if words[0] == "help" and len(words) > 1 and words[1] in vocabulary:
        return Typed("", [], None, [], str(vocabulary[words[1]].desc))
    if words[0] not in vocabulary:
        raise ArgumentError(f"no command {words[0]!r}")
    try:
        parsed = parse_arguments(words, vocabulary)["args"]
    except CommandLineError as error:
        raise ArgumentError(str(error)) from error
    command = vocabulary[parsed.command]
    if parsed.command_help:
        return Typed("", [], None, [], str(command.desc))
    if command.msg_type == "sub":
        raise ArgumentError("events are shown by the pane 3")
    message = command.message(*parsed.args, **parsed.opts)
    messages = [each["msg"] for each in message] if isinstance(message, list) else [message]
    return Typed("", [], command, messages, "")


def parse_moment(text: str, now: float) -> float:
    """The instant meant by a time of day (the last one that is past) or by how long ago it was.

    :param text: ``14:03``, ``14:03:20``, ``-5m``.
    :param now: epoch seconds.
    :raises ArgumentError: it is neither.
    """
    if text.startswith("-") and text[1:-1].isdecimal() and text[-1] in _AGO:
        return now - int(text[1:-1]) * _AGO[text[-1]]
    for form in ("%H:%M", "%H:%M:%S"):
        try:
            meant = time.strptime(text, form)
        except ValueError:
            continue
        today = time.localtime(now)
        clock = (meant.tm_hour, meant.tm_min, meant.tm_sec, 0, 0, -1)
        moment = time.mktime((*today[:3], *clock))
        return moment if moment <= now else time.mktime((*today[:2], today[2] - 1, *clock))
    raise ArgumentError(f"{text!r} is no time such as 14:03, 14:03:20 or -5m")


class ModelWords:
    """The words that completion wants to know of a daemon, as far as the model knows them."""

    def __init__(self, endpoint: Endpoint | None) -> None:
        self._endpoint = endpoint
        self._options: dict[str, list[tuple[str, str]]] = {}

    def know_options(self, watcher: str, options: Mapping[str, Any]) -> None:
        """The options of a watcher, once somebody asked the daemon."""
        from circus.base.convert import convert_opt  # kept off the way of other commands

        self._options[watcher] = [(key, str(convert_opt(key, value))) for key, value in options.items()]

    def watchers(self) -> list[tuple[str, str]]:
        """The watchers and their states."""
        nodes = self._endpoint.root.children.values() if self._endpoint is not None else ()
        return sorted((node.name, str(node.values.get("state") or "")) for node in nodes if node.kind == WATCHER)

    def pids(self, watcher: str) -> list[tuple[str, str]]:
        """The processes of a watcher."""
        nodes = self._endpoint.root.children.values() if self._endpoint is not None else ()
        return [(str(pid), node.name) for node in nodes if node.name == watcher for pid in node.children]

    def options(self, watcher: str) -> list[tuple[str, str]]:
        """The options of a watcher and their values, as far as they are known."""
        return self._options.get(watcher, [])


def candidates(line: str, vocabulary: Vocabulary, live: Any) -> tuple[str, list[tuple[str, str]]]:
    """What may stand at the end of a line.

    :returns: the word typed so far, as it was typed; and whole words with what they are.
    """
    words, prefix, raw = split_line(line)
    if not words:
        own = [(word, doc) for word, doc in OWN.items() if word.startswith(prefix)]
        return raw, sorted([*complete([], prefix, vocabulary, live, in_shell=True), *own])
    if words[0] in ("sort", "columns"):
        return raw, [(key, column.doc) for key, column in COLUMNS.items() if key.startswith(prefix)]
    if words[0] in OWN:
        return raw, []
    return raw, complete(words, prefix, vocabulary, live, in_shell=True)
