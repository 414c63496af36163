"""Every event that an end-to-end test hears must be as the table of events says; and the ssh server of those that want
one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.sshd import SSH, SSHD, Sshd
from tests.e2e.recording import EventChecker


@pytest.fixture(autouse=True)
def every_event_conforms(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    checker = EventChecker()
    monkeypatch.setattr("harness.wire.Event", checker.check)
    yield
    assert checker.problems == []


@pytest.fixture
def sshd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """A server; this process and the programs it starts use it and keep temporary files in its directory."""
    if SSHD is None:
        pytest.skip("no sshd (Debian: openssh-server)")
    if SSH is None:
        pytest.skip("no ssh (Debian: openssh-client)")
    with Sshd() as server:
        (server.place / "tmp").mkdir()
        server.variables["TMPDIR"] = str(server.place / "tmp")
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("tempfile.tempdir", None)
        yield server
