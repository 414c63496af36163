"""Strings as values of an ini file that circusd reads as the same strings.

The dialect has no escapes (spec config.md 2): a blank before ``;`` begins a comment, blanks at the ends of lines go
away, ``""`` is nothing, a second value is ignored; then variables are replaced (7.2), in environments also
``$UPPER_CASE`` (7.1), and command lines are split as a POSIX shell does. Command lines can be quoted so that any text
survives that. Other values can be written or they cannot, which is told.

Text is a string, or a list of strings and :class:`Ref`\\ s, the variables that are meant as such.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from circus.base.expand import compile_template
from circus.base.record import Record
from circus.exc import CircusError

_SAFE = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][\w.\-]*", re.ASCII)
_UPPER = re.compile(r"\$([A-Z][A-Z0-9_]*)")
_PAIRS = frozenset({"$(", "${", "$W", "(("})


class Ref(Record):
    """A variable within a text.

    :param text: how circusd knows it: ``$(circus.env.HOME)``.
    :param splits: blanks in its value divide words, as they do where it stood outside quotes.
    """

    text: str
    splits: bool = False


#: A string with variables in it, or without.
Text = str | Sequence[str | Ref]
#: One word of a command line.
Word = Sequence[str | Ref]


class Unwritable(CircusError):
    """No value in an ini file is read as this text. The message says why, in a few words."""


def pieces(text: Text) -> list[str | Ref]:
    """A text as a list."""
    return [text] if isinstance(text, str) else list(text)


def text_of(text: Text) -> str:
    """A text as circusd is to see it, unquoted."""
    return "".join(each if isinstance(each, str) else each.text for each in pieces(text))


def words(command: Sequence[Word]) -> str:
    """A command line.

    :raises Unwritable: some character cannot stand in an ini file at all.
    """
    return " ".join(_word(each) for each in command)


def _word(word: Word) -> str:
    parts: list[str] = []
    literal = ""
    for each in word:
        if isinstance(each, str):
            literal += each
            continue
        parts += [_quoted(literal), each.text if each.splits else f'"{each.text}"']
        literal = ""
    return "".join([*parts, _quoted(literal)]) or "''"


def _quoted(text: str) -> str:
    """A string for :func:`shlex.split`, divided (``''``) wherever anything else would see something in it."""
    _refuse_unknown_characters(text)
    if not text or _SAFE.fullmatch(text):
        return text
    quote = '"' if "'" in text and not set(text) & {'"', "\\"} else "'"
    parts = [quote]
    before = ""
    for each in text:
        if each == quote:
            parts.append("'\"'\"'")
        elif each == "\n":
            parts.append(f"{quote}{quote}\n{quote}{quote}")  # so that no line begins or ends with a blank, nor is one
        elif before + each in _PAIRS or (each == ";" and before.isspace()):
            parts.append(f"{quote}{quote}{each}")
        else:
            parts.append(each)
        before = each
    return "".join([*parts, quote])


def plain(text: Text) -> str:
    """A value that is not split into words.

    :raises Unwritable: it would be read as something else.
    """
    joined = text_of(text)
    _refuse_unknown_characters(joined)
    if "\n" in joined:
        raise Unwritable("it has several lines")
    _refuse_lost_characters(joined)
    if len(joined) > 1 and joined[0] == joined[-1] and joined[0] in "\"'":
        raise Unwritable("it is in quotes")  # some options are read without them
    if _seen_in(joined) != _meant_by(text):
        raise Unwritable("it has a variable of circus in it")
    return joined


def variable(name: str, value: Text) -> tuple[str, str]:
    """Name and value of an option in a section of variables.

    :raises Unwritable: the worker would not get it as it is.
    """
    if not _NAME.fullmatch(name) or name in ("__name__", "rem") or name.lower() == "rem":
        raise Unwritable("its name means something else in an ini file")
    joined = text_of(value)
    _refuse_unknown_characters(joined)
    for line in joined.split("\n")[1:]:
        if not line.strip() or line != line.strip() or line[0] in "#;[":
            raise Unwritable("its lines do not survive")
    _refuse_lost_characters(joined)
    first = joined.partition("\n")[0]
    if "\n" in joined and (not first.strip() or first != first.strip() or first == '""'):
        raise Unwritable("its lines do not survive")
    if _UPPER.sub(_marked, _seen_in(joined)) != _meant_by(value):
        raise Unwritable("a $ in it would be taken for a variable")
    return name, joined


def _refuse_unknown_characters(text: str) -> None:
    for character, called in (("\0", "a null character"), ("\r", "a carriage return")):
        if character in text:
            raise Unwritable(f"it has {called} in it")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Unwritable("it has half a character in it (a lone surrogate)") from None


def _refuse_lost_characters(text: str) -> None:
    if text != text.strip():
        raise Unwritable("it begins or ends with a blank")
    if text == '""':
        raise Unwritable('"" is read as nothing')
    position = text.partition("\n")[0].find(";")
    if position > 0 and text[position - 1].isspace():
        raise Unwritable("what follows ' ;' is read as a comment")


def _marked(match: re.Match[str]) -> str:
    return f"\0{match[0]}\0"


def _seen_in(text: str) -> str:
    """The text with everything marked that circusd takes for one of its variables."""
    template = compile_template(text, braces=True)
    return template.expand(lambda name: f"\0$(circus.{name})\0")


def _meant_by(text: Text) -> str:
    """The text with its variables marked in the same way."""
    return "".join(each if isinstance(each, str) else f"\0{each.text}\0" for each in pieces(text))
