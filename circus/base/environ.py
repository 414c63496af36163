"""Environments: from the text of an option to what a worker finds in ``os.environ`` (spec config.md 7.1).

``config`` and ``watcher`` call it when a watcher is made, ``launch`` only copies the result. Two kinds of
values meet here and must not be confused: those somebody *wrote* for a watcher, in which ``$UPPER_CASE``
names are replaced, and those *inherited* from the daemon, which reach the worker byte for byte.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Container, Mapping, Sequence
from typing import Protocol

_REFERENCE = re.compile(r"\$([A-Z][A-Z0-9_]*)")
#: A pseudo option of the ini reader of Circus 0.19; programs that hand us its tables must not leak it to
#: workers.
_NOT_VARIABLES = ("__name__",)


#: Variables that terminals set at will: that they differ is no change of a configuration.
ENV_EXCEPTIONS = ("__CF_USER_TEXT_ENCODING", "PS1", "COMP_WORDBREAKS", "PROMPT_COMMAND")


class HasVirtualenv(Protocol):
    """What :func:`load_virtualenv` needs of a watcher."""

    copy_env: bool
    virtualenv: str | None
    env: dict[str, str]


def parse_env_str(env_str: str) -> dict[str, str]:
    """The variables of ``A=1,B=$HOME/x``, as written after ``circusctl set NAME env``.

    :raises ValueError: for an item without exactly one ``=``; an empty text is such an item.
    """
    written = {}
    for item in env_str.split(","):
        if item.count("=") != 1:
            raise ValueError(f"{item!r} in environment {env_str!r} is not of the form NAME=VALUE")
        name, _, value = item.partition("=")
        written[name] = value
    return parse_env_dict(written)


def parse_env_dict(env: Mapping[str, str], environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Written variables with blanks stripped and ``$UPPER_CASE`` replaced from the process environment.

    An unset name is replaced by nothing; ``$lower`` and ``${X}`` stay as they are. A variable that says
    exactly what the process environment says was inherited, not written, and is left alone.

    :param environ: where names are looked up; default the process environment.
    :raises TypeError: when a name or value is not text.
    """
    source = os.environ if environ is None else environ
    parsed = {}
    for name, value in env.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"environment variable {name!r} must have a text value, not {value!r}")
        if source.get(name) == value:
            parsed[name] = value
        else:
            parsed[name.strip()] = _REFERENCE.sub(lambda match: source.get(match[1], ""), value).strip()
    return parsed


def env_to_str(env: Mapping[str, object] | None) -> str:
    """``A=1,B=2``, sorted by name; nothing for None."""
    return ",".join(f"{name}={env[name]}" for name in sorted(env)) if env else ""


def child_environment(
    env: Mapping[str, object] | None = None,
    *,
    copy_env: bool = False,
    copy_path: bool = False,
    environ: Mapping[str, str] | None = None,
    module_path: Sequence[str] | None = None,
) -> dict[str, str]:
    """The environment that every worker of a watcher starts from.

    :param env: what was written for the watcher, already parsed; it wins over all else.
    :param copy_env: start from the daemon's environment. Without it a worker gets ``env`` and nothing more.
    :param copy_path: hand on the daemon's module search path as PYTHONPATH.
    :param environ: the daemon's environment; default ``os.environ``.
    :param module_path: the daemon's module search path; default ``sys.path``.
    :raises ValueError: ``copy_path`` without ``copy_env``.
    :raises TypeError: for a value that is neither text, a number nor a path.
    """
    if copy_path and not copy_env:
        raise ValueError("copy_env and copy_path must have the same value")
    result = dict(os.environ if environ is None else environ) if copy_env else {}
    if copy_path:
        # An empty entry means the current directory: the daemon's, not that of the worker.
        entries = sys.path if module_path is None else module_path
        result["PYTHONPATH"] = os.pathsep.join(entry or os.getcwd() for entry in entries)
    for name, value in (env or {}).items():
        result[name] = _variable_text(name, value)
    for name in _NOT_VARIABLES:
        result.pop(name, None)
    return result


def identity_variables(watcher: str, wid: int, written: Container[str] = ()) -> dict[str, str]:
    """The variables that tell a worker who it is: CIRCUS_WATCHER and CIRCUS_WID.

    :param written: names set on purpose for this watcher, which are left out. Inherited ones are not meant: a
        circusd that is itself a worker must not pass its own identity on.
    """
    identity = {"CIRCUS_WATCHER": watcher, "CIRCUS_WID": str(wid)}
    return {name: value for name, value in identity.items() if name not in written}


def load_virtualenv(watcher: HasVirtualenv, py_ver: str | None = None) -> None:
    """Make ``watcher.env`` one in which the watcher's virtualenv is active.

    :param py_ver: version in the names of its directories, such as ``3.11``; default that of the running
        Python.
    :raises ValueError: when the watcher has no ``copy_env``, or the virtualenv no site-packages.
    """
    if not watcher.copy_env:
        raise ValueError("copy_env must be True to to use virtualenv")
    watcher.env = virtualenv_environment(watcher.virtualenv or "", watcher.env or {}, py_ver)


def virtualenv_environment(
    virtualenv: str, env: Mapping[str, str], py_ver: str | None = None
) -> dict[str, str]:
    """A copy of ``env`` with the virtualenv's ``bin`` first on PATH and its packages on PYTHONPATH.

    PYTHONPATH is: directories named by ``.pth`` files, what was there, then site-packages.

    :raises ValueError: when ``lib/python<version>/site-packages`` and ``lib/pypy<version>/site-packages`` are
        missing.
    """
    version = py_ver or "{}.{}".format(*sys.version_info[:2])
    library = os.path.join(virtualenv, "lib")
    candidates = [os.path.join(library, kind + version, "site-packages") for kind in ("python", "pypy")]
    packages = next((path for path in candidates if os.path.isdir(path)), None)
    if packages is None:
        raise ValueError(f"{','.join(candidates)} does not exist")
    result = dict(env)
    programs = os.path.join(virtualenv, "bin")
    if os.path.isdir(programs):
        result["PATH"] = os.pathsep.join([programs, *_entries(env.get("PATH"))])
    modules = [*_linked_directories(packages), *_entries(env.get("PYTHONPATH")), packages]
    result["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(modules))  # each once, first place wins
    return result


def extend_module_path(env: Mapping[str, str]) -> None:
    """Let the daemon itself import from the PYTHONPATH of a watcher, where that watcher's hooks live.

    Directories are appended to ``sys.path`` and their ``.pth`` files honoured, as :func:`site.addsitedir`
    does.
    """
    missing = [entry for entry in _entries(env.get("PYTHONPATH")) if entry not in sys.path]
    if missing:
        import site  # kept off the start path

        for entry in missing:
            site.addsitedir(entry)


def get_working_dir() -> str:
    """The current directory, by the name under which the user reached it: ``$PWD`` if that is the same."""
    here, named = os.getcwd(), os.environ.get("PWD")
    return named if named and _same_directory(named, here) else here


def _same_directory(one: str, other: str) -> bool:
    try:
        left, right = os.stat(one), os.stat(other)
    except OSError:
        return False
    # The second pair of names is for stand-ins of stat results that have only these (library.md 11).
    return any(
        all(getattr(left, field, None) == getattr(right, field, left) for field in fields)
        for fields in (("st_ino", "st_dev"), ("ino", "dev"))
    )


def _variable_text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float, os.PathLike)):
        return str(value)
    raise TypeError(f"environment variable {name!r} must be text, not {value!r}")


def _entries(path: str | None) -> list[str]:
    """The entries of a search path; an empty one would mean the current directory of whoever reads it."""
    return [entry for entry in (path or "").split(os.pathsep) if entry]


def _linked_directories(packages: str) -> list[str]:
    """Existing directories that the ``.pth`` files of site-packages name; their lines of code are not run."""
    found = []
    for name in sorted(os.listdir(packages)):
        if not name.endswith(".pth"):
            continue
        try:
            with open(os.path.join(packages, name), encoding="utf-8", errors="surrogateescape") as file:
                lines = [line.strip() for line in file]
        except OSError:  # not readable for us; the interpreter of the virtualenv passes over it likewise
            continue
        for line in lines:
            if line and not line.startswith(("#", "import ", "import\t")):
                path = os.path.normpath(os.path.join(packages, line))
                if os.path.isdir(path):
                    found.append(path)
    return found
