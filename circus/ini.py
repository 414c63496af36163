"""The ini dialect of Circus: text to sections and options, each with the file and line it comes from.

``circus.config`` reads its files through :class:`Document`. The dialect is that of Circus 0.19 to the letter
(spec config.md 2), so that old files mean the same; where it silently loses what somebody wrote, a warning
says so. All problems of all files are collected. What options mean, and which exist, is not known here.

:class:`StrictConfigParser` at the end gives the same under the method names of :mod:`configparser`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from circus.exc import ConfigError
from circus.model.origin import Place, Problem

#: An indented line that could be meant as an option of its own; whether it is one only the tables can tell.
_LIKE_AN_OPTION = re.compile(r"([a-z][\w.]*)[ \t]*[=:]", re.ASCII)

NO_HEADER = "File contains no section headers."


class Section:
    """One section: its options in the order of first appearance, and where each stands.

    :ivar name: text of the header.
    :ivar place: file and line of the (first) header.
    :ivar options: name to value; continuation lines are joined by newlines.
    :ivar places: name to file and line.
    """

    __slots__ = ("name", "options", "place", "places")

    def __init__(self, name: str, place: Place) -> None:
        self.name, self.place = name, place
        self.options: dict[str, str] = {}
        self.places: dict[str, Place] = {}


class Document:
    """Several files read one after the other into one set of sections.

    :ivar sections: by header, in the order of first appearance; ``[DEFAULT]`` is not among them.
    :ivar defaults: the section ``[DEFAULT]``.
    :ivar problems: what is wrong with the files so far, in the order found.
    :ivar files: names of the files read.
    :ivar suspects: continuation lines that look like options, as (section, option they continue, looks-like,
        place).
    """

    def __init__(self) -> None:
        self.sections: dict[str, Section] = {}
        self.defaults = Section("DEFAULT", ("", 0))
        self.problems: list[Problem] = []
        self.files: list[str] = []
        self.suspects: list[tuple[str, str, str, Place]] = []

    def read(self, path: str) -> None:
        """Read one more file.

        :raises OSError: when it cannot be read.
        """
        with open(path, "rb") as file:
            data = file.read()
        self.feed(self._decode(data, path), path)

    def feed(self, text: str, file: str) -> None:
        """Add the text of one more file, whose name is ``file``."""
        self.files.append(file)
        _Reader(self, file).read(text)

    def items(self, section: str) -> dict[str, str]:
        """The options of a section on top of those of ``[DEFAULT]``. :raises KeyError: for an unknown
        section.
        """
        options = self.sections[section].options
        return {**self.defaults.options, **options} if self.defaults.options else options

    def where(self, section: str, option: str = "") -> Place:
        """File and line of an option; of its section when that does not give it."""
        found = self.sections.get(section, self.defaults)
        return found.places.get(option) or self.defaults.places.get(option) or found.place

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that make the files useless."""
        return tuple(problem for problem in self.problems if problem.is_error)

    def _decode(self, data: bytes, path: str) -> str:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            import locale  # kept off the start path

            encoding, line = locale.getpreferredencoding(False), data.count(b"\n", 0, error.start) + 1
            text = data.decode("utf-8", "replace")
            try:
                text, severity = data.decode(encoding), "warning"
                remark = f"not UTF-8, read as {encoding}"
            except UnicodeDecodeError:
                severity, remark = "error", f"not UTF-8: byte {data[error.start]:#04x}"
            hint = "save the file as UTF-8"
            self.problems.append(Problem(severity, path, line, "", "", remark, hint, "encoding"))
            return text


class _Reader:
    """Reads one file into a document, line by line."""

    def __init__(self, document: Document, file: str) -> None:
        self._document = document
        self._file = file
        self._section: Section | None = None
        #: The option that an indented line continues; None right after a header. Never a nameless one.
        self._option: str | None = None
        #: That option was given before in another file: its continuation goes where its value went.
        self._dropping = False
        self._more: dict[tuple[Section, str], list[str]] = {}
        #: Lines before the first header were complained of.
        self._headless = False
        self._lines: list[str] = []
        #: Numbers of lines that are neither header, option, continuation nor comment.
        self._bad_lines: list[int] = []

    def read(self, text: str) -> None:
        """Take the text apart."""
        self._lines = lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for number, line in enumerate(lines, 1):
            stripped = line.strip()
            if not stripped:
                continue
            first = line[0]
            if first in "#;" or (first in "rR" and line.split(None, 1)[0].lower() == "rem"):
                continue
            if first.isspace() and self._option:
                self._continue(number, stripped)
            elif first == "[" and line.rfind("]") > 1:
                self._open(number, line)
            elif self._section is None:
                self._complain_of_missing_header(number)
            else:
                self._assign(number, line, self._section)
        self._join()
        self._report_bad_lines()

    def _open(self, number: int, line: str) -> None:
        end = line.rfind("]")
        name, rest = line[1:end], line[end + 1 :].strip()
        self._option = None
        if name == "DEFAULT":
            self._section = self._document.defaults
        else:
            place = (self._file, number)
            self._section = self._document.sections.get(name) or Section(name, place)
            self._document.sections[name] = self._section
        if name.count("]") != name.count("["):  # a pattern such as [env:web[12]] is balanced
            text = f"the header reaches to its last ']': the section is called {name!r}"
            self._warn(number, "", text, "", "header")
        elif rest and rest[0] not in "#;":
            self._warn(number, "", f"{rest!r} behind the header is ignored", "", "header")

    def _assign(self, number: int, line: str, section: Section) -> None:
        equals, colon = line.find("="), line.find(":")
        delimiter = equals if colon < 0 or 0 <= equals < colon else colon
        if delimiter < 0:
            self._bad_lines.append(number)
            return
        name, value = line[:delimiter].rstrip(), line[delimiter + 1 :]
        value = self._cut_comment(number, name, value.lstrip()) if ";" in value else value.strip()
        self._option, self._dropping = name, False
        if name in section.options or name == "__name__":
            self._duplicate(number, section, name, value)
            return
        section.options[name] = "" if value == '""' else value
        section.places[name] = (self._file, number)
        if not name or name[0] == "[" or name[0].isspace():
            self._warn_of_odd_name(number, name)

    def _cut_comment(self, number: int, name: str, value: str) -> str:
        position = value.find(";")
        # With ';' as the very first character this looks at the last one: so did Circus 0.19.
        if position < 0 or not value[position - 1].isspace():
            return value.rstrip()
        kept, dropped = value[:position].rstrip(), value[position:].rstrip()
        for quote in "\"'":
            if kept.count(quote) % 2 and quote in dropped:
                hint = "a blank before ';' begins a comment, even inside quotes; leave out the blank"
                self._warn(number, name, f"{dropped!r} is cut off as a comment", hint, "cut-value")
                break
        return kept

    def _duplicate(self, number: int, section: Section, name: str, value: str) -> None:
        file, line = section.places.get(name, ("", 0))
        self._dropping = file != self._file
        if name == "__name__":
            self._warn(number, name, "'__name__' is reserved; this line is ignored", "", "reserved-option")
        elif value != section.options[name]:
            text = f"already given at {file}:{line}; the first value counts, this one is ignored"
            self._warn(number, name, text, "", "duplicate-option")

    def _continue(self, number: int, stripped: str) -> None:
        section, option = self._section, self._option
        assert section is not None
        assert option
        if self._dropping:
            return
        key = (section, option)
        if key not in self._more:
            self._more[key] = [section.options[option]]
        self._more[key].append(stripped)
        if stripped[0] in "#;":
            text = f"the indented comment {stripped!r} is part of the value"
            self._warn(number, option, text, "begin comments in the first column", "indented-comment")
        elif stripped[0] == "[" and "]" in stripped:
            text = f"the indented header {stripped!r} is part of the value"
            self._warn(number, option, text, "begin headers in the first column", "indented-header")
        else:
            match = _LIKE_AN_OPTION.match(stripped)
            if match:
                self._document.suspects.append((section.name, option, match[1], (self._file, number)))

    def _join(self) -> None:
        for (section, option), lines in self._more.items():
            section.options[option] = "\n".join(lines)

    def _warn_of_odd_name(self, number: int, name: str) -> None:
        if not name:
            self._warn(number, "", "there is no name before the delimiter", "", "odd-name")
        elif name[0] == "[":
            hint = "a section header ends in ']'"
            self._warn(number, name, f"{name!r} is taken for an option", hint, "odd-name")
        else:
            hint = "begin the line in the first column"
            text = "the blanks before it are part of the option's name"
            self._warn(number, name.strip(), text, hint, "odd-name")

    def _raw(self, number: int) -> str:
        """A line with its end, if it has one."""
        return self._lines[number - 1] + "\n" * (number < len(self._lines))

    def _complain_of_missing_header(self, number: int) -> None:
        if self._headless:
            return  # everything down to the first header would only repeat it
        self._headless = True
        text = f"{NO_HEADER}\nfile: {self._file!r}, line: {number}\n{self._raw(number)!r}"
        problem = Problem("error", self._file, number, "", "", text, "", "no-header")
        self._document.problems.append(problem)

    def _report_bad_lines(self) -> None:
        if self._bad_lines:
            listed = "".join(f"\n\t[line {number:2d}]: {self._raw(number)!r}" for number in self._bad_lines)
            text = f"Source contains parsing errors: {self._file!r}{listed}"
            hint = "an option is written name = value"
            problem = Problem("error", self._file, self._bad_lines[0], "", "", text, hint, "no-delimiter")
            self._document.problems.append(problem)

    def _warn(self, number: int, option: str, text: str, hint: str, code: str) -> None:
        section = self._section.name if self._section else ""
        problem = Problem("warning", self._file, number, section, option, text, hint, code)
        self._document.problems.append(problem)


class StrictConfigParser:
    """Compatibility: a :class:`Document` under the method names of :mod:`configparser` (spec library.md 9).

    Option names are case-sensitive, the first value of an option wins, and every section has the pseudo
    option ``__name__``. Parsing errors are :class:`~circus.exc.ConfigError`.
    """

    def __init__(self, defaults: Mapping[str, str] | None = None, document: Document | None = None) -> None:
        #: What was read so far.
        self.document = document or Document()
        for name, value in (defaults or {}).items():
            self.document.defaults.options.setdefault(name, value)

    def read(self, filenames: str | Iterable[str], encoding: str | None = None) -> list[str]:
        """Read the files that exist; return their names. ``encoding`` is accepted and ignored."""
        done = []
        for path in [filenames] if isinstance(filenames, str) else filenames:
            try:
                self.document.read(path)
            except FileNotFoundError:
                continue
            done.append(path)
            self._raise_errors()
        return done

    def read_file(self, lines: Iterable[str], source: str | None = None) -> None:
        """Read an open file or another source of lines."""
        self.read_string("".join(lines), source or str(getattr(lines, "name", "<???>")))

    def read_string(self, text: str, source: str = "<string>") -> None:
        """Read a text."""
        self.document.feed(text, source)
        self._raise_errors()

    def _raise_errors(self) -> None:
        errors = self.document.errors
        if errors:
            raise ConfigError(errors[0].text, tuple(errors))

    def defaults(self) -> dict[str, str]:
        """The options of ``[DEFAULT]``."""
        return self.document.defaults.options

    def sections(self) -> list[str]:
        """The headers, in order of first appearance."""
        return list(self.document.sections)

    def __iter__(self) -> Iterator[str]:
        return iter(self.sections())

    def __len__(self) -> int:
        return len(self.document.sections)

    def __contains__(self, section: object) -> bool:
        return section in self.document.sections

    def __getitem__(self, section: str) -> dict[str, str]:
        if section not in self.document.sections:
            raise KeyError(section)
        return self._table(section)

    def has_section(self, section: str) -> bool:
        """Whether there is a section with that header."""
        return section in self.document.sections

    def has_option(self, section: str, option: str) -> bool:
        """Whether the section, or ``[DEFAULT]``, gives that option."""
        return section in self.document.sections and option in self._table(section)

    def options(self, section: str) -> list[str]:
        """Names of the options of a section, ``__name__`` first."""
        return list(self._table(section))

    def items(self, section: str) -> list[tuple[str, str]]:
        """Names and values of a section."""
        return list(self._table(section).items())

    def get(self, section: str, option: str) -> str:
        """The value of an option. :raises configparser.Error: when there is no such section or option."""
        table = self._table(section)
        if option not in table:
            from configparser import NoOptionError  # the type that callers expect, needed only here

            raise NoOptionError(option, section)
        return table[option]

    def getint(self, section: str, option: str) -> int:
        """The value as an int."""
        return int(self.get(section, option))

    def getfloat(self, section: str, option: str) -> float:
        """The value as a float."""
        return float(self.get(section, option))

    def getboolean(self, section: str, option: str) -> bool:
        """The value as a bool."""
        from circus.base.convert import to_bool

        return to_bool(self.get(section, option))

    def _table(self, section: str) -> dict[str, str]:
        if section not in self.document.sections:
            from configparser import NoSectionError  # the type that callers expect, needed only here

            raise NoSectionError(section)
        options = self.document.sections[section].options
        return {**self.document.defaults.options, "__name__": section, **options}
