"""What an import comes to: sections of an ini file, and remarks on what could not be carried over as it was.

The importers fill a :class:`Conversion`; :mod:`circus.importers.writer` makes text of it, ``circusctl import`` prints
it. Nothing here knows a format.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from circus.base.record import Record
from circus.exc import CircusError
from circus.importers.dialect import Text, Unwritable, Word, plain, text_of, variable, words

#: Nothing in circus does this. ``circusctl import --strict`` fails because of it.
MISSING = "missing"
#: It was carried over, and acts a little differently, or wants a look.
DIFFERS = "differs"

#: Where ``env`` and the shell are; every system that circusd runs on has them there.
_ENV, _SHELL = "/usr/bin/env", "/bin/sh"


class ImportFailure(CircusError):
    """A file cannot be imported at all.

    :param text: why, and what can be done.
    :param file: the file; may be empty.
    :param line: the line, from 1; 0 for the file as a whole.
    """

    def __init__(self, text: str, file: str = "", line: int = 0) -> None:
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(f"{place}{text}")
        self.text, self.file, self.line = text, file, line


class Remark(Record):
    """One thing that whoever imports has to know.

    :param kind: :data:`MISSING` or :data:`DIFFERS`.
    :param file: the file it is about.
    :param line: the line, from 1; 0 for the file as a whole.
    :param option: the option there; empty when it is about a section or the file.
    :param text: what is the matter.
    :param advice: what to do about it; may be empty.
    :param section: header of the section of the ini file it belongs to; empty for none.
    """

    kind: str
    file: str
    line: int
    option: str
    text: str
    advice: str = ""
    section: str = ""

    def sentence(self) -> str:
        """Text and advice in one line, whatever the imported file had in it."""
        said = f"no equivalent: {self.text}" if self.kind == MISSING else self.text
        return _visible(f"{said}; {self.advice}" if self.advice else said)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join([_visible(place), *filter(None, [_visible(self.option), self.sentence()])])

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        return {name: getattr(self, name) for name in self._fields}


def _visible(text: str) -> str:
    """A text on one line that does nothing to a terminal."""
    return "".join(each if each.isprintable() else "?" for each in " ".join(text.split()))


class Section:
    """A section of the ini file.

    :ivar header: text between the brackets.
    :ivar options: name to value, as it stands in the file.
    :ivar comments: lines above the options, without comment sign.
    """

    def __init__(self, header: str) -> None:
        self.header = header
        self.options: dict[str, str] = {}
        self.comments: list[str] = []


class Conversion:
    """An import under way, and its outcome.

    :param format: what was imported: ``supervisord``, ``procfile`` or ``pm2``.
    :param file: the file, as it is to be named in remarks.
    :ivar sections: those of the ini file, in order.
    :ivar remarks: in the order of discovery.
    :ivar secrets: the ini has variables in it, or command lines with variables: it is nobody else's business.
    """

    def __init__(self, format: str, file: str) -> None:
        self.format, self.file = format, file
        self.sections: dict[str, Section] = {}
        self.remarks: list[Remark] = []
        self._remarked: set[Remark] = set()
        self.secrets = False
        self._names: set[str] = {"circushttpd", "circusd-stats"}

    @property
    def missing(self) -> list[Remark]:
        """The remarks on what has no equivalent."""
        return [remark for remark in self.remarks if remark.kind == MISSING]

    def section(self, header: str) -> Section:
        """The section with that header, made if need be."""
        return self.sections.setdefault(header, Section(header))

    def remark(
        self, kind: str, place: tuple[str, int], option: str, text: str, advice: str = "", section: str = ""
    ) -> None:
        """Note something; the same thing at the same place is noted once."""
        found = Remark(kind, place[0], place[1], option, text, advice, section)
        if found not in self._remarked:
            self._remarked.add(found)
            self.remarks.append(found)

    def put(
        self, header: str, name: str, value: Text | int | float | bool, place: tuple[str, int], option: str = ""
    ) -> bool:
        """Set an option whose value is text and not split into words.

        :param place: where the value comes from, and ``option`` what it is called there, for the remark when it cannot
            be written.
        :returns: whether it could.
        """
        try:
            self.section(header).options[name] = plain(_plain_text(value))
        except Unwritable as error:
            self.remark(MISSING, place, option or name, f"{name} cannot be written in an ini file: {error}",
                        "it is left out", header)
            return False
        return True

    def put_variables(
        self, header: str, variables: dict[str, Text], place: tuple[str, int], option: str = ""
    ) -> dict[str, Text]:
        """Write variables into an ``[env…]`` section.

        :returns: those that can only be given on a command line, see :class:`Draft`.
        """
        rest: dict[str, Text] = {}
        for name, value in variables.items():
            if not name or "=" in name or "\0" in name:
                self.remark(MISSING, place, option, f"{name!r} cannot be the name of a variable", "it is left out")
                continue
            self.secrets = True
            try:
                key, text = variable(name, value)
            except Unwritable:
                rest[name] = value
                continue
            self.section(header).options[key] = text
        return rest

    def watcher_name(self, wanted: str, place: tuple[str, int]) -> str:
        """A name like the wanted one that is free and can be written everywhere."""
        name = clean_name(wanted)
        base, count = name, 1
        while name.lower() in self._names:
            count += 1
            name = f"{base}-{count}"
        self._names.add(name.lower())
        if name != wanted:
            self.remark(DIFFERS, place, "", f"{wanted!r} is called {name!r}", "", f"watcher:{name}")
        return name


def clean_name(wanted: str) -> str:
    """``wanted`` without what has a meaning in section headers, patterns and topics of events."""
    kept = "".join(each if each.isalnum() or each in " _-.@+:" else "-" for each in wanted)
    name = " ".join(kept.split()).strip(" :") or "app"
    return f"plugin-{name[7:]}" if name.lower().startswith("plugin:") else name


def _plain_text(value: Text | int | float | bool) -> Text:
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, int):
        return str(value)
    return f"{value:g}" if isinstance(value, float) else value


class Draft:
    """A watcher to be.

    :param conversion: what it becomes a part of.
    :param name: its name, from :meth:`Conversion.watcher_name`.
    :param place: file and line it comes from.
    """

    def __init__(self, conversion: Conversion, name: str, place: tuple[str, int]) -> None:
        self._conversion, self.name, self.place = conversion, name, place
        self.header = f"watcher:{name}"
        #: Variables of its own.
        self.env: dict[str, Text] = {}
        #: Variables that its command line has to set, because no section can hold them.
        self.carried: dict[str, Text] = {}
        #: Shell commands to run before the program takes over, such as ``umask 027``.
        self.before: list[str] = []
        #: Join standard error to standard output.
        self.joined = False
        self._conversion.section(self.header)

    def put(
        self, name: str, value: Text | int | float | bool, place: tuple[str, int] | None = None, option: str = ""
    ) -> bool:
        """Set an option, see :meth:`Conversion.put`."""
        return self._conversion.put(self.header, name, value, place or self.place, option)

    def has(self, name: str) -> bool:
        """Whether an option is set."""
        return name in self._conversion.section(self.header).options

    def remark(self, kind: str, place: tuple[str, int], option: str, text: str, advice: str = "") -> None:
        """Note something about this watcher."""
        self._conversion.remark(kind, place, option, text, advice, self.header)

    def comment(self, *lines: str) -> None:
        """Say something above its options."""
        self._conversion.section(self.header).comments += lines

    def finish(self, command: list[Word], option: str = "", place: tuple[str, int] | None = None) -> bool:
        """Write the command line and the variables.

        :param command: its words.
        :param option: what the command is called where it comes from.
        :returns: False when it cannot be written; the watcher is taken out again then.
        """
        place = place or self.place
        header = f"env:{self.name}"
        carried = {**self.carried, **self._conversion.put_variables(header, self.env, place, option)}
        command = _prefixed(command, carried, self._script())
        section = self._conversion.section(self.header)
        try:
            written = words(command)
        except Unwritable as error:
            self._conversion.remark(MISSING, place, option, f"the command of {self.name!r} cannot be written in an ini "
                                    f"file: {error}", "put it into a script")
            del self._conversion.sections[self.header]
            self._conversion.sections.pop(header, None)
            return False
        if carried:
            self._conversion.secrets = True
            self.comment(f"{', '.join(carried)}: set by env, because [{header}] could not hold the value as it is.")
        section.options = {"cmd": written, **section.options}
        if header in self._conversion.sections:  # beside its watcher
            self._conversion.sections[header] = self._conversion.sections.pop(header)
        return True

    def _script(self) -> str:
        """What a shell has to do before the program takes its place; nothing for no shell."""
        if not self.before and not self.joined:
            return ""
        return "".join(f"{each}; " for each in self.before) + 'exec "$@"' + (" 2>&1" if self.joined else "")


def shell_command(script: Text) -> list[Word]:
    """The words that have a shell run a script."""
    return [[_SHELL], ["-c"], [script] if isinstance(script, str) else list(script)]


def _prefixed(command: list[Word], carried: dict[str, Text], script: str) -> list[Word]:
    """The command behind what has to be done before it."""
    if carried and command and "=" in text_of(command[0]):
        script = script or 'exec "$@"'  # env would take the program for a variable
    if script:
        command = [*shell_command(script), ["sh"], *command]
    if carried:
        given: Iterable[Word] = ([f"{name}=", *(value if not isinstance(value, str) else [value])]
                                 for name, value in carried.items())
        command = [[_ENV], *given, *command]
    return command
