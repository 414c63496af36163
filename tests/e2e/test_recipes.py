"""The recipes of the manual do what the manual says."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Daemon, eventually
from harness.daemon import free_port
from tests.e2e.recording import up

EXAMPLES = Path(__file__).parents[2] / "docs" / "source" / "examples"


class FakeRedis:
    """Listens, and answers each connection with the next of its answers; the last one over and over."""

    def __init__(self) -> None:
        self.answers = [b"-LOADING Redis is loading the dataset in memory\r\n"]
        self.asked: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client:
                self.asked.append(client.recv(100))
                client.sendall(self.answers[min(len(self.asked), len(self.answers)) - 1])

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def redis() -> Iterator[FakeRedis]:
    fake = FakeRedis()
    yield fake
    fake.close()


def worker(tmp_path: Path, port: int, timeout: float) -> Daemon:
    shutil.copy(EXAMPLES / "redis_hooks.py", tmp_path)
    ini = (
        f"[watcher:worker]\ncmd = sleep 98765\ncopy_env = True\nredis = 127.0.0.1:{port}\nredis_timeout = {timeout}\n"
        f"hooks.before_start = redis_hooks.wait_for_redis\n[env:worker]\nPYTHONPATH = {tmp_path}\n"
    )
    return Daemon(tmp_path, ini)


def test_a_worker_waits_for_redis(tmp_path: Path, redis: FakeRedis) -> None:
    with worker(tmp_path, redis.port, 60) as daemon:
        eventually(lambda: len(redis.asked) >= 2)  # it is there, but not ready
        assert daemon.status("worker") == "stopped"
        assert "before_start has been thinking" in daemon.call("why", name="worker")["reason"]
        redis.answers = [b"+PONG\r\n"]
        up(daemon, "worker")
    assert set(redis.asked) == {b"PING\r\n"}


def test_a_redis_that_never_comes_is_told_by_why(tmp_path: Path, redis: FakeRedis) -> None:
    with worker(tmp_path, redis.port, 2) as daemon:  # several tries: the last one is not to meet a stall
        eventually(lambda: "failed" in daemon.call("why", name="worker")["cause"])
        reply = daemon.call("why", name="worker")
        assert reply["cause"] == (
            f"hook before_start (redis_hooks.wait_for_redis) failed: no Redis at 127.0.0.1:{redis.port} within 2 s: "
            "-LOADING Redis is loading the dataset in memory"
        )
        assert (reply["status"], reply["wanted"]) == ("stopped", "running")
        redis.answers = [b"-NOAUTH Authentication required.\r\n"]
        assert daemon.call("start", name="worker", waiting=True)["status"] == "ok"
        up(daemon, "worker")


def test_a_stop_does_not_wait_for_redis(tmp_path: Path, redis: FakeRedis) -> None:
    with worker(tmp_path, redis.port, 60) as daemon:
        eventually(lambda: redis.asked)
        assert daemon.call("stop", name="worker", waiting=True)["status"] == "ok"
        assert daemon.call("why", name="worker")["cause"] == "stop command"


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server")
def test_the_real_redis(tmp_path: Path) -> None:
    port = free_port()
    with worker(tmp_path, port, 60) as daemon:
        cmd = f"redis-server --port {port} --bind 127.0.0.1 --save '' --dir {tmp_path}"
        daemon.call("add", name="redis", cmd=cmd, start=True)
        up(daemon, "worker")
