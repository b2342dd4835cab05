"""Tell the documents that teach a default which this gap takes out of compose, code or a script."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from closeout.formats import compose
from closeout.formats.interpolation import DEFAULT, unset
from closeout.formats.repeated_logins import TakenLogin, repeating
from closeout.formats.taught_defaults import TakenDefault, secret_in, teaching
from closeout.fs.tree import Overlay
from closeout.gaps.external_secrets.accounts import is_password, said_beside, usual_role
from closeout.gaps.external_secrets.fallbacks import written_defaults
from closeout.gaps.external_secrets.inventory.commands import software, software_of
from closeout.gaps.external_secrets.inventory.literals import Literal, LiteralForm
from closeout.gaps.external_secrets.inventory.names import is_secret, is_usable, works
from closeout.gaps.external_secrets.remedies.shell import SUFFIXES
from closeout.model import Changeset, Tree

_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<user>[^/\s@:]*):(?P<password>[^/\s@]+)@", re.IGNORECASE
)


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
    told = tuple(teaching(tree, sorted(taken)))
    opening = {item.opened for path in paths for item in _logins(after, path)}
    gone = {
        item
        for edit in after.edits
        for item in _logins(tree, edit.path)
        if item.opened not in opening
    }
    places = {(item.path, item.line) for item in told}
    repeated = tuple(repeating(tree, sorted(gone), software_of, places))
    return Changeset(name="taught", edits=(), unresolved=(*told, *repeated))


def _logins(tree: Tree, path: PurePosixPath) -> Iterator[TakenLogin]:
    """Yield the users' passwords that a file gives, in addresses and of the servers it starts."""
    for name, value in _given(tree, path):
        address = _ADDRESS.match(unset(value.strip()))
        if address is not None and is_usable(name, unset(value)):
            yield TakenLogin(
                path=path,
                name=name,
                software=software_of(address["scheme"].partition("+")[0]),
                user=address["user"],
                secret=address["password"],
            )
    is_compose = compose.may_be_compose(path)
    for service in compose.services(path, tree.read(path) or b"") if is_compose else ():
        for name, value in service.variables.items() if not service.context else ():
            host, role = said_beside(name, service.variables)
            is_own = is_password(name) and not host
            if is_own and is_secret(name, unset(value)) and is_usable(name, unset(value)):
                user = unset(role) or usual_role(name)
                yield TakenLogin(
                    path=path,
                    name=name,
                    software=software(service),
                    user=user,
                    secret=secret_in(value),
                )


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
