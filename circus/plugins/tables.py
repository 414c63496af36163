"""The option tables of the bundled plugins, together in one place.

Together, and not each beside its class, so that the manual can be written where a class cannot be imported (the
Redis observer needs a library of its own). The classes, ``docs/generate.py`` and, through the classes, ``circusd
--check`` read them.
"""

from __future__ import annotations

import re
import signal
from typing import Any

from circus.model.options.kinds import Boolean, Integer, Kind, Real, Signal, Text
from circus.plugins.options import Memory, Pattern, PluginOption, PluginTable, Port

_text, _flag = Text(), Boolean()
_percent = Real(minimum=0.0)
_span = Real(minimum=0.001)


def _option(name: str, kind: Kind, default: Any, doc: str, unit: str = "", **more: Any) -> PluginOption:
    return PluginOption(name, kind, default, doc, as_text=True, unit=unit, **more)


def _statsd(app: str) -> tuple[PluginOption, ...]:
    """What every plugin that sends metrics reads."""
    return (
        _option("application_name", _text, app, "Second part of the names of the metrics: "
                "`circus.<application_name>.watcher`."),
        _option("host", _text, "localhost", "Host of the statsd server."),
        _option("port", Port(), 8125, "UDP port of the statsd server."),
        _option("sample_rate", Real(0.0, 1.0), 1.0, "Fraction of the metrics that is sent; the server is told, "
                "and reckons the rest."),
    )


def _observer(app: str, rate: float = 60.0) -> tuple[PluginOption, ...]:
    """What every plugin that looks at something periodically and sends metrics reads."""
    return (*_statsd(app), _option("loop_rate", _span, rate, "Time between two looks; the first one comes after that "
                                   "time.", "seconds"))


FLAPPING = PluginTable("circus.plugins.flapping.Flapping", (
    _option("attempts", Integer(minimum=1), 2, "How many unexpected deaths within the window are flapping."),
    _option("window", Real(minimum=0.0), 1.0, "Within how much time; `check_delay` of the daemon is added to it.",
            "seconds"),
    _option("retry_in", Real(minimum=0.0), 7.0, "How long a flapping watcher stays stopped before it is started "
            "again.", "seconds"),
    _option("max_retry", Integer(minimum=-1), 5, "How many times in a row it is started again; after that it stays "
            "stopped. -1: for ever."),
    _option("active", _flag, True, "False keeps the plugin stopped; as `flapping.active` of a watcher it leaves that "
            "watcher alone."),
), watcher_prefix="flapping.")

STATSD_EMITTER = PluginTable("circus.plugins.statsd.StatsdEmitter", _statsd("app"))

FULL_STATS = PluginTable("circus.plugins.statsd.FullStats", _observer("app"))

RESOURCE_WATCHER = PluginTable("circus.plugins.resource_watcher.ResourceWatcher", (
    _option("watcher", _text, None, "Name of the watcher whose processes are looked at. Must be given."),
    _option("service", _text, None, "Older name of `watcher`.", deprecated="it is called `watcher` now"),
    _option("max_cpu", _percent, 90.0, "A process above this is over; 0 turns it off.", "percent of one CPU"),
    _option("max_mem", Memory(), (90.0, False), "A process above this is over: percent of the memory of the machine "
            "as a number, or a size such as `512M`; 0 turns it off."),
    _option("min_cpu", _percent, None, "A process at or below this is under.", "percent of one CPU"),
    _option("min_mem", Memory(), None, "A process below this is under; written like `max_mem`."),
    _option("health_threshold", _percent, 75.0, "A process is over when the mean of its CPU and memory percentages is "
            "above this; 0 turns it off.", "percent"),
    _option("max_count", Integer(minimum=0), 3, "How many looks in a row a process may be over or under; at the next "
            "one it is ended, and its watcher replaces it."),
    _option("process_children", _flag, False, "Look at the direct children of the processes, too, each by itself."),
    _option("child_signal", Signal(), signal.SIGTERM, "What a child that was over or under for too long is sent."),
    *_observer("app"),
), required=[("watcher", "service")])

WATCHDOG = PluginTable("circus.plugins.watchdog.WatchDog", (
    _option("loop_rate", _span, 60.0, "Time between two checks, and the longest time between two heart beats.",
            "seconds"),
    _option("watchers_regex", Pattern(), re.compile(".*"), "Watchers whose names match, from their beginning, are "
            "expected to send heart beats. circusd's own watchers and plugins never are."),
    _option("msg_regex", Pattern("pid"), re.compile("^(?P<pid>.*);(?P<timestamp>.*)$"), "What a heart beat looks "
            "like; the group `pid` is the process it is from."),
    _option("max_count", Integer(minimum=0), 3, "A process that was silent for more than `max_count` times "
            "`loop_rate` is ended."),
    _option("ip", _text, "127.0.0.1", "Address to listen on for heart beats."),
    _option("port", Port(), 1664, "UDP port to listen on."),
    _option("watchers_stop_signal", Signal(), None, "Signal that ends a silent process; by default the "
            "`stop_signal` of its watcher."),
    _option("watchers_graceful_timeout", Real(minimum=0.0), None, "Time after which SIGKILL follows; by default the "
            "`graceful_timeout` of its watcher.", "seconds"),
))

COMMAND_RELOADER = PluginTable("circus.plugins.command_reloader.CommandReloader", (
    _option("loop_rate", _span, 1.0, "Time between two looks at the files.", "seconds"),
))

REDIS_OBSERVER = PluginTable("circus.plugins.redis_observer.RedisObserver", (
    _option("redis_url", _text, "redis://localhost:6379/0", "The server, as a URL of the redis library."),
    _option("timeout", _span, 5.0, "How long an answer may take.", "seconds"),
    _option("restart_on_timeout", _text, None, "Name of a watcher to restart when the server does not answer."),
    *_observer("redis_observer"),
))

HTTP_OBSERVER = PluginTable("circus.plugins.http_observer.HttpObserver", (
    _option("check_url", _text, "http://localhost/", "What is fetched."),
    _option("timeout", _span, 10.0, "How long an answer may take.", "seconds"),
    _option("restart_on_error", _text, None, "Name of a watcher to restart when the answer is an error, or none "
            "comes."),
    *_observer("http_observer"),
))

#: Dotted names of the bundled plugins' classes, in the order of the manual.
BUNDLED: dict[str, PluginTable] = {
    table.title: table
    for table in (FLAPPING, RESOURCE_WATCHER, WATCHDOG, COMMAND_RELOADER, STATSD_EMITTER, FULL_STATS, HTTP_OBSERVER,
                  REDIS_OBSERVER)
}
