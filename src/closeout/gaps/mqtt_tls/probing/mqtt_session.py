"""Keep an MQTT client connected while something happens to its broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any

from closeout.gaps.mqtt_tls.probing.mosquitto import Running
from closeout.gaps.mqtt_tls.probing.mqtt import paho_client
from closeout.process import pace

_ANSWER = 20.0
"""Seconds for one answer, on a quiet machine."""


class SessionError(Exception):
    """The broker did not do what a client asked; the text says what."""


@dataclass(slots=True, kw_only=True)
class Session:
    """One connected client: what it got, and how often its line went down."""

    client: Any
    got: Queue[tuple[str, bytes, bool]] = field(default_factory=Queue)
    ready: Queue[str] = field(default_factory=Queue)
    drops: int = 0

    def subscribe(self, topic: str) -> None:
        """Subscribe with QoS 1 and wait until the broker says so."""
        self.client.subscribe(topic, qos=1)
        self._await("subscribed")

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1 and wait until the broker has the message."""
        sent = self.client.publish(topic, payload, qos=1, retain=retain)
        sent.wait_for_publish(timeout=pace.scaled(_ANSWER))
        if not sent.is_published():
            message = f"nobody took the message on {topic}"
            raise SessionError(message)

    def next(self) -> tuple[str, bytes, bool]:
        """Return the next message: topic, payload and whether it was retained."""
        try:
            return self.got.get(timeout=pace.scaled(_ANSWER))
        except Empty as error:
            message = "no message came"
            raise SessionError(message) from error

    def _await(self, word: str) -> None:
        try:
            while self.ready.get(timeout=pace.scaled(_ANSWER)) != word:
                continue
        except Empty as error:
            message = f"the client was never {word}"
            raise SessionError(message) from error

    def _went_down(self, *_rest: object) -> None:
        self.drops += 1


@contextmanager
def session(broker: Running, port: int, name: str) -> Iterator[Session]:
    """Keep `name` connected for the block; raises SessionError where it does not get in."""
    made = Session(client=paho_client(broker, name))
    client = made.client
    client.on_message = lambda _client, _data, message: made.got.put(
        (message.topic, message.payload, message.retain)
    )
    client.on_subscribe = lambda *_rest: made.ready.put("subscribed")
    client.on_connect = lambda *_rest: made.ready.put("connected")
    client.on_disconnect = made._went_down  # noqa: SLF001 - its own maker
    try:
        client.connect("127.0.0.1", port)
        client.loop_start()
        made._await("connected")  # noqa: SLF001 - its own maker
        yield made
    except OSError as error:
        raise SessionError(str(error)) from error
    finally:
        client.disconnect()
        client.loop_stop()
