"""Sections to dicts: environments are layered, variables expanded, options converted (spec config.md 3 to 8).

The work behind :mod:`circus.config`, which raises and logs what is found here, and :mod:`circus.configcheck`,
which looks further. Problems are collected, never raised. Nothing is opened, resolved or imported on behalf
of a section.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from circus.base.record import Record
from circus.ini import Document
from circus.model.hooktable import HOOKS
from circus.model.options import CIRCUS, PLUGIN, SOCKET, WATCHER, Option, Table, closest, limit_exists
from circus.model.options.kinds import Account, Text, Words
from circus.model.origin import Located, Place, Problem
from circus.model.variables import EnvPatterns, EnvScope, expand

STATSD_TEXT = "You defined a stats_endpoint without setting up statsd to True."
_SECTION_WORDS = ("circus", "watcher", "socket", "plugin", "env")
_STREAMS = ("stdout_stream", "stderr_stream")
#: Kinds whose values are text all along: they are expanded with the watcher's own environment first.
_TEXTUAL = (Text, Words, Account)


class Loaded(Record):
    """What a configuration file holds.

    :param config: the dict of ``get_config``; incomplete when there are errors among the problems.
    :param problems: everything found wrong, errors and warnings, in the order of discovery.
    :param files: names of the files read, the main one first.
    """

    config: Located
    problems: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that make the file useless."""
        return tuple(problem for problem in self.problems if problem.is_error)


def load(config_file: str) -> Loaded:
    """The configuration in a file and those it includes, with whatever is wrong with it.

    :raises OSError: when the main file does not exist or cannot be read.
    """
    return Loader(read_document(config_file)).load()


def watcher_defaults() -> dict[str, Any]:
    """A fresh dict of the options that every watcher's dict has."""
    defaults = dict(_WATCHER_DEFAULTS)
    for name in _TABLES_AMONG_THEM:
        defaults[name] = {}
    return defaults


_WATCHER_DEFAULTS = WATCHER.ini_defaults()
_TABLES_AMONG_THEM = tuple(name for name, value in _WATCHER_DEFAULTS.items() if isinstance(value, dict))


def read_document(path: str) -> Document:
    """Read a configuration file and those that it includes.

    :raises OSError: when the main one does not exist or cannot be read.
    """
    if not os.path.exists(path):
        raise OSError(f"the configuration file {path!r} does not exist\n")
    document = Document()
    document.read(path)
    main = dict(document.items("circus")) if "circus" in document.sections else {}
    seen, process = {os.path.realpath(path)}, EnvScope(os.environ)
    for option in ("include", "include_dir"):
        place = document.where("circus", option) if option in main else (path, 0)
        for name in expand(main.get(option, ""), process).split():
            pattern = name if option == "include" else os.path.join(name, "*.ini")
            _include(document, os.path.join(os.path.dirname(path), pattern), option, place, seen)
    for option in ("include", "include_dir"):
        if "circus" in document.sections and option in document.items("circus") and option not in main:
            text = "files included by an included file are not read"
            place = document.where("circus", option)
            document.problems.append(Problem("warning", *place, "circus", option, text, "", "nested-include"))
    return document


def _include(document: Document, pattern: str, option: str, place: Place, seen: set[str]) -> None:
    from glob import glob  # most files include none

    try:
        found = sorted(glob(pattern))
    except ValueError:  # a null character
        found = []
    if not found:
        text = (
            f"{pattern!r} does not lead to any config. "
            "Make sure include paths are relative to the main config file"
        )
        document.problems.append(Problem("warning", *place, "circus", option, text, "", "include"))
    for path in found:
        real = os.path.realpath(path)
        if real in seen:
            continue
        seen.add(real)
        try:
            document.read(path)
        except OSError as error:
            text = f"{path!r} cannot be read: {error.strerror or error}"
            problem = Problem("warning", *place, "circus", option, text, "", "unreadable-include")
            document.problems.append(problem)


class Loader:
    """Makes the dict of a document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._problems = list(document.problems)
        self._process_env = dict(os.environ)
        self._process = EnvScope(self._process_env)
        self._env: dict[str, str] = {}  # the section [env]
        self._global = self._process
        self._patterns = EnvPatterns()
        self._section = ""

    def load(self) -> Loaded:
        """Do it."""
        self._read_environments()
        config = self._circus()
        watchers, plugins, sockets = [], [], []
        for name in self._document.sections:
            self._section = name
            if name.startswith("watcher:"):
                watchers += self._unless_empty(self._watcher, name)
            elif name.startswith("plugin:"):
                plugins += self._unless_empty(self._plugin, name)
            elif name.startswith("socket:"):
                sockets += self._unless_empty(self._socket, name)
            elif name not in ("circus", "env") and not name.startswith("env:"):
                self._warn_of_unknown_section(name)
        config["watchers"] = self._without_twins("watcher", watchers)
        config["plugins"] = sorted(plugins, key=_by_name)
        config["sockets"] = self._without_twins("socket", sockets)
        self._warn_of_suspects()
        return Loaded(config, tuple(self._problems), tuple(self._document.files))

    # -- environments ---------------------------------------------------------------------------------------

    def _read_environments(self) -> None:
        """``[env]`` in the order written, so that an entry may use those before it; then the ``[env:…]``
        patterns.
        """
        if "env" in self._document.sections:
            for name, text in self._document.items("env").items():
                if "(" in text:  # a fresh scope: the layer has grown since the last one
                    text = expand(text, EnvScope(self._env, self._process))
                self._env[name] = text
            self._global = EnvScope(self._env, self._process)
        for section in self._document.sections:
            if section.startswith("env:"):
                self._patterns.add(section[4:], self._document.items(section))

    def _watcher_env(self, name: str) -> dict[str, str]:
        """What the configuration writes for a watcher: ``[env]``, then each matching ``[env:…]``, later ones
        winning.
        """
        env = self._env
        for items in self._patterns.matching(name):
            if env is self._env:
                env = dict(env)
            for key, text in items.items():
                env[key] = expand(text, EnvScope(env, self._global)) if "(" in text else text
        return env

    # -- sections -------------------------------------------------------------------------------------------

    def _unless_empty(self, make: Callable[[str, dict[str, str]], Located], name: str) -> list[Located]:
        options = self._document.items(name)
        if options:
            return [make(name, options)]
        self._warn("", "the section has no options and is ignored", "", "empty-section")
        return []

    def _located(self, items: Mapping[str, Any]) -> Located:
        section = self._document.sections[self._section]
        return Located(items, section.place, section.places)

    def _circus(self) -> Located:
        config = Located(CIRCUS.ini_defaults())
        self._section = "circus"
        if "circus" not in self._document.sections:
            return config
        config = self._located(config)
        items = self._document.items("circus")
        for name, text in items.items():
            option = CIRCUS.find(name)
            if option is None:
                self._warn(name, "unknown option, ignored", _did_you_mean(CIRCUS, name), "unknown-option")
            elif option.deprecated:
                self._warn(name, option.deprecated, "", "deprecated-option")
            elif not option.name.startswith("include"):
                config[option.name] = self._parse(option, name, text, self._global)
        if "stats_endpoint" in items and config["statsd"] is False:
            self._warn("stats_endpoint", STATSD_TEXT, "write statsd = true", "statsd")
            config["statsd"] = True
        return config

    def _watcher(self, section: str, options: dict[str, str]) -> Located:
        config = self._located(watcher_defaults())
        name = config["name"] = options.get("name", section[8:])
        config["__name__"] = section
        env = self._watcher_env(name)
        scope = self._global if env is self._env else EnvScope(env, self._global)
        for key, text in options.items():
            option = WATCHER.find(key)
            if option is None:
                self._keep_free(WATCHER, config, key, text, scope)
            elif option.family:
                self._family(config, option, key, text, scope)
            elif not option.in_ini:
                self._misplaced(option, key)
            elif isinstance(option.kind, _TEXTUAL) or option.as_text:
                config[option.name] = expand(text, scope) if option.expand else text
            else:
                config[option.name] = self._parse(option, key, text, self._global, scope)
            if option is not None and option.deprecated:
                self._warn(key, option.deprecated, "", "deprecated-option")
        config["env"] = {**self._process_env, **env} if config["copy_env"] is True else dict(env)
        return config

    def _family(self, config: Located, option: Option, key: str, text: str, scope: EnvScope) -> None:
        """One member of a family of watcher options; those of hooks, limits and streams go to dicts of their
        own.
        """
        member = key[len(option.family) :]
        if option.family == "hooks.":
            if member not in HOOKS:
                near = closest(member, HOOKS)
                hint = f"did you mean {near!r}?" if near else ""
                self._warn(key, f"there is no hook {member!r}; it will never be called", hint, "unknown-hook")
            value = self._parse(option, key, text)
            if value is not None:  # else it was refused
                config["hooks"][member] = value
        elif option.family == "rlimit_":
            if not limit_exists(member):
                hint = "the watcher cannot be started"
                self._warn(key, f'unknown rlimit "{member}"', hint, "unknown-rlimit")
            value = self._parse(option, key, text, self._global, scope)
            if value is not None:
                config["rlimits"][member] = value
        elif option.family[:-1] in _STREAMS:
            config[option.family[:-1]][member] = expand(text, scope)
        else:
            config[option.name] = self._parse(option, key, text, self._global, scope)

    def _keep_free(self, table: Table, config: Located, key: str, text: str, *scopes: EnvScope) -> None:
        """Keep an option that no table knows, and say so when it looks like one that a table does know."""
        if table is WATCHER and key.startswith(_STREAMS):
            text = f"{key!r} is not an option of a stream: write {key[:13]}.NAME"
            self._error(key, text, "", "misplaced-option")
            return
        config[key] = expand(text, *scopes)
        hint = _did_you_mean(table, key)
        if hint:
            self._warn(key, "unknown option, kept for plugins", hint, "unknown-option")

    def _misplaced(self, option: Option, key: str) -> None:
        if option.name == "env":
            text = "ignored: variables stand in a section of their own"
            self._warn(key, text, f"write [env:{self._section[8:]}]", "misplaced-option")
        else:
            families = (each.family for each in WATCHER if each.is_family)
            singly = next((family for family in families if family[:-1] in option.name), "")
            how = f"set one by one, as {singly}NAME" if singly else "set by programs only"
            text = f"{key!r} cannot be written in a file: it is {how}"
            self._error(key, text, "", "misplaced-option")

    def _plugin(self, section: str, options: dict[str, str]) -> Located:
        config = self._located({"__name__": section})
        for key, text in options.items():
            option = PLUGIN.find(key)
            if option is None or option.as_text or not option.in_ini:
                config[key] = expand(text, self._global)
            else:
                config[key] = self._parse(option, key, text, self._global)
        config["name"] = section
        if not config.get("use"):
            self._error("use", "'use' is missing", "name the class of the plugin", "missing-option")
        return config

    def _socket(self, section: str, options: dict[str, str]) -> Located:
        config = self._located({"__name__": section})
        config.update(SOCKET.ini_defaults())
        for key, text in options.items():
            option = SOCKET.find(key)
            if option is None:
                self._keep_free(SOCKET, config, key, text, self._global)
            elif option.as_text:
                config[key] = expand(text, self._global)
            else:
                config[key] = self._parse(option, key, text, self._global)
        config["name"] = section.rpartition("socket:")[2].lower()
        return config

    def _without_twins(self, word: str, found: list[Located]) -> list[Located]:
        """Sorted by name, without those that have none or the name of an earlier one, case aside."""
        kept: dict[str, Located] = {}
        for config in found:
            name, folded = config["name"], config["name"].lower()
            self._section = config["__name__"]
            if not name.strip():
                self._warn("", f"a {word} needs a name; this one is left out", "", "no-name")
            elif folded in kept:
                other = f"{kept[folded]['name']!r} at {_place(kept[folded])}"
                text = f"{name!r} differs from {other} only in case; this one is left out"
                if name == kept[folded]["name"]:
                    text = f"there is already a {word} {other}; this one is left out"
                self._warn("", text, "names are compared without case", "case-twin")
            else:
                kept[folded] = config
                if name != name.strip():
                    self._warn("", f"the blanks are part of the name {name!r}", "", "odd-name")
        return sorted(kept.values(), key=_by_name)

    # -- values ---------------------------------------------------------------------------------------------

    def _parse(self, option: Option, key: str, text: str, *scopes: EnvScope) -> Any:
        """The value of an option; its default after noting the error when the text does not mean one."""
        if option.expand:
            text = expand(text, *scopes)
        try:
            return option.kind.parse(text)
        except ValueError as error:
            self._error(key, str(error), f"expected: {option.kind.word}", "bad-value")
            return option.default

    # -- problems -------------------------------------------------------------------------------------------

    def _warn(self, option: str, text: str, hint: str, code: str) -> None:
        place = self._document.where(self._section, option)
        self._problems.append(Problem("warning", *place, self._section, option, text, hint, code))

    def _error(self, option: str, text: str, hint: str, code: str) -> None:
        place = self._document.where(self._section, option)
        self._problems.append(Problem("error", *place, self._section, option, text, hint, code))

    def _warn_of_unknown_section(self, name: str) -> None:
        word, colon, rest = name.partition(":")
        near = word if word in _SECTION_WORDS else closest(word, _SECTION_WORDS)
        if near:
            meant = near if near == "circus" else f"{near}:{rest if colon else 'NAME'}"
            self._warn("", "unknown section, ignored", f"did you mean [{meant}]?", "unknown-section")

    def _warn_of_suspects(self) -> None:
        """Indented lines that continue a value, but begin like an option of that section."""
        tables = {"circus": CIRCUS, "watcher": WATCHER, "socket": SOCKET, "plugin": PLUGIN}
        for section, option, meant, place in self._document.suspects:
            table = tables.get(section.partition(":")[0])
            if table is not None and meant in table:
                text = f"the indented line about {meant!r} is part of the value of {option!r}"
                hint = "begin options in the first column"
                problem = Problem("warning", *place, section, meant, text, hint, "indented-option")
                self._problems.append(problem)


def _by_name(config: Mapping[str, Any]) -> str:
    return str(config["name"])


def _place(config: Located) -> str:
    file, line = config.place or ("", 0)
    return f"{file}:{line}"


def _did_you_mean(table: Table, name: str) -> str:
    near = table.suggest(name)
    return f"did you mean {near!r}?" if near else ""
