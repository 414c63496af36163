"""Modules that are loaded when something of them is wanted."""

from __future__ import annotations

import errno
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from circus.system import postpone, reserve
from circus.system.postpone import postponing


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with the modules ``large``, and ``user`` that imports it."""
    (tmp_path / "large.py").write_text("value = 7\ndef twice(x):\n    return 2 * x\n")
    (tmp_path / "user.py").write_text("import large\ndef four():\n    return large.twice(2)\n")
    (tmp_path / "eager.py").write_text("from large import value\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    for name in ("large", "user", "eager"):
        sys.modules.pop(name, None)


def test_it_is_loaded_when_it_is_used(place: Path) -> None:
    with postponing("large"):
        import user  # type: ignore[import-not-found]
    assert "large" not in sys.modules
    assert user.four() == 4
    assert sys.modules["large"] is not user.large
    assert user.large.value == 7
    with pytest.raises(AttributeError, match="nonsense"):
        user.large.nonsense  # noqa: B018


def test_one_that_is_wanted_at_once_is_there_at_once(place: Path) -> None:
    with postponing("large"):
        import eager  # type: ignore[import-not-found]

        assert sys.modules["large"].value == 7
    assert eager.value == 7
    assert type(sys.modules["large"]) is type(sys)


def test_what_is_loaded_already_is_left_alone(place: Path) -> None:
    import large  # type: ignore[import-not-found]

    with postponing("large"):
        assert sys.modules["large"] is large
    assert sys.modules["large"] is large


def test_everybody_else_gets_the_module_itself(place: Path) -> None:
    with postponing("large"):
        import user
    import large

    assert type(large) is type(sys)
    assert user.large.twice is large.twice


def test_a_lack_of_descriptors_is_no_reason_not_to_load_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with postponing("large"):
        import user
    tries: list[str] = []

    def load(name: str) -> object:
        tries.append(name)
        if len(tries) == 1:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return importlib.import_module(name)

    monkeypatch.setattr(postpone, "importlib", SimpleNamespace(import_module=load))
    reserve.fill_reserve()
    try:
        assert user.four() == 4
    finally:
        reserve.empty_reserve()
    assert tries == ["large", "large"]


def test_asyncio_of_the_daemon_is_loaded_without_what_it_uses_for_debugging() -> None:
    code = (
        "import sys; from circus.system.aio import load_asyncio; asyncio = load_asyncio(tls=False)\n"
        "loop = asyncio.SelectorEventLoop(); asyncio.set_event_loop(loop)\n"
        "loop.call_soon(int, 'x'); loop.call_later(0.01, loop.stop); future = loop.create_future()\n"
        "known = set(sys.modules)\n"
        "loop.set_exception_handler(lambda _, context: print(context['message']))\n"
        "loop.run_forever(); loop.close()\n"
        "print(sorted({'inspect', 'ssl', 'locale'} & known), 'inspect' in sys.modules)\n"
        "import inspect, locale; print(inspect.unwrap(int), locale.LC_ALL is not None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    complaint, *facts = done.stdout.splitlines()
    assert complaint.startswith("Exception in callback int(")  # for which it was loaded
    assert facts == ["[] True", "<class 'int'> True"]
