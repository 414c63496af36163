"""Compatibility: the threads of the standard library. Programs for Circus 0.19 import them from here."""

from __future__ import annotations

from threading import RLock, Thread, Timer, get_ident

__all__ = ["RLock", "Thread", "Timer", "get_ident"]
