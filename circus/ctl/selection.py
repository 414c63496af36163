"""Which watchers the words of a command line mean: topics to subscribe to, and what to keep of what comes.

Called by the commands that follow. Words are compared as the daemon does it: case aside, with ``_`` for blanks where
somebody writes names as in topics, and with ``*``, ``?`` and ``[...]`` as in a shell.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

_GLOB = re.compile(r"[*?\[]")


class Selection:
    """Some watchers, or all.

    :param words: names and patterns; none means all.
    """

    def __init__(self, words: tuple[str, ...] | list[str]) -> None:
        self.words = [word.lower() for word in words]
        self._known: dict[str, bool] = {}

    def topics(self, family: str) -> list[str]:
        """The prefixes of topics that contain them all, and maybe a few more.

        :param family: the first part of the topics, such as ``output``.
        """
        if not self.words:
            return [f"{family}."]
        return sorted({f"{family}.{_beginning(word.replace(' ', '_'))}" for word in self.words})

    def __contains__(self, name: object) -> bool:
        """Is the watcher of this name, or of this name as in topics, one of them?"""
        if not self.words:
            return True
        if name not in self._known:
            if len(self._known) > 1000:  # names made up by a daemon that adds and removes watchers all the time
                self._known.clear()
            self._known[str(name)] = self._matches(str(name).lower())
        return self._known[str(name)]

    def _matches(self, name: str) -> bool:
        forms = {name, name.replace(" ", "_")}
        return any(
            word in forms or word.replace(" ", "_") in forms or any(fnmatchcase(form, word) for form in forms)
            for word in self.words
        )


def _beginning(word: str) -> str:
    """What all names that a word means begin with; of a plain name the end belongs to it."""
    pattern = _GLOB.search(word)
    return f"{word}." if pattern is None else word[: pattern.start()]
