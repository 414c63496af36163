"""wrk: how it is started, stopped and understood. Called by the measurements of this directory."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Late

SCRIPT = Path(__file__).resolve().parent / "report.lua"
ERRORS = ("connect", "read", "write", "status", "timeout")
ENDLESS = 3600


@dataclass(frozen=True)
class Load:
    """What wrk asks for: a path, over connections that are kept or not."""

    key: str
    title: str
    path: str
    keep: bool
    connections: int = 32
    threads: int = 1


@dataclass(frozen=True)
class Answered:
    """What wrk counted; latencies in milliseconds, errors by kind."""

    requests: int
    rate: float
    p50: float
    p99: float
    longest: float
    errors: dict[str, int]


class Wrk:
    """A running wrk, until ``stop()``; by force when that was not called.

    :param port: on the loopback.
    :param load: what to ask for.
    """

    def __init__(self, port: int, load: Load) -> None:
        argv = [program(), "-t", str(load.threads), "-c", str(load.connections), "-d", f"{ENDLESS}s",
                "--timeout", "20s", "-s", str(SCRIPT)]  # fmt: skip
        if not load.keep:
            argv += ["-H", "Connection: close"]
        self.process = subprocess.Popen(
            [*argv, f"http://127.0.0.1:{port}{load.path}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # see gunicorn_conf.py
        )

    def stop(self) -> Answered:
        """End it now; what it counted until then."""
        self.process.send_signal(signal.SIGINT)
        return self._read(30)

    def __enter__(self) -> Wrk:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.kill()
        self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _read(self, seconds: float) -> Answered:
        try:
            text = self.process.communicate(timeout=seconds)[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            raise Late(f"wrk did not end within {seconds:g} s") from None
        return understand(text)


def understand(text: str) -> Answered:
    """The line of report.lua in what wrk printed; Late when there is none.

    Status errors count only answers above 399.
    """
    for line in text.splitlines():
        if line.startswith("JSON "):
            found: dict[str, int] = json.loads(line[5:])
            return Answered(
                requests=found["requests"],
                rate=found["requests"] * 1e6 / max(found["duration"], 1),
                p50=found["p50"] / 1000,
                p99=found["p99"] / 1000,
                longest=found["max"] / 1000,
                errors={kind: found[kind] for kind in ERRORS if found[kind]},
            )
    raise Late(f"wrk said: {text.strip()[-300:]}")


def program() -> str:
    """Where wrk is; FileNotFoundError that says how to get it."""
    found = shutil.which("wrk")
    if found is None:
        raise FileNotFoundError("no wrk on PATH (Debian: apt-get install wrk)")
    return found
