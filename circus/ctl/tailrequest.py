"""What the command line of ``circusctl tail`` asks for: of the daemon, and of what comes live.

Called by :mod:`circus.ctl.tailing`; values of options that ``circusctl events`` has too are read here as well.
"""

from __future__ import annotations

from circus.ctl.arguments import BadValue
from circus.ctl.selection import Selection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

#: Lines asked for where all that the daemon still has are wanted. Its memory of each stream is small.
ALL = 100_000


class TailRequest:
    """What a command line asks for.

    :param words: watchers; none for all.
    :param opts: the options of the command line by name.
    :raises BadValue: one of them makes no sense.
    """

    def __init__(self, words: list[str], opts: Mapping[str, Any]) -> None:
        self.selection = Selection(words)
        self._words = words
        self.follow = bool(opts.get("follow"))
        self.since = _since(opts.get("since"))
        self.lines = count_option(opts.get("lines"), 10 if self.since is None else ALL)
        self.pid = _optional_pid(opts.get("pid"))
        self.stream = _stream(opts)
        self.matches = _matcher(opts.get("grep"))

    def properties(self, lines: int | None = None, since: float | None = None) -> dict[str, Any]:
        """The properties of a request.

        :param lines: how many lines instead of those asked for.
        :param since: epoch seconds, instead of what was asked for.
        """
        wanted = lines if lines is not None else ALL if self.matches else self.lines
        props: dict[str, Any] = {"lines": wanted}
        if self._words:
            props["name"] = self._words[0] if len(self._words) == 1 else self._words
        if self.pid is not None:
            props["pid"] = self.pid
        if self.stream is not None:
            props["stream"] = self.stream
        if since is not None or self.since is not None:
            props["since"] = since if since is not None else self.since
        return props

    def admits(self, batch: Mapping[str, Any]) -> bool:
        """Is a live batch among what is asked for? (Topics are prefixes: they may bring more.)"""
        return (
            (self.pid is None or batch["pid"] == self.pid)
            and (self.stream is None or batch["stream"] == self.stream)
            and (batch["watcher"] in self.selection or batch["res_name"] in self.selection)
        )

    def newest(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Of lines of the past those to show first: the newest that match, as many as were asked for."""
        if self.matches is not None:
            lines = [line for line in lines if self.matches(line["text"])]
        return lines[-self.lines :] if self.lines else []


def count_option(text: str | None, default: int) -> int:
    """The value of ``--lines``. :raises BadValue: it is no number."""
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise BadValue("lines", f"{text!r} is no number of lines")
    return number


def _optional_pid(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise BadValue("pid", f"{text!r} is no process id")
    return int(text)


def _stream(opts: Mapping[str, Any]) -> str | None:
    """One stream, or None for both: also when both are named."""
    out, err = bool(opts.get("stdout")), bool(opts.get("stderr"))
    return None if out == err else "stdout" if out else "stderr"


def _since(text: str | None) -> float | None:
    if text is None:
        return None
    from circus.ctl.moment import parse_moment

    try:
        return parse_moment(text)
    except ValueError as error:
        raise BadValue("since", str(error)) from None


def _matcher(pattern: str | None) -> Callable[[str], Any] | None:
    if pattern is None:
        return None
    import re

    try:
        return re.compile(pattern).search
    except (re.error, RecursionError, OverflowError) as error:
        raise BadValue("grep", f"{pattern!r} is no regular expression: {error}") from None
