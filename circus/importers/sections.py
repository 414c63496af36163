"""The ini dialect of Supervisor: sections and options, each with file and line.

For :mod:`circus.importers.supervisor`. Unlike in a file of circus, option names have no case, the last value wins, and
a ``;`` or ``#`` behind a blank begins a comment everywhere. Any text is read; lines that mean nothing are told.
"""

from __future__ import annotations

from circus.base.record import Record


class Entry(Record):
    """A value, and the line of its option."""

    text: str
    file: str
    line: int

    @property
    def place(self) -> tuple[str, int]:
        """File and line."""
        return self.file, self.line


class Table:
    """A section: its header, where it is, its options in the order of first appearance."""

    def __init__(self, header: str, file: str, line: int) -> None:
        self.header, self.file, self.line = header, file, line
        self.options: dict[str, Entry] = {}

    @property
    def place(self) -> tuple[str, int]:
        """File and line of the header."""
        return self.file, self.line


def read_sections(text: str, file: str, tables: dict[str, Table]) -> list[tuple[int, str]]:
    """Add the sections of one file to those read before.

    :returns: number and text of the lines that are neither header, option, comment nor continuation.
    """
    odd: list[tuple[int, str]] = []
    table: Table | None = None
    option = ""
    for number, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        line = _without_comment(line)
        if raw[0].isspace() and table is not None and option:
            before = table.options[option]
            table.options[option] = Entry(f"{before.text}\n{line}".strip("\n"), before.file, before.line)
            continue
        option = ""
        if line[0] == "[" and "]" in line:
            header = line[1 : line.rindex("]")].strip()
            table = tables.setdefault(header, Table(header, file, number))
            continue
        name, delimiter, value = _divided(line)
        if not delimiter or table is None:
            odd.append((number, line))
            continue
        option = name.strip().lower()
        table.options[option] = Entry(value.strip(), file, number)
    return odd


def _without_comment(line: str) -> str:
    for at in range(1, len(line)):
        if line[at] in ";#" and line[at - 1].isspace():
            return line[:at].rstrip()
    return line


def _divided(line: str) -> tuple[str, str, str]:
    at = min((line.index(each) for each in "=:" if each in line), default=-1)
    return (line, "", "") if at <= 0 else (line[:at], line[at], line[at + 1 :])
