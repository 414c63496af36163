"""reference/library.rst: the classes and functions that programs may use, from their docstrings.

Public names only, in the order of the list below; what a class inherits from parts of Circus counts as its own.
"""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

from circusdocs.rst import definition, heading, page, wrapped


class Chapter(NamedTuple):
    """A group of names of one module.

    :param module: where they are imported from.
    :param text: what they are for, restructured text.
    :param names: the names.
    """

    module: str
    text: str
    names: tuple[str, ...]


CHAPTERS = (
    Chapter("circus", "A daemon inside a program: see :doc:`../guide/library`. ``circus.logger`` is the logger of the "
            "package, ``circus.__version__`` its version, ``circus.compat_version`` the release of Mozilla's Circus "
            "whose contract it keeps.", ("get_arbiter",)),
    Chapter("circus.arbiter", "What hooks get as ``arbiter``, and ``get_arbiter`` returns.",
            ("Arbiter", "ThreadedArbiter")),
    Chapter("circus.watcher", "What hooks get as ``watcher``.", ("Watcher",)),
    Chapter("circus.process", "The values of ``watcher.processes``.", ("Process",)),
    Chapter("circus.sockets", "The sockets that workers inherit.", ("CircusSocket", "CircusSockets")),
    Chapter("circus.client", "Talking to a daemon: see :doc:`../guide/library`.",
            ("CircusClient", "AsyncCircusClient", "make_message", "cast_message", "make_json")),
    Chapter("circus.consumer", "Following its events.", ("CircusConsumer",)),
    Chapter("circus.stats.client", "Following its statistics.", ("StatsClient",)),
    Chapter("circus.config", "Reading and checking configuration files.", ("get_config", "check")),
    Chapter("circus.stream", "Where output goes: see :doc:`../guide/writing_streams`.",
            ("get_stream", "FileStream", "WatchedFileStream", "TimedRotatingFileStream", "StdoutStream",
             "FancyStdoutStream", "QueueStream")),
    Chapter("circus.plugins", "What plugins derive from: see :doc:`../guide/writing_plugins`.", ("CircusPlugin",)),
    Chapter("circus.plugins.statsd", "For plugins that tell a statsd server.", ("BaseObserver", "StatsdClient")),
    Chapter("circus.plugins.options", "For plugins that declare their options.", ("PluginOption", "PluginTable")),
    Chapter("circus.commands.base", "What commands derive from: see :doc:`../guide/commands`.",
            ("Command", "find_watcher")),
)

#: Where the docstring alone would not do: what stands in its place.
TEXTS = {
    "circus.arbiter.Arbiter": "The owner of watchers, sockets and endpoints: a whole daemon. The parameters are the "
    "options of ``[circus]`` (:doc:`options`) under the same names; those that are none are told below. "
    "``get_arbiter()`` is the easy way to make one.",
}
#: Public names that are for other parts of Circus, by class.
INWARD = {
    "Arbiter": "ctrl farewell find from_dict hurry inherit journal kept log_options make_plan make_plugin release "
    "reopen_logs set_live stalls start_io_loop sys_hdl unqueue httpd_options stop_controller_and_close_sockets "
    "manage_watchers reap_processes herald summary dismiss get_plugin_config get_watcher_config get_arbiter_config",
    "Watcher": "by_hand check check_by_hand engine fulfil guard hurry info_of journal manage_processes report_hook "
    "reap_and_manage_processes reap_process reap_processes supervision wish by_hand make_process open_streams "
    "close_streams remove_expired_processes spawn_process spawn_processes starts do_action sink output_tail "
    "pending_socket_event kill_processes",
    "Process": "complete_info ended finish_setup setup_fd born close_output_channels",
    "CircusClient": "poller", "AsyncCircusClient": "stream",
    "FileStream": "write_chunk", "WatchedFileStream": "write_chunk", "TimedRotatingFileStream": "write_chunk",
    "StdoutStream": "write_chunk shared_key", "FancyStdoutStream": "write_chunk shared_key",
    "Command": "order desc short copy make_message",
}

_FIELD = re.compile(r"(?:^|(?<=\s)):(param(?: \w+)?|returns?|raises(?: [\w.]+)?|yields?):(?=\s)")
_MORE_ERRORS = re.compile(r"([A-Z]\w+(?:\.\w+)*):\s")
_MORE_PARAMS = re.compile(r"([a-z]\w*):\s")
_ROLE = re.compile(r":(?:py:)?(class|meth|func|mod|data|exc|attr):`~?([^`]+)`")
#: Remarks for those who build Circus: pages that are no part of it.
_INWARD = re.compile(
    r"Source: spec [^.]*\.md [\d.]+\.?|[,;]? ?\((?:see )?(?:spec|decision) [^)]*\)"
    r"|(?:^|(?<=[.;] ))[Ss]pec [\w./-]+\.md[^.]*\."
)
_COMMENTED = re.compile(r"((?:^ +#:.*\n)+) +(?:self\.)?([a-z]\w*)(?:: [^=\n]+)?(?: =|\n)", re.MULTILINE)


def _documented() -> set[str]:
    return {f"{chapter.module}.{name}" for chapter in CHAPTERS for name in chapter.names}


def clean(text: str) -> str:
    """A paragraph of a docstring, for readers of the manual."""
    text = _INWARD.sub("", " ".join(text.split()))
    text = _ROLE.sub(lambda match: _reference(match[1], match[2]), text)
    return re.sub(r"\s+([.,;:])(?=\s|$)", r"\1", text).strip()


def _reference(kind: str, target: str) -> str:
    if target in _documented():
        return f":py:class:`~{target}`" if kind == "class" else f":py:func:`~{target}`"
    name = target if kind == "mod" else target.rpartition(".")[2]
    return f"``{name}()``" if kind in ("meth", "func") else f"``{name}``"


class Doc(NamedTuple):
    """A docstring taken apart."""

    text: list[str]
    params: list[tuple[str, str]]
    returns: str
    raises: list[tuple[str, str]]


def parse(docstring: str) -> Doc:
    """Paragraphs, parameters, result, errors."""
    pieces = _FIELD.split(inspect.cleandoc(docstring))
    text = [part for part in re.split(r"\n\s*\n", pieces[0]) if part.strip()]
    params: list[tuple[str, str]] = []
    raises: list[tuple[str, str]] = []
    returns = ""
    for field, body in zip(pieces[1::2], pieces[2::2], strict=True):
        kind, _, name = field.partition(" ")
        body = body.strip()
        if kind == "param":
            names = [name]
            while match := _MORE_PARAMS.match(body):
                names.append(match[1])
                body = body[match.end():]
            params.append((", ".join(names), clean(body)))
        elif kind.startswith(("return", "yield")):
            returns = clean(body)
        else:
            names = [name] if name else []
            while match := _MORE_ERRORS.match(body):
                names.append(match[1])
                body = body[match.end():]
            raises.append((", ".join(f"``{each}``" for each in names), clean(body)))
    return Doc(text, params, returns, raises)


def _blocks(text: list[str]) -> list[str]:
    """Paragraphs; those that are laid out in the source stay as they are."""
    return [part if re.search(r"^(\s+|\* |- |::)", part, re.MULTILINE) else wrapped(clean(part)) for part in text]


def _types(target: Any) -> dict[str, str]:
    """The annotations of parameters, as they are written."""
    function = target.__init__ if inspect.isclass(target) else target
    annotations = getattr(function, "__annotations__", {})
    return {name: str(kind) for name, kind in annotations.items() if kind not in ("Any", "Iterable[Any]")}


def fields(doc: Doc, types: dict[str, str]) -> list[str]:
    """Parameters, result and errors as definition lists."""
    lines: list[str] = []
    for name, text in doc.params:
        kind = types.get(name)
        shown = ", ".join(f"``{each}``" for each in name.split(", "))
        lines.append(definition(shown + (f" (``{kind}``)" if kind else ""), text or "see there"))
    if doc.returns:
        lines.append(wrapped(f"Returns: {doc.returns}") + "\n")
    for names, text in doc.raises:
        lines.append(wrapped(f"Raises {names}{f': {text}' if text else '.'}") + "\n")
    return lines


def signature(target: Any) -> str:
    """Parameters and defaults, without types (those stand with the descriptions)."""
    try:
        found = inspect.signature(target)
    except ValueError:
        return "()"
    parameters = [
        each.replace(annotation=inspect.Parameter.empty)
        for each in found.parameters.values()
        if each.name != "self" and not each.name.startswith("_")
    ]
    text = str(found.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    # Defaults that are objects: a signal by its name, anything else by what it is called.
    text = re.sub(r"<Signals\.(\w+): \d+>", r"signal.\1", text)
    return re.sub(r"<(\w+)[^>]*>", r"\1", text)


def attributes(cls: type) -> list[tuple[str, str]]:
    """Attributes with a comment that begins with ``#:``."""
    found: dict[str, str] = {}
    for base in _own(cls):
        for comment, name in _COMMENTED.findall(_source(base)):
            words = " ".join(part.strip().removeprefix("#:").strip() for part in comment.splitlines())
            found.setdefault(name, clean(words))
    return list(found.items())


def _source(cls: type) -> str:
    """The text of a class (``inspect.getsource`` parses the whole file for it, each time)."""
    text = Path(inspect.getfile(cls)).read_text(encoding="utf-8")
    found = re.search(rf"^class {cls.__name__}\b.*?(?=^[^\s#)]|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[0] if found else ""


def _own(cls: type) -> list[type]:
    """The class and those of its bases that are parts of Circus, up to those that have an entry of their own."""
    own = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == "circus"]
    others = {base for parent in _parents(cls) for base in parent.__mro__}
    return [base for base in own if base not in others]


def _parents(cls: type) -> list[type]:
    """Bases with an entry of their own."""
    listed = {getattr(importlib.import_module(chapter.module), name) for chapter in CHAPTERS for name in chapter.names}
    return [base for base in cls.__mro__[1:] if base in listed]


def members(cls: type) -> list[tuple[str, str, Any]]:
    """Kind, name and object of the public members that say what they are."""
    found: dict[str, tuple[str, str, Any]] = {}
    for base in _own(cls):
        for name, value in vars(base).items():
            if name.startswith("_") or name in found:
                continue
            function = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
            if not inspect.getdoc(function) and not isinstance(value, property):
                continue
            if isinstance(value, property):
                if value.__doc__:
                    found[name] = ("property", name, value)
            elif inspect.isfunction(function):
                kind = {staticmethod: "staticmethod", classmethod: "classmethod"}.get(type(value), "method")
                found[name] = (kind, name, function)
    return list(found.values())


def _member(kind: str, name: str, value: Any) -> str:
    if kind == "property":
        doc = parse(value.__doc__)
        head = f".. py:attribute:: {name}"
        types: dict[str, str] = {}
    else:
        doc = parse(inspect.getdoc(value) or "")
        text = signature(value)
        if kind == "classmethod":
            text = re.sub(r"^\(cls(, )?", "(", text)
        head = f".. py:{kind}:: {name}{text}"
        types = _types(value)
    return _directive(head, "\n\n".join([*_blocks(doc.text), *fields(doc, types)]))


def _directive(head: str, body: str) -> str:
    return f"{head}\n\n{textwrap.indent(re.sub(chr(10) * 3 + '+', chr(10) * 2, body.strip()), '   ')}\n"


def class_entry(module: str, name: str, cls: type) -> str:
    """A class with its public members."""
    doc = parse(cls.__doc__ or "")
    params = doc.params
    if not params and "__init__" in vars(cls):
        params = parse(inspect.getdoc(cls.__init__) or "").params
    text = [wrapped(TEXTS[f"{module}.{name}"])] if f"{module}.{name}" in TEXTS else _blocks(doc.text)
    body = [*text, *fields(doc._replace(params=params), _types(cls))]
    for parent in _parents(cls)[:1]:
        body.append(f"It has everything of ``{parent.__name__}``, too.")
    hidden = set(INWARD.get(name, "").split())
    described = attributes(cls)
    body += [_directive(f".. py:attribute:: {attribute}", wrapped(text)) for attribute, text in described
             if attribute not in hidden]
    shown = {attribute for attribute, _ in described} | hidden
    body += [_member(kind, member, value) for kind, member, value in members(cls) if member not in shown]
    return _directive(f".. py:class:: {name}{signature(cls)}\n   :module: {module}", "\n\n".join(body))


def function_entry(module: str, name: str, function: Any) -> str:
    """A function, or an object that is called like one."""
    called = function if inspect.isfunction(function) else type(function).__call__
    doc = parse(inspect.getdoc(called) or "")
    body = "\n\n".join([*_blocks(doc.text), *fields(doc, _types(called))])
    return _directive(f".. py:function:: {name}{signature(called)}\n   :module: {module}", body)


def library_page() -> str:
    """reference/library.rst"""
    introduction = (
        "What programs, hooks, plugins, streams and commands may use. How they are used is told in "
        ":doc:`../guide/library` and the pages after it. The methods that take time and are said to return a Future "
        "return an ``asyncio.Future``; the wish is recorded before they return.\n\n"
        "Exceptions are listed in :doc:`errors`. ``circus.green`` has ``get_arbiter``, ``client.CircusClient`` and "
        "``consumer.CircusConsumer`` of the same form for programs that use gevent."
    )
    parts = []
    for chapter in CHAPTERS:
        module = importlib.import_module(chapter.module)
        parts += [heading(chapter.module, "-"), wrapped(chapter.text) + "\n"]
        for name in chapter.names:
            value = getattr(module, name)
            write = class_entry if inspect.isclass(value) else function_entry
            parts.append(write(chapter.module, name, value))
    return page("Library", introduction, parts)
