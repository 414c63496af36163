"""Workers that cannot be started: nobody else notices, it is told, and it neither spins nor hangs."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Daemon, child_command, eventually
from tests.e2e.recording import lines_of, told, up

BAD_MSG_DATA_ERROR = 6
GOOD = "[watcher:good]\ncmd = sleep 98765\n"


@pytest.fixture
def public_path() -> Iterator[Path]:
    """A directory that every user may write to (those of pytest are closed to others)."""
    directory = Path(tempfile.mkdtemp(prefix="circus-"))
    directory.chmod(0o777)
    yield directory
    shutil.rmtree(directory)


def test_a_bad_command_retried_for_ever_holds_up_nobody(tmp_path: Path) -> None:
    """Row 3: the daemon spun, answered nobody, and other watchers never started."""
    bad = "[watcher:bad]\ncmd = no-such-program\nmax_retry = -1\npriority = 9\n"
    with Daemon(tmp_path, bad + GOOD) as daemon:
        up(daemon, "good")
        assert daemon.status("bad") == "starting"
        eventually(lambda: daemon.log.count("error in 'bad'") >= 3)
        assert daemon.log.count("error in 'bad'") < 8, "it is tried slower and slower"
        began = time.monotonic()
        assert daemon.call("stats")["status"] == "ok"
        assert time.monotonic() - began < 5
        assert daemon.call("stop", name="bad", waiting=True)["status"] == "ok"


def test_a_watcher_gives_up_after_max_retry_and_a_waiting_client_learns_why(tmp_path: Path) -> None:
    """Rows 19 and 20."""
    ini = "[watcher:bad]\ncmd = no-such-program --x\nmax_retry = 3\nautostart = False\nrespawn_backoff.base = 0.01\n"
    with Daemon(tmp_path, ini) as daemon:
        reply = daemon.call("start", name="bad", waiting=True)
        assert (reply["status"], reply["errno"], reply["reason"]) == ("error", BAD_MSG_DATA_ERROR, "server error")
        assert "no-such-program" in reply["cause"]
        assert daemon.log.count("[WARNING] error in 'bad'") == 3
        assert daemon.status("bad") == "stopped"
        run = daemon.ctl("start", "bad", "--waiting")
        assert run.rc != 0
        assert "no-such-program" in run.out + run.err


def test_a_spawn_that_fails_for_a_while_is_retried_with_delays(tmp_path: Path) -> None:
    """Row 21: one burst of failures stopped the watcher for good."""
    program = tmp_path / "program"
    ini = f"[watcher:web]\ncmd = {program}\nmax_retry = 20\n"
    with Daemon(tmp_path, ini) as daemon:
        eventually(lambda: daemon.log.count("error in 'web'") >= 2)
        program.write_text("#!/bin/sh\nexec sleep 98765\n")
        program.chmod(0o755)
        up(daemon, "web")


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("working_dir = /no/such/directory", "/no/such/directory"),
        ("rlimit_nofile = 99999999999", "limit"),
        ("stdin_socket = nothere", "nothere"),
        ("uid = no-such-user", "no-such-user"),
        ("executable = /no/such/program", "/no/such/program"),
    ],
)
def test_whatever_keeps_a_worker_from_starting_ends_stopped_with_a_reason(
    tmp_path: Path, option: str, word: str
) -> None:
    """Rows 20 and 41: some of these stuck at ``starting``, and a waiting client never got an answer."""
    ini = "[watcher:web]\ncmd = sleep 98765\nautostart = False\nmax_retry = 2\nrespawn_backoff.base = 0.01\n"
    with Daemon(tmp_path, ini + option) as daemon, daemon.events() as events:
        reply = daemon.call("start", name="web", waiting=True)
        assert reply["status"] == "error", reply
        assert word in reply["cause"]
        assert daemon.status("web") == "stopped"
        assert told(daemon, events, "web") == ["stop"]


def test_a_bad_uid_in_the_file_fails_the_watcher_not_the_daemon(tmp_path: Path) -> None:
    """Row 40: it must never run as somebody else instead."""
    ini = f"[watcher:web]\ncmd = {child_command('shows_itself', '{dir}/out')}\nuid = no-such-user\nmax_retry = 1\n"
    with Daemon(tmp_path, ini + GOOD) as daemon:
        up(daemon, "good")
        daemon.settle()
        eventually(lambda: "no-such-user" in daemon.log)
        assert daemon.call("status")["statuses"].get("web", "stopped") == "stopped"
        assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_worker_of_another_user_has_only_the_groups_of_that_user(public_path: Path) -> None:
    """Row 40: errors of initgroups were swallowed, and root's groups stayed."""
    nobody = pwd.getpwnam("nobody")
    # The interpreter of the tests may be out of reach for others; the shell is not.
    ini = "[watcher:web]\ncmd = sh -c 'id -u; id -g; id -G; exec sleep 98765'\nuid = nobody\n"
    with Daemon(public_path, ini + "stdout_stream.filename = {dir}/out\n") as daemon:
        up(daemon, "web")
        uid, gid, groups = eventually(lambda: len(found := lines_of(public_path / "out")) == 3 and found)
        assert (int(uid), int(gid)) == (nobody.pw_uid, nobody.pw_gid)
        assert set(map(int, groups.split())) <= set(os.getgrouplist("nobody", nobody.pw_gid))


DROP_CAPABILITIES = """
import ctypes, os, sys
if "circus.circusd" in sys.orig_argv and "LESS" not in os.environ:
    for capability in {numbers}:
        if ctypes.CDLL(None).prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
            raise SystemExit("may not drop capabilities")
    os.environ["LESS"] = "1"
    os.execv(sys.executable, sys.orig_argv)  # from here on the set is smaller
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone has something to lose")
@pytest.mark.parametrize("numbers", [(6,), (7,), (6, 7)], ids=["no CAP_SETGID", "no CAP_SETUID", "neither"])
def test_a_worker_that_cannot_become_another_user_does_not_run_at_all(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    """Row 40: a worker may have kept root's groups when initgroups failed; now it fails closed."""
    (tmp_path / "sitecustomize.py").write_text(DROP_CAPABILITIES.format(numbers=numbers))
    ini = "[watcher:web]\ncmd = sh -c 'echo here > {dir}/out'\nuid = nobody\nautostart = False\nmax_retry = 1\n"
    variables = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    with Daemon(tmp_path, ini, variables=variables) as daemon:
        reply = daemon.call("start", name="web", waiting=True)
        assert reply["status"] == "error", reply
        assert "not permitted" in reply["cause"]
        assert daemon.status("web") == "stopped"
        assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may refuse to become root")
def test_uid_zero_is_honoured(tmp_path: Path) -> None:
    """Row 40: ``uid = 0`` was taken for "not set"."""
    ini = f"[watcher:web]\ncmd = {child_command('shows_itself', '{dir}/out')}\nuid = 0\ngid = 0\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        eventually((tmp_path / "out").exists)
        assert '"uid": 0' in (tmp_path / "out").read_text()


def test_the_executable_may_differ_from_the_name(tmp_path: Path) -> None:
    """Row 28: the option was ignored."""
    with Daemon(tmp_path, "[watcher:web]\ncmd = my-name 98765\nexecutable = sleep\n") as daemon:
        up(daemon, "web")
        pid = daemon.pids("web")[0]
        assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"my-name\x0098765\x00"
        assert b"sleep" in Path(f"/proc/{pid}/comm").read_bytes()


def test_limits_may_have_a_soft_and_a_hard_value(tmp_path: Path) -> None:
    """Row 41."""
    ini = "[watcher:web]\ncmd = sh -c 'ulimit -Sn; ulimit -Hn; exec sleep 98765'\nrlimit_nofile = 64:128\n"
    ini += "stdout_stream.filename = {dir}/out\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        eventually(lambda: lines_of(tmp_path / "out") == ["64", "128"])


def test_an_unknown_limit_is_an_error_of_the_file(tmp_path: Path) -> None:
    """Row 41: names were checked in the child only; now the file is complained about, with the place."""
    ini = "[watcher:web]\ncmd = sleep 1\nrlimit_nofiles = 5\nmax_retry = 1\n"
    with Daemon(tmp_path, ini + GOOD) as daemon:
        up(daemon, "good")
        assert 'circus.ini:6 [watcher:web] rlimit_nofiles: unknown rlimit "nofiles"' in daemon.log
        daemon.wait_status("web", "stopped")


def test_a_log_file_that_cannot_be_opened_again_does_not_keep_the_worker_from_running(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    ini = "[watcher:web]\ncmd = sleep 98765\nstdout_stream.filename = {dir}/logs/out\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
        (logs / "out").unlink()
        logs.rmdir()
        assert daemon.call("start", name="web", waiting=True)["status"] == "ok"
        up(daemon, "web")
        assert "output is lost" in daemon.log
        assert daemon.call("stop", name="web", waiting=True)["status"] == "ok"
