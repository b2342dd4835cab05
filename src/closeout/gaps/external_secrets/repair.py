"""Mend what is there and wrong: commands that cannot be repeated, manifests that are refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from closeout.formats.manifests import validate
from closeout.fs.text_edit import Splice, splice
from closeout.gaps.external_secrets.declared import Declared, Found
from closeout.gaps.external_secrets.installation import commands
from closeout.gaps.external_secrets.inventory import SecretVariable
from closeout.gaps.external_secrets.stores import allowed_namespaces, mend_secret, mend_store
from closeout.gaps.external_secrets.wanted import Identity, WantedSecret
from closeout.model import Changeset, Edit, Reason, Source, Tree, Unresolved


def mended_commands(tree: Tree) -> Iterator[Changeset]:
    """Yield one changeset a script that installs the operator unpinned or only once."""
    broken: dict[PurePosixPath, list[Splice]] = defaultdict(list)
    for item in commands(tree):
        broken[item.path] += item.splices
    for path, splices in sorted(broken.items()):
        content = tree.read(path) or b""
        if splices:
            edit = Edit.of(tree, path, splice(content, splices))
            yield Changeset(name=f"pin-{path.stem}".lower(), edits=(edit,), source=Source.CODE)


def mended_manifests(
    tree: Tree,
    state: Declared,
    variables: Sequence[SecretVariable],
    needed: Mapping[Identity, WantedSecret],
) -> Iterator[Changeset]:
    """Yield one changeset a manifest with an unserved version or an entry missing.

    One that would still be refused is left as it is, and so is what it was to bring: the others
    go on.
    """
    namespaces = in_use(state, needed)
    served: dict[Identity, Found] = {}
    for secret in state.secrets:
        served.setdefault((secret.target, secret.namespace), secret)
    for path in sorted({item.path for item in (*state.stores, *state.secrets)}):
        before = after = tree.read(path) or b""
        left: list[Unresolved] = []
        for store in (item for item in state.stores if item.path == path):
            admitted = [store.namespace] if store.document.kind == "SecretStore" else namespaces
            after = mend_store(after, store, admitted, allowed_namespaces(store))
        for secret in (item for item in state.secrets if item.path == path):
            identity = (secret.target, secret.namespace)
            lacking = needed.get(identity) if served[identity] is secret else None
            entries = lacking.entries if lacking else {}
            rows = [
                (key, state.remote_key(lacking.service, variable))
                for key, variable in sorted(entries.items())
                if lacking
            ]
            after, reason = mend_secret(after, secret, rows)
            if reason:
                left += _left(path, secret.document.line, reason, entries, variables)
        own = {item.document.subject for item in (*state.stores, *state.secrets)}
        refused = [each for each in validate(after) if each.subject in own]
        if refused:
            first = refused[0]
            left += _left(path, first.line, f"{first.subject}: {first.message}", {}, ())
            after = before
        edits = (Edit.of(tree, path, after),) if after != before else ()
        if edits or left:
            yield Changeset(
                name=f"mend-{path.stem}".lower(),
                edits=edits,
                source=Source.CODE,
                unresolved=tuple(left),
            )


def in_use(state: Declared, needed: Mapping[Identity, WantedSecret]) -> list[str]:
    """Return the namespaces that a store has to serve; what names none is put into the tree's."""
    found = {namespace or state.namespace_of("") for _, namespace in needed}
    found |= {item.namespace for item in state.secrets if item.namespace}
    return sorted(found)


def _left(
    path: PurePosixPath,
    line: int,
    reason: str,
    entries: Mapping[str, str],
    variables: Sequence[SecretVariable],
) -> Iterator[Unresolved]:
    """Yield the manifest, and each place that waits for it: a file that is edited for another."""
    yield Unresolved(path=path, reason=Reason.AMBIGUOUS, detail=reason, line=line)
    names = set(entries.values())
    for place in (item.places[0] for item in variables if item.name in names):
        detail = f"its ExternalSecret in {path} is left as it is"
        yield Unresolved(path=place.path, reason=Reason.AMBIGUOUS, detail=detail, line=place.line)
