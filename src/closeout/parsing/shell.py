"""Tell what a shell script runs from what it only says: comments, and text that it prints."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

_ASSIGNED = re.compile(rb"\w+(?:\[[^\]]*\])?\+?=")
_AHEAD = frozenset(
    [b"if", b"then", b"else", b"elif", b"do", b"while", b"until", b"!", b"{", b"time"]
) | frozenset([b"command", b"exec", b"env", b"sudo", b"nice", b"nohup"])
"""Words after which a command's own name is still to come."""
_SAYING = re.compile(
    rb"(?:echo|printf|logger|log\w*|info|warn\w*|err|error|die|fail\w*|fatal|note|say|usage|:)\Z"
)
"""Commands, and the names that scripts give functions, which only tell what they are given."""
_SHOWING = re.compile(rb"(?:cat|tee|echo|printf|:)\Z")
"""Commands that show a here-document, or keep it; others run what it holds."""
_HERE = re.compile(rb"<<(?P<tabs>-?)[ \t]*(?P<quote>['\"\\]?)(?P<word>\w+)")
_BLANK = re.compile(rb"[^\n]")


@lru_cache(maxsize=64)
def commands(script: bytes) -> bytes:
    """Return the script with comments and printed text blanked, lines and offsets kept."""
    reader = _Reader(script)
    reader.read(0)
    return _blanked(script, reader.said)


@lru_cache(maxsize=64)
def unquoted(script: bytes) -> bytes:
    """Return the script with its strings blanked too: what is left is written as code."""
    reader = _Reader(script)
    reader.read(0)
    return _blanked(script, [*reader.said, *reader.quoted])


def _blanked(script: bytes, spans: list[tuple[int, int]]) -> bytes:
    content = bytearray(script)
    for start, end in spans:
        content[start:end] = _BLANK.sub(b" ", script[start:end])
    return bytes(content)


@dataclass(slots=True)
class _Command:
    """The simple command that is being read."""

    name: bytes = b""
    word: int = -1
    """Where its current word begins, -1 between words."""


@dataclass(slots=True)
class _Reader:
    """Reads a script once; what does not end ends with it."""

    script: bytes
    said: list[tuple[int, int]] = field(default_factory=list)
    quoted: list[tuple[int, int]] = field(default_factory=list)
    here: list[tuple[re.Match[bytes], bool]] = field(default_factory=list)
    """The here-documents that begin after this line, and whether they are only shown."""

    def read(self, at: int, closing: bytes = b"") -> int:
        """Read commands from `at`, up to what closes them, and return the place behind that."""
        now = _Command()
        while at < len(self.script):
            sign = self.script[at : at + 1]
            if sign == closing:
                self._end_word(now, at)
                return at + 1
            if sign in b" \t":
                self._end_word(now, at)
                at += 1
            elif sign in b"\n;|&)" and not self._redirects(at):
                self._end_word(now, at)
                now = _Command()
                at = self._documents(at + 1) if sign == b"\n" else at + 1
            elif sign == b"#" and now.word < 0:
                at = self._say(at, self._find(b"\n", at))
            else:
                begun = now.word if now.word >= 0 else at
                at = self._part(now, at)
                now.word = begun
        self._end_word(now, at)
        return at

    def _part(self, now: _Command, at: int) -> int:
        """Read a part of a word, or what begins like one, and return the place behind it."""
        for read in (self._quotation, self._expansion, self._redirection):
            behind = read(now, at)
            if behind > at:
                return behind
        behind = at + 1
        while self.script[behind : behind + 1].isalnum():
            behind += 1
        if _SAYING.match(now.name):
            self.said.append((at, behind))
        return behind

    def _quotation(self, now: _Command, at: int) -> int:
        sign = self.script[at : at + 1]
        if sign == b"\\":
            return at + 2
        if sign == b"'":
            return self._text(now, at + 1, self._find(b"'", at + 1)) + 1
        return self._double(now, at + 1) if sign == b'"' else at

    def _expansion(self, _: _Command, at: int) -> int:
        opening = self.script[at : at + 2]
        if self.script[at : at + 3] == b"$((":
            return self._find(b"))", at) + 2
        if opening == b"${":
            return self._find(b"}", at) + 1
        if opening in {b"$(", b"<(", b">("}:
            return self.read(at + 2, b")")
        if opening[:1] in {b"`", b"("}:
            return self.read(at + 1, b"`" if opening[:1] == b"`" else b")")
        return at

    def _redirection(self, now: _Command, at: int) -> int:
        if self.script[at : at + 3] == b"<<<":
            return at + 3
        opened = _HERE.match(self.script, at)
        if opened is None:
            return at
        self.here.append((opened, bool(_SHOWING.match(now.name))))
        return opened.end() + bool(opened["quote"].strip(b"\\"))

    def _double(self, now: _Command, at: int) -> int:
        begun = at
        while at < len(self.script):
            sign = self.script[at : at + 1]
            if sign == b'"':
                break
            if sign == b"`" or self.script[at : at + 2] == b"$(":
                self._text(now, begun, at)
                at = self.read(at + 1 + (sign == b"$"), b"`" if sign == b"`" else b")")
                begun = at
            else:
                at += 2 if sign == b"\\" else 1
        self._text(now, begun, at)
        return at + 1

    def _text(self, now: _Command, start: int, end: int) -> int:
        """Take note of a string, which is said where the command only tells it."""
        self.quoted.append((start, end))
        return self._say(start, end) if _SAYING.match(now.name) else end

    def _say(self, start: int, end: int) -> int:
        self.said.append((start, end))
        return end

    def _end_word(self, now: _Command, at: int) -> None:
        word = self.script[now.word : at] if now.word >= 0 else b""
        now.word = -1
        if word == b"{" or word.endswith(b"()"):
            # A function's body begins.
            now.name = b""
        elif word and not now.name and word not in _AHEAD and not _ASSIGNED.match(word):
            now.name = word.strip(b"'\"")

    def _redirects(self, at: int) -> bool:
        """Return whether the sign belongs to a redirection, such as `>&2`, `&>` or `>|`."""
        sign = self.script[at : at + 1]
        after = sign in b"&|" and self.script[at - 1 : at] in {b">", b"<"}
        return after or (sign == b"&" and self.script[at + 1 : at + 2] == b">")

    def _documents(self, at: int) -> int:
        """Read the here-documents that begin at a line, and return the place behind them."""
        for opened, is_shown in self.here:
            line = re.compile(
                rb"^" + (rb"\t*" if opened["tabs"] else b"") + opened["word"] + rb"\r?$",
                re.MULTILINE,
            )
            ending = line.search(self.script, at)
            end = len(self.script) if ending is None else ending.start()
            if is_shown:
                self._say(at, end)
            at = end if ending is None else ending.end()
        self.here.clear()
        return at

    def _find(self, sign: bytes, at: int) -> int:
        found = self.script.find(sign, at)
        return len(self.script) if found < 0 else found
