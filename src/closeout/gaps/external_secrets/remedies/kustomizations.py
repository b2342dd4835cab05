"""Have a kustomization list the manifest that stands beside it under another number."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice, splice
from closeout.fs.tree import below
from closeout.gaps.external_secrets.declared import Declared
from closeout.model import Changeset, Edit, Tree
from closeout.parsing.yaml import NodeKind, YamlError, find

_NUMBERED = re.compile(r"\d+[-_.]")
_MANIFESTS = frozenset({".yml", ".yaml"})


def relisted(
    tree: Tree, state: Declared, folders: Collection[PurePosixPath]
) -> Iterator[Changeset]:
    """Yield one changeset a kustomization in `folders` that lists a file which is not there.

    Its right name is the only manifest beside it that is called the same but for its number, and
    that nothing lists.
    """
    for path in sorted({item.path for item in state.kustomizations if item.path.parent in folders}):
        content = tree.read(path) or b""
        splices = list(_renamed(tree, path, content))
        if splices:
            edit = Edit.of(tree, path, splice(content, splices))
            yield Changeset(name=f"list-{path.parent.name}".lower(), edits=(edit,))


def _renamed(tree: Tree, path: PurePosixPath, content: bytes) -> Iterator[Splice]:
    try:
        listed = find(content, "resources")
    except YamlError:
        return
    names = listed.scalars() if listed is not None else ()
    beside = [
        each.name
        for each in below(tree, path.parent)
        if each.parent == path.parent
        and each.suffix in _MANIFESTS
        and each.name not in {*names, path.name}
    ]
    for entry in listed.entries if listed is not None else ():
        node = entry.value
        if node.kind is not NodeKind.SCALAR or node.alias:
            continue
        is_there = below(tree, path.parent / node.text) or "/" in node.text
        meant = [name for name in beside if _plain(name) == _plain(node.text)]
        written = content[node.start : node.end].decode("utf-8", "replace")
        if not is_there and len(meant) == 1:
            text = written.replace(node.text, meant[0])
            yield Splice(start=node.start, end=node.end, text=text)


def _plain(name: str) -> str:
    return _NUMBERED.sub("", PurePosixPath(name).stem, count=1)
