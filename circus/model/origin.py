"""Where in a configuration file something stands, and what is wrong there.

Used by :mod:`circus.ini`, :mod:`circus.configload` and whoever prints a configuration or its problems. Pure
data; it knows nothing of files being read, nor of what options mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from circus.base.record import Record

#: A file and a line in it, counted from 1; line 0 is the file as a whole.
Place = tuple[str, int]


class Located(dict[str, Any]):
    """A dict that knows where it was written. Equal to any dict with the same items: places do not count.

    :ivar place: file and line of the section's header, or None for what no file says.
    :ivar places: file and line of each option the file gives, under the name used there (``rlimit_core``).
    """

    __slots__ = ("place", "places")

    def __init__(
        self,
        items: Mapping[str, Any] | None = None,
        place: Place | None = None,
        places: Mapping[str, Place] | None = None,
    ) -> None:
        super().__init__(items or {})
        self.place = place
        self.places: dict[str, Place] = dict(places or {})

    def copy(self) -> Located:
        """A shallow copy that knows its places, too."""
        return Located(self, self.place, self.places)

    def where(self, option: str = "") -> Place | None:
        """The place of an option, else that of the section."""
        return self.places.get(option, self.place)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return Located, (dict(self), self.place, self.places)


class Problem(Record):
    """One thing wrong in a configuration file.

    :param severity: ``error``: the file cannot be used as it is; ``warning``: it can, but not as its author
        thinks.
    :param file: the file; empty when the problem is in none.
    :param line: its line, from 1; 0 when it is about the file as a whole.
    :param section: header of the section, without brackets; empty when outside.
    :param option: the option, as written; empty when it is about the section.
    :param text: what is wrong. For errors known to Circus 0.19, in its words.
    :param hint: what to do about it; may be empty.
    :param code: a short word for programs, such as ``duplicate-option``.
    """

    severity: str
    file: str
    line: int
    section: str
    option: str
    text: str
    hint: str = ""
    code: str = ""

    @property
    def is_error(self) -> bool:
        """Whether the file cannot be used because of it."""
        return self.severity == "error"

    def as_error(self) -> Problem:
        """The same, taken for an error."""
        return Problem(
            "error", self.file, self.line, self.section, self.option, self.text, self.hint, self.code
        )

    @property
    def location(self) -> str:
        """``circus.ini:12 [watcher:web] cmd``, as much of it as is known."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        parts = (where, f"[{self.section}]" if self.section else "", self.option)
        return " ".join(part for part in parts if part)

    def __repr__(self) -> str:
        return f"<Problem {self.severity} {self}>"

    def __str__(self) -> str:
        where, hint = self.location, self.hint
        return (f"{where}: " if where else "") + self.text + (f" ({hint})" if hint else "")
