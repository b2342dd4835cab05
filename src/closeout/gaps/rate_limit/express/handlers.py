"""Read the handler of an auth route: which fields it takes, and whether it limits by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from closeout.fs.once import once
from closeout.gaps.rate_limit.express.limiters import factories, makers
from closeout.gaps.rate_limit.express.routes import AuthRoute
from closeout.model import Tree
from closeout.parsing.typescript import Definition, find, text_of
from closeout.parsing.typescript_names import Names
from closeout.parsing.typescript_tree import fragment
from closeout.parsing.typescript_values import TypeScriptValues

_DEPTH = 3
_MEMBER = re.compile(r"(?<![\w$.])(?:this|[A-Za-z_$][\w$]*)(?:\.[A-Za-z_$][\w$]*)?")
_TOO_MANY = frozenset({"429", "TOO_MANY_REQUESTS"})
_WORDS = ("number", "property_identifier", "string_fragment")
_NAMED = ("identifier", "property_identifier", "shorthand_property_identifier_pattern", "string")
_SESSION = re.compile(r"token|session|cookie|jwt|auth|credential", re.IGNORECASE)
_ASKED = frozenset({"binary_expression", "switch_case"})
"""What compares an answer's number with another's: it reads an answer and gives none."""
_BODY = r"(?:body|input|payload|credentials|dto|parsed|data|value)"
_READ = re.compile(rf"\b{_BODY}\??(?:\.(\w+)|\[['\"`](\w+)['\"`]\])")
_TAKEN_APART = re.compile(rf"\{{([^{{}}]*)\}}\s*(?::[^=;]+)?=\s*[^;\n]*\b{_BODY}\b")
_SCHEMA = re.compile(r"\bobject\(\{(.*?)\}\)", re.DOTALL)
_ACCOUNTS = ("email", "username", "userName", "user_name", "identifier", "login", "phone")
_SECRETS = ("password", "passwd", "passcode", "pin")
_TOKENS = ("refreshToken", "refresh_token")


def answers_too_many(tree: Tree, route: AuthRoute) -> bool:
    """Return whether the handler, or a function of the service that it calls, answers 429.

    What a limiter is told to answer is the limiter's, and is judged by its numbers.
    """
    return any(
        text_of(node) in _TOO_MANY and node.parent is not None and node.parent.type not in _ASKED
        for text in spelled_out(tree, route)
        for node in find(fragment(text.encode()), *_WORDS)
    )


def login_fields(tree: Tree, route: AuthRoute) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the account and of the secret that the sign-in reads, or may read."""
    texts = spelled_out(tree, route)
    return _one_of(_ACCOUNTS, texts), _one_of(_SECRETS, texts)


def refresh_fields(tree: Tree, route: AuthRoute) -> tuple[str, ...]:
    """Return the fields that the renewal reads its token from, () where that is not written."""
    texts = spelled_out(tree, route)
    if "token" in {name for text in texts for name in _read(text)}:
        return (*_TOKENS, "token")
    is_known = any(name in text for text in texts for name in (*_TOKENS, "cookies"))
    return _TOKENS if is_known else ()


def template_values(tree: Tree, routes: Sequence[AuthRoute]) -> dict[str, Any]:
    """Return what the limiters' template has to know of the handlers of a service's `routes`."""
    logins = [login_fields(tree, route) for route in routes if route.endpoint == "login"]
    renewals = [refresh_fields(tree, route) for route in routes if route.endpoint == "refresh"]
    return {
        "accounts": _all(accounts for accounts, _ in logins) or _ACCOUNTS[:1],
        "secrets": _all(secrets for _, secrets in logins) or _SECRETS[:1],
        "tokens": _all(renewals) or _TOKENS,
        "is_token_known": all(renewals),
        "shares_address": False,
    }


def _all(names: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in names for name in each))


def _one_of(known: tuple[str, ...], texts: tuple[str, ...]) -> tuple[str, ...]:
    read = {name for text in texts for name in _read(text)}
    return tuple(name for name in known if name in read) or known


def _read(text: str) -> Iterator[str]:
    for match in _READ.finditer(text):
        yield match[1] or match[2]
    for pattern in (_TAKEN_APART, _SCHEMA):
        for match in pattern.finditer(text):
            yield from re.findall(r"(?:^|,|\n)\s*(\w+)", match[1])


def renews_tokens(tree: Tree, route: AuthRoute) -> bool:
    """Return whether a renewal's handler reads a token, true as well where it cannot be read."""
    if _SESSION.search(" ".join(route.paths)):
        return True
    texts = spelled_out(tree, replace(route, handlers=route.handlers[-1:]))
    is_read = len(texts) > 1 or "=>" in texts[0] or "function" in texts[0]
    words = (text_of(node) for text in texts for node in find(fragment(text.encode()), *_NAMED))
    return not is_read or any(_SESSION.search(word) for word in words)


def spelled_out(tree: Tree, route: AuthRoute, depth: int = _DEPTH) -> tuple[str, ...]:
    """Return the handlers' source text and that of the service's functions they lead to."""
    return _led_to(tree, route.path, tuple(place.text for place in route.handlers), depth)


@once
def _led_to(
    tree: Tree, path: PurePosixPath, handlers: tuple[str, ...], depth: int
) -> tuple[str, ...]:
    values = TypeScriptValues(tree)
    seen: set[str] = set()
    found: list[str] = []
    for handler in handlers:
        text = _without_limiters(values, path, handler)
        found += [text, *_called(values, path, text, seen, depth)]
    return tuple(found)


def _called(
    values: TypeScriptValues, path: PurePosixPath, text: str, seen: set[str], depth: int
) -> Iterator[str]:
    for match in _MEMBER.finditer(text) if depth else ():
        name = match[0]
        key = f"{path}:{name}"
        if key in seen:
            continue
        seen.add(key)
        found = function(values.names, path, name)
        if found is not None and found[1].value.text != text:
            there = _without_limiters(values, found[0], found[1].value.text)
            yield there
            yield from _called(values, found[0], there, seen, depth - 1)


def _without_limiters(values: TypeScriptValues, path: PurePosixPath, text: str) -> str:
    """Return a function's text without the limiters that it makes or that it is."""
    if not makers(values, path):
        return text
    content = text.encode()
    calls = factories(values, path, fragment(content))
    for call in reversed(calls):
        content = content[: call.start_byte] + content[call.end_byte :]
    return content.decode()


def function(
    names: Names, path: PurePosixPath, name: str
) -> tuple[PurePosixPath, Definition] | None:
    """Return the function, method or schema that `name` or `holder.name` stands for."""
    holder, _, member = name.rpartition(".")
    there = path if holder in {"", "this"} else _home(names, path, holder)
    if there is None:
        return None
    local = names.source(there).definition(member)
    if local is None and not holder:
        there = _home(names, path, member) or path
        local = names.source(there).definition(_exported(names, path, member))
    return None if local is None else (there, local)


def _exported(names: Names, path: PurePosixPath, name: str) -> str:
    found = (item.names[name] for item in names.source(path).imports if name in item.names)
    exported = next(found, name)
    return name if exported in {"*", "default"} else exported


def _home(names: Names, path: PurePosixPath, name: str) -> PurePosixPath | None:
    """Return the file that `name` comes from."""
    if names.source(path).definition(name) is not None:
        return path
    for item in names.source(path).imports:
        if name in item.names and item.source.startswith("."):
            there = names.target(path, item.source)
            passed = names.exported(there, item.names[name])
            return passed[0][0] if passed else there
    return None
