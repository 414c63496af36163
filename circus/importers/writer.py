"""A conversion as the text of an ini file, with what there is to say about a section above its options.

Called by whoever prints or saves an import. What is written is read back and compared: a value that the dialect would
change is a bug in :mod:`circus.importers.dialect`, and must not become a program that runs with other arguments.
"""

from __future__ import annotations

from circus.importers.conversion import Conversion, ImportFailure, Remark, Section
from circus.ini import Document

_WIDTH = 100


def render(conversion: Conversion) -> str:
    """The ini file.

    :raises ImportFailure: a value would not be read as it was meant.
    """
    by_section: dict[str, list[Remark]] = {}
    for remark in conversion.remarks:
        by_section.setdefault(remark.section, []).append(remark)
    parts = [f"# Imported from {_one_line(conversion.file)} by circusctl import. Check it: circusd --check FILE\n"]
    for section in conversion.sections.values():
        parts.append(_section(section, by_section.get(section.header, [])))
    text = "\n".join(parts)
    _read_back(text, conversion)
    return text


def _section(section: Section, remarks: list[Remark]) -> str:
    lines = [f"[{section.header}]"]
    for comment in section.comments:
        lines += _comment(comment)
    for remark in remarks:
        lines += _comment(f"{remark.option}: {remark.sentence()}" if remark.option else remark.sentence())
    for name, value in section.options.items():
        lines.append(f"{name} = {value}".rstrip().replace("\n", "\n    "))
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    """A comment in lines of a width that can be read; blanks at the beginning stay."""
    text = _one_line(text)
    indent = text[: len(text) - len(text.lstrip())]
    lines, line = [], "#" + indent
    for word in text.split():
        if len(line) + len(word) >= _WIDTH and line.strip("# "):
            lines.append(line)
            line = "#" + indent
        line += f" {word}"
    return [*lines, line]


def _one_line(text: str) -> str:
    """The text without line ends and without what does something to a terminal."""
    return "".join(each if each.isprintable() else " " for each in text)


def _read_back(text: str, conversion: Conversion) -> None:
    document = Document()
    document.feed(text, conversion.file)
    read = {name: section.options for name, section in document.sections.items()}
    meant = {name: section.options for name, section in conversion.sections.items()}
    if read != meant or document.errors:
        name = next((name for name in meant if read.get(name) != meant[name]), "")
        raise ImportFailure(f"[{name}] cannot be written as an ini file", conversion.file)
