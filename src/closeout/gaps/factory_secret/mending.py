"""Turn one hardcoded secret into splices of its file, or say why that is not safe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.anchors import typescript
from closeout.anchors import typescript_imports as imports
from closeout.gaps.factory_secret.places import HardcodedSecret, Kind
from closeout.model import Reason, Unresolved
from closeout.splicing import Splice, indentation, line_start
from closeout.tree import Tree

GUARD = "claimGuard"
_ANSWER = re.compile(r"^(\w+)(?:\.status\(|$)")
_LOGGED = re.compile(r"\b(?:log|logger|audit|console)\b", re.IGNORECASE)
_FUNCTIONS = frozenset(
    {"function_declaration", "method_definition", "public_field_definition", "variable_declarator"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A file's splices, by path."""

    splices: tuple[tuple[PurePosixPath, Splice], ...]


def mend_comparison(
    tree: Tree, service: PurePosixPath, secret: HardcodedSecret, module: PurePosixPath
) -> Mended | Unresolved:
    """Return the splices that ask `module` instead of comparing with the literal."""
    content = tree.read(secret.path) or b""
    source = typescript.read(content)
    comparison = secret.comparison
    if comparison is None or comparison.statement is None or comparison.consequence is None:
        return _unresolved(secret, "the comparison is not the whole condition of an `if`")
    if comparison.operator not in {"!==", "!="}:
        return _unresolved(secret, "the comparison does not lead to the refusal")
    answer = _answer(source, comparison.consequence)
    if answer is None:
        return _unresolved(secret, "no answer of Express was found in the refusal")
    if _tells_the_claim(source, comparison):
        return _unresolved(secret, "the refusal writes the claim down")
    routes = tuple(_routes(tree, service, secret, source))
    if not routes:
        return _unresolved(secret, "the route that calls this handler was not found")
    splices = [
        (secret.path, imports.insertion(content, secret.path.parent, ["refuseClaim"], module)),
        *((secret.path, item) for item in _asked(content, source, comparison, answer)),
    ]
    for path, call in routes:
        text = tree.read(path) or b""
        handler = call.arguments[1]
        splices += [
            (path, imports.insertion(text, path.parent, [GUARD], module)),
            (path, Splice(start=handler.start, end=handler.start, text=f"{GUARD}, ")),
        ]
    return Mended(splices=tuple(dict.fromkeys(splices)))


def mend_fallback(tree: Tree, secret: HardcodedSecret, module: PurePosixPath) -> Mended:
    """Return the splices that require the variable instead of falling back to the literal."""
    content = tree.read(secret.path) or b""
    quote = '"' if secret.place.text.rstrip().endswith('"') else "'"
    text = f"requiredSecret({quote}{secret.name}{quote})"
    return Mended(
        splices=(
            (
                secret.path,
                imports.insertion(content, secret.path.parent, ["requiredSecret"], module),
            ),
            (secret.path, Splice(start=secret.place.start, end=secret.place.end, text=text)),
        )
    )


def by_hand(secret: HardcodedSecret) -> Unresolved:
    """Return a secret whose right replacement only its owner knows."""
    where = "is kept in a constant" if secret.kind is Kind.CONSTANT else "is compared with"
    return _unresolved(secret, f"{secret.name} {where}: which variable holds it is not known")


def _asked(
    content: bytes,
    source: typescript.Source,
    comparison: typescript.Comparison,
    answer: typescript.Call,
) -> Iterator[Splice]:
    statement, consequence = comparison.statement, comparison.consequence
    if statement is None or consequence is None:
        return
    del source
    name = "claimRefusal" if re.search(rb"\brefusal\b", content) else "refusal"
    end = ";" if content.count(b";\n") + content.count(b";\r\n") else ""
    blank = indentation(content, statement.start)
    at = line_start(content, statement.start) + len(blank)
    asked = f"const {name} = refuseClaim({comparison.other.text}){end}\n{blank}"
    yield Splice(start=at, end=at, text=asked)
    yield Splice(start=comparison.place.start, end=comparison.place.end, text=name)
    response = answer.receiver.split(".")[0]
    text = f"{response}.status({name}.status).json({name}.body)"
    if not _LOGGED.search(consequence.text):
        text_before = f"console.warn('a claim was refused'){end}\n"
        start = line_start(content, answer.place.start)
        inner = indentation(content, answer.place.start)
        yield Splice(start=start, end=start, text=f"{inner}{text_before}")
    yield Splice(start=answer.place.start, end=answer.place.end, text=text)


def _answer(source: typescript.Source, inside: typescript.Place) -> typescript.Call | None:
    """Return the call in the refusal's block that sends the answer."""
    if not inside.text.startswith("{") or "\n" not in inside.text:
        return None
    answers = [
        call
        for call in source.calls
        if inside.start <= call.place.start < inside.end
        and call.method in {"json", "send", "sendStatus", "end"}
        and _ANSWER.match(call.receiver)
    ]
    return answers[0] if len(answers) == 1 else None


def _tells_the_claim(source: typescript.Source, comparison: typescript.Comparison) -> bool:
    inside = comparison.consequence
    name = re.findall(r"\w+", comparison.other.text)[-1]
    return inside is not None and any(
        re.search(rf"\b{name}\b", argument.text)
        for call in source.calls
        if inside.start <= call.place.start < inside.end
        for argument in call.arguments
        if argument.kind != "string"
    )


def _routes(
    tree: Tree, service: PurePosixPath, secret: HardcodedSecret, source: typescript.Source
) -> Iterator[tuple[PurePosixPath, typescript.Call]]:
    """Yield the routes of the service whose handler is the function around the comparison."""
    around = [
        item
        for item in source.definitions
        if item.kind in _FUNCTIONS and item.place.start < secret.place.start < item.place.end
    ]
    if not around:
        return
    name = min(around, key=lambda item: item.place.end - item.place.start).name
    for path in tree.paths():
        if path.suffix != ".ts" or service not in path.parents or path.name.endswith(".test.ts"):
            continue
        content = tree.read(path) or b""
        if name.encode() not in content or secret.path.stem.encode() not in content:
            continue
        for call in typescript.read(content).routes():
            if re.search(rf"\b{name}\b", call.arguments[-1].text):
                yield path, call


def _unresolved(secret: HardcodedSecret, detail: str) -> Unresolved:
    return Unresolved(
        path=secret.path,
        reason=Reason.AMBIGUOUS,
        line=secret.place.line,
        detail=detail,
        hint="read the secret from the environment and check it when the service starts.",
    )
