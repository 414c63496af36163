"""THE tables: every option of every sort of section, declared once (spec config.md 4 to 9, wire.md 5.3 to
5.5).

Adding an option means adding a row here and a test. Rows of the watcher table that ``options`` reports stand
in the order of that reply's names.
"""

from __future__ import annotations

import signal
from typing import Any

from circus.base.endpoints import (
    DEFAULT_ENDPOINT_DEALER,
    DEFAULT_ENDPOINT_MULTICAST,
    DEFAULT_ENDPOINT_STATS,
    DEFAULT_ENDPOINT_SUB,
)
from circus.model.options.compound import Environment, HookCall, HookCalls, ResourceLimit, StreamOptions
from circus.model.options.kinds import (
    Account,
    Address,
    Boolean,
    Choice,
    ConsoleText,
    ExitCodes,
    Integer,
    Kind,
    Mask,
    Real,
    Signal,
    Size,
    Text,
    Words,
)
from circus.model.options.table import OnChange, Option, Table

NOTHING, RECONCILE, ROLL, STREAM_, REPLACE = OnChange

_text, _flag, _integer, _seconds = Text(), Boolean(), Integer(), Real()
_span = Real(minimum=0.0)  # seconds of options that 0.19 did not have, so nobody relies on negative ones
_stream = StreamOptions()


def _wire(name: str, kind: Kind, default: Any, doc: str, on_change: OnChange, **more: Any) -> Option:
    """A watcher option that ``add`` and ``set`` accept and ``options`` reports."""
    more = {"reported": True, **more}
    return Option(name, kind, default, doc, on_change, addable=True, settable=True, **more)


def _fixed(name: str, kind: Kind, default: Any, doc: str, on_change: OnChange, **more: Any) -> Option:
    """A watcher option that ``add`` accepts and ``set`` does not (spec wire.md 5.3)."""
    fixed = "Circus 0.19 refuses to set it, and its clients may rely on that; use the file and reloadconfig"
    return Option(name, kind, default, doc, on_change, addable=True, fixed=fixed, **more)


WATCHER = Table("watcher", (
    Option("name", _text, "", "Name of the watcher; by default what stands behind `watcher:` in the "
           "section's header. Compared without case.", REPLACE, expand=False, ini_default="",
           fixed="a watcher is known by its name; remove it and add another"),
    _wire("numprocesses", _integer, 1, "How many processes to keep running.", RECONCILE, ini_default=1),
    _wire("warmup_delay", _seconds, 0.0, "Seconds to wait after each process that is started.", RECONCILE,
          ini_default=0),
    _wire("working_dir", Words(), None, "Working directory of the processes; by default that of the daemon.",
          ROLL, ini_default=None),
    _wire("uid", Account(), None, "User to run the processes as, by name or number; by default the daemon's. "
          "Without `gid` the user's primary group comes with it.", ROLL, ini_default=None),
    _wire("gid", Account(), None, "Group to run the processes as, by name or number; by default the "
          "daemon's.", ROLL, ini_default=None),
    _wire("send_hup", _flag, False, "Reload by sending SIGHUP to the processes instead of replacing them.",
          RECONCILE, ini_default=False),
    _wire("stop_signal", Signal(), signal.SIGTERM, "Signal that asks a process to end, by name or number.",
          RECONCILE, ini_default=signal.SIGTERM),
    _wire("stop_children", _flag, False, "Send the stop signal to the descendants of a process, too.",
          RECONCILE, ini_default=False),
    _wire("shell", _flag, False, "Run the command by `/bin/sh -c`.", ROLL, ini_default=False),
    _fixed("shell_args", _text, None, "Arguments for the shell itself; only with `shell`.", ROLL,
           reported=True, as_text=True),
    _wire("env", Environment(), None, "Variables of the processes. In a file they stand in sections of their "
          "own, [env] and [env:NAME]; `set` replaces them all.", ROLL, in_ini=False, expand=False),
    _wire("max_retry", _integer, 5, "How many times in a row a process that cannot be started is tried "
          "before the watcher is stopped; -1 for ever.", RECONCILE, ini_default=5),
    _wire("cmd", Words(required=True), "", "Command line, split as a POSIX shell does.", ROLL,
          ini_default=""),
    _wire("args", Words(), None, "More arguments, split and appended to `cmd`.", ROLL, ini_default=""),
    _wire("respawn", _flag, True, "Replace processes that end.", RECONCILE, ini_default=True),
    _wire("stop_exit_codes", ExitCodes(), None, "Exit codes that are final: a process that ends by itself with one of "
          "them is not replaced, and the watcher stops. For those that another try cannot help.", NOTHING,
          since="1.0"),
    _wire("graceful_timeout", _seconds, 30.0, "Seconds a process may take to end after the stop signal; then "
          "it and all its descendants are killed.", NOTHING, ini_default=30),
    _fixed("executable", _text, None, "Program to execute in place of the first word of `cmd`, which stays "
           "the name it is given.", ROLL, reported=True, ini_default=None),
    _fixed("use_sockets", _flag, False, "Hand the managed sockets on to the processes, at the same "
           "descriptors.", ROLL, reported=True, ini_default=False),
    _fixed("priority", _integer, 0, "Watchers with a bigger number start earlier and stop later.", NOTHING,
           reported=True, ini_default=0),
    _wire("copy_env", _flag, False, "Start from the daemon's environment; without it processes get only what "
          "is written in the configuration.", ROLL, ini_default=False),
    _wire("singleton", Boolean(words=True), False, "Never run more than one process.", RECONCILE,
          ini_default=False),
    _wire("stdout_stream", _stream, None, "Where standard output goes; in a file set key by key, as "
          "stdout_stream.class and so on.", STREAM_, in_ini=False, report_as="stdout_stream_conf",
          ini_default={}),
    _fixed("on_demand", _flag, False, "Start only when somebody connects to a managed socket.", RECONCILE,
           reported=True, ini_default=False),
    _wire("stderr_stream", _stream, None, "Where standard error goes; in a file set key by key, as "
          "stderr_stream.class and so on.", STREAM_, in_ini=False, report_as="stderr_stream_conf",
          ini_default={}),
    _wire("max_age", _integer, 0, "Seconds after which a process is replaced; 0 never.", ROLL, as_text=True),
    _wire("max_age_variance", _integer, 30, "Random seconds added to `max_age`, drawn once per process.",
          ROLL, as_text=True),
    _wire("close_child_stdin", _flag, True, "Give the processes /dev/null as standard input.", ROLL),
    _wire("close_child_stdout", _flag, False, "Give the processes /dev/null as standard output.", ROLL),
    _wire("close_child_stderr", _flag, False, "Give the processes /dev/null as standard error.", ROLL),
    _wire("respawn_backoff.base", _span, 0.1, "Seconds before the first retry of a process that died young "
          "or could not be started.", NOTHING, family="respawn_backoff.", since="1.0"),
    _wire("respawn_backoff.factor", Real(minimum=1.0), 2.0, "By how much the wait grows from one retry to "
          "the next.", NOTHING, family="respawn_backoff.", since="1.0"),
    _wire("respawn_backoff.cap", _span, 30.0, "Longest wait between two retries in seconds.", NOTHING,
          family="respawn_backoff.", since="1.0"),
    _wire("respawn_backoff.stable", _span, 1.0, "A process that lived this many seconds is replaced at once, "
          "and the wait starts over.", NOTHING, family="respawn_backoff.", since="1.0"),
    _wire("respawn_backoff.jitter", Real(0.0, 1.0), 0.1, "Largest random fraction added to a wait.", NOTHING,
          family="respawn_backoff.", since="1.0"),
    _wire("hook_timeout", Real(minimum=0.001), 60.0, "Seconds a hook may take before it counts as failed.",
          NOTHING, since="1.0"),
    _wire("reload_overlap", _span, 1.0, "Seconds the new processes of a graceful reload must live before the "
          "old ones are asked to end.", NOTHING, since="1.0"),
    _wire("circus_env", _flag, True, "Tell the processes who they are by CIRCUS_WATCHER and CIRCUS_WID.",
          ROLL, since="1.0"),
    _wire("listen_fds", _flag, False, "Announce the handed-on sockets by LISTEN_FDS, LISTEN_FDNAMES and "
          "LISTEN_PID.", ROLL, since="1.0"),
    _wire("login_env", _flag, False, "Set HOME, USER, LOGNAME and SHELL for the user of `uid`.", ROLL,
          since="1.0"),
    _wire("capture", _flag, None, "Read output that has no stream, too: keep the last of it for `tail`, and pass it "
          "on to circusd's own. By default as `capture` of [circus] says.", ROLL, since="1.0"),
    # Below: not part of the reply to `options`.
    _fixed("copy_path", _flag, False, "Give the processes the daemon's module search path as PYTHONPATH; "
           "needs `copy_env`.", ROLL, ini_default=False),
    _fixed("autostart", _flag, True, "Start together with the daemon.", NOTHING, ini_default=True),
    _fixed("virtualenv", _text, None, "Directory of a Python virtual environment to activate; needs "
           "`copy_env`.", ROLL, as_text=True),
    _fixed("virtualenv_py_ver", _text, None, "Python version in the names of its directories, such as 3.11; "
           "by default that of the daemon.", ROLL, as_text=True),
    _fixed("stdin_socket", _text, None, "Name of a managed socket to give the processes as standard input.",
           ROLL, as_text=True),
    _wire("hooks", HookCalls(), {}, "All hooks at once; in a file set one by one, as hooks.NAME.", RECONCILE,
          in_ini=False, expand=False, reported=False, ini_default={}),
    _wire("hooks.", HookCall(), None, "A function to call at a point of the life of the watcher, and whether "
          "its failures are ignored: `package.module.function, flag`.", RECONCILE, expand=False,
          reported=False, family="hooks."),
    Option("rlimits", Kind(), {}, "All resource limits at once; in a file set one by one, as rlimit_NAME.",
           ROLL, in_ini=False, ini_default={}, fixed="they are set one by one, as rlimit_NAME"),
    _wire("rlimit_", ResourceLimit(), None, "A resource limit of the processes, as a number, `soft:hard`, or "
          "nothing for infinity; NAME is one of setrlimit(2) such as nofile.", ROLL, reported=False,
          family="rlimit_"),
    _wire("stdout_stream.", Kind(), None, "An option of the stream of standard output.", STREAM_,
          reported=False, family="stdout_stream."),
    _wire("stderr_stream.", Kind(), None, "An option of the stream of standard error.", STREAM_,
          reported=False, family="stderr_stream."),
    Option("prereload_fn", Kind(), None, "Function that programs have called before a reload.", NOTHING,
           in_ini=False, fixed="a function cannot be sent"),
    Option("check_flapping", _flag, True, "Left over from an older flapping plugin.", NOTHING,
           deprecated="it has no effect; configure circus.plugins.flapping.Flapping",
           fixed="it has no effect"),
    _wire("retry_in", _seconds, 7.0, "Left over from an older flapping plugin.", NOTHING, reported=False,
          as_text=True, deprecated="it has no effect; use the option flapping.retry_in of the flapping "
          "plugin"),
), lookalikes={
    "command": "cmd", "cwd": "working_dir", "directory": "working_dir", "user": "uid", "group": "gid",
    "environment": "[env:NAME]", "numprocs": "numprocesses", "autorestart": "respawn",
    "stopsignal": "stop_signal", "stopwaitsecs": "graceful_timeout",
    "stdout_logfile": "stdout_stream.filename", "stderr_logfile": "stderr_stream.filename",
})


def _daemon(
    name: str, kind: Kind, default: Any, doc: str, on_change: OnChange = REPLACE, **more: Any
) -> Option:
    """A ``[circus]`` option that the configuration dict always has."""
    return Option(name, kind, default, doc, on_change, **{"ini_default": default, **more})


def _ignored(name: str, doc: str) -> Option:
    """A ``[circus]`` option that was documented but never read from a file."""
    deprecated = "it has no effect in a file; programs pass it to get_arbiter()"
    return Option(name, _text, None, doc, deprecated=deprecated)


CIRCUS = Table("circus", (
    _daemon("check_delay", _seconds, 5.0, "Seconds between two checks that what runs is what should; 0 or "
            "less: none. Deaths are noticed at once regardless.", RECONCILE),
    _daemon("endpoint", _text, DEFAULT_ENDPOINT_DEALER, "Where commands are taken."),
    _daemon("endpoint_owner", _text, None, "User who owns the socket file of an ipc endpoint."),
    _daemon("pubsub_endpoint", _text, DEFAULT_ENDPOINT_SUB, "Where events are published."),
    _daemon("multicast_endpoint", Address(), DEFAULT_ENDPOINT_MULTICAST, "UDP group where clients ask for "
            "the endpoint; answered only when given, `none` turns it off."),
    _daemon("stats_endpoint", _text, DEFAULT_ENDPOINT_STATS, "Where circusd-stats publishes."),
    _daemon("statsd", _flag, False, "Run circusd-stats."),
    _daemon("umask", Mask(), None, "File mode creation mask of the daemon and its processes, octal."),
    _daemon("warmup_delay", _seconds, 0.0, "Seconds to wait after each watcher that is started.", RECONCILE,
            ini_default=0),
    _daemon("httpd", _flag, False, "Run the web console."),
    _daemon("httpd_host", _text, "localhost", "Address of the web console."),
    _daemon("httpd_port", _integer, 8080, "Port of the web console."),
    Option("httpd_auth", Choice("password", "none"), None, "Who may use the web console: whoever logs in "
           "(`password`, the default), or `none`: everybody who can connect, which is possible on the loopback only.",
           REPLACE, since="1.0"),
    Option("httpd_users", _text, None, "File of the web console's users; by default `users` in its state directory.",
           REPLACE, since="1.0"),
    Option("httpd_state_dir", _text, None, "Directory of the web console's own files; by default /var/lib/circus/httpd "
           "for root, else ~/.local/state/circus/httpd.", REPLACE, since="1.0"),
    Option("httpd_audit_log", _text, None, "File to which the web console appends a JSON line for each action.",
           REPLACE, since="1.0"),
    Option("httpd_tls_cert", _text, None, "Certificate of the web console, with its chain (PEM); it then speaks https.",
           REPLACE, since="1.0"),
    Option("httpd_tls_key", _text, None, "Key of that certificate, unless it is in the same file.",
           REPLACE, since="1.0"),
    Option("httpd_url_prefix", _text, None, "Path below which the web console is served, such as /circus.", REPLACE,
           since="1.0"),
    Option("httpd_trusted_hosts", _text, None, "Names by which browsers may call the web console, with commas; "
           "*.example.org, too. Addresses, localhost and this host's name are fine anyway.", REPLACE, since="1.0"),
    Option("httpd_trusted_proxies", _text, None, "Addresses or networks of proxies whose X-Forwarded-* headers the web "
           "console believes, with commas.", REPLACE, since="1.0"),
    _daemon("debug", _flag, False, "Show the output of plugins, circusd-stats and the web console, at level "
            "DEBUG."),
    _daemon("debug_gc", _flag, False, "Log what the garbage collector does."),
    _daemon("pidfile", _text, None, "File to write the daemon's process id to."),
    _daemon("loglevel", _text, None, "critical, error, warning, info or debug; by default info.", RECONCILE),
    _daemon("logoutput", _text, None, "Where the daemon logs: `-` for standard error, a file, or "
            "syslog://host[:port]?facility.", RECONCILE),
    _daemon("loggerconfig", _text, None, "File with a complete logging configuration (*.ini, *.json, "
            "*.yaml)."),
    _daemon("fqdn_prefix", _text, None, "Put before the host name, as prefix@host, by which the daemon calls "
            "itself."),
    Option("include", _text, None, "Patterns of more files to read, relative to this one.", NOTHING),
    Option("include_dir", _text, None, "Directories whose *.ini files are read, relative to this file.",
           NOTHING),
    Option("statsd_close_outputs", _flag, False, "Send the output of circusd-stats to /dev/null.", REPLACE),
    Option("httpd_close_outputs", _flag, False, "Send the output of the web console to /dev/null.", REPLACE),
    Option("capture", _flag, False, "Read the output of watchers without a stream, too: keep the last of it for "
           "`tail`, and pass it on to circusd's own.", REPLACE, since="1.0"),
    Option("capture_size", Size(minimum=1), 65536, "Bytes of output kept in memory per process and stream, where it "
           "is read.", REPLACE, since="1.0"),
    Option("metrics_endpoint", _text, None, "Where circusd-stats serves metrics in the OpenMetrics format: "
           "`http://127.0.0.1:9100/metrics`, or `HOST:PORT`.", REPLACE,
           since="1.0"),
    Option("stats_interval", Real(minimum=0.05), 1.0, "Seconds between two statistics of circusd-stats.",
           REPLACE, since="1.0"),
    _ignored("stream_backend", "Left over from older releases."),
    _ignored("proc_name", "Title of the daemon's process."),
    _ignored("ssh_server", "Host through which clients of the daemon tunnel."),
    _ignored("prereload_fn", "Function called before a reload."),
))


def _bound(name: str, kind: Kind, default: Any, doc: str, **more: Any) -> Option:
    """A socket option; a socket that changes is made again."""
    return Option(name, kind, default, doc, REPLACE, **{"as_text": True, **more})


SOCKET = Table("socket", (
    _bound("name", _text, "", "Name of the socket, in lower case; what stands behind `socket:`.",
           in_ini=False, expand=False),
    _bound("host", _text, "localhost", "Host name or address to bind to."),
    _bound("port", _integer, 8080, "Port to bind to; 0 for any."),
    _bound("family", Choice("AF_INET", "AF_INET6", "AF_UNIX"), "AF_INET", "Address family."),
    _bound("type", Choice("SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_RDM", "SOCK_SEQPACKET"),
           "SOCK_STREAM", "Socket type; only SOCK_STREAM and SOCK_SEQPACKET listen."),
    _bound("proto", _text, None, "Name of a protocol, as in /etc/protocols; by default that of the type."),
    _bound("backlog", _integer, 2048, "How many connections may wait."),
    _bound("path", _text, None, "Path of a Unix socket; makes the family AF_UNIX."),
    _bound("umask", Mask(), None, "File mode creation mask for the path, octal; by default 077."),
    _bound("replace", _flag, False, "Remove an existing path first; otherwise it is an error.", as_text=False,
           ini_default=False),
    _bound("interface", _text, None, "Network interface to bind to, such as eth0."),
    _bound("so_reuseport", _flag, False, "Give every process a socket of its own on the same address.",
           as_text=False, ini_default=False),
    _bound("blocking", _flag, False, "Leave the socket blocking."),
    _bound("tcp_nodelay", _flag, False, "Send small packets at once (TCP_NODELAY), inherited by accepted "
           "connections.", as_text=False, since="1.0"),
), lookalikes={"address": "host", "bind": "host"})

PLUGIN = Table("plugin", (
    Option("use", _text, None, "Class of the plugin, `package.module.Class`. Every other option of the "
           "section is handed to it, and is an option of the watcher that runs it.", REPLACE, as_text=True),
    Option("name", _text, "", "Name of the watcher that runs the plugin: the header of the section.", REPLACE,
           in_ini=False, expand=False),
    Option("priority", _integer, 1, "As for a watcher.", REPLACE),
    Option("active", _flag, True, "Start the plugin.", REPLACE, as_text=True),
))

#: Values of ``class`` that are found without a module, and the options each understands besides.
STREAM_CLASSES = {
    "FileStream": frozenset({"filename", "max_bytes", "backup_count", "time_format", "overflow", "buffer"}),
    "WatchedFileStream": frozenset({"filename", "time_format", "overflow", "buffer"}),
    "TimedRotatingFileStream": frozenset({
        "filename", "backup_count", "time_format", "rotate_when", "rotate_interval", "utc", "overflow",
        "buffer",
    }),
    "QueueStream": frozenset({"overflow", "buffer"}),
    "StdoutStream": frozenset({"overflow", "buffer"}),
    "FancyStdoutStream": frozenset({"color", "time_format", "overflow", "buffer"}),
}


def _key(name: str, kind: Kind, default: Any, doc: str, **more: Any) -> Option:
    """A key behind ``stdout_stream.`` or ``stderr_stream.``."""
    return Option(name, kind, default, doc, STREAM_, addable=True, settable=True, as_text=True, **more)


STREAM = Table("stream", (
    _key("class", _text, None, "A built-in stream class, or `package.module.Class`. Not needed with "
         "`filename`."),
    _key("filename", _text, None, "File to append to; by default a temporary one."),
    _key("max_bytes", Size(), 0, "Size at which the file is rotated; 0 never."),
    _key("backup_count", _integer, 0, "How many rotated files to keep."),
    _key("time_format", _text, None, "strftime format of the time to put before each line."),
    _key("rotate_when", Choice("S", "M", "H", "D", "MIDNIGHT", *(f"W{day}" for day in range(7))), "H", "Unit "
         "of the rotation interval; W0 is Monday."),
    _key("rotate_interval", ConsoleText(Integer(minimum=1)), 1, "How many units between two rotations."),
    _key("utc", ConsoleText(_flag), False, "Reckon in UTC instead of local time."),
    _key("color", Choice("red", "green", "yellow", "blue", "magenta", "cyan", "white"), None, "Colour of the "
         "lines; by default a random one."),
    _key("overflow", Choice("block", "drop-oldest", "drop-newest"), "block", "What to do when output comes "
         "faster than it can be written.", since="1.0"),
    _key("buffer", Size(minimum=1), 1 << 20, "Bytes to hold for a slow destination before `overflow` says "
         "what happens.", since="1.0"),
    _key("refresh_time", _text, None, "Left over from older releases.", deprecated="output is read as it "
         "comes"),
    Option("stream", Kind(), None, "A ready stream object, from programs.", STREAM_, in_ini=False),
))
