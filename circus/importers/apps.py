"""One app of pm2 as one watcher, or several.

For :mod:`circus.importers.ecosystem`. By the public documentation of pm2.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from typing import Any

from circus.importers.conversion import DIFFERS, MISSING, Conversion, Draft, shell_command
from circus.importers.dialect import Text, Word
from circus.importers.loosejson import Object
from circus.importers.shellwords import understand
from circus.importers.surroundings import Surroundings
from circus.importers.timeformat import strftime_of
from circus.model.options.kinds import ExitCodes

#: Other names of options, as pm2 takes them.
_ALIASES = {
    "exec": "script", "exec_interpreter": "interpreter", "interpreterArgs": "node_args", "nodeArgs": "node_args",
    "interpreter_args": "node_args", "output": "out_file", "out": "out_file", "out_log": "out_file",
    "error": "error_file", "err": "error_file", "err_file": "error_file", "err_log": "error_file", "log": "log_file",
    "combine_logs": "merge_logs", "user": "uid", "cron": "cron_restart", "pid": "pid_file", "execMode": "exec_mode",
    "maxMemoryRestart": "max_memory_restart", "killTimeout": "kill_timeout", "waitReady": "wait_ready",
}
#: What runs a script with that ending.
_INTERPRETERS = {
    ".js": "node", ".cjs": "node", ".mjs": "node", ".py": "python3", ".sh": "bash", ".rb": "ruby", ".php": "php",
    ".pl": "perl", ".coffee": "coffee", ".ls": "lsc", ".ts": "ts-node",
}
#: Options that only concern pm2 itself.
_NEEDLESS = frozenset({
    "vizion", "pmx", "automation", "trace", "disable_trace", "force", "version", "merge_logs", "write",
    "source_map_support", "disable_source_map_support", "windowsHide", "kill_retry_time", "append_env_to_name",
    "name_prefix", "node_version", "vizion_running", "ignore_watch", "watch_options", "watch_delay",
    "instance_var", "deep_monitoring",
})
#: Option -> what there is not, and what to do.
_MISSING = {
    "watch": ("files are not watched", "for development use what the language has, such as node --watch"),
    "post_update": ("circus does not update programs", "keep a script for it"),
    "shutdown_with_message": ("there is no channel for messages to a process", "end on stop_signal"),
    "filter_env": ("variables are copied all or not at all", "copy_env = False, and list those wanted in [env:NAME]"),
    "pid_file": ("there are no files with the ids of processes", "circusctl list NAME"),
    "log_type": ("lines are written as they come", "have the program write JSON"),
    "container": ("programs are run as they are", ""),
    "install_url": ("nothing is installed", ""),
}
_MOST_PROCESSES = 1000


class App:
    """An app.

    :param options: the object, as it was read.
    """

    def __init__(self, conversion: Conversion, around: Surroundings, options: Object) -> None:
        self._conversion, self._around = conversion, around
        self._left: dict[str, Any] = {}
        self._lines: dict[str, tuple[str, int]] = {}
        for name, value in options.items():
            known = _ALIASES.get(name, name)
            self._left.setdefault(known, value)
            self._lines.setdefault(known, (name, options.lines[name]))
        self._place = (conversion.file, options.line)
        self._header = ""

    # -- reading ---------------------------------------------------------------------------------------------

    def _note(self, kind: str, name: str, text: str, advice: str = "") -> None:
        called, line = self._lines.get(name, (name, self._place[1]))
        self._conversion.remark(kind, (self._conversion.file, line), called, text, advice, self._header)

    def _put(self, draft: Draft, option: str, value: Text | int | float | bool, name: str) -> bool:
        called, line = self._lines.get(name, (name, self._place[1]))
        return draft.put(option, value, (self._conversion.file, line), called)

    def _take(self, name: str) -> Any:
        return self._left.pop(name, None)

    def _text(self, name: str) -> str:
        """An option that is text; empty for none."""
        value = self._take(name)
        if value is None or value == "":
            return ""
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return _as_text(value)
        self._note(MISSING, name, f"{_shown(value)} is no text", "it is left out")
        return ""

    def _number(self, name: str) -> float | None:
        """An option that is a number of milliseconds, or the like."""
        value = self._take(name)
        if value is None:
            return None
        text = _as_text(value)
        if isinstance(value, bool) or not re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text, re.ASCII):
            self._note(MISSING, name, f"{_shown(value)} is no number", "it is left out")
            return None
        return float(text)

    def _flag(self, name: str, default: bool) -> bool:
        value = self._take(name)
        if value is None:
            return default
        return str(value).lower() in ("true", "1", "yes") if not isinstance(value, bool) else value

    def _words(self, name: str) -> list[str]:
        """An option that is a list of words, or a text to split."""
        value = self._take(name)
        if value is None or value == "":
            return []
        if isinstance(value, list):
            return [_as_text(each) for each in value]
        try:
            return shlex.split(_as_text(value))
        except ValueError as error:
            self._note(DIFFERS, name, f"{str(error).lower()}; it is split at blanks")
            return _as_text(value).split()

    # -- converting ------------------------------------------------------------------------------------------

    def convert(self) -> None:
        """Add the watchers."""
        script = self._text("script")
        if not script:
            self._note(MISSING, "script", "the app has no script", "it is left out")
            return
        name = self._text("name") or os.path.splitext(os.path.basename(script.split()[0] if script.split() else ""))[0]
        space = self._text("namespace")
        name = f"{space}:{name}" if space and space != "default" else name
        count = self._instances()
        variable = self._text("increment_var")
        env = self._environment()
        if variable and count > 1 and env.get(variable, "").isdecimal() and len(env[variable]) < 10:
            left = self._left
            for number in range(count):
                self._left = dict(left)
                each = {**env, variable: str(int(env[variable]) + number)}
                self._watcher(f"{name}-{number}", script, 1, each)
            return
        if variable and count > 1:
            self._note(MISSING, "increment_var", f"{variable} is no number here", "write one app for each process")
        self._watcher(name, script, count, env)

    def _instances(self) -> int:
        value = self._take("instances")
        text = "1" if value is None else _as_text(value).lower()
        here = self._around.processors
        if text in ("0", "max"):
            count = here
        elif re.fullmatch(r"-?\d{1,4}", text, re.ASCII):
            count = int(text) if int(text) > 0 else max(1, here + int(text))
        else:
            self._note(MISSING, "instances", f"{_shown(value)} is no number of processes", "1 is taken")
            return 1
        if text in ("0", "max") or text.startswith("-"):
            self._note(DIFFERS, "instances", f"{count} is written, by the {here} processors of this machine")
        return min(count, _MOST_PROCESSES)

    def _watcher(self, name: str, script: str, count: int, env: dict[str, str]) -> None:
        draft = Draft(self._conversion, self._conversion.watcher_name(name, self._place), self._place)
        self._header = self._header or draft.header
        directory = self._around.absolute(self._text("cwd"))
        self._put(draft, "working_dir", directory, "cwd")
        command = self._command(draft, script, env, directory)
        draft.put("copy_env", True)
        if count != 1:
            draft.put("numprocesses", count)
        for mine, theirs in (("uid", "uid"), ("gid", "gid")):
            who = self._text(theirs)
            if who:
                self._put(draft, mine, who, theirs)
        if not self._flag("autostart", True):
            draft.put("autostart", False)
        self._restarts(draft, count)
        self._stopping(draft)
        self._reloading(draft)
        self._sharing(count)
        self._output(draft, directory)
        draft.env = {**env, **draft.env}  # what stands in front of a command wins
        self._other_environments(draft)
        self._rest()
        called, line = self._lines.get("script", ("script", self._place[1]))
        if draft.finish(command, called, (self._conversion.file, line)):
            self._memory(draft)

    def _command(self, draft: Draft, script: str, env: dict[str, str], directory: str) -> list[Word]:
        interpreter, options, args = self._text("interpreter"), self._words("node_args"), self._words("args")
        if not interpreter and re.search(r"\s", script) and not self._around.is_file(os.path.join(directory, script)):
            # A whole command line, which pm2 gives to a shell.
            line = " ".join([script, *map(shlex.quote, args)])
            found = understand(line, env.get)
            if found.words is None and found.stays:
                draft.put("stop_children", True)
            if found.directory:
                draft.put("working_dir", self._around.absolute(os.path.join(directory, found.directory)))
            draft.env.update(found.env)
            return found.words if found.words is not None else shell_command(found.script)
        ending = os.path.splitext(script)[1].lower()
        runner = interpreter or _INTERPRETERS.get(ending, "none")
        if runner == "none" and self._around.is_file(os.path.join(directory, script)) and "/" not in script:
            script = f"./{script}"
        before = [] if runner == "none" else [runner, *options]
        if options and runner == "none":
            self._note(MISSING, "node_args", "there is no interpreter to give them to", "it is left out")
        if ending == ".ts" and not interpreter:
            self._note(DIFFERS, "script", "ts-node is taken for TypeScript", "set interpreter to what you use")
        return [[each] for each in (*before, script, *args)]

    def _environment(self) -> dict[str, str]:
        found: dict[str, str] = {}
        value = self._take("env")
        port = self._text("port")
        if port:
            found["PORT"] = port
        if isinstance(value, dict):
            found.update({name: _as_text(each) for name, each in value.items() if each is not None})
        elif value not in (None, ""):
            self._note(MISSING, "env", f"{_shown(value)} is no object", "it is left out")
        return found

    def _other_environments(self, draft: Draft) -> None:
        for name in [each for each in self._left if each.startswith("env_")]:
            value = self._take(name)
            called = self._lines.get(name, (name, 0))[0]
            if not isinstance(value, dict):
                continue
            self._note(DIFFERS, name, f"the variables of pm2's --env {called[4:]} stand beside the watcher as comments",
                       f"move those wanted to [env:{draft.name}]")
            self._conversion.secrets = True
            draft.comment(f"--env {called[4:]}:", *(f"  {key} = {_as_text(each)}" for key, each in value.items()))

    # -- life and death --------------------------------------------------------------------------------------

    def _restarts(self, draft: Draft, count: int) -> None:
        if not self._flag("autorestart", True):
            draft.put("respawn", False)
        codes = self._take("stop_exit_codes")
        if codes not in (None, []):
            listed = codes if isinstance(codes, list) else [codes]
            try:
                text = ExitCodes().render(ExitCodes().parse(" ".join(map(_as_text, listed))))
            except ValueError as error:
                self._note(MISSING, "stop_exit_codes", str(error), "it is left out")
            else:
                draft.put("stop_exit_codes", text)
                if count > 1:
                    self._note(DIFFERS, "stop_exit_codes", "a process that ends so stops the watcher with all of its "
                               "processes")
        self._waits(draft)
        if "max_restarts" in self._left:
            number = self._number("max_restarts")
            if number is not None:
                draft.put("max_retry", int(number))
                self._note(DIFFERS, "max_restarts", "it counts programs that cannot be started at all; one that starts "
                           "and dies young is tried for ever, after growing waits",
                           "the flapping plugin gives up on those")
        schedule = self._text("cron_restart")
        if schedule and schedule != "0":
            self._note(MISSING, "cron_restart", "circus has no clock", f"a line for cron: {schedule} circusctl restart "
                       f"{shlex.quote(draft.name)}; or max_age, in seconds")

    def _waits(self, draft: Draft) -> None:
        """Pauses between a death and the next start."""
        uptime = self._take("min_uptime")
        if uptime is not None:
            seconds = _seconds(uptime)
            if seconds is None:
                self._note(MISSING, "min_uptime", f"{_shown(uptime)} is no time", "it is left out")
            else:
                draft.put("respawn_backoff.stable", seconds)
        delay, growing = self._number("restart_delay"), self._number("exp_backoff_restart_delay")
        if growing:
            draft.put("respawn_backoff.base", growing / 1000)
            draft.put("respawn_backoff.factor", 1.5)
            draft.put("respawn_backoff.cap", 15)
            draft.put("respawn_backoff.stable", 30)
        elif delay:
            draft.put("respawn_backoff.base", delay / 1000)
            draft.put("respawn_backoff.factor", 1)
            draft.put("respawn_backoff.cap", delay / 1000)
            self._note(DIFFERS, "restart_delay", "a process that lived for respawn_backoff.stable seconds is replaced "
                       "at once", "a larger value of that makes those wait, too")

    def _stopping(self, draft: Draft) -> None:
        draft.put("stop_signal", "INT")
        timeout = self._number("kill_timeout")
        draft.put("graceful_timeout", 1.6 if timeout is None else timeout / 1000)
        if self._flag("treekill", True) and not draft.has("stop_children"):
            draft.put("stop_children", True)

    def _reloading(self, draft: Draft) -> None:
        timeout = self._number("listen_timeout")
        if self._flag("wait_ready", False):
            self._note(MISSING, "wait_ready", "there is no channel for process.send('ready'), which fails",
                       "write `if (process.send)` before it; a reload waits reload_overlap seconds")
            timeout = 3000.0 if timeout is None else timeout
        if timeout is not None:
            draft.put("reload_overlap", timeout / 1000)
            self._note(DIFFERS, "listen_timeout", "a reload always waits that long, also when the new processes are "
                       "ready before")

    def _sharing(self, count: int) -> None:
        mode = self._text("exec_mode").removesuffix("_mode")
        if mode == "cluster" and count > 1:
            self._note(MISSING, "exec_mode", "the processes do not share the port that the script listens on",
                       "give them a socket: [socket:NAME], use_sockets = True, server.listen({fd: ...}) (the manual, "
                       "Coming from pm2)")
        if count > 1:
            self._note(DIFFERS, "instances", "processes are told apart by CIRCUS_WID, which begins with 1, not by "
                       "NODE_APP_INSTANCE")

    # -- output ----------------------------------------------------------------------------------------------

    def _output(self, draft: Draft, directory: str) -> None:
        both, out, err = self._text_or_flag("log_file"), self._text("out_file"), self._text("error_file")
        if self._flag("disable_logs", False):
            draft.put("close_child_stdout", True)
            draft.put("close_child_stderr", True)
            return
        if both and (out or err):
            self._note(MISSING, "log_file", "output is written to one file", "the others are written, not this one")
        form = self._time_format()
        for which, name, path in (("stdout", "out_file", out), ("stderr", "error_file", err)):
            if path.upper() in ("/DEV/NULL", "NULL"):
                draft.put(f"close_child_{which}", True)
            elif path or both:
                source = name if path else "log_file"
                self._put(draft, f"{which}_stream.filename", self._path(path or both, directory, source), source)
                if form:
                    draft.put(f"{which}_stream.time_format", form)
            else:
                draft.put("capture", True)
                if form:
                    self._note(DIFFERS, "log_date_format", "output that has no file has no time before its lines",
                               "circusctl tail --timestamps")

    def _path(self, path: str, directory: str, name: str) -> str:
        if path.startswith("~"):
            self._note(MISSING, name, "~ is not replaced", "write the directory")
        return os.path.normpath(os.path.join(directory, path))

    def _text_or_flag(self, name: str) -> str:
        if isinstance(self._left.get(name), bool):
            del self._left[name]
        found = self._text(name)
        return "" if found.upper() in ("/DEV/NULL", "NULL") else found

    def _time_format(self) -> str:
        wanted, plain = self._text("log_date_format"), self._flag("time", False)
        if not wanted:
            return "%Y-%m-%dT%H:%M:%S" if plain else ""
        form, unknown = strftime_of(wanted)
        if unknown:
            self._note(DIFFERS, "log_date_format", f"{', '.join(unknown)} cannot be written by strftime")
        return form

    # -- the rest --------------------------------------------------------------------------------------------

    def _memory(self, draft: Draft) -> None:
        value = self._take("max_memory_restart")
        if value in (None, ""):
            return
        match = re.fullmatch(r"(\d{1,15}(?:\.\d+)?)\s*([KMG])?B?", _as_text(value).strip(), re.IGNORECASE)
        if match is None:
            self._note(MISSING, "max_memory_restart", f"{_shown(value)} is no amount of memory", "it is left out")
            return
        header = f"plugin:memory-{draft.name.replace(':', '-')}"
        unit = (match[2] or "").upper()
        called, line = self._lines["max_memory_restart"]
        settings: dict[str, Text | int | float] = {
            "use": "circus.plugins.resource_watcher.ResourceWatcher", "watcher": draft.name,
            "max_mem": match[1] + (unit or "B"), "max_cpu": 0, "health_threshold": 0, "max_count": 0, "loop_rate": 30,
        }
        for option, setting in settings.items():
            self._conversion.put(header, option, setting, (self._conversion.file, line), called)

    def _rest(self) -> None:
        for name in list(self._left):
            if name == "max_memory_restart":
                continue
            value = self._take(name)
            if name in _NEEDLESS or name.startswith("pm_") or value in (None, False, [], ""):
                continue
            text, advice = _MISSING.get(name, ("an option that pm2 is not known to have", ""))
            self._note(MISSING, name, text, advice)


def _as_text(value: Any) -> str:
    """A value as JavaScript would write it into an environment."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return json.dumps(value)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _seconds(value: Any) -> float | None:
    """``1000`` (milliseconds), ``30s``, ``5m`` or ``1h``."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?)\s*([smh]?)", _as_text(value).strip(), re.ASCII)
    if match is None or isinstance(value, bool):
        return None
    return float(match[1]) * {"": 0.001, "s": 1, "m": 60, "h": 3600}[match[2]]
