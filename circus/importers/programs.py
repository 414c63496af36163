"""One ``[program:x]`` or ``[fcgi-program:x]`` of Supervisor as one watcher, or several.

For :mod:`circus.importers.supervisor`, which knows the file around it. By the public documentation of Supervisor 4.
"""

from __future__ import annotations

import re

from circus.exc import CircusError
from circus.importers.conversion import DIFFERS, MISSING, Conversion, Draft
from circus.importers.dialect import Text, text_of
from circus.importers.expansions import depends_on_number, expand, split, variables
from circus.importers.sections import Entry, Table
from circus.importers.surroundings import Surroundings
from circus.model.options.kinds import ExitCodes, Signal

_TRUE = ("true", "t", "yes", "y", "on", "1")
_FALSE = ("false", "f", "no", "n", "off", "0", "none")
#: Where one's own standard output and error can be found as files.
_OUTPUTS = {
    "stdout": ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/1/fd/1"),
    "stderr": ("/dev/stderr", "/dev/fd/2", "/proc/self/fd/2", "/proc/1/fd/2"),
}
_NUMBERED = ("command", "environment", "directory", "stdout_logfile", "stderr_logfile", "user")
_UNITS = {"": "", "kb": "K", "mb": "M", "gb": "G"}
_MOST_PROCESSES = 1000


class Defaults:
    """What a program gets from [supervisord]: its user, its directory, where ``AUTO`` logs are, and variables that no
    section can hold.
    """

    def __init__(self) -> None:
        self.user: Entry | None = None
        self.directory: Entry | None = None
        self.logs: Text = ""
        self.carried: dict[str, Text] = {}


class Program:
    """The section of a program.

    :param name: what stands behind the colon of its header.
    :param group: name of its group; empty for none.
    :param group_priority: the priority of that.
    """

    def __init__(
        self, conversion: Conversion, around: Surroundings, table: Table, name: str, group: str,
        group_priority: int, defaults: Defaults,
    ) -> None:
        self._conversion, self._around, self._table, self._defaults = conversion, around, table, defaults
        self.name, self.group, self.group_priority = name, group, group_priority
        #: The one to write, set from outside when all programs are known.
        self.priority = 0
        self._left = dict(table.options)
        #: The section that remarks are about: that of the first watcher.
        self._header = ""
        self._values: dict[str, str | int] = {
            "here": around.here, "host_node_name": around.host, "program_name": name, "group_name": group or name,
            "process_num": 0, "numprocs": 1,
        }
        self.own_priority = self._whole("priority", 999)

    # -- reading ---------------------------------------------------------------------------------------------

    def _take(self, name: str) -> Entry | None:
        return self._left.pop(name, None)

    def _whole(self, name: str, default: int, least: int = -(10**9), most: int = 10**9) -> int:
        """An option that has to be known as a number."""
        entry = self._take(name)
        if entry is None:
            return default
        if re.fullmatch(r"-?\d{1,10}", entry.text, re.ASCII) and least <= int(entry.text) <= most:
            return int(entry.text)
        self._note(MISSING, entry, name, f"{entry.text!r} is no number that can be imported", f"{default} is taken")
        return default

    def _flag(self, name: str, default: bool) -> bool:
        entry = self._take(name)
        if entry is None:
            return default
        if entry.text.lower() in _TRUE:
            return True
        if entry.text.lower() not in _FALSE:
            self._note(MISSING, entry, name, f"{entry.text!r} is neither true nor false", f"{default} is taken")
            return default
        return False

    def _value(self, entry: Entry, option: str, values: dict[str, str | int] | None = None) -> Text:
        return expand(entry.text, values or self._values, lambda told: self._note(DIFFERS, entry, option, told))

    def _note(self, kind: str, entry: Entry, option: str, text: str, advice: str = "") -> None:
        self._conversion.remark(kind, entry.place, option, text, advice, self._header)

    # -- converting ------------------------------------------------------------------------------------------

    def convert(self) -> None:
        """Add the watchers."""
        command = self._take("command")
        if command is None or not command.text.strip():
            self._conversion.remark(MISSING, self._table.place, "command", f"[{self._table.header}] has no command",
                                    "it is left out")
            return
        start = self._whole("numprocs_start", 0)
        count = self._processes()
        self._values["numprocs"] = count if isinstance(count, int) else 1
        self._values["process_num"] = start
        numbered = isinstance(count, int) and count > 1 and any(
            depends_on_number(entry.text) for name, entry in self._table.options.items() if name in _NUMBERED
        )
        self._take("process_name")
        if not numbered or not isinstance(count, int):
            self._watcher(command, self._values, count, self.name)
            return
        options = self._left
        place = self._table.options.get("numprocs", command).place
        self._conversion.remark(DIFFERS, place, "numprocs", f"{count} watchers with one process each, because "
                                "%(process_num)s is in their options", "circusctl incr makes no more of them")
        for number in range(start, start + count):
            values: dict[str, str | int] = {**self._values, "process_num": number}
            self._left = dict(options)  # each of them reads all of them
            self._watcher(command, values, 1, self._process_name(values))

    def _processes(self) -> int | Text:
        entry = self._left.get("numprocs")
        if entry is not None and "%(ENV_" in entry.text:
            del self._left["numprocs"]
            return self._value(entry, "numprocs")
        return self._whole("numprocs", 1, 1, _MOST_PROCESSES)

    def _process_name(self, values: dict[str, str | int]) -> str:
        entry = self._table.options.get("process_name")
        name = "%(program_name)s_%(process_num)02d" if entry is None else entry.text
        return text_of(expand(name, values, lambda _told: None))

    def _watcher(self, command: Entry, values: dict[str, str | int], count: int | Text, called: str) -> None:
        wanted = f"{self.group}:{called}" if self.group else called
        draft = Draft(self._conversion, self._conversion.watcher_name(wanted, self._table.place), self._table.place)
        self._header = self._header or draft.header
        try:
            words = split(self._value(command, "command", values))
        except ValueError as error:
            self._conversion.remark(MISSING, command.place, "command", f"it cannot be split into words: "
                                    f"{str(error).lower()}", "the program is left out")
            del self._conversion.sections[draft.header]
            return
        self._options(draft, values, count)
        draft.carried = dict(self._defaults.carried)
        draft.finish(words, "command", command.place)

    def _options(self, draft: Draft, values: dict[str, str | int], count: int | Text) -> None:
        draft.put("copy_env", True)
        if count != 1:
            draft.put("numprocesses", count)
        directory = self._take("directory") or self._defaults.directory
        if directory is not None:
            draft.put("working_dir", self._value(directory, "directory", values), directory.place, "directory")
        user = self._take("user") or self._defaults.user
        if user is not None:
            draft.put("uid", self._value(user, "user", values), user.place, "user")
        if self.priority:
            draft.put("priority", self.priority)
        if not self._flag("autostart", True):
            draft.put("autostart", False)
        self._restarts(draft, count != 1)
        self._stopping(draft)
        self._output(draft, values)
        self._environment(draft, values)
        self._socket(draft, values)
        self._rest(draft)

    def _restarts(self, draft: Draft, several: bool) -> None:
        entry, codes = self._take("autorestart"), self._take("exitcodes")
        how = "unexpected" if entry is None else entry.text.lower()
        if how in _FALSE:
            draft.put("respawn", False)
        elif how not in _TRUE:
            if entry is not None and how != "unexpected":
                self._note(MISSING, entry, "autorestart", f"{entry.text!r} is not known", "unexpected is taken")
            self._expected(draft, several, entry or codes, codes)
        seconds = self._whole("startsecs", 1, 0)
        if seconds != 1:
            draft.put("respawn_backoff.stable", seconds)
        entry = self._left.get("startretries")
        retries = self._whole("startretries", 3, 0)
        if entry is not None:
            draft.put("max_retry", retries)
            draft.remark(DIFFERS, entry.place, "startretries", "it counts programs that cannot be started at all; one "
                         "that starts and dies young is tried for ever, after growing waits",
                         "the flapping plugin gives up on those")

    def _expected(self, draft: Draft, several: bool, said: Entry | None, codes: Entry | None) -> None:
        text = "0"
        if codes is not None:
            try:
                text = ExitCodes().render(ExitCodes().parse(codes.text))
            except ValueError as error:
                self._note(MISSING, codes, "exitcodes", str(error), "0 is taken")
        if not several:
            draft.put("stop_exit_codes", text)
            return
        said = said or self._table.options.get("numprocs")
        place = said.place if said is not None else draft.place
        draft.remark(DIFFERS, place, "autorestart", f"a process that ends with {text} is replaced, too: there, only "
                     "that one stays down", f"stop_exit_codes = {text} would stop the watcher with all its processes")

    def _stopping(self, draft: Draft) -> None:
        entry = self._take("stopsignal")
        if entry is not None:
            try:
                number = Signal().parse(entry.text)
            except (ValueError, CircusError):
                self._note(MISSING, entry, "stopsignal", f"{entry.text!r} is no signal", "TERM is taken")
            else:
                if number != 15:
                    draft.put("stop_signal", entry.text, entry.place)
        draft.put("graceful_timeout", self._whole("stopwaitsecs", 10, 0))
        if self._flag("stopasgroup", False):
            draft.put("stop_children", True)
        self._flag("killasgroup", False)  # circusd always kills the whole tree
        entry = self._take("umask")
        if entry is not None:
            if re.fullmatch("[0-7]{1,4}", entry.text):
                draft.before.append(f"umask {entry.text}")
            else:
                self._note(MISSING, entry, "umask", f"{entry.text!r} is no octal mask", "it is left out")

    # -- output ----------------------------------------------------------------------------------------------

    def _output(self, draft: Draft, values: dict[str, str | int]) -> None:
        joined = self._flag("redirect_stderr", False)
        out = self._stream(draft, "stdout", values)
        if not joined:
            err = self._stream(draft, "stderr", values)
            joined = bool(out) and out == err
            if not joined:
                return
            for name in ("filename", "max_bytes", "backup_count"):
                self._conversion.section(draft.header).options.pop(f"stderr_stream.{name}", None)
        else:
            for name in ("logfile", "logfile_maxbytes", "logfile_backups"):
                self._take(f"stderr_{name}")
        if draft.has("close_child_stdout"):
            draft.put("close_child_stderr", True)
        elif not draft.has("capture"):
            draft.joined = True

    def _stream(self, draft: Draft, which: str, values: dict[str, str | int]) -> str:
        """Where one stream goes. :returns: the name of the file, if it is one."""
        entry = self._take(f"{which}_logfile")
        limit, backups = self._size(f"{which}_logfile_maxbytes"), self._whole(f"{which}_logfile_backups", 10, 0)
        self._unheard(which)
        value: Text = "AUTO" if entry is None else self._value(entry, f"{which}_logfile", values)
        path, place = text_of(value), entry.place if entry is not None else draft.place
        if path.upper() == "AUTO" and self._defaults.logs:
            value = [*([self._defaults.logs] if isinstance(self._defaults.logs, str) else self._defaults.logs),
                     f"/{draft.name.replace(':', '-')}-{which}.log"]
        elif path.upper() in ("AUTO", "SYSLOG"):
            draft.put("capture", True)
            if entry is not None and path.upper() == "SYSLOG":
                draft.remark(MISSING, place, f"{which}_logfile", "no stream writes to syslog",
                             "have the program do it, or write a stream class")
            return ""
        if path.upper() == "NONE" or path in ("", "/dev/null"):
            draft.put(f"close_child_{which}", True)
            return ""
        if path in _OUTPUTS[which]:
            draft.put("capture", True)  # handed on to circusd's own, and there for circusctl tail
            return ""
        if path in _OUTPUTS["stdout"]:
            draft.put("stderr_stream.class", "StdoutStream")
            return ""
        if path in _OUTPUTS["stderr"]:
            draft.put(f"{which}_stream.filename", "/dev/stderr")
            return ""
        if draft.put(f"{which}_stream.filename", value, place, f"{which}_logfile") and limit:
            draft.put(f"{which}_stream.max_bytes", limit)
            draft.put(f"{which}_stream.backup_count", backups)
        return text_of(value)

    def _size(self, name: str) -> str:
        entry = self._take(name)
        match = re.fullmatch(r"(\d{1,15})\s*([kmg]b)?", "50MB" if entry is None else entry.text, re.IGNORECASE)
        if match is None:
            if entry is not None:
                self._note(MISSING, entry, name, f"{entry.text!r} is no size", "50MB is taken")
            return "50M"
        return f"{int(match[1])}{_UNITS[(match[2] or '').lower()]}" if int(match[1]) else ""

    def _unheard(self, which: str) -> None:
        """What is heard by event listeners and syslog only."""
        entry = self._take(f"{which}_capture_maxbytes")
        if entry is not None and not re.fullmatch(r"0+([kmg]b)?", entry.text, re.IGNORECASE):
            self._note(MISSING, entry, f"{which}_capture_maxbytes", "events that a program writes to its output "
                       "between marks", "publish them yourself, or write a stream class")
        entry = self._left.get(f"{which}_events_enabled")
        if self._flag(f"{which}_events_enabled", False) and entry is not None:
            self._note(DIFFERS, entry, f"{which}_events_enabled", "output is published to whoever listens",
                       "circusctl tail --follow, or the topics output.NAME of the event endpoint")
        entry = self._left.get(f"{which}_syslog")
        if self._flag(f"{which}_syslog", False) and entry is not None:
            self._note(MISSING, entry, f"{which}_syslog", "no stream writes to syslog",
                       "have the program do it, or write a stream class")

    # -- environment, sockets, the rest ----------------------------------------------------------------------

    def _environment(self, draft: Draft, values: dict[str, str | int]) -> None:
        entry = self._take("environment")
        if entry is None:
            return
        try:
            given = variables(entry.text)
        except ValueError as error:
            draft.remark(MISSING, entry.place, "environment", str(error), "it is left out")
            return
        for name, text in given.items():
            draft.env[name] = self._value(Entry(text, *entry.place), "environment", values)

    def _socket(self, draft: Draft, values: dict[str, str | int]) -> None:
        entry = self._take("socket")
        owner, mode, backlog = (self._take(f"socket_{name}") for name in ("owner", "mode", "backlog"))
        if entry is None:
            return
        # One socket for all processes of the program, however many watchers they became.
        name = re.sub(r"[^\w.\-]", "-", self.name, flags=re.ASCII).lower().strip(".-") or "socket"
        header = f"socket:{name}"
        value = self._value(entry, "socket")
        address = text_of(value)
        tcp = re.fullmatch(r"tcp://(.*):(\d{1,5})", address)
        put = self._conversion.put
        if tcp is not None:
            put(header, "host", {"*": "0.0.0.0", "": "0.0.0.0"}.get(tcp[1], tcp[1].strip("[]")), entry.place, "socket")
            put(header, "port", int(tcp[2]), entry.place, "socket")
            if ":" in tcp[1]:
                put(header, "family", "AF_INET6", entry.place, "socket")
        elif address.startswith("unix://") and isinstance(value, str):
            put(header, "path", address.removeprefix("unix://"), entry.place, "socket")
            put(header, "replace", True, entry.place, "socket")
            bits = mode.text if mode is not None and re.fullmatch("[0-7]{1,4}", mode.text) else "0700"
            put(header, "umask", f"{~int(bits, 8) & 0o777:03o}", entry.place, "socket")
        else:
            draft.remark(MISSING, entry.place, "socket", f"{address!r} is neither tcp://HOST:PORT nor unix:///PATH")
            return
        if backlog is not None and backlog.text.isdecimal():
            put(header, "backlog", int(backlog.text[:9]), backlog.place, "socket_backlog")
        if owner is not None:
            draft.remark(MISSING, owner.place, "socket_owner", "the socket belongs to the user of circusd",
                         "socket_mode, the group of its directory or a chown after the start help")
        draft.put("stdin_socket", name)

    def _rest(self, draft: Draft) -> None:
        entry = self._take("serverurl")
        if entry is not None and entry.text.upper() != "AUTO":
            draft.remark(MISSING, entry.place, "serverurl", "SUPERVISOR_SERVER_URL is not set",
                         "programs reach circusd by its endpoint; CIRCUS_WATCHER and CIRCUS_WID tell them who they are")
        for name, entry in self._left.items():
            draft.remark(MISSING, entry.place, name, "an option that programs of Supervisor are not known to have")
        self._left = {}
