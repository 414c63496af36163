"""Configuration of the manual. Nothing is fetched while it is built."""

from __future__ import annotations

import re
from pathlib import Path

_source = Path(__file__).resolve().parents[2] / "circus" / "__init__.py"
_version = re.search(r'^__version__ = "(.+)"', _source.read_text(encoding="utf-8"), re.MULTILINE)

project = "Circus"
copyright = "the Circus authors"
release = version = _version.group(1) if _version else ""
html_title = f"Circus {release}"
html_theme = "furo"
html_show_sphinx = False
html_copy_source = False
extensions: list[str] = []
exclude_patterns: list[str] = []
highlight_language = "none"
nitpicky = True
