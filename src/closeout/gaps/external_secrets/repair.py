"""Mend what is there and wrong: commands that cannot be repeated, manifests that are refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, splice
from closeout.gaps.external_secrets.consumers import unprovided
from closeout.gaps.external_secrets.declared import Declared
from closeout.gaps.external_secrets.detect import allowed_namespaces
from closeout.gaps.external_secrets.installation import commands
from closeout.gaps.external_secrets.stores import mend_secret, mend_store
from closeout.gaps.external_secrets.target import remote_key
from closeout.model import Changeset, Edit, Reason, Source, Tree, Unresolved


def mended_commands(tree: Tree) -> Iterator[Changeset]:
    """Yield one changeset a script that installs the operator unpinned or only once."""
    broken: dict[PurePosixPath, list[Splice]] = defaultdict(list)
    for item in commands(tree):
        broken[item.path] += item.splices
    for path, splices in sorted(broken.items()):
        content = tree.read(path) or b""
        if splices:
            yield _changeset(tree, f"pin-{path.stem}", path, splice(content, splices))


def mended_manifests(
    tree: Tree,
    state: Declared,
    services: frozenset[str],
    wanted: Mapping[str, tuple[str, ...]],
) -> Iterator[Changeset]:
    """Yield one changeset a manifest with an unserved version or an entry missing."""
    namespaces = {state.namespace_of(service) for service in wanted}
    namespaces |= {item.namespace for item in state.secrets if item.namespace}
    namespaces |= {need.namespace for need in unprovided(state)}
    takers = {
        held[0]: service for service in wanted if (held := state.secrets_of(service, services))
    }
    for path in sorted({item.path for item in (*state.stores, *state.secrets)}):
        after = tree.read(path) or b""
        for store in (item for item in state.stores if item.path == path):
            after = mend_store(after, store, sorted(namespaces), allowed_namespaces(store))
        reasons = []
        for secret in (item for item in state.secrets if item.path == path):
            service = takers.get(secret, "")
            rows = [(name, remote_key(service, name)) for name in wanted.get(service, ())]
            after, reason = mend_secret(after, secret, rows)
            reasons += [(reason, secret.document.line)] if reason else []
        yield from _mended(tree, path, after, reasons)


def _mended(
    tree: Tree, path: PurePosixPath, after: bytes, reasons: list[tuple[str, int]]
) -> Iterator[Changeset]:
    unresolved = tuple(
        Unresolved(path=path, reason=Reason.AMBIGUOUS, detail=detail, line=line)
        for detail, line in reasons
    )
    if after != tree.read(path):
        yield _changeset(tree, f"mend-{path.stem}", path, after, unresolved)
    elif unresolved:
        yield Changeset(name=f"mend-{path.stem}", edits=(), unresolved=unresolved)


def _changeset(
    tree: Tree,
    name: str,
    path: PurePosixPath,
    after: bytes,
    unresolved: tuple[Unresolved, ...] = (),
) -> Changeset:
    edit = Edit(path=path, before=tree.read(path), after=after, mode=tree.mode(path))
    return Changeset(name=name.lower(), edits=(edit,), source=Source.CODE, unresolved=unresolved)
