"""A few descriptors kept for bad times.

A daemon that has run out of descriptors must still be able to look at process trees and to stop workers, which takes
one or two for a moment. :func:`with_reserve` lends them. Used by the engine, the supervision and the tree watch; it
knows nothing of what they are for.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})
#: How many are kept: a directory listing with a file open in it, and one more.
_COUNT = 3
_kept: list[int] = []


def fill_reserve() -> None:
    """Take the descriptors, as far as they can be had; harmless when that was done before."""
    while len(_kept) < _COUNT:
        try:
            _kept.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:  # the next call may have more luck
            return


def empty_reserve() -> None:
    """Give the descriptors back."""
    while _kept:
        os.close(_kept.pop())


def with_reserve(function: Callable[..., T], *arguments: Any) -> T:
    """``function(*arguments)``; tried again with the reserve when it fails for want of a descriptor.

    :param function: must not have done anything when it fails so, and must give its descriptors back.
    :raises OSError: what it raises, in the end.
    """
    try:
        return function(*arguments)
    except OSError as error:
        if error.errno not in _OUT_OF_DESCRIPTORS or not _kept:
            raise
    empty_reserve()
    try:
        return function(*arguments)
    finally:
        fill_reserve()
