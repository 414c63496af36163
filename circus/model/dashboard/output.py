"""What workers say: the last lines of the selected ones, complete and each once, or saying what is missing.

Fed by replies to ``tail`` and by live batches (topics ``output.``); drawn by the log pane. How both fit together
without gap or double is the contract of the output topics.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

#: Lines kept as they come, and lines put before them from files.
KEPT, KEPT_BEFORE = 10_000, 20_000


class OutputLine(NamedTuple):
    """One line. ``stream`` is ``stdout``, ``stderr``, or empty for a remark of ours (lines that were lost)."""

    number: int
    time: float
    watcher: str
    wid: int | None
    pid: int
    stream: str
    text: str


class OutputBook:
    """The lines of the present selection, oldest first."""

    def __init__(self) -> None:
        self.lines: deque[OutputLine] = deque(maxlen=KEPT)
        #: What somebody looked up of the time before: older lines, from files.
        self.older: deque[OutputLine] = deque(maxlen=KEPT_BEFORE)
        #: Grows when older lines are put here or forgotten.
        self.older_edition = 0
        self._is_older_cut = False
        #: Lines that are known to be missing.
        self.lost = 0
        #: Watcher -> whether its output is captured at all, as far as the daemon said.
        self.captured: dict[str, bool] = {}
        #: Counts all lines ever taken in; the number of the next one.
        self.count = 0
        #: Grows when the book is begun anew.
        self.edition = 0
        self._ends: dict[str, int] = {}
        self._next_seq: dict[str, int] = {}
        self._early: list[Mapping[str, Any]] | None = None

    def begin(self) -> None:
        """Forget everything: another selection is looked at from now on. Live lines wait for :meth:`take_tail`."""
        self.forget_before()
        self.lines.clear()
        self.lost = 0
        self.captured = {}
        self.edition += 1
        self._ends.clear()
        self._next_seq.clear()
        self._early = []

    @property
    def room_before(self) -> int:
        """How many older lines may be put here still; none once some had to go again."""
        return 0 if self._is_older_cut else KEPT_BEFORE - len(self.older)

    def put_before(self, lines: Sequence[OutputLine]) -> None:
        """Lines from before all that are here, oldest first; no more than there is room for."""
        self.older.extendleft(reversed(lines))
        self.older_edition += 1

    def forget_before(self) -> None:
        """Forget the lines that were put here."""
        self.older.clear()
        self.older_edition += 1
        self._is_older_cut = False

    def take_tail(self, reply: Mapping[str, Any]) -> None:
        """The lines before the live ones; an empty reply if the daemon has none to give."""
        self._ends = {key: int(end) for key, end in (reply.get("ends") or {}).items()}
        captured = reply.get("captured")
        self.captured.update(captured if isinstance(captured, dict) else {})
        for line in reply.get("lines") or ():
            self._add(line["time"], line["watcher"], line.get("wid"), line["pid"], line["stream"], line["text"])
        early, self._early = self._early or [], None
        for batch in early:
            self.take_live(batch)

    def take_live(self, batch: Mapping[str, Any]) -> None:
        """A batch of one process' output, just read by the daemon."""
        if self._early is not None:
            self._early.append(batch)
            return
        key = f"{batch['pid']}.{batch['stream']}"
        texts = [str(text) for text in batch["lines"]]
        self._note_losses(key, batch, len(texts))
        offset, end = int(batch.get("offset") or 0), self._ends.get(key, 0)
        for text in texts:
            length = len(text.encode("utf-8", "surrogatepass")) + 1
            if offset >= end:
                self._add(batch["time"], batch["watcher"], batch.get("wid"), batch["pid"], batch["stream"], text)
            offset += length

    def _note_losses(self, key: str, batch: Mapping[str, Any], count: int) -> None:
        lost = int(batch.get("lost") or 0)
        seq = batch.get("seq")
        if isinstance(seq, int):
            expected = self._next_seq.get(key)
            if expected is not None and seq > expected:
                lost = max(lost, seq - expected)
            self._next_seq[key] = seq + count
        if lost:
            self.lost += lost
            told = f"{lost} line{'s' if lost > 1 else ''} lost"
            self._add(batch["time"], batch["watcher"], batch.get("wid"), batch["pid"], "", told)

    def _add(self, time: float, watcher: str, wid: int | None, pid: int, stream: str, text: str) -> None:
        if self.older and len(self.lines) == KEPT:  # nothing may be missing in between
            self._is_older_cut = self._is_older_cut or len(self.older) == KEPT_BEFORE
            self.older.append(self.lines[0])
        self.lines.append(OutputLine(self.count, time, watcher, wid, pid, stream, text))
        self.count += 1
