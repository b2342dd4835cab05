"""Mend manifests that exist: the served version, a store's conditions, a missing entry."""

from __future__ import annotations

from collections.abc import Sequence

from closeout.fs.text_edit import Splice, splice
from closeout.gaps.external_secrets.declared import Found
from closeout.gaps.external_secrets.target import API_VERSION
from closeout.parsing import yaml as anchors


def mend_store(
    content: bytes, store: Found, namespaces: Sequence[str], allowed: frozenset[str] | None
) -> bytes:
    """Return the store's file with a served version and conditions for `namespaces`."""
    content = _served(content, store)
    if store.document.kind != "ClusterSecretStore" or not namespaces:
        return content
    spec = _own(content, store).get("spec")
    if spec is None or spec.flow:
        return content
    if not store.field("spec", "conditions"):
        if spec.get("conditions") is not None:
            return content
        rows = "\n".join(f"      - {name}" for name in namespaces)
        place = Splice(
            start=spec.entries[0].start,
            end=spec.entries[0].start,
            text=_indented(f"conditions:\n  - namespaces:\n{rows}\n", spec.indent),
        )
        return splice(content, [place])
    absent = [] if allowed is None else [name for name in namespaces if name not in allowed]
    listed = spec.get("conditions", 0, "namespaces")
    if not absent or listed is None or listed.alias:
        return content
    text = ", ".join(absent) if listed.flow else "\n".join(f"- {name}" for name in absent)
    return splice(content, [anchors.append(content, listed).splice(text)])


def mend_secret(
    content: bytes, secret: Found, rows: Sequence[tuple[str, str]]
) -> tuple[bytes, str]:
    """Return the secret's file with a served version and `rows` (variable, key) at its end.

    The second value says why the rows were not added, empty where they were.
    """
    content = _served(content, secret)
    if not rows:
        return content, ""
    if secret.field("spec", "target", "template", "data") is not None:
        return content, "builds its keys by a template, so a new entry has to be placed by hand"
    data = _own(content, secret).get("spec", "data")
    if data is None or data.flow or data.alias or not data.entries:
        return content, "has no list under spec.data that an entry could be added to"
    text = "\n".join(
        f"- secretKey: {variable}\n  remoteRef:\n    key: {key}" for variable, key in rows
    )
    return splice(content, [anchors.append(content, data).splice(text)]), ""


def _served(content: bytes, found: Found) -> bytes:
    version = _own(content, found).get("apiVersion")
    if version is None or version.text == API_VERSION:
        return content
    place = Splice(start=version.start, end=version.end, text=API_VERSION)
    return splice(content, [place])


def _own(content: bytes, found: Found) -> anchors.Node:
    """Return the document's top node in `content`, whose earlier documents may have grown."""
    for top in anchors.documents(content):
        kind, name = top.get("kind"), top.get("metadata", "name")
        if kind is not None and name is not None and kind.text == found.document.kind:
            namespace = top.get("metadata", "namespace")
            place = namespace.text if namespace is not None else ""
            if name.text == found.name and place == found.namespace:
                return top
    message = f"{found.path} no longer declares {found.document.subject}"
    raise ValueError(message)


def _indented(text: str, columns: int) -> str:
    """Indent every line but the first, which starts where the splice does, and end at a key."""
    first, *rest = text.rstrip("\n").split("\n")
    blanks = " " * columns
    return "\n".join([first, *(blanks + line for line in rest)]) + "\n" + blanks
