"""Have the operator make a Secret that a manifest writes out: the same name, the same keys.

What is no secret in it (a host, a user) stays where it can be read; the rest comes from the store.
"""

from __future__ import annotations

import binascii
import posixpath
import re
from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, splice
from closeout.gaps.external_secrets.declared import Declared, Found
from closeout.gaps.external_secrets.inventory import SecretVariable
from closeout.gaps.external_secrets.inventory.names import is_secret, works
from closeout.gaps.external_secrets.readers import as_variable
from closeout.gaps.external_secrets.stores import store_for
from closeout.gaps.external_secrets.target import FOLDER, SUFFIX, entry_values
from closeout.gaps.external_secrets.wanted import (
    Identity,
    WantedSecret,
    held_by,
    missing_entries,
    plain,
)
from closeout.model import Changeset, Edit, Reason, Source, Tree, Unresolved
from closeout.parsing import yaml as anchors
from closeout.resources import render

_COMMENT = re.compile(rb"[ \t]+#[^\r\n]*")
_OPAQUE = frozenset({"", "Opaque"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A Secret in a manifest, with what it keeps and what the operator brings."""

    found: Found
    kept: Mapping[str, str]
    lacking: WantedSecret


def handovers(
    tree: Tree, state: Declared, variables: Sequence[SecretVariable]
) -> dict[Identity, Handover]:
    """Return the Secrets that hold a usable secret, where the operator can make the same."""
    made = {(item.target, item.namespace) for item in state.secrets}
    services = frozenset(each.service for each in variables)
    found = {}
    for identity, item in plain(state).items():
        held = written_in(item) if item.document.kind == "Secret" and identity not in made else None
        # Without a namespace nobody can say where the operator has to make it.
        if held is None or not item.namespace or b"{{" in (tree.read(item.path) or b""):
            continue
        readers = [need for need in state.needs if need.identity == identity]
        given = {need.key: need.variable for need in readers if need.variable}
        entries = {
            key: given.get(key) or as_variable(key)
            for key, value in held.items()
            if (is_secret(given.get(key, "")) or is_secret(as_variable(key)))
            and works(as_variable(key), value)
        }
        kept = {key: value for key, value in held.items() if key not in entries}
        if not entries or any("\n" in value or "{{" in value for value in kept.values()):
            continue
        held_for = [held_by(state, need, services) for need in readers]
        owner = next((each for each, _ in held_for if each in services), item.name)
        for need, (_, variable) in zip(readers, held_for, strict=True):
            if need.key in entries:
                entries[need.key] = variable
        lacking = WantedSecret(service=owner, entries=entries)
        found[identity] = Handover(found=item, kept=kept, lacking=lacking)
    return found


def written_in(item: Found) -> dict[str, str] | None:
    """Return a Secret's keys and values, None where it is of a kind or form left to its owner."""
    if item.text("type") not in _OPAQUE or item.field("immutable"):
        return None
    held: dict[str, str] = {}
    for part in ("data", "stringData"):
        values = item.field(part) or {}
        if not isinstance(values, dict):
            return None
        for key, value in values.items():
            text = "" if value is None else str(value)
            try:
                is_coded = part == "data"
                held[str(key)] = b64decode(text, validate=True).decode() if is_coded else text
            except (binascii.Error, UnicodeDecodeError):
                return None
    return held


def handed_over(
    tree: Tree,
    state: Declared,
    variables: Sequence[SecretVariable],
    found: Mapping[Identity, Handover],
    common: Mapping[str, object],
) -> Iterator[Changeset]:
    """Yield one changeset a manifest whose Secrets the operator makes from now on.

    `common` are the values of an ExternalSecret that the tree's settings decide.
    """
    splices: dict[PurePosixPath, list[Splice]] = defaultdict(list)
    for (name, namespace), each in found.items():
        path = each.found.path
        content = tree.read(path) or b""
        values = entry_values(state, each.lacking.service, each.lacking.entries)
        store = store_for(state, namespace)
        if store is not None:
            values |= {"store": store.name, "store_kind": store.document.kind}
        values |= {"name": name, "namespace": namespace, "kept": each.kept}
        text = render("external-secrets/external-secret.yaml.j2", {**common, **values})
        node = _node(content, each.found)
        if node is not None:
            body = text.partition(b"\n")[2].decode().rstrip("\n")
            # A comment behind the last value speaks of a value that is gone.
            spoken = _COMMENT.match(content, node.end)
            end = spoken.end() if spoken else node.end
            splices[path].append(Splice(start=node.start, end=end, text=body))
    for path, items in sorted(splices.items()):
        edit = Edit.of(tree, path, splice(tree.read(path) or b"", items))
        yield Changeset(name=f"hand-over-{path.stem}".lower(), edits=(edit,), source=Source.CODE)
    yield from _waiting(state, variables, found)


def elsewhere(state: Declared, found: Mapping[Identity, Handover], store: str) -> list[str]:
    """Return the files that ask for remote keys of `store` and that no service's name leads to.

    Their paths start at the folder of the services' own.
    """
    ours = {
        each.found.path for (_, place), each in found.items() if _read_from(state, place, store)
    }
    for item in state.secrets:
        spec = ("spec", "secretStoreRef")
        if (item.text(*spec, "kind"), item.text(*spec, "name")) == ("ClusterSecretStore", store):
            ours.add(item.path)
    return sorted(
        posixpath.relpath(str(path), str(FOLDER))
        for path in ours
        if path.parent != FOLDER or not path.name.endswith(SUFFIX)
    )


def _read_from(state: Declared, namespace: str, store: str) -> bool:
    known = store_for(state, namespace)
    return known is None or (known.document.kind == "ClusterSecretStore" and known.name == store)


def _node(content: bytes, item: Found) -> anchors.Node | None:
    for top in anchors.documents(content):
        kind, name = top.get("kind"), top.get("metadata", "name")
        if (
            kind is not None
            and name is not None
            and (kind.text, name.text) == ("Secret", item.name)
        ):
            return top
    return None


def _waiting(
    state: Declared, variables: Sequence[SecretVariable], found: Mapping[Identity, Handover]
) -> Iterator[Changeset]:
    """Yield, unresolved, the variables whose Secret stays written out."""
    left = []
    written = plain(state)
    for item in missing_entries(state, variables):
        for need in state.needs_of(item.service):
            kept = written.get(need.identity)
            if need.variable == item.name and kept is not None and need.identity not in found:
                place = item.places[0]
                left.append(
                    Unresolved(
                        path=place.path,
                        reason=Reason.AMBIGUOUS,
                        line=place.line,
                        detail=f"{item.name} comes from the Secret {need.secret} in {kept.path}",
                        hint="give that Secret to an ExternalSecret, or put a sealed one there.",
                    )
                )
    if left:
        yield Changeset(name="secrets-written-out", edits=(), unresolved=tuple(left))
