"""What an importer may ask of the machine: files beside the one imported, its directory, how many processors there are.

The importers themselves open nothing. :class:`Surroundings` is a machine with nothing on it, for tests and programs;
``circusctl import`` hands over :class:`Machine`.
"""

from __future__ import annotations

import os

from circus.importers.conversion import ImportFailure

#: A configuration file that is larger is none.
MOST = 16 << 20


class Surroundings:
    """A machine without files.

    :param here: directory of the imported file, absolute.
    :param host: name of the host.
    :param processors: how many there are.
    """

    def __init__(self, here: str = "/", host: str = "localhost", processors: int = 1) -> None:
        self.here, self.host, self.processors = here, host, processors

    def glob(self, pattern: str) -> list[str]:
        """The files that match a shell pattern, sorted; the pattern is relative to :attr:`here`."""
        return []

    def read(self, path: str) -> str | None:
        """The text of a file; None when there is none. Relative paths are meant from :attr:`here`.

        :raises ImportFailure: it is there and cannot be read.
        """
        return None

    def is_file(self, path: str) -> bool:
        """Whether there is such a file. Relative paths are meant from :attr:`here`."""
        return False

    def absolute(self, path: str) -> str:
        """A path from the root, without ``.`` and ``..``."""
        return os.path.normpath(os.path.join(self.here, path)) if path else self.here


class Machine(Surroundings):
    """This machine.

    :param path: the imported file.
    """

    def __init__(self, path: str) -> None:
        super().__init__(os.path.dirname(os.path.abspath(path)), os.uname().nodename, os.cpu_count() or 1)

    def glob(self, pattern: str) -> list[str]:
        from glob import glob

        try:
            return sorted(glob(os.path.join(self.here, pattern)))
        except ValueError:  # a null character
            return []

    def read(self, path: str) -> str | None:
        try:
            return read_text(os.path.join(self.here, path))
        except (FileNotFoundError, ValueError):
            return None
        except OSError as error:
            raise ImportFailure(f"cannot be read: {error.strerror or error}", path) from error

    def is_file(self, path: str) -> bool:
        try:
            return os.path.isfile(os.path.join(self.here, path))
        except ValueError:
            return False


def read_text(path: str) -> str:
    """The text of a file: UTF-8, or Latin-1 if it is not that.

    :raises OSError: it cannot be read.
    :raises ImportFailure: it is too large for a configuration, or not text.
    """
    with open(path, "rb") as file:
        data = file.read(MOST + 1)
    if len(data) > MOST:
        raise ImportFailure(f"larger than {MOST >> 20} MiB: this is no configuration", path)
    if b"\0" in data:
        raise ImportFailure("not a text file", path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
