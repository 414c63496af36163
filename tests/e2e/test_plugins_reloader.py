"""CommandReloader under a real circusd: programs given by path, by name, with arguments, that are touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness import Daemon, eventually
from tests.e2e.plugged import lines_with, plugged
from tests.e2e.recording import up


def program(directory: Path, name: str) -> Path:
    path = directory / name
    path.write_text("#!/bin/sh\nexec sleep 98765\n")
    path.chmod(0o755)
    return path


def replaced_after_touch(daemon: Daemon, watcher: str, path: Path) -> bool:
    """Touch the file until the plugin has seen it before and after."""
    (before,) = daemon.pids(watcher)
    stamp = 1_000_000

    def replaced() -> bool:
        nonlocal stamp
        stamp += 1
        os.utime(path, (stamp, stamp))
        pids = daemon.pids(watcher)
        return bool(pids) and pids != [before]

    return eventually(replaced, interval=0.3)


@pytest.mark.parametrize("command", ["{dir}/bin/tool --port 80 'a b'", "tool --port 80", "{dir}/current", "./tool"])
def test_a_watcher_whose_program_is_touched_is_restarted(tmp_path: Path, command: str) -> None:
    (tmp_path / "bin").mkdir()
    tool = program(tmp_path / "bin", "tool")
    (tmp_path / "current").symlink_to("bin/tool")
    other = program(tmp_path, "other")
    # `shell` has no file: it does not keep the others from being looked at.
    watchers = (
        f"[watcher:a-shell]\ncmd = : && exec sleep 98765\nshell = True\n"
        f"[watcher:other]\ncmd = {other} x\n[watcher:web]\ncmd = {command}\ncopy_env = True\n"
        f"working_dir = {tmp_path / 'bin'}\n"
    )
    daemon = plugged(tmp_path, "circus.plugins.command_reloader.CommandReloader", {"loop_rate": 0.1}, watchers)
    daemon._variables["PATH"] = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    with daemon:
        up(daemon, "web", "other", "plugin:it")
        before = daemon.pids("other")
        assert replaced_after_touch(daemon, "web", tool)
        assert daemon.pids("other") == before
        assert replaced_after_touch(daemon, "other", other)
        assert lines_with(daemon, f"{tool} modified. Restarting.")
        assert not lines_with(daemon, "Traceback")
