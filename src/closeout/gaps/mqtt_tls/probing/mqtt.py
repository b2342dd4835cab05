"""Ask a broker as clients would: by name or address, with or without a certificate."""

from __future__ import annotations

import socket
import ssl
import warnings
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from paho.mqtt import client as paho

from closeout.gaps.mqtt_tls.probing.mosquitto import Running
from closeout.process import pace

_ANSWER = 10.0
"""Seconds for one answer, on a quiet machine."""

_CONNACK = 4
"""Bytes of the broker's answer to CONNECT; the last one says accepted or why not."""


def tls_context(ca: Path, pair: tuple[Path, Path] | None) -> ssl.SSLContext:
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
    got: Queue[str] = Queue()
    ready: Queue[str] = Queue()
    made = [paho_client(broker, name) for name in (receiver, sender)]
    listening, telling = made
    listening.on_message = lambda _client, _data, message: got.put(message.topic)
    listening.on_subscribe = lambda *_rest: ready.put("subscribed")
    listening.on_connect = lambda *_rest: listening.subscribe([(topic, 1), (denied, 1)])
    telling.on_connect = lambda *_rest: ready.put("connected")
    try:
        for each in made:
            each.connect("127.0.0.1", port)
            each.loop_start()
            ready.get(timeout=pace.scaled(_ANSWER))
        for each_topic in dict.fromkeys((denied, topic)):
            sent = telling.publish(each_topic, b"probe", qos=1)
            sent.wait_for_publish(timeout=pace.scaled(_ANSWER))
            if sent.rc != paho.MQTT_ERR_SUCCESS:
                return f"not sent: {paho.error_string(sent.rc)}"
        first = got.get(timeout=pace.scaled(_ANSWER))
    except (OSError, Empty, RuntimeError) as error:
        return f"nothing received: {_reason(error)}"
    finally:
        for each in made:
            each.disconnect()
            each.loop_stop()
    return "received" if first == topic else f"received a message on {first}"


def paho_client(broker: Running, name: str, client_id: str = "") -> Any:  # noqa: ANN401 - late
    """Return an unconnected client of this name with its own certificate."""
    called = client_id or f"closeout-{name}"
    made = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=called)
    made.tls_set_context(tls_context(broker.ca, broker.pair(name)))
    return made


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
