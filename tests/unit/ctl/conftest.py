"""circusctl on one side, a daemon that is a script on the other."""

from __future__ import annotations

import pytest

from circus import circusctl
from tests.unit.ctl.livedaemon import LiveDaemon


@pytest.fixture
def daemon():
    with LiveDaemon() as running:
        yield running


@pytest.fixture
def ctl(daemon, capsys):
    """Runs a command line; returns status, stdout, stderr."""

    def run(*args):
        status = circusctl.run(["--endpoint", daemon.endpoint, *args])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run
