"""The observers of HTTP and Redis without a server: what they need, what they refuse, what they do about a failure."""

from __future__ import annotations

import subprocess
import sys

import pytest

from circus.exc import OptionError
from circus.plugins.http_observer import HttpObserver
from circus.plugins.remedy import restart_watcher, without_password

FACTS = {
    "endpoint": "ipc:///nowhere",
    "pubsub_endpoint": "ipc:///nowhere",
    "check_delay": 1.0,
    "ssh_server": None,
    "name": "plugin:look",
}


def test_the_redis_observer_says_what_it_needs():
    code = "import sys; sys.modules['redis'] = None\nimport circus.plugins.redis_observer"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "ImportError: This plugin requires the redis-lib to run."


def test_importing_an_observer_loads_nothing_heavy():
    code = (
        "import sys, circus.plugins.redis_observer, circus.plugins.http_observer\n"
        "print([name for name in ('redis', 'tornado', 'zmq', 'asyncio', 'urllib') if name in sys.modules])"
    )
    pytest.importorskip("redis")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("url", ["localhost", "ftp://h/", "http://", "http://h:x/", "http://[::1/", ""])
def test_what_is_no_url(url):
    with pytest.raises(OptionError, match=r"\[plugin:look\] check_url: ") as caught:
        HttpObserver(**FACTS, check_url=url)
    assert caught.value.args


def test_names_and_defaults():
    observer = HttpObserver(**FACTS)
    try:
        assert (observer.name, observer.app, observer.check_url) == (
            "http_observer",
            "http_observer",
            "http://localhost/",
        )
        assert (observer.timeout, observer.loop_rate, observer.restart_on_error) == (10.0, 60.0, None)
        assert observer.prefix == "circus.http_observer.watcher"
    finally:
        observer.stop()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:secret@h:80/p?token=secret", "http://h:80/p"),
        ("redis://:secret@h/0", "redis://h/0"),
        ("unix://u:secret@/run/redis.sock?db=1", "unix:/run/redis.sock"),
        ("http://[secret", "the URL"),
    ],
)
def test_what_of_a_url_is_logged(url, shown):
    assert without_password(url) == shown


class Asker:
    """Stands for a connected plugin."""

    name = "asker"

    def __init__(self, status):
        self.status, self.casts = status, []

    def call(self, command, **props):
        assert (command, props) == ("status", {"name": "web"})
        return {"status": self.status}

    def cast(self, command, **props):
        self.casts.append((command, props))


@pytest.mark.parametrize("status", ["active", "starting"])
def test_what_runs_is_restarted(status):
    asker = Asker(status)
    assert restart_watcher(asker, "web", "restart_on_error")
    assert asker.casts == [("restart", {"name": "web"})]


@pytest.mark.parametrize("status", ["stopped", "stopping", "error"])
def test_what_does_not_run_is_left_alone(status):
    asker = Asker(status)
    assert not restart_watcher(asker, "web", "restart_on_error")
    assert asker.casts == []
