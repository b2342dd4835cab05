"""Let a configuration take in a TLS listener while every listener that it has keeps its settings.

Measured on mosquitto 2.0.11: an empty `include_dir` changes nothing, a missing one stops the
broker; security settings are shared by all listeners, wherever they stand, until
`per_listener_settings true`; and without a listener it serves loopback alone, until there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from closeout.fs.text_edit import Splice
from closeout.gaps.mqtt_tls.mosquitto.configuration import (
    OF_A_LISTENER,
    SECURITY,
    SUITES,
    BrokerConf,
    Directive,
    Listener,
    parse,
)

_PLUGINS = frozenset({"plugin", "auth_plugin"})
_OWN = SECURITY | OF_A_LISTENER | {"listener", "port"}


def inclusion(content: bytes, folder: str) -> tuple[Splice, ...]:
    """Return the splices that let the broker read the listeners in `folder`, which may be empty.

    Raises ValueError where its listeners share what cannot be told apart.
    """
    conf = parse(content)
    shared = _shared(conf)
    own = () if conf.separate else tuple(_separated(content, conf, shared))
    lines = [] if conf.separate or _blocks(conf) else ["listener 1883 127.0.0.1", *_local(shared)]
    lines += [
        "# TLS on 8883 with the certificates that certs/README.md speaks of. Until they are made",
        "# the folder is empty, and it has to be there: without it the broker does not start.",
        f"include_dir {folder}",
    ]
    text = "\n".join(lines)
    ended = not content or content.endswith(b"\n")
    end = Splice(
        start=len(content), end=len(content), text=f"\n{text}\n" if ended else f"\n\n{text}"
    )
    return (*own, end)


def limited(content: bytes, listeners: Sequence[Listener]) -> tuple[Splice, ...]:
    """Return the splices that let TLS listeners offer what the intermediate profile has."""
    return tuple(_limited(content, item) for item in listeners)


def governed(content: bytes, listeners: Sequence[Listener], acl: str) -> tuple[Splice, ...]:
    """Return the splices that put the access list in force for clients that have a name."""
    named = "use_identity_as_username"
    lasts = [[each for each in item.settings if each.name == named][-1] for item in listeners]
    return tuple(_below(content, item, f"acl_file {acl}") for item in lasts)


def _limited(content: bytes, listener: Listener) -> Splice:
    text = f"ciphers {':'.join(SUITES)}"
    said = [item for item in listener.settings if item.name == "ciphers"]
    if said:
        return _instead(content, said[-1], text)
    (last,) = [item for item in listener.settings if item.name == "certfile"][-1:]
    return _below(content, last, text)


def _shared(conf: BrokerConf) -> Mapping[str, Directive]:
    """Return the access settings in force, by name; the last one of a name counts."""
    return {item.name: item for item in conf.directives if item.name in SECURITY}


def _local(shared: Mapping[str, Directive]) -> list[str]:
    """Return the access settings of the loopback that a broker without a listener serves."""
    held = {"allow_anonymous": "true", **{name: item.value for name, item in shared.items()}}
    return [f"{name} {value}" for name, value in held.items()]


def _separated(
    content: bytes, conf: BrokerConf, shared: Mapping[str, Directive]
) -> Iterator[Splice]:
    if _PLUGINS & shared.keys():
        message = "its listeners share a plugin"
        raise ValueError(message)
    yield _separation(content, conf)
    if not conf.has_bare_listener:
        for item in conf.shared:
            if item.name in SECURITY:
                yield Splice(start=item.start, end=item.end, text="")
    for block in _blocks(conf):
        own = {item.name: item.value for item in block}
        lines = [
            f"{name} {item.value}" for name, item in shared.items() if own.get(name) != item.value
        ]
        if lines:
            last = [item for item in block if item.name in _OWN][-1]
            yield _below(content, last, "\n".join(lines))


def _separation(content: bytes, conf: BrokerConf) -> Splice:
    said = next((item for item in conf.directives if item.name == "per_listener_settings"), None)
    first = next((item for item in conf.directives if item.name in _OWN), None)
    if said is not None and first is not None and first.start < said.start:
        message = f"line {said.line} comes after settings that it would govern"
        raise ValueError(message)
    if said is not None:
        return _instead(content, said, "per_listener_settings true")
    place = _above(conf, first) if first is not None else len(content)
    text = "# Security settings belong to the listener above them.\nper_listener_settings true\n\n"
    return Splice(start=place, end=place, text=text)


def _blocks(conf: BrokerConf) -> tuple[tuple[Directive, ...], ...]:
    """Return the lines of each listener, those before the first where they open one too."""
    return (conf.shared, *conf.blocks) if conf.has_bare_listener else conf.blocks


def _instead(content: bytes, item: Directive, text: str) -> Splice:
    ended = content[item.start : item.end].endswith(b"\n")
    return Splice(start=item.start, end=item.end, text=f"{text}\n" if ended else text)


def _below(content: bytes, item: Directive, text: str) -> Splice:
    ended = content[item.start : item.end].endswith(b"\n")
    return Splice(start=item.end, end=item.end, text=f"{text}\n" if ended else f"\n{text}")


def _above(conf: BrokerConf, item: Directive) -> int:
    """Return the offset of the directive, or of the comment that stands right above it."""
    starts = {each.line: each.start for each in conf.comments}
    line, place = item.line, item.start
    while line - 1 in starts:
        line -= 1
        place = starts[line]
    return place
