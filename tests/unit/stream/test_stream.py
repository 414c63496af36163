"""The face of the package: configurations become streams."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import circus.stream
from circus.stream import FileStream, QueueStream, StdoutStream, get_stream


class Custom:
    """What users write."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def __call__(self, data: dict[str, Any]) -> None:
        pass


def test_all_names_are_there() -> None:
    for name in circus.stream.__all__:
        assert getattr(circus.stream, name) is not None
    with pytest.raises(AttributeError, match="Nope"):
        _ = circus.stream.Nope


@pytest.mark.parametrize("conf", [None, {}])
def test_nothing_configured_is_no_stream(conf: Any) -> None:
    assert get_stream(conf) is None


def test_class_among_the_built_in_ones_and_the_configuration_is_kept(tmp_path: Path) -> None:
    conf = {
        "class": "FileStream",
        "filename": str(tmp_path / "log"),
        "max_bytes": "10",
        "refresh_time": "0.3",
    }
    before = dict(conf)
    for _ in range(2):  # a second time as well: `set` rebuilds the stream from the same configuration
        stream = get_stream(conf)
        assert isinstance(stream, FileStream)
        assert stream._max_bytes == 10
        stream.close()
    assert conf == before


def test_dotted_class_gets_the_other_options() -> None:
    stream = get_stream({"class": f"{__name__}.Custom", "colour": "red"})
    assert type(stream).__name__ == "Custom"
    assert stream.options == {"colour": "red"}  # type: ignore[union-attr]


def test_class_object_of_an_embedding_program() -> None:
    assert isinstance(get_stream({"class": QueueStream}), QueueStream)


def test_ready_object_wins_over_a_filename() -> None:
    stream = QueueStream()
    assert get_stream({"stream": stream, "filename": "never"}) is stream


def test_filename_alone_means_a_file_stream(tmp_path: Path) -> None:
    stream = get_stream({"filename": str(tmp_path / "log")})
    assert type(stream) is FileStream
    stream.close()


@pytest.mark.parametrize("name", ["Nope", "Redirector", "Empty", "get_stream"])
def test_unknown_class_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"unknown stream class '{name}'"):
        get_stream({"class": name})


def test_dotted_name_that_leads_nowhere() -> None:
    with pytest.raises(ImportError, match=r"nowhere\.Sink"):
        get_stream({"class": "nowhere.Sink"})


def test_configuration_without_a_destination() -> None:
    with pytest.raises(ValueError, match="stream configuration invalid"):
        get_stream({"refresh_time": 1})


def test_overflow_policy_is_checked() -> None:
    with pytest.raises(ValueError, match="overflow must be one of block, drop-oldest, drop-newest, not 'drop'"):
        get_stream({"class": "StdoutStream", "overflow": "drop"})
    with pytest.raises(ValueError, match="buffer must be a positive number"):
        get_stream({"class": "StdoutStream", "buffer": "0"})
    stream = get_stream({"class": "StdoutStream", "overflow": "drop-oldest", "buffer": "4096"})
    assert isinstance(stream, StdoutStream)
    assert (stream.overflow, stream.buffer) == ("drop-oldest", 4096)


def test_queue_stream_keeps_the_dicts() -> None:
    stream = QueueStream(refresh_time=1)
    chunk = {"data": b"x", "pid": 1, "name": "stdout"}
    stream(chunk)
    stream.close()
    assert stream.get_nowait() is chunk
    with pytest.raises(circus.stream.Empty):
        stream.get_nowait()


def test_the_start_path_stays_light() -> None:
    code = (
        "import sys; import circus.stream as s; s.Redirector; s.FileStream\n"
        "print([m for m in ('asyncio', 'queue', 'subprocess', 'tempfile', 'datetime', 'concurrent', 'fcntl')"
        " if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert out.stdout == "[]\n"
