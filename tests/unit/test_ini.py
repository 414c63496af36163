"""The ini dialect, row by row of spec config.md 2, and the warnings about what it loses."""

from __future__ import annotations

import configparser
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circus.exc import ConfigError
from circus.ini import Document, StrictConfigParser
from harness.examples import examples


def parse(text: str) -> Document:
    document = Document()
    document.feed(text, "t.ini")
    return document


def sections(text: str) -> dict[str, dict[str, str]]:
    document = parse(text)
    assert document.errors == ()
    return {name: document.items(name) for name in document.sections}


def warnings(text: str) -> list[str]:
    return [problem.code for problem in parse(text).problems if not problem.is_error]


# -- the dialect, as recorded --------------------------------------------------------------------------------

RECORDED = {
    "header": ("[a]\nk=v\n", {"a": {"k": "v"}}),
    "text behind the header": ("[a] foo ; x\nk=v\n", {"a": {"k": "v"}}),
    "header to its last bracket": ("[a]b]\nk=v\n", {"a]b": {"k": "v"}}),
    "blanks in a header": ("[ a ]\nk=v\n", {" a ": {"k": "v"}}),
    "comment in a header": ("[a ; b]\nk=v\n", {"a ; b": {"k": "v"}}),
    "unclosed header in a section": (
        "[b]\nx=1\n[watcher:a\nk=v\n",
        {"b": {"x": "1", "[watcher": "a", "k": "v"}},
    ),
    "indented header": ("[a]\nk=v\n  [b]\nx=1\n", {"a": {"k": "v\n[b]", "x": "1"}}),
    "repeated section": ("[a]\nk=1\n[b]\nx=1\n[a]\nz=1\n", {"a": {"k": "1", "z": "1"}, "b": {"x": "1"}}),
    "repeated option": ("[a]\nk=1\nk=2\n", {"a": {"k": "1"}}),
    "repeated option in a repeated section": (
        "[a]\nk=1\n[b]\nx=1\n[a]\nk=2\n",
        {"a": {"k": "1"}, "b": {"x": "1"}},
    ),
    "equals": ("[a]\nk =  v  \n", {"a": {"k": "v"}}),
    "colon": ("[a]\nk: v=1\nl =v:1\n", {"a": {"k": "v=1", "l": "v:1"}}),
    "colon in a name": ("[a]\nhooks.x:y=1\n", {"a": {"hooks.x": "y=1"}}),
    "two delimiters": ("[a]\nk==v\nl=:v\nm : = v\n", {"a": {"k": "=v", "l": ":v", "m": "= v"}}),
    "blank in a name": ("[a]\nmy key  = v\n", {"a": {"my key": "v"}}),
    "case of options": ("[a]\ncmd=1\nCmd=2\n", {"a": {"cmd": "1", "Cmd": "2"}}),
    "case of sections": ("[a]\nk=1\n[A]\nk=2\n", {"a": {"k": "1"}, "A": {"k": "2"}}),
    "comments": ("# x\n\n;y\n[a]\n#k=1\n;l=2\nm=3\n", {"a": {"m": "3"}}),
    "rem": ("[a]\nrem foo\nrem\nREM\tfoo=1\nRem = 2\nk=v\n", {"a": {"k": "v"}}),
    "not rem": ("[a]\nREM=x\nremx = 1\nrem: foo\n", {"a": {"REM": "x", "remx": "1", "rem": "foo"}}),
    "inline comment": ("[a]\nk=a ; b\nl=a\t; c\nm=a ;b;c\n", {"a": {"k": "a", "l": "a", "m": "a"}}),
    "first semicolon decides": ("[a]\nk=a;b ; c\n", {"a": {"k": "a;b ; c"}}),
    "semicolon first": ("[a]\nk=;x\nl= ;x\nm=;x  \n", {"a": {"k": ";x", "l": ";x", "m": ""}}),
    "semicolon in quotes": ('[a]\nk="a ; b"\n', {"a": {"k": '"a'}}),
    "semicolon in a name": ("[a]\nk;x = v\nk ;x = v\n", {"a": {"k;x": "v", "k ;x": "v"}}),
    "hash in a value": ("[a]\nk=a # b\n", {"a": {"k": "a # b"}}),
    "continuation": ("[a]\nk=a\n  b\n\td  \nz=1\n", {"a": {"k": "a\nb\nd", "z": "1"}}),
    "continuation with comments": ("[a]\nk=a\n  b ; d\n  # x\n", {"a": {"k": "a\nb ; d\n# x"}}),
    "continuation over blank lines": ("[a]\nk=v\n   \n\n  w\n", {"a": {"k": "v\nw"}}),
    "continuation over comments": ("[a]\nk=a\n# c\n  b\nrem x\n  c\n", {"a": {"k": "a\nb\nc"}}),
    "continuation of nothing": ('[a]\nk=\n  b\nl=""\n  c\n', {"a": {"k": "\nb", "l": "\nc"}}),
    "continuation by odd blanks": ("[a]\nk=v\n\xa0x\n\x0cz=1\n", {"a": {"k": "v\nx\nz=1"}}),
    "continuation of a duplicate": ("[a]\nk=1\nk=2\n  b\n", {"a": {"k": "1\nb"}}),
    "indented behind a header": ("[a]\n  k=v\nz=1\n", {"a": {"  k": "v", "z": "1"}}),
    "empty": ('[a]\nk=\nl=""\nm = "" ; x\n', {"a": {"k": "", "l": "", "m": ""}}),
    "other quotes": ("[a]\nk=''\nl=\"x\"\n", {"a": {"k": "''", "l": '"x"'}}),
    "no name": ("[a]\n=v\n", {"a": {"": "v"}}),
    "defaults": (
        "[DEFAULT]\nk=1\nq=5\n[a]\nk=2\n[b]\nz=1\n",
        {"a": {"k": "2", "q": "5"}, "b": {"k": "1", "q": "5", "z": "1"}},
    ),
    "continued defaults": ("[DEFAULT]\nk=v\n  w\n[a]\nz=1\n", {"a": {"k": "v\nw", "z": "1"}}),
    "default in lower case": ("[default]\nk=1\n[a]\nz=1\n", {"default": {"k": "1"}, "a": {"z": "1"}}),
    "no interpolation": ("[a]\nk=%(x)s %%\n", {"a": {"k": "%(x)s %%"}}),
    "reserved name": ("[a]\n__name__ = foo\nk=1\n", {"a": {"k": "1"}}),
    "empty section": ("[a]\n[b]\n", {"a": {}, "b": {}}),
    "Windows line ends": ("[a]\r\nk=v\r\n  w\r\n", {"a": {"k": "v\nw"}}),
    "old Macintosh line ends": ("[a]\rk=v\r", {"a": {"k": "v"}}),
    "beyond ASCII": ("[wätcher:é]\nkö=ü\n", {"wätcher:é": {"kö": "ü"}}),
    "no end of line": ("[a]\nk=v", {"a": {"k": "v"}}),
    "nothing": ("", {}),
}


@pytest.mark.parametrize("case", RECORDED)
def test_dialect(case: str) -> None:
    text, expected = RECORDED[case]
    assert sections(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "shown"),
    [
        ("[watcher:a\ncmd=x\n", 1, "'[watcher:a\\n'"),
        ("# x\n\n [a]\nk=v\n", 3, "' [a]\\n'"),
        ("[]\nk=v\n", 1, "'[]\\n'"),
        ("k=v\n[a]\n", 1, "'k=v\\n'"),
        ("k=v", 1, "'k=v'"),
        ("\ufeff[a]\n", 1, "'\\ufeff[a]\\n'"),
    ],
)
def test_option_before_any_header(text: str, line: int, shown: str) -> None:
    (error,) = parse(text).errors
    assert error.text == f"File contains no section headers.\nfile: 't.ini', line: {line}\n{shown}"
    assert (error.file, error.line, error.code) == ("t.ini", line, "no-header")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("[a]\nfoo\nk=1\nbar baz\n", "\n\t[line  2]: 'foo\\n'\n\t[line  4]: 'bar baz\\n'"),
        ("[a]\nk ; x\n", "\n\t[line  2]: 'k ; x\\n'"),
        ("[a]\nk=1\n[a]\n  foo", "\n\t[line  4]: '  foo'"),
        ("[a]\n[]\n", "\n\t[line  2]: '[]\\n'"),
    ],
)
def test_line_without_delimiter(text: str, lines: str) -> None:
    (error,) = parse(text).errors
    assert error.text == f"Source contains parsing errors: 't.ini'{lines}"


def test_all_errors_of_all_files_are_found() -> None:
    document = Document()
    document.feed("orphan=1\nmore=2\n[a]\nbad\nk=1\n", "one.ini")
    document.feed("[b]\nworse\n", "two.ini")
    assert [(error.file, error.line, error.code) for error in document.errors] == [
        ("one.ini", 1, "no-header"),
        ("one.ini", 4, "no-delimiter"),
        ("two.ini", 2, "no-delimiter"),
    ]
    assert document.items("a") == {"k": "1"}


# -- several files -------------------------------------------------------------------------------------------


def test_first_file_wins() -> None:
    document = Document()
    document.feed("[a]\nk=1\n", "one.ini")
    document.feed("[a]\nk=2\nl=3\n", "two.ini")
    assert document.items("a") == {"k": "1", "l": "3"}
    assert document.where("a") == ("one.ini", 1)
    assert document.where("a", "l") == ("two.ini", 3)
    (problem,) = document.problems
    assert str(problem) == (
        "two.ini:2 [a] k: already given at one.ini:2; the first value counts, this one is ignored"
    )


def test_continuation_of_a_value_ignored_in_favour_of_another_file_is_dropped() -> None:
    """Circus 0.19 gave up with "'str' object has no attribute 'append'"."""
    document = Document()
    document.feed("[a]\nk=1\n", "one.ini")
    document.feed("[a]\nk=2\n  b\nl=3\n  c\n", "two.ini")
    assert document.items("a") == {"k": "1", "l": "3\nc"}


def test_places() -> None:
    document = parse("[DEFAULT]\nd=1\n\n[a]\n# x\nk=1\n  more\nl=2\n")
    assert document.where("a") == ("t.ini", 4)
    assert document.where("a", "k") == ("t.ini", 6)
    assert document.where("a", "l") == ("t.ini", 8)
    assert document.where("a", "d") == ("t.ini", 2), "its default"
    assert document.where("a", "nothing") == ("t.ini", 4), "its section"


# -- warnings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("[a]\nk=1\nk=2\n", "duplicate-option", 3),
        ('[a]\nk=sh -c "a ; b"\n', "cut-value", 2),
        ("[a]\nk=sh -c 'a ;b'\n", "cut-value", 2),
        ("[a]\nk=1\n  # x\n", "indented-comment", 3),
        ("[a]\nk=1\n  ;x\n", "indented-comment", 3),
        ("[a]\nk=1\n  [b]\n", "indented-header", 3),
        ("[a]\n  k=1\n", "odd-name", 2),
        ("[a]\n[b:c\n", "odd-name", 2),
        ("[a]\n=1\n", "odd-name", 2),
        ("[a] k=1\n", "header", 1),
        ("[a] ; x]\n", "header", 1),
        ("[a]\n__name__=1\n", "reserved-option", 2),
    ],
)
def test_what_is_lost_is_warned_about(text: str, code: str, line: int) -> None:
    (problem,) = parse(text).problems
    assert (problem.severity, problem.code, problem.line) == ("warning", code, line)


@pytest.mark.parametrize(
    "text",
    [
        "[a]\nk=1\nk=1\n",
        "[a]\nk=x ; comment\n",
        '[a]\nk=sh -c "a; b"\n',
        "[a]\nk=don't ; I say\n",
        "[a] ; comment\n",
        "[a] # comment\n",
        "[env:web[12],x]\nk=1\n",
        "[a]\nk=cmd\n  --flag\n  arg\n",
    ],
)
def test_what_is_not_lost_is_not_warned_about(text: str) -> None:
    assert warnings(text) == []


def test_indented_lines_that_look_like_options_are_noted() -> None:
    document = parse("[watcher:a]\ncmd=x\n  numprocesses = 2\n  --flag=3\n  args: 4\n")
    assert document.suspects == [
        ("watcher:a", "cmd", "numprocesses", ("t.ini", 3)),
        ("watcher:a", "cmd", "args", ("t.ini", 5)),
    ]


# -- encodings -----------------------------------------------------------------------------------------------


def test_utf8_with_and_without_a_mark(tmp_path: Path) -> None:
    for mark in (b"", b"\xef\xbb\xbf"):
        path = tmp_path / "a.ini"
        path.write_bytes(mark + "[a]\nk=ü\n".encode())
        document = Document()
        document.read(str(path))
        assert document.items("a") == {"k": "ü"}
        assert document.problems == []
        assert document.files == [str(path)]


def test_other_encodings_are_read_by_the_locale_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ini"
    path.write_bytes("[a]\nx=1\nk=ü\n".encode("latin-1"))
    monkeypatch.setattr("locale.getpreferredencoding", lambda do_setlocale=True: "latin-1")
    document = Document()
    document.read(str(path))
    assert document.items("a")["k"] == "ü"
    assert [(problem.severity, problem.line) for problem in document.problems] == [("warning", 3)]
    monkeypatch.setattr("locale.getpreferredencoding", lambda do_setlocale=True: "UTF-8")
    document = Document()
    document.read(str(path))
    assert [(problem.text, problem.line) for problem in document.errors] == [("not UTF-8: byte 0xfc", 3)]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Document().read(str(tmp_path / "nothing.ini"))


# -- the compatible parser -----------------------------------------------------------------------------------


def test_parser_under_its_old_name(tmp_path: Path) -> None:
    path = tmp_path / "a.ini"
    path.write_text("[a]\nKey=1\nKey=2\nf=1.5\nb=yes\n")
    parser = StrictConfigParser({"d": "9"})
    assert parser.read([str(path), str(tmp_path / "nothing.ini")]) == [str(path)]
    assert parser.read(str(path)) == [str(path)]
    assert parser.sections() == list(parser) == ["a"]
    assert parser.has_section("a")
    assert "a" in parser
    assert len(parser) == 1
    assert parser.defaults() == {"d": "9"}
    assert parser.options("a") == ["d", "__name__", "Key", "f", "b"]
    assert parser.items("a") == [("d", "9"), ("__name__", "a"), ("Key", "1"), ("f", "1.5"), ("b", "yes")]
    assert parser["a"]["Key"] == parser.get("a", "Key") == "1"
    assert (parser.getint("a", "Key"), parser.getfloat("a", "f"), parser.getboolean("a", "b")) == (
        1,
        1.5,
        True,
    )
    assert parser.has_option("a", "__name__")
    assert not parser.has_option("a", "key")
    assert not parser.has_option("b", "Key")


def test_parser_errors() -> None:
    parser = StrictConfigParser()
    parser.read_string("[a]\nk=1\n")
    with pytest.raises(configparser.NoOptionError, match="No option 'z' in section: 'a'"):
        parser.get("a", "z")
    with pytest.raises(configparser.NoSectionError, match="No section: 'z'"):
        parser.items("z")
    with pytest.raises(KeyError):
        parser["z"]
    with pytest.raises(ConfigError, match=r"Source contains parsing errors: 'x\.ini'") as caught:
        parser.read_file(io.StringIO("[a]\nbad\n"), "x.ini")
    assert len(caught.value.problems) == 1


# -- whatever comes ------------------------------------------------------------------------------------------

fragments = st.sampled_from(
    [
        "[",
        "]",
        "[a]",
        "[watcher:x]",
        "[DEFAULT]",
        "=",
        ":",
        ";",
        " ;",
        "#",
        '""',
        '"',
        "'",
        " ",
        "\t",
        "\n",
        "\r\n",
        "rem ",
        "REM",
        "k",
        "key",
        "__name__",
        "\x0c",
        "\xa0",
        "\ufeff",
        "%(x)s",
        "$(circus.env.X)",
        "\x00",
        "é",
    ]
)


@given(st.lists(fragments | st.text(max_size=4), max_size=40).map("".join))
@settings(max_examples=examples(400))
def test_any_text_is_read(text: str) -> None:
    document = parse(text)
    for name in document.sections:
        for option, value in document.items(name).items():
            assert isinstance(value, str)
            assert document.where(name, option)[0] in ("t.ini", "")
    for problem in document.problems:
        assert problem.severity in ("error", "warning")
        assert 0 < problem.line <= text.count("\n") + text.count("\r") + 1
        assert str(problem).startswith("t.ini:")


@given(st.binary(max_size=60))
@settings(max_examples=examples(100))
def test_any_bytes_are_read(data: bytes) -> None:
    document = Document()
    document.feed(document._decode(data, "t.ini"), "t.ini")
    assert document.files == ["t.ini"]


section_names = st.text("abcXYZ:. é[", min_size=1, max_size=8).filter(lambda name: name != "DEFAULT")
option_names = st.text("abcXYZ_.-é", min_size=1, max_size=8).filter(lambda name: name.lower() != "rem")
lines = st.text("abc =:#'%$()-é", min_size=1, max_size=12).map(str.strip).filter(bool)
values = st.lists(lines, min_size=1, max_size=3).map("\n".join)
documents = st.dictionaries(section_names, st.dictionaries(option_names, values, max_size=4), max_size=4)


@given(documents, st.sampled_from(["=", " = ", ": ", ":"]), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=examples(200))
def test_what_is_written_is_read(wanted: dict[str, dict[str, str]], delimiter: str, end: str) -> None:
    written = []
    for name, options in wanted.items():
        written += ["; a comment", f"[{name}]"]
        written += [option + delimiter + value.replace("\n", "\n   ") for option, value in options.items()]
    assert sections(end.join(written).replace("\n", end)) == wanted
