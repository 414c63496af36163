"""circusd as a program: its arguments, its exit codes, its pid file, and how it becomes a daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from harness import OURS, PATIENCE, Daemon, eventually
from harness.processes import descendants, is_alive, kill_all
from tests.e2e.recording import lines_of, pid_in, up

WEB = "[watcher:web]\ncmd = sleep 98765\n"


def circusd(tmp_path: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A run of circusd that is expected to end by itself."""
    return subprocess.run(
        OURS.command("circus.circusd", *arguments),
        cwd=tmp_path,
        env=env or OURS.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_package_that_cannot_be_loaded_leaves_no_worker(tmp_path: Path) -> None:
    """The first workers run before pyzmq is loaded."""
    broken = tmp_path / "packages" / "zmq"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libzmq.so.5: no such file')\n")
    worker = '/bin/sh -c "echo $$ >> pids; (exec sleep 98765) & wait"'
    endpoints = "\n".join(f"{each} = ipc://{tmp_path}/{each}" for each in ("endpoint", "pubsub_endpoint"))
    (tmp_path / "circus.ini").write_text(f"[circus]\n{endpoints}\n[watcher:web]\ncmd = {worker}\n")
    env = OURS.environment()
    env["PYTHONPATH"] = f"{broken.parent}:{env['PYTHONPATH']}"
    run = circusd(tmp_path, "circus.ini", env=env)
    assert run.returncode == 1
    assert "is missing or broken: libzmq.so.5: no such file" in run.stderr.splitlines()[-1]
    assert "Traceback" not in run.stderr


@pytest.fixture
def detached(tmp_path: Path) -> Daemon:
    """A daemon that is not a child of ours; only its files and its endpoint are used."""
    return Daemon(tmp_path, "[circus]\npidfile = {dir}/pid\nlogoutput = {dir}/log\n" + WEB)


def test_daemon_returns_when_it_is_ready(tmp_path: Path, detached: Daemon) -> None:
    run = circusd(tmp_path, "--daemon", "circus.ini")
    try:
        assert (run.returncode, run.stdout) == (0, ""), run
        pid = pid_in(tmp_path / "pid")
        assert detached.caller.call("status")["status"] == "ok"
        up(detached, "web")
        assert os.getsid(pid) != os.getsid(0)
        assert os.readlink(f"/proc/{pid}/fd/0") == os.devnull
        assert any("web started" in line for line in lines_of(tmp_path / "log"))
        assert detached.call("quit", waiting=True)["status"] == "ok"
        eventually(lambda: not Path(f"/proc/{pid}").exists() or collect(pid))
        assert not (tmp_path / "pid").exists()
    finally:
        detached.stop(check=False)


def collect(pid: int) -> bool:
    """Reap a daemon whose parent we became (the tests adopt orphans)."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


@pytest.mark.parametrize(
    ("ini", "word"),
    [
        ("nonsense\n", "nonsense"),
        ("[watcher:web]\ncmd = sleep 1\nnumprocesses = x\n", "numprocesses"),
        ("[plugin:x]\nuse = no_such.Plugin\n", "no_such"),
        ("[circus]\npidfile = /no/such/directory/pid\n", "/no/such/directory"),
        ("[circus]\nendpoint = tcp://192.0.2.1:5\n", "192.0.2.1"),
    ],
    ids=["syntax", "value", "plugin", "pid file", "endpoint"],
)
@pytest.mark.parametrize("daemonize", [True, False], ids=["--daemon", "foreground"])
def test_what_keeps_it_from_starting_is_one_line_and_exit_code_one(
    tmp_path: Path, ini: str, word: str, daemonize: bool
) -> None:
    """Row 38: ``circusd --daemon bad.ini`` exited 0 without a message."""
    endpoints = f"pubsub_endpoint = ipc://{tmp_path}/pub\n"
    if "endpoint" not in ini:
        endpoints += f"endpoint = ipc://{tmp_path}/ctl\n"
    (tmp_path / "bad.ini").write_text("[circus]\n" + endpoints + ini.replace("[circus]\n", ""))
    run = circusd(tmp_path, *(["--daemon"] if daemonize else []), "bad.ini")
    eventually(lambda: not any(map(is_alive, descendants())))  # its second process may need a moment to end
    assert run.returncode == 1, run
    said = run.stdout + run.stderr
    assert word in said
    assert "Traceback" not in said


def test_missing_file(tmp_path: Path) -> None:
    run = circusd(tmp_path, "--daemon", "nothere.ini")
    assert run.returncode == 1
    assert "nothere.ini" in run.stderr
    assert "Traceback" not in run.stderr


def test_check_prints_all_problems_and_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.ini").write_text("[watcher:web]\ncmd = sleep 1\nnumproceses = 3\nmax_retry = many\n")
    run = circusd(tmp_path, "--check", "x.ini")
    assert run.returncode == 1
    assert "numprocesses" in run.stdout, "the suggestion"
    assert "max_retry" in run.stdout
    assert "x.ini:4" in run.stdout
    (tmp_path / "x.ini").write_text(WEB)
    assert circusd(tmp_path, "--check", "x.ini").returncode == 0


def test_a_fraction_is_a_warmup_delay(tmp_path: Path) -> None:
    """Row 39: it was a crash."""
    with Daemon(tmp_path, "[circus]\nwarmup_delay = 0.05\n" + WEB + "warmup_delay = 0.05\n") as daemon:
        up(daemon, "web")
        assert daemon.call("get", name="web", keys=["warmup_delay"])["options"] == {"warmup_delay": 0.05}


def test_later_includes_come_in_sorted_order(tmp_path: Path) -> None:
    """Row 36: the order was that of the file system."""
    parts = tmp_path / "conf.d"
    parts.mkdir()
    for name in ("20.ini", "10.ini", "30.ini"):
        (parts / name).write_text(f"[watcher:web]\ncmd = sleep {name[0]}0000\n")
    with Daemon(tmp_path, "[circus]\ninclude = conf.d/*.ini\n") as daemon:
        up(daemon, "web")
        assert daemon.call("get", name="web", keys=["cmd"])["options"] == {"cmd": "sleep 10000"}


def test_watchers_that_differ_in_case_alone(tmp_path: Path) -> None:
    """Row 42: one of them could not be controlled; now it is left out, loudly."""
    ini = WEB + "[watcher:WEB]\ncmd = sleep 1\n"
    with Daemon(tmp_path, ini) as daemon:
        up(daemon, "web")
        assert daemon.call("list")["watchers"] == ["probe", "web"]
        assert "differs from 'web'" in daemon.log
        assert daemon.call("stop", name="WEB", waiting=True)["status"] == "ok"
        assert daemon.status("web") == "stopped"


# -- the pid file ----------------------------------------------------------------------------------------------


def test_a_second_daemon_on_the_same_pid_file_is_refused_in_clear_words(tmp_path: Path) -> None:
    """Row 72: the message called a live pid stale, and there was no lock."""
    ini = f"[circus]\npidfile = {tmp_path}/pid\n" + WEB
    with Daemon(tmp_path / "one", ini) as one:
        up(one, "web")
        second = Daemon(tmp_path / "two", ini).start(wait=False)
        try:
            assert second.wait() == 1
            assert f"process {one.pid} has it, and is alive" in second.log
            assert "Traceback" not in second.log
        finally:
            second.stop()
        assert pid_in(tmp_path / "pid") == one.pid
        assert one.call("status")["status"] == "ok"


def test_the_pid_file_of_a_dead_daemon_is_taken_over(tmp_path: Path) -> None:
    ini = f"[circus]\npidfile = {tmp_path}/pid\n"
    first = Daemon(tmp_path / "one", ini).start()
    first.kill()
    first.stop(check=False)
    assert (tmp_path / "pid").exists()
    with Daemon(tmp_path / "two", ini) as second:
        assert pid_in(tmp_path / "pid") == second.pid
    assert not (tmp_path / "pid").exists()


def test_of_many_daemons_that_start_at_once_one_gets_the_pid_file(tmp_path: Path) -> None:
    """Row 72: a race of two."""
    (tmp_path / "pid").write_text("999999999\n")
    daemons = [Daemon(tmp_path / str(n), f"[circus]\npidfile = {tmp_path}/pid\n" + WEB) for n in range(3)]
    threads = [threading.Thread(target=daemon.start, kwargs={"wait": False}) for daemon in daemons]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        eventually(lambda: sum(daemon.poll() == 1 for daemon in daemons) == 2)
        winner = next(daemon for daemon in daemons if daemon.poll() is None)
        up(winner, "web")
        assert pid_in(tmp_path / "pid") == winner.pid
    finally:
        for daemon in daemons:
            daemon.stop()


# -- the rest --------------------------------------------------------------------------------------------------


def test_signals_that_are_ignored_are_ignored(tmp_path: Path) -> None:
    with Daemon(tmp_path, WEB) as daemon:
        up(daemon, "web")
        before = daemon.pids("web")
        for signum in (signal.SIGWINCH, signal.SIGUSR2, signal.SIGPIPE, signal.SIGCHLD):
            daemon.signal(signum)
        daemon.settle()
        assert daemon.pids("web") == before


def test_a_worker_starts_with_a_clean_signal_state(tmp_path: Path) -> None:
    ini = "[watcher:web]\ncmd = sh -c 'grep -E \"^Sig(Blk|Ign)\" /proc/self/status; exec sleep 98765'\n"
    with Daemon(tmp_path, ini + "stdout_stream.filename = {dir}/out\n") as daemon:
        up(daemon, "web")
        blocked, ignored = eventually(lambda: len(found := lines_of(tmp_path / "out")) == 2 and found)
        assert int(blocked.split()[1], 16) == 0
        own_of_glibc = 1 << 31 | 1 << 32  # its posix_spawn ignores the two signals that it keeps for itself
        assert int(ignored.split()[1], 16) & ~own_of_glibc == 0, ignored


def test_nothing_runs_on_after_a_crash_of_the_main_loop(tmp_path: Path) -> None:
    """Spec lifecycle.md 5: an emergency ends everything without grace (a hook breaks the loop on purpose)."""
    (tmp_path / "breaker.py").write_text(
        "def stop(watcher, arbiter, hook_name, **kw):\n"
        "    def fail():\n"
        "        raise KeyboardInterrupt\n"
        "    arbiter._boot.call_soon_threadsafe(fail)\n"
        "    return True\n"
    )
    ini = WEB + "[watcher:bad]\ncmd = sleep 98765\nhooks.before_start = breaker.stop\nautostart = False\n"
    variables = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    with Daemon(tmp_path, ini, variables=variables) as daemon:
        up(daemon, "web")
        left = daemon.tree()
        daemon.caller.cast("start", name="bad")
        daemon.wait()
        assert not [process for process in left if process.is_running()]
        kill_all(daemon.leftovers())
