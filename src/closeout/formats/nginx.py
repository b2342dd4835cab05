"""Read nginx configurations: what they hand on to which host, and with which headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from closeout.fs.text_edit import Splice, indentation, line_ending, line_number

HEADER = "x-forwarded-for"
_TOKEN = re.compile(
    rb"#[^\n]*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[{};]|(?:\$\{\w+\}|[^\s{};#\"'])+"
)
_ADDRESS = re.compile(r"https?://(?P<host>[\w.$-]+)")
_SENT = "proxy_set_header"
_ADDED = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"


@dataclass(slots=True, kw_only=True)
class _Block:
    """A directive, with those in its braces; `end` is the offset after its semicolon."""

    words: list[str]
    above: _Block | None
    start: int
    end: int = 0
    inner: list[_Block] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyPass:
    """One `proxy_pass`: to which hosts, and whether it says for whom; `splice` has it say so."""

    hosts: frozenset[str]
    line: int
    excerpt: str
    forwards: bool
    splice: Splice


def proxy_passes(content: bytes) -> Iterator[ProxyPass]:
    """Yield what a configuration hands on to other hosts."""
    found = list(_directives(content))
    groups = {
        item.words[1]: [each.words[1] for each in item.inner if each.words[0] == "server"]
        for item in found
        if item.words[0] == "upstream" and len(item.words) > 1
    }
    said = {item.words[1]: item.words[2] for item in found if _sets(item)}
    for item in found:
        if item.words[0] != "proxy_pass" or len(item.words) < 2:  # noqa: PLR2004 - and where to
            continue
        address = re.sub(r"\$\w+", lambda name: said.get(name[0], name[0]), item.words[1])
        host = _ADDRESS.match(address)
        if host is not None:
            hosts = groups.get(host["host"], [host["host"]])
            sent = _sent(item)
            yield ProxyPass(
                hosts=frozenset(each.partition(":")[0] for each in hosts),
                line=line_number(content, item.start),
                excerpt=" ".join(item.words),
                forwards=any(each.words[1].lower() == HEADER for each in sent),
                splice=_after(content, sent[-1] if sent else item),
            )


def _sets(item: _Block) -> bool:
    return item.words[0] == "set" and len(item.words) > 2  # noqa: PLR2004 - a name and a value


def _sent(item: _Block) -> list[_Block]:
    """Return the headers that hold for a directive: those of the nearest level that has any."""
    above = item.above
    while above is not None:
        own = [each for each in above.inner if each.words[0] == _SENT and len(each.words) > 1]
        if own:
            return own
        above = above.above
    return []


def _after(content: bytes, item: _Block) -> Splice:
    ending = line_ending(content, item.end).decode()
    text = f"{ending}{indentation(content, item.start)}{_ADDED}"
    return Splice(start=item.end, end=item.end, text=text)


def _directives(content: bytes) -> Iterator[_Block]:
    """Yield every directive that ends, those within braces after what holds them began."""
    above: _Block | None = None
    words: list[str] = []
    start = 0
    for match in _TOKEN.finditer(content):
        text = match[0].decode("utf-8", "replace")
        if text.startswith("#"):
            continue
        if text not in {"{", "}", ";"}:
            start = start if words else match.start()
            words.append(text.strip("\"'"))
            continue
        if words and text != "}":
            made = _Block(words=words, above=above, start=start, end=match.end())
            if above is not None:
                above.inner.append(made)
            yield made
            above = made if text == "{" else above
        elif text == "}" and above is not None:
            above = above.above
        words = []
