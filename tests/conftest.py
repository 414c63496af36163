"""What holds for all tests: where helpers are found, and that tests with real processes leave nothing behind."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from harness.examples import choose_profile  # noqa: E402 - found only from here on
from harness.leaks import Snapshot, assert_nothing_left  # noqa: E402
from harness.paths import short_enough  # noqa: E402
from harness.processes import adopt_orphans  # noqa: E402
from harness.turns import Turns  # noqa: E402

#: Directories whose tests run real processes.
CHECKED = ("integration", "e2e", "compat")
#: Files that take a minute, most of which they wait.
LONG = (TESTS / "unit" / "top" / "test_screen.py",)
#: Tells the processes of pytest-xdist the directory of their turns.
TURNS = "CIRCUS_TESTS_TURNS"
turns = pytest.StashKey[Turns]()
place = pytest.StashKey[str]()


@pytest.hookimpl(tryfirst=True)  # before pytest itself chooses
def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        choose_place(config)
    adopt_orphans()
    choose_profile()
    # Run in the background of a shell, the tests inherit an ignored SIGINT, and so would every program they start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    keep_bytecode(config)
    give_turns(config)


def choose_place(config: pytest.Config) -> None:
    """Where the files of tests are: neither a long user name nor a long ``TMPDIR`` may push sockets out of reach.

    It goes when all tests have passed, and stays to be looked at when one has failed.
    """
    os.environ["TMPDIR"] = tempfile.tempdir = short_enough(tempfile.gettempdir())
    if config.option.basetemp is None:
        config.stash[place] = config.option.basetemp = tempfile.mkdtemp(prefix="ct-")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    directory = config.stash.get(place, None)
    if directory is None:
        return
    if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        shutil.rmtree(directory, ignore_errors=True)
    else:
        terminalreporter.write_line(f"the files of the tests are in {directory}")


def keep_bytecode(config: pytest.Config) -> None:
    """Let the hundreds of interpreters that tests start compile each module once, and leave nothing in the sources.

    Where bytecode is not written, compiling is two thirds of the time that a daemon takes to start.
    """
    if "PYTHONPYCACHEPREFIX" in os.environ:
        return
    directory = tempfile.mkdtemp(prefix="circus-tests-bytecode-")
    config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))
    os.environ["PYTHONPYCACHEPREFIX"] = directory
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def give_turns(config: pytest.Config) -> None:
    """Let tests marked ``alone`` have the machine for themselves where tests run in several processes."""
    if hasattr(config, "workerinput"):
        config.stash[turns] = Turns(Path(os.environ[TURNS]))
        config.add_cleanup(config.stash[turns].close)
    else:
        os.environ[TURNS] = directory = tempfile.mkdtemp(prefix="circus-tests-turns-")
        config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    mine = item.config.stash.get(turns, None)
    alone = item.get_closest_marker("alone") is not None
    with contextlib.nullcontext() if mine is None else mine.taken(alone=alone):
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that run alone come first: then nobody has to wait for the end of a long one. And a long file comes early:
    at the end the other processes would wait for it."""
    items.sort(key=lambda item: (item.get_closest_marker("alone") is None, item.path not in LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where pytest-xdist spreads the tests over processes a file stays together, for its fixtures.

    All that needs the browser stays together, too: it is started once, and gone before the tests that look for
    processes left behind, and those that run a loop of their own, which playwright's would forbid.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return "browser" if "tests/browser/" in path else path

    return Files(config, log)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is here before the first test stays: the search for leaks need not walk through it again each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test with real processes: no process, descriptor, listener or thread that was not there before."""
    kind = request.path.relative_to(TESTS).parts[0]
    if kind not in CHECKED:
        yield
        return
    directory: Path = request.getfixturevalue("tmp_path")
    before = Snapshot.take()
    yield
    assert_nothing_left(before, directory)
