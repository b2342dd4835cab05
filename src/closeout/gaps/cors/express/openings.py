"""Judge the options of cors(…): how an object, a pattern or a callback lets every origin in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum

from closeout.gaps.cors.strangers import compiled, taken_by
from closeout.parsing import typescript
from closeout.parsing.typescript_flow import CallbackCall, flow
from closeout.parsing.typescript_values import FUNCTIONS, Leaf, TypeScriptValues

_NAMED_GROUP = re.compile(r"\(\?<(?![=!])")


class Opening(Enum):
    """How an Express service lets every origin in."""

    DEFAULT = "calls cors() without an origin, and its default is every origin"
    WILDCARD = "trusts every origin"
    REFLECTED = "repeats whatever origin asks"
    PATTERN = "trusts every origin by a regular expression"
    CALLBACK = "has an origin callback that never refuses"
    FRAMEWORK = "trusts every origin by an option of its framework"
    HEADER = "writes Access-Control-Allow-Origin by hand for every origin"


def delegated(values: TypeScriptValues, function: Leaf) -> Iterator[Leaf]:
    """Yield the options that a function per request always answers with."""
    found = flow(function.node)
    for answer in found.answers:
        if len(found.answers) == 1 and not answer.is_conditional and len(answer.arguments) > 1:
            given = values.of(function, answer.arguments[1])
            yield from (item for item in given if item.kind == "object")


def opening_of(
    values: TypeScriptValues, options: Leaf, origins: Sequence[Leaf]
) -> tuple[Opening | None, int]:
    """Return how an options object with these origins lets everybody in, and where."""
    if not origins:
        unread = any(item.type == "spread_element" for item in options.node.named_children)
        return (None if unread else Opening.DEFAULT), options.place.line
    for leaf in origins:
        opening = _leaf_opening(values, leaf)
        if opening is not None:
            is_near = leaf.path == options.path
            return opening, leaf.place.line if is_near else options.place.line
    return None, options.place.line


def untried(origins: Sequence[Leaf]) -> bool:
    """Return whether an origin is a pattern that is too long, or no pattern in Python."""
    patterns = (_pattern(leaf) for leaf in origins)
    return any(pattern and _compiled(pattern) is None for pattern in patterns)


def _leaf_opening(values: TypeScriptValues, leaf: Leaf) -> Opening | None:
    if leaf.kind == "true":
        return Opening.REFLECTED
    if leaf.kind in {"string", "template_string"} and "*" in map(str.strip, leaf.text.split(",")):
        return Opening.WILDCARD
    tried = _compiled(_pattern(leaf))
    if tried and taken_by(tried, whole=False):
        return Opening.PATTERN
    if leaf.kind in FUNCTIONS and _never_refuses(values, leaf):
        return Opening.CALLBACK
    return None


def _pattern(leaf: Leaf) -> str:
    """Return the leaf's regular expression, empty where it is none."""
    if leaf.kind == "regex":
        return leaf.text[1:].rpartition("/")[0].replace("\\/", "/")
    if leaf.kind == "new_expression" and leaf.text.startswith("new RegExp("):
        strings = typescript.read(leaf.text.encode()).strings
        return strings[0].text[1:-1].replace("\\\\", "\\") if strings else ""
    return ""


def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Return the pattern to try; None where there is none, and for one that cannot be tried."""
    return compiled(_NAMED_GROUP.sub("(?P<", pattern)) if pattern else None


def _never_refuses(values: TypeScriptValues, function: Leaf) -> bool:
    found = flow(function.node)
    accepting = [item for item in found.answers if _accepts(values, function, item)]
    if found.can_stop or len(accepting) < len(found.answers):
        return False
    return len(accepting) > 1 or any(not item.is_conditional for item in accepting)


def _accepts(values: TypeScriptValues, function: Leaf, answer: CallbackCall) -> bool:
    """Return whether the callback is told yes, whatever asks."""
    if len(answer.arguments) < len(("error", "origin")):
        return False
    origin = flow(function.node).parameters[0]
    leaves = values.of(function, answer.arguments[1])
    return all(
        _leaf_opening(values, leaf) is not None or leaf.place.text == origin for leaf in leaves
    )
