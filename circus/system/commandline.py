"""From the text of a command to the words of one worker: variables replaced, then split (spec library.md 4).

For ``circus.process`` alone, which owns the values; whether the command is started, and how, is none of its
business.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from circus.base.expand import Variables, compile_template

_WID = re.compile(r"\$WID\b")


class Filler:
    """Replaces the variables of one process in its texts; collects their values only when there are any."""

    def __init__(self, process: Any, sockets_fds: Mapping[str, int] | None) -> None:
        self._process, self._sockets = process, sockets_fds
        self._lookup: Variables | None = None

    def __call__(self, option: Any) -> str:
        text = str(option)
        if "$WID" in text and _WID.search(text):
            import warnings  # only for the old spelling

            warnings.warn(
                "Using $WID in the command is deprecated. Write $(circus.wid) instead.",
                DeprecationWarning,
                stacklevel=4,
            )
            text = _WID.sub(str(self._process.wid), text)
        template = compile_template(text, braces=True)
        if template.constant:
            return text
        if self._lookup is None:
            self._lookup = Variables(self._values())
        return template.expand(self._lookup)

    def _values(self) -> dict[str, Any]:
        process, watcher = self._process, self._process.watcher
        values: dict[str, Any] = {}
        for name in getattr(watcher, "optnames", ()):
            if hasattr(watcher, name):
                values[name] = getattr(watcher, name)
            elif name in getattr(watcher, "_options", ()):
                values[name] = watcher._options[name]
        for name in ("wid", "shell", "args", "env", "working_dir", "uid", "gid", "rlimits", "executable",
        "use_fds"):
            values[name] = getattr(process, name)
        if self._sockets is not None:
            values["sockets"] = self._sockets
        return values


def words_of(args: Any, fill: Filler, posix: bool) -> list[str]:
    """Words of an option that is one text to split, or a list of words.

    :raises ValueError: for a quotation that is not closed.
    """
    if not args:
        return []
    if isinstance(args, Iterable) and not isinstance(args, (str, bytes)):
        return [fill(word) for word in args]
    return list(split(fill(args), posix))


@functools.lru_cache(maxsize=512)
def split(text: str, posix: bool) -> tuple[str, ...]:
    """Words of a text. ``shlex`` looks at each character in Python, and respawns ask the same again and
    again.
    """
    return tuple(shlex.split(text, posix=posix))
