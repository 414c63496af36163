"""The programs: their command lines as their parsers have them, and what no table has.

Exit statuses, environment variables, signals and files are written down here, once, for reference/programs.rst and for
the man pages; ``tests/unit/test_docs.py`` holds the variables against the code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest.mock import patch

from circusdocs.reference import VALUES, shown_flags
from circusdocs.rst import definition, escape, heading, literal_block, page, table, wrapped

#: A term and what is said of it; `words` in backquotes are literals.
Term = tuple[str, str]


class Program(NamedTuple):
    """A program, for its reference and its man page.

    :param name: what is typed.
    :param summary: what it is, in a few words.
    :param synopsis: command lines, without the name.
    :param description: paragraphs.
    :param options: gives the options: what is typed, and what it means.
    :param statuses: exit status and meaning.
    :param variables: names of :data:`VARIABLES` that it reads.
    :param signals: signals and what they do.
    :param files: files and what they are.
    :param examples: a sentence, and the command line that it describes.
    :param see: other man pages.
    """

    name: str
    summary: str
    synopsis: tuple[str, ...]
    description: tuple[str, ...]
    options: Callable[[], list[Term]]
    statuses: tuple[Term, ...]
    variables: tuple[str, ...] = ()
    signals: tuple[Term, ...] = ()
    files: tuple[Term, ...] = ()
    examples: tuple[Term, ...] = ()
    see: tuple[str, ...] = ()


#: What the programs read from their environment.
VARIABLES: dict[str, str] = {
    "CIRCUSCTL_ENDPOINT": "The control endpoint, where none is given on the command line.",
    "CIRCUS_STATE_DIR": "Directory below which circus-httpd keeps its own files, in `httpd`.",
    "STATE_DIRECTORY": "The same, as systemd tells it to a service with `StateDirectory=`; `CIRCUS_STATE_DIR` comes "
                       "first.",
    "NOTIFY_SOCKET": "Where a service manager such as systemd wants to be told that the daemon is ready, and at work "
                     "(`WATCHDOG_USEC`, `WATCHDOG_PID`); workers do not inherit these.",
    "NO_COLOR": "No colours, if it is set to anything. A `TERM` of `dumb` has the same effect.",
    "SUDO_USER": "Told to the daemon behind the user's own name, as who is behind a command.",
    "XDG_STATE_HOME": "Where histories, settings and other files of a user are kept, in `circus`; by default "
                      "`~/.local/state`.",
}

#: What the processes of watchers get from the daemon.
WORKER_VARIABLES: dict[str, str] = {
    "CIRCUS_WATCHER": "Name of the watcher, unless `circus_env` is false.",
    "CIRCUS_WID": "Number of the worker within its watcher, from 1, unless `circus_env` is false.",
    "LISTEN_FDS": "With `listen_fds`: how many sockets there are, from descriptor 3 on. `LISTEN_FDNAMES` has their "
                  "names, with colons between them, `LISTEN_PID` the process they are for.",
    "HOME": "With `login_env` and a `uid`: the home of that user; likewise `USER`, `LOGNAME` and `SHELL`.",
    "PYTHONPATH": "With `copy_path`: the daemon's module search path.",
    "PATH": "The daemon's with `copy_env`. With `virtualenv` its directory of programs comes first, and "
            "`VIRTUAL_ENV` names it.",
}


# -- command lines ------------------------------------------------------------------------------------


class _Caught(Exception):
    """Carries a parser out of the function that made it."""


def parser_of(build: Callable[[], Any]) -> argparse.ArgumentParser:
    """The parser that a function returns, or is about to use."""

    def caught(parser: argparse.ArgumentParser, *_: Any) -> Any:
        raise _Caught(parser)

    with patch.object(argparse.ArgumentParser, "parse_args", caught), patch.object(sys, "argv", ["program"]):
        try:
            found: argparse.ArgumentParser = build()
        except _Caught as carrier:
            found = carrier.args[0]
    return found


def parsed_options(build: Callable[[], Any]) -> list[Term]:
    """The options and arguments of a parser."""
    terms = []
    for action in parser_of(build)._actions:
        if action.help == argparse.SUPPRESS or "--help" in action.option_strings:
            continue
        name = action.option_strings[-1].lstrip("-") if action.option_strings else action.dest
        value = str(action.metavar or VALUES.get(name, action.dest.upper())) if action.nargs != 0 else ""
        flags = ", ".join(f"{flag} {value}".strip() for flag in action.option_strings) or value
        text = (action.help or "") % {**vars(action), "prog": ""}
        if action.choices:
            text = f"{text}. One of {', '.join(f'`{choice}`' for choice in _without_twins(action.choices))}"
        elif action.default not in (None, False, [], "", argparse.SUPPRESS) and not _says(text, action.default):
            default = f"{action.default:g}" if isinstance(action.default, float) else action.default
            text = f"{text}. `{default}` by default"
        terms.append((flags, _sentence(text)))
    return terms


def _without_twins(choices: Any) -> list[str]:
    """Choices that differ in case alone are told once."""
    return list(dict.fromkeys(str(choice).lower() for choice in choices))


def _says(text: str, default: object) -> bool:
    return str(default) in text or (isinstance(default, float) and f"{default:g}" in text)


def _sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    if not text.split()[0].endswith(":"):  # a value, and what it means
        text = text[0].upper() + text[1:]
    return text if text.endswith((".", "?")) else f"{text}."


def _circusd() -> Any:
    from circus.circusd import parse_arguments

    return parse_arguments(["--version"])


def _stats() -> Any:
    from circus.stats import build_parser

    return build_parser()


def _top() -> Any:
    from circus.top import build_parser

    return build_parser()


def _plugin() -> Any:
    from circus.plugins.runner import build_parser

    return build_parser()


def _httpd() -> Any:
    from circus.web.commandline import build_parser

    return build_parser()


def httpd_options() -> list[Term]:
    """Those of circus-httpd, whoever asks: where its files are depends on that."""
    from circus.web.settings import default_state_directory

    here = str(default_state_directory())
    there = "/var/lib/circus/httpd for root, else ~/.local/state/circus/httpd"
    return [(flags, text.replace(here, there)) for flags, text in parsed_options(_httpd)]


def circusctl_options() -> list[Term]:
    """The global options of circusctl."""
    from circus.ctl.arguments import GLOBAL_OPTIONS

    terms = []
    for name, default, text in GLOBAL_OPTIONS:
        if default not in (None, False):
            text = f"{text}. `{default}` by default"
        terms.append((shown_flags("", name, default)[0], _sentence(text)))
    return terms


_HISTORY = ("$XDG_STATE_HOME/circus/history", "What was typed into the shell. Mode 0600.")

PROGRAMS: dict[str, Program] = {
    program.name: program
    for program in (
        Program(
            "circusd", "keeps processes running, and owns their sockets and logs",
            ("[options] FILE", "--check FILE"),
            ("Reads a configuration file, circus.ini(5), binds the endpoints and sockets that it names, starts its "
             "watchers, and keeps them running until it is told to stop. circusctl(1) controls it.",
             "It stays in the foreground and logs to standard error unless it is told otherwise. What is said on the "
             "command line wins over the file, also when the file is read again."),
            lambda: parsed_options(_circusd),
            (("0", "It ended because somebody asked for that; or nothing is wrong with the file (`--check`)."),
             ("1", "It could not start, and one line on standard error tells why; or the file has errors."),
             ("2", "The command line makes no sense.")),
            ("NOTIFY_SOCKET",),
            signals=(
                ("TERM, INT, QUIT", "Stop everything and exit. They win over whatever is going on; a second one kills "
                 "instead of waiting."),
                ("HUP", "Reload every running watcher gracefully, and open all log files again."),
                ("USR1", "Open all log files again, without touching a process."),
                ("USR2, WINCH", "Ignored."),
            ),
            examples=(
                ("Say what is wrong with a file, and start nothing:", "circusd --check circus.ini"),
                ("Detach; the command returns when everything is bound, or fails with the reason:",
                 "circusd --daemon --pidfile /run/circusd.pid circus.ini"),
            ),
            see=("circus.ini(5)", "circusctl(1)", "circus-top(1)"),
        ),
        Program(
            "circusctl", "controls a circusd and looks into it",
            ("[options]", "[options] COMMAND [arguments]"),
            ("Sends one command to a daemon and prints the reply. Without a command it is a shell: it prints the "
             "status and reads commands until the end of input, with completion and a history on a terminal.",
             "Commands that take time return when the daemon has accepted them, with `--waiting` when they are done, "
             "with their outcome. The options below stand before COMMAND; those of a command anywhere behind it."),
            circusctl_options,
            (("0", "Done, or accepted."),
             ("1", "No reply, or nothing could be sent: wrong arguments, nobody there, timeout."),
             ("2", "Bad options, or no such command."),
             ("3", "The daemon answered with an error; with `--json` as well.")),
            ("CIRCUSCTL_ENDPOINT", "NO_COLOR", "SUDO_USER", "XDG_STATE_HOME"),
            files=(_HISTORY,),
            examples=(
                ("Replace the processes of a watcher gracefully, and wait for the outcome:",
                 "circusctl reload web --waiting"),
                ("Follow the output of some watchers:", 'circusctl tail -f web "work*"'),
                ("Complete commands, watchers and pids in this shell:", "source <(circusctl --completion bash)"),
            ),
            see=("circusd(1)", "circus-top(1)", "circus.ini(5)"),
        ),
        Program(
            "circusd-stats", "measures the processes of a circusd and publishes what they use",
            ("[options]",),
            ("Measures every process of every watcher each second, and publishes that on a ZeroMQ PUB socket; "
             "circus-top(1), circus-httpd(1) and other programs listen there. It remembers ten minutes of everything "
             "and a day of watchers, and serves metrics for Prometheus with `--metrics`.",
             "circusd starts it as a watcher if its file says `statsd = True`. Run by hand it has to be on the host of "
             "the daemon; it outlives that and finds the next one."),
            lambda: parsed_options(_stats),
            (("0", "A signal ended it."), ("1", "An endpoint cannot be bound."),
             ("2", "The command line makes no sense.")),
            signals=(("TERM, INT, QUIT", "End."), ("USR1", "Open the log file again.")),
            see=("circusd(1)", "circus-top(1)"),
        ),
        Program(
            "circus-top", "shows what daemons and their workers do, live",
            ("[options]",),
            ("A table of watchers and workers in the terminal, with charts, output, events and the reasons behind "
             "them, and keys that act on them; `?` in the program lists those. With `--once`, or if standard output is "
             "no terminal, one table is printed.",),
            lambda: parsed_options(_top),
            (("0", "Ended by its user, or printed what was asked for."), ("1", "No daemon could be reached."),
             ("2", "The command line makes no sense.")),
            ("CIRCUSCTL_ENDPOINT", "NO_COLOR", "XDG_STATE_HOME"),
            files=(("$XDG_STATE_HOME/circus/top.json", "Sorting, columns, theme, and keys of your own."),),
            examples=(
                ("Two daemons in one table:", "circus-top --control tcp://web1:5555 --control tcp://web2:5555"),
                ("What uses more than 200 MB, for a script:", "circus-top --once --csv --filter 'rss>200M'"),
            ),
            see=("circusctl(1)", "circusd-stats(1)", "circus-httpd(1)"),
        ),
        Program(
            "circus-plugin", "runs a plugin beside a circusd",
            ("[options] PACKAGE.MODULE.CLASS",),
            ("Connects a plugin to a daemon and runs it until a signal ends it. circusd starts it for each "
             "`[plugin:NAME]` section of its file; it can be run by hand against any daemon.",),
            lambda: parsed_options(_plugin),
            (("0", "A signal ended it, or its section says `active = False`."), ("1", "It failed, or has no daemon."),
             ("2", "The command line makes no sense."),
             ("78", "Its class or its options cannot be used: circusd does not start it again.")),
            signals=(("TERM, INT, QUIT, HUP", "End by way of `handle_stop`; a second one ends it at once."),),
            examples=(
                ("A plugin with two options:",
                 "circus-plugin --config attempts:3:::window:10 circus.plugins.flapping.Flapping"),
            ),
            see=("circusd(1)", "circus.ini(5)"),
        ),
        Program(
            "circus-httpd", "the web console of circusd",
            ("[options]", "--add-user NAME [--role viewer|operator|admin]", "--add-token NAME [--role ROLE]",
             "--remove NAME", "--login-link"),
            ("Serves pages for people, a REST API and a WebSocket for programs, and metrics for Prometheus, for one or "
             "several daemons. circusd starts it if its file says `httpd = True`. `circushttpd` is another name of it.",
             "Without users it prints a link that logs in once. A new password is asked for at a terminal, else read "
             "from standard input."),
            httpd_options,
            (("0", "A signal ended it, or what was asked for is done."), ("1", "It cannot serve; one line tells why."),
             ("2", "The command line makes no sense.")),
            ("CIRCUSCTL_ENDPOINT", "CIRCUS_STATE_DIR", "STATE_DIRECTORY", "XDG_STATE_HOME"),
            files=(("/var/lib/circus/httpd", "For root: users, the secret behind sessions, ended sessions, and where "
                    "consoles run. For others `$XDG_STATE_HOME/circus/httpd`."),),
            see=("circusd(1)", "circusctl(1)", "circus-top(1)"),
        ),
    )
}


# -- reference/programs.rst ---------------------------------------------------------------------------


def _part(program: Program) -> list[str]:
    lines = [heading(program.name, "-"), wrapped(_sentence(escape(program.summary))) + "\n",
             literal_block(f"{program.name} {line}" for line in program.synopsis)]
    lines += [definition(f"``{flags}``", escape(text)) for flags, text in program.options()]
    lines += ["Exit status:\n", *(definition(f"``{status}``", escape(text)) for status, text in program.statuses)]
    for title, terms in (("Signals", program.signals), ("Files", program.files)):
        if terms:
            lines += [f"{title}:\n", *(definition(f"``{term}``", escape(text)) for term, text in terms)]
    if program.name == "circusctl":
        lines += _errands()
    if program.variables:
        lines.append(f"Variables: {', '.join(f'``{name}``' for name in program.variables)}.\n")
    return lines


def _errands() -> list[str]:
    """What circusctl does by itself; the commands that go to a daemon have a page of their own."""
    from circus.ctl.arguments import options_of
    from circus.ctl.vocabulary import ERRANDS, WithErrands

    lines = ["The commands that are sent to a daemon are told in :doc:`commands`. These are not:\n"]
    for name, (_, _, summary) in ERRANDS.items():
        command = WithErrands()[name]
        options = "; ".join(
            f"``{', '.join(shown_flags(short, long, default))}``: {escape(text)}"
            for short, long, default, text in options_of(command)
        )
        lines.append(definition(f"``{name} {command.positional[0]}``", f"{escape(summary)}.\n\n{options}."))
    return lines


def programs_page() -> str:
    """reference/programs.rst"""
    introduction = (
        "The command lines, exit statuses and variables of all programs. How they are used is told in "
        ":doc:`../guide/commandline`, and in the pages of :doc:`../guide/top`, :doc:`../guide/statistics`, "
        ":doc:`../guide/plugins` and :doc:`../guide/web`. The same is in the man pages ``circusd(1)``, "
        "``circusctl(1)`` and so on; ``circus.ini(5)`` has the options of the file."
    )
    parts = [line for program in PROGRAMS.values() for line in _part(program)]
    heads = ("Variable", "Meaning")
    for title, text, variables in (
        ("Environment variables", "What the programs read:", VARIABLES),
        ("Variables of workers", "What processes of watchers find, besides what the file gives them:",
         WORKER_VARIABLES),
    ):
        rows = [[f"``{name}``", wrapped(escape(meaning), " " * 7).strip()] for name, meaning in variables.items()]
        parts += [heading(title, "-"), text + "\n", table(heads, rows, "28 72")]
    return page("Programs", introduction, parts)
