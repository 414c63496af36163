"""Restructured text: how the pages of the manual are put together."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

WIDTH = 110
WARNING = ".. Written by docs/generate.py; change the tables and docstrings it reads instead.\n"


def heading(text: str, mark: str) -> str:
    """A title with its underline."""
    return f"{text}\n{mark * len(text)}\n"


def escape(text: str) -> str:
    """Prose of the code as restructured text: `word` is a literal, and stray marks mean themselves."""
    parts = re.split(r"(``.+?``|`[^`]+`)", text)
    for index, part in enumerate(parts):
        if index % 2:
            parts[index] = f"``{part.strip('`')}``"
        else:
            parts[index] = re.sub(r"([*|\\])", r"\\\1", re.sub(r"(\w)_(?!\w)", r"\1\\_", part))
    return "".join(parts)


def wrapped(text: str, indent: str = "") -> str:
    """A paragraph in lines that are not too long."""
    return textwrap.fill(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def demoted(text: str, mark: str = "~") -> str:
    """A docstring whose headings (underlined with dashes) stand one floor lower, under a heading of ours."""
    lines = text.split("\n")
    for index in range(1, len(lines)):
        title, line = lines[index - 1], lines[index]
        if title.strip() and len(line) >= 3 and set(line) == {"-"}:
            lines[index] = mark * len(title)
    return "\n".join(lines)


def definition(term: str, text: str, indent: str = "") -> str:
    """An item of a definition list; ``text`` is restructured text of one or more paragraphs."""
    paragraphs = "\n\n".join(wrapped(part, indent + "    ") for part in text.split("\n\n"))
    return f"{indent}{term}\n{paragraphs}\n"


def literal_block(lines: Iterable[str]) -> str:
    """Text as it is."""
    return "::\n\n" + "\n".join(f"    {line}".rstrip() for line in lines) + "\n"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]], widths: str) -> str:
    """A list-table."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in (heads, *rows):
        cells = list(row)
        lines += [f"   * - {cells[0]}", *(f"     - {cell}" for cell in cells[1:])]
    return "\n".join(lines) + "\n"


def page(title: str, introduction: str, parts: Iterable[str]) -> str:
    """A whole page."""
    paragraphs = [wrapped(paragraph) for paragraph in introduction.split("\n\n")]
    return "\n".join([WARNING, heading(title, "="), "\n\n".join(paragraphs) + "\n", *parts]).rstrip() + "\n"
