"""Find secrets that are written out, and take those out of compose files and env examples.

A compose file then reads each from the `.env` beside it and refuses to start without it; the
example beside it names them. In an example a value makes way for a blank or a placeholder.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.compose_calls import filled
from closeout.formats.compose_example import completed
from closeout.formats.env_examples import is_example
from closeout.fs.text_edit import Splice, splice
from closeout.gaps.external_secrets.broker_accounts import broker_accounts
from closeout.gaps.external_secrets.inventory.literals import Literal
from closeout.gaps.external_secrets.inventory.names import is_secret, is_usable
from closeout.gaps.external_secrets.mounted import repeated
from closeout.gaps.external_secrets.remedies import taken_out
from closeout.gaps.external_secrets.remedies.broker_accounts import from_environment
from closeout.gaps.external_secrets.remedies.known import KnownVariables
from closeout.gaps.external_secrets.required import RequiredNames, required
from closeout.model import Changeset, Edit, Reason, Source, Tree, Unresolved

_NEW = "read it from the environment, and give its owner a new one: this one is known."
_BOTH = "take it from one variable in both files: the other is mounted, and read as it is."
_IN_FORCE = (
    "take the user out of the definitions and have the container add it from its environment, then "
    "run the command again: a server that loads definitions passes RABBITMQ_DEFAULT_PASS over."
)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@:]*:(?P<password>[^/\s@]+)@", re.IGNORECASE)
_ASSIGNMENT = re.compile(
    rb"^(?P<head>[ \t]*(?:export[ \t]+)?(?P<name>[A-Z][A-Z0-9_]*)[ \t]*=[ \t]*)(?P<quote>[\"']?)"
    rb"(?P<value>[^\"'\s#][^\"'\r\n]*?)(?P=quote)(?=[ \t]*(?:\s#[^\r\n]*)?\r?$)",
    re.MULTILINE,
)


def unwritten(
    tree: Tree, found: tuple[Literal, ...], elsewhere: Mapping[PurePosixPath, bytes]
) -> tuple[Changeset, ...]:
    """Return the changesets that take the literals out, and what a person has to take out.

    `elsewhere` holds files as another changeset leaves them.
    """
    by_path: dict[PurePosixPath, list[Literal]] = defaultdict(list)
    for item in found:
        by_path[item.path].append(item)
    texts: dict[PurePosixPath, bytes] = {}
    added: dict[PurePosixPath, RequiredNames] = defaultdict(RequiredNames)
    taken, kept = broker_accounts(tree, {(item.path, item.line) for item in found})
    fixed = repeated(tree, taken)
    for path in sorted(by_path):
        content = tree.read(path) or b""
        after = content
        if compose.may_be_compose(path):
            after = required(path, content, added[path.parent], fixed.get(path.parent, {}))
        elif is_example(path):
            after = _example(content)
        texts[path] = after
    # The example beside a compose file may hold a secret of its own: its changeset is one.
    stood_for = {folder: names.values for folder, names in added.items()}
    texts |= dict(completed(tree, stood_for, texts))
    texts |= dict(taken_out(sorted(by_path), KnownVariables(tree=tree, stood_for=stood_for)))
    together = dict(from_environment(tree, taken, texts))
    texts |= together
    texts |= dict(filled(tree, texts))
    left = {path: elsewhere.get(path, texts[path]) for path in by_path}
    lefts = {
        path: _left(by_path[path], tree.read(path) or b"", left[path], fixed.get(path.parent, {}))
        for path in by_path
    }
    for (path, line), reason in kept.items():
        lefts[path] = tuple(each for each in lefts[path] if each.line != line)
        detail = f"keeps a known password in force: {reason}"
        lefts[path] += (
            Unresolved(
                path=path, reason=Reason.AMBIGUOUS, detail=detail, line=line, hint=_IN_FORCE
            ),
        )
    made = {path: _changeset(tree, path, text, lefts.get(path, ())) for path, text in texts.items()}
    alone = [item for path, item in made.items() if path not in together]
    joined = _joined([made[path] for path in together])
    return tuple(item for item in (*alone, joined) if item.edits or item.unresolved)


def _joined(made: Collection[Changeset]) -> Changeset:
    """Return one changeset of several: a server's account leaves all of its files or none."""
    return Changeset(
        name="literals-broker-accounts",
        edits=tuple(edit for each in made for edit in each.edits),
        source=Source.CODE,
        unresolved=tuple(item for each in made for item in each.unresolved),
    )


def _example(content: bytes) -> bytes:
    splices = []
    for match in _ASSIGNMENT.finditer(content):
        name, value = match["name"].decode(), match["value"].decode("utf-8", "replace")
        if not (is_secret(name, value) and is_usable(name, value)):
            continue
        address = _ADDRESS.match(value)
        start, end = match.span("value")
        text = (
            "" if address is None else value.replace(f":{address['password']}@", ":<password>@", 1)
        )
        splices.append(Splice(start=start, end=end, text=text))
    return splice(content, splices)


def _left(
    found: list[Literal], content: bytes, after: bytes, held: Mapping[str, PurePosixPath]
) -> tuple[Unresolved, ...]:
    """Return the places whose line stands afterwards too: a person has to take them out."""
    before_lines, after_lines = content.splitlines(), set(after.splitlines())
    left = []
    for item in found:
        line = before_lines[item.line - 1 : item.line]
        if not after_lines.issuperset(line):
            continue
        split = re.split(r"[^\w-]+", b"".join(line).decode("utf-8", "replace"))
        words = {*split, *(word.removeprefix("-") for word in split)}  # of `${NAME:-word}`
        other = next((file for password, file in held.items() if password in words), None)
        left.append(
            Unresolved(
                path=item.path,
                reason=Reason.AMBIGUOUS,
                detail=f"{item.name} {item.form.value}" + (f", and in {other}" if other else ""),
                line=item.line,
                hint=_BOTH if other else _NEW,
            )
        )
    return tuple(left)


def _changeset(
    tree: Tree, path: PurePosixPath, after: bytes, left: tuple[Unresolved, ...]
) -> Changeset:
    edits = (Edit.of(tree, path, after),) if after != tree.read(path) else ()
    stem = re.sub(r"[^a-z0-9]+", "-", str(path).lower()).strip("-")
    return Changeset(name=f"literals-{stem}", edits=edits, source=Source.CODE, unresolved=left)
