"""The manual: its generated pages are those of the code, its links lead somewhere, its configurations can be read."""

from __future__ import annotations

import importlib.util
import re
import textwrap
from pathlib import Path

import pytest

from circus import config
from circus.ini import Document

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "docs" / "source"
PAGES = sorted(SOURCE.rglob("*.rst"))
#: What a configuration in the manual must not be told by ``--check``; users and paths of an example need not exist.
BLUNDERS = {"unknown-option", "unknown-section", "deprecated-option", "duplicate-option", "no-socket", "conflict"}

_INI = re.compile(r"^\.\. code-block:: ini\n((?:   :\w.*\n)*)\n((?:(?:   .*)?\n)+)", re.MULTILINE)
_DIRECTIVE = re.compile(r"^\s*\.\. (?:include|literalinclude|image|figure)::\s+(\S+)", re.MULTILINE)
_DOC = re.compile(r":doc:`(?:[^`<]*<)?([^`>]+)>?`")
_LINK = re.compile(r"`[^`]*<([^`>:]+)>`_")


def generator():
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def configurations():
    for page in PAGES:
        for number, found in enumerate(_INI.finditer(page.read_text(encoding="utf-8")), 1):
            if "not-circus" not in found[1]:
                yield pytest.param(textwrap.dedent(found[2]), id=f"{page.relative_to(SOURCE)}-{number}")


def test_the_reference_is_up_to_date(capsys):
    assert generator().main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_page_is_noticed(tmp_path, capsys, monkeypatch):
    module = generator()
    monkeypatch.setattr(module, "TARGET", tmp_path)
    assert module.main([]) == 0
    assert module.main(["--check"]) == 0
    with (tmp_path / "hooks.rst").open("a") as page:
        page.write("more\n")
    assert module.main(["--check"]) == 1
    assert "hooks.rst" in capsys.readouterr().err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SOURCE)))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    named = _DIRECTIVE.findall(text) + _LINK.findall(text)
    wanted = [SOURCE / name.lstrip("/") if name.startswith("/") else page.parent / name for name in named]
    for name in _DOC.findall(text) + toctree_entries(text):
        base = SOURCE / name.lstrip("/") if name.startswith("/") else page.parent / name
        wanted.append(base.with_name(base.name + ".rst"))
    assert [str(path) for path in wanted if not path.exists()] == []


def toctree_entries(text: str) -> list[str]:
    entries = []
    for block in re.findall(r"^\.\. toctree::\n((?:   .*\n|\n)+)", text, re.MULTILINE):
        entries += [line.strip() for line in block.splitlines() if line.strip() and not line.strip().startswith(":")]
    return entries


def test_every_page_is_in_a_table_of_contents():
    listed = set()
    for page in PAGES:
        for name in toctree_entries(page.read_text(encoding="utf-8")):
            listed.add((page.parent / f"{name}.rst").resolve())
    assert {page.resolve() for page in PAGES} - listed == {(SOURCE / "index.rst").resolve()}


@pytest.mark.parametrize("text", list(configurations()))
def test_configurations_can_be_read(text, tmp_path):
    document = Document()
    document.feed(text, "manual.ini")
    assert document.problems == []
    path = tmp_path / "manual.ini"
    path.write_text(text)
    found = [problem for problem in config.check(str(path)) if problem.code in BLUNDERS]
    assert [str(problem) for problem in found] == []


@pytest.mark.parametrize("path", sorted((SOURCE / "examples").glob("*.py")), ids=lambda path: path.name)
def test_programs_compile(path):
    compile(path.read_text(encoding="utf-8"), path.name, "exec")


@pytest.mark.parametrize("path", [*PAGES, ROOT / "docs/generate.py", SOURCE / "conf.py"], ids=lambda path: path.name)
def test_lines_are_short(path):
    assert [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > 120] == []
