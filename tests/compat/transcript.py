"""What one side said and did, with everything that differs from run to run replaced by names.

Pids become ``<a>``, ``<b>``... in the order in which the transcript shows them, the daemon ``<daemon>``;
times, ids, memory figures, directories, endpoints, ports and versions become a word in angle brackets.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import string
from collections.abc import Iterator
from typing import Any

from harness import Daemon, Event
from harness.daemon import Output
from harness.processes import descendant_pids

_MASKED_NUMBERS = frozenset({"age", "cpu", "mem", "create_time", "started"})
_MASKED_TEXTS = frozenset({"mem_info1", "mem_info2", "ctime"})
_PID_LISTS = frozenset({"pids", "started", "stopped", "kept"})
#: user, nice, RSS, VMS, CPU, MEM, CTIME of an info line; cli.md 2.1.
_INFO_LINE = re.compile(
    r"(?P<user>\S+) (?P<nice>-?\d+) [\d.]+[BKMGT] [\d.]+[BKMGT] \d+\.\d+ \d+(\.\d+)? \d+:\d+\.\d+$",
    re.MULTILINE,
)
#: A stray of the old ini reader, gone on purpose (decisions.md 6); test_environment looks at it, nobody else.
_STRAY = re.compile(r"(?<=env: )__name__=[^,\n]*,?|,__name__=[^,\n]*")
#: The request is repeated in front of the reason, in a form that is not contractual (wire.md 3).
_WRAPPED_ERROR = re.compile(r"command (?:b'|b\"|\{).*[}][^:]*: ")
#: What follows the first sentence of an import error is advice.
_IMPORT_ERROR = re.compile(r"(import_string\(\) failed for '[^']*').*", re.DOTALL)


class Names:
    """The names for what differs from run to run, of one side."""

    def __init__(self, daemon: Daemon) -> None:
        self._pids: dict[int, str] = {}
        self._known: set[int] = set()
        self._letters = _letters()
        self._daemon = daemon
        texts = {
            daemon.endpoint: "<endpoint>",
            daemon.pubsub_endpoint: "<pubsub>",
            daemon.stats_endpoint: "<stats>",
            str(daemon.directory): "<dir>",
            daemon.installation.python: "<python>",
        }
        self._texts = sorted(texts.items(), key=lambda pair: -len(pair[0]))

    def learn(self) -> None:
        """Notice the daemon's processes of this moment, so that their pids are recognised in texts."""
        if self._daemon.running_pid is not None:
            self._known.update(descendant_pids(self._daemon.running_pid))

    def pid(self, pid: int) -> str:
        """The name of a pid."""
        if pid not in self._pids:
            self._known.add(pid)
            is_daemon = self._daemon.running_pid == pid
            self._pids[pid] = "<daemon>" if is_daemon else f"<{next(self._letters)}>"
        return self._pids[pid]

    def forget(self) -> None:
        """Begin with ``<a>`` again."""
        self._pids, self._letters = {}, _letters()

    def text(self, text: str) -> str:
        """A text with names in it."""
        for found, name in self._texts:
            text = text.replace(found, name)
        text = re.sub(r"\b(0\.19\.0|1\.0\.0\.dev\d+|1\.\d+\.\d+)\b", "<version>", text)
        text = re.sub(r"\b[0-9a-f]{32}\b", "<id>", text)
        text = re.sub(r"\b1[6-9]\d{8}\.\d+\b", "<time>", text)
        text = _STRAY.sub("", text)
        text = _WRAPPED_ERROR.sub("command ...: ", text)
        text = _IMPORT_ERROR.sub(r"\1...", text)
        text = _INFO_LINE.sub(r"\g<user> \g<nice> <figures>", text)
        text = re.sub(r"\b\d{2,7}\b", self._number, text)
        return text

    def _number(self, match: re.Match[str]) -> str:
        number = int(match.group())
        if number in self._known or number == self._daemon.running_pid:
            return self.pid(number)
        return match.group()

    def value(self, value: Any, key: str = "") -> Any:
        """A JSON value with names in it."""
        if isinstance(value, dict):
            return self._mapping(value, key)
        if isinstance(value, list):
            return [self.pid(item) if _is_pid(item, key) else self.value(item) for item in value]
        if isinstance(value, bool) or value is None:
            return value
        if key in _MASKED_NUMBERS and isinstance(value, (int, float)):
            return "<number>"
        if key in _MASKED_TEXTS and isinstance(value, str):
            return "<text>"
        if key == "time" and isinstance(value, float):
            return "<time>"
        if isinstance(value, int):
            return self.pid(value) if value in self._known or key in ("pid", "process_pid") else value
        if isinstance(value, str):
            return self.text(value)
        return value

    def _mapping(self, value: dict[str, Any], key: str) -> dict[str, Any]:
        named = {}
        for name, item in sorted(value.items(), key=_by_number):
            if name.isdigit() and (int(name) in self._known or key == "info"):
                named[self.pid(int(name))] = self.value(item, "info of a process")
            elif name == "tb" and isinstance(item, str):
                named[name] = "<traceback>"
            elif key != "env" or name != "__name__":
                named[name] = self.value(item, name)
        return named

    def output(self, output: Output) -> dict[str, Any]:
        """What a program printed; a traceback is reduced to its last line."""
        return {"rc": output.rc, "out": self._printed(output.out), "err": self._printed(_short(output.err))}

    def _printed(self, text: str) -> Any:
        """Text, or the object if it is one line of JSON: the order of its keys is nobody's business."""
        if text.startswith("{") and text.count("\n") == 1:
            return self.value(json.loads(text))
        return self.text(text)

    def events(self, events: list[Event]) -> list[str]:
        """One line per event. Events of one kind in a row have no order among processes, so they are sorted."""
        lines = [(event.watcher, event.name, self._event(event)) for event in events]
        told: list[str] = []
        for (_, name), group in itertools.groupby(lines, key=lambda line: line[:2]):
            texts = [text for _, _, text in group]
            told += sorted(texts) if name in ("spawn", "kill", "reap") else texts
        return told

    def _event(self, event: Event) -> str:
        payload = event.payload
        parts = [f"{event.watcher}.{event.name}"]
        if event.pid is not None:
            parts.append(self.pid(event.pid))
        if event.name == "reap":
            parts.append(f"exit_code={payload.get('exit_code')}")
        if "name" in payload:
            parts.append(str(payload["name"]))
        if "error" in payload:
            parts.append(f"error={self.text(str(payload['error']))}")
        if not isinstance(payload.get("time"), float):
            parts.append("no time")
        return " ".join(parts)


def _letters() -> Iterator[str]:
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            yield "".join(letters)


def _is_pid(item: object, key: str) -> bool:
    return key in _PID_LISTS and type(item) is int


def _by_number(pair: tuple[str, Any]) -> tuple[int, str]:
    name = pair[0]
    return (int(name), "") if name.isdigit() else (-1, name)


def _short(text: str) -> str:
    """A text in which each traceback is reduced to the line that names the error."""
    kept = []
    inside = False
    for line in text.splitlines(keepends=True):
        if line.startswith("Traceback (most recent call last)"):
            inside = True
            kept.append(f"Traceback{os.linesep}")
        elif not inside or not line.startswith((" ", "\n", "During handling", "The above exception")):
            inside = False
            kept.append(line)
    return "".join(kept)
