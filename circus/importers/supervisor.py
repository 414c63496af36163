"""A ``supervisord.conf``, with the files it includes, as a configuration of circus.

By the public documentation of Supervisor 4. Here is the file as a whole: includes, groups, the daemon, its servers;
:mod:`circus.importers.programs` has what is in a section of a program.
"""

from __future__ import annotations

import os
import re

from circus.importers.conversion import DIFFERS, MISSING, Conversion
from circus.importers.dialect import Text, text_of
from circus.importers.expansions import expand, variables
from circus.importers.programs import Defaults, Program
from circus.importers.sections import Entry, Table, read_sections
from circus.importers.surroundings import Surroundings

_LEVELS = {"critical": "critical", "error": "error", "warn": "warning", "info": "info", "debug": "debug",
           "trace": "debug", "blather": "debug"}
_STANDARD_RPC = "supervisor.rpcinterface:make_main_rpcinterface"
#: Options of [supervisord] that have nothing to do with how circusd works.
_NEEDLESS = {"nocleanup", "identifier", "silent", "childlogdir"}
_PROGRAMS = ("program:", "fcgi-program:")


def convert(text: str, file: str, around: Surroundings) -> Conversion:
    """The configuration.

    :param file: name of the file, for remarks.
    :param around: where included files are.
    """
    return _File(text, file, around).convert()


class _File:
    def __init__(self, text: str, file: str, around: Surroundings) -> None:
        self.conversion, self.around = Conversion("supervisord", file), around
        self._tables: dict[str, Table] = {}
        self._read(text, file)
        self._include()
        self._values: dict[str, str | int] = {"here": around.here, "host_node_name": around.host}

    def convert(self) -> Conversion:
        self.conversion.section("circus")
        defaults = self._daemon()
        self._unix_server()
        self._web_server()
        self._client()
        self._programs(defaults)
        self._others()
        if not self.conversion.sections["circus"].options:
            del self.conversion.sections["circus"]
        return self.conversion

    # -- reading ---------------------------------------------------------------------------------------------

    def _read(self, text: str, file: str) -> None:
        for line, odd in read_sections(text, file, self._tables):
            self.conversion.remark(DIFFERS, (file, line), "", f"{odd!r} means nothing here and is left out")

    def _include(self) -> None:
        table = self._tables.pop("include", None)
        if table is None or "files" not in table.options:
            return
        entry = table.options["files"]
        values: dict[str, str | int] = {"here": self.around.here, "host_node_name": self.around.host}
        files = expand(entry.text, values, lambda _text: None)
        if not isinstance(files, str):
            self.conversion.remark(MISSING, entry.place, "files", "the variables in it are not known here, so that "
                                   "nothing is included", "write the paths, and import again")
            return
        for pattern in files.split():
            found = self.around.glob(pattern)
            if not found:
                self.conversion.remark(DIFFERS, entry.place, "files", f"no file matches {pattern!r}")
            for path in found:
                text = self.around.read(path)
                if text is not None:
                    self._read(text, path)
        self._tables.pop("include", None)  # those of included files are not followed

    def _value(self, entry: Entry, option: str) -> Text:
        return expand(entry.text, self._values,
                      lambda told: self.conversion.remark(DIFFERS, entry.place, option, told))

    def _circus(self, name: str, value: Text | int | bool, entry: Entry, option: str) -> None:
        self.conversion.put("circus", name, value, entry.place, option)

    # -- the daemon ------------------------------------------------------------------------------------------

    def _daemon(self) -> Defaults:
        table = self._tables.pop("supervisord", None)
        if table is None:
            return Defaults()
        options = dict(table.options)
        note = self.conversion.remark
        for name, ours in (("logfile", "logoutput"), ("pidfile", "pidfile")):
            entry = options.pop(name, None)
            if entry is not None:
                self._own_file(name, ours, entry)
        entry = options.pop("loglevel", None)
        if entry is not None and entry.text.lower() in _LEVELS:
            self._circus("loglevel", _LEVELS[entry.text.lower()], entry, "loglevel")
        entry = options.pop("umask", None)
        if entry is not None and re.fullmatch("[0-7]{1,4}", entry.text):
            self._circus("umask", entry.text, entry, "umask")
        for name in ("logfile_maxbytes", "logfile_backups"):
            entry = options.pop(name, None)
            if entry is not None and entry.text not in ("0", "50MB", "10"):
                note(MISSING, entry.place, name, "circusd does not rotate its own log",
                     "use logrotate; the file is opened again when it was moved", "circus")
        entry = options.pop("nodaemon", None)
        if entry is None or entry.text.lower() not in ("true", "t", "yes", "y", "on", "1"):
            place = entry.place if entry is not None else table.place
            note(DIFFERS, place, "nodaemon", "circusd stays in the foreground", "start it as circusd --daemon, or by "
                 "systemd", "circus")
        for name, limit in (("minfds", "nofile"), ("minprocs", "nproc")):
            entry = options.pop(name, None)
            if entry is not None and entry.text not in ("1024", "200"):
                note(MISSING, entry.place, name, "circusd does not raise its own limits",
                     f"set the limit where circusd is started, such as Limit{limit.upper()}= of systemd; or "
                     f"rlimit_{limit} = {entry.text} in a watcher", "circus")
        entry = options.pop("strip_ansi", None)
        if entry is not None and entry.text.lower() in ("true", "t", "yes", "y", "on", "1"):
            note(MISSING, entry.place, "strip_ansi", "output is written as it comes", "most programs take NO_COLOR=1",
                 "circus")
        defaults = self._defaults(options)
        for name, entry in options.items():
            if name not in _NEEDLESS:
                note(MISSING, entry.place, name, "an option that [supervisord] is not known to have")
        return defaults

    def _own_file(self, name: str, ours: str, entry: Entry) -> None:
        """The log and the pid file of the daemon; circusd's must not be mistaken for those of supervisord."""
        value = self._value(entry, name)
        path = text_of(value)
        if path.upper() == "NONE" or path in ("/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2"):
            return  # circusd logs to standard error by itself
        if isinstance(value, str) and "supervisor" in os.path.basename(path):
            folder, base = os.path.split(path)
            value = os.path.join(folder, re.sub("supervisord?", "circusd", base))
        if isinstance(value, str) and path != "/dev/null" and not path.startswith("/"):
            value = self.around.absolute(value)
        self._circus(ours, value, entry, name)

    def _defaults(self, options: dict[str, Entry]) -> Defaults:
        """What the programs get from [supervisord]."""
        found = Defaults()
        entry = options.pop("user", None)
        if entry is not None and entry.text not in ("root", "0"):
            found.user = entry
        found.directory = options.pop("directory", None)
        entry = options.get("childlogdir")
        if entry is not None:
            found.logs = self._value(entry, "childlogdir")
        entry = options.pop("environment", None)
        if entry is not None:
            try:
                given = {name: self._value(Entry(text, *entry.place), "environment")
                         for name, text in variables(entry.text).items()}
            except ValueError as error:
                self.conversion.remark(MISSING, entry.place, "environment", str(error), "it is left out")
            else:
                found.carried = self.conversion.put_variables("env", given, entry.place, "environment")
        return found

    # -- servers and clients ---------------------------------------------------------------------------------

    def _unix_server(self) -> None:
        table = self._tables.pop("unix_http_server", None)
        if table is None or "file" not in table.options:
            return
        options = table.options
        entry = options["file"]
        value = self._value(entry, "file")
        if isinstance(value, str):
            folder = os.path.dirname(self.around.absolute(value))
            self._circus("endpoint", f"ipc://{folder}/circus.sock", entry, "file")
            self._circus("pubsub_endpoint", f"ipc://{folder}/circus-events.sock", entry, "file")
            self.conversion.remark(DIFFERS, entry.place, "file", "circusctl has to be told where the daemon is",
                                   f"export CIRCUSCTL_ENDPOINT=ipc://{folder}/circus.sock", "circus")
        if "chown" in options:
            owner, _, group = options["chown"].text.partition(":")
            self._circus("endpoint_owner", owner, options["chown"], "chown")
            if group:
                self.conversion.remark(MISSING, options["chown"].place, "chown", f"the group {group!r}: with "
                                       "endpoint_owner the socket has the mode 660 and that user's group", "", "circus")
        if "chmod" in options and options["chmod"].text not in ("0700", "700", "0600", "600"):
            self.conversion.remark(MISSING, options["chmod"].place, "chmod", "the mode of the socket is 600, or 660 "
                                   "with endpoint_owner", "", "circus")
        self._password(table, "unix_http_server", "whoever can open the socket file controls the daemon")

    def _web_server(self) -> None:
        table = self._tables.pop("inet_http_server", None)
        if table is None or "port" not in table.options:
            return
        entry = table.options["port"]
        value = self._value(entry, "port")
        host, _, port = text_of(value).rpartition(":")
        if not isinstance(value, str) or not port.isdecimal() or not 0 < int(port[:6]) < 65536:
            self.conversion.remark(MISSING, entry.place, "port", f"{text_of(value)!r} is no HOST:PORT")
            return
        self._circus("httpd", True, entry, "port")
        self._circus("httpd_host", {"": "0.0.0.0", "*": "0.0.0.0"}.get(host, host.strip("[]")), entry, "port")
        self._circus("httpd_port", int(port), entry, "port")
        self.conversion.remark(DIFFERS, entry.place, "port", "the web console of circus is there; it has no XML-RPC",
                               "make its users by circus-httpd --add-user NAME --role admin; programs use its REST API",
                               "circus")
        self._password(table, "inet_http_server", "the web console has users of its own")

    def _password(self, table: Table, header: str, instead: str) -> None:
        for name in ("username", "password"):
            if name in table.options:
                self.conversion.remark(MISSING, table.options[name].place, name, f"the {name} of [{header}]", instead)
                return

    def _client(self) -> None:
        table = self._tables.pop("supervisorctl", None)
        for name, entry in ({} if table is None else table.options).items():
            if name == "serverurl" and not entry.text.startswith("unix:"):
                self.conversion.remark(DIFFERS, entry.place, name, "circusctl does not speak HTTP",
                                       "it takes --endpoint, or the variable CIRCUSCTL_ENDPOINT; --ssh for other hosts")
            elif name in ("prompt", "history_file"):
                self.conversion.remark(MISSING, entry.place, name, "the shell of circusctl has no such option")

    # -- programs --------------------------------------------------------------------------------------------

    def _programs(self, defaults: Defaults) -> None:
        groups = self._groups()
        programs = []
        for header, table in list(self._tables.items()):
            kind = next((each for each in _PROGRAMS if header.startswith(each)), "")
            if kind:
                del self._tables[header]
                name = header[len(kind) :].strip()
                group, rank = groups.get(name, ("", 0))
                programs.append(Program(self.conversion, self.around, table, name, group, rank, defaults))
        _rank(programs, bool(groups))
        for program in programs:
            program.convert()
        if not programs:
            self.conversion.remark(DIFFERS, (self.conversion.file, 0), "", "there is no program in it")

    def _groups(self) -> dict[str, tuple[str, int]]:
        """Program to its group and that group's priority."""
        found: dict[str, tuple[str, int]] = {}
        for header, table in list(self._tables.items()):
            if not header.startswith("group:"):
                continue
            del self._tables[header]
            name, rank = header[6:].strip(), 999
            entry = table.options.get("priority")
            if entry is not None and re.fullmatch(r"-?\d{1,9}", entry.text):
                rank = int(entry.text)
            members = table.options.get("programs")
            for each in [] if members is None else members.text.split(","):
                found[each.strip()] = (name, rank)
            self.conversion.remark(DIFFERS, table.place, "programs", f"circus has no groups; the watchers of {name!r} "
                                   "have its name in front", f"circusctl restart --match glob '{name}:*'")
        return found

    # -- the rest --------------------------------------------------------------------------------------------

    def _others(self) -> None:
        note = self.conversion.remark
        for header, table in self._tables.items():
            if header.startswith("eventlistener:"):
                note(MISSING, table.place, "", f"[{header}]: circus does not speak the protocol of event listeners",
                     "follow its events by `circusctl events --follow --json`, or write a plugin")
            elif header.startswith("rpcinterface:"):
                entry = table.options.get("supervisor.rpcinterface_factory")
                if entry is None or entry.text != _STANDARD_RPC:
                    note(MISSING, table.place, "", f"[{header}]: interfaces written for Supervisor cannot be used",
                         "a plugin of circus can add commands")
            elif header not in ("unix_http_server", "inet_http_server"):
                note(MISSING, table.place, "", f"[{header}] is not a section that Supervisor is known to have")


def _rank(programs: list[Program], grouped: bool) -> None:
    """Priorities the other way round: there a small number starts first, here a big one."""
    if not grouped:
        for program in programs:
            program.priority = 999 - program.own_priority
        return
    keys = {program: (program.group_priority if program.group else program.own_priority, program.own_priority)
            for program in programs}
    order = sorted(set(keys.values()), reverse=True)
    for program in programs:
        program.priority = order.index(keys[program])
