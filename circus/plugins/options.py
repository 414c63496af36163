"""The options of one plugin class, declared once: read, checked, suggested and documented from one table.

A plugin class says ``option_table = ...``; :class:`circus.plugins.base.CircusPlugin` then reads its section by it,
``circusd --check`` looks for its problems, and the manual prints it. The tables of the bundled plugins are in
:mod:`circus.plugins.tables`. Both modules are light to import and must stay so: circusd itself loads a plugin's
module to see that the class exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from circus.base.record import Record
from circus.exc import OptionError
from circus.model.options import PLUGIN, WATCHER, Option, Table, closest
from circus.model.options.kinds import Integer, Kind, Size, Text

#: Keys of a plugin's configuration that are no options of anybody.
_NOT_OPTIONS = frozenset({"use", "name", "__name__"})


class Pattern(Text):
    """A regular expression; its value is the compiled one.

    :param groups: names of groups that it must have.
    """

    word = "regular expression"

    def __init__(self, *groups: str) -> None:
        self.groups = groups

    def parse(self, text: str) -> re.Pattern[str]:
        try:
            found = re.compile(text)
        except re.error as error:
            raise ValueError(f"{text!r} is no regular expression: {error}") from error
        for group in self.groups:
            if group not in found.groupindex:
                raise ValueError(f"{text!r} has no group (?P<{group}>...)")
        return found

    def render(self, value: Any) -> str:
        return value.pattern if isinstance(value, re.Pattern) else super().render(value)


class Memory(Kind):
    """An amount of memory: a plain number is percent of the machine's, one with a unit (``100M``) is bytes.

    Its value is a pair: the number, and whether it is bytes.
    """

    word = "percent | size such as 100M"

    def parse(self, text: str) -> tuple[float, bool]:
        try:
            percent = float(text)
        except ValueError:
            return float(Size(minimum=0).parse(text)), True
        if not 0 <= percent < float("inf"):
            raise ValueError(f"{text.strip()} is no percentage")
        return percent, False

    def render(self, value: Any) -> str:
        return f"{value[0]:g}" if isinstance(value, tuple) else super().render(value)


class Port(Integer):
    """A UDP or TCP port."""

    word = "port"

    def parse(self, text: str) -> Any:
        number = super().parse(text)
        if not 0 < number < 65536:
            raise ValueError(f"{number} is not from 1 to 65535")
        return number


class PluginOption(Option):
    """An option of a plugin: name, kind, default and doc as every option, and its unit.

    :param unit: what a number counts, such as ``seconds``; empty for plain numbers and words.
    """

    unit: str = ""


class Finding(Record):
    """Something about one section that its author should know.

    :param severity: ``error``: the plugin cannot run so; ``warning``: it can, but not as meant.
    :param option: the option, as written; empty when it is about the section.
    :param text: what is wrong.
    :param hint: what to do about it; may be empty.
    :param code: a short word for programs.
    """

    severity: str
    option: str
    text: str
    hint: str
    code: str


class PluginTable(Table):
    """The options that a plugin class reads from its section.

    :param title: the class, for messages and the manual.
    :param options: the rows.
    :param required: groups of names; of each group at least one must be given.
    :param watcher_prefix: prefix of the options of *watchers* that override those of the section, such as
        ``flapping.``; empty when there are none.
    """

    def __init__(
        self,
        title: str,
        options: Iterable[PluginOption],
        required: Iterable[tuple[str, ...]] = (),
        watcher_prefix: str = "",
    ) -> None:
        super().__init__(title, options)
        self.required = tuple(required)
        self.watcher_prefix = watcher_prefix

    def read(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The value of every option of the table; defaults for what ``config`` does not give.

        :param config: the section as a plugin gets it; values need not be text.
        :raises OptionError: for what cannot be used, all of it in one sentence that names section, option, value
            and remedy.
        """
        errors = [each for each in self._errors(config)]
        if errors:
            section = _section_of(config, self.title)
            told = "; ".join(f"{each.option}: {each.text} ({each.hint})" for each in errors)
            first = errors[0].option
            raise OptionError(f"{section} {told}", first, config.get(first))
        given = {option.name: _parsed(option, config[option.name]) for option in self if option.name in config}
        return {**self.defaults(), **{name: value for name, value in given.items() if value is not None}}

    def findings(self, config: Mapping[str, Any], *, complete: bool = True) -> list[Finding]:
        """What is wrong or suspicious about a section.

        :param complete: False when a sub-class may know more options than the table; unknown ones are then not
            reported. Default True.
        """
        found = list(self._errors(config))
        for option in self:
            if option.deprecated and option.name in config:
                found.append(Finding("warning", option.name, option.deprecated, "", "deprecated-option"))
        return [*found, *(self._unknown(config) if complete else ())]

    def watcher_findings(self, watcher: Mapping[str, Any]) -> list[Finding]:
        """What is wrong with the overrides that the section of a watcher has."""
        prefix = self.watcher_prefix
        own = {key[len(prefix) :]: value for key, value in watcher.items() if prefix and key.startswith(prefix)}
        found = []
        for name, value in own.items():
            option = self.find(name)
            if option is None:
                found.append(_unknown_option(name, closest(name, self.names), prefix))
            else:
                found += [_prefixed(each, prefix) for each in _refusals(option, value)]
        return found

    def _errors(self, config: Mapping[str, Any]) -> Iterator[Finding]:
        for option in self:
            if option.name in config:
                yield from _refusals(option, config[option.name])
        for names in self.required:
            if not any(str(config.get(name, "")).strip() for name in names):
                text, hint = "must be given", f"add a line `{names[0]} = ...`"
                yield Finding("error", names[0], text, hint, "missing-option")

    def _unknown(self, config: Mapping[str, Any]) -> Iterator[Finding]:
        for name in config:
            if name not in _NOT_OPTIONS and not any(name in table for table in (self, PLUGIN, WATCHER)):
                yield _unknown_option(name, self.suggest(name) or PLUGIN.suggest(name) or WATCHER.suggest(name))


def _parsed(option: Option, value: Any) -> Any:
    """The value that ``value`` stands for; None for "not given", which needs a default of None.

    :raises ValueError: it stands for none.
    """
    text = "" if value is None else str(value)
    if option.default is None and text.strip().lower() in ("", "none"):
        return None
    return option.kind.parse(text)


def _refusals(option: Option, value: Any) -> Iterator[Finding]:
    try:
        _parsed(option, value)
    except ValueError as error:
        unit = getattr(option, "unit", "")
        expected = f"expected: {option.kind.word}" + (f", in {unit}" if unit else "")
        if option.default not in (None, ""):
            default = option.kind.render(option.default)
            expected += f"; default {default.lower() if isinstance(option.default, bool) else default}"
        complaint = str(error) if str(value) in str(error) else f"{value!r}: {error}"
        yield Finding("error", option.name, complaint, expected, "bad-value")


def _unknown_option(name: str, near: str | None, prefix: str = "") -> Finding:
    hint = f"did you mean {prefix + near!r}?" if near else ""
    return Finding("warning", prefix + name, "unknown option, not used by the plugin", hint, "unknown-option")


def _prefixed(finding: Finding, prefix: str) -> Finding:
    return Finding(finding.severity, prefix + finding.option, finding.text, finding.hint, finding.code)


def _section_of(config: Mapping[str, Any], title: str) -> str:
    name = str(config.get("name") or "")
    return f"[{name}]" if name.startswith("plugin:") else name or title
