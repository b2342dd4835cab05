"""Mend manifests that exist: the served version, a store's conditions, a missing entry."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import indent

from closeout.fs.text_edit import Splice, splice
from closeout.gaps.external_secrets.declared import Declared, Found
from closeout.gaps.external_secrets.readers import mappings
from closeout.gaps.external_secrets.target import API_VERSION
from closeout.parsing import yaml as anchors


def account_of(store: Found) -> tuple[str, str]:
    """Return name and namespace of the account a store signs in with; empty where it has none."""
    for value in mappings(store.field("spec", "provider")):
        reference = value.get("serviceAccountRef")
        if isinstance(reference, dict):
            namespace = reference.get("namespace") or store.namespace
            return str(reference.get("name") or ""), str(namespace)
    return "", ""


def allowed_namespaces(store: Found) -> frozenset[str] | None:
    """Return the namespaces a store serves, or None where that is more than a list."""
    conditions = store.field("spec", "conditions")
    if store.document.kind == "SecretStore":
        return frozenset({store.namespace})
    if not isinstance(conditions, list) or not conditions:
        return None
    names: set[str] = set()
    for item in conditions:
        if not isinstance(item, dict) or set(item) != {"namespaces"}:
            return None
        names.update(str(name) for name in item["namespaces"] or ())
    return frozenset(names)


def store_for(state: Declared, namespace: str) -> Found | None:
    """Return the store that serves a namespace: its own, else the cluster's; None without one."""
    for item in state.stores:
        if item.document.kind == "SecretStore" and item.namespace == namespace:
            return item
    return next((item for item in state.stores if item.document.kind != "SecretStore"), None)


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
        blanks, rows = " " * spec.indent, "\n".join(f"      - {name}" for name in namespaces)
        place = Splice(
            start=spec.entries[0].start,
            end=spec.entries[0].start,
            text=indent(f"conditions:\n  - namespaces:\n{rows}\n", blanks).lstrip() + blanks,
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
    """Return the secret's file with a served version and `rows` (key, remote key) at its end.

    The second value says why the rows were not added, empty where they were.
    """
    content = _served(content, secret)
    if not rows:
        return content, ""
    top = _own(content, secret)
    data, made = top.get("spec", "data"), top.get("spec", "target", "template", "data")
    if data is None or data.alias or not data.entries:
        return content, "has no list under spec.data that an entry could be added to"
    if made is not None and (made.alias or not made.entries):
        return content, "builds its keys by a template that no key could be added to"
    splices = [anchors.append(content, data).splice(_rows(rows, flow=data.flow))]
    if made is not None:
        joined = ", " if made.flow else "\n"
        text = joined.join(f"{key}: '{{{{ index . \"{key}\" }}}}'" for key, _ in rows)
        splices.append(anchors.append(content, made).splice(text))
    return splice(content, splices), ""


def _rows(rows: Sequence[tuple[str, str]], *, flow: bool) -> str:
    """Return entries of spec.data, each a key and the remote key that holds its value."""
    if flow:
        return ", ".join(f"{{secretKey: {key}, remoteRef: {{key: {far}}}}}" for key, far in rows)
    return "\n".join(f"- secretKey: {key}\n  remoteRef:\n    key: {far}" for key, far in rows)


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
            if name.text == found.name and place == found.text("metadata", "namespace"):
                return top
    message = f"{found.path} no longer declares {found.document.subject}"
    raise ValueError(message)
