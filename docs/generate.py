"""Writes the reference pages of the manual, and the man pages, from the tables and docstrings of the code.

``python docs/generate.py`` writes ``docs/source/reference/*.rst`` and ``docs/man/*``; ``--check`` writes nothing and
ends with status 1 when one of them is not what it would write (``tests/unit/test_docs.py`` asks that).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
for _directory in (str(HERE), str(HERE.parent)):
    if _directory not in sys.path:
        sys.path.insert(0, _directory)

from circusdocs import library, man, programs, reference  # noqa: E402

TARGET = HERE / "source" / "reference"
MAN = HERE / "man"

PAGES: dict[str, Callable[[], str]] = {
    "options.rst": reference.options_page,
    "commands.rst": reference.commands_page,
    "hooks.rst": reference.hooks_page,
    "events.rst": reference.events_page,
    "errors.rst": reference.errors_page,
    "plugins.rst": reference.plugins_page,
    "programs.rst": programs.programs_page,
    "library.rst": library.library_page,
}


def written() -> dict[Path, str]:
    """Every file there should be, and what should be in it."""
    files = {TARGET / name: write() for name, write in PAGES.items()}
    return {**files, **{MAN / name: text for name, text in man.man_pages().items()}}


def stale_pages() -> list[Path]:
    """The files that are not what would be written now, and those that would not be written any more."""
    wanted = written()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    there = [path for directory in (TARGET, MAN) if directory.exists() for path in directory.iterdir()]
    return stale + [path for path in there if path not in wanted]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pages, or check them; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the reference pages of the manual, and the man pages.")
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 when a page is out of date")
    if parser.parse_args(argv).check:
        stale = stale_pages()
        for path in stale:
            shown = path.relative_to(HERE.parent) if path.is_relative_to(HERE.parent) else path
            print(f"{shown} is out of date: run python docs/generate.py", file=sys.stderr)
        return 1 if stale else 0
    for path, text in written().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
