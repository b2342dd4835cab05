"""Read usable secrets from what is no service's configuration: manifests, images, keys, constants.

Every reader yields a name and a line, never the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from closeout.formats.manifests import Document, documents
from closeout.fs.prefilter import holds, holds_in_any_case, in_lower_case, matches, matches_any
from closeout.fs.text_edit import line_number
from closeout.gaps.external_secrets.inventory.names import NAME, is_secret, is_usable

_KEY_SIGNS = (b"PRIVATE KEY",)
_PRIVATE_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\\n|[\s\"'+])+[A-Za-z0-9+/=]{40}"
)
_TOKEN_SIGNS = tuple(
    b"AKIA ASIA ghp_ gho_ ghs_ github_pat_ glpat- xoxb- xoxp- sk_live_ rk_live_ AIza npm_ "
    b"AGE-SECRET-KEY-1".split()
)
_CHEAP_SIGNS = (
    re.compile(rb"A(?:[KS]IA|Iza|GE-SECRET|TE KEY(?<=PRIVATE KEY))"),
    re.compile(rb"_(?:(?<=gh[pos]_)|(?<=npm_)|(?<=k_live_)|(?<=github_pat_))"),
    re.compile(rb"x(?=ox)"),
)
"""By a byte that all of them hold: one is looked for many times as fast as a word."""
_TOKEN = re.compile(
    rb"\b(?:A[KS]IA[0-9A-Z]{16}|gh[pos]_[A-Za-z0-9]{36}|github_pat_\w{40,}|glpat-[\w-]{20,}"
    rb"|xox[bp]-[0-9]+-[0-9A-Za-z-]{10,}|[rs]k_live_[0-9A-Za-z]{16,}|AIza[\w-]{35}"
    rb"|npm_[A-Za-z0-9]{36}|AGE-SECRET-KEY-1[0-9A-Z]{58})\b"
)
_MADE_UP = re.compile(rb"example|x{6}|0{8}|1234567", re.IGNORECASE)
_IMAGE_LINE = re.compile(rb"[ \t]*(?P<word>[A-Za-z]+)[ \t]+(?P<rest>.*)")
_SETS = frozenset({b"ENV", b"ARG"})
_STARTS = frozenset({b"CMD", b"ENTRYPOINT"})
_COMMAND_SECRET = re.compile(
    rb"[a-z][a-z0-9+.-]*://[^/\s@:\"'$<{]*:[^/\s@\"'$<{]+@"
    rb"|--(?:requirepass|masterauth|password|passwd|auth-token)"
    rb"(?:[= ]|\",[ \t]*\")[\"']?[^\s\"'$<-]{4,}",
    re.IGNORECASE,
)
"""An address with a password in it, or the password itself."""
_PAIR = re.compile(rb"""([A-Z][A-Z0-9_]*)=("[^"]*"|'[^']*'|[^\s\\]*)""")
_OLD_PAIR = re.compile(rb"([A-Z][A-Z0-9_]*)[ \t]+([^=\r\n]+)")
_MANIFEST = re.compile(rb"^[ \t-]*kind:[ \t]*[\"']?(?:Secret|ConfigMap)\b", re.MULTILINE)
_TELLING = (b"secret", b"passw", b"passphrase", b"token", b"key", b"dsn", b"url", b"uri", b"cred")
_CONSTANTS = tuple(
    re.compile(
        word + rb"s?[\"'\]]?[ \t]*(?::[ \t]*\w+[ \t]*)?[:=][ \t]*([\"'`])([^\"'`\s\\]{12,})\1"
    )
    for word in b"secret password passwd passphrase token key dsn url uri".split()
)
"""Searched in lower case, one after the other: each starts with a word that is found fast."""
_HASHING = re.compile(rb"hashpw\(|password_hash\(|\.hash\(|make_password\(")
_HASHED = re.compile(
    rb"\b(?:bcrypt\.hashpw|generate_password_hash|get_password_hash|make_password"
    rb"|(?:pwd_context|bcrypt|argon2|ph|password_hasher)\.hash)"
    rb"\(\s*b?(?P<quote>['\"])(?P<value>[^'\"\n]{4,})(?P=quote)"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TELLING_KEYS = ("API", "SECRET", "PRIVATE", "SIGNING", "ENCRYPTION", "ACCESS", "SERVICE", "HMAC")
_OPEN_PARTS = frozenset(
    {"HOST", "HOSTNAME", "PORT", "DATABASE", "DBNAME", "DB_NAME", "NAME", "USER", "USERNAME"}
    | {"ENGINE", "SSLMODE", "SCHEMA", "REGION", "BUCKET"}
)
"""What a Secret may hold of a connection beside its password."""
_COMMENT = re.compile(r"(?m)^[ \t]*#.*$")
_PUBLIC_PARTS = frozenset({"tls.crt", "ca.crt", "ca-bundle.crt"})
_MANY = 16
"""Characters that a generated secret has; shorter constants are names of headers and fields."""


def may_hold_text(content: bytes) -> bool:
    """Return whether `in_text` may find something in these bytes."""
    return b"glpat-" in content or matches_any(content, _CHEAP_SIGNS)


def may_be_manifest(content: bytes) -> bool:
    """Return whether `in_manifest` may find something in these bytes."""
    return matches(content, _MANIFEST) and holds_in_any_case(content, _TELLING)


def in_text(content: bytes) -> tuple[tuple[str, int], ...]:
    """Return every private key, and every token whose issuer marks it as one."""
    found = []
    if holds(content, _KEY_SIGNS):
        found += [("private key", match.start()) for match in _PRIVATE_KEY.finditer(content)]
    if holds(content, _TOKEN_SIGNS):
        found += [
            ("access token", match.start())
            for match in _TOKEN.finditer(content)
            if not _MADE_UP.search(match[0])
        ]
    return tuple((name, line_number(content, start)) for name, start in found)


def in_dockerfile(content: bytes) -> Iterator[tuple[str, int]]:
    """Yield every secret that an image's ENV or ARG gives a value, or that it is started with."""
    word = b""
    continued = False
    for number, line in enumerate(content.split(b"\n"), start=1):
        match = _IMAGE_LINE.match(line)
        if not continued:
            word = match["word"].upper() if match else b""
        if word in _STARTS and _COMMAND_SECRET.search(line):
            yield f"a password in {word.decode()}", number
        pairs = list(_PAIR.finditer(line)) if word in _SETS else []
        is_old = match and word in _SETS and not (pairs or continued)
        old = _OLD_PAIR.match(match["rest"]) if match and is_old else None
        for pair in [*pairs, *([old] if old else [])]:
            name, value = pair[1].decode(), pair[2].decode("utf-8", "replace").strip("\"' \r")
            if is_secret(name, value) and is_usable(name, value):
                yield name, number
        # A comment between two lines of an instruction ends none.
        continued = line.rstrip().endswith(b"\\") or (continued and line.lstrip().startswith(b"#"))


def in_manifest(content: bytes) -> Iterator[tuple[str, int]]:
    """Yield every value of a Secret, and every value of a ConfigMap that ought to be in one."""
    import yaml  # noqa: PLC0415 - only manifests need the parser

    if not may_be_manifest(content):
        return
    try:
        found = documents(content)
    except yaml.YAMLError:
        return
    for document in found:
        listed = document.field("items") if document.kind == "List" else None
        rows = range(len(listed)) if isinstance(listed, list) else ()
        places = [("items", row) for row in rows] if rows else [()]
        for place in places:
            yield from _held(document, place)


def _held(document: Document, place: tuple[str | int, ...]) -> Iterator[tuple[str, int]]:
    value = document.value
    for step in place:
        value = value[step]
    kind = str(value.get("kind")) if isinstance(value, dict) else ""
    for part in ("data", "stringData") if kind in {"Secret", "ConfigMap"} else ():
        entries = value.get(part)
        for key, item in entries.items() if isinstance(entries, dict) else ():
            name, text = _variable(str(key)), str(item or "")
            telling = (kind == "Secret" and name not in _OPEN_PARTS) or is_secret(name, text)
            said = _COMMENT.sub("", text)
            if telling and key not in _PUBLIC_PARTS and is_usable(name, said):
                yield str(key), document.line_of((*place, part, str(key)))


@lru_cache(maxsize=128)
def in_constants(content: bytes) -> tuple[tuple[str, int], ...]:
    """Return every generated-looking value that code or a settings file gives a secret's name."""
    lowered = in_lower_case(content)
    found = []
    for match in (match for each in _CONSTANTS for match in each.finditer(lowered)):
        start = match.start()
        while start and (content[start - 1 : start].isalnum() or content[start - 1] in b"_-"):
            start -= 1
        written = re.split(rb"[\"'\]\s:=]", content[start : match.end()], maxsplit=1)[0]
        name = _variable(written.decode("utf-8", "replace"))
        value = content[slice(*match.span(2))].decode("utf-8", "replace")
        if is_secret(name, value) and _looks_made(name, value):
            found.append((name, line_number(content, start)))
    return tuple(sorted(found))


def in_hashed(content: bytes) -> Iterator[tuple[str, int]]:
    """Yield every password that Python hashes from a literal: accounts are made with it."""
    for match in _HASHED.finditer(content) if matches(content, _HASHING) else ():
        if is_usable("PASSWORD", match["value"].decode("utf-8", "replace")):
            yield "a hashed password", line_number(content, match.start())


def _looks_made(name: str, value: str) -> bool:
    if not is_usable(name, value):
        return False
    if "://" in value:
        return True
    telling = not name.endswith("KEY") or name.removesuffix("_KEY").endswith(_TELLING_KEYS)
    mixed = re.search(r"\d", value) and re.search(r"[A-Za-z]", value)
    return bool(telling and mixed and len(value) >= _MANY and "(" not in value)


def _variable(name: str) -> str:
    """Return a field's name as an environment variable's: jwtSecret and jwt-secret alike."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", _HUMP.sub("_", name)).strip("_").upper()
    return plain if NAME.match(plain) else re.sub(r"_+", "_", plain)
