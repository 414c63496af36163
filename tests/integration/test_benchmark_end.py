"""How a benchmark ends that is told to: nothing it made stays, wherever the signal finds it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import signal, subprocess, sys, time
from pathlib import Path
from benchmarks import processes

class Finalized:
    def __del__(self):
        signal.raise_signal(signum)

signum, where, directory = signal.Signals[sys.argv[1]], sys.argv[2], Path(sys.argv[3])
signal.signal(signum, signal.SIG_DFL)  # whoever runs the tests may have it ignored, as nohup does
processes.adopt_orphans()
processes.leave_nothing_when_ended(directory)
(directory / "log").write_text("")
shell = "trap '' HUP INT TERM; sleep 600 & echo $!; exec setsid sleep 600"
child = subprocess.Popen(["sh", "-c", shell], stdout=subprocess.PIPE, text=True)
print(child.pid, child.stdout.readline(), flush=True)
if where == "finalizer":
    Finalized()
else:
    signal.raise_signal(signum)
time.sleep(600)
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the benchmarks need Linux")


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM"])
@pytest.mark.parametrize("where", ["code", "finalizer"])
def test_a_signal_ends_it_and_all_it_made(tmp_path: Path, name: str, where: str) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    argv = [sys.executable, "-c", PROGRAM, name, where, str(directory)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (128 + signal.Signals[name], f"ended by {name}\n")
    pids = done.stdout.split()
    assert len(pids) == 2
    assert [pid for pid in pids if Path("/proc", pid).exists()] == []
    assert not directory.exists()


def test_what_was_to_be_ignored_stays_so(tmp_path: Path) -> None:
    code = (
        "import signal; from pathlib import Path; from benchmarks import processes\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        f"processes.leave_nothing_when_ended(Path({str(tmp_path / 'run')!r}))\n"
        "signal.raise_signal(signal.SIGHUP); print('here')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "here\n", "")
