"""``circusd --check``: what can be known to be wrong with a configuration before anything is started.

Called by :func:`circus.config.check`, in a process that does nothing else: users and groups are looked up,
hooks, plugins and stream classes imported. Nothing is opened, bound or started.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from circus.base.convert import to_gid, to_uid
from circus.base.environ import extend_module_path, parse_env_dict, virtualenv_environment
from circus.base.imports import resolve_name
from circus.base.logs import LOG_LEVELS
from circus.configload import load
from circus.model.options import SOCKET, STREAM, STREAM_CLASSES, WATCHER, check_watcher, closest
from circus.model.origin import Located, Problem
from circus.model.plan import OWN_SOCKETS, OWN_WATCHERS
from circus.model.socketnames import socket_references
from circus.system.launch import DEFAULT_PATH, find_program

#: What loading only warns about, because the rest of the file can be used, but nobody can want.
_GRAVE = frozenset({"case-twin", "no-name", "unknown-rlimit", "unreadable-include"})


def check_file(path: str) -> tuple[Problem, ...]:
    """Every problem of a configuration file, in the order of files and lines."""
    try:
        loaded = load(path)
    except OSError as error:
        return (Problem("error", path, 0, "", "", str(error).strip(), "", "no-file"),)
    problems = [each.as_error() if each.code in _GRAVE else each for each in loaded.problems]
    with _module_path_restored():
        problems += _Inspection(loaded.config).problems
    order = {name: index for index, name in enumerate(loaded.files)}
    return tuple(sorted(problems, key=lambda each: (order.get(each.file, len(order)), each.line)))


class _Inspection:
    """A look at every section of a loaded configuration."""

    def __init__(self, config: Located) -> None:
        self.problems: list[Problem] = []
        self._sockets = {each["name"] for each in config["sockets"]} | OWN_SOCKETS
        self._config = self._here = config
        self._circus(config)
        for each in config["watchers"]:
            self._here = each
            self._watcher(each)
        for each in config["plugins"]:
            self._here = each
            self._plugin(each)
        for each in config["sockets"]:
            self._here = each
            self._socket(each)

    # -- sections -------------------------------------------------------------------------------------------

    def _circus(self, config: Located) -> None:
        owner, endpoint = config["endpoint_owner"], config["endpoint"]
        if owner is not None:
            self._try("endpoint_owner", to_uid, owner)
            if not endpoint.startswith("ipc://"):
                text = "only an endpoint that begins with ipc:// can have an owner"
                self._warn("endpoint_owner", text, "unused")
        if endpoint == config["pubsub_endpoint"]:
            text = f"{endpoint!r} is the endpoint for commands as well"
            self._error("pubsub_endpoint", text, "same-endpoint")
        level = config["loglevel"]
        if level is not None and level.lower() not in LOG_LEVELS:
            self._warn("loglevel", f"unknown log level {level!r}: info is used", "unknown-level")
        if config["pidfile"]:
            self._parent_exists("pidfile", config["pidfile"])
        logger_config = config["loggerconfig"]
        if logger_config and logger_config != "default" and not os.path.isfile(logger_config):
            self._error("loggerconfig", f"{logger_config!r} does not exist", "no-file")

    def _watcher(self, config: Located) -> None:
        for error in check_watcher(config):
            self._error(error.name, str(error), "conflict")
        if config["name"].lower() in OWN_WATCHERS:
            self._error("", f"circusd itself has a watcher called {config['name']!r}", "reserved-name")
        self._command(config)
        for name, find in (("uid", to_uid), ("gid", to_gid)):
            if config[name] is not None and not _open_ended(config[name]):
                self._try(name, find, config[name])
        for option in WATCHER:
            if option.as_text and option.name in config and not option.deprecated:
                self._try(option.name, option.kind.parse, config[option.name])
        directory = config["working_dir"]
        if directory and not _open_ended(directory) and not os.path.isdir(directory):
            self._warn("working_dir", f"there is no directory {directory!r}", "no-directory")
        if config.get("virtualenv") and config["copy_env"]:
            version = config.get("virtualenv_py_ver")
            self._try("virtualenv", virtualenv_environment, config["virtualenv"], {}, version)
        for name in sorted(socket_references(config) - self._sockets):
            users = ("stdin_socket", "cmd", "args", "shell_args")
            user = next((each for each in users if name in str(config.get(each)).lower()), "env")
            self._warn(user, f"there is no socket {name!r}", "no-socket")
        # As in the daemon it stays extended: the watchers behind this one and the plugins profit from it.
        extend_module_path(parse_env_dict(config["env"]))
        for stream in ("stdout_stream", "stderr_stream"):
            if config[stream]:
                self._stream(stream, config[stream])
        for hook, (target, _) in config["hooks"].items():
            self._importable(f"hooks.{hook}", target)

    def _command(self, config: Located) -> None:
        if not config["cmd"].strip():
            self._error("cmd", "there is no command to run", "no-command")
        for option in ("cmd", "args", "shell_args"):
            try:
                shlex.split(config.get(option) or "")
            except ValueError as error:
                self._error(option, f"cannot be split into words: {str(error).lower()}", "bad-command")
        if config.get("shell_args") and not config["shell"]:
            self._warn("shell_args", "unused: the command is not run by a shell", "unused")
        if config["numprocesses"] == 0 and not config["singleton"]:
            text = f"Non-singleton watcher {config['name']} with numprocesses=0 won't start any process"
            self._warn("numprocesses", text, "no-process")
        elif not config["shell"] and not _open_ended(f"{config['cmd']} {config['working_dir']}"):
            self._program(config)

    def _program(self, config: Located) -> None:
        """Warn of a program that is not there now; it may be installed before the daemon is started."""
        env = parse_env_dict(config["env"])
        try:
            words = shlex.split(config["cmd"])
            if config.get("virtualenv"):
                env = virtualenv_environment(config["virtualenv"], env, config.get("virtualenv_py_ver"))
        except ValueError:
            return  # which is told elsewhere
        if not words:
            return
        program, here = config.get("executable") or words[0], config["working_dir"] or os.curdir
        path = env.get("PATH", DEFAULT_PATH)
        try:
            # With a slash in it, it is looked for where the worker begins; and without, on the PATH of the worker.
            find_program(program, {"PATH": here if os.sep in program else path}, fresh=True)
        except PermissionError:
            self._warn("cmd", f"{program!r} may not be executed", "no-program")
        except OSError:
            if os.sep in program:
                self._warn("cmd", f"there is no program {program!r} now", "no-program")
                return
            hint = "" if "PATH" in env else "a worker has a PATH only by `copy_env` or a section [env:NAME]"
            self._note("warning", "cmd", f"there is no program {program!r} now in {path}", "no-program", hint)

    def _stream(self, stream: str, conf: dict[str, str]) -> None:
        name = conf.get("class") or ("FileStream" if "filename" in conf else "")
        if not name:
            text = "stream configuration invalid: neither class nor filename"
            self._error(f"{stream}.class", text, "no-class")
            return
        if "." in name:
            self._importable(f"{stream}.class", name)
            return
        if name not in STREAM_CLASSES:
            near = closest(name, STREAM_CLASSES)
            text = f"there is no stream class {name!r}" + (f"; did you mean {near!r}?" if near else "")
            self._error(f"{stream}.class", text, "no-class")
            return
        for key, text in conf.items():
            option = STREAM.find(key)
            if option is not None and option.deprecated:
                self._warn(f"{stream}.{key}", option.deprecated, "deprecated-option")
            elif key != "class" and key not in STREAM_CLASSES[name]:
                self._warn(f"{stream}.{key}", f"{name} has no option {key!r}", "unused")
            elif option is not None:
                self._try(f"{stream}.{key}", option.kind.parse, text)
        if "filename" in conf and not _open_ended(conf["filename"]):
            self._parent_exists(f"{stream}.filename", conf["filename"])

    def _plugin(self, config: Located) -> None:
        found = self._importable("use", config.get("use"))
        own: set[str] = set()
        # A class says by a table what it reads; those of users need not have one (circus.plugins.options).
        table = getattr(found, "option_table", None)
        if table is not None:
            own.update(table.names)
            for each in table.findings(config, complete="option_table" in vars(found)):
                self._note(each.severity, each.option, each.text, each.code, each.hint)
            for watcher in self._config["watchers"]:
                self._here = watcher
                for each in table.watcher_findings(watcher):
                    self._note(each.severity, each.option, each.text, each.code, each.hint)
            self._here = config
        for key, text in config.items():
            option = WATCHER.find(key)
            if option is not None and key not in own and not option.family and isinstance(text, str) and key != "name":
                self._try(key, option.kind.parse, text)

    def _socket(self, config: Located) -> None:
        import socket  # its constants are all that is needed

        for option in SOCKET:
            if option.as_text and option.name in config and option.in_ini:
                self._try(option.name, option.kind.parse, config[option.name])
        if config.get("proto"):
            try:
                socket.getprotobyname(config["proto"])
            except OSError:
                self._error("proto", f"there is no protocol {config['proto']!r}", "no-protocol")
        interface = config.get("interface")
        if interface and interface not in [name for _, name in socket.if_nameindex()]:
            self._warn("interface", f"there is no network interface {interface!r}", "no-interface")
        if config.get("path"):
            self._parent_exists("path", config["path"])
            if os.path.exists(config["path"]) and config["replace"] is not True:
                text = f"{config['path']!r} already exists; it has to be removed, or `replace = true`"
                self._warn("path", text, "path-exists")

    # -- questions ------------------------------------------------------------------------------------------

    def _try(self, option: str, convert: Callable[..., object], *values: Any) -> None:
        """Note the error when ``values`` are refused."""
        try:
            convert(*values)
        except ValueError as error:
            self._error(option, str(error), "bad-value")

    def _importable(self, option: str, name: Any) -> Any:
        """What ``name`` leads to; None after noting the error when it leads to nothing that can be called."""
        try:
            found = resolve_name(name)
        except ImportError as error:
            text = str(error).split("\n", 1)[0].removesuffix(" Possible reasons are:")
            cause = getattr(error, "exception", error)
            self._note("error", option, text, "no-import", f"{type(cause).__name__}: {cause}")
        except (Exception, SystemExit) as error:  # foreign code: importing it may raise anything
            self._error(option, f"importing {name!r} raised {type(error).__name__}: {error}", "no-import")
        else:
            if not callable(found):
                text = f"{name!r} is a {type(found).__name__}, not something to call"
                self._error(option, text, "not-callable")
                return None
            return found
        return None

    def _parent_exists(self, option: str, path: str) -> None:
        parent = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(parent):
            self._error(option, f"there is no directory {parent!r}", "no-directory")

    # -- problems -------------------------------------------------------------------------------------------

    def _error(self, option: str, text: str, code: str) -> None:
        self._note("error", option, text, code)

    def _warn(self, option: str, text: str, code: str) -> None:
        self._note("warning", option, text, code)

    def _note(self, severity: str, option: str, text: str, code: str, hint: str = "") -> None:
        file, line = self._here.where(option) or ("", 0)
        section = self._here.get("__name__", "circus")
        self.problems.append(Problem(severity, file, line, section, option, text, hint, code))


def _open_ended(text: str) -> bool:
    """Whether a value has variables that are known only when a process is started."""
    return "$(circus." in text or "((circus." in text


@contextmanager
def _module_path_restored() -> Iterator[None]:
    """What watchers add to the places to import from is gone afterwards."""
    before = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = before
