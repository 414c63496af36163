"""benchmarks/web: Circus and Gunicorn serve the same application, a reload drops nothing, and nothing is left."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import eventually

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "web" / "run.py"
#: An interpreter that has the servers; that of the tests by default.
PYTHON = os.environ.get("CIRCUS_WEB_PYTHON", sys.executable)


def missing() -> str:
    """What the benchmark lacks here, by name."""
    lacks = [] if shutil.which("wrk") else ["wrk"]
    if sys.executable == PYTHON:
        lacks += [name for name in ("gevent", "gunicorn", "packaging") if importlib.util.find_spec(name) is None]
    return ", ".join(lacks)


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the benchmarks need Linux"),
    pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}"),
]


def command(tmp_path: Path, *options: str) -> tuple[list[str], dict[str, str]]:
    base = [sys.executable, str(SCRIPT), "--python", PYTHON, "--workers", "1", "--seconds", "1"]
    return [*base, *options], dict(os.environ, TMPDIR=str(tmp_path))


def run(tmp_path: Path, *options: str) -> tuple[str, dict[str, Any]]:
    """The table and the values of a run, which must leave no file."""
    values = tmp_path / "values"
    argv, environment = command(tmp_path, "--json", str(values), *options)
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(values.read_text(encoding="utf-8"))
    assert os.listdir(tmp_path) == ["values"]
    return done.stdout, found


def test_both_serve_and_are_compared(tmp_path: Path) -> None:
    options = ("--turns", "1", "--only", "close-10k", "--stacks", "circus,gunicorn")
    shown, values = run(tmp_path, *options)
    for key in ("circus", "gunicorn"):
        turns = values["speed"]["close-10k"][key]
        assert turns["rate"][0] > 10
        assert turns["p99"][0] >= turns["p50"][0] > 0
        assert turns["cpu"][0] > 10
    assert "times the requests of Gunicorn" in shown


def test_a_reload_under_load_drops_nothing(tmp_path: Path) -> None:
    _, values = run(tmp_path, "--reloads", "1", "--only", "reload-keep", "--stacks", "circus")
    outcome = values["reloads"]["reload-keep"]["circus"]
    assert outcome["reloads"] == 1
    assert (outcome["errors"], outcome["failed"]) == ({}, {"new": {}, "slow": {}, "kept": {}})
    assert outcome["requests"] > 10
    assert min(outcome["asked"].values()) > 0
    assert values["verdicts"]["reload"].startswith("ok")


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    argv, environment = command(tmp_path, "--only", "keep-tiny", "--stacks", "circus", "--turns", "99")
    with subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            eventually(lambda: "turn 1" in process.stderr.readline())  # type: ignore[union-attr]
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 143
        finally:
            process.kill()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "named"),
    [(["--stacks", "nope"], "nope"), (["--only", "nope"], "nope"), (["--python", "/nope"], "/nope")],
)
def test_a_wrong_command_line_is_2_and_says_why(tmp_path: Path, options: list[str], named: str) -> None:
    argv, environment = command(tmp_path, *options)
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert named in done.stderr
