"""What ``circusctl import`` makes of a supervisord.conf and a Procfile runs, and does what it did before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from harness.daemon import Daemon
from harness.installation import OURS
from harness.waiting import eventually

SHOW = """\
import json, os, sys, time
name = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seen." + sys.argv[1])
with open(name + ".new", "w") as file:
    json.dump({"argv": sys.argv[2:], "cwd": os.getcwd(), "env": dict(os.environ), "umask": os.umask(0)}, file)
os.rename(name + ".new", name)
print("out of", sys.argv[1], flush=True)
print("err of", sys.argv[1], file=sys.stderr, flush=True)
while True:
    time.sleep(60)
"""

SUPERVISORD = """\
[supervisord]
nodaemon = true
environment = COMMON="x $HOME",LEVEL="low"

[program:web]
command = {python} {dir}/show.py web%(process_num)d --name "my app" 'a;b' 100%% $HOME "%(ENV_TWO)s"
    (circus.wid) ; comment
process_name = %(program_name)s_%(process_num)02d
numprocs = 2
autorestart = true
directory = {dir}/sub
umask = 027
redirect_stderr = true
stdout_logfile = {dir}/web-%(process_num)d.log
environment = LEVEL="high",ODD="a,b $PATH"

[program:once]
command = {python} -c "print('done')"
startsecs = 0
stdout_logfile = {dir}/once.log

[program:idle]
command = {python} {dir}/show.py idle
autostart = false

[group:all]
programs = web,once
"""

PROCFILE = """\
# what runs
web: {python} show.py web --port=$PORT "two words" > web.log 2>&1
worker: cd sub && LEVEL=high {python} ../show.py worker $SHARED
chain: true && {python} show.py chain '$(circus.wid)'
"""


def imported(directory: Path, name: str, text: str, *words: str) -> str:
    (directory / "sub").mkdir()
    (directory / "show.py").write_text(SHOW)
    (directory / name).write_text(text.replace("{dir}", str(directory)).replace("{python}", sys.executable))
    done = subprocess.run(
        OURS.command("circus.circusctl", "import", str(directory / name), *words),
        capture_output=True, text=True, env=OURS.environment(), cwd=directory, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def seen(directory: Path, name: str) -> dict[str, object]:
    """What a program saw of itself."""
    file = directory / f"seen.{name}"
    eventually(file.exists)
    found: dict[str, object] = json.loads(file.read_text())
    return found


def checks(daemon: Daemon) -> str:
    done = subprocess.run(
        OURS.command("circus.circusd", "--check", str(daemon.config)),
        capture_output=True, text=True, env=OURS.environment(), cwd=daemon.directory, check=False,
    )  # fmt: skip
    return f"{done.returncode} {done.stdout}{done.stderr}"


def test_a_supervisord_conf(tmp_path: Path) -> None:
    ini = imported(tmp_path, "supervisord.conf", SUPERVISORD)
    with Daemon(tmp_path, ini, variables={"TWO": "x y"}) as daemon:
        assert checks(daemon).startswith("0 ")
        daemon.wait_status("all:web_00", "active")
        for number in (0, 1):
            found = seen(tmp_path, f"web{number}")
            assert found["argv"] == ["--name", "my app", "a;b", "100%", "$HOME", "x y", "(circus.wid)"]
            assert found["cwd"] == str(tmp_path / "sub")
            assert found["umask"] == 0o027
            env = found["env"]
            assert isinstance(env, dict)
            assert (env["COMMON"], env["LEVEL"], env["ODD"]) == ("x $HOME", "high", "a,b $PATH")
            assert env["CIRCUS_WATCHER"] == f"all:web_0{number}"
            log = tmp_path / f"web-{number}.log"
            wanted = f"out of web{number}\nerr of web{number}\n"
            assert eventually(lambda log=log, wanted=wanted: log.exists() and log.read_text() == wanted)
        once = tmp_path / "once.log"
        eventually(lambda: once.exists() and once.read_text() == "done\n")  # before it was started it is stopped, too
        daemon.wait_status("all:once", "stopped")
        assert daemon.status("idle") == "stopped"
        # The shell in front has made way for the program: its own process is the one that is stopped.
        (pid,) = daemon.pids("all:web_01")
        assert os.readlink(f"/proc/{pid}/exe") == os.path.realpath(sys.executable)


def test_a_procfile(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=6100\nSHARED=shared # by all\nODD='$HOME '\n")
    ini = imported(tmp_path, "Procfile", PROCFILE)
    with Daemon(tmp_path, ini) as daemon:
        assert checks(daemon).startswith("0 ")
        web, worker, chain = (seen(tmp_path, name) for name in ("web", "worker", "chain"))
        assert web["argv"] == ["--port=6100", "two words"]
        assert worker["argv"] == ["shared"]
        assert chain["argv"] == ["$(circus.wid)"]
        assert (web["cwd"], worker["cwd"]) == (str(tmp_path), str(tmp_path / "sub"))
        env = worker["env"]
        assert isinstance(env, dict)
        assert (env["PORT"], env["LEVEL"], env["SHARED"], env["ODD"]) == ("6200", "high", "shared", "$HOME ")
        assert eventually(lambda: (tmp_path / "web.log").read_text() == "out of web\nerr of web\n")
        assert "out of worker" in eventually(lambda: _tail(daemon, "worker"))


def _tail(daemon: Daemon, name: str) -> str:
    return " ".join(line["text"] for line in daemon.call("tail", name=name)["lines"])
