"""What is uploaded: a wheel and an sdist are built once from a copy of the sources, looked into, and installed."""

from __future__ import annotations

import configparser
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.parser import HeaderParser
from fnmatch import fnmatch
from pathlib import Path

import pytest

import circus
from harness.paths import ROOT

#: Directories of the sources that have no part in a distribution, by name.
_NOT_SOURCES = (
    *("__pycache__", "*.egg-info", ".*_cache", ".git", ".tox", ".venv", ".hypothesis"),
    *("node_modules", "build", "dist"),
)
_PROGRAMS = ("circus-httpd", "circus-plugin", "circus-top", "circusctl", "circusd", "circusd-stats", "circushttpd")
_BUILD = """
import sys
from setuptools import build_meta
directory = sys.argv[1]  # a build puts arguments of its own there
build_meta.build_sdist(directory)
build_meta.build_wheel(directory)
"""


def _setuptools() -> tuple[int, ...]:
    try:
        return tuple(map(int, importlib.metadata.version("setuptools").split(".")[:2]))
    except importlib.metadata.PackageNotFoundError:
        return (0,)


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(_setuptools() < (70, 1), reason="building needs setuptools 70.1 or newer in the environment"),
]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an sdist and a wheel, and the log of the build."""
    place = tmp_path_factory.mktemp("distribution")
    shutil.copytree(ROOT, place / "sources", ignore=shutil.ignore_patterns(*_NOT_SOURCES), symlinks=True)
    run = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", _BUILD, place], cwd=place / "sources",
        capture_output=True, text=True, check=False,
    )
    assert run.returncode == 0, run.stderr
    (place / "log").write_text(run.stdout + run.stderr)
    return place


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty virtual environment in which the wheel was installed; its dependencies are those of the tests."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("installing needs pip in the environment")
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], check=True)
    (packages,) = place.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def _is_source(path: Path) -> bool:
    return path.is_file() and not any(fnmatch(part, kind) for part in path.parts for kind in _NOT_SOURCES)


def test_the_build_has_nothing_to_complain_of(built: Path) -> None:
    log = (built / "log").read_text()
    complaints = [line for line in log.splitlines() if "arning" in line]
    assert not [line for line in complaints if "byte-compiling" not in line and "no previously-included" not in line]


def test_the_wheel_has_every_module_and_file_of_the_package(wheel: Path) -> None:
    package = ROOT / "circus"
    wanted = {str(path.relative_to(ROOT)) for path in package.rglob("*.py")}
    wanted |= {str(path.relative_to(ROOT)) for path in (package / "web" / "static").rglob("*") if path.is_file()}
    wanted |= {"circus/py.typed"}
    shipped = {name for name in names_in(wheel) if name.startswith("circus/")}
    assert shipped == wanted
    tops = {name.partition("/")[0] for name in names_in(wheel)}
    assert tops == {"circus", f"circus-{circus.__version__}.dist-info", f"circus-{circus.__version__}.data"}


def test_the_wheel_says_what_setup_py_says(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"circus-{circus.__version__}.dist-info/METADATA").decode()
        assert f"circus-{circus.__version__}.dist-info/licenses/LICENSE" in archive.namelist()
    metadata = HeaderParser().parsestr(text)
    assert metadata["Version"] == circus.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/x-rst"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


def test_the_sdist_has_what_its_tests_and_manual_need(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.py", "tox.ini", "requirements-test.txt", "README.rst", "CHANGES", "LICENSE", ".ci/run"} <= names
    for kind in ("tests", "docs/source", "examples", "benchmarks", "packaging"):
        wanted = {str(path.relative_to(ROOT)) for path in (ROOT / kind).rglob("*.*") if _is_source(path)}
        assert wanted - names == set()
    assert not [name for name in names if name.endswith(".pyc") or "node_modules" in name]


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_every_program_runs(environment: Path, tmp_path: Path, option: str) -> None:
    installed = {path.name for path in (environment / "bin").iterdir() if path.name.startswith("circus")}
    assert installed == set(_PROGRAMS)
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    running = {
        name: subprocess.Popen([environment / "bin" / name, option], cwd=tmp_path, env=variables, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for name in _PROGRAMS
    }
    for name, process in running.items():
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, ""), name
        assert (circus.__version__ if option == "--version" else "usage") in out.lower(), name


def test_the_package_that_runs_is_the_installed_one(environment: Path, tmp_path: Path) -> None:
    code = "import circus, circus.web.assets; print(circus.__file__)"
    python = environment / "bin" / "python"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run([python, "-c", code], cwd=tmp_path, env=env, text=True, capture_output=True, check=True)
    assert Path(run.stdout.strip()).is_relative_to(environment)


def test_shells_and_man_find_their_files(environment: Path) -> None:
    share = environment / "share"
    for there, here in (
        ("bash-completion/completions/circusctl", "circusctl"),
        ("zsh/site-functions/_circusctl", "_circusctl"),
        ("fish/vendor_completions.d/circusctl.fish", "circusctl.fish"),
    ):
        assert (share / there).read_text() == (ROOT / "packaging" / "completion" / here).read_text()
    pages = {path.name for path in (share / "man").glob("man?/*")}
    assert pages == {path.name for path in (ROOT / "docs" / "man").glob("*.[0-9]")}
    assert {f"{name}.1" for name in ("circusd", "circusctl")} <= pages


def test_the_lowest_versions_that_are_allowed_are_tested(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"circus-{circus.__version__}.dist-info/METADATA").decode()
    required = HeaderParser().parsestr(text).get_all("Requires-Dist", [])
    allowed = {line.replace(">=", "==") for line in required if "extra ==" not in line}
    tox = configparser.RawConfigParser()
    tox.read(ROOT / "tox.ini")
    tested = {line for line in tox["testenv:lowest"]["deps"].split("\n") if "==" in line}
    assert allowed == tested
    assert all(">=" in line for line in required)
