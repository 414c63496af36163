"""The systemd unit and what the container runs: accepted by those who read them."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from circus import circusctl
from circus.circusd import check
from harness.paths import ROOT

PACKAGING = ROOT / "packaging"
UNIT = (PACKAGING / "circusd.service").read_text()


def directives(section: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT)
    return dict(parser[section])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="verifying needs systemd-analyze")
def test_systemd_has_nothing_to_complain_of(tmp_path: Path) -> None:
    unit = tmp_path / "circusd.service"
    there = re.sub(r"/opt/circus/bin/\w+", sys.executable, UNIT)  # it looks for the programs
    unit.write_text(there.replace("Documentation=man:", "Documentation=https://example.com/"))
    run = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    complaints = [line for line in run.stderr.splitlines() if line.startswith(("circusd.service", str(unit)))]
    assert (run.returncode, complaints) == (0, []), run.stderr


def test_the_unit_speaks_of_one_place() -> None:
    service = directives("Service")
    assert "\nEnvironment=CIRCUSCTL_ENDPOINT=ipc:///run/circus/control\n" in UNIT
    assert service["RuntimeDirectory"] == "circus"
    assert service["Type"] == "notify"
    assert "--daemon" not in service["ExecStart"]


def test_the_reload_is_a_command_of_circusctl(capsys: pytest.CaptureFixture[str]) -> None:
    _, *words = directives("Service")["ExecReload"].split()
    assert circusctl.run([*words, "--help"]) == 0
    assert "reloadconfig" in capsys.readouterr().out


def test_what_the_container_runs_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "web.ini").write_text("[watcher:web]\ncmd = sleep 98765\n")
    ini = tmp_path / "circus.ini"
    ini.write_text((PACKAGING / "container.ini").read_text())
    assert check(str(ini)) == 0
    assert capsys.readouterr().out == f"{ini}: ok\n"


def test_the_dockerfile_copies_what_is_there() -> None:
    text = (PACKAGING / "Dockerfile").read_text()
    assert (ROOT / re.search(r"^COPY (packaging/\S+) ", text, re.M)[1]).is_file()  # type: ignore[index]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert not {"circus", "docs", "packaging", "README.rst", "setup.py"} & set(ignored)
