"""Ask a broker as clients would: with or without a certificate, once or in a session."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from paho.mqtt import client as paho

from closeout.gaps.mqtt_tls.mosquitto.configuration import TLS_PORT
from closeout.gaps.mqtt_tls.probing.mosquitto import Pair, Running
from closeout.process import pace

_ANSWER = 10.0
"""Seconds for one answer, on a quiet machine."""

_SESSION_ANSWER = 20.0
"""The same within a session: the broker may just have been started anew."""

_CONNACK = 4
"""Bytes of the broker's answer to CONNECT; the last one says accepted or why not."""


def tls_context(ca: Path, pair: Pair | None) -> ssl.SSLContext:
    """Return a client's context, as strict as current Python is by default."""
    context = ssl.create_default_context(cafile=str(ca))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


def connect(port: int, context: ssl.SSLContext | None, name: str = "localhost") -> str:
    """Send one MQTT CONNECT and return `accepted`, or how the broker refused.

    `name` is what the certificate must carry; without a context the line is plaintext. The answer
    is read, since under TLS 1.3 a missing client certificate shows only then.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=pace.scaled(_ANSWER)) as raw:
            line = context.wrap_socket(raw, server_hostname=name) if context else raw
            with line:
                line.sendall(_connect_packet())
                return _read_answer(line)
    except OSError as error:
        return f"refused: {_reason(error)}"


def admission(broker: Running, pair: Pair | None, name: str = "localhost") -> str:
    """Return how a client with this pair, or without any, fares on the broker's port for TLS."""
    return connect(broker.ports[TLS_PORT], tls_context(broker.ca, pair), name)


def told(answers: Mapping[str, str]) -> str:
    """Return in a line who was answered what."""
    return "; ".join(f"{name} {answer}" for name, answer in answers.items())


def served(port: int, context: ssl.SSLContext) -> bytes:
    """Return the certificate that the broker shows now, empty where there is no handshake."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=pace.scaled(_ANSWER)) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as line,
        ):
            return line.getpeercert(binary_form=True) or b""
    except OSError:
        return b""


def only(context: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return the context, able to speak this version alone, however old it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = version
        context.minimum_version = version
    return context


def round_trip(  # noqa: PLR0913 - two clients, what they say, and where
    broker: Running, port: int, *, sender: str, receiver: str, topic: str, denied: str
) -> str:
    """Publish on `denied`, then on `topic`, with QoS 1; return what the receiver got.

    The answer is `received` where the second message came and the first did not.
    """
    try:
        with session(broker, port, receiver) as listening, session(broker, port, sender) as telling:
            for each in dict.fromkeys((topic, denied)):
                listening.subscribe(each)
            for each in dict.fromkeys((denied, topic)):
                telling.publish(each, b"probe")
            first, _, _ = listening.next()
    except SessionError as error:
        return f"nothing received: {error}"
    return "received" if first == topic else f"received a message on {first}"


def paho_client(broker: Running, name: str, client_id: str = "") -> Any:  # noqa: ANN401 - late
    """Return an unconnected client of this name with its own certificate."""
    called = client_id or f"closeout-{name}"
    made = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=called)
    made.tls_set_context(tls_context(broker.ca, broker.pair(name)))
    return made


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
        sent.wait_for_publish(timeout=pace.scaled(_SESSION_ANSWER))
        if not sent.is_published():
            message = f"nobody took the message on {topic}"
            raise SessionError(message)

    def next(self) -> tuple[str, bytes, bool]:
        """Return the next message: topic, payload and whether it was retained."""
        try:
            return self.got.get(timeout=pace.scaled(_SESSION_ANSWER))
        except Empty as error:
            message = "no message came"
            raise SessionError(message) from error

    def _await(self, word: str) -> None:
        try:
            while self.ready.get(timeout=pace.scaled(_SESSION_ANSWER)) != word:
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
        raise SessionError(_reason(error)) from error
    finally:
        client.disconnect()
        client.loop_stop()


def _connect_packet() -> bytes:
    name = b"closeout-probe"
    body = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(name).to_bytes(2, "big") + name
    return bytes([0x10, len(body)]) + body


def _read_answer(line: socket.socket) -> str:
    answer = b""
    while len(answer) < _CONNACK:
        part = line.recv(_CONNACK - len(answer))
        if not part:
            return "refused: closed without an answer"
        answer += part
    return "accepted" if answer[-1] == 0 else f"refused: CONNACK {answer[-1]}"


def _reason(error: BaseException) -> str:
    found = (getattr(error, name, "") for name in ("verify_message", "reason"))
    return str(next(filter(None, found), "") or error or type(error).__name__)
