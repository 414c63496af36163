"""Values and texts: each row of the table of spec library.md 11."""

from __future__ import annotations

import grp
import os
import pwd
import signal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.base import convert
from circus.base.convert import (
    bytes2human,
    convert_opt,
    get_default_gid,
    get_username_from_uid,
    human2bytes,
    parse_umask,
    to_bool,
    to_bytes,
    to_gid,
    to_signum,
    to_str,
    to_uid,
)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (100, "100B"),
        (1023, "1023B"),
        (1024, "1.00K"),
        (10000, "9.77K"),
        (1048575, "1024.00K"),
        (1048576, "1.00M"),
        (2146435072, "2.00G"),
        (2**80, "1.00Y"),
        (2**90, "1024.00Y"),
        (-5, "-5B"),
        (-2000, "-2000B"),
    ],
)
def test_bytes2human(size, text):
    assert bytes2human(size) == text


@pytest.mark.parametrize("size", [5.0, "5", None])
def test_bytes2human_refuses_what_is_no_int(size):
    with pytest.raises(TypeError):
        bytes2human(size)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1B", 1),
        ("9K", 9216),
        ("9k", 9216),
        ("1.5k", 1536),
        ("1Ki", 1024),
        ("1kibi", 1024),
        ("1kilo", 1024),
        ("3byte", 3),
        ("1.99G", 2136746229),
        ("2 G", 2 * 2**30),
        ("1K ", 1024),
        (".5K", 512),
        ("1mega", 2**20),
        ("1M", 2**20),
        ("1T", 2**40),
        ("1P", 2**50),
        ("1E", 2**60),
        ("1exa", 2**60),
        ("1Z", 2**70),
        ("1Y", 2**80),
        ("1iotta", 2**80),
        ("1yobi", 2**80),
        ("250M", 250 * 2**20),
    ],
)
def test_human2bytes(text, size):
    assert human2bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", " 2G", "48", "123KB", "23V", "-5K", "1e3K", "N/A", "1..5K", ".K", "1b", "1KILO", "1kI"]
)
def test_human2bytes_refuses(text):
    with pytest.raises(ValueError, match="can't interpret"):
        human2bytes(text)


def test_human2bytes_refuses_a_number():
    with pytest.raises(TypeError):
        human2bytes(5)


@given(st.integers(min_value=0, max_value=2**84))
def test_a_size_survives_being_written_within_its_two_decimals(size):
    text = bytes2human(size)
    unit = {"K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60, "Z": 70, "Y": 80}.get(text[-1], 0)
    assert abs(human2bytes(text) - size) <= (0.006 * 2**unit if unit else 0) + size * 1e-12


@given(st.integers(min_value=0, max_value=10**9), st.sampled_from("BKMGTPEZY"))
def test_whole_sizes_are_exact(count, unit):
    assert human2bytes(f"{count}{unit}") == count << 10 * "BKMGTPEZY".index(unit)


@pytest.mark.parametrize("word", ["yes", "true", "on", "1", " YES ", "On", "TRUE", True, 1])
def test_truth(word):
    assert to_bool(word) is True


@pytest.mark.parametrize("word", ["no", "false", "off", "0", " No\t", False, None, 0])
def test_untruth(word):
    assert to_bool(word) is False


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("Fal", "'Fal' is not a boolean"),
        ("", "'' is not a boolean"),
        ("maybe", "'maybe' is not a boolean"),
        (2, "2 is not a boolean"),
        (1.0, "1.0 is not a boolean"),
        (b"yes", "b'yes' is not a boolean"),
    ],
)
def test_neither_true_nor_false(word, text):
    with pytest.raises(ValueError) as caught:
        to_bool(word)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (9, 9),
        ("9", 9),
        (" 9 ", 9),
        (9.7, 9),
        ("-9", -9),
        ("KILL", 9),
        ("kill", 9),
        ("SIGKILL", 9),
        ("sigkill", 9),
        ("CLD", signal.SIGCHLD),
        ("RTMIN+1", 35),
        ("SIGRTMIN+2", 36),
        ("rtmin + 1", 35),
        ("RTMAX-1", 63),
        (signal.SIGHUP, 1),
    ],
)
def test_signals(given, number):
    assert to_signum(given) == number
    assert type(to_signum(given)) is int


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "++",
        "FOO",
        "_IGN",
        "_BLOCK",
        "DFL",
        "TERM foo",
        "TERM+",
        "TERM++1",
        "SIGSIGTERM",
        "SIG",
        "15.0",
    ],
)
def test_signal_names_that_mean_nothing(text):
    with pytest.raises(ValueError) as caught:
        to_signum(text)
    assert str(caught.value) == f"signal invalid: {text}"


@pytest.mark.parametrize("given", [float("nan"), float("inf"), True])
def test_numbers_that_are_no_signal(given):
    with pytest.raises(ValueError, match="signal invalid: "):
        to_signum(given)


@pytest.mark.parametrize("given", [None, [9], b"TERM"])
def test_signals_are_numbers_or_text(given):
    with pytest.raises(TypeError):
        to_signum(given)


@given(st.sampled_from(sorted(signal.Signals.__members__)), st.booleans(), st.booleans())
def test_every_signal_is_found_by_name(name, short, lower):
    text = name.removeprefix("SIG") if short else name
    assert to_signum(text.lower() if lower else text) == signal.Signals[name]


@given(st.text(max_size=12))
def test_a_text_is_a_signal_or_a_value_error(text):
    try:
        answer = to_signum(text)
    except ValueError as error:
        answer = str(error)
    assert isinstance(answer, int) or answer == f"signal invalid: {text}"


def test_users_and_groups_by_number_and_name():
    user, group = pwd.getpwuid(os.getuid()), grp.getgrgid(os.getgid())
    assert to_uid(user.pw_uid) == to_uid(str(user.pw_uid)) == to_uid(user.pw_name) == user.pw_uid
    assert to_gid(group.gr_gid) == to_gid(str(group.gr_gid)) == to_gid(group.gr_name) == group.gr_gid
    assert get_username_from_uid(user.pw_uid) == user.pw_name
    assert get_default_gid(user.pw_uid) == get_default_gid(user.pw_name) == user.pw_gid


@pytest.mark.parametrize("other", ["root", None, "zz"])
def test_a_user_that_is_no_number_is_given_back(other):
    assert get_username_from_uid(other) is other


@pytest.mark.parametrize(
    ("call", "given", "text"),
    [
        (to_uid, "no such user", "'no such user' isn't a valid user name"),
        (to_uid, "", "'' isn't a valid user name"),
        (to_uid, -12, "-12 isn't a valid user id"),
        (to_uid, "-12", "-12 isn't a valid user id"),
        (to_uid, 2**70, f"{2**70} isn't a valid user id"),
        (to_gid, "no such group", "No such group: 'no such group'"),
        (to_gid, -12, "No such group: -12"),
        (to_gid, "-12", "No such group: -12"),
    ],
)
def test_unknown_users_and_groups(call, given, text):
    with pytest.raises(ValueError) as caught:
        call(given)
    assert str(caught.value) == text


@pytest.mark.parametrize("call", [to_uid, to_gid])
@pytest.mark.parametrize("given", [None, True, [0]])
def test_users_and_groups_are_numbers_or_text(call, given):
    with pytest.raises(TypeError):
        call(given)


def test_databases_are_asked_through_their_modules(monkeypatch):
    asked = []
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: asked.append(uid))
    monkeypatch.setattr(grp, "getgrgid", lambda gid: asked.append(gid))
    monkeypatch.setattr(pwd, "getpwnam", lambda name: SimpleNamespace(pw_uid=7))
    monkeypatch.setattr(grp, "getgrnam", lambda name: SimpleNamespace(gr_gid=8))
    assert (to_uid("1066"), to_gid("1067"), to_uid("x"), to_gid("x")) == (1066, 1067, 7, 8)
    assert asked == [1066, 1067]


def test_text_and_bytes():
    assert to_str("é") == to_str("é".encode()) == "é"
    assert to_str(b"\xff") == "�"
    assert to_str(5) == "5"
    assert to_bytes("é") == to_bytes("é".encode()) == "é".encode()
    assert to_bytes(5) == b"5"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_survives_bytes(text):
    assert to_str(to_bytes(text)) == text


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("env", {"b": 2, "a": "1"}, "a=1,b=2"),
        ("env", {}, ""),
        ("env", None, ""),
        ("cmd", None, ""),
        ("shell", True, "True"),
        ("graceful_timeout", 1.5, "1.5"),
        ("args", ["a"], "['a']"),
    ],
)
def test_options_as_text(key, value, text):
    assert convert_opt(key, value) == text


@pytest.mark.parametrize(
    ("given", "mask"),
    [("022", 0o22), ("0o22", 0o22), ("77", 0o77), (22, 22), (0, 0), ("", None), (" ", None), (None, None)],
)
def test_umask(given, mask):
    assert parse_umask(given) == mask


def test_umask_that_is_not_octal():
    with pytest.raises(ValueError) as caught:
        parse_umask("9")
    assert str(caught.value) == "invalid literal for int() with base 8: '9'"


@pytest.mark.parametrize(
    ("given", "error"), [("7777", ValueError), (-1, ValueError), (True, TypeError), (1.5, TypeError)]
)
def test_umask_out_of_range(given, error):
    with pytest.raises(error, match="umask"):
        parse_umask(given)


@given(st.integers(0, 0o777))
def test_umask_survives_being_written(mask):
    assert parse_umask(f"{mask:03o}") == mask


def test_words_of_truth_are_the_contract():
    assert convert.TRUTHY_STRINGS == ("yes", "true", "on", "1")
    assert convert.FALSY_STRINGS == ("no", "false", "off", "0")
