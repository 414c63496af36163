"""Configurations of other process managers as one of circus: text in, sections and remarks out.

``circusctl import`` calls :func:`convert`, and :func:`circus.importers.writer.render` for the text. One module for
each format; what they know of it comes from its public documentation. They open nothing and start nothing: files
beside the imported one come from a :class:`~circus.importers.surroundings.Surroundings`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module

from circus.importers.conversion import DIFFERS, MISSING, Conversion, ImportFailure, Remark
from circus.importers.surroundings import Surroundings

__all__ = ["DIFFERS", "FORMATS", "MISSING", "Conversion", "ImportFailure", "Remark", "convert", "guess"]

#: Name of each format, as ``--from`` takes it -> the module that reads it, what it is.
FORMATS = {
    "supervisord": ("supervisor", "supervisord.conf of Supervisor"),
    "procfile": ("procfile", "Procfile of foreman, honcho and Heroku"),
    "pm2": ("ecosystem", "ecosystem.config.json of pm2"),
}
_SUPERVISOR = re.compile(r"^\[(?:supervisord|(?:fcgi-)?program:|unix_http_server|group:|eventlistener:)", re.MULTILINE)
_PROCFILE = re.compile(r"^[A-Za-z0-9_-]+:[ \t]*\S", re.MULTILINE)
_PM2 = re.compile(r"\s*(?:(?://[^\n]*\n|/\*.*?\*/)\s*)*(?:\{|\[\s*[{\]])", re.DOTALL)


def guess(file: str, text: str) -> str:
    """The format of a file, by its name and by what is in it.

    :raises ImportFailure: it looks like none of them.
    """
    name = file.rpartition("/")[2].lower()
    if name == "procfile" or name.startswith("procfile.") or name.endswith(".procfile"):
        return "procfile"
    if name.endswith((".js", ".cjs", ".mjs")) or name.startswith("ecosystem.") or "module.exports" in text:
        return "pm2"
    if _SUPERVISOR.search(text):
        return "supervisord"
    if re.search(r"^\[(?:circus\]|watcher:)", text, re.MULTILINE):
        raise ImportFailure("this is a configuration of circus already", file)
    if _PM2.match(text):
        return "pm2"
    if _PROCFILE.search(text) and not re.search(r"^\[", text, re.MULTILINE):
        return "procfile"
    raise ImportFailure(f"this looks like no format that can be imported; --from {', '.join(FORMATS)} says which it is",
                        file)


def convert(text: str, file: str, format: str = "", around: Surroundings | None = None) -> Conversion:
    """A configuration of another process manager as one of circus.

    :param text: what is in the file.
    :param file: its name, for remarks and guesses.
    :param format: one of :data:`FORMATS`; empty to have it guessed.
    :param around: what is beside the file; by default nothing.
    :raises ImportFailure: the file cannot be imported at all.
    """
    module = import_module(f"circus.importers.{FORMATS[format or guess(file, text)][0]}")
    reader: Callable[[str, str, Surroundings], Conversion] = module.convert
    return reader(text, file, around or Surroundings())
