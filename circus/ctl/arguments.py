"""The command line of circusctl: global options, the command word, the command's own options.

Called by ``circusctl`` and, for each line typed, by its shell. One parser of our own serves both: it costs
nothing to load, takes options and arguments in any order, and words its errors alike under every version of
Python. Only the help and usage texts of single commands are made by argparse. Spec cli.md 2.
"""

from __future__ import annotations

import sys

from circus import __version__
from circus.ctl.vocabulary import summary_of
from circus.exc import ArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from circus.ctl.vocabulary import Commands

USAGE = "circusctl [options] command [args]"
VERSION = f"circusctl {__version__}"
SHELLS = ("bash", "zsh", "fish")


class Unasked(int):
    """A default that nobody has asked for: it may give way."""


#: The global options: name, default (a bool makes a switch, an int wants a number), help.
GLOBAL_OPTIONS: tuple[tuple[str, Any, str], ...] = (
    ("completion", None, f"print the completion script of {', '.join(SHELLS[:-1])} or {SHELLS[-1]}"),
    ("endpoint", None, "connection endpoint"),
    ("help", False, "Show help and exit"),
    ("json", False, "output to JSON"),
    ("prettify", False, "prettify output"),
    ("ssh", None, "SSH Server in the format user@host:port"),
    ("ssh_keyfile", None, "the path to the keyfile to authorise the user"),
    ("timeout", Unasked(5), "connection timeout"),
    ("version", False, "display version and exit"),
)
#: Positional arguments in help pages, as argparse counts them. The others have always been left out there.
_ARGUMENTS = {"tail": "*", "events": "*"}
_DEFAULTS = {name: default for name, default, _ in GLOBAL_OPTIONS}


class CommandLineError(ArgumentError):
    """The options make no sense. Exit status 2.

    :param text: what is wrong, without prefix.
    :param prog: who says so: the program, or program and command.
    :param command: the command whose usage helps; None for the program's own.
    """

    def __init__(self, text: str, prog: str, command: Any = None) -> None:
        super().__init__(text)
        self.prog, self.command = prog, command

    def report(self) -> str:
        """The usage and the error, as printed on stderr."""
        usage = f"usage: {USAGE}\n" if self.command is None else command_usage(self.command)
        return f"{usage}{self.prog}: error: {self}\n"


class BadValue(CommandLineError):
    """The value of an option makes no sense: one line, without the usage, which would not help.

    :param option: long name of the option.
    :param text: what is wrong, with the value.
    """

    def __init__(self, option: str, text: str) -> None:
        super().__init__(f"--{option}: {text}", "circusctl")

    def report(self) -> str:
        return f"{self.prog}: error: {self}\n"


class Namespace:
    """The parsed options as attributes."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __repr__(self) -> str:
        return f"Namespace({', '.join(f'{key}={value!r}' for key, value in self.__dict__.items())})"


def parse_arguments(args: Sequence[str], commands: Commands) -> dict[str, Any]:
    """Take a command line apart.

    :param args: the words after the program's name.
    :param commands: command word -> command.
    :returns: the global options by name, and ``args``: a namespace of those, plus, when there is a command,
        ``command``, ``args`` (its positional arguments), ``opts`` (its options, as its ``message`` takes
        them) and ``command_help``.
    :raises CommandLineError: unknown or incomplete options, words that are no command.
    """
    prog = _program()
    values = dict(_DEFAULTS)
    extras: list[str] = []
    spoken: dict[str, Any] = {}
    words = _Words(args)
    command_on = any(word in commands for word in args)
    while words and not spoken:
        word = words.take()
        if word.startswith("--") and len(word) > 2:
            if not _take_option(word, words, values, prog):
                extras.append(word)
        elif word in commands:
            spoken = _parse_command(word, words, commands, extras)
        elif word == "--" or not command_on or _looks_like_option(word):
            extras.append(word)
        else:
            names = ", ".join(map(repr, commands))
            meant = _remedy([*extras, word], spoken, commands)
            raise CommandLineError(f"argument command: invalid choice: {word!r} (choose from {names}){meant}", prog)
    if extras:
        raise CommandLineError(f"unrecognized arguments: {' '.join(extras)}{_remedy(extras, spoken, commands)}", prog)
    return {"args": Namespace(**values, **spoken), **values}


def _remedy(extras: list[str], spoken: dict[str, Any], commands: Commands) -> str:
    """What to do about options of circusctl itself that stand behind the command, and about slips of the finger."""
    if spoken:
        late = next((word.partition("=")[0] for word in extras if word[2:].partition("=")[0] in _DEFAULTS), None)
        return f" ({late} stands before the command: {late} ... {spoken['command']})" if late else ""
    if "help" in extras:
        return " (there is circusctl --help, and circusctl COMMAND --help)"
    meant = suggest(extras, [*commands, *(f"--{name}" for name in _DEFAULTS)])
    return f" ({meant})" if meant else ""


def suggest(words: Iterable[str], known: Sequence[str]) -> str:
    """``did you mean ...?``, for those of the words that are nearly known; nothing when there are none."""
    from difflib import get_close_matches  # takes time to import, and is needed by few

    meant = [found for word in words for found in get_close_matches(word.partition("=")[0], known, 1, 0.7)]
    return f"did you mean {', '.join(meant)}?" if meant else ""


class _Words:
    """The words still to be read."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = list(words)
        self._words.reverse()

    def __bool__(self) -> bool:
        return bool(self._words)

    def take(self) -> str:
        return self._words.pop()

    def take_value(self) -> str | None:
        """The next word if it can be the value of an option."""
        if self._words and not _looks_like_option(self._words[-1]) and self._words[-1] != "--":
            return self._words.pop()
        return None


def _looks_like_option(word: str) -> bool:
    """A word that begins with ``-`` and is neither alone, nor a negative number, nor holds a blank."""
    return len(word) > 1 and word[0] == "-" and word != "--" and " " not in word and not _is_number(word[1:])


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit() and text.isascii() and not text.endswith(".")


def _program() -> str:
    return sys.argv[0].rpartition("/")[2] if sys.argv and sys.argv[0] else "circusctl"


def _complete_name(name: str, names: Iterable[str], prog: str, command: Any = None) -> str | None:
    """The option meant by ``name``: itself or the only one it begins.

    :raises CommandLineError: it begins several.
    """
    names = list(names)
    if name in names:
        return name
    found = [candidate for candidate in names if candidate.startswith(name)]
    if len(found) > 1:
        choices = ", ".join(f"--{candidate}" for candidate in found)
        raise CommandLineError(f"ambiguous option: --{name} could match {choices}", prog, command)
    return found[0] if found else None


def _take_option(word: str, words: _Words, values: dict[str, Any], prog: str, command: Any = None) -> bool:
    """Read one long option into ``values``, whose present values tell the kinds.

    :returns: False: there is no such option.
    """
    name, has_value, value = word[2:].partition("=")
    full_name = _complete_name(name, values, prog, command)
    if full_name is None:
        return False
    if isinstance(values[full_name], bool):
        if has_value:
            raise CommandLineError(
                f"argument --{full_name}: ignored explicit argument {value!r}", prog, command
            )
        values[full_name] = True
        return True
    given = value if has_value else words.take_value()
    if given is None:
        raise CommandLineError(f"argument --{full_name}: expected one argument", prog, command)
    values[full_name] = _checked(full_name, given, prog) if command is None else given
    return True


def _checked(name: str, value: str, prog: str) -> Any:
    """The value of a global option."""
    if isinstance(_DEFAULTS[name], int):
        try:
            return int(value)
        except ValueError:
            raise CommandLineError(f"argument --{name}: invalid int value: {value!r}", prog) from None
    if name == "completion" and value not in SHELLS:
        choices = ", ".join(map(repr, SHELLS))
        raise CommandLineError(f"argument --{name}: invalid choice: {value!r} (choose from {choices})", prog)
    return value


def _parse_command(name: str, words: _Words, commands: Commands, extras: list[str]) -> dict[str, Any]:
    """Read what follows a command word. Options may stand anywhere; ``--`` ends them."""
    command = commands[name]
    prog = f"{USAGE} {name}"
    declared = options_of(command)
    options = {long: default for _, long, default, _ in declared}
    shorts = {short: long for short, long, _, _ in declared if short}
    positional: list[str] = []
    wants_help = False
    while words:
        word = words.take()
        if word == "--":
            while words:
                positional.append(words.take())
        elif word in ("-h", "--help"):
            wants_help = True
        elif not _looks_like_option(word):
            positional.append(word)
        else:
            for full in [word] if word.startswith("--") else _spelt_out(word, shorts, options):
                if not full.startswith("--") or not _take_option(full, words, options, prog, command):
                    extras.append(word)
    opts = {long.replace("-", "_"): value for long, value in options.items()}
    return {"command": name, "args": positional, "command_help": wants_help, "opts": opts}


def _spelt_out(word: str, shorts: dict[str, str], options: dict[str, Any]) -> list[str]:
    """The long options that ``-fn20`` or the like stands for; the word itself if it stands for none."""
    found = []
    for at, letter in enumerate(word[1:], 1):
        if letter not in shorts:
            return [word]
        long = shorts[letter]
        if isinstance(options[long], bool):
            found.append(f"--{long}")
            continue
        value = word[at + 1 :]
        return [*found, f"--{long}={value}" if value else f"--{long}"]
    return found


def options_of(command: Any) -> Sequence[tuple[str, str, Any, str]]:
    """The options of a command: those its class declares, and those that only concern circusctl."""
    if command.name not in ("tail", "events", "why"):
        return tuple(command.options)
    from circus.ctl.clientoptions import all_options  # other commands need not wait for it

    return all_options(command)


def main_help(commands: Commands) -> str:
    """The help page of the program."""
    lines = [f"usage: {USAGE}", "", "Controls a Circus daemon", "", "Commands:"]
    lines += [_entry(name, summary_of(commands, name)) for name in sorted(commands)]
    lines += ["", "options:"]
    for name, default, text in GLOBAL_OPTIONS:
        lines.append(_entry(f"--{name}" if isinstance(default, bool) else f"--{name} {name.upper()}", text))
    return "\n".join(lines) + "\n"


def _entry(term: str, text: str) -> str:
    if len(term) > 20:
        return f"  {term}\n{' ' * 24}{text}"
    return f"  {term:<21} {text}"


def command_help(command: Any) -> str:
    """The help page of a command, as argparse writes it."""
    return str(_argument_parser(command).format_help())


def command_usage(command: Any) -> str:
    """The usage of a command, as argparse writes it."""
    return str(_argument_parser(command).format_usage())


def _argument_parser(command: Any) -> Any:
    import argparse  # for its texts only

    parser = argparse.ArgumentParser(prog=f"{USAGE} {command.name}")
    if hasattr(command, "positional"):  # an errand of circusctl itself
        parser.add_argument("argument", metavar=command.positional[0], help=command.positional[1])
    if command.name in _ARGUMENTS:
        parser.add_argument("watcher", nargs=_ARGUMENTS[command.name], help="names; * and ? stand for any characters")
    for short, long, default, text in options_of(command):
        flags = [f"-{short}", f"--{long}"] if short else [f"--{long}"]
        if isinstance(default, bool):
            parser.add_argument(*flags, action="store_true", help=text.replace("%", "%%"))
        else:
            parser.add_argument(*flags, default=default, help=text.replace("%", "%%"))
    return parser
