"""The logger and where its lines go: spec library.md 11, config.md 10."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import re
import subprocess
import sys

import pytest

import circus
from circus.base import logs
from circus.base.logs import configure_logger, logger, reopen_log_files
from circus.exc import ConfigError


@pytest.fixture(autouse=True)
def _logging():
    """The handlers and levels of before are there again afterwards, and what was opened is closed."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, logger.handlers[:], logger.level
    logs._installed = None
    yield
    for handler in {*root.handlers, *logger.handlers} - {*before[0], *before[2]}:
        handler.close()
    root.handlers[:], logger.handlers[:] = before[0], before[2]
    root.setLevel(before[1])
    logger.setLevel(before[3])
    logs._installed = None


def _only_handler():
    (handler,) = logging.getLogger().handlers
    return handler


def test_the_logger_of_the_package():
    assert logger is logging.getLogger("circus")
    assert circus.logger is logger
    assert callable(logger.warn)


def test_importing_makes_early_messages_visible():
    code = "from circus import logger; logger.warning('early')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == "WARNING:circus:early\n"


def test_warn_is_supplied_where_the_class_lacks_it():
    code = (
        "import logging\n"
        "if hasattr(logging.Logger, 'warn'): del logging.Logger.warn\n"
        "from circus.base.logs import logger\n"
        "logger.warn('old %s', 'spelling')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == "WARNING:circus:old spelling\n"


def test_constants():
    assert logs.LOG_LEVELS == {"critical": 50, "error": 40, "warning": 30, "info": 20, "debug": 10}
    assert logs.LOG_FMT == "%(asctime)s %(name)s[%(process)d] [%(levelname)s] %(message)s"
    assert (logs.LOG_DATE_FMT, logs.LOG_DATE_SYSLOG_FMT) == ("%Y-%m-%d %H:%M:%S", "%b %d %H:%M:%S")


@pytest.mark.parametrize("output", ["-", "stdout"])
def test_standard_error(output, capsys):
    configure_logger(None, "DEBUG", output)
    logger.debug("hello")
    assert type(_only_handler()) is logging.StreamHandler
    text = capsys.readouterr()
    assert text.out == ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d circus\[\d+\] \[DEBUG\] hello\n", text.err)


@pytest.mark.parametrize(
    ("level", "number"),
    [
        ("debug", 10),
        ("INFO", 20),
        ("Warning", 30),
        ("error", 40),
        ("critical", 50),
        ("nope", 20),
        (None, 20),
        (40, 40),
    ],
)
def test_levels(level, number):
    configure_logger(logger, level)
    assert logging.getLogger().level == number


def test_a_file_is_appended_to_followed_and_not_inherited(tmp_path):
    path = tmp_path / "circus.log"
    path.write_text("before\n")
    configure_logger(logger, "info", str(path))
    handler = _only_handler()
    assert isinstance(handler, logging.handlers.WatchedFileHandler)
    assert not os.get_inheritable(handler.stream.fileno())
    logger.info("one")
    path.rename(tmp_path / "old.log")
    logger.info("two")
    assert (tmp_path / "old.log").read_text().splitlines()[0] == "before"
    assert path.read_text().endswith(f"circus[{os.getpid()}] [INFO] two\n")


def test_a_file_that_cannot_be_opened_leaves_the_old_output(tmp_path):
    configure_logger(logger, "info", str(tmp_path / "good.log"))
    before = _only_handler()
    with pytest.raises(FileNotFoundError):
        configure_logger(logger, "info", str(tmp_path / "missing" / "x.log"))
    assert _only_handler() is before


def test_a_vanished_directory_does_not_break_who_logs(tmp_path, capsys):
    (tmp_path / "d").mkdir()
    configure_logger(logger, "info", str(tmp_path / "d" / "x.log"))
    (tmp_path / "d").rename(tmp_path / "e")
    logger.info("still alive")
    logger.info("not told again")
    assert re.fullmatch(r"the log .*x.log.* cannot be written: .*No such file.*still alive\n", capsys.readouterr().err)
    (tmp_path / "d").mkdir()
    logger.info("back")
    assert [line.partition("] ")[2] for line in (tmp_path / "d" / "x.log").read_text().splitlines()] == [
        "[INFO] back",
        "[WARNING] 2 lines of this log were lost",
    ]


def test_configuring_again_closes_the_file(tmp_path):
    configure_logger(logger, "info", str(tmp_path / "x.log"))
    handler = _only_handler()
    configure_logger(logger)
    assert handler.stream is None


@pytest.mark.parametrize(
    ("output", "address", "facility"),
    [
        ("syslog://127.0.0.1", ("127.0.0.1", 514), "user"),
        ("syslog://127.0.0.1:99?local3", ("127.0.0.1", 99), "local3"),
        ("syslog://127.0.0.1?zork", ("127.0.0.1", 514), "user"),
        ("syslog://", ("localhost", 514), "user"),
        ("syslog://[::1]:99?DAEMON", ("::1", 99), "daemon"),
        ("syslog://[::1]", ("::1", 514), "user"),
    ],
)
def test_syslog_by_udp(output, address, facility):
    configure_logger(logger, "info", output)
    handler = _only_handler()
    assert isinstance(handler, logging.handlers.SysLogHandler)
    assert (handler.address, handler.facility) == (address, facility)
    assert handler.formatter.datefmt == "%b %d %H:%M:%S"


def test_syslog_by_socket(tmp_path, capsys):
    import socket

    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        receiver.settimeout(10)
        configure_logger(logger, "info", f"syslog://{path}?local1")
        logger.info("hello")
        message = receiver.recv(1000)
    assert message.startswith(b"<142>")
    assert b"[INFO] hello" in message
    os.unlink(path)
    capsys.readouterr()
    logger.info("nobody listens")
    logger.info("nobody listens")
    assert capsys.readouterr().err.count("\n") == 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        receiver.settimeout(10)
        logger.info("again")
        assert b"again" in receiver.recv(1000)
        assert b"2 lines of this log were lost" in receiver.recv(1000)


@pytest.mark.parametrize("word", ["default", "Default", None, ""])
def test_default_configuration(word):
    configure_logger(logger, "error", "-", word)
    assert logging.getLogger().level == logging.ERROR


_TABLE = {
    "version": 1,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "named.log"}},
    "root": {"level": "INFO", "handlers": ["file"]},
}
_INI = """
[loggers]
keys=root
[handlers]
keys=file
[formatters]
keys=
[logger_root]
level=INFO
handlers=file
[handler_file]
class=FileHandler
args=('named.log',)
"""


@pytest.mark.parametrize(
    ("name", "content"), [("l.json", json.dumps(_TABLE)), ("l.JSON", json.dumps(_TABLE)), ("l.ini", _INI)]
)
def test_configuration_files_reach_the_logger_of_circus(name, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(content)
    configure_logger(logger, "critical", "unused", name)
    logger.info("hello")
    assert (tmp_path / "named.log").read_text() == "hello\n"


def test_yaml_configuration(tmp_path, monkeypatch):
    yaml = pytest.importorskip("yaml")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "l.yaml").write_text(yaml.safe_dump(_TABLE))
    configure_logger(logger, loggerconfig="l.yaml")
    logger.info("hello")
    assert (tmp_path / "named.log").read_text() == "hello\n"


def test_yaml_without_a_parser(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigError) as caught:
        configure_logger(logger, loggerconfig=str(tmp_path / "l.yaml"))
    assert str(caught.value) == (
        f"Logger configuration file {tmp_path}/l.yaml appears to be a YAML file but PyYAML is not available. "
        "Try: pip install PyYAML"
    )


def test_unknown_format(tmp_path):
    with pytest.raises(ConfigError) as caught:
        configure_logger(logger, loggerconfig=str(tmp_path / "l.txt"))
    assert str(caught.value) == (
        f"Logger configuration file {tmp_path}/l.txt is not in one of the recognized formats.  "
        "The file name should be: *.ini, *.json or *.yaml."
    )


@pytest.mark.parametrize("name", ["l.ini", "l.json"])
def test_missing_configuration_file(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=name):
        configure_logger(logger, loggerconfig=str(tmp_path / name))


def test_configuration_that_is_no_table(tmp_path):
    (tmp_path / "l.json").write_text("[1]")
    with pytest.raises(ConfigError, match="table of settings"):
        configure_logger(logger, loggerconfig=str(tmp_path / "l.json"))


def test_reopening_follows_a_rotation(tmp_path):
    path, other = tmp_path / "circus.log", tmp_path / "other.log"
    configure_logger(logger, "info", str(path))
    plain = logging.FileHandler(other)
    lazy = logging.FileHandler(tmp_path / "lazy.log", delay=True)
    logger.addHandler(plain)
    logger.addHandler(lazy)
    path.rename(tmp_path / "1")
    other.rename(tmp_path / "2")
    assert sorted(reopen_log_files()) == sorted([str(path), str(other)])
    logger.info("after")
    assert path.read_text().endswith("after\n")
    assert other.read_text() == "after\n"
    assert (tmp_path / "1").read_text() == (tmp_path / "2").read_text() == ""


def test_reopening_keeps_the_old_file_when_there_is_no_new_one(tmp_path, caplog):
    (tmp_path / "d").mkdir()
    handler = logging.FileHandler(tmp_path / "d" / "x.log")
    logger.addHandler(handler)
    (tmp_path / "d").rename(tmp_path / "e")
    assert reopen_log_files() == []
    logger.error("kept")
    assert (tmp_path / "e" / "x.log").read_text().endswith("kept\n")
    assert "cannot be opened again" in (tmp_path / "e" / "x.log").read_text()
