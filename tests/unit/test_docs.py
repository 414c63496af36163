"""The manual holds: generated pages are those of the code, links lead somewhere, examples can be read and typed."""

from __future__ import annotations

import fnmatch
import functools
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from circus import config
from circus.circusctl import parse_arguments
from circus.commands import find_command
from circus.ctl.arguments import GLOBAL_OPTIONS, options_of
from circus.ctl.clientoptions import client_options
from circus.ctl.vocabulary import ERRANDS, WithErrands
from circus.exc import ArgumentError
from circus.ini import Document

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "docs" / "source"
PAGES = sorted(SOURCE.rglob("*.rst"))
WRITTEN = [page for page in PAGES if page.parent.name != "reference"]
#: What a configuration in the manual must not be told by ``--check``; users and paths of an example need not exist.
BLUNDERS = {"unknown-option", "unknown-section", "deprecated-option", "duplicate-option", "no-socket", "conflict"}

_BLOCK = re.compile(
    r"^(?P<runnable>\.\. runnable\n)?(?P<margin> *)\.\. code-block:: (?P<language>\w+)\n"
    r"(?P<options>(?:(?P=margin)   :\w.*\n)*)\n(?P<body>(?:(?:(?P=margin)   .*)?\n)+)",
    re.MULTILINE,
)
_DIRECTIVE = re.compile(r"^\s*\.\. (?:include|literalinclude|image|figure)::\s+(\S+)", re.MULTILINE)
_RUN_FILE = re.compile(r"^\.\. runnable\n\.\. literalinclude:: (\S+)", re.MULTILINE)
_DOC = re.compile(r":doc:`(?:[^`<]*<)?([^`>]+)>?`")
_LINK = re.compile(r"`[^`]*<([^`>:]+)>`_")
_TITLE_LINK = re.compile(r"(?<![`\w])`([^`<>]+)`_(?!_)")
_URL = re.compile(r"https?://[^\s`<>\"')\]]+")
_LITERAL = re.compile(r"``([^`\n]+)``")


class Block(NamedTuple):
    """A code block of a page."""

    page: Path
    language: str
    options: str
    body: str
    runnable: bool
    line: int

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(SOURCE)}:{self.line}"


@functools.cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@functools.cache
def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = text_of(page)
        for match in _BLOCK.finditer(text):
            body = textwrap.dedent(match["body"]).strip("\n") + "\n"
            line = text.count("\n", 0, match.start("body")) + 1
            found.append(Block(page, match["language"], match["options"], body, bool(match["runnable"]), line))
    return found


def of(*languages: str) -> list[object]:
    return [pytest.param(block, id=block.name) for block in blocks() if block.language in languages]


# -- generated pages --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.written = functools.cache(module.written)
    return module


def test_generated_pages_are_up_to_date(generate, capsys):
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_page_is_noticed(generate, tmp_path, capsys, monkeypatch):
    pages = {tmp_path / "reference/hooks.rst": "Hooks\n", tmp_path / "man/circusd.1": ".TH\n"}
    monkeypatch.setattr(generate, "written", lambda: pages)
    monkeypatch.setattr(generate, "TARGET", tmp_path / "reference")
    monkeypatch.setattr(generate, "MAN", tmp_path / "man")
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    with (tmp_path / "man/circusd.1").open("a") as page:
        page.write("more\n")
    (tmp_path / "reference/left_over.rst").touch()
    capsys.readouterr()
    assert generate.main(["--check"]) == 1
    told = [Path(line.split()[0]).name for line in capsys.readouterr().err.splitlines()]
    assert told == ["circusd.1", "left_over.rst"]


def test_every_program_has_its_page(generate):
    programs = set(re.findall(r'"([\w-]+) = circus', (ROOT / "setup.py").read_text()))
    assert {f"{name}.1" for name in programs} | {"circus.ini.5"} == {path.name for path in generate.MAN.iterdir()}
    assert programs - {"circushttpd"} == set(generate.programs.PROGRAMS)


def test_the_variables_of_programs_are_told(generate):
    """What the code reads from its environment is in the table, or is nobody's business."""
    read = set()
    for path in (ROOT / "circus").rglob("*.py"):
        read.update(re.findall(r"environ(?:\.get\(|\.pop\(|\[)\s*\"([A-Z_]+)\"", path.read_text(encoding="utf-8")))
    theirs = {"COMP_WORDS", "COMP_CWORD", "COMPUTERNAME", "USERNAME", "TERM", "PWD", "DEBUG", "PATH", "HOME"}
    assert read - theirs <= set(generate.programs.VARIABLES), "to be entered in docs/circusdocs/programs.py"


def test_the_library_has_no_private_names(generate):
    text = text_of(generate.TARGET / "library.rst")
    assert len(re.findall(r"\.\. py:", text)) > 100
    assert re.findall(r"\.\. py:\w+:: _\w+", text) == []
    assert re.findall(r"[(,*]\s*_\w+", "\n".join(re.findall(r"\.\. py:\w+:: .*", text))) == []
    assert re.findall(r"spec[ .]|object at|\.md\b", text) == [], "a remark for builders of Circus, see INWARD"


def test_man_pages_are_sound(generate):
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("no groff")
    pages = [path for path in sorted(generate.MAN.iterdir()) if path.name != "circushttpd.1"]
    done = subprocess.run([groff, "-man", "-ww", "-z", "-Tutf8", *pages], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# -- links ------------------------------------------------------------------------------------------------------------


def toctree_entries(page: Path) -> list[Path]:
    found = []
    for block in re.findall(r"^\.\. toctree::\n((?:   .*\n|\n)+)", text_of(page), re.MULTILINE):
        names = [line.strip() for line in block.splitlines() if line.strip() and not line.strip().startswith(":")]
        for name in names:
            path = page.parent / f"{name}.rst"
            found += [p for p in PAGES if fnmatch.fnmatch(str(p), str(path))] if "*" in name else [path]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SOURCE)))
def test_links_lead_somewhere(page):
    text = text_of(page)
    named = _DIRECTIVE.findall(text) + _LINK.findall(text)
    wanted = [SOURCE / name.lstrip("/") if name.startswith("/") else page.parent / name for name in named]
    for name in _DOC.findall(text):
        base = SOURCE / name.lstrip("/") if name.startswith("/") else page.parent / name
        wanted.append(base.with_name(base.name + ".rst"))
    assert [str(path) for path in wanted + toctree_entries(page) if not path.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SOURCE)))
def test_links_to_titles_lead_somewhere(page):
    text = text_of(page)
    titles = set(re.findall(r"^(\S.*)\n([=\-~])\2{2,}$", text, re.MULTILINE))
    prose = _BLOCK.sub("\n", text)
    assert set(_TITLE_LINK.findall(prose)) - {title for title, _ in titles} == set()


def test_every_page_is_in_a_table_of_contents():
    listed = {path.resolve() for page in PAGES for path in toctree_entries(page)}
    assert {page.resolve() for page in PAGES} - listed == {(SOURCE / "index.rst").resolve()}


#: Files and directories of the sources that pages may name.
_OURS = re.compile(r"(?:circus|docs|examples|benchmarks|tests|extras|packaging)/[\w./-]*|[a-z_]+/[\w/]+\.(?:py|js)")


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(SOURCE)))
def test_files_that_are_named_exist(page):
    missing = []
    for literal in _LITERAL.findall(text_of(page)):
        if _OURS.fullmatch(literal):
            places = (ROOT / literal, ROOT / "circus" / literal, ROOT / "tests/unit" / literal)
            if not any(place.exists() for place in places) and not any(ROOT.glob(f"circus/*/{literal}")):
                missing.append(literal)
    # The quickstart writes its logs there.
    assert [name for name in missing if not name.startswith("examples/quickstart/")] == []


def test_addresses_of_other_sites_are_well_formed():
    """Only their form: tests use no network. ``pytest -s`` lists them."""
    seen = set()
    for page in PAGES:
        for url in _URL.findall(text_of(page)):
            parts = urlsplit(url.rstrip(".,;:"))
            assert parts.hostname, f"{page.name}: {url}"
            assert re.fullmatch(r"[\w.-]+|[0-9a-f:]+", parts.hostname), f"{page.name}: {url}"
            seen.add(parts.hostname)
    print(sorted(seen))


# -- examples ---------------------------------------------------------------------------------------------------------


def test_blocks_are_found():
    """What the next tests hold is not an empty list."""
    languages = [block.language for block in blocks()]
    assert {name for name in languages if languages.count(name) > 3} >= {"ini", "console", "python", "json"}


@pytest.mark.parametrize("block", [p for p in of("ini") if "not-circus" not in p.values[0].options])
def test_configurations_can_be_read(block, tmp_path):
    document = Document()
    document.feed(block.body, block.name)
    assert document.problems == []
    path = tmp_path / "manual.ini"
    path.write_text(block.body)
    found = [problem for problem in config.check(str(path)) if problem.code in BLUNDERS]
    assert [str(problem) for problem in found] == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").rglob("*.ini")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_configurations_of_examples_pass_the_check(path, monkeypatch):
    if not re.search(r"^\[(circus|watcher:|socket:|plugin:)", path.read_text(encoding="utf-8"), re.MULTILINE):
        pytest.skip("not a configuration of Circus")
    monkeypatch.chdir(ROOT)
    # What an example needs besides Circus (a framework, a service's user) need not be here.
    found = [each for each in config.check(str(path)) if each.code in BLUNDERS or each.is_error]
    assert [str(problem) for problem in found if "No module named" not in str(problem)] == []


def typed_commands() -> list[tuple[Block, str]]:
    """The command lines of console blocks: after a prompt, with the lines that a backslash continues."""
    found = []
    for block in blocks():
        if block.language == "console":
            joined = re.sub(r"\\\n\s*", "", block.body)
            found += [(block, line[2:]) for line in joined.splitlines() if line.startswith("$ ")]
    return found


def test_commands_can_be_read_by_a_shell(tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    lines, where = [], []
    for block, command in typed_commands():
        lines.append(f"{{ {command}\n}}")
        where += [block.name] * 2
    for block in blocks():
        if block.language in ("bash", "sh", "shell"):
            lines.append(block.body.rstrip("\n"))
            where += [block.name] * (block.body.count("\n") + 1)
    script = tmp_path / "manual.sh"
    script.write_text("\n".join(lines) + "\n")
    done = subprocess.run([bash, "-n", script], capture_output=True, text=True, check=False)
    wrong = [where[int(number) - 1] for number in re.findall(r"line (\d+):", done.stderr)]
    assert done.returncode == 0, (wrong, done.stderr)


def ours(command: str) -> list[str] | None:
    """The words of one plain command of a program of ours, without notes of what may be left out; else None."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        return None
    while words and re.fullmatch(r"sudo|\w+=.*", words[0]):
        words.pop(0)
    if not words or not Path(words[0]).name.startswith("circus") or any(c in command for c in "[]|<>&;$"):
        return None
    return [Path(words[0]).name, *words[1:]]


@pytest.fixture(scope="module")
def parsers(generate):
    programs = generate.programs
    return {
        "circusd": programs.parser_of(programs._circusd), "circusd-stats": programs.parser_of(programs._stats),
        "circus-top": programs.parser_of(programs._top), "circus-plugin": programs.parser_of(programs._plugin),
        "circus-httpd": programs.parser_of(programs._httpd),
    }  # fmt: skip


def test_commands_of_the_manual_are_commands(parsers, capsys):
    """Each typed line that begins with one of our programs is understood by it."""
    checked, wrong = 0, []
    for block, command in typed_commands():
        words = ours(command)
        if words is None or "COMMAND" in words:
            continue
        checked += 1
        try:
            if words[0] == "circusctl":
                speak(words[1:])
            elif words[0] in parsers:
                parsers[words[0]].parse_args(words[1:])
        except SystemExit as ending:
            if ending.code:
                wrong.append((block.name, command, capsys.readouterr().err))
        except ArgumentError as error:
            wrong.append((block.name, command, str(error)))
    assert not wrong, "\n".join(map(str, wrong))
    assert checked > 30


def speak(words: list[str]) -> None:
    """What circusctl does with its words before it sends something.

    :raises ArgumentError: it would refuse them.
    """
    spoken = parse_arguments(words, WithErrands())["args"]
    if hasattr(spoken, "command") and spoken.command not in ("tail", "events", *ERRANDS) and not spoken.command_help:
        find_command(spoken.command).message(*spoken.args, **_own(spoken))


def test_commands_within_sentences_exist(parsers):
    """Their words and options; what stands for a value may be left out there."""
    checked, wrong = 0, []
    for page in PAGES:
        for literal in re.findall(r"``(circus[\w-]* [^`]+)``", _BLOCK.sub("\n", text_of(page))):
            words = ours(" ".join(literal.split()))
            if words is None:
                continue
            checked += 1
            options = [word.partition("=")[0] for word in words[1:] if word.startswith("-")]
            if words[0] == "circusctl":
                known = {f"--{name}" for name, _, _ in GLOBAL_OPTIONS}
                command = next((word for word in words[1:] if word in WithErrands()), None)
                if command:
                    for short, long, _, _ in options_of(WithErrands()[command]):
                        known.update((f"-{short}", f"--{long}"))
                elif words[1] not in known and words[1] not in ("import", "resize"):
                    wrong.append((page.name, literal))
            else:
                known = set(parsers[words[0]]._option_string_actions) if words[0] in parsers else set(options)
            wrong += [(page.name, literal, option) for option in options if option not in known]
    assert not wrong, "\n".join(map(str, wrong))
    assert checked > 40


def _own(spoken) -> dict[str, object]:
    """The options that go into the message, as the program itself sorts them."""
    kept = {long.replace("-", "_") for _, long, _, _ in client_options(find_command(spoken.command))}
    return {name: value for name, value in spoken.opts.items() if name not in kept}


@pytest.mark.parametrize("block", of("python"))
def test_python_compiles(block):
    compile(block.body, block.name, "exec")


@pytest.mark.parametrize("block", [p for p in of("python") if p.values[0].runnable])
def test_python_runs(block, tmp_path, monkeypatch):
    (tmp_path / "circus.ini").write_text("[watcher:web]\ncmd = true\n")
    monkeypatch.chdir(tmp_path)
    exec(compile(block.body, block.name, "exec"), {"__name__": "manual"})


@pytest.mark.parametrize("path", sorted((SOURCE / "examples").glob("*.py")), ids=lambda path: path.name)
def test_programs_compile(path):
    compile(path.read_text(encoding="utf-8"), path.name, "exec")


@pytest.mark.parametrize("block", of("json"))
def test_json_can_be_read(block):
    json.loads(block.body)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(SOURCE)))
def test_lines_are_short(page):
    assert [line for line in text_of(page).splitlines() if len(line) > 120] == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(SOURCE)))
def test_runnable_files_are_run(page):
    """By tests/e2e/test_tutorial.py, which must know each of them."""
    tests = (ROOT / "tests/e2e/test_tutorial.py").read_text(encoding="utf-8")
    for name in _RUN_FILE.findall(text_of(page)):
        assert f'"{Path(name).name}"' in tests, name
