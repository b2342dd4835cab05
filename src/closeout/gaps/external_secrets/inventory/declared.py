"""Read secret variables from what configures services: compose, env examples and Helm values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.interpolation import DEFAULT, unset
from closeout.fs.text_edit import line_number
from closeout.gaps.external_secrets.inventory.commands import (
    is_for_development,
    is_tool,
    passwords,
    software,
)
from closeout.gaps.external_secrets.inventory.names import (
    NAME,
    Mention,
    Origin,
    is_secret,
    is_usable,
    works,
)
from closeout.gaps.external_secrets.inventory.servers import is_account
from closeout.parsing.yaml import YamlError, find

_ENV_LINE = re.compile(rb"[ \t]*(?:export[ \t]+)?([A-Z][A-Z0-9_]*)[ \t]*=[ \t]*([^\r\n]*)")


def in_compose(
    content: bytes, path: PurePosixPath, known: frozenset[str]
) -> Iterator[tuple[str, Mention]]:
    """Yield service and mention for every secret that a compose file gives a service."""
    if b"environment" not in content and b"pass" not in content:
        return
    services = compose.services(path, content)
    for service in services:
        called = owner(service, known)
        only = is_tool(service) or is_for_development(path)
        for node, start, end in passwords(service):
            name = f"{software(service)}_PASSWORD"
            yield called, _given(name, node.text[start:end], node.line, is_development=only)
        for node, name, value in service.assignments():
            if is_secret(name, value):
                given = _given(name, value, node.line, is_development=only)
                if is_account(name, value, service, services):
                    given = replace(given, literal=False, fallback=False)
                yield called, given


def in_env_example(content: bytes) -> Iterator[Mention]:
    """Yield every secret that an env example sets; commented lines are none."""
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        match = _ENV_LINE.match(line)
        if match is None:
            continue
        name = match[1].decode()
        value = re.sub(r"\s+#.*", "", match[2].decode("utf-8", "replace")).strip().strip("\"'")
        if is_secret(name, value):
            yield _mention(name, value, number, Origin.ENV_EXAMPLE)


def in_chart(content: bytes) -> Iterator[Mention]:
    """Yield every secret of a chart's values: keys in capitals, and items with such a name."""
    try:
        top = find(content)
    except YamlError:
        return
    waiting = [top] if top else []
    while waiting:
        node = waiting.pop()
        name = node.get("name")
        if name is not None and NAME.match(name.text) and is_secret(name.text):
            value = node.get("value")
            text = value.text if value is not None else ""
            line = name.line if value is None else value.line
            yield _mention(name.text, text, line, Origin.CHART)
        for entry in node.entries:
            value = entry.value
            if is_secret(str(entry.key), value.text):
                line = line_number(content, entry.start)
                yield _mention(str(entry.key), value.text, line, Origin.CHART)
            if value.entries and not value.alias:
                waiting.append(value)


def _given(name: str, value: str, line: int, *, is_development: bool) -> Mention:
    """Return what compose gives a container: it runs with a placeholder's word as well."""
    return Mention(
        name=name,
        line=line,
        origin=Origin.COMPOSE,
        literal=works(name, value),
        fallback=DEFAULT.search(value) is not None and works(name, unset(value)),
        is_development=is_development,
    )


def _mention(name: str, value: str, line: int, origin: Origin) -> Mention:
    fallback = DEFAULT.search(value) is not None and is_usable(name, unset(value))
    return Mention(
        name=name, line=line, origin=origin, literal=is_usable(name, value), fallback=fallback
    )


def owner(service: compose.ComposeService, known: frozenset[str]) -> str:
    """Return the service of the tree that a compose file starts, by its folder or its name."""
    for name in (PurePosixPath(service.context).name, service.name):
        if name in known:
            return name
    parts, key = service.path.parts, service.name
    layer = parts[0].removesuffix("-layer") if len(parts) > 1 else ""
    prefixed = not layer or key.startswith(("cloud-", "edge-"))
    return key if prefixed else f"{layer}-{key}"
