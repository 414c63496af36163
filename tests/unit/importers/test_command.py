"""``circusctl import``: what is printed where, what is written, and the exit status."""

from __future__ import annotations

import io
import json
import stat
import subprocess
import sys

import pytest

from circus import circusctl, config
from circus.ctl.arguments import command_help, main_help
from circus.ctl.completion import answer_shell
from circus.ctl.vocabulary import ERRANDS, Vocabulary, WithErrands
from circus.importers import FORMATS, ImportFailure, guess
from harness.installation import OURS

PLAIN = "[program:app]\ncommand=/bin/sleep 1\nautorestart=true\n"
LOSSY = f"{PLAIN}serverurl=http://x\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["circusctl"])
    return tmp_path


@pytest.fixture
def ctl(capsys):
    def run(*words):
        status = circusctl.run(["import", *words])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_the_ini_on_standard_output_and_remarks_on_the_other(ctl, here):
    (here / "supervisord.conf").write_text(LOSSY)
    status, out, err = ctl("supervisord.conf")
    assert status == 0
    assert "\n[watcher:app]\n" in out
    assert "# serverurl: no equivalent: SUPERVISOR_SERVER_URL is not set" in out
    assert err.startswith("supervisord.conf:4: serverurl: no equivalent: SUPERVISOR_SERVER_URL is not set; ")
    (here / "circus.ini").write_text(out)
    assert config.check("circus.ini") == ()


def test_a_file_is_written_once(ctl, here):
    (here / "supervisord.conf").write_text(PLAIN)
    assert ctl("supervisord.conf", "--output", "circus.ini") == (0, "", "")
    made = here / "circus.ini"
    assert config.check("circus.ini") == ()
    assert stat.S_IMODE(made.stat().st_mode) & 0o044
    made.write_text("mine")
    assert ctl("supervisord.conf", "-o", "circus.ini") == (1, "", "circus.ini exists; --force overwrites it\n")
    assert made.read_text() == "mine"
    assert ctl("supervisord.conf", "-o", "circus.ini", "--force")[0] == 0
    assert "[watcher:app]" in made.read_text()
    assert sorted(each.name for each in here.iterdir()) == ["circus.ini", "supervisord.conf"]


def test_a_link_that_leads_nowhere_is_not_written_through(ctl, here):
    (here / "supervisord.conf").write_text(PLAIN)
    (here / "circus.ini").symlink_to("elsewhere")
    assert ctl("supervisord.conf", "-o", "circus.ini")[0] == 1
    assert not (here / "elsewhere").exists()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_secrets_are_nobody_elses_business(ctl, here, force):
    (here / "Procfile").write_text("web: run\n")
    (here / ".env").write_text("PASSWORD=x\n")
    if force:
        (here / "circus.ini").write_text("")
        (here / "circus.ini").chmod(0o644)
    assert ctl("Procfile", "--output", "circus.ini", *force)[0] == 0
    assert stat.S_IMODE((here / "circus.ini").stat().st_mode) == 0o600
    assert "PASSWORD = x" in (here / "circus.ini").read_text()


def test_strict(ctl, here):
    (here / "supervisord.conf").write_text(LOSSY)
    status, out, err = ctl("supervisord.conf", "--strict", "-o", "circus.ini")
    assert (status, out) == (1, "")
    assert err.endswith("circusctl: 1 thing has no equivalent; nothing is written, because of --strict\n")
    assert not (here / "circus.ini").exists()
    assert ctl("supervisord.conf", "--strict")[:2] == (1, "")
    (here / "supervisord.conf").write_text(f"{PLAIN}startretries=9\n")
    status, out, err = ctl("supervisord.conf", "--strict")
    assert status == 0
    assert "[watcher:app]" in out
    assert "startretries" in err


@pytest.mark.parametrize("before", [[], ["--json"]])
def test_json(capsys, here, before):
    (here / "supervisord.conf").write_text(LOSSY)
    words = [*before, "import", "supervisord.conf", *(["--json"] if not before else [])]
    assert circusctl.run(words) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert err == ""
    assert (found["format"], found["file"], found["missing"]) == ("supervisord", "supervisord.conf", 1)
    assert found["sections"]["watcher:app"]["cmd"] == "/bin/sleep 1"
    assert "[watcher:app]" in found["ini"]
    (remark,) = found["remarks"]
    assert (remark["kind"], remark["line"], remark["option"]) == ("missing", 4, "serverurl")
    assert remark["section"] == "watcher:app"


def test_standard_input(here):
    (here / ".env").write_text("A=1\n")
    done = subprocess.run(
        OURS.command("circus.circusctl", "import", "-"), env=OURS.environment(), input=b"web: run\n",
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\nA = 1\n" in done.stdout
    assert b"from standard input" in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "err"),
    [
        (["gone"], 1, "error: gone: cannot be read: No such file or directory\n"),
        (["."], 1, "error: .: cannot be read: Is a directory\n"),
        (["strange"], 1, "error: strange: this looks like no format that can be imported; --from supervisord, "
                         "procfile, pm2 says which it is\n"),
        (["binary"], 1, "error: binary: not a text file\n"),
        (["circus.conf"], 1, "error: circus.conf: this is a configuration of circus already\n"),
        (["strange", "--from", "pm2"], 1, "error: strange:1: not JSON: a value is expected, not '?'\n"),
        (["Procfile", "-o", "no/where"], 1, "error: no/where: cannot be written: No such file or directory\n"),
        (["Procfile", "--from", "systemd"], 2,
         "circusctl: error: --from: 'systemd' is none of supervisord, procfile, pm2\n"),
    ],
)
def test_what_cannot_be_imported(ctl, here, words, status, err):
    (here / "strange").write_text("?")
    (here / "binary").write_bytes(b"\x7fELF\0\1")
    (here / "circus.conf").write_text("[watcher:x]\ncmd=x")
    (here / "Procfile").write_text("web: run")
    assert ctl(*words) == (status, "", err)


@pytest.mark.parametrize("words", [[], ["a", "b"], ["a", "--nonsense"], ["a", "--from"]])
def test_bad_command_lines(ctl, capsys, words):
    try:
        status, out, err = ctl(*words)
    except SystemExit as ending:
        pytest.fail(str(ending))
    assert (status, out) == (2, "")
    assert err.startswith("usage: circusctl [options] command [args]")


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("a/Procfile", "", "procfile"), ("Procfile.dev", "", "procfile"), ("ecosystem.config.json", "", "pm2"),
        ("ecosystem.config.js", "", "pm2"), ("x", "module.exports = {}", "pm2"), ("x", ' // c\n {"apps": []}', "pm2"),
        ("x", '[{"script": "x"}]', "pm2"), ("x", "; c\n[program:x]\ncommand=x", "supervisord"),
        ("supervisord.conf", "[supervisord]\n", "supervisord"), ("x", "web: run\n", "procfile"), ("x", "", ""),
        ("x.ini", "[watcher:x]\ncmd=x", ""), ("x.ini", "[uwsgi]\nsocket: x", ""),
    ],
)
def test_guesses(file, text, expected):
    if expected:
        assert guess(file, text) == expected
    else:
        with pytest.raises(ImportFailure):
            guess(file, text)


def test_it_is_known_to_circusctl_and_to_nobody_who_passes_commands_on():
    assert "import" in WithErrands()
    assert "import" not in Vocabulary()
    assert len(WithErrands()) == len(Vocabulary()) + len(ERRANDS)
    assert WithErrands()["import"].short == ERRANDS["import"][2]
    assert WithErrands()["list"].name == "list"
    page = main_help(WithErrands())
    assert f"  import                {ERRANDS['import'][2]}\n" in page


def test_help(capsys):
    assert circusctl.run(["import", "--help"]) == 0
    page = capsys.readouterr().out
    assert "import FILE" in page.replace("\n", " ") or " FILE" in page
    assert "--strict" in page
    assert circusctl.run(["--help", "import"]) == 0
    assert "circusctl import FILE [--from" in capsys.readouterr().out
    assert "FILE" in command_help(WithErrands()["import"])


def test_completion(here, monkeypatch):
    monkeypatch.setenv("CIRCUSCTL_ENDPOINT", "ipc:///nobody/listens")
    for name in ("Procfile", ".env", "a b.conf"):
        (here / name).write_text("")
    (here / "conf.d").mkdir()
    (here / "conf.d" / "x.conf").write_text("")

    def answer(prefix, *words):
        out = io.StringIO()
        answer_shell(["words", prefix, *words], out)
        return out.getvalue().splitlines()

    assert answer("imp") == [f"import\t{ERRANDS['import'][2]}"]
    assert answer("", "import") == ["Procfile", "a b.conf", "conf.d/"]
    assert answer("conf.d/", "import") == ["conf.d/x.conf"]
    assert answer(".", "import") == [".env"]
    assert answer("", "import", "Procfile") == []
    assert [each.partition("\t")[0] for each in answer("", "import", "--from")] == list(FORMATS)
    assert answer("P", "import", "x", "--output") == ["Procfile"]
    assert answer("gone/", "import") == []
    assert [each.partition("\t")[0] for each in answer("--s", "import")] == ["--strict"]


def test_the_shell_has_it(here, capsys, monkeypatch):
    from circus.ctl.shell import CircusCtl

    (here / "Procfile").write_text("web: run\n")
    shell = CircusCtl(None, WithErrands())
    shell.onecmd("help import")
    shell.onecmd("import Procfile")
    shell.onecmd("import gone")
    out, err = capsys.readouterr()
    assert out.startswith("Import a configuration")
    assert "[watcher:web]" in out
    assert err == "error: gone: cannot be read: No such file or directory\n"
