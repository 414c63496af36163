"""JSON as people write it: with comments, with commas too many, and with the line of every value.

For :mod:`circus.importers.ecosystem`; pm2 reads such files, and remarks want lines.
"""

from __future__ import annotations

import json
import re
from typing import Any

_BLANK = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NUMBER = re.compile(r"-?\d{1,4000}(?:\.\d{1,4000})?(?:[eE][-+]?\d{1,3})?", re.ASCII)
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
_DEEPEST = 60
_DECODER = json.JSONDecoder(strict=False)


class Object(dict[str, Any]):
    """A JSON object. :ivar lines: the line of each key."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class NotJson(ValueError):
    """The text is not JSON, not even loosely. :ivar line: where it stops being that."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


def read_json(text: str) -> Any:
    """The value of a text; objects are :class:`Object`.

    :raises NotJson: it has none.
    """
    reader = _Reader(text)
    found = reader.value(0)
    reader.skip()
    if reader.at < len(text):
        raise reader.error("there is more behind the end")
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self._line, self._counted = 1, 0

    def line(self) -> int:
        """The line we are in; places only ever grow, so each is counted from the last."""
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._line

    def error(self, text: str) -> NotJson:
        return NotJson(text, self.line())

    def skip(self) -> str:
        """Go on to the next character that is neither blank nor comment, and return it."""
        match = _BLANK.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        return self.text[self.at : self.at + 1]

    def value(self, depth: int) -> Any:
        first = self.skip()
        if depth > _DEEPEST:
            raise self.error("nested too deeply")
        if first == "{":
            return self._object(depth)
        if first == "[":
            return self._list(depth)
        if first == '"':
            return self._string()
        match = _NUMBER.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
            number = match[0]
            return int(number) if number.lstrip("-").isdigit() else float(number)
        for word, meant in _WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return meant
        if not first:
            raise self.error("it ends too soon")
        raise self.error(f"a value is expected, not {self.text[self.at : self.at + 20]!r}")

    def _string(self) -> str:
        try:
            found, self.at = _DECODER.raw_decode(self.text, self.at)
        except ValueError:
            raise self.error("this string cannot be read") from None
        return str(found)

    def _object(self, depth: int) -> Object:
        found = Object(self.line())
        self.at += 1
        while self.skip() != "}":
            if self.text[self.at : self.at + 1] != '"':
                raise self.error("the name of a property is expected, in double quotes")
            line = self.line()
            name = self._string()
            if self.skip() != ":":
                raise self.error(f"a colon is expected behind {name!r}")
            self.at += 1
            found[name] = self.value(depth + 1)
            found.lines[name] = line
            self._next("}")
        self.at += 1
        return found

    def _list(self, depth: int) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        while self.skip() != "]":
            found.append(self.value(depth + 1))
            self._next("]")
        self.at += 1
        return found

    def _next(self, end: str) -> None:
        """Read the comma; none is needed before the end."""
        if self.skip() == ",":
            self.at += 1
        elif self.text[self.at : self.at + 1] != end:
            raise self.error(f"a comma or {end} is expected")
