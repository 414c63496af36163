"""What loading ``circus.circusd`` leaves of the garbage collector: in the program, and in one that imports it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import circus

REPORT = "import gc, circus.circusd; print(gc.isenabled(), gc.get_freeze_count() > 10_000)"


def told(script: Path, text: str) -> str:
    script.write_text(f"import sys; sys.path.insert(0, {str(Path(circus.__file__).parents[1])!r}); {text}\n")
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert run.stderr == ""
    return run.stdout.strip()


@pytest.mark.parametrize("name", ["circusd", "circusd.py"])
def test_the_program_sets_aside_what_it_loaded(tmp_path: Path, name: str) -> None:
    assert told(tmp_path / name, REPORT) == "True True"


def test_other_programs_keep_their_collector_as_it_is(tmp_path: Path) -> None:
    assert told(tmp_path / "site.py", REPORT) == "True False"
    assert told(tmp_path / "site.py", f"import gc; gc.disable(); {REPORT}") == "False False"


def test_a_collector_is_on_again_when_loading_fails(tmp_path: Path) -> None:
    failing = """
sys.modules["circus.arbiter"] = None
try:
    import circus.circusd
except ImportError:
    import gc
    print(gc.isenabled(), gc.get_freeze_count())
"""
    assert told(tmp_path / "circusd", failing) == "True 0"
