"""Writes the reference pages of the manual from the tables and docstrings of the code.

``python docs/generate.py`` writes ``docs/source/reference/*.rst``; ``--check`` writes nothing and ends with status 1
when one of them is not what it would write (``tests/unit/test_docs.py`` asks that). What the pages say is said in
the code; here is only how it is laid out.
"""

from __future__ import annotations

import argparse
import inspect
import re
import signal
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))

from circus import exc  # noqa: E402
from circus.commands import SUMMARIES, find_command  # noqa: E402
from circus.commands.base import Command  # noqa: E402
from circus.model.events import EVENTS, Key  # noqa: E402
from circus.model.hooktable import HOOKS  # noqa: E402
from circus.model.messages import ERROR_CODES  # noqa: E402
from circus.model.options.table import OnChange, Option, Table  # noqa: E402
from circus.model.options.tables import CIRCUS, PLUGIN, SOCKET, STREAM, STREAM_CLASSES, WATCHER  # noqa: E402
from circus.plugins.options import PluginOption  # noqa: E402
from circus.plugins.tables import BUNDLED  # noqa: E402

TARGET = HERE / "source" / "reference"
WIDTH = 110
WARNING = ".. Written by docs/generate.py; change the tables and docstrings it reads instead.\n"

#: What a change of an option asks of a running watcher; see OnChange.
CHANGES = {
    OnChange.NOTHING: "takes effect at the next use",
    OnChange.RECONCILE: "takes effect at once, healthy processes stay",
    OnChange.ROLL: "replaces the processes gracefully",
    OnChange.STREAM: "switches the open pipes over to the new stream",
    OnChange.REPLACE: "makes the thing anew",
}


# -- restructured text --------------------------------------------------------------------------------


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


def page(title: str, introduction: str, parts: Iterable[str]) -> str:
    """A whole page."""
    paragraphs = [wrapped(paragraph) for paragraph in introduction.split("\n\n")]
    return "\n".join([WARNING, heading(title, "="), "\n\n".join(paragraphs) + "\n", *parts]).rstrip() + "\n"


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


def facts_of(option: Option, table: Table) -> str:
    """Kind, default, effect of a change, availability, as one line of text."""
    default = shown_default(option)
    facts = [escape(option.kind.word), f"default {default}" if default else "no default"]
    if isinstance(option, PluginOption) and option.unit:
        facts.append(f"in {option.unit}")
    if table is WATCHER:
        facts.append(f"a change {CHANGES[option.on_change]}")
        ways = [word for word, there in (("file", option.in_ini), ("add", option.addable), ("set", option.settable))
                if there]
        facts.append(f"accepted in: {', '.join(ways) or 'programs only'}")
    elif not option.in_ini:
        facts.append("not in a file")
    if option.since != "0.19":
        facts.append(f"new in {option.since}")
    return "; ".join(facts) + "."


def entry(option: Option, table: Table) -> str:
    """One option as an item of a definition list."""
    lines = [f"``{shown_name(option)}``", wrapped(escape(option.doc), "    ")]
    if option.deprecated:
        lines += ["", wrapped(f"Deprecated: {escape(option.deprecated)}.", "    ")]
    return "\n".join([*lines, "", wrapped(facts_of(option, table), "    "), ""])


def stream_classes() -> str:
    """Which class understands which keys."""
    lines = ["The built-in classes, and the keys each understands besides ``class``:", ""]
    for name, keys in STREAM_CLASSES.items():
        listed = ", ".join(f"``{key}``" for key in STREAM.names if key in keys)
        lines += [f"``{name}``", wrapped(listed, "    "), ""]
    return "\n".join(lines)


def options_page() -> str:
    """reference/options.rst"""
    sections: tuple[tuple[str, str, Table], ...] = (
        ("[circus]", "The daemon itself.", CIRCUS),
        ("[watcher:NAME]", "One program and how it is kept running.", WATCHER),
        ("[socket:NAME]", "A socket that the daemon binds and holds for its watchers.", SOCKET),
        ("stdout_stream and stderr_stream", "Keys behind ``stdout_stream.`` and ``stderr_stream.`` in a watcher's "
         "section.", STREAM),
        ("[plugin:NAME]", "A program that follows the events of the daemon.", PLUGIN),
    )
    parts = []
    for title, text, table in sections:
        parts += [heading(title, "-"), wrapped(text) + "\n"]
        parts += [entry(option, table) for option in table]
        if table is STREAM:
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
    for name, table in BUNDLED.items():
        parts += [heading(name, "-"), *(entry(option, table) for option in table)]
    return page("Bundled plugins", introduction, parts)


# -- commands -----------------------------------------------------------------------------------------


def command_part(name: str) -> str:
    """One command: its docstring, and its options on the command line."""
    command = find_command(name)
    first, _, rest = command.desc.partition("\n")
    parts = [heading(name, "-"), f"**{escape(first)}.**\n", demoted(rest.strip("\n")), ""]
    parts += options_of(command)
    return "\n".join(parts)


def options_of(command: Command) -> list[str]:
    """The options of a command on the command line, as a definition list."""
    lines: list[str] = []
    for short, long, default, text in command.options:
        dashed = f"--{long}" if isinstance(default, bool) else f"--{long} {long.upper()}"
        flags = f"``-{short}``, ``{dashed}``" if short else f"``{dashed}``"
        lines += [flags, wrapped(escape(text), "    "), ""]
    return ["Options:\n", *lines] if lines else []


def commands_page() -> str:
    """reference/commands.rst"""
    introduction = (
        "What can be asked of a daemon, by ``circusctl`` (:doc:`../guide/commandline`), by the client library "
        "(:doc:`../guide/library`) or by any program that sends JSON over a ZeroMQ DEALER or REQ socket.\n\n"
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
    return "\n".join([f"``{key.name}``", wrapped(f"{escape(key.doc)} ({', '.join(facts)})", "    "), ""])


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
    rows = [".. list-table::", "   :header-rows: 1", "   :widths: 18 26 36 20", "", "   * - Hook", "     - Arguments",
            "     - When, and what refusal does", "     - An exception"]
    for hook in HOOKS.values():
        arguments = ", ".join(f"``{name}``" for name in hook.arguments) or "none"
        failure = "counts as consent" if hook.forgives else "counts as refusal"
        rows += [f"   * - ``{hook.name}``", f"     - {arguments}", f"     - {escape(hook.doc)}", f"     - {failure}"]
    introduction = (
        "The points of a watcher's life at which a function of yours is called; how to write one is told in "
        ":doc:`../guide/hooks`.\n\n"
        "Every hook is called with the keywords ``watcher``, ``arbiter`` and ``hook_name``, and with those of the "
        "table. A hook that guards something refuses by returning a false value, None included. Where an exception "
        "counts as refusal, the flag behind the function's name turns it into consent."
    )
    return page("Hooks", introduction, ["\n".join(rows) + "\n"])


def errors_page() -> str:
    """reference/errors.rst"""
    codes = [".. list-table::", "   :header-rows: 1", "   :widths: 10 35 55", "", "   * - errno", "     - Name",
             "     - Meaning"]
    for number, (name, meaning) in ERROR_CODES.items():
        codes += [f"   * - {number}", f"     - ``{name}``", f"     - {escape(meaning)}"]
    classes = [value for value in vars(exc).values() if inspect.isclass(value) and value.__module__ == exc.__name__]
    types = []
    for error in classes:
        bases = " and ".join(f"``{base.__name__}``" for base in error.__bases__)
        summary = " ".join((inspect.getdoc(error) or "").partition("\n\n")[0].split())
        types += [f"``{error.__name__}``", wrapped(escape(summary), "    "), "",
                  f"    A {bases}; as a reply, errno {error.errno}.", ""]
    introduction = (
        "How a daemon says no. A reply that reports an error carries a sentence in ``reason`` and one of these numbers "
        "in ``errno``; programs should go by the number."
    )
    parts = [heading("In replies", "-"), "\n".join(codes) + "\n", heading("In programs", "-"),
             "The exceptions of ``circus.exc``:\n", "\n".join(types)]
    return page("Errors", introduction, parts)


PAGES: dict[str, Callable[[], str]] = {
    "options.rst": options_page, "commands.rst": commands_page, "hooks.rst": hooks_page, "events.rst": events_page,
    "errors.rst": errors_page,
    "plugins.rst": plugins_page,
}


def stale_pages() -> list[str]:
    """Names of the pages that are not what would be written now."""
    found = []
    for name, write in PAGES.items():
        path = TARGET / name
        if not path.exists() or path.read_text(encoding="utf-8") != write():
            found.append(name)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pages, or check them; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the reference pages of the manual.")
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 when a page is out of date")
    if parser.parse_args(argv).check:
        stale = stale_pages()
        for name in stale:
            print(f"docs/source/reference/{name} is out of date: run python docs/generate.py", file=sys.stderr)
        return 1 if stale else 0
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, write in PAGES.items():
        (TARGET / name).write_text(write(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
