"""``%(name)s`` in the values of Supervisor: replaced, or made a variable of circus; and its lists of variables.

For :mod:`circus.importers.supervisor`. Pure.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping

from circus.importers.dialect import Ref, Text, Word, pieces, text_of

_EXPANSION = re.compile(r"%(?:\(([^()\s]+)\)([-+ #0]*\d{0,2})([sdi])|(%))")
_PROCESS_NUMBER = re.compile(r"%\(process_num\)")
_VARIABLE = re.compile(r"[\w.\-]+", re.ASCII)


def depends_on_number(text: str) -> bool:
    """Whether a value differs from process to process."""
    return _PROCESS_NUMBER.search(text.replace("%%", "")) is not None


def expand(text: str, values: Mapping[str, str | int], complain: Callable[[str], None]) -> Text:
    """A value with its expressions replaced; variables of the environment become those of circus.

    :param values: what the names stand for.
    :param complain: told what cannot be replaced, which stays as it is.
    """
    found: list[str | Ref] = []
    end = 0
    for match in _EXPANSION.finditer(text):
        found.append(text[end : match.start()])
        found.append(_value(match, values, complain))
        end = match.end()
    found.append(text[end:])
    if all(isinstance(each, str) for each in found):
        return text_of(found)
    return [each for each in found if each != ""]


def _value(match: re.Match[str], values: Mapping[str, str | int], complain: Callable[[str], None]) -> str | Ref:
    name, form, kind, percent = match.groups()
    if percent:
        return "%"
    if name.startswith("ENV_") and _VARIABLE.fullmatch(name, 4):
        return Ref(f"$(circus.env.{name[4:]})")
    if name not in values:
        complain(f"{match[0]} is not known; it stays as it is")
        return match[0]
    try:
        return str(f"%{form}{kind}" % (values[name],))
    except (TypeError, ValueError):
        complain(f"{match[0]} cannot be written like that; it stays as it is")
        return match[0]


def split(text: Text) -> list[Word]:
    """The words of a command line. A variable outside quotes is divided at its blanks later, as Supervisor does.

    :raises ValueError: a quotation is not closed.
    """
    parts = pieces(text)
    taken = text_of(text)
    marks: dict[str, Ref] = {}
    line = ""
    for part in parts:
        if isinstance(part, str):
            line += part
            continue
        mark = next(chr(code) for code in range(0xE000 + len(marks), 0x10FFFF) if chr(code) not in taken)
        marks[mark] = Ref(part.text, splits=not _is_quoted(line))
        taken += mark
        line += mark
    return [_with_refs(word, marks) for word in shlex.split(line)]


def _with_refs(word: str, marks: Mapping[str, Ref]) -> Word:
    found: list[str | Ref] = [""]
    for each in word:
        if each in marks:
            found += [marks[each], ""]
        else:
            found[-1] = f"{found[-1]}{each}"  # the last one is always text
    return [each for each in found if each != ""]


def _is_quoted(line: str) -> bool:
    """Whether a quotation is open at the end of a line, by the rules of a POSIX shell."""
    quote, escaped = "", False
    for each in line:
        if escaped:
            escaped = False
        elif each == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if each == quote else quote
        elif each in "'\"":
            quote = each
    return bool(quote)


def variables(text: str) -> dict[str, str]:
    """``A="1",B='x,y',C=z`` as a mapping; a backslash is nothing special.

    :raises ValueError: it is not such a list; the text says where.
    """
    found: dict[str, str] = {}
    rest = text.strip().strip(",").strip()
    while rest:
        name, equals, rest = rest.partition("=")
        name = name.strip()
        if not equals or not name or any(each in name for each in "\"', \n"):
            raise ValueError(f"{(name + equals)!r} is not the beginning of NAME=VALUE")
        rest = rest.lstrip()
        if rest[:1] in ("'", '"'):
            value, closed, rest = rest[1:].partition(rest[0])
            if not closed:
                raise ValueError(f"the quotation of {name} is not closed")
            rest = rest.lstrip()
            if rest and rest[0] not in ",":
                # Values written without a comma between them, over several lines.
                if not re.match(r"[A-Za-z_]\w*\s*=", rest):
                    raise ValueError(f"there is no comma behind {name}")
                found[name] = value
                continue
        else:
            value, _, rest = rest.partition(",")
            found[name] = value.strip()
            rest = rest.lstrip(", \n")
            continue
        found[name] = value
        rest = rest.lstrip(", \n")
    return found
