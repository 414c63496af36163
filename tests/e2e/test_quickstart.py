"""The main job of the README: the quickstart's own file, run as it is but for its addresses."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path

import pytest

from harness.daemon import Daemon, free_port
from harness.waiting import PATIENCE, eventually

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def fetch(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
        text: str = answer.read().decode()
        return text


@pytest.fixture
def quickstart(tmp_path: Path):
    unlogged = shutil.ignore_patterns("*.log*")
    shutil.copytree(EXAMPLES / "quickstart", tmp_path / "examples" / "quickstart", ignore=unlogged)
    port = free_port()
    text = (EXAMPLES / "quickstart.ini").read_text()
    assert "port = 8080" in text
    assert "max_bytes = 20480" in text
    text = text.replace("port = 8080", f"port = {port}").replace("max_bytes = 20480", "max_bytes = 200")
    # The harness puts its own endpoints in front, and the first value of an option wins.
    with Daemon(tmp_path, text, variables={"TICK": "0.02"}) as daemon:
        yield daemon, port


def test_three_workers_answer_on_one_socket(quickstart) -> None:
    daemon, port = quickstart
    assert len(daemon.pids("web")) == 3

    def all_three() -> bool:
        answers = [json.loads(fetch(port, "/json")) for _ in range(10)]
        seen.update(answer["pid"] for answer in answers)
        assert {answer["watcher"] for answer in answers} == {"web"}
        return seen == set(daemon.pids("web"))

    seen: set[int] = set()
    assert eventually(all_three)
    assert "It runs." in fetch(port, "/")


def test_a_reload_changes_the_workers_and_refuses_nobody(quickstart) -> None:
    daemon, port = quickstart
    before = set(daemon.pids("web"))
    daemon.call("reload", name="web")

    def replaced() -> bool:
        assert "pid" in fetch(port, "/json")
        return len(daemon.pids("web")) == 3 and not before & set(daemon.pids("web"))

    assert eventually(replaced)


def test_the_background_log_is_rotated_and_its_last_words_are_kept(quickstart) -> None:
    daemon, _ = quickstart
    logs = daemon.directory / "examples" / "quickstart"
    assert eventually(lambda: (logs / "ticker.log.2").exists())
    assert not (logs / "ticker.log.3").exists()
    daemon.call("stop", name="ticker", waiting=True)
    assert "asked to stop" in (logs / "ticker.log").read_text()
    assert "tick" in (logs / "ticker.log.1").read_text()
