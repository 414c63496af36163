"""One option, and a table of them.

:class:`Option` is a row, :class:`Table` finds rows by the names people write. The rows themselves are in
:mod:`circus.model.options.tables`; nothing here knows any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from circus.base.record import Record
from circus.model.options.kinds import Kind

#: In :attr:`Option.ini_default`: the configuration dict has the option only when the file does.
ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()


class OnChange(Enum):
    """What a running watcher (or daemon, for ``[circus]``) does when the value of an option changes."""

    #: Nothing at once: the next use reads the new value.
    NOTHING = "nothing"
    #: Compare what is with what is wanted again, without touching healthy workers.
    RECONCILE = "reconcile"
    #: Replace the workers by new ones, gracefully.
    ROLL = "roll"
    #: Build the output stream anew and switch the open pipes over to it.
    STREAM = "stream"
    #: Cannot be changed in place: drop the object and make it again.
    REPLACE = "replace"


class Option(Record):
    """One option, declared once; everything that reads, checks, sets, reports or documents options reads
    this.

    :param name: as written in a configuration file and on the wire; for an open family the prefix itself.
    :param kind: how values are read, checked and written.
    :param default: the value that holds when nobody gives one.
    :param doc: one or two sentences for the manual, with units.
    :param on_change: what a change asks of what runs.
    :param in_ini: may stand in a configuration file.
    :param addable: accepted among the options of the ``add`` command.
    :param settable: accepted by the ``set`` command.
    :param reported: appears in the reply to ``options`` and as ``$(circus.<name>)``.
    :param expand: ``$(circus.env.X)`` in its value is replaced when a configuration file is loaded.
    :param family: common prefix of its relatives, such as ``rlimit_``; empty for a loner.
    :param aliases: other names that find it.
    :param deprecated: why not to use it any more; empty when it is fine.
    :param since: the release that brought it; ``0.19`` stands for whatever Circus had.
    :param ini_default: what the configuration dict holds when the file does not give it, or :data:`ABSENT`.
    :param as_text: the configuration dict carries the text as written; whoever builds the object converts it.
    :param report_as: the name under which ``options`` reports it, when that differs.
    :param fixed: why ``set`` refuses it; empty when it does not, and for what is no option of a watcher.
    """

    name: str
    kind: Kind
    default: Any
    doc: str
    on_change: OnChange = OnChange.NOTHING
    in_ini: bool = True
    addable: bool = False
    settable: bool = False
    reported: bool = False
    expand: bool = True
    family: str = ""
    aliases: tuple[str, ...] = ()
    deprecated: str = ""
    since: str = "0.19"
    ini_default: Any = ABSENT
    as_text: bool = False
    report_as: str = ""
    fixed: str = ""

    def __repr__(self) -> str:
        return f"<Option {self.name}: {self.kind.word}>"

    @property
    def reported_name(self) -> str:
        """The name under which the reply to ``options`` has it."""
        return self.report_as or self.name

    @property
    def is_family(self) -> bool:
        """True for a row that stands for every name with its prefix."""
        return bool(self.family) and self.name == self.family


class Table:
    """The options of one sort of section, in declared order.

    :param title: what the options belong to, for messages and the manual.
    :param options: the rows.
    :param lookalikes: words from other programs, and the option meant by them; only for suggestions.
    """

    def __init__(
        self, title: str, options: Iterable[Option], lookalikes: Mapping[str, str] | None = None
    ) -> None:
        self.title = title
        self._options = tuple(options)
        self._lookalikes = dict(lookalikes or {})
        self._families = tuple(option for option in self._options if option.is_family)
        self._exact: dict[str, Option] = {}
        for option in self._options:
            for name in (option.name, *option.aliases):
                if name in self._exact:
                    raise ValueError(f"two options called {name!r} in the table of {title}")
                self._exact[name] = option
        self._suggested: dict[str, str | None] = {}

    def __iter__(self) -> Iterator[Option]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def __getitem__(self, name: str) -> Option:
        option = self.find(name)
        if option is None:
            raise KeyError(name)
        return option

    @property
    def names(self) -> tuple[str, ...]:
        """Declared names, prefixes of open families included."""
        return tuple(option.name for option in self._options)

    def find(self, name: str) -> Option | None:
        """The option of that name: exact, by an alias, or the open family it belongs to; None for a free-form
        name.
        """
        option = self._exact.get(name)
        if option is None:
            for family in self._families:
                if name.startswith(family.family):
                    return family
        return option

    def defaults(self) -> dict[str, Any]:
        """A fresh dict of the values that hold when nobody gives any; open families have none."""
        return {option.name: _fresh(option.default) for option in self._options if not option.is_family}

    def ini_defaults(self) -> dict[str, Any]:
        """A fresh dict of what the configuration dict holds when the file gives nothing."""
        return {
            option.name: _fresh(option.ini_default)
            for option in self._options
            if option.ini_default is not ABSENT
        }

    def suggest(self, name: str) -> str | None:
        """The known name that somebody probably meant by an unknown one; None when nothing is close."""
        if name not in self._suggested:
            if len(self._suggested) > 1000:  # names come from outside; do not collect them for ever
                self._suggested.clear()
            self._suggested[name] = self._closest(name)
        return self._suggested[name]

    def _closest(self, name: str) -> str | None:
        folded = name.strip().lower().replace("-", "_")
        known = self._lookalikes.get(folded)
        if known is not None:
            return known
        best, least = None, 4
        for candidate, rest in self._candidates(folded):
            limit = _patience(candidate)
            distance = _distance(folded[: len(folded) - len(rest)], candidate.lower(), limit)
            if distance <= limit and distance < least:
                best, least = candidate + rest, distance
        return best if best != name else None

    def _candidates(self, folded: str) -> Iterator[tuple[str, str]]:
        """Known names to compare with, each with the part of ``folded`` that is not compared (behind a
        prefix).
        """
        for known in self._exact.values():
            if not known.is_family:
                yield known.name, ""
        for family in self._families:
            end = folded.find(family.family[-1])
            if 0 < end < len(folded) - 1:
                yield family.family, folded[end + 1 :]
            end = folded.find(family.family[-1], end + 1)
            if 0 < end < len(folded) - 1:
                yield family.family, folded[end + 1 :]


def _fresh(default: Any) -> Any:
    return dict(default) if isinstance(default, dict) else default


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The one of ``candidates`` that somebody probably meant by ``word``; None when nothing is close."""
    found = [(_distance(word.lower(), each.lower(), _patience(each)), each) for each in candidates]
    near = [(distance, each) for distance, each in found if distance <= _patience(each)]
    return min(near)[1] if near else None


def _patience(word: str) -> int:
    """How many edits away from ``word`` a name still looks like it."""
    return 1 if len(word) < 6 else 2 if len(word) < 9 else 3


def _distance(one: str, other: str, limit: int) -> int:
    """Edits (insert, drop, change, swap neighbours) from one word to the other; more than ``limit`` is not
    exact.
    """
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        current = [row]
        for column, target in enumerate(other, 1):
            change = previous[column - 1] + (letter != target)
            cost = min(previous[column] + 1, current[column - 1] + 1, change)
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == target:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        before, previous = previous, current
    return previous[-1]
