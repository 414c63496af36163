"""A ``.env`` file: lines of ``NAME=VALUE``, as foreman, honcho and their like read them."""

from __future__ import annotations

import re

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][\w.\-]*)\s*=\s*(.*)", re.ASCII | re.DOTALL)


def read_env(text: str) -> tuple[dict[str, tuple[str, int]], list[tuple[int, str]]]:
    """The variables with their lines, and the lines that are no variables.

    In single quotes everything is itself; in double quotes ``\\n`` is a new line and a backslash takes the next
    character for itself; both may go over several lines. Without quotes a blank and ``#`` begin a comment.
    """
    found: dict[str, tuple[str, int]] = {}
    odd: list[tuple[int, str]] = []
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    at = 0
    while at < len(lines):
        line, number = lines[at].strip(), at + 1
        at += 1
        if not line or line[0] == "#":
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            odd.append((number, line))
            continue
        value = match[2]
        if value[:1] in ("'", '"'):
            end = _end_of(value)
            last = at
            while end < 0 and last < len(lines):
                value += "\n" + lines[last]
                last += 1
                end = _end_of(value)
            if end < 0:
                odd.append((number, line))
                continue
            at = last
            quoted = value[1:end]
            value = quoted if value[0] == "'" else re.sub(r"\\(.)", _unescaped, quoted, flags=re.DOTALL)
        else:
            value = re.split(r"\s#", value, maxsplit=1)[0].rstrip()
        found[match[1]] = (value, number)
    return found, odd


def _end_of(value: str) -> int:
    """Where the quotation that a value begins with ends; -1 for nowhere."""
    match = re.match(r"'[^']*'" if value[0] == "'" else r'"(?:[^"\\]|\\.)*"', value, re.DOTALL)
    return -1 if match is None else match.end() - 1


def _unescaped(match: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t"}.get(match[1], match[1])
