"""What a shell would do with a command line, as far as circus can do it without one.

For the formats whose commands are run by ``sh -c``. Most command lines need no shell; without one, signals go to the
program itself. What it does need stays as it is: a shell runs it, and the program takes its place if that can be seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from circus.importers.dialect import Ref, Text, Word

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=", re.ASCII)
_REDIRECTION = re.compile(r"\d*(?:>>|>\||>&|<>|>|<)|&>>?")
_OPERATOR = re.compile(r"&&|\|\||;;|[|&;()\n]")
_KEYWORDS = frozenset({
    "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "{", "}", "!", "[[",
    "function", "select", "time",
})
#: Commands that a shell does itself, and that are no programs.
_BUILTINS = frozenset({
    ".", ":", "alias", "bg", "break", "cd", "command", "continue", "eval", "exit", "export", "fg", "getopts", "hash",
    "jobs", "local", "read", "readonly", "return", "set", "shift", "source", "times", "trap", "type", "ulimit", "umask",
    "unalias", "unset", "wait",
})
#: Values of variables that are the same inside and outside of quotes.
_SIMPLE = re.compile(r"[\w@%+=:,./-]+", re.ASCII)


class _Word:
    """A word of a command line: its parts, whether they are all that a shell would see in it, and where it ends."""

    def __init__(self, start: int) -> None:
        self.start = self.end = start
        self.parts: list[str | Ref] = []
        self.variables: list[str] = []
        self.plain = True

    @property
    def text(self) -> str | None:
        """The word if there is nothing to replace in it."""
        if not self.plain or self.variables:
            return None
        return "".join(each for each in self.parts if isinstance(each, str))


class Command:
    """How to run a command line.

    :ivar words: the words, when no shell is needed; None otherwise.
    :ivar script: for a shell, when one is.
    :ivar stays: the shell stays between circusd and the program.
    :ivar env: variables set in front of the program.
    :ivar directory: where ``cd`` at the beginning leads to; empty for nowhere.
    """

    def __init__(self, script: str) -> None:
        self.words: list[Word] | None = None
        self.script: Text = script
        self.stays = True
        self.env: dict[str, str] = {}
        self.directory = ""


def understand(text: str, known: Callable[[str], str | None]) -> Command:
    """How to run what a shell would be told.

    :param text: the command line.
    :param known: value of a variable that the process is going to have; None for any other.
    """
    text = text.strip()
    command = Command(text)
    tokens = _tokens(text)
    if tokens is None:
        return command
    simple, last = _divide(tokens)
    if simple is None:
        return command
    while len(simple) > 1:
        directory = _directory_of(simple[0])
        if directory is None or last[0] != "&&" or directory.startswith("-"):
            break
        command.directory = f"{command.directory}/{directory}" if command.directory else directory
        if directory.startswith("/"):
            command.directory = directory
        simple, last = simple[1:], last[1:]
    rest = text[_start_of(simple[0]) :] if simple[0] else text
    if len(simple) > 1:
        tail = simple[-1]
        command.script = rest
        if last[-1] in ("&&", ";") and _is_program(tail):
            begin = _start_of(tail)
            command.script = f"{text[_start_of(simple[0]) : begin]}exec {text[begin:]}"
        return command
    _read_simple(command, simple[0], rest, text, known)
    return command


_Token = _Word | str


def _read_simple(
    command: Command, tokens: list[_Token], rest: str, text: str, known: Callable[[str], str | None]
) -> None:
    """A single program with its arguments, perhaps with redirections and assignments."""
    words = [each for each in tokens if isinstance(each, _Word)]
    command.script = rest
    index, exported = 0, ""
    while index < len(words) and _ASSIGNMENT.match(text, words[index].start):
        literal = _assignment(words[index])
        if literal is None:
            name = text[words[index].start :].partition("=")[0]
            exported += f"{text[words[index].start : words[index].end]}; export {name}; "
        else:
            command.env[literal[0]] = literal[1]
        index += 1
    if index + 1 < len(words) and words[index].text == "exec" and not str(words[index + 1].text).startswith("-"):
        index += 1
    used = {name for word in words for name in word.variables}
    if index == len(words) or not _runs_program(words[index]) or used & set(command.env):
        command.env = {}
        return
    found = [_resolved(each, known) for each in words[index:]]
    ready = [each for each in found if each is not None]
    if len(words) == len(tokens) and len(ready) == len(found) and not exported:
        command.words, command.stays = ready, False
    elif isinstance(tokens[index], _Word):  # no redirection stands before the program
        command.script, command.stays = f"{exported}exec {text[words[index].start :]}", False
    else:
        command.env = {}


def _runs_program(word: _Word) -> bool:
    """Whether the first word of a command is certainly a program that ``exec`` can be put in front of."""
    if word.text is None:
        return word.plain and any("/" in each for each in word.parts if isinstance(each, str))
    return word.text not in _BUILTINS | _KEYWORDS | {"exec", ""}


def _resolved(word: _Word, known: Callable[[str], str | None]) -> Word | None:
    """A word without the help of a shell; None if that is needed."""
    if not word.plain:
        return None
    for name in word.variables:
        value = known(name)
        if value is None or not _SIMPLE.fullmatch(value):
            return None
    merged: list[str | Ref] = []
    for each in word.parts:
        if merged and isinstance(each, str) and isinstance(merged[-1], str):
            merged[-1] += each
        else:
            merged.append(each)
    return merged or [""]


def _assignment(word: _Word) -> tuple[str, str] | None:
    """Name and value of ``A=x`` in front of a program; None for anything else."""
    text = word.text
    match = _ASSIGNMENT.match(text or "")
    return None if match is None or text is None else (match[1], text[match.end() :])


def _directory_of(tokens: list[_Token]) -> str | None:
    """``X`` of ``cd X``."""
    words = [each.text if isinstance(each, _Word) else None for each in tokens]
    return words[1] if len(words) == 2 and words[0] == "cd" and words[1] else None


def _is_program(tokens: list[_Token]) -> bool:
    """Whether this simple command is a program that ``exec`` can be put in front of."""
    first = tokens[0] if tokens else ""
    return isinstance(first, _Word) and _runs_program(first) and _assignment(first) is None


def _start_of(tokens: list[_Token]) -> int:
    return next((each.start for each in tokens if isinstance(each, _Word)), 0)


def _divide(tokens: list[_Token]) -> tuple[list[list[_Token]] | None, list[str]]:
    """The simple commands of a list, and what stands between them; None if it is anything else than a list."""
    commands: list[list[_Token]] = [[]]
    between: list[str] = []
    for token in tokens:
        if token in ("&&", ";"):
            commands.append([])
            between.append(str(token))
        elif isinstance(token, str) and _OPERATOR.fullmatch(token):
            return None, []
        else:
            commands[-1].append(token)
    if not commands[-1] and between and between[-1] == ";":
        del commands[-1], between[-1]
    for command in commands:
        first = command[0] if command else None
        if not isinstance(first, _Word) or first.text in _KEYWORDS:
            return None, []
    return commands, between


def _tokens(text: str) -> list[_Token] | None:
    """Words, operators and redirections; None for what cannot be read (an open quotation, a comment)."""
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
            continue
        redirection, operator = _REDIRECTION.match(text, at), _OPERATOR.match(text, at)
        if redirection is not None:
            target = _word(text, _skip_blanks(text, redirection.end()))
            if target is None or target.end == target.start:
                return None
            tokens.append(text[at : target.end])
            at = target.end
        elif operator is not None:
            tokens.append(operator[0])
            at = operator.end()
        elif text[at] == "#":
            return None
        else:
            word = _word(text, at)
            if word is None:
                return None
            tokens.append(word)
            at = word.end
    return tokens


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t":
        at += 1
    return at


def _word(text: str, start: int) -> _Word | None:
    """The word that begins at a place; None when a quotation in it is not closed."""
    word = _Word(start)
    at = start
    while at < len(text) and text[at] not in " \t\n|&;()<>":
        each = text[at]
        if each == "'":
            closing = text.find("'", at + 1)
            if closing < 0:
                return None
            word.parts.append(text[at + 1 : closing])
            at = closing + 1
        elif each == '"':
            end = _double_quoted(text, at + 1, word)
            if end is None:
                return None
            at = end
        elif each == "\\":
            if at + 1 >= len(text):
                return None
            word.parts.append("" if text[at + 1] == "\n" else text[at + 1])
            at += 2
        elif each == "$":
            at = _variable(text, at, word)
        else:
            if each in "`*?[" or (each == "~" and at == start):
                word.plain = False
            word.parts.append(each)
            at += 1
    word.end = at
    return word


def _double_quoted(text: str, at: int, word: _Word) -> int | None:
    """Read to the end of a quotation. :returns: the place behind it; None if there is no end."""
    while at < len(text):
        each = text[at]
        if each == '"':
            word.parts.append("")
            return at + 1
        if each == "\\" and at + 1 < len(text) and text[at + 1] in '"\\$`\n':
            word.parts.append("" if text[at + 1] == "\n" else text[at + 1])
            at += 2
        elif each == "$":
            at = _variable(text, at, word)
        else:
            word.plain = word.plain and each != "`"
            word.parts.append(each)
            at += 1
    return None


def _variable(text: str, at: int, word: _Word) -> int:
    """Read what begins with ``$``. :returns: the place behind it."""
    braced = text.startswith("${", at)
    match = _NAME.match(text, at + 2 if braced else at + 1)
    if match is None or (braced and not text.startswith("}", match.end())):
        rest = text[at + 1 : at + 2]
        word.plain = word.plain and (not rest or rest in " \t\n\"'")  # a dollar sign for itself
        word.parts.append("$")
        return at + 1
    word.variables.append(match[0])
    word.parts.append(Ref(f"$(circus.env.{match[0]})", splits=True))
    return match.end() + (1 if braced else 0)
