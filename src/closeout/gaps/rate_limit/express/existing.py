"""Use a limiter that a service has and mounts nowhere, on the major version that it depends on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.fs.once import once
from closeout.fs.text_edit import Splice
from closeout.fs.tree import below
from closeout.gaps.rate_limit.express.limiters import LIBRARY, factories
from closeout.model import Tree
from closeout.parsing import typescript
from closeout.parsing.node_sources import is_source
from closeout.parsing.typescript import arguments, find, members, text_of
from closeout.parsing.typescript_objects import appended
from closeout.parsing.typescript_tree import above
from closeout.parsing.typescript_values import TypeScriptValues

if TYPE_CHECKING:
    from tree_sitter import Node

_NAME = re.compile(r"auth|log_?in|sign_?in", re.IGNORECASE)
_REMARK = re.compile(rb"[ \t]*//[^\r\n]*")
_RATE = re.compile(r"\d.*\b(?:second|minute|hour|attempt|request|IP)", re.IGNORECASE)
_IS_NO_FAILURE = "(_req, res) => res.statusCode < 400 || res.statusCode >= 500"
"""An outage is nobody's failed attempt."""

_ANSWER = (
    "{ error: { code: 'TOO_MANY_REQUESTS', "
    "message: 'Too many failed attempts. Try again later.' } }"
)
_APPLICATION = re.compile(
    rb"^([ \t]*)(?:export )?(?:const|let|var) ([\w$]+)(?:: [\w.]+)? = express\(\)(;?)[ \t]*\r?\n",
    re.MULTILINE,
)
_SAYS = "// Five failed attempts in 15 minutes for an account from one address"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedLimiter:
    """An exported limiter for sign-ins that nothing passes to a route."""

    path: PurePosixPath
    name: str


@once
def unused_limiter(tree: Tree, service: PurePosixPath) -> UnusedLimiter | None:
    """Return the limiter that the service's own code exports for sign-ins and never uses."""
    sources = [path for path in below(tree, service) if is_source(path)]
    for path in sources:
        content = tree.read(path) or b""
        if LIBRARY.encode() not in content:
            continue
        for name, _ in _exported(tree, path):
            if not _NAME.search(name):
                continue
            uses = re.compile(rb"(?<![\w$])" + re.escape(name.encode()) + rb"(?![\w$])")
            used = [other for other in sources if uses.search(tree.read(other) or b"")]
            if used == [path] and len(uses.findall(content)) == 1:
                return UnusedLimiter(path=path, name=name)
    return None


def _exported(tree: Tree, path: PurePosixPath) -> Iterator[tuple[str, Node]]:
    """Yield the name and the options of every limiter that the file exports where it makes it."""
    values = TypeScriptValues(tree)
    for statement in find(typescript.parsed(tree.read(path) or b""), "export_statement"):
        for item in find(statement, "variable_declarator"):
            value = item.child_by_field_name("value")
            made = [] if value is None else factories(values, path, value)
            options = arguments(made[0])[:1] if made and made[0] == value else []
            for literal in options:
                if literal.type == "object":
                    yield text_of(item.child_by_field_name("name")), literal


def strengthened(tree: Tree, limiter: UnusedLimiter, fields: Sequence[str]) -> Iterator[Splice]:
    """Yield the splices that make it count an account's failures as the order wants it.

    `fields` of the body name the account, or the session that is renewed.
    """
    content = tree.read(limiter.path) or b""
    literal = dict(_exported(tree, limiter.path))[limiter.name]
    own = dict(members(literal))
    limit = "limit" if "limit" in own else "max"
    sent = " ?? ".join([*(f"req.body?.{name}" for name in fields), "''"])
    key = f"String({sent}).normalize('NFKC').trim().toLowerCase()"
    wanted = {
        "windowMs": "15 * 60 * 1000",
        limit: "5",
        # The route's own path: a request may spell it in other cases, or with a slash behind.
        "keyGenerator": f"(req) => [req.route?.path ?? req.path, {key}, req.ip].join(' ')",
        "skipSuccessfulRequests": "true",
        "requestWasSuccessful": _IS_NO_FAILURE,
    }
    if "handler" not in own:
        wanted["message"] = _ANSWER
    for name, text in wanted.items():
        if name in own:
            yield _replaced(content, own[name], text)
    added = [f"{name}: {text}" for name, text in wanted.items() if name not in own]
    if added:
        yield appended(content, literal, added)
    yield from _remarks(literal)


def told_of_proxies(
    tree: Tree, service: PurePosixPath, variable: str
) -> Iterator[tuple[PurePosixPath, Splice]]:
    """Yield what has a service take its clients' addresses from as many proxies as `variable` says.

    Nothing where it says itself what it trusts, or where it makes none or several applications.
    """
    sources = [path for path in below(tree, service) if is_source(path)]
    texts = {path: tree.read(path) or b"" for path in sources}
    made = [(path, found) for path, text in texts.items() for found in _APPLICATION.finditer(text)]
    if len(made) != 1 or any(b"trust proxy" in text for text in texts.values()):
        return
    path, found = made[0]
    indent, name, end = (part.decode() for part in found.groups())
    text = (
        f"{indent}// How many proxies say for whom they ask; without a number nobody is believed.\n"
        f"{indent}{name}.set('trust proxy', Number(process.env.{variable}) || 0){end}\n"
    )
    if found[0].endswith(b"\r\n"):
        text = text.replace("\n", "\r\n")
    yield path, Splice(start=found.end(), end=found.end(), text=text)


def _replaced(content: bytes, value: Node, text: str) -> Splice:
    """Return the splice that replaces a number with the remark that said what it was."""
    comma = b"," if content[value.end_byte : value.end_byte + 1] == b"," else b""
    remark = _REMARK.match(content, value.end_byte + len(comma))
    if remark is None:
        return Splice(start=value.start_byte, end=value.end_byte, text=text)
    return Splice(start=value.start_byte, end=remark.end(), text=text + comma.decode())


def _remarks(literal: Node) -> Iterator[Splice]:
    """Yield the splice that corrects the comment above, where that speaks of the old rate."""
    exported = next((each for each in above(literal) if each.type == "export_statement"), literal)
    remark = exported.prev_sibling
    while remark is not None and remark.type == "comment" and text_of(remark).startswith("//"):
        if _RATE.search(text_of(remark)):
            yield Splice(start=remark.start_byte, end=remark.end_byte, text=_SAYS)
            return
        remark = remark.prev_sibling
