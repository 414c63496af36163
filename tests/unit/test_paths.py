"""Where the files of tests are (harness.paths, tests/conftest.py)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.paths import ROOM, ROOT, short_enough

PASSING = "tests/unit/test_paths.py::test_a_short_name_stays"


@pytest.mark.parametrize("name", ["/tmp", "/var/tmp", "/" + "x" * (ROOM - 1)])
def test_a_short_name_stays(name: str) -> None:
    assert short_enough(name) == name


def test_a_long_name_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "/" + "ä" * (ROOM // 2)  # bytes count
    assert short_enough(long) == "/tmp"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert short_enough(long) == long


def run_tests(directory: Path, *arguments: str) -> tuple[int, str]:
    """Tests of their own, as of a user with a long name and a long directory for temporary files."""
    long = directory / ("l" * 60)
    long.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CIRCUS"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *arguments],
        cwd=ROOT,
        env={**kept, "TMPDIR": str(long), "LOGNAME": "u" * 40},
        capture_output=True,
        text=True,
        check=False,
    )
    assert list(long.iterdir()) == []
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    """A plugin that tells where a test's files are when its turn comes, and lets it fail when it is asked to."""
    (tmp_path / "probe.py").write_text(
        "import os, pytest\n"
        "@pytest.fixture(autouse=True)\n"
        "def tell(tmp_path):\n"
        "    with open(os.environ['TOLD'], 'a') as told:\n"
        "        told.write(f'{tmp_path}\\n')\n"
        "    assert 'FAILING' not in os.environ\n"
    )
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize("processes", [(), ("--numprocesses=1",)], ids=["here", "xdist"])
def test_sockets_of_tests_are_within_reach(
    probe: Path, monkeypatch: pytest.MonkeyPatch, failing: bool, processes: tuple[str, ...]
) -> None:
    if processes:
        pytest.importorskip("xdist")
    told = probe / "told"
    monkeypatch.setenv("TOLD", str(told))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(probe)]))
    if failing:
        monkeypatch.setenv("FAILING", "yes")
    rc, text = run_tests(probe, "-p", "probe", *processes, PASSING)
    assert rc == (1 if failing else 0), text
    places = [Path(line) for line in told.read_text().splitlines()]
    assert len(places) == 3
    for place in places:
        assert place.is_relative_to("/tmp")
        assert "uuu" not in str(place)
    [base] = {Path(*place.parts[:3]) for place in places}
    # What is left is what can be looked at after a failure, and the message says where.
    assert base.exists() is failing
    assert (f"the files of the tests are in {base}" in text) is failing
    if failing:
        shutil.rmtree(base)
