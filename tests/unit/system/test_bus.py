"""The bus: who counts as a listener of events, and of what else."""

from __future__ import annotations

import zmq

from circus.system.bootloop import BootLoop
from circus.system.bus import Bus
from harness import eventually


class Wire:
    """A bus on an XPUB socket with one subscriber."""

    def __init__(self, place: str) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.publisher = self.context.socket(zmq.XPUB)
        self.publisher.bind(f"ipc://{place}")
        self.subscriber = self.context.socket(zmq.SUB)
        self.subscriber.connect(f"ipc://{place}")
        self.bus = Bus(BootLoop())
        self.bus.attach(self.publisher)

    def close(self) -> None:
        self.bus.close()
        self.context.destroy(linger=0)


def test_listeners_of_output_are_no_listeners_of_events(tmp_path) -> None:
    wire = Wire(f"{tmp_path}/pub")
    try:
        assert not wire.bus.heard
        wire.subscriber.subscribe(b"output.web.")
        eventually(lambda: wire.bus.heard_under(b"output."))
        assert not wire.bus.heard
        wire.subscriber.subscribe(b"watcher.")
        eventually(lambda: wire.bus.heard)
        wire.subscriber.unsubscribe(b"watcher.")
        eventually(lambda: wire.bus._take_subscriptions() or not wire.bus.heard)
        wire.subscriber.subscribe(b"")
        eventually(lambda: wire.bus.heard)
    finally:
        wire.close()


def test_subscriptions_go_on_in_the_next_bus() -> None:
    bus = Bus(BootLoop())
    bus.attach(object(), [b"output.web.1", b"watcher."])
    assert bus._wanted
    assert bus.heard_under(b"output.")


def test_who_hears_a_watcher_is_told_as_it_changes(tmp_path) -> None:
    wire = Wire(f"{tmp_path}/pub")
    try:
        told = []
        unwatch = wire.bus.watch_topics(lambda: told.append(wire.bus.asked_for(b"output.web.", b"output.")))
        for topic, heard in (
            (b"", False),
            (b"out", False),
            (b"output.webs.", False),
            (b"output.web.2", True),
            (b"output.w", True),
            (b"output.", True),
        ):
            wire.subscriber.subscribe(topic)
            eventually(lambda: wire.bus.hear() or told)
            assert told == [heard], topic
            wire.subscriber.unsubscribe(topic)
            eventually(lambda: wire.bus.hear() or len(told) == 2)
            assert told.pop() is False
            told.clear()
        unwatch()
        wire.subscriber.subscribe(b"output.")
        eventually(lambda: wire.bus.hear() or wire.bus.heard_under(b"output."))
        assert told == []
    finally:
        wire.close()
