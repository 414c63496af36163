"""The pages that are tables of the code, laid out: options, plugins, commands, events, hooks, errors."""

from __future__ import annotations

import inspect
import signal

from circus import exc
from circus.commands import SUMMARIES, find_command
from circus.commands.base import Command
from circus.ctl.arguments import options_of
from circus.model.events import EVENTS, Key
from circus.model.hooktable import HOOKS
from circus.model.messages import ERROR_CODES
from circus.model.options.table import OnChange, Option, Table
from circus.model.options.tables import CIRCUS, PLUGIN, SOCKET, STREAM, STREAM_CLASSES, WATCHER
from circus.plugins.options import PluginOption
from circus.plugins.tables import BUNDLED
from circusdocs.rst import definition, demoted, escape, heading, page, table, wrapped

#: What a change of an option asks of a running watcher; see OnChange.
CHANGES = {
    OnChange.NOTHING: "takes effect at the next use",
    OnChange.RECONCILE: "takes effect at once, healthy processes stay",
    OnChange.ROLL: "replaces the processes gracefully",
    OnChange.STREAM: "switches the open pipes over to the new stream",
    OnChange.REPLACE: "makes the thing anew",
}

#: The sections of a configuration file: header, what it is for, its options.
SECTIONS: tuple[tuple[str, str, Table], ...] = (
    ("[circus]", "The daemon itself.", CIRCUS),
    ("[watcher:NAME]", "One program and how it is kept running.", WATCHER),
    ("[socket:NAME]", "A socket that the daemon binds and holds for its watchers.", SOCKET),
    ("stdout_stream and stderr_stream", "Keys behind `stdout_stream.` and `stderr_stream.` in a watcher's "
     "section.", STREAM),
    ("[plugin:NAME]", "A program that follows the events of the daemon.", PLUGIN),
)


# -- options ------------------------------------------------------------------------------------------


def shown_name(option: Option) -> str:
    """How the name is written in a file; open families with a word for what may follow."""
    if not option.is_family:
        return option.name
    return option.name + ("KEY" if option.name.endswith("stream.") else "NAME")


def shown_default(option: Option) -> str:
    """The default as one would write it; empty for none."""
    if option.is_family or option.default in (None, "", {}) or option.name == "name":
        return ""
    if isinstance(option.default, signal.Signals):
        return f"``{option.default.name.removeprefix('SIG')}``"
    text = str(option.default).lower() if isinstance(option.default, bool) else option.kind.render(option.default)
    return f"``{text}``"


def facts_of(option: Option, options: Table) -> str:
    """Kind, default, effect of a change, availability, as one line of text."""
    default = shown_default(option)
    facts = [escape(option.kind.word), f"default {default}" if default else "no default"]
    if isinstance(option, PluginOption) and option.unit:
        facts.append(f"in {option.unit}")
    if options is WATCHER:
        facts.append(f"a change {CHANGES[option.on_change]}")
        ways = [word for word, there in (("file", option.in_ini), ("add", option.addable), ("set", option.settable))
                if there]
        facts.append(f"accepted in: {', '.join(ways) or 'programs only'}")
    elif not option.in_ini:
        facts.append("not in a file")
    if option.since != "0.19":
        facts.append(f"new in {option.since}")
    return "; ".join(facts) + "."


def entry(option: Option, options: Table) -> str:
    """One option as an item of a definition list."""
    paragraphs = [escape(option.doc)]
    if option.deprecated:
        paragraphs.append(f"Deprecated: {escape(option.deprecated)}.")
    return definition(f"``{shown_name(option)}``", "\n\n".join([*paragraphs, facts_of(option, options)]))


def stream_classes() -> str:
    """Which class understands which keys."""
    lines = ["The built-in classes, and the keys each understands besides ``class``:", ""]
    for name, keys in STREAM_CLASSES.items():
        listed = ", ".join(f"``{key}``" for key in STREAM.names if key in keys)
        lines.append(definition(f"``{name}``", listed))
    return "\n".join(lines)


def options_page() -> str:
    """reference/options.rst"""
    parts = []
    for title, text, options in SECTIONS:
        parts += [heading(title, "-"), wrapped(escape(text)) + "\n"]
        parts += [entry(option, options) for option in options]
        if options is STREAM:
            parts.append(stream_classes())
    introduction = (
        "Every option there is, section by section. How sections, values and variables are written is told in "
        ":doc:`../guide/configuration`.\n\n"
        "An option of a watcher tells what a change asks of a running one, whether it comes by ``circusctl set`` or by "
        "an edited file and ``reloadconfig``, and where it is accepted: in a *file*, among the options of ``circusctl "
        "add``, by ``circusctl set``."
    )
    return page("Options", introduction, parts)


def plugins_page() -> str:
    """reference/plugins.rst"""
    introduction = (
        "The options of the plugins that come with Circus, by the class that ``use`` names. What each plugin does is "
        "told in :doc:`../guide/plugins`.\n\n"
        "A section may also have what every plugin has (``active``, ``priority``), and options of the watcher that "
        "runs it (:doc:`options`)."
    )
    parts = []
    for name, options in BUNDLED.items():
        parts += [heading(name, "-"), *(entry(option, options) for option in options)]
    return page("Bundled plugins", introduction, parts)


# -- commands -----------------------------------------------------------------------------------------


def command_part(name: str) -> str:
    """One command: its docstring, and its options on the command line."""
    command = find_command(name)
    first, _, rest = command.desc.partition("\n")
    parts = [heading(name, "-"), f"**{escape(first)}.**\n", demoted(rest.strip("\n")), ""]
    parts += command_options(command)
    return "\n".join(parts)


#: What the values of options are called, where their names would say nothing.
VALUES = {
    "completion": "SHELL", "config": "FILE", "endpoint": "ENDPOINT", "graceful_timeout": "SECONDS", "grep": "REGEX",
    "lines": "N", "log-level": "LEVEL", "log-output": "DESTINATION", "logger-config": "FILE", "pidfile": "FILE",
    "signum": "SIGNAL", "since": "WHEN", "ssh": "USER@HOST:PORT", "ssh_keyfile": "FILE", "timeout": "SECONDS",
}


def shown_flags(short: str, long: str, default: object) -> list[str]:
    """An option of a command as it is typed, in its forms."""
    value = VALUES.get(long, long.upper())
    dashed = f"--{long}" if isinstance(default, bool) else f"--{long} {value}"
    return [f"-{short}", dashed] if short else [dashed]


def command_options(command: Command) -> list[str]:
    """The options of a command on the command line, as a definition list."""
    lines = [
        definition(", ".join(f"``{flag}``" for flag in shown_flags(short, long, default)), escape(text))
        for short, long, default, text in options_of(command)
    ]
    return ["Options:\n", *lines] if lines else []


def commands_page() -> str:
    """reference/commands.rst"""
    introduction = (
        "What can be asked of a daemon, by ``circusctl`` (:doc:`../guide/commandline`), by the client library "
        "(:doc:`../guide/library`) or by any program that sends JSON over a ZeroMQ DEALER or REQ socket "
        "(:doc:`../guide/commands`).\n\n"
        "A request is an object with ``command``, ``properties`` and, to tell replies apart, ``id``; with "
        "``msg_type`` set to ``cast`` there is no reply. A reply has ``status`` and ``time``, and the ``id`` of its "
        "request; one that reports an error has ``status`` set to ``error``, and ``reason`` and ``errno`` "
        "(:doc:`errors`)."
    )
    listed = [f"``{name}``\n    {escape(summary)}.\n" for name, (_, _, summary) in SUMMARIES.items()]
    return page("Commands", introduction, [*listed, *map(command_part, SUMMARIES)])


# -- events -------------------------------------------------------------------------------------------


def event_key(key: Key) -> str:
    """One key of a payload as an item of a definition list."""
    facts = [key.type, *([key.unit] if key.unit else [])]
    if not key.always:
        facts.append("not always there")
    if key.since != "0.19":
        facts.append(f"new in {key.since}")
    return definition(f"``{key.name}``", f"{escape(key.doc)} ({', '.join(facts)})")


def events_page() -> str:
    """reference/events.rst"""
    introduction = (
        "What a daemon publishes. How to listen, and how to ask for what has happened, is told in "
        ":doc:`../guide/events`.\n\n"
        "An event has two frames. The first is its topic, ``watcher.NAME.EVENT``: the name of the watcher in lower "
        "case, with ``_`` for blanks; it may contain dots, so take the topic apart from both ends. The second is an "
        "object in JSON with the keys below; programs should ignore keys they do not know. A key that is *not always "
        "there* is missing where a program manages processes by hand or publishes events of its own."
    )
    parts = []
    for spec in EVENTS.values():
        parts += [heading(spec.name, "-"), wrapped(escape(spec.when)) + "\n", *map(event_key, spec.keys)]
    return page("Events", introduction, parts)


# -- hooks and errors ---------------------------------------------------------------------------------


def hooks_page() -> str:
    """reference/hooks.rst"""
    rows = []
    for hook in HOOKS.values():
        arguments = ", ".join(f"``{name}``" for name in hook.arguments) or "none"
        failure = "counts as consent" if hook.forgives else "counts as refusal"
        rows.append([f"``{hook.name}``", arguments, escape(hook.doc), failure])
    introduction = (
        "The points of a watcher's life at which a function of yours is called; how to write one is told in "
        ":doc:`../guide/hooks`.\n\n"
        "Every hook is called with the keywords ``watcher``, ``arbiter`` and ``hook_name``, and with those of the "
        "table. A hook that guards something refuses by returning a false value, None included. Where an exception "
        "counts as refusal, the flag behind the function's name turns it into consent."
    )
    heads = ("Hook", "Arguments", "When, and what refusal does", "An exception")
    return page("Hooks", introduction, [table(heads, rows, "18 26 36 20")])


def errors_page() -> str:
    """reference/errors.rst"""
    codes = [[str(number), f"``{name}``", escape(meaning)] for number, (name, meaning) in ERROR_CODES.items()]
    classes = [value for value in vars(exc).values() if inspect.isclass(value) and value.__module__ == exc.__name__]
    types = []
    for error in classes:
        bases = " and ".join(f"``{base.__name__}``" for base in error.__bases__)
        summary = " ".join((inspect.getdoc(error) or "").partition("\n\n")[0].split())
        types.append(definition(
            f"``{error.__name__}``", f"{escape(summary)}\n\nA {bases}; as a reply, errno {error.errno}."
        ))
    introduction = (
        "How a daemon says no. A reply that reports an error carries a sentence in ``reason`` and one of these numbers "
        "in ``errno``; programs should go by the number. The exit statuses of the programs are told with them, in "
        ":doc:`programs`."
    )
    parts = [heading("In replies", "-"), table(("errno", "Name", "Meaning"), codes, "10 35 55"),
             heading("In programs", "-"), "The exceptions of ``circus.exc``:\n", "\n".join(types)]
    return page("Errors", introduction, parts)
