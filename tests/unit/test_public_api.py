"""The names that programs written for Circus 0.19 import (spec library.md 11, 15, 16; lifecycle.md 15).

A name in these tables may be moved, but never lost.
"""

from __future__ import annotations

import importlib
import inspect
import sys

import pytest

_IMPORTS = {
    "circus": "circusd client get_arbiter logger util watcher ArbiterHandler __version__",
    "circus._patch": "",
    "circus.arbiter": "Arbiter ThreadedArbiter _ENV_EXCEPTIONS",
    "circus.circusctl": "CircusCtl USAGE VERSION TIMEOUT_MSG ControllerApp parse_arguments prettify main",
    "circus.circusd": "daemonize get_maxfd main closerange configure_logger Arbiter",
    "circus.client": "AsyncCircusClient CircusClient CallError make_message cast_message make_json",
    "circus.commands": "get_commands",
    "circus.commands.decrproc": "DecrProc",
    "circus.commands.incrproc": "IncrProc",
    "circus.commands.list": "List",
    "circus.commands.quit": "Quit",
    "circus.commands.set": "Set",
    "circus.commands.stats": "Stats MessageError",
    "circus.commands.util": "ArgumentError convert_option validate_option",
    "circus.config": "get_config",
    "circus.consumer": "CircusConsumer",
    "circus.controller": "Controller create_udp_socket",
    "circus.exc": "AlreadyExist ArgumentError CallError ConflictError MessageError",
    "circus.fixed_threading": "RLock Thread Timer get_ident",
    "circus.pidfile": "Pidfile",
    "circus.plugins": "CircusPlugin main",
    "circus.plugins._statsd": "StatsdEmitter",
    "circus.plugins.command_reloader": "CommandReloader os",
    "circus.plugins.flapping": "Flapping Timer",
    "circus.plugins.resource_watcher": "ResourceWatcher",
    "circus.plugins.statsd": "FullStats StatsdEmitter",
    "circus.plugins.watchdog": "WatchDog",
    "circus.process": "Process RUNNING DEAD_OR_ZOMBIE UNEXISTING OTHER IS_WINDOWS",
    "circus.py3compat": "string_types",
    "circus.sighandler": "SysHandler",
    "circus.sockets": "CircusSocket CircusSockets",
    "circus.stats": "main SysHandler",
    "circus.stats.client": "StatsClient main",
    "circus.stats.collector": "SocketStatsCollector WatcherStatsCollector util",
    "circus.stats.publisher": "StatsPublisher",
    "circus.stats.streamer": "StatsStreamer",
    "circus.stream": (
        "Empty FancyStdoutStream FileStream QueueStream StdoutStream TimedRotatingFileStream"
        " WatchedFileStream get_stream Redirector"
    ),
    "circus.util": (
        "AccessDenied AsyncPeriodicCallback ConflictError DEFAULT_ENDPOINT_DEALER "
        "DEFAULT_ENDPOINT_MULTICAST DEFAULT_ENDPOINT_STATS DEFAULT_ENDPOINT_SUB DictDiffer FALSY_STRINGS "
        "IS_WINDOWS ImportStringError LOG_DATE_FMT LOG_DATE_SYSLOG_FMT LOG_FMT LOG_LEVELS MAXFD "
        "NoSuchProcess ObjectDict Process REDIRECT_TO StrictConfigParser TRUTHY_STRINGS "
        "TransformableFuture _PROCS _setproctitle bytes2human check_future_exception_and_log "
        "close_on_exec configure_logger convert_opt create_udp_socket debuglog dict_differ env_to_str "
        "get_connection get_default_gid get_info get_python_version get_username_from_uid "
        "get_working_dir human2bytes load_virtualenv os parse_env_dict parse_env_str replace_gnu_args "
        "resolve_name synchronized to_bool to_bytes to_gid to_signum to_str to_uid tornado_sleep"
    ),
    "circus.watcher": "Watcher tornado_sleep",
}
_GREEN = {
    "circus.green": "ArbiterHandler get_arbiter",
    "circus.green.arbiter": "Arbiter",
    "circus.green.client": "CircusClient",
    "circus.green.consumer": "CircusConsumer",
    "circus.green.controller": "Controller",
    "circus.green.sighandler": "SysHandler",
}
_SIGNATURES = {
    "bytes2human": "n",
    "configure_logger": "logger level output loggerconfig name",
    "convert_opt": "key val",
    "get_connection": "socket endpoint ssh_server ssh_keyfile",
    "get_info": "process interval with_childs",
    "load_virtualenv": "watcher py_ver",
    "replace_gnu_args": "data prefix options",
    "resolve_name": "import_name silent reload",
    "to_bytes": "s encoding",
    "to_str": "s encoding errors",
}


def _find(module, name):
    """As ``from module import name`` does: an attribute, else a module of the package."""
    found = importlib.import_module(module)
    if not hasattr(found, name):
        importlib.import_module(f"{module}.{name}")
    return getattr(found, name)


@pytest.mark.parametrize("module", sorted(_IMPORTS))
def test_module_exists(module):
    importlib.import_module(module)


@pytest.mark.parametrize(
    ("module", "name"), [(m, n) for m in sorted(_IMPORTS) for n in _IMPORTS[m].split()]
)
def test_name_can_be_imported(module, name):
    assert _find(module, name) is not None


@pytest.mark.parametrize("module", sorted(_GREEN))
def test_green_names_can_be_imported(module):
    pytest.importorskip("gevent")
    for name in _GREEN[module].split():
        assert _find(module, name) is not None


@pytest.mark.parametrize("module", sorted(_GREEN))
def test_green_modules_name_the_package_they_need(module, monkeypatch):
    monkeypatch.setitem(sys.modules, "gevent", None)  # as if it were not installed
    for loaded in [name for name in sys.modules if name.startswith("circus.green")]:
        monkeypatch.delitem(sys.modules, loaded)
    with pytest.raises(ImportError, match="gevent"):
        importlib.import_module(module)


@pytest.mark.parametrize("name", sorted(_SIGNATURES))
def test_parameters_can_be_given_by_their_names(name):
    parameters = inspect.signature(_find("circus.util", name)).parameters
    assert list(parameters)[: len(_SIGNATURES[name].split())] == _SIGNATURES[name].split()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEFAULT_ENDPOINT_DEALER", "tcp://127.0.0.1:5555"),
        ("DEFAULT_ENDPOINT_SUB", "tcp://127.0.0.1:5556"),
        ("DEFAULT_ENDPOINT_STATS", "tcp://127.0.0.1:5557"),
        ("DEFAULT_ENDPOINT_MULTICAST", "udp://237.219.251.97:12027"),
        ("MAXFD", 1024),
        ("REDIRECT_TO", "/dev/null"),
        ("IS_WINDOWS", False),
    ],
)
def test_constants(name, value):
    assert _find("circus.util", name) == value


def test_errors_are_the_same_wherever_they_are_imported_from():
    import psutil

    exc = importlib.import_module("circus.exc")
    assert _find("circus.util", "ConflictError") is exc.ConflictError
    assert _find("circus.client", "CallError") is exc.CallError
    assert _find("circus.commands.stats", "MessageError") is exc.MessageError
    assert _find("circus.commands.util", "ArgumentError") is exc.ArgumentError
    assert _find("circus.util", "NoSuchProcess") is psutil.NoSuchProcess
