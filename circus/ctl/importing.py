"""``circusctl import``: a configuration of another process manager as one of circus.

An errand of circusctl itself: nothing is sent, no daemon is needed. Found by the command line, the shell and completion
through :mod:`circus.ctl.vocabulary`; what formats mean is the business of :mod:`circus.importers`.
"""

from __future__ import annotations

import os
import sys

from circus.exc import ArgumentError, CallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from circus.importers import Conversion

#: Words for ``--from``; the same as ``circus.importers.FORMATS``, which need not be loaded for completion.
FORMATS = ("supervisord", "procfile", "pm2")


class Import:
    """Import a configuration of Supervisor, foreman or pm2

    The ini file is printed, or written with ``--output``. What has no equivalent, and what will be a little different,
    is told on standard error with file and line, and stands beside its section in the ini file.

    Nothing is sent to a daemon, and none is needed.

    Command line
    ------------

    ::

        $ circusctl import FILE [--from supervisord|procfile|pm2] [--output FILE] [--force] [--json] [--strict]
        $ circusctl import /etc/supervisor/supervisord.conf --output circus.ini
        $ circusctl import Procfile > circus.ini
        $ circusctl import ecosystem.config.json --strict --output circus.ini

    The format is guessed from the name and what is in the file; ``--from`` says it. A Procfile is read with the .env
    beside it, a supervisord.conf with the files it includes. ``-`` for FILE is standard input.

    A file that exists is not overwritten without ``--force``. The new one has the mode 600 when variables are in it.
    Check it before it is used: circusd --check circus.ini

    The exit status is 0 when the file was imported, with ``--strict`` only if all of it has an equivalent; 1 when it
    was not, or cannot be; 2 for a bad command line.
    """

    name: ClassVar[str] = "import"
    msg_type: ClassVar[str] = "local"
    #: In help pages: what the positional argument is.
    positional: ClassVar[tuple[str, str]] = ("FILE", "the file to import, - for standard input")
    options: ClassVar[list[tuple[str, str, Any, str]]] = [
        ("", "from", None, "its format: supervisord, procfile or pm2; guessed by default"),
        ("o", "output", None, "write the ini file there, and not to standard output"),
        ("", "force", False, "overwrite that file"),
        ("", "json", False, "print the ini file, its sections and the remarks as one JSON object"),
        ("", "strict", False, "exit with status 1, and write nothing, if something has no equivalent"),
    ]

    @property
    def desc(self) -> str:
        """The manual text."""
        from circus.commands.base import _dedent

        return _dedent(self.__doc__ or "")

    @property
    def short(self) -> str:
        """Its first line."""
        return self.desc.partition("\n")[0]

    def run(self, args: list[str], opts: dict[str, Any]) -> int:
        """Import.

        :param args: positional arguments.
        :param opts: options by long name.
        :returns: the exit status.
        :raises ArgumentError: the arguments make no sense.
        :raises CircusError: the file cannot be imported.
        """
        from circus.ctl.arguments import BadValue, CommandLineError

        if len(args) != 1:
            raise CommandLineError("import takes one FILE", "circusctl", self)
        if opts["from"] is not None and opts["from"] not in FORMATS:
            raise BadValue("from", f"{opts['from']!r} is none of {', '.join(FORMATS)}")
        output = opts["output"]
        if output and not opts["force"] and os.path.lexists(output):
            raise ArgumentError(f"{output} exists; --force overwrites it")
        conversion = _convert(args[0], opts["from"] or "")
        from circus.importers.writer import render

        ini = render(conversion)
        refused = bool(opts["strict"] and conversion.missing)
        if opts["json"]:
            _print(_as_json(conversion, ini) + "\n")
        else:
            _tell(conversion, refused)
        if output and not refused:
            _write(output, ini, private=conversion.secrets, force=opts["force"])
        elif not output and not opts["json"] and not refused:
            _print(ini)
        return 1 if refused else 0


def _convert(path: str, format: str) -> Conversion:
    """Read and convert. :raises ImportFailure: that is not possible."""
    from circus.importers import ImportFailure, convert
    from circus.importers.surroundings import Machine, read_text

    try:
        text = read_text("/dev/stdin" if path == "-" else path)
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise ImportFailure(f"cannot be read: {getattr(error, 'strerror', None) or error}", path) from error
    file = "standard input" if path == "-" else path
    return convert(text, file, format, Machine("./input" if path == "-" else path))


def _tell(conversion: Conversion, refused: bool) -> None:
    """The remarks, then what to do next, on standard error."""
    from circus.ctl.errand import tolerate

    tolerate(sys.stderr)
    for line in dict.fromkeys(map(str, conversion.remarks)):  # several watchers may come from one place
        sys.stderr.write(f"{line}\n")
    count = len(conversion.missing)
    if refused:
        things = "thing has" if count == 1 else "things have"
        sys.stderr.write(f"circusctl: {count} {things} no equivalent; nothing is written, because of --strict\n")


def _print(text: str) -> None:
    from circus.ctl.errand import tolerate

    tolerate(sys.stdout)
    sys.stdout.write(text)
    sys.stdout.flush()


def _as_json(conversion: Conversion, ini: str) -> str:
    import json

    return json.dumps(
        {
            "format": conversion.format,
            "file": conversion.file,
            "ini": ini,
            "sections": {header: section.options for header, section in conversion.sections.items()},
            "remarks": [remark.as_dict() for remark in conversion.remarks],
            "missing": len(conversion.missing),
        },
        indent=1,
    )


def _write(path: str, text: str, *, private: bool, force: bool) -> None:
    """Write a file, all of it or nothing. :raises CallError: that is not possible."""
    import tempfile

    temporary = None
    try:
        folder = os.path.dirname(os.path.abspath(path))
        descriptor, temporary = tempfile.mkstemp(prefix=".circusctl-import-", dir=folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        if not private:
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
        if force:
            os.replace(temporary, path)
        else:
            os.link(temporary, path)  # fails when somebody made it meanwhile
            os.unlink(temporary)
        temporary = None
    except FileExistsError:
        raise ArgumentError(f"{path} exists; --force overwrites it") from None
    except (OSError, ValueError) as error:
        raise CallError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
    finally:
        if temporary is not None:
            os.unlink(temporary)
