"""A page's outbox: bounded whatever the page does, and complete for one that reads at last."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from circus.web import outbox
from circus.web.mergepatch import apply, diff
from circus.web.outbox import MOST_BYTES, MOST_MESSAGES, Outbox

TOPICS = ("one", "two")


class Reading(RuleBasedStateMachine):
    """A server that changes documents and counts events, and a page that reads or does not."""

    def __init__(self):
        super().__init__()
        self.documents = {topic: {"n": 0} for topic in TOPICS}
        self.numbers = dict.fromkeys(TOPICS, 0)
        self.outbox = Outbox(self.snapshot, lambda lost: json.dumps({"type": "lost", "lost": lost}))
        self.wanted = set()
        self.seen = {}
        self.told = 0
        self.heard = 0
        self.lost = 0

    def snapshot(self, topic):
        return json.dumps({"type": "snapshot", "topic": topic, "n": self.numbers[topic], "data": self.documents[topic]})

    @rule(topic=st.sampled_from(TOPICS))
    def want(self, topic):
        self.wanted.add(topic)
        self.outbox.want(topic)

    @rule(topic=st.sampled_from(TOPICS))
    def forget(self, topic):
        self.wanted.discard(topic)
        self.seen.pop(topic, None)
        self.outbox.forget(topic)

    @rule(
        topic=st.sampled_from(TOPICS), key=st.sampled_from("abc"), value=st.integers(0, 3), size=st.integers(1, 400_000)
    )
    def change(self, topic, key, value, size):
        old = self.documents[topic]
        new = {**old, key: value, "text": "x" * size, "n": old["n"] + 1}
        self.documents[topic] = new
        self.numbers[topic] += 1
        if topic in self.wanted:
            text = json.dumps({"type": "delta", "topic": topic, "n": self.numbers[topic], "data": diff(old, new)})
            self.outbox.put_delta(topic, text)

    @rule(count=st.integers(1, 5), size=st.integers(1, 300_000))
    def tell(self, count, size):
        self.told += count
        self.outbox.put(json.dumps({"type": "event", "count": count, "text": "x" * size}), "events", count)

    @rule(count=st.integers(1, 300))
    def read(self, count):
        for _ in range(count):
            text = self.outbox.take()
            if text is None:
                return
            self.take(json.loads(text))

    def take(self, message):
        kind, topic = message["type"], message.get("topic")
        if kind == "snapshot":
            self.seen[topic] = (message["n"], message["data"])
        elif kind == "delta":
            number, document = self.seen[topic]
            assert message["n"] == number + 1, "a delta that does not fit"
            self.seen[topic] = (message["n"], apply(document, message["data"]))
        elif kind == "event":
            self.heard += message["count"]
        else:
            self.lost += message["lost"]["events"]

    @precondition(lambda self: len(self.outbox) == 0)
    @rule()
    def nothing_is_missing(self):
        assert {topic: self.seen[topic][1] for topic in self.wanted} == {t: self.documents[t] for t in self.wanted}
        assert self.heard + self.lost == self.told

    @invariant()
    def is_bounded(self):
        assert len(self.outbox._queue) <= MOST_MESSAGES
        assert self.outbox._bytes == sum(len(text) for _, text in self.outbox._queue)
        assert self.outbox._bytes <= MOST_BYTES

    def teardown(self):
        self.read(10_000)
        self.nothing_is_missing()


TestReading = Reading.TestCase


def test_short_messages_that_must_not_get_lost_are_kept(monkeypatch):
    monkeypatch.setattr(outbox, "MOST_MESSAGES", 3)
    box = Outbox(lambda topic: f"snapshot {topic}", str)
    box.put("offline")
    for number in range(10):
        box.put_delta("one", f"delta {number}")
    found = []
    while (text := box.take()) is not None:
        found.append(text)
    assert found[0] == "offline"
    assert found[-1] == "snapshot one"
    assert box.overflows == 1
    assert box.take() is None


def test_a_topic_that_is_gone_is_left_out():
    box = Outbox(lambda topic: None, str)
    box.want("one")
    assert box.take() is None
