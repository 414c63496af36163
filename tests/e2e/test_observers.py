"""The observers of services, under a real circusd, with a real web server, a real Redis and a UDP listener."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.daemon import Daemon, free_port
from harness.paths import CHILDREN
from harness.statsd import StatsdServer
from harness.waiting import eventually

#: So long that no deadline of the observers is met by accident, and so short that a test does not take long.
RATE = 0.2
TIMEOUT = 0.5


@pytest.fixture
def statsd() -> Iterator[StatsdServer]:
    with StatsdServer() as server:
        yield server


class Service:
    """A daemon with a watcher ``service`` and an observer of it."""

    def __init__(self, daemon: Daemon, statsd: StatsdServer) -> None:
        self.daemon, self.statsd = daemon, statsd

    def pid(self) -> int:
        """Its process, once there is exactly one."""

        def one() -> list[int]:
            pids = self.daemon.pids("service")
            assert len(pids) == 1
            return pids

        return eventually(one)[0]

    def wait_replaced(self, pid: int) -> None:
        eventually(lambda: self.pid() != pid)

    def hears(self, *wanted: str) -> list[str]:
        return self.statsd.wait_for(*wanted)


@pytest.fixture
def observe(tmp_path: Path, statsd: StatsdServer) -> Iterator[Callable[..., Service]]:
    """Starts a daemon with a service and the observer of it."""
    daemon = None

    def begin(service: str, kind: str, plugin: str, options: dict[str, object]) -> Service:
        nonlocal daemon
        ini = f"""
[circus]
debug = True
[watcher:service]
{service}
[plugin:{kind}]
use = circus.plugins.{kind}_observer.{plugin}
port = {statsd.port}
""" + "".join(f"{name} = {value}\n" for name, value in {"loop_rate": RATE, "timeout": TIMEOUT, **options}.items())
        daemon = Daemon(tmp_path, ini).start()
        return Service(daemon, statsd)

    yield begin
    if daemon is not None:
        daemon.stop()


# -- HTTP ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def web(tmp_path: Path, observe: Callable[..., Service]) -> Callable[..., Service]:
    """Starts a web server with its observer; more options of the observer as keywords."""
    port = free_port()
    (tmp_path / "manners").write_text("ok")
    command = shlex.join(map(str, [sys.executable, CHILDREN / "answers_http.py", port, tmp_path / "manners"]))

    def begin(**options: object) -> Service:
        more = {"check_url": f"http://127.0.0.1:{port}/", **options}
        return observe(f"cmd = {command}\ngraceful_timeout = 1", "http", "HttpObserver", more)

    return begin


def test_an_answer_is_timed(web: Callable[..., Service]) -> None:
    service = web(application_name="shop")
    *_, timing = service.hears("circus.shop.watcher.http_stats.request_time:")
    milliseconds, kind = timing.partition(":")[2].split("|")
    assert kind == "ms"
    assert 0 <= int(milliseconds) < TIMEOUT * 1000


def test_an_error_is_counted_with_its_code_and_nothing_is_restarted_unasked(
    web: Callable[..., Service], tmp_path: Path
) -> None:
    (tmp_path / "manners").write_text("503")
    service = web()
    pid = service.pid()
    prefix = "circus.http_observer.watcher.http_stats"
    for _ in range(3):
        service.hears(f"{prefix}.error:1|c", f"{prefix}.error.503:1|c")
    assert service.pid() == pid
    assert "http://127.0.0.1:" in service.daemon.log
    (tmp_path / "manners").write_text("ok")
    service.hears(f"{prefix}.request_time:")


@pytest.mark.parametrize(("manners", "code"), [("500", 500), ("hang", 599)])
def test_a_server_that_fails_is_restarted_until_it_answers(
    web: Callable[..., Service], tmp_path: Path, manners: str, code: int
) -> None:
    # A look must not come before the server that was restarted last had time to come up.
    service = web(restart_on_error="service", loop_rate=1)
    prefix = "circus.http_observer.watcher.http_stats"
    service.hears(f"{prefix}.request_time:")
    pid = service.pid()
    (tmp_path / "manners").write_text(manners)
    service.hears(f"{prefix}.error.{code}:1|c", f"{prefix}.restart_on_error:1|c")
    (tmp_path / "manners").write_text("ok")
    service.wait_replaced(pid)
    service.statsd.clear()
    service.hears(f"{prefix}.request_time:")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/", "https://127.0.0.1:{port}/", "http://no-such-host.invalid/"]
)
def test_nobody_there_is_code_599(web: Callable[..., Service], url: str) -> None:
    service = web(check_url=url.format(port=free_port()))
    service.hears("circus.http_observer.watcher.http_stats.error.599:1|c")


def test_a_watcher_that_somebody_stopped_stays_stopped(web: Callable[..., Service]) -> None:
    # As above: else one that is not up at the first look never comes up.
    service = web(restart_on_error="service", loop_rate=1)
    prefix = "circus.http_observer.watcher.http_stats"
    service.hears(f"{prefix}.request_time:")
    service.daemon.call("stop", name="service", waiting=True)
    service.statsd.clear()
    heard = [line for _ in range(3) for line in service.hears(f"{prefix}.error.599:1|c")]
    assert not [line for line in heard if "restart_on_error" in line]
    assert service.daemon.status("service") == "stopped"
    assert "service is stopped, and is left so" in service.daemon.log


def test_a_watcher_that_does_not_exist_is_named_in_the_log(web: Callable[..., Service]) -> None:
    service = web(restart_on_error="servize", check_url=f"http://127.0.0.1:{free_port()}/")
    eventually(lambda: "no watcher 'servize', which restart_on_error says to restart" in service.daemon.log)
    service.hears("circus.http_observer.watcher.http_stats.error.599:1|c")


@pytest.mark.parametrize("url", ["localhost:80", "ftp://h/x", "http://", "http://h:x/"])
def test_what_is_no_url_is_told_in_the_log(web: Callable[..., Service], url: str) -> None:
    service = web(check_url=url)
    eventually(lambda: "[ERROR] [plugin:http] check_url: " in service.daemon.log)


# -- Redis -----------------------------------------------------------------------------------------------------------

needs_redis = [
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server (Debian: redis-server)"),
]


@pytest.fixture
def redis(tmp_path: Path, observe: Callable[..., Service]) -> Callable[..., Service]:
    """Starts a Redis server with its observer."""
    pytest.importorskip("redis", reason="no library redis (pip install circus[redis])")
    port = free_port()
    command = f"redis-server --port {port} --bind 127.0.0.1 --save '' --appendonly no --dir {tmp_path}"

    def begin(password: str = "", **options: object) -> Service:
        more = {"redis_url": f"redis://127.0.0.1:{port}/0", "restart_on_timeout": "service", **options}
        secret = f" --requirepass {password}" if password else ""
        return observe(f"cmd = {command}{secret}\ngraceful_timeout = 0.5", "redis", "RedisObserver", more)

    return begin


PREFIX = "circus.redis_observer.watcher.redis_stats"


class TestRedis:
    pytestmark = needs_redis

    def test_its_figures_are_gauges(self, redis: Callable[..., Service]) -> None:
        heard = redis().hears(f"{PREFIX}.keyspace_hits:")  # the last one
        figures = dict(line.removeprefix(f"{PREFIX}.").split(":") for line in heard if line.endswith("|g"))
        assert len(figures) >= 15
        assert int(figures["used_memory"].removesuffix("|g")) > 100_000
        assert float(figures["uptime_in_seconds"].removesuffix("|g")) >= 0

    def test_one_that_hangs_is_restarted(self, redis: Callable[..., Service]) -> None:
        service = redis()
        service.hears(f"{PREFIX}.used_memory:")
        pid = service.pid()
        os.kill(pid, signal.SIGSTOP)
        service.hears(f"{PREFIX}.error:1|c", f"{PREFIX}.restart_on_error:1|c")
        service.wait_replaced(pid)
        service.statsd.clear()
        service.hears(f"{PREFIX}.used_memory:")

    def test_one_that_is_not_there_is_an_error(self, redis: Callable[..., Service]) -> None:
        service = redis(redis_url=f"redis://127.0.0.1:{free_port()}/0", restart_on_timeout="none")
        service.hears(f"{PREFIX}.error:1|c")

    def test_one_that_wants_a_password_has_answered(self, redis: Callable[..., Service]) -> None:
        service = redis(password="sesame", timeout=10)  # it answers at once, unless there is no CPU for it
        service.hears(f"{PREFIX}.error:1|c")
        eventually(lambda: "Authentication required" in service.daemon.log)
        pid = service.pid()  # before it was up it may have been restarted
        service.statsd.clear()
        heard = [line for _ in range(3) for line in service.hears(f"{PREFIX}.error:1|c")]
        assert set(heard) == {f"{PREFIX}.error:1|c"}
        assert service.pid() == pid

    def test_the_password_is_in_the_url_and_not_in_the_log(self, redis: Callable[..., Service], tmp_path: Path) -> None:
        service = redis(password="sesame", restart_on_timeout="none")
        service.daemon.call("set", name="plugin:redis", options={"warmup_delay": 0}, waiting=True)
        service.hears(f"{PREFIX}.error:1|c")
        assert "sesame" not in "".join(line for line in service.daemon.log.splitlines() if "redis_observer: " in line)

    @pytest.mark.parametrize("url", ["localhost:6379", "http://h/", "redis://h:x/0"])
    def test_what_is_no_url_is_told_in_the_log(self, redis: Callable[..., Service], url: str) -> None:
        service = redis(redis_url=url)
        eventually(lambda: "[ERROR] [plugin:redis] redis_url: " in service.daemon.log)
