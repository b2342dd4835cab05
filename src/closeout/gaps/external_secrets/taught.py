"""Tell the documents that teach a default which this gap takes out of compose, code or a script."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.interpolation import DEFAULT, unset
from closeout.formats.taught_defaults import TakenDefault, secret_in, teaching
from closeout.fs.tree import Overlay
from closeout.gaps.external_secrets.fallbacks import written_defaults
from closeout.gaps.external_secrets.inventory.literals import Literal, LiteralForm
from closeout.gaps.external_secrets.inventory.names import is_secret, works
from closeout.gaps.external_secrets.remedies.shell import SUFFIXES
from closeout.model import Changeset, Tree


def taught(tree: Tree, found: Collection[Literal], made: Collection[Changeset]) -> Changeset:
    """Return what documents teach that no file of the tree has any more, once all is laid.

    `found` are the places of `tree` where a secret can be read: nowhere else is a default left.
    """
    after = Overlay(tree)
    for edit in (edit for each in made for edit in each.edits if edit.before):
        if after.read(edit.path) == edit.before:
            after.lay(edit)
    paths = {item.path for item in found if item.form is not LiteralForm.MATERIAL}
    paths |= {edit.path for edit in after.edits}
    kept = {(item.name, item.secret) for path in paths for item in _defaults(after, path)}
    taken = {
        item
        for edit in after.edits
        for item in _defaults(tree, edit.path)
        if (item.name, item.secret) not in kept
    }
    return Changeset(name="taught", edits=(), unresolved=tuple(teaching(tree, sorted(taken))))


def _defaults(tree: Tree, path: PurePosixPath) -> Iterator[TakenDefault]:
    """Yield the secrets that a file gives where nobody sets them, each by its variable."""
    for name, value in _given(tree, path):
        if is_secret(name, unset(value)) and works(name, unset(value)):
            yield TakenDefault(path=path, name=name, secret=secret_in(value))


def _given(tree: Tree, path: PurePosixPath) -> Iterator[tuple[str, str]]:
    content = tree.read(path) or b""
    for item in written_defaults(tree, path):
        # Of an account that every client tries by itself, the address goes on being the default.
        if item.bare is None:
            yield item.name, item.literal
    is_compose = compose.may_be_compose(path)
    for service in compose.services(path, content) if is_compose else ():
        yield from ((name, value) for _, name, value in service.assignments())
    if is_compose or path.suffix in SUFFIXES:
        for match in DEFAULT.finditer(content.decode("utf-8", "replace")):
            yield match["name"], match["word"]
