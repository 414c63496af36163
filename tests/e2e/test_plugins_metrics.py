"""StatsdEmitter, FullStats and ResourceWatcher under a real circusd, with a real UDP listener and greedy workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness import Daemon, child_command, eventually
from harness.processes import is_alive
from harness.statsd import StatsdServer
from tests.e2e.plugged import lines_with, plugged
from tests.e2e.recording import of, up

WEB = "[watcher:web]\ncmd = sleep 98765\nnumprocesses = 2\n"


@pytest.fixture
def statsd() -> Iterator[StatsdServer]:
    with StatsdServer() as server:
        yield server


def hearing(daemon: Daemon, statsd: StatsdServer) -> None:
    """Wait until the emitter counts events."""
    up(daemon, "web", "plugin:it")

    def counts() -> bool:
        daemon.call("set", name="web", options={"warmup_delay": 0})
        return statsd.listen(0.1)

    eventually(counts)


def test_every_event_is_counted(tmp_path: Path, statsd: StatsdServer) -> None:
    options = {"port": statsd.port, "application_name": "shop"}
    with plugged(tmp_path, "circus.plugins.statsd.StatsdEmitter", options, WEB) as daemon:
        hearing(daemon, statsd)
        statsd.clear()
        daemon.call("stop", name="web", waiting=True)
        heard = statsd.wait_for("circus.shop.watcher.web.stop:1|c")
        assert sorted(each for each in heard if "updated" not in each) == [
            *["circus.shop.watcher.web.kill:1|c"] * 2, *["circus.shop.watcher.web.reap:1|c"] * 2,
            "circus.shop.watcher.web.stop:1|c",
        ]  # fmt: skip
        daemon.call("start", name="web", waiting=True)
        statsd.wait_for("circus.shop.watcher.web.spawn:1|c", "circus.shop.watcher.web.start:1|c")


def test_what_all_watchers_use_is_told(tmp_path: Path, statsd: StatsdServer) -> None:
    with plugged(tmp_path, "circus.plugins.statsd.FullStats", {"port": statsd.port, "loop_rate": 0.2}, WEB) as daemon:
        up(daemon, "web", "plugin:it")
        prefix = "circus.app.watcher._stats.web."
        figures = ("cpu_max", "cpu_sum", "mem_pct_max", "mem_pct_sum", "mem_max", "mem_sum")
        # A whole round, from its beginning.
        heard = statsd.wait_for(f"{prefix}watchers_num:2|g", *(f"{prefix}{figure}:" for figure in figures))
        begin = heard.index(f"{prefix}watchers_num:2|g")
        names = [each.partition(":")[0] for each in heard[begin:]]
        wanted = [f"{prefix}{figure}" for figure in ("watchers_num", *figures)]
        assert names[:7] == wanted
        told = {each.partition(":")[0]: each.partition(":")[2] for each in heard}
        rss = sum(psutil.Process(pid).memory_info().rss for pid in daemon.pids("web"))
        assert rss / 2 < float(told[f"{prefix}mem_sum"].removesuffix("|g")) < rss * 2
        assert not any("plugin" in each for each in heard)
        assert "circus.app.watcher._stats.probe.watchers_num:0|g" in heard or statsd.wait_for(
            "circus.app.watcher._stats.probe.watchers_num:0|g"
        )


# -- ResourceWatcher ---------------------------------------------------------------------------------------------------


def watching(tmp_path: Path, statsd: StatsdServer, what: str, *arguments: object, **options: object) -> Daemon:
    """Two workers, of which the second eats ``what``; the plugin may look at them once more than once.

    It is to be started when the test knows who they are.
    """
    section = {"watcher": "web", "port": statsd.port, "loop_rate": 0.2, "max_count": 1, "health_threshold": 0,
               "max_cpu": 0, "max_mem": 0, "autostart": "no", **options}  # fmt: skip
    workers = f"[watcher:web]\ncmd = {child_command('eats', what, 2, *arguments)}\nnumprocesses = 2\n"
    return plugged(tmp_path, "circus.plugins.resource_watcher.ResourceWatcher", section, workers)


@pytest.mark.parametrize(
    ("what", "option", "limit", "condition"),
    [("memory", "max_mem", "100M", "over_memory"), ("memory", "max_mem", 0.0, ""), ("cpu", "max_cpu", 20, "over_cpu")],
)
def test_the_process_over_its_limit_is_replaced_and_its_sibling_lives_on(
    tmp_path: Path, statsd: StatsdServer, what: str, option: str, limit: object, condition: str
) -> None:
    if limit == 0.0:  # as a percentage: half of what it will take
        limit, condition = 60 * 2**20 / psutil.virtual_memory().total * 100, "over_memory"
    daemon = watching(tmp_path, statsd, what, **{option: limit})
    with daemon, daemon.events() as events:
        up(daemon, "web")
        first, second = daemon.pids("web")
        daemon.call("start", name="plugin:it", waiting=True)
        counter = "circus.app.watcher._resource_watcher.web"
        statsd.wait_for(f"{counter}.{condition}:1|c", f"{counter}.restarting:1|c")
        reap = events.wait_event("web", "reap")[0]  # its successor may have had its turn, too
        assert (reap.pid, reap.payload["expected"]) == (second, True)
        assert "plugin:it" in reap.payload["cause"]
        eventually(lambda: len(daemon.pids("web")) == 2)
        assert daemon.pids("web")[0] == first
        events.wait_event("web", "reap", 2)  # its successor eats as well
        assert first in daemon.pids("web")
        assert not of(events.heard, "web", "stop")
        assert "over memory" in daemon.log or "over cpu" in daemon.log


def test_a_child_over_its_limit_gets_the_signal_and_the_workers_live_on(tmp_path: Path, statsd: StatsdServer) -> None:
    daemon = watching(tmp_path, statsd, "memory", "fork", max_mem="100M", process_children="yes", child_signal="KILL")
    with daemon:
        up(daemon, "web")
        before = daemon.pids("web")
        parent = psutil.Process(before[1])
        (child,) = eventually(parent.children)
        daemon.call("start", name="plugin:it", waiting=True)
        statsd.wait_for("circus.app.watcher._resource_watcher.web.restarting:1|c")
        eventually(lambda: not is_alive(child))
        assert daemon.pids("web") == before


def test_a_stopped_watcher_is_not_started_for_using_too_little(tmp_path: Path, statsd: StatsdServer) -> None:
    daemon = watching(tmp_path, statsd, "nothing", min_cpu=5, min_mem="1G")
    with daemon, daemon.events() as events:
        up(daemon, "web")
        daemon.call("start", name="plugin:it", waiting=True)
        statsd.wait_for("circus.app.watcher._resource_watcher.web.under_memory:1|c")
        daemon.call("stop", name="web", waiting=True)
        events.clear()
        eventually(lambda: not statsd.listen(1.0))  # several looks; what was told of the one before may still come
        assert daemon.status("web") == "stopped"


def test_an_unknown_watcher_is_counted_as_an_error(tmp_path: Path, statsd: StatsdServer) -> None:
    options = {"watcher": "nobody", "port": statsd.port, "loop_rate": 0.1}
    with plugged(tmp_path, "circus.plugins.resource_watcher.ResourceWatcher", options, "") as daemon:
        up(daemon, "plugin:it")
        statsd.wait_for("circus.app.watcher._resource_watcher.nobody.error:1|c")
        assert not lines_with(daemon, "Traceback")
