"""The consumer against a PUB socket."""

from __future__ import annotations

import threading

import pytest
import zmq

from circus.consumer import CircusConsumer
from harness.waiting import eventually


class Publisher:
    """An XPUB that knows when a subscriber is there."""

    def __init__(self, context):
        self.socket = context.socket(zmq.XPUB)
        self.socket.linger = 0
        self.socket.bind("tcp://127.0.0.1:*")
        self.endpoint = self.socket.last_endpoint.decode().rstrip("\0")

    def subscriptions(self, count):
        found = []
        while len(found) < count:
            assert self.socket.poll(10000)
            found.append(self.socket.recv()[1:])
        return sorted(found)

    def publish(self, *frames):
        self.socket.send_multipart(list(frames))


@pytest.fixture
def publisher():
    with zmq.Context() as context:
        made = Publisher(context)
        yield made
        made.socket.close()


@pytest.mark.parametrize(
    ("topics", "subscribed"),
    [
        (["watcher.", b"stat."], [b"stat.", b"watcher."]),
        ("show:", [b"show:"]),
        (b"show:", [b"show:"]),
        ([""], [b""]),
        (("é",), ["é".encode()]),
    ],
)
def test_topics(publisher, topics, subscribed):
    with CircusConsumer(topics, endpoint=publisher.endpoint) as consumer:
        assert publisher.subscriptions(len(subscribed)) == subscribed
        assert consumer.topics == (list(topics) if not isinstance(topics, str | bytes) else [topics])


def test_messages_are_iterated(publisher):
    with CircusConsumer(["watcher."], endpoint=publisher.endpoint, timeout=0.05) as consumer:
        publisher.subscriptions(1)
        publisher.publish(b"other", b"{}")
        publisher.publish(b"watcher.odd")
        publisher.publish(b"watcher.a.spawn", b'{"process_pid": 1}')
        publisher.publish(b"watcher.a.reap", b"{}")
        messages = iter(consumer)
        assert next(messages) == (b"watcher.a.spawn", b'{"process_pid": 1}')
        assert next(messages) == (b"watcher.a.reap", b"{}")


def test_waiting_takes_several_polls(publisher):
    consumer = CircusConsumer([""], endpoint=publisher.endpoint, timeout=0.02)
    publisher.subscriptions(1)
    timer = threading.Timer(0.1, publisher.publish, [b"late", b"{}"])
    timer.start()
    assert next(consumer.iter_messages()) == (b"late", b"{}")
    timer.join()
    consumer.stop()


def test_an_own_context_ends_with_the_iterator(publisher):
    consumer = CircusConsumer([""], endpoint=publisher.endpoint)
    publisher.subscriptions(1)
    publisher.publish(b"a", b"b")
    messages = consumer.iter_messages()
    next(messages)
    messages.close()
    assert consumer.pubsub_socket.closed
    assert consumer.context.closed
    assert not consumer.keep_context


def test_a_given_context_stays(publisher):
    with zmq.Context() as context:
        with CircusConsumer([""], context, publisher.endpoint) as consumer:
            assert consumer.keep_context
            assert consumer.context is context
        assert consumer.pubsub_socket.closed
        assert not context.closed
        consumer.stop()


def test_stop_ends_an_iteration(publisher):
    consumer = CircusConsumer([""], endpoint=publisher.endpoint, timeout=0.05)
    publisher.subscriptions(1)
    publisher.publish(b"a", b"b")
    seen = []
    for message in consumer:
        seen.append(message)
        consumer.stop()
    assert seen == [(b"a", b"b")]


def test_a_context_that_ends_elsewhere_ends_the_iteration(publisher):
    context = zmq.Context()
    consumer = CircusConsumer([""], context, publisher.endpoint, timeout=10)
    publisher.subscriptions(1)
    ended = []
    reader = threading.Thread(target=lambda: ended.append(list(consumer)))
    reader.start()
    context.term()  # returns when the reader has closed its socket
    eventually(lambda: ended == [[]])
    reader.join(10)


def test_a_bad_endpoint_leaves_nothing_open():
    with pytest.raises(zmq.ZMQError):
        CircusConsumer([""], endpoint="nonsense")
