"""Man pages, written as troff (man(7)) from the same tables as the reference.

A dozen macros is all they need, so there is no library between: what is written is the same on every machine, and a
test can compare it with what is committed. ``docs/man`` is what gets installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from circus import __version__
from circus.commands import SUMMARIES
from circus.ctl.arguments import options_of
from circus.ctl.vocabulary import ERRANDS, WithErrands
from circus.model.options.table import Option, Table
from circus.model.options.tables import STREAM, STREAM_CLASSES
from circusdocs.programs import PROGRAMS, VARIABLES, Program, Term
from circusdocs.reference import SECTIONS, facts_of, shown_flags, shown_name

WARNING = '.\\" Written by docs/generate.py; change the tables and docstrings it reads instead.\n'


# -- troff --------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Text that means itself."""
    text = text.replace("\\", "\\e").replace("'", "\\(aq")
    return text.replace("^", "\\(ha").replace("~", "\\(ti")


def literal(text: str) -> str:
    """What is typed: minus signs are minus signs."""
    return plain(text).replace("-", "\\-")


def marked(text: str) -> str:
    """Prose: `words` are bold, and so are pages such as circusd(1)."""
    parts = re.split(r"``(.+?)``|`([^`]+)`", text)
    out = []
    for index in range(0, len(parts), 3):
        prose = plain(parts[index])
        out.append(re.sub(r"\b(circus[\w.-]*|setrlimit)\((\d)\)", r"\\fB\1\\fR(\2)", prose).replace("--", "\\-\\-"))
        word = "".join(part or "" for part in parts[index + 1 : index + 3])
        if word:
            out.append(f"\\fB{literal(word)}\\fR")
    return line("".join(out))


def line(text: str) -> str:
    """A line of input that is no request."""
    return f"\\&{text}" if text.startswith((".", "'")) else text


def term(text: str) -> str:
    """The head of an item: options bold, what stands for a value slanted."""
    words = []
    for word in re.split(r"([\s,=|\[\]]+)", text):
        bare = word.strip("()")
        if bare.isupper() and len(bare) > 1 and not word.startswith("-"):
            words.append(f"\\fI{literal(word)}\\fR")
        elif word.strip(" ,=|[]"):
            words.append(f"\\fB{literal(word)}\\fR")
        else:
            words.append(word)
    return line("".join(words))


def items(terms: Iterable[Term]) -> str:
    """A list of terms and paragraphs."""
    lines = []
    for name, text in terms:
        first, *rest = text.split("\n\n")
        lines += [".TP", term(name), marked(first)]
        for paragraph in rest:
            lines += [".IP", marked(paragraph)]
    return "".join(f"{each}\n" for each in lines)


def paragraphs(*texts: str) -> str:
    """Paragraphs."""
    return "".join(f".PP\n{marked(text)}\n" for text in texts)


def example(*lines: str) -> str:
    """Lines as they are typed or written."""
    body = "\n".join(line(literal(each)) for each in lines)
    return f".PP\n.RS 4\n.nf\n{body}\n.fi\n.RE\n"


def section(title: str, *parts: str) -> str:
    """A section."""
    return f".SH {title.upper()}\n" + "".join(parts)


def subsection(title: str, *parts: str) -> str:
    """A part of a section."""
    return f".SS {literal(title)}\n" + "".join(parts)


def head(name: str, chapter: int, summary: str) -> str:
    """The beginning of a page."""
    title = f'.TH {literal(name.upper())} {chapter} "" "Circus {__version__}" "Circus manual"\n'
    # No hyphenation and no justification: option names and commands stay whole.
    return f"{WARNING}{title}.nh\n.ad l\n" + section("name", f"{literal(name)} \\- {plain(summary)}\n")


def see_also(*pages: str) -> str:
    """Where more is told."""
    return section("see also", ",\n".join(marked(each) for each in pages) + "\n")


# -- programs -----------------------------------------------------------------------------------------


def program_page(program: Program) -> str:
    """The page of one program."""
    synopsis = "\n.br\n".join(f"\\fB{literal(program.name)}\\fR {term(text)}" for text in program.synopsis)
    parts = [
        head(program.name, 1, program.summary),
        section("synopsis", synopsis + "\n"),
        section("description", paragraphs(*program.description)),
        section("options", items([*program.options(), ("--help", "Print a short help.")])
                if program.name != "circusctl" else items(program.options())),
    ]
    if program.name == "circusctl":
        parts.append(commands())
    if program.signals:
        parts.append(section("signals", items(program.signals)))
    parts.append(section("exit status", items(program.statuses)))
    if program.variables:
        parts.append(section("environment", items((name, VARIABLES[name]) for name in program.variables)))
    if program.files:
        parts.append(section("files", items(program.files)))
    if program.examples:
        shown = (paragraphs(text) + example(f"$ {typed}") for text, typed in program.examples)
        parts.append(section("examples", *shown))
    return "".join([*parts, see_also(*program.see)])


def commands() -> str:
    """What circusctl can be told."""
    words = WithErrands()
    summaries = {name: summary for name, (_, _, summary) in {**SUMMARIES, **ERRANDS}.items()}
    told = [subsection(name, command_part(words[name], summaries[name])) for name in words]
    return section("commands", paragraphs(
        "NAME is the name of a watcher. `circusctl COMMAND --help` prints the options of a command; the manual tells "
        "the messages and replies of each."), *told)


def command_part(command: Any, summary: str) -> str:
    """One command: what it is, how it is typed, its options."""
    terms = [(", ".join(shown_flags(short, long, default)), _capital(text))
             for short, long, default, text in options_of(command)]
    return paragraphs(f"{summary}.") + example(*usages(command)) + items(terms)


def usages(command: Any) -> list[str]:
    """The command lines that the docstring of a command shows first."""
    _, _, rest = command.desc.partition("Command line\n")
    found = []
    for text in rest.splitlines():
        stripped = text.strip()
        if stripped.startswith("$ circusctl"):
            found.append(stripped.removeprefix("$ "))
        elif found and not stripped:
            break
    return found or [f"circusctl {command.name}"]


def _capital(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


# -- circus.ini ---------------------------------------------------------------------------------------


def option_terms(table: Table) -> list[Term]:
    """The options of a table."""
    return [(shown_name(option), _option_text(option, table)) for option in table if option.in_ini]


def _option_text(option: Option, table: Table) -> str:
    texts = [option.doc]
    if option.deprecated:
        texts.append(f"Deprecated: {option.deprecated}.")
    facts = re.sub(r"\\([*|_\\])", r"\1", facts_of(option, table))  # it is restructured text
    return "\n\n".join([*texts, facts[:1].upper() + facts[1:]])


def configuration_page() -> str:
    """circus.ini(5)"""
    parts = [
        head("circus.ini", 5, "configuration of circusd"),
        section("description", paragraphs(
            "What circusd(1) runs, and how. `circusd --check FILE` tells what is wrong with a file, with file and "
            "line."),
            example("[circus]", "endpoint = ipc:///run/circus/control", "", "[watcher:web]",
                    "cmd = serve --fd $(circus.sockets.web)", "numprocesses = 3", "use_sockets = True",
                    "copy_env = True", "stdout_stream.filename = /var/log/web.log", "", "[socket:web]", "port = 8000")),
        section("format", paragraphs(
            "Sections begin with a header in square brackets. An option is written `name = value` or `name: value`; "
            "names are compared with case. A line that begins with a blank continues the value above it.",
            "Lines that begin with `#` or `;` are comments. Behind a value, `;` after a blank begins one; `#` does "
            "not.",
            "An option given twice keeps its first value, over all files. Booleans are `yes`, `true`, `on`, `1` and "
            "`no`, `false`, `off`, `0`. Options of a watcher that nobody knows are kept for plugins and hooks, with a "
            "warning."), subsection("Variables", items((
                ("$(circus.env.NAME)", "A variable of the watcher's environment, of [env], or of the daemon's."),
                ("$(circus.wid)", "Number of the worker, in `cmd` and `args`."),
                ("$(circus.sockets.NAME)", "Descriptor of a managed socket, in `cmd`, `args` and `env`."),
                ("$(circus.OPTION)", "An option of the watcher itself.")))),
            subsection("Environment", paragraphs(
                "`[env]` has variables of all watchers, `[env:NAME]` those of some: NAME may be a list with commas and "
                "wildcards. `$NAME` in a value stands for the daemon's variable. Without `copy_env` a process gets "
                "nothing else."))),
    ]
    for title, text, table in SECTIONS:
        more = ""
        if table is STREAM:
            more = paragraphs("The built-in classes, and the keys each understands besides `class`:") + items(
                (name, ", ".join(f"`{key}`" for key in STREAM.names if key in keys))
                for name, keys in STREAM_CLASSES.items())
        parts.append(section(plain(title), paragraphs(text), items(option_terms(table)), more))
    return "".join([*parts, see_also("circusd(1)", "circusctl(1)")])


def man_pages() -> dict[str, str]:
    """All pages by file name."""
    pages = {f"{name}.1": program_page(program) for name, program in PROGRAMS.items()}
    pages["circushttpd.1"] = ".so man1/circus-httpd.1\n"
    pages["circus.ini.5"] = configuration_page()
    return pages
