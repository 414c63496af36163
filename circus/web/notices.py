"""Short texts for a session, shown by the next page it opens: how the old routes answer. Spec stats-web.md 5.2."""

from __future__ import annotations

from collections import OrderedDict

_MOST_SESSIONS, _MOST_TEXTS = 1000, 20


class Notices:
    """Texts by session."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, list[str]] = OrderedDict()

    def add(self, sid: str, text: str) -> None:
        """One more for that session."""
        self._texts.setdefault(sid, []).append(text)
        del self._texts[sid][:-_MOST_TEXTS]
        self._texts.move_to_end(sid)
        while len(self._texts) > _MOST_SESSIONS:
            self._texts.popitem(last=False)

    def take(self, sid: str) -> list[str]:
        """Those of a session, which has seen them then."""
        return self._texts.pop(sid, [])
