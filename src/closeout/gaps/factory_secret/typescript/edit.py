"""Turn one hardcoded secret into splices of its file, or say why that is not safe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from closeout.fs.text_edit import Splice, indentation, line_start, splice
from closeout.gaps.factory_secret.typescript.comparison import Compared, ComparisonForm
from closeout.gaps.factory_secret.typescript.guard import ACCEPTS, handled, replaced
from closeout.gaps.factory_secret.typescript.places import HardcodedSecret, SecretKind
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing import typescript
from closeout.parsing.typescript import find, text_of
from closeout.parsing.typescript_language import brought_in
from closeout.parsing.typescript_tree import above
from closeout.parsing.typescript_unused import left_unused

if TYPE_CHECKING:
    from tree_sitter import Node

GUARD = "claimGuard"
REQUIRED = "requiredSecret"
_OPTION = re.compile(rb"\b(?:token|password|passwd|pass|apiKey|authToken)\s*:\s*$")
_ANSWER = re.compile(r"^(\w+)(?:\.status\(|$)")
_QUOTED = re.compile(r"(['\"]).*?\1")
_LOGGED = re.compile(r"\b(?:log|logger|audit|console)\b", re.IGNORECASE)
_BODY = re.compile(r"req(?:uest)?\.body(?:\s+as\b.*)?", re.DOTALL)
_WHICH = ": which variable holds it is not known"
_DECLARATIONS = frozenset({"lexical_declaration", "variable_declaration"})
_INLINE = frozenset({"arrow_function", "function", "function_expression"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A file's splices, by path; `field` is the claim's in the body, where the route checks it."""

    splices: tuple[tuple[PurePosixPath, Splice], ...]
    field: str = ""


def mend_comparison(
    tree: Tree,
    service: PurePosixPath,
    secret: HardcodedSecret,
    module: PurePosixPath,
    extension: str,
) -> Mended | Unresolved:
    """Return the splices that ask `module` instead of comparing with the literal."""
    content = tree.read(secret.path) or b""
    source = typescript.read(content)
    compared = secret.compared
    brought = _brought(tree, module, extension)
    if compared is None:
        return by_hand(secret)
    if _tells_the_claim(source, compared):
        return left_open(secret, "the refusal writes the claim down")
    outcome = handled(tree, service, secret.path, compared.value)
    if isinstance(outcome, str):
        return left_open(secret, outcome)
    splices = _refused(content, source, compared)
    name, field = "refuseClaim", ""
    if not splices:
        asked = replaced(compared)
        if isinstance(asked, str):
            return left_open(secret, asked)
        splices, name, field = asked, ACCEPTS, outcome.field
    unused = left_unused(content, splices)
    splices = (*splices, *unused.splices)
    if _stays(splice(content, splices), secret.literal):
        return left_open(secret, "the literal is used elsewhere in the file too")
    ask = brought(secret.path, name, compared.node.start_byte)
    places = [(secret.path, item) for item in (ask, *splices)]
    for path, call in outcome.routes:
        places += [(path, brought(path, GUARD, call.place.start)), (path, _guarded(call))]
    return Mended(splices=tuple(dict.fromkeys(places)), field=field)


def _refused(
    content: bytes, source: typescript.TypeScriptSource, compared: Compared
) -> tuple[Splice, ...]:
    """Return the splices that give the plain refusal its answer, none where it is not plain."""
    consequence = compared.consequence
    answer = None if consequence is None else _answer(source, consequence)
    if compared.form is not ComparisonForm.UNEQUAL or answer is None:
        return ()
    return tuple(_asked(content, compared, answer))


def _brought(
    tree: Tree, module: PurePosixPath, extension: str
) -> Callable[[PurePosixPath, str, int], Splice]:
    """Return how a file gets a name of `module`, ahead of a byte of it."""

    def brought(path: PurePosixPath, name: str, before: int) -> Splice:
        content, names = tree.read(path) or b"", [(name, name)]
        return brought_in(content, path.parent, names, module, extension=extension, before=before)

    return brought


def _guarded(call: typescript.Call) -> Splice:
    """Return the splice that puts the guard right before the handler, the body being parsed."""
    handler = call.arguments[-1]
    # An array beside a function would cost that function the types of its parameters.
    is_inline = any(item.kind in _INLINE for item in call.arguments)
    text = f"{'...' if is_inline else ''}{GUARD}, "
    return Splice(start=handler.start, end=handler.start, text=text)


def _stays(content: bytes, literal: str) -> bool:
    return any(f"{quote}{literal}{quote}".encode() in content for quote in "'\"`")


def is_optional(tree: Tree, secret: HardcodedSecret) -> bool:
    """Return whether a client is handed the secret as an option that it does without."""
    before = (tree.read(secret.path) or b"")[: secret.place.start]
    return secret.fallback is not None and _OPTION.search(before) is not None


def mend_literal(
    tree: Tree, secret: HardcodedSecret, module: PurePosixPath, extension: str
) -> Mended:
    """Return the splices that require the variable of its name instead of the literal.

    Where others are asked after it, they go on being asked, and it is required last.
    What a client is given as an option stays one: the service started without it.
    """
    place, fallback = secret.value or secret.place, secret.fallback
    if fallback is not None and is_optional(tree, secret):
        alone = Splice(start=place.start, end=place.end, text=fallback.asked.text)
        return Mended(splices=((secret.path, alone),))
    quote = '"' if place.text.rstrip().endswith('"') else "'"
    brought = _brought(tree, module, extension)(secret.path, REQUIRED, place.start)
    text = f"{REQUIRED}({quote}{secret.name}{quote})"
    if fallback is not None and not fallback.is_plain:
        place = fallback.written
    asked = Splice(start=place.start, end=place.end, text=text)
    return Mended(splices=((secret.path, brought), (secret.path, asked)))


def by_hand(secret: HardcodedSecret) -> Unresolved:
    """Return a secret whose right replacement only its owner knows."""
    is_fallback = secret.kind is SecretKind.FALLBACK
    why = " in a way that is not mended here" if is_fallback else _WHICH
    return left_open(secret, f"{secret.name} {secret.kind.value}{why}")


def _asked(content: bytes, compared: Compared, answer: typescript.Call) -> Iterator[Splice]:
    statement, consequence = compared.statement, compared.consequence
    if statement is None or consequence is None:
        return
    is_taken = b"refusal" in content and re.search(rb"\brefusal\b", content)
    name = "claimRefusal" if is_taken else "refusal"
    end = ";" if b";\n" in content or b";\r\n" in content else ""
    blank = indentation(content, statement.start_byte)
    at = line_start(content, statement.start_byte) + len(blank)
    asked = f"const {name} = refuseClaim({text_of(compared.value)}){end}\n{blank}"
    yield Splice(start=at, end=at, text=asked)
    yield Splice(start=compared.node.start_byte, end=compared.node.end_byte, text=name)
    response = answer.receiver.split(".")[0]
    text = f"{response}.status({name}.status).json({name}.body)"
    if not _LOGGED.search(consequence.text):
        device = _device(compared.node)
        text_before = f"console.warn('a claim was refused'{device}){end}\n"
        start = line_start(content, answer.place.start)
        inner = indentation(content, answer.place.start)
        yield Splice(start=start, end=start, text=f"{inner}{text_before}")
    yield Splice(start=answer.place.start, end=answer.place.end, text=text)


def _device(comparison: Node) -> str:
    """Return the argument of a log that says which device claims, where the handler has read it."""
    serials = (
        text_of(name)
        for block in above(comparison)
        for statement in block.named_children
        if statement.type in _DECLARATIONS and statement.end_byte <= comparison.start_byte
        for declared in statement.named_children
        if _BODY.fullmatch(text_of(declared.child_by_field_name("value")))
        for name in find(declared, "shorthand_property_identifier_pattern")
    )
    serial = next((name for name in serials if name.startswith("serial")), "")
    return f", {{ {serial} }}" if serial else ""


def _answer(
    source: typescript.TypeScriptSource, inside: typescript.SourceRange
) -> typescript.Call | None:
    """Return the call in the refusal's block that sends the answer."""
    if not inside.text.startswith("{") or "\n" not in inside.text:
        return None
    answers = [
        call
        for call in source.calls_in(inside)
        if call.method in {"json", "send", "sendStatus", "end"} and _ANSWER.match(call.receiver)
    ]
    return answers[0] if len(answers) == 1 else None


def _tells_the_claim(source: typescript.TypeScriptSource, compared: Compared) -> bool:
    inside = compared.consequence
    if inside is None:
        return False
    name = re.findall(r"\w+", text_of(compared.value))[-1]
    return any(
        re.search(rf"\b{name}\b(?!\s*:)", _QUOTED.sub("", argument.text))
        for call in source.calls_in(inside)
        for argument in call.arguments
        if argument.kind != "string"
    )


def left_open(secret: HardcodedSecret, detail: str) -> Unresolved:
    """Return the secret as one that stays, and why."""
    return Unresolved(
        path=secret.path,
        reason=Reason.AMBIGUOUS,
        line=secret.place.line,
        detail=detail,
        hint="read the secret from the environment and check it when the service starts.",
    )
