"""The watchers circusd makes for itself: circusd-stats, circushttpd, one per plugin.

Ordinary watchers with fixed options (spec stats-web.md 6, plugins-hooks-streams.md 1.5). Used by the arbiter; the
programs they run are on the floor above and are known by name only.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from typing import Any

from circus.base.logs import logger
from circus.exc import ConfigError
from circus.model.options import WATCHER
from circus.model.plugincmd import EX_CONFIG
from circus.sockets import CircusSocket
from circus.watcher import Watcher

#: Plugin options that are also watcher options by accident of name and must not change the watcher.
_PLUGIN_OWN = frozenset({"max_retry", "active", "use", "name", "__name__"})


def _program(entry: str) -> str:
    module = entry.rpartition(".")[2]
    return f"{shlex.quote(sys.executable)} -c 'from {entry.rpartition('.')[0]} import {module}; {module}.main()'"


def _log_options(arbiter: Any) -> str:
    text = ""
    level = "DEBUG" if arbiter.debug else arbiter.loglevel
    if level:
        text += f" --log-level {shlex.quote(str(level))}"
    if arbiter.logoutput:
        text += f" --log-output {shlex.quote(str(arbiter.logoutput))}"
    return text


def stats_watcher(arbiter: Any) -> Watcher:
    """The watcher ``circusd-stats``, which publishes statistics on the stats endpoint."""
    cmd = (
        f"{_program('circus.stats')} --endpoint {arbiter.endpoint} --pubsub {arbiter.pubsub_endpoint}"
        f" --statspoint {arbiter.stats_endpoint}"
    )
    if arbiter.ssh_server is not None:
        cmd += f" --ssh {shlex.quote(arbiter.ssh_server)}"
    interval, metrics = getattr(arbiter, "stats_interval", 1.0), getattr(arbiter, "metrics_endpoint", None)
    if interval != 1.0:
        cmd += f" --interval {interval:g}"
    if metrics:
        cmd += f" --metrics {shlex.quote(str(metrics))}"
    return Watcher(
        "circusd-stats", cmd + _log_options(arbiter), use_sockets=True, singleton=True, copy_env=True, copy_path=True,
        stdout_stream=arbiter.stdout_stream, stderr_stream=arbiter.stderr_stream,
        close_child_stdout=arbiter.statsd_close_outputs, close_child_stderr=arbiter.statsd_close_outputs,
    )


#: Options of [circus] that are handed to the web console, and its own names for them.
HTTPD_OPTIONS = {
    "httpd_auth": "--auth", "httpd_users": "--users", "httpd_state_dir": "--state-dir",
    "httpd_audit_log": "--audit-log", "httpd_tls_cert": "--tls-cert", "httpd_tls_key": "--tls-key",
    "httpd_url_prefix": "--url-prefix", "httpd_trusted_hosts": "--trusted-hosts",
    "httpd_trusted_proxies": "--trusted-proxies",
}  # fmt: skip


def httpd_parts(arbiter: Any) -> tuple[Watcher, CircusSocket]:
    """The watcher ``circushttpd`` and the socket it serves on."""
    cmd = f"{_program('circus.web')} --endpoint {arbiter.endpoint} --fd $(circus.sockets.circushttpd)"
    if arbiter.ssh_server is not None:
        cmd += f" --ssh {shlex.quote(arbiter.ssh_server)}"
    for name, value in getattr(arbiter, "httpd_options", {}).items():
        cmd += f" {HTTPD_OPTIONS[name]} {shlex.quote(str(value))}"
    cmd += _log_options(arbiter)
    watcher = Watcher(
        "circushttpd", cmd, use_sockets=True, singleton=True, copy_env=True, copy_path=True,
        stdout_stream=arbiter.stdout_stream, stderr_stream=arbiter.stderr_stream,
        close_child_stdout=arbiter.httpd_close_outputs, close_child_stderr=arbiter.httpd_close_outputs,
    )
    sock = CircusSocket(name="circushttpd", host=arbiter.httpd_host, port=arbiter.httpd_port)
    return watcher, sock


def _tell_findings(name: str, found: Any, config: Mapping[str, Any]) -> None:
    """Say in the daemon's log what is wrong with a plugin's section: its own output is usually thrown away."""
    table = getattr(found, "option_table", None)  # plugins of users need not have one
    if table is None:
        return
    for finding in table.findings(config, complete="option_table" in vars(found)):
        say = logger.error if finding.severity == "error" else logger.warning
        hint = f"; {finding.hint}" if finding.hint else ""
        say("%s: %s%s%s", name, f"{finding.option}: " if finding.option else "", finding.text, hint)


def plugin_options(arbiter: Any, config: Mapping[str, Any], command: Callable[..., str]) -> dict[str, Any]:
    """The Watcher keywords for one plugin.

    :param config: a ``[plugin:NAME]`` section as a mapping; it is left as it was.
    :param command: builds the plugin's command line (:func:`circus.model.plugincmd.plugin_command`).
    :raises ImportError: when the class it names cannot be found. :raises KeyError: without ``use``.
    """
    from circus.base.imports import resolve_name

    found = resolve_name(config["use"])
    name = config.get("name") or config["use"]
    _tell_findings(name, found, config)
    own = getattr(found, "option_table", None) or ()
    cmd = command(
        config, arbiter.endpoint, arbiter.pubsub_endpoint, arbiter.check_delay, arbiter.ssh_server, arbiter.debug,
        loglevel=arbiter.loglevel, logoutput=arbiter.logoutput,
    )
    options: dict[str, Any] = {
        "name": name, "cmd": cmd, "priority": 1, "singleton": True,
        "stdout_stream": arbiter.stdout_stream, "stderr_stream": arbiter.stderr_stream,
        "copy_env": True, "copy_path": True, "stop_exit_codes": [EX_CONFIG],
    }
    active = str(config.get("active", "true")).strip().lower()
    if active in ("no", "false", "off", "0"):
        options["autostart"] = False  # kept listed as stopped: an inactive plugin would only end at once
    for key, value in config.items():
        option = WATCHER.find(key)
        if key in ("use", "name", "__name__"):
            continue
        if option is None or key in _PLUGIN_OWN or option.family or key in own:
            if option is None or option.family:
                options.setdefault(key, value)
            continue
        try:
            options[key] = option.kind.parse(value) if isinstance(value, str) else value
        except ValueError as error:
            raise ConfigError(f"{name}: {key} = {value}: {error} (expected: {option.kind.word})") from error
    is_heard = arbiter.debug or bool(options.get("capture"))
    for key in ("close_child_stdout", "close_child_stderr"):
        options.setdefault(key, not is_heard)
    return options
