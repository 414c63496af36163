"""The command line of circusd-stats, and how circusd writes it."""

from __future__ import annotations

import shlex
from types import SimpleNamespace
from typing import Any

import pytest

from circus import __version__, stats
from circus.stats import SysHandler, build_parser, main, parse_arguments
from circus.stats.history import query_endpoint
from circus.synthetic import stats_watcher


def ends(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def test_version_help_and_nonsense(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends("--version") == 0
    assert capsys.readouterr().out == f"{__version__}\n"
    assert ends("--help") == 0
    assert capsys.readouterr().out.startswith("usage: circusd-stats [-h]")
    assert ends("--nonsense") == 2
    assert "--nonsense" in capsys.readouterr().err


def test_defaults() -> None:
    args = build_parser().parse_args([])
    assert (args.endpoint, args.pubsub, args.statspoint) == (
        "tcp://127.0.0.1:5555", "tcp://127.0.0.1:5556", "tcp://127.0.0.1:5557"
    )
    assert (args.interval, args.metrics, args.loglevel, args.logoutput, args.ssh) == (1.0, None, "info", "-", None)


@pytest.mark.parametrize(
    ("words", "attribute", "value"),
    [
        (["--interval=0.5"], "interval", 0.5),
        (["--interval", "2", "--interval", "3"], "interval", 3.0),
        (["--log-output", "-"], "logoutput", "-"),
        (["--state", "ipc:///s"], None, None),
        (["--stats", "ipc:///s"], "statspoint", None),
        (["--statsp", "ipc:///s"], "statspoint", "ipc:///s"),
        (["--endpoint", ""], "endpoint", ""),
        (["--endpoint"], None, None),
        (["--ssh", "--interval", "1"], None, None),
        (["--interval", "nan"], None, None),
        (["--interval", "1e9"], None, None),
        (["word", "ipc:///s"], None, None),
    ],
)
def test_what_is_not_plain_is_understood_too(
    words: list[str], attribute: str | None, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    if attribute is None:
        assert ends(*words) == 2
        assert "circusd-stats: error: " in capsys.readouterr().err
    else:
        assert getattr(parse_arguments(words), attribute) == (value if value is not None else words[1])


def arbiter(**more: Any) -> Any:
    plain = {
        "endpoint": "ipc:///e", "pubsub_endpoint": "ipc:///p", "stats_endpoint": "ipc:///s", "ssh_server": None,
        "stdout_stream": None, "stderr_stream": None, "statsd_close_outputs": False, "debug": False, "loglevel": None,
        "logoutput": None,
    }
    return SimpleNamespace(**{**plain, **more})


@pytest.mark.parametrize(
    ("more", "interval", "metrics"),
    [
        ({}, 1.0, None),
        ({"stats_interval": 1.0, "metrics_endpoint": None}, 1.0, None),
        ({"stats_interval": 0.25, "metrics_endpoint": "127.0.0.1:9100"}, 0.25, "127.0.0.1:9100"),
        ({"metrics_endpoint": "http://h:1/a b'"}, 1.0, "http://h:1/a b'"),
    ],
)
def test_what_circusd_writes_is_what_the_program_reads(
    more: dict[str, Any], interval: float, metrics: str | None
) -> None:
    watcher = stats_watcher(arbiter(**more))
    words = shlex.split(watcher.cmd)
    args = parse_arguments(words[3:])
    assert vars(build_parser().parse_args(words[3:])).items() >= vars(args).items()
    assert (args.endpoint, args.pubsub, args.statspoint) == ("ipc:///e", "ipc:///p", "ipc:///s")
    assert (args.interval, args.metrics) == (interval, metrics)
    if not more:
        assert watcher.cmd.endswith("--statspoint ipc:///s")  # as it has always been


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("ipc:///run/s", "ipc:///run/s.query"),
        ("tcp://127.0.0.1:5557", "tcp://127.0.0.1:*"),
        ("tcp://[::1]:5557", "tcp://[::1]:*"),
        ("tcp://0.0.0.0:5557", "tcp://0.0.0.0:*"),
        ("ipc://*", "ipc://*"),
        ("inproc://s", "inproc://s.query"),
    ],
)
def test_where_questions_are_answered(endpoint: str, expected: str) -> None:
    assert query_endpoint(endpoint) == expected


def test_signals_that_end_it_and_that_do_not() -> None:
    class Streamer:
        stopped = 0

        class loop:
            @staticmethod
            def call_soon_threadsafe(callback: Any, *args: Any) -> None:
                callback(*args)

        def stop(self) -> None:
            self.stopped += 1

    streamer = Streamer()
    handler = SysHandler(streamer)
    try:
        for name in ("hup", "winch", "usr1", "usr2"):
            getattr(handler, f"handle_{name}")()
        assert streamer.stopped == 0
        for name in ("term", "int", "quit"):
            getattr(handler, f"handle_{name}")()
        assert streamer.stopped == 3
    finally:
        handler.stop()


def test_what_is_loaded_for_nothing_is_not_loaded() -> None:
    """The program's memory is what its import is."""
    import subprocess
    import sys

    code = (
        "import sys, circus.stats; circus.stats.parse_arguments(['--interval', '1']);"
        "from circus.system.zmqcontext import load_zmq; load_zmq();"
        "import circus.stats.service, circus.system.plainloop; print(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    assert "circus.stats.service" in loaded
    assert not loaded & {
        "argparse", "asyncio", "circus.util", "iowait", "locale", "psutil", "random", "ssl", "subprocess",
        "tornado", "urllib.parse", "uuid",
    }
    assert stats.main is main
