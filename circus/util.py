"""Compatibility: the names that programs import from ``circus.util``. Nothing is defined here.

Each name lives in the module that it is imported from below; Circus itself uses it from there. Importing this
module loads tornado and psutil, so nothing on the daemon's start path does.
"""

from __future__ import annotations

import os

from psutil import AccessDenied, NoSuchProcess, Process

from circus.base.capabilities import (
    IS_WINDOWS,
    MAXFD,
    REDIRECT_TO,
    _setproctitle,
    close_on_exec,
    get_python_version,
)
from circus.base.convert import (  # type: ignore[attr-defined]  # None where there are no users
    FALSY_STRINGS,
    TRUTHY_STRINGS,
    bytes2human,
    convert_opt,
    get_default_gid,
    get_username_from_uid,
    grp,
    human2bytes,
    pwd,
    to_bool,
    to_bytes,
    to_gid,
    to_signum,
    to_str,
    to_uid,
)
from circus.base.endpoints import (
    DEFAULT_ENDPOINT_DEALER,
    DEFAULT_ENDPOINT_MULTICAST,
    DEFAULT_ENDPOINT_STATS,
    DEFAULT_ENDPOINT_SUB,
)
from circus.base.environ import env_to_str, get_working_dir, load_virtualenv, parse_env_dict, parse_env_str
from circus.base.expand import replace_gnu_args
from circus.base.imports import ImportStringError, resolve_name
from circus.base.legacy import (
    AsyncPeriodicCallback,
    DictDiffer,
    ObjectDict,
    TransformableFuture,
    check_future_exception_and_log,
    debuglog,
    dict_differ,
    synchronized,
    tornado_sleep,
)
from circus.base.logs import LOG_DATE_FMT, LOG_DATE_SYSLOG_FMT, LOG_FMT, LOG_LEVELS, configure_logger, logger
from circus.exc import ConflictError
from circus.ini import StrictConfigParser
from circus.system.procinfo import _PROCS, get_info
from circus.system.transport import create_udp_socket, get_connection

__all__ = [
    "DEFAULT_ENDPOINT_DEALER",
    "DEFAULT_ENDPOINT_MULTICAST",
    "DEFAULT_ENDPOINT_STATS",
    "DEFAULT_ENDPOINT_SUB",
    "FALSY_STRINGS",
    "IS_WINDOWS",
    "LOG_DATE_FMT",
    "LOG_DATE_SYSLOG_FMT",
    "LOG_FMT",
    "LOG_LEVELS",
    "MAXFD",
    "REDIRECT_TO",
    "TRUTHY_STRINGS",
    "_PROCS",
    "AccessDenied",
    "AsyncPeriodicCallback",
    "ConflictError",
    "DictDiffer",
    "ImportStringError",
    "NoSuchProcess",
    "ObjectDict",
    "Process",
    "StrictConfigParser",
    "TransformableFuture",
    "_setproctitle",
    "bytes2human",
    "check_future_exception_and_log",
    "close_on_exec",
    "configure_logger",
    "convert_opt",
    "create_udp_socket",
    "debuglog",
    "dict_differ",
    "env_to_str",
    "get_connection",
    "get_default_gid",
    "get_info",
    "get_python_version",
    "get_username_from_uid",
    "get_working_dir",
    "grp",
    "human2bytes",
    "load_virtualenv",
    "logger",
    "os",
    "parse_env_dict",
    "parse_env_str",
    "pwd",
    "replace_gnu_args",
    "resolve_name",
    "synchronized",
    "to_bool",
    "to_bytes",
    "to_gid",
    "to_signum",
    "to_str",
    "to_uid",
    "tornado_sleep",
]
