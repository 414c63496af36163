"""The released Circus 0.19.0, as a black box in an interpreter of its own.

``CIRCUS_REFERENCE`` names a python executable that has it. Otherwise a virtual environment with it is made
once, in ``.tox/reference`` when that directory's parent exists and in the user's cache otherwise. Without a
package index the comparison cannot be made: on a CI machine (``CI=true``) that is a failure, elsewhere the
tests are skipped.

``CIRCUS_SUBJECT`` names the python executable of the Circus that is compared with it; default: the code under
test. Naming the reference itself proves that the comparison is not noisy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from harness import OURS, Installation
from harness.paths import ROOT

VERSION = "0.19.0"
PACKAGES = (f"circus=={VERSION}", "tornado", "pyzmq", "psutil")
INSTALLING_TAKES_AT_MOST = 600


class NoReference(Exception):
    """The released package cannot be had here."""


def find_reference() -> Installation:
    """The installation to compare with, made if need be.

    :raises NoReference: it is not there and cannot be installed.
    """
    named = os.environ.get("CIRCUS_REFERENCE")
    python = named or str(_make())
    if not _is_reference(python):
        raise NoReference(f"{python} has no circus {VERSION}")
    return Installation("reference", python, strict=False)


def find_subject(reference: Installation) -> Installation:
    """The installation that is compared with the reference."""
    python = os.environ.get("CIRCUS_SUBJECT")
    if python is None:
        return OURS
    same = os.path.abspath(python) == os.path.abspath(reference.python)
    return Installation("subject", python, strict=not same)


def _is_reference(python: str) -> bool:
    code = f"import circus, sys; sys.exit(circus.__version__ != {VERSION!r})"
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, check=False, cwd="/")
    except OSError:
        return False
    return done.returncode == 0


def _make() -> Path:
    tag = f"reference-{sys.implementation.cache_tag}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "circus-tests"
    home = ROOT / ".tox" if (ROOT / ".tox").is_dir() else cache
    python = home / tag / ("Scripts" if os.name == "nt" else "bin") / "python"
    if _is_reference(str(python)):
        return python
    home.mkdir(parents=True, exist_ok=True)
    # Made beside its place and moved there when it is whole, so that an interrupted attempt is never taken for it.
    # (A moved environment serves "python -m"; only its console scripts would not find it.)
    with tempfile.TemporaryDirectory(dir=home) as directory:
        made = Path(directory) / tag
        venv.create(made, with_pip=True)
        _install(str(made / python.relative_to(home / tag)))
        if not _is_reference(str(python)):  # another run may have been faster
            shutil.rmtree(home / tag, ignore_errors=True)
            made.rename(home / tag)
    return python


def _install(python: str) -> None:
    command = [python, "-m", "pip", "install", "-q", *PACKAGES]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALLING_TAKES_AT_MOST, check=False)
    except subprocess.TimeoutExpired as error:
        raise NoReference(f"installing circus {VERSION} takes too long") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NoReference(f"circus {VERSION} cannot be installed: {last}")
